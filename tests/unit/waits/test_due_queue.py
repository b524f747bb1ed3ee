from __future__ import annotations

import math
import random

from airflow_provider_campaigns.waits.due_queue import DueQueue


def queue_of(**due: float) -> DueQueue[str]:
    queue: DueQueue[str] = DueQueue()
    for item, time in due.items():
        queue.schedule(item, time)
    return queue


def pop_all(queue: DueQueue[str], now: float) -> list[str]:
    popped = []
    while (item := queue.pop_due(now)) is not None:
        popped.append(item)
    return popped


def test_empty_queue_has_nothing_due() -> None:
    queue = queue_of()
    assert queue.next_due() == math.inf
    assert queue.pop_due(1e9) is None
    assert queue.due_of("a") == math.inf


def test_item_is_popped_once_and_not_before_it_is_due() -> None:
    queue = queue_of(a=10)
    assert queue.pop_due(9.99) is None
    assert queue.due_of("a") == queue.next_due() == 10
    assert queue.pop_due(10) == "a"
    assert queue.pop_due(11) is None
    assert queue.due_of("a") == math.inf


def test_items_leave_in_order_of_their_due_times() -> None:
    queue = queue_of(c=3, a=1, b=2, later=5)
    assert pop_all(queue, 4) == ["a", "b", "c"]
    assert queue.next_due() == 5


def test_items_due_at_once_leave_in_order_of_scheduling() -> None:
    assert pop_all(queue_of(c=1, a=1, b=1), 1) == ["c", "a", "b"]


def test_item_scheduled_again_is_due_at_the_new_time_only() -> None:
    queue = queue_of(sooner=9, later=1)
    queue.schedule("sooner", 1)
    queue.schedule("later", 9)
    assert pop_all(queue, 8) == ["sooner"]
    assert pop_all(queue, 9) == ["later"]


def test_item_scheduled_twice_for_one_time_is_popped_once() -> None:
    queue = queue_of(a=1)
    queue.schedule("a", 2)
    queue.schedule("a", 1)
    assert pop_all(queue, 9) == ["a"]


def test_removed_item_is_not_due() -> None:
    queue = queue_of(a=1, b=2)
    queue.remove("a")
    queue.remove("not in the queue")
    assert queue.next_due() == 2
    assert pop_all(queue, 9) == ["b"]


def test_infinite_due_time_removes_an_item() -> None:
    queue = queue_of(a=1)
    queue.schedule("a", math.inf)
    assert queue.next_due() == math.inf
    assert queue.pop_due(9) is None


def test_queue_agrees_with_a_plain_dict() -> None:
    chance, queue, due = random.Random(1), queue_of(), {}
    for step in range(5000):
        item = chance.choice("abcdefgh")
        match chance.randrange(3):
            case 0:
                due[item] = step + chance.randrange(20) + chance.random()
                queue.schedule(item, due[item])
            case 1:
                due.pop(item, None)
                queue.remove(item)
            case 2:
                first = min(due, key=lambda each: due[each], default=None)
                expected = first if first is not None and due[first] <= step else None
                assert queue.pop_due(step) == expected
                due.pop(expected, None)
        assert queue.next_due() == min(due.values(), default=math.inf)
