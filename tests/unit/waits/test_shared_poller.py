"""Many waits, one voice: what reaches the service is counted, not timed."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers import _watching, campaign_cleaner
from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger
from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger
from tests.conftest import set_connection
from tests.support.fake_server import Reply, Request, ScriptedServer

LIST, STATUS = "/v1/get_campaign_list", "/v1/get_campaign_status"


class Cleaner:
    """Plays Campaign Cleaner: knows the state of every campaign, and which of them its list shows."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.states: dict[str, str] = {}
        self.listed: Callable[[str], bool] = lambda _: True
        server.play(Reply(self._status), path=STATUS)
        server.play(Reply(self._list), path=LIST)

    def asked(self) -> Counter[str]:
        return Counter(request.path for request in self.server.requests)

    def _status(self, request: Request) -> dict[str, Any]:
        campaign_id = request.json["campaign"]["id"]
        return {"campaign_status": {"id": campaign_id, "status": self.states.get(campaign_id, "processing")}}

    def _list(self, _: Request) -> dict[str, Any]:
        return {
            "campaign_list": [
                {"id": campaign_id, "status": state}
                for campaign_id, state in self.states.items()
                if self.listed(campaign_id)
            ]
        }


@pytest.fixture
def cleaner(connections: ScriptedServer) -> Cleaner:
    return Cleaner(connections)


def wait_for(campaign_id: str, **arguments: Any) -> CampaignCleanerCampaignTrigger:
    return CampaignCleanerCampaignTrigger(
        **{
            "campaign_id": campaign_id,
            "campaign_cleaner_conn_id": "campaign_cleaner_default",
            "paused": ["processing"],
            "poke_interval": 0.5,
            "deadline": time.time() + 30,
            **arguments,
        }
    )


def gate_of(number: int, **arguments: Any) -> InstantlySendGateTrigger:
    return InstantlySendGateTrigger(
        **{
            "campaign_id": f"019e18e2-a52f-78e7-96f2-{number:012d}",
            "instantly_conn_id": "instantly_default",
            "max_status_age": 3600.0,
            "poke_interval": 0.5,
            "deadline": time.time() + 30,
            **arguments,
        }
    )


async def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    async with aclosing(trigger.run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))


class Stopwatch:
    """Counts are held against the time that passed, which on a busy machine is more than was slept."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def turns(self, interval: float) -> float:
        """How many intervals have passed."""
        return (time.monotonic() - self._begun) / interval


async def all_begun(number: int) -> None:
    """All waits ask now. A thread may look their connections up, and then they do not begin together."""
    for _ in range(2000):
        watches = _watching._pollers.get(asyncio.get_running_loop(), {}).values()
        if sum(watch._users for watch in watches) == number:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not all of {number} waits have begun")


async def settled() -> None:
    """Nothing is left: no watch, no session, no task."""
    await asyncio.sleep(0)
    assert not _watching._pollers[asyncio.get_running_loop()]
    assert not aio._sessions[asyncio.get_running_loop()]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_wait_that_is_alone_uses_the_single_call(cleaner: Cleaner) -> None:
    cleaner.states["a"] = "completed"
    assert (await event_of(wait_for("a")))["status"] == "completed"
    assert cleaner.asked() == {STATUS: 1}
    await settled()


async def test_any_number_of_waits_costs_one_request_an_interval(cleaner: Cleaner) -> None:
    cleaner.states = {f"c{number}": "processing" for number in range(300)}
    beginning = Stopwatch()
    waits = [asyncio.create_task(event_of(wait_for(campaign))) for campaign in cleaner.states]
    await all_begun(300)
    # Those that begin apart are gathered for a tenth of a second.
    assert cleaner.asked()[LIST] <= beginning.turns(0.1) + 1
    watch, before = Stopwatch(), cleaner.asked()
    await asyncio.sleep(3.2)
    # The first wait is alone for a moment, and the others are gathered: then one list each 0.5 s.
    assert cleaner.asked()[STATUS] <= 1
    assert cleaner.asked()[LIST] - before[LIST] <= watch.turns(0.5) + 2
    cleaner.states = dict.fromkeys(cleaner.states, "completed")
    events = await asyncio.gather(*waits)
    assert {event["status"] for event in events} == {"completed"}
    assert cleaner.server.connections <= 2
    await settled()


async def test_each_wait_ends_by_its_own_state(cleaner: Cleaner) -> None:
    cleaner.states = {"done": "completed", "odd": "exploded", "stuck": "paused", "busy": "processing"}
    tasks = {name: asyncio.create_task(event_of(wait_for(name))) for name in cleaner.states}
    await asyncio.sleep(1.5)
    assert {name for name, task in tasks.items() if task.done()} == {"done", "odd", "stuck"}
    cleaner.states["busy"] = "completed"
    assert [(await task)["status"] for task in tasks.values()] == [
        "completed",
        "exploded",
        "paused",
        "completed",
    ]
    await settled()


async def test_a_campaign_that_the_list_does_not_show_is_asked_for_singly(cleaner: Cleaner) -> None:
    cleaner.states = dict.fromkeys("abcdef", "processing")
    cleaner.listed = lambda campaign_id: campaign_id not in "ab"
    waits = [asyncio.create_task(event_of(wait_for(campaign))) for campaign in cleaner.states]
    await asyncio.sleep(1.2)
    cleaner.states["a"] = "completed"
    event = await waits[0]
    assert event["status"] == "completed"
    cleaner.states = dict.fromkeys("abcdef", "completed")
    await asyncio.gather(*waits)
    singly = Counter(
        request.json["campaign"]["id"] for request in cleaner.server.requests if request.path == STATUS
    )
    assert set(singly) - {"a", "b"} <= {"a"} or sum(singly[name] for name in "cdef") <= 1
    await settled()


@pytest.mark.parametrize(
    "broken",
    [
        Reply({}, status=500),
        Reply(b"<html>"),
        Reply({"error": "no list today"}),
        Reply({"x": "y" * 5_000_000}),
    ],
)
async def test_a_list_that_does_not_work_gives_way_to_single_calls(cleaner: Cleaner, broken: Reply) -> None:
    cleaner.server.play(broken, path=LIST)
    cleaner.states = dict.fromkeys("abcdefgh", "processing")
    watch = Stopwatch()
    waits = [asyncio.create_task(event_of(wait_for(campaign))) for campaign in cleaner.states]
    await asyncio.sleep(1.7)
    asked = cleaner.asked()
    assert asked[LIST] == 1  # and then it is left alone for a while
    assert 8 <= asked[STATUS] <= 8 * (watch.turns(0.45) + 2)
    cleaner.states = dict.fromkeys(cleaner.states, "completed")
    assert {event["outcome"] for event in await asyncio.gather(*waits)} == {"done"}
    await settled()


@pytest.mark.parametrize("garbage", [Reply(b"<html>"), Reply({}, status=503), Reply({"error": "down"})])
async def test_a_service_that_answers_nothing_useful_is_not_stormed(cleaner: Cleaner, garbage: Reply) -> None:
    cleaner.states = {f"c{number}": "processing" for number in range(200)}
    waits = [asyncio.create_task(event_of(wait_for(each, poke_interval=0.2))) for each in cleaner.states]
    await all_begun(200)
    before = len(cleaner.server.requests)
    for path in (LIST, STATUS):
        cleaner.server.play(garbage, path=path)
    assert {event["outcome"] for event in await asyncio.gather(*waits)} == {"failed"}
    # Each wait by itself would have asked five times, which is a thousand requests in all.
    assert len(cleaner.server.requests) - before < 200
    await settled()


async def test_a_key_that_goes_bad_ends_all_waits_with_a_handful_of_requests(cleaner: Cleaner) -> None:
    cleaner.states = {f"c{number}": "processing" for number in range(200)}
    waits = [asyncio.create_task(event_of(wait_for(campaign))) for campaign in cleaner.states]
    await all_begun(200)
    before = len(cleaner.server.requests)
    for path in (LIST, STATUS):
        cleaner.server.play(Reply({"error": "bad key"}, status=401), path=path)
    events = await asyncio.gather(*waits)
    assert {event["error"]["class"] for event in events} == {"AuthenticationError"}
    assert len(cleaner.server.requests) - before <= 4
    await settled()


async def test_a_campaign_that_does_not_exist_ends_its_own_wait_only(cleaner: Cleaner) -> None:
    cleaner.server.play(Reply({}, status=500), path=LIST)
    cleaner.states = {"a": "processing", "b": "processing"}
    waits = [asyncio.create_task(event_of(wait_for(name))) for name in "ab"]
    cleaner.server.play(
        Reply({"error": "no such campaign"}, status=404), *[Reply(cleaner._status)] * 2, path=STATUS
    )
    await asyncio.sleep(1)
    cleaner.states = dict.fromkeys("ab", "completed")
    endings = Counter(event["outcome"] for event in await asyncio.gather(*waits))
    assert endings == {"failed": 1, "done": 1}
    await settled()


async def test_equal_waits_cost_one_request_an_interval(connections: ScriptedServer) -> None:
    connections.play({"diagnostics": None, "summary": {"status": "out_of_schedule"}})
    waits = [asyncio.create_task(event_of(gate_of(1))) for _ in range(200)]
    await all_begun(200)
    watch, before = Stopwatch(), len(connections.requests)
    await asyncio.sleep(2.6)
    assert len(connections.requests) - before <= watch.turns(0.45) + 2
    connections.play({"diagnostics": None, "summary": {"status": "campaign_paused"}})
    assert {event["status"]["code"] for event in await asyncio.gather(*waits)} == {"campaign_paused"}
    await settled()


async def test_a_wait_that_begins_brings_what_its_connection_says_by_now(
    connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.play({"diagnostics": None, "summary": {"status": "out_of_schedule"}})
    waits = []
    for number, budget in enumerate((1, 1000)):
        extra = {"max_requests_per_second": budget}
        set_connection(monkeypatch, "instantly", host=connections.url, extra=extra)
        waits.append(asyncio.create_task(event_of(gate_of(number, poke_interval=0.2))))
        await all_begun(number + 1)
    watch, before = Stopwatch(), len(connections.requests)
    await asyncio.sleep(3)
    # With the first budget it would be one a second.
    assert len(connections.requests) - before > 2 * watch.turns(1)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await settled()


async def test_the_tightest_interval_sets_the_rhythm(connections: ScriptedServer) -> None:
    connections.play({"diagnostics": None, "summary": {"status": "out_of_schedule"}})
    watch = Stopwatch()
    waits = [asyncio.create_task(event_of(gate_of(1, poke_interval=interval))) for interval in (0.4, 5, 60)]
    await asyncio.sleep(2.2)
    assert 4 <= len(connections.requests) <= watch.turns(0.36) + 2
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await settled()


async def test_a_wait_never_gets_an_answer_from_before_it_began(cleaner: Cleaner) -> None:
    """The list that is under way when a wait begins says 'completed' of it, and is stale by then."""
    cleaner.states = dict.fromkeys("abc", "processing")
    first = [asyncio.create_task(event_of(wait_for(name))) for name in "ab"]
    await asyncio.sleep(0.4)
    cleaner.server.play(Reply(cleaner._list, delay=0.8), path=LIST)
    cleaner.states["late"] = "completed"
    await asyncio.sleep(0.6)  # a slow list is under way, and was asked for before the wait begins
    asked_before = len(cleaner.server.requests)
    assert (await event_of(wait_for("late")))["status"] == "completed"
    assert len(cleaner.server.requests) > asked_before
    for task in first:
        task.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    await settled()


async def test_under_a_budget_all_have_their_turn(
    connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "instantly", host=connections.url, extra={"max_requests_per_second": 40})
    connections.play({"diagnostics": None, "summary": {"status": "out_of_schedule"}})
    watch = Stopwatch()
    waits = [asyncio.create_task(event_of(gate_of(number, poke_interval=0.2))) for number in range(20)]
    await asyncio.sleep(3)
    # 20 things at 40 requests a second: each is looked at about every 0.5 s, and none starves.
    turns = Counter(request.path for request in connections.requests)
    assert len(connections.requests) <= watch.turns(1 / 40) + 2
    assert len(turns) == 20
    assert max(turns.values()) - min(turns.values()) <= 2
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await settled()


async def test_a_pause_that_one_is_asked_for_is_kept_by_all(connections: ScriptedServer) -> None:
    connections.play(
        Reply({}, status=429, headers={"Retry-After": "2"}),
        {"diagnostics": None, "summary": {"status": "campaign_paused"}},
    )
    begun = time.monotonic()
    waits = [asyncio.create_task(event_of(gate_of(0)))]
    await asyncio.sleep(0.2)
    waits += [asyncio.create_task(event_of(gate_of(number))) for number in range(1, 20)]
    await asyncio.sleep(1.2)
    assert len(connections.requests) == 1
    await asyncio.gather(*waits)
    assert time.monotonic() - begun >= 2
    await settled()


async def test_failures_count_for_the_waits_that_were_due_and_for_no_others(cleaner: Cleaner) -> None:
    """One impatient wait must not use up what the patient ones are to survive."""
    cleaner.states = dict.fromkeys(["patient", "impatient"], "processing")
    patient = asyncio.create_task(event_of(wait_for("patient", poke_interval=60)))
    await asyncio.sleep(0.3)
    for path in (LIST, STATUS):
        cleaner.server.play(Reply({}, status=503), path=path)
    impatient = wait_for("impatient", poke_interval=0.1, max_failures=6)
    assert (await event_of(impatient))["outcome"] == "failed"
    assert not patient.done()
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)
    await settled()


async def test_a_list_that_fails_in_passing_is_asked_for_again_soon(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watching, "INDIVIDUAL_RETRY_SECONDS", 0.5)
    cleaner.states = dict.fromkeys("abcdef", "processing")
    cleaner.server.play(Reply({}, status=503), Reply(cleaner._list), path=LIST)
    waits = [asyncio.create_task(event_of(wait_for(name))) for name in cleaner.states]
    await asyncio.sleep(2.5)
    assert cleaner.asked()[LIST] >= 3
    cleaner.states = dict.fromkeys(cleaner.states, "completed")
    assert {event["status"] for event in await asyncio.gather(*waits)} == {"completed"}
    await settled()


async def test_one_campaign_that_is_refused_fails_no_other_while_the_list_is_broken(cleaner: Cleaner) -> None:
    cleaner.states = dict.fromkeys("abc", "processing")
    cleaner.server.play(Reply(b"<html>"), path=LIST)

    def told(request: Request) -> dict[str, Any]:
        refused = request.json["campaign"]["id"] == "a"
        return {"error": "no such campaign"} if refused else cleaner._status(request)

    cleaner.server.play(Reply(told), path=STATUS)
    waits = [
        asyncio.create_task(event_of(wait_for(name, max_failures=2, poke_interval=0.2))) for name in "abc"
    ]
    assert (await waits[0])["outcome"] == "failed"
    cleaner.states = dict.fromkeys("abc", "completed")
    assert {event["status"] for event in await asyncio.gather(*waits[1:])} == {"completed"}
    await settled()


async def test_a_call_that_is_queued_when_a_pause_begins_keeps_it(
    connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(
        monkeypatch, "instantly", host=connections.url, extra={"max_requests_per_second": 10}, password="slow"
    )
    connections.play(Reply({}, status=429, headers={"Retry-After": "30"}, delay=0.3))
    waits = [asyncio.create_task(event_of(gate_of(number))) for number in range(20)]
    await asyncio.sleep(1.5)
    # Some were under way when the first was told to rest; the others had their moments in the queue already.
    assert 1 <= len(connections.requests) <= 7
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await settled()


async def test_two_connections_to_one_account_share_one_voice(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cleaner.server.url
    set_connection(monkeypatch, "campaign_cleaner", host=url, conn_id="same_account")
    set_connection(monkeypatch, "campaign_cleaner", host=url, conn_id="other_account", password="another")
    cleaner.states = dict.fromkeys("abc", "processing")
    names = {"a": "campaign_cleaner_default", "b": "same_account", "c": "other_account"}
    waits = [
        asyncio.create_task(event_of(wait_for(campaign, campaign_cleaner_conn_id=conn_id)))
        for campaign, conn_id in names.items()
    ]
    await asyncio.sleep(0.4)
    assert len(_watching._pollers[asyncio.get_running_loop()]) == 2
    keys = {request.headers["X-CC-API-Key"] for request in cleaner.server.requests}
    assert len(keys) == 2
    cleaner.states = dict.fromkeys("abc", "completed")
    await asyncio.gather(*waits)
    await settled()


async def test_a_wait_ends_at_its_deadline_whatever_the_service_does(connections: ScriptedServer) -> None:
    connections.play(Reply({"campaign_list": []}, delay=20))
    begun = time.monotonic()
    events = await asyncio.gather(*[event_of(wait_for(f"c{n}", deadline=time.time() + 1)) for n in range(30)])
    assert {event["outcome"] for event in events} == {"timed_out"}
    assert time.monotonic() - begun < 1 + _watching.LAST_POLL_SECONDS + 6
    await settled()


def waits_and_watches() -> list[Any]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) in {_watching.Subscription, _watching.Watch}]


async def test_thousands_of_waits_come_and_go_and_leave_nothing(cleaner: Cleaner) -> None:
    of_others = {id(thing): thing for thing in waits_and_watches()}  # a traceback may hold some
    for _ in range(5):
        cleaner.states = {f"c{number}": "completed" for number in range(300)}
        waits = [asyncio.create_task(event_of(wait_for(campaign))) for campaign in cleaner.states]
        for wait in waits[::3]:
            asyncio.get_running_loop().call_later(0.05, wait.cancel)
        await asyncio.gather(*waits, return_exceptions=True)
        await settled()
    del wait, waits  # a task that was cancelled may keep its traceback
    assert not [thing for thing in waits_and_watches() if id(thing) not in of_others]


async def test_a_judge_that_breaks_ends_its_wait_and_no_other(cleaner: Cleaner) -> None:
    cleaner.states = dict.fromkeys("ab", "completed")
    broken = wait_for("a")
    broken.judge = lambda _: 1 / 0
    first, second = await asyncio.gather(event_of(broken), event_of(wait_for("b")))
    assert (first["outcome"], second["outcome"]) == ("failed", "done")
    assert "ZeroDivisionError" in first["error"]["message"]
    await settled()


async def test_whatever_breaks_while_asking_ends_the_waits(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(aio.AioClient, "send", broken)
    events = await asyncio.gather(*[event_of(wait_for(name)) for name in "abc"])
    assert {event["outcome"] for event in events} == {"failed"}
    assert "nobody thought of this" in events[0]["error"]["message"]
    await settled()


async def test_a_watch_that_breaks_tells_all_who_wait_and_the_next_wait_starts_afresh(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = campaign_cleaner.CAMPAIGN_STATUS
    breaks = asyncio.Event()

    def many() -> Any:
        if breaks.is_set():
            raise ZeroDivisionError("nobody foresaw this")
        return question.many and question.many()

    monkeypatch.setattr(campaign_cleaner, "CAMPAIGN_STATUS", dataclasses.replace(question, many=many))
    cleaner.states = dict.fromkeys("abc", "processing")
    waits = [asyncio.create_task(event_of(wait_for(each))) for each in "abc"]
    await all_begun(3)
    breaks.set()
    events = await asyncio.gather(*waits)
    assert {event["outcome"] for event in events} == {"failed"}
    assert all("nobody foresaw this" in event["error"]["message"] for event in events)
    await settled()

    monkeypatch.setattr(campaign_cleaner, "CAMPAIGN_STATUS", question)
    cleaner.states.update(dict.fromkeys("abc", "completed"))
    events = await asyncio.gather(*(event_of(wait_for(each)) for each in "abc"))
    assert {event["outcome"] for event in events} == {"done"}
    await settled()


async def test_trouble_is_told_once_and_so_is_its_end_whoever_waits(
    connections: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=_watching.__name__)
    busy = {"diagnostics": {}, "summary": {"status": "campaign_draft", "status_message": ""}}
    gates = [gate_of(number, poke_interval=0.1, policy={}) for number in range(4)]
    connections.play({"diagnostics": None, "summary": {"status": "out_of_schedule"}})
    waits = [asyncio.create_task(event_of(gate)) for gate in gates]
    await all_begun(4)
    for gate in gates:
        connections.play(*[Reply(status=503)] * 3, busy, {}, path=f"/api/v2/campaigns/{gate.campaign_id}")
    await asyncio.gather(*waits)
    told = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == _watching.__name__
    ]
    assert [level for level, _ in told] == ["WARNING", "INFO"], told
    assert "instantly_default" in told[0][1]
    assert "4 waits" in told[0][1]
    assert "503" in told[0][1]
    assert "answers again" in told[1][1]


async def test_what_is_asked_for_many_is_not_logged_as_one_of_them(
    cleaner: Cleaner, caplog: pytest.LogCaptureFixture
) -> None:
    """The triggerer files a line by a context variable that holds the trigger whose turn it is."""
    whose: ContextVar[str] = ContextVar("whose", default="the triggerer")
    filed: list[str] = []

    class Filing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            filed.append(whose.get())

    async def begin(name: str) -> dict[str, Any]:
        whose.set(name)
        return await event_of(wait_for(name, max_failures=1))

    cleaner.server.play(Reply(status=503), path=STATUS)
    cleaner.server.play(Reply(status=503), path=LIST)
    handler = Filing(level="WARNING")
    _watching.log.addHandler(handler)
    try:
        await asyncio.gather(begin("a"), begin("b"))
    finally:
        _watching.log.removeHandler(handler)
    assert filed
    assert set(filed) == {"the triggerer"}
