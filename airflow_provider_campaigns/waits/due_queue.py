"""Which item is due first."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class DueQueue(Generic[T]):
    """Items, each due at one time; of items due at the same time, the one scheduled first leaves first."""

    def __init__(self) -> None:
        self._due: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._order = itertools.count()

    def schedule(self, item: T, due: float) -> None:
        """Set when an item is due, whether it is in the queue or not; an infinite time removes it."""
        if due == math.inf:
            self.remove(item)
            return
        self._due[item] = due
        heapq.heappush(self._heap, (due, next(self._order), item))

    def remove(self, item: T) -> None:
        """Remove an item, if it is in the queue."""
        self._due.pop(item, None)

    def due_of(self, item: T) -> float:
        """Return when an item is due; infinity where it is not in the queue."""
        return self._due.get(item, math.inf)

    def next_due(self) -> float:
        """Return when the first item is due; infinity where the queue is empty."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # removed, or scheduled for another time since
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> T | None:
        """Remove and return the item that has been due longest; None where none is due."""
        if self.next_due() > now:
            return None
        item = heapq.heappop(self._heap)[2]
        del self._due[item]
        return item
