"""The shared poller over a fake server: the tests count the requests that many waits send."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_campaigns.hooks.base import ACCOUNT_MAX_AGE
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers import campaign_cleaner
from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger
from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger
from airflow_provider_campaigns.waits import health_log, shared_poller
from airflow_provider_campaigns.waits.events import PollResult
from airflow_provider_campaigns.waits.shared_poller import SharedPoller
from airflow_provider_campaigns.waits.subscription import Subscription
from tests.conftest import KEY, set_connection
from tests.support.fake_airflow import event_of
from tests.support.fake_cleaner import LIST, STATUS, FakeCleaner
from tests.support.fake_server import FakeServer, Reply, Request

pytestmark = pytest.mark.usefixtures("clock")

INTERVAL = 10.0


@pytest.fixture
def cleaner(connections: FakeServer) -> FakeCleaner:
    return FakeCleaner(connections)


class SlowResponse:
    """A response that is read at once and sent when the test releases it."""

    def __init__(self, respond: Callable[[Request], Any]) -> None:
        self._respond = respond
        self.read = threading.Event()
        self.release = threading.Event()

    def __call__(self, request: Request) -> bytes:
        response = json.dumps(self._respond(request)).encode()
        self.read.set()
        self.release.wait(10)
        return response


class Stopwatch:
    """The time that has passed: a little more than the test slept, because requests take real time."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start


Waits = list["asyncio.Task[Any]"]


def campaign_trigger(campaign_id: str, **arguments: Any) -> CampaignCleanerCampaignTrigger:
    return CampaignCleanerCampaignTrigger(
        **{
            "campaign_id": campaign_id,
            "campaign_cleaner_conn_id": "campaign_cleaner_default",
            "paused": "fail",
            "poke_interval": INTERVAL,
            "deadline": time.time() + 3600,
            **arguments,
        }
    )


def gate_trigger(number: int = 0, **arguments: Any) -> InstantlySendGateTrigger:
    return InstantlySendGateTrigger(
        **{
            "campaign_id": f"019e18e2-a52f-78e7-96f2-{number:012d}",
            "instantly_conn_id": "instantly_default",
            "max_status_age": 3600.0,
            "poke_interval": INTERVAL,
            "deadline": time.time() + 3600,
            **arguments,
        }
    )


def sending_status(code: str) -> dict[str, Any]:
    return {"diagnostics": None, "summary": {"status": code}}


def start(*triggers: Any) -> Waits:
    return [asyncio.create_task(event_of(trigger)) for trigger in triggers]


async def until(condition: Callable[[], bool], *, pause: float = 0.0) -> None:
    """Wait until something happens; with a pause of 0, hardly any time passes on the fake clock."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(pause)
    raise AssertionError("the condition did not become true")


async def all_waiting(number: int) -> None:
    """Wait until that many waits have started. Some versions of Airflow read connections in a thread."""
    pollers = shared_poller._pollers.setdefault(asyncio.get_running_loop(), {})

    def subscriptions() -> int:
        targets = [target for poller in pollers.values() for target in poller._targets.values()]
        return sum(len(target.subscriptions) for target in targets)

    await until(lambda: subscriptions() == number)


async def cancel(waits: Waits) -> None:
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def nothing_left() -> None:
    """Check that no poller, no session and no task is left."""
    await asyncio.sleep(0)
    assert not shared_poller._pollers[asyncio.get_running_loop()]
    assert not aio._sessions[asyncio.get_running_loop()]
    assert asyncio.all_tasks() == {asyncio.current_task()}


class TestNumberOfRequests:
    async def test_single_wait_uses_the_individual_call(self, cleaner: FakeCleaner) -> None:
        cleaner.statuses["a"] = "completed"
        assert (await event_of(campaign_trigger("a")))["status"] == "completed"
        assert cleaner.requests() == {STATUS: 1}
        await nothing_left()

    async def test_wait_whose_first_poll_is_due_polls_at_once(self, cleaner: FakeCleaner) -> None:
        cleaner.statuses["a"] = "completed"
        stopwatch = Stopwatch()
        await event_of(campaign_trigger("a", first_poll_at=time.time() - 5))
        assert stopwatch.seconds() < 1
        await nothing_left()

    async def test_many_waits_cost_one_request_an_interval(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all([f"C{number}" for number in range(200)], "processing")
        waits = start(*map(campaign_trigger, cleaner.statuses))
        await all_waiting(200)
        stopwatch, before = Stopwatch(), cleaner.requests()
        await asyncio.sleep(6 * INTERVAL)
        # The first wait is single for a moment, and the first list comes up to a second later.
        assert cleaner.requests()[STATUS] <= 1
        assert 6 <= cleaner.requests()[LIST] - before[LIST] <= stopwatch.seconds() / INTERVAL + 2
        cleaner.set_all(cleaner.statuses, "completed")
        assert {event["status"] for event in await asyncio.gather(*waits)} == {"completed"}
        await nothing_left()

    async def test_waits_that_start_in_turn_share_a_list(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all([f"c{number}" for number in range(30)], "processing")
        stopwatch, waits = Stopwatch(), []
        for campaign_id in cleaner.statuses:
            waits += start(campaign_trigger(campaign_id))
            await all_waiting(len(waits))
            await asyncio.sleep(0.1)
        assert cleaner.requests()[LIST] <= stopwatch.seconds() / shared_poller.COLLECT_SECONDS + 1
        await cancel(waits)
        await nothing_left()

    async def test_waits_for_one_target_cost_one_request_an_interval(self, connections: FakeServer) -> None:
        connections.respond(sending_status("out_of_schedule"))
        waits = start(*[gate_trigger() for _ in range(100)])
        await all_waiting(100)
        # While waits are still starting, each one may bring the next request forward.
        stopwatch, before = Stopwatch(), len(connections.requests)
        await asyncio.sleep(6 * INTERVAL)
        assert 6 <= len(connections.requests) - before <= stopwatch.seconds() / INTERVAL + 2
        connections.respond(sending_status("campaign_paused"))
        assert {event["status"]["code"] for event in await asyncio.gather(*waits)} == {"campaign_paused"}
        await nothing_left()

    async def test_shortest_interval_for_a_target_counts(self, connections: FakeServer) -> None:
        connections.respond(sending_status("out_of_schedule"))
        waits = start(*[gate_trigger(poke_interval=interval) for interval in (600, INTERVAL, 60)])
        await all_waiting(3)
        await asyncio.sleep(1)
        waits += start(gate_trigger(first_poll_at=time.time() + 600))
        await all_waiting(4)
        stopwatch, before = Stopwatch(), len(connections.requests)
        await asyncio.sleep(6 * INTERVAL)
        assert 6 <= len(connections.requests) - before <= stopwatch.seconds() / INTERVAL + 2
        await cancel(waits)
        await nothing_left()

    async def test_connections_to_one_account_share_one_poller(
        self, cleaner: FakeCleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = cleaner.server.url
        set_connection(monkeypatch, "campaign_cleaner", host=url, conn_id="same_account")
        set_connection(monkeypatch, "campaign_cleaner", host=url, conn_id="other_account", password="another")
        cleaner.set_all("abc", "processing")
        connections = {"a": "campaign_cleaner_default", "b": "same_account", "c": "other_account"}
        waits = start(
            *[campaign_trigger(each, campaign_cleaner_conn_id=name) for each, name in connections.items()]
        )
        await all_waiting(3)
        await asyncio.sleep(INTERVAL)
        assert len(shared_poller._pollers[asyncio.get_running_loop()]) == 2
        assert len({request.headers["X-CC-API-Key"] for request in cleaner.server.requests}) == 2
        await cancel(waits)
        await nothing_left()


class TestList:
    async def test_each_wait_ends_by_its_own_status(self, cleaner: FakeCleaner) -> None:
        cleaner.statuses = {"a": "completed", "b": "exploded", "c": "paused", "d": "processing"}
        waits = dict(zip("abcd", start(*map(campaign_trigger, "abcd")), strict=True))
        await asyncio.wait([waits[each] for each in "abc"])
        await asyncio.sleep(INTERVAL)
        assert not waits["d"].done()
        cleaner.statuses["d"] = "completed"
        statuses = [(await wait)["status"] for wait in waits.values()]
        assert statuses == ["completed", "exploded", "paused", "completed"]
        await nothing_left()

    async def test_list_is_fetched_a_whole_interval_later(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("abc", "processing")
        waits = start(*map(campaign_trigger, "abc"))
        await all_waiting(3)
        stopwatch, before = Stopwatch(), cleaner.requests()
        await asyncio.sleep(30 * INTERVAL)
        assert 30 <= cleaner.requests()[LIST] - before[LIST] <= stopwatch.seconds() / INTERVAL + 2
        await cancel(waits)
        await nothing_left()

    async def test_last_target_left_is_fetched_individually(self, cleaner: FakeCleaner) -> None:
        cleaner.statuses = {"a": "completed", "b": "processing"}
        first, last = start(*map(campaign_trigger, "ab"))
        await first
        await asyncio.sleep(2)  # a list may be in flight
        before = cleaner.requests()
        await asyncio.sleep(3 * INTERVAL)
        assert cleaner.requests()[LIST] == before[LIST]
        assert cleaner.requests()[STATUS] >= before[STATUS] + 2
        await cancel([last])
        await nothing_left()

    async def test_wait_cancelled_during_a_list_ends_no_other(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("abc", "processing")
        waits = start(*map(campaign_trigger, "abc"))
        await all_waiting(3)
        await asyncio.sleep(2)
        slow = SlowResponse(cleaner.list)
        cleaner.server.respond(Reply(slow), Reply(cleaner.list), path=LIST)
        await until(slow.read.is_set, pause=0.05)
        await cancel(waits[:1])
        slow.release.set()
        await asyncio.sleep(INTERVAL)
        cleaner.set_all("abc", "completed")
        assert {event["status"] for event in await asyncio.gather(*waits[1:])} == {"completed"}
        await nothing_left()

    async def test_missing_target_is_fetched_individually(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("abcdef", "processing")
        cleaner.missing_from_list = {"a", "b"}
        waits = start(*map(campaign_trigger, "abcdef"))
        await all_waiting(6)
        stopwatch = Stopwatch()
        await asyncio.sleep(INTERVAL / 2)
        # Also "a", the target whose turn it was to fetch the list.
        assert set(cleaner.requested_individually()) == {"a", "b"}
        await asyncio.sleep(3 * INTERVAL)
        individually = cleaner.requested_individually()
        assert set(individually) == {"a", "b"}
        assert 2 <= individually["b"] <= stopwatch.seconds() / INTERVAL + 2
        cleaner.set_all("abcdef", "completed")
        assert {event["status"] for event in await asyncio.gather(*waits)} == {"completed"}
        await nothing_left()

    async def test_response_from_before_the_wait_is_not_used(self, cleaner: FakeCleaner) -> None:
        """A list that is in flight when a wait starts names it as completed; meanwhile it is paused."""
        cleaner.set_all("ab", "processing")
        earlier = start(*map(campaign_trigger, "ab"))
        await all_waiting(2)
        await asyncio.sleep(2)
        cleaner.statuses["late"] = "completed"
        slow = SlowResponse(cleaner.list)
        cleaner.server.respond(Reply(slow), Reply(cleaner.list), path=LIST)
        await until(slow.read.is_set, pause=0.05)
        cleaner.statuses["late"] = "paused"
        late = start(campaign_trigger("late"))
        await all_waiting(3)
        slow.release.set()
        assert (await late[0])["status"] == "paused"
        await cancel(earlier)
        await nothing_left()

    @pytest.mark.parametrize("others", ["", "b"], ids=["individually", "in the list"])
    async def test_response_from_before_a_second_wait_is_not_used(
        self, cleaner: FakeCleaner, others: str
    ) -> None:
        """Two waits for one target: the second starts while the response to the first is in flight."""
        cleaner.set_all(f"a{others}", "processing")
        waits = start(*map(campaign_trigger, f"a{others}"))
        await all_waiting(len(waits))
        await asyncio.sleep(2)
        cleaner.statuses["a"] = "completed"
        (path, respond) = (LIST, cleaner.list) if others else (STATUS, cleaner.status)
        slow = SlowResponse(respond)
        cleaner.server.respond(Reply(slow), Reply(respond), path=path)
        await until(slow.read.is_set, pause=0.05)
        cleaner.statuses["a"] = "paused"
        waits += start(campaign_trigger("a"))
        await all_waiting(len(waits))
        slow.release.set()
        assert (await waits[0])["status"] == "completed"
        assert (await waits[-1])["status"] == "paused"
        await cancel(waits)
        await nothing_left()


class TestFailingList:
    @pytest.mark.parametrize(
        ("broken", "pause"),
        [
            (Reply({}, status=503), shared_poller.INDIVIDUAL_RETRY_SECONDS),
            (Reply(b"<html>"), shared_poller.INDIVIDUAL_SECONDS),
        ],
    )
    async def test_targets_are_fetched_individually_for_a_while(
        self, cleaner: FakeCleaner, broken: Reply, pause: float
    ) -> None:
        cleaner.set_all("abcdefgh", "processing")
        cleaner.server.respond(broken, Reply(cleaner.list), path=LIST)
        waits = start(*map(campaign_trigger, "abcdefgh"))
        await all_waiting(8)
        stopwatch = Stopwatch()
        await asyncio.sleep(pause - 5)
        assert cleaner.requests()[LIST] == 1
        individually = cleaner.requested_individually()
        assert set(individually) == set("abcdefgh")
        assert max(individually.values()) <= stopwatch.seconds() / INTERVAL + 2
        await asyncio.sleep(5 + 2 * INTERVAL)
        assert cleaner.requests()[LIST] >= 2
        cleaner.set_all("abcdefgh", "completed")
        assert {event["status"] for event in await asyncio.gather(*waits)} == {"completed"}
        await nothing_left()

    async def test_missing_campaign_ends_only_its_own_wait(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("ab", "processing")
        cleaner.server.respond(Reply({}, status=500), path=LIST)
        cleaner.server.respond(
            Reply({"error": "no such campaign"}, status=404), Reply(cleaner.status), path=STATUS
        )
        waits = start(*map(campaign_trigger, "ab"))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        cleaner.set_all("ab", "completed")
        outcomes = Counter(event["outcome"] for event in await asyncio.gather(*waits))
        assert outcomes == {"failed": 1, "done": 1}
        await nothing_left()

    async def test_rejected_campaign_ends_only_its_own_wait(self, cleaner: FakeCleaner) -> None:
        def status(request: Request) -> dict[str, Any]:
            rejected = request.json["campaign"]["id"] == "a"
            return {"error": "no such campaign"} if rejected else cleaner.status(request)

        cleaner.set_all("abc", "processing")
        cleaner.server.respond(Reply(b"<html>"), path=LIST)
        cleaner.server.respond(Reply(status), path=STATUS)
        waits = start(*[campaign_trigger(each, max_failures=2) for each in "abc"])
        assert (await waits[0])["outcome"] == "failed"
        cleaner.set_all("abc", "completed")
        assert {event["status"] for event in await asyncio.gather(*waits[1:])} == {"completed"}
        await nothing_left()


class TestFailingService:
    @pytest.mark.parametrize("reply", [Reply(b"<html>"), Reply({}, status=503)])
    async def test_failing_service_gets_few_requests(self, cleaner: FakeCleaner, reply: Reply) -> None:
        cleaner.set_all([f"c{number}" for number in range(100)], "processing")
        waits = start(*map(campaign_trigger, cleaner.statuses))
        await all_waiting(100)
        cleaner.fail(reply)
        assert {event["outcome"] for event in await asyncio.gather(*waits)} == {"failed"}
        # Each wait alone would send five.
        assert len(cleaner.server.requests) < 50
        await nothing_left()

    async def test_bad_key_ends_all_waits_with_few_requests(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all([f"c{number}" for number in range(100)], "processing")
        waits = start(*map(campaign_trigger, cleaner.statuses))
        await all_waiting(100)
        await asyncio.sleep(2)
        before = len(cleaner.server.requests)
        cleaner.fail(Reply({"error": "bad key"}, status=401))
        events = await asyncio.gather(*waits)
        assert {event["error"]["class"] for event in events} == {"AuthenticationError"}
        assert len(cleaner.server.requests) - before <= 4
        await nothing_left()

    async def test_failures_count_only_for_waits_that_were_due(self, cleaner: FakeCleaner) -> None:
        cleaner.statuses = {"patient": "processing", "impatient": "processing"}
        (patient,) = start(campaign_trigger("patient", poke_interval=3600))
        await all_waiting(1)
        await asyncio.sleep(INTERVAL)
        cleaner.fail(Reply({}, status=503))
        impatient = await event_of(campaign_trigger("impatient", max_failures=6))
        assert impatient["outcome"] == "failed"
        assert not patient.done()
        await cancel([patient])
        await nothing_left()

    async def test_final_error_ends_waits_that_were_not_due(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("ab", "processing")
        (patient,) = start(campaign_trigger("a", poke_interval=3600))
        await all_waiting(1)
        await asyncio.sleep(INTERVAL)
        cleaner.fail(Reply({"error": "bad key"}, status=401))
        await event_of(campaign_trigger("b"))
        assert (await asyncio.wait_for(patient, timeout=1))["error"]["class"] == "AuthenticationError"
        await nothing_left()

    async def test_failure_and_recovery_are_logged_once(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", logger=health_log.__name__)
        gates = [gate_trigger(number, policy={}) for number in range(4)]
        connections.respond(sending_status("out_of_schedule"))
        waits = start(*gates)
        await all_waiting(4)
        for gate in gates:
            path = f"/api/v2/campaigns/{gate.campaign_id}"
            connections.respond(*[Reply(status=503)] * 3, sending_status("campaign_draft"), path=path)
        await asyncio.gather(*waits)
        logged = [record for record in caplog.records if record.name == health_log.__name__]
        failing, responds = logged
        assert (failing.levelname, responds.levelname) == ("WARNING", "INFO")
        for part in ("instantly_default", "campaign sending statuses is failing; 4 waits", "503"):
            assert part in failing.getMessage()
        assert responds.getMessage() == "Instantly, connection 'instantly_default': responds again."

    async def test_shared_requests_log_outside_any_trigger(self, cleaner: FakeCleaner) -> None:
        """The triggerer assigns a log line to a trigger by a context variable."""
        current: ContextVar[str] = ContextVar("current", default="the triggerer")
        logged_by: list[str] = []

        class Handler(logging.Handler):
            def emit(self, _: logging.LogRecord) -> None:
                logged_by.append(current.get())

        async def wait_for(campaign_id: str) -> None:
            current.set(campaign_id)
            await event_of(campaign_trigger(campaign_id, max_failures=1))

        cleaner.fail(Reply(status=503))
        handler = Handler(level="WARNING")
        health_log.log.addHandler(handler)
        try:
            await asyncio.gather(wait_for("a"), wait_for("b"))
        finally:
            health_log.log.removeHandler(handler)
        assert set(logged_by) == {"the triggerer"}


class TestRateLimit:
    async def test_all_targets_get_their_turn_under_a_limit(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "instantly", host=connections.url, extra={"max_requests_per_second": 1})
        connections.respond(sending_status("out_of_schedule"))
        waits = start(*map(gate_trigger, range(20)))
        await all_waiting(20)
        stopwatch = Stopwatch()
        await asyncio.sleep(200)
        # With one request a second, each of 20 targets is fetched about every 20 s.
        per_target = Counter(request.path for request in connections.requests)
        assert 180 <= len(connections.requests) <= stopwatch.seconds() + 2
        assert len(per_target) == 20
        assert max(per_target.values()) - min(per_target.values()) <= 2
        await cancel(waits)
        await nothing_left()

    async def test_new_wait_applies_the_present_limit(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connections.respond(sending_status("out_of_schedule"))
        waits = []
        for number, limit in enumerate((0.1, 1000)):
            extra = {"max_requests_per_second": limit}
            set_connection(monkeypatch, "instantly", host=connections.url, extra=extra)
            waits += start(gate_trigger(number, poke_interval=1))
            await all_waiting(number + 1)
            await asyncio.sleep(ACCOUNT_MAX_AGE + 1)
        # With the first limit, there would be one in ten seconds.
        assert len(connections.requests) >= 60
        await cancel(waits)
        await nothing_left()

    async def test_retry_after_pauses_all_waits_of_an_account(self, connections: FakeServer) -> None:
        connections.respond(
            Reply({}, status=429, headers={"Retry-After": "60"}), sending_status("campaign_paused")
        )
        stopwatch = Stopwatch()
        waits = start(gate_trigger(0))
        await all_waiting(1)
        await asyncio.sleep(5)
        waits += start(*map(gate_trigger, range(1, 20)))
        await all_waiting(20)
        await asyncio.sleep(50)
        assert len(connections.requests) == 1
        await asyncio.gather(*waits)
        assert 60 <= stopwatch.seconds() < 80
        await nothing_left()

    async def test_queued_request_waits_for_a_new_pause(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Requests that have their turn when another one gets a 429 wait for the end of the pause."""
        set_connection(monkeypatch, "instantly", host=connections.url, extra={"max_requests_per_second": 10})
        slow = SlowResponse(lambda _: {})
        rate_limited = Reply(slow, status=429, headers={"Retry-After": "100"})
        connections.respond(rate_limited, sending_status("out_of_schedule"))
        waits = start(*map(gate_trigger, range(20)))
        await until(lambda: len(connections.requests) > 1, pause=0.01)
        slow.release.set()
        await asyncio.sleep(50)
        assert len(connections.requests) < 10
        await asyncio.sleep(60)
        assert len(connections.requests) >= 20
        await cancel(waits)
        await nothing_left()


class TestEnd:
    async def test_wait_ends_at_its_deadline_without_a_response(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shared_poller, "LAST_POLL_SECONDS", 0.1)
        connections.respond(Reply({"campaign_list": []}, delay=20))
        stopwatch, deadline = Stopwatch(), time.time() + 0.2
        events = await asyncio.gather(
            *[event_of(campaign_trigger(each, deadline=deadline)) for each in "abcdef"]
        )
        assert {event["outcome"] for event in events} == {"timed_out"}
        assert stopwatch.seconds() < 5
        await nothing_left()

    async def test_many_waits_leave_no_object_behind(self, cleaner: FakeCleaner) -> None:
        of_other_tests = set(map(id, objects_of_waits()))  # a traceback may refer to some
        for _ in range(2):
            cleaner.set_all([f"c{number}" for number in range(100)], "completed")
            waits = start(*map(campaign_trigger, cleaner.statuses))
            for wait in waits[::3]:
                asyncio.get_running_loop().call_later(0.05, wait.cancel)
            await asyncio.gather(*waits, return_exceptions=True)
            await nothing_left()
        del wait, waits  # a cancelled task may refer to its traceback
        assert not set(map(id, objects_of_waits())) - of_other_tests

    async def test_wait_cancelled_while_it_ends_closes_the_session(self, cleaner: FakeCleaner) -> None:
        account = await CampaignCleanerHook().aaccount()
        poller = shared_poller.shared_poller(account, campaign_cleaner.CAMPAIGN_STATUS)
        await poller.__aenter__()
        await asyncio.sleep(0)
        leaving = asyncio.create_task(poller.__aexit__())
        await asyncio.sleep(0)
        await cancel([leaving])
        assert leaving.cancelled()
        await nothing_left()

    async def test_judge_that_raises_ends_only_its_own_wait(self, cleaner: FakeCleaner) -> None:
        cleaner.set_all("ab", "completed")
        broken = campaign_trigger("a")
        broken.judge = lambda _: 1 / 0
        first, second = await asyncio.gather(event_of(broken), event_of(campaign_trigger("b")))
        assert (first["outcome"], second["outcome"]) == ("failed", "done")
        assert "ZeroDivisionError" in first["error"]["message"]
        await nothing_left()

    async def test_unexpected_error_of_a_request_ends_the_waits(
        self, cleaner: FakeCleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: Any) -> None:
            raise RuntimeError(f"unforeseen: {KEY}")

        monkeypatch.setattr(aio.AioClient, "send", broken)
        events = await asyncio.gather(*start(*map(campaign_trigger, "abc")))
        assert {event["outcome"] for event in events} == {"failed"}
        assert "RuntimeError: unforeseen" in events[0]["error"]["message"]
        assert KEY not in events[0]["error"]["message"]
        await nothing_left()

    async def test_broken_poller_ends_its_waits_and_is_replaced(
        self, cleaner: FakeCleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        query = campaign_cleaner.CAMPAIGN_STATUS

        def broken() -> Any:
            raise ZeroDivisionError("unforeseen")

        monkeypatch.setattr(campaign_cleaner, "CAMPAIGN_STATUS", replace(query, fetch_all=broken))
        # Two: the second one breaks the poller, and a third one could start after that.
        cleaner.set_all("ab", "processing")
        events = await asyncio.gather(*start(*map(campaign_trigger, "ab")))
        assert {event["outcome"] for event in events} == {"failed"}
        assert all("unforeseen" in event["error"]["message"] for event in events)
        await nothing_left()

        monkeypatch.setattr(campaign_cleaner, "CAMPAIGN_STATUS", query)
        cleaner.set_all("abc", "completed")
        events = await asyncio.gather(*start(*map(campaign_trigger, "abc")))
        assert {event["outcome"] for event in events} == {"done"}
        await nothing_left()

    async def test_broken_poller_accepts_no_further_wait(self, cleaner: FakeCleaner) -> None:
        account = await CampaignCleanerHook().aaccount()
        query = replace(campaign_cleaner.CAMPAIGN_STATUS, fetch_all=lambda: 1 / 0)
        cleaner.set_all("ab", "processing")
        async with shared_poller.shared_poller(account, query) as broken:
            polling = Polling(INTERVAL, math.inf)
            waits = [broken.wait(Subscription(each, polling, judge=lambda _: NO_STATUS)) for each in "ab"]
            errors = await asyncio.gather(*waits, return_exceptions=True)
            assert [type(error) for error in errors] == [RuntimeError] * 2
            async with shared_poller.shared_poller(account, query) as following:
                assert following is not broken
        await nothing_left()


NO_STATUS = PollResult(None, is_final=False)


def objects_of_waits() -> list[Any]:
    gc.collect()
    return [each for each in gc.get_objects() if type(each) in {Subscription, SharedPoller}]
