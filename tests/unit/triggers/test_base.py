"""The triggers over a fake server: what they store, when they poll, and the event with which they end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers.base import WaitTrigger
from airflow_provider_campaigns.triggers.campaign_cleaner import (
    CampaignCleanerCampaignTrigger,
    CampaignCleanerInboxTestTrigger,
)
from airflow_provider_campaigns.triggers.instantly import (
    InstantlyActivationTrigger,
    InstantlyBackgroundJobTrigger,
    InstantlySendGateTrigger,
)
from tests.conftest import KEY
from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs
from tests.support.fake_airflow import event_of
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID, UUID, campaign_status

INBOX_TEST_ID, JOB_ID = "a-test", "019e18e2a52f78e796f2b33e"


def built(trigger: type[WaitTrigger[Any]], target: dict[str, Any], conn_type: str) -> Callable[..., Any]:
    """Return a function that builds a trigger; arguments replace the defaults of the tests."""

    def build(**arguments: Any) -> Any:
        connection = {f"{conn_type}_conn_id": f"{conn_type}_default"}
        times = {"poke_interval": 10.0, "deadline": time.time() + 900}
        return trigger(**{**target, **connection, **times, **arguments})

    return build


campaign = built(
    CampaignCleanerCampaignTrigger, {"campaign_id": CLEANER_ID, "paused": "fail"}, "campaign_cleaner"
)
inbox_test = built(CampaignCleanerInboxTestTrigger, {"job_id": INBOX_TEST_ID}, "campaign_cleaner")
gate = built(
    InstantlySendGateTrigger,
    {"campaign_id": UUID, "policy": {"waiting_for_leads": "open"}, "max_status_age": 3600.0},
    "instantly",
)
activation = built(InstantlyActivationTrigger, {"campaign_id": UUID}, "instantly")
job = built(InstantlyBackgroundJobTrigger, {"job_id": JOB_ID}, "instantly")

ALL = [campaign, inbox_test, gate, activation, job]
NAMES = ["campaign", "inbox test", "gate", "activation", "job"]


class TestStorage:
    @pytest.mark.parametrize("build", ALL, ids=NAMES)
    def test_stored_trigger_is_restored_with_all_arguments(self, build: Callable[..., Any]) -> None:
        trigger = build(max_failures=7, first_poll_at=time.time() + 60)
        class_path, arguments = trigger.serialize()
        stored = encrypt_kwargs(arguments)
        restored = type(trigger)(**decrypt_kwargs(stored))
        assert restored.serialize() == (class_path, arguments)
        assert class_path == f"{type(trigger).__module__}.{type(trigger).__name__}"

    @pytest.mark.parametrize("build", ALL, ids=NAMES)
    def test_stored_trigger_holds_no_key(self, build: Callable[..., Any], connections: FakeServer) -> None:
        trigger = build()
        assert KEY not in encrypt_kwargs(trigger.serialize()[1]) + repr(trigger)


@pytest.mark.usefixtures("clock")
class TestPolling:
    @pytest.mark.parametrize("build", [campaign, gate], ids=["campaign", "gate"])
    async def test_first_poll_comes_at_its_time(
        self, build: Callable[..., Any], connections: FakeServer
    ) -> None:
        connections.respond(campaign_status("completed"), path="/v1")
        connections.respond({"diagnostics": None, "summary": {"status": "campaign_paused"}}, path="/api")
        first_poll_at = time.time() + 60
        event = await event_of(build(first_poll_at=first_poll_at))
        assert first_poll_at <= time.time() < first_poll_at + 5
        assert (event["outcome"], len(connections.requests)) == ("done", 1)

    @pytest.mark.parametrize(("first_poll_in", "held_until"), [(3, 3), (60, 5)])
    async def test_event_of_a_shared_response_is_not_fired_at_once(
        self, connections: FakeServer, first_poll_in: float, held_until: float
    ) -> None:
        """Airflow fails a task whose trigger fires before the scheduler has stored the deferral."""
        connections.respond(campaign_status("completed"))
        began = time.time()
        deferred = asyncio.create_task(event_of(campaign(first_poll_at=began + first_poll_in)))
        await asyncio.sleep(0.5)
        await event_of(campaign())
        event = await deferred
        assert held_until <= time.time() - began < held_until + 2
        assert (event["outcome"], len(connections.requests)) == ("done", 1)

    async def test_wait_after_its_deadline_polls_once(self, connections: FakeServer) -> None:
        connections.respond(campaign_status("processing"))
        event = await event_of(campaign(deadline=time.time() - 5))
        assert (event["outcome"], event["status"]) == ("timed_out", "processing")
        assert len(connections.requests) == 1

    async def test_final_status_after_the_deadline_counts(self, connections: FakeServer) -> None:
        connections.respond(campaign_status("completed"))
        event = await event_of(campaign(deadline=time.time() - 5))
        assert (event["outcome"], event["status"]) == ("done", "completed")

    async def test_wait_without_a_deadline_goes_on(self, connections: FakeServer) -> None:
        connections.respond(*[campaign_status("processing")] * 3, campaign_status("completed"))
        event = await event_of(campaign(deadline=None, poke_interval=100_000))
        assert (event["outcome"], event["deadline"]) == ("done", None)

    async def test_final_error_ends_the_wait_after_one_request(self, connections: FakeServer) -> None:
        connections.respond(Reply({"error": "no"}, status=401))
        event = await event_of(campaign())
        await asyncio.sleep(60)
        assert len(connections.requests) == 1
        assert (event["outcome"], event["error"]["class"]) == ("failed", "AuthenticationError")
        assert "campaign_cleaner_default" in event["error"]["message"]

    async def test_inbox_tests_are_fetched_individually(self, connections: FakeServer) -> None:
        """The service has no call that lists them."""
        connections.respond({"status": "Completed"})
        await asyncio.gather(*[event_of(inbox_test(job_id=f"test-{number}")) for number in range(3)])
        requests = [(request.path, request.json["job_id"]) for request in connections.requests]
        assert sorted(requests) == [("/v1/get_inbox_test_results", f"test-{number}") for number in range(3)]

    @pytest.mark.parametrize(
        ("build", "name"),
        [(campaign, "campaign_id"), (inbox_test, "job_id"), (activation, "campaign_id"), (job, "job_id")],
    )
    async def test_invalid_id_fails_the_wait_without_a_request(
        self, connections: FakeServer, build: Callable[..., Any], name: str
    ) -> None:
        event = await event_of(build(**{name: "None"}))
        assert event["outcome"] == "failed"
        assert f"{name} must be" in event["error"]["message"]
        assert connections.requests == []


def sending(code: str) -> dict[str, Any]:
    return {"diagnostics": None, "summary": {"status": code}}


def job_status(status: str) -> dict[str, Any]:
    return {"id": JOB_ID, "type": "move-leads", "status": status, "data": {"emails": ["a@example.com"] * 500}}


@pytest.mark.usefixtures("clock")
class TestEvent:
    @pytest.mark.parametrize(
        ("build", "waiting", "final", "status"),
        [
            (campaign, campaign_status("processing"), campaign_status("Completed"), "completed"),
            (
                inbox_test,
                {"status": "Processing"},
                {"status": "Completed", "results": [{}] * 500},
                "completed",
            ),
            (activation, sending("campaign_draft"), sending("out_of_schedule"), "out_of_schedule"),
            (job, job_status("paused"), job_status("success"), "success"),
        ],
        ids=["campaign", "inbox test", "activation", "job"],
    )
    async def test_event_holds_the_target_and_the_last_status(
        self, connections: FakeServer, build: Callable[..., Any], waiting: Any, final: Any, status: str
    ) -> None:
        connections.respond(waiting, final)
        deadline = time.time() + 900
        event = await event_of(build(deadline=deadline))
        target = event.pop("target")
        assert event == {
            "outcome": "done",
            "status": status,
            "error": None,
            "deadline": deadline,
            "failures": 0,
        }
        stored = build().serialize()[1]
        assert target == {name: stored[name] for name in stored if name.endswith("_id")}
        assert len(connections.requests) == 2

    async def test_event_of_a_gate_holds_the_verdict(self, connections: FakeServer) -> None:
        connections.respond(sending("out_of_schedule"), sending("campaign_paused"))
        event = await event_of(gate())
        assert (event["outcome"], event["error"]) == ("done", None)
        assert (event["status"]["disposition"], event["status"]["code"]) == ("closed", "campaign_paused")

    @pytest.mark.parametrize(
        ("paused", "status", "ends"),
        [("fail", "paused", True), ("fail", "exploded", True), ("wait", "paused", False)],
    )
    async def test_paused_argument_applies_to_the_wait(
        self, connections: FakeServer, paused: str, status: str, ends: bool
    ) -> None:
        connections.respond(campaign_status(status), campaign_status("completed"))
        event = await event_of(campaign(paused=paused))
        assert event["status"] == (status if ends else "completed")

    async def test_unreadable_status_does_not_end_an_activation(self, connections: FakeServer) -> None:
        connections.respond(*[Reply(b"<html>")] * 9, sending("healthy"))
        event = await event_of(activation(max_failures=2))
        assert (event["outcome"], event["status"]) == ("done", "healthy")


class TestEventLoop:
    async def test_slow_service_does_not_block_the_loop(self, connections: FakeServer) -> None:
        """The service responds only once the loop has run again."""
        loop, asked, loop_runs = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def body(_: Any) -> str:
            loop.call_soon_threadsafe(asked.set)
            assert loop_runs.wait(20)  # the connection's timeout is 30 s
            return json.dumps(campaign_status("completed"))

        connections.respond(Reply(body))
        waiting = asyncio.gather(*[event_of(campaign()) for _ in range(5)])
        await asked.wait()
        loop_runs.set()
        assert {event["outcome"] for event in await waiting} == {"done"}

    async def test_triggers_of_one_account_share_a_session(
        self, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(*[campaign_status("processing")] * 30, campaign_status("completed"))
        await asyncio.gather(*[event_of(campaign()) for _ in range(30)])
        assert connections.connections <= aio.MAX_CONNECTIONS
        assert not aio._sessions[asyncio.get_running_loop()]

    async def test_cancelled_triggers_leave_no_session_and_no_task(
        self, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(campaign_status("processing"))
        tasks = [asyncio.create_task(event_of(campaign())) for _ in range(20)]
        await asyncio.sleep(30)
        assert connections.requests
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not aio._sessions[asyncio.get_running_loop()]
        assert asyncio.all_tasks() == {asyncio.current_task()}
