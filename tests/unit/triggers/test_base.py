"""What a triggerer sees of the triggers: a loop that is never blocked, sessions that end with their users."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers.campaign_cleaner import (
    CampaignCleanerCampaignTrigger,
    CampaignCleanerInboxTestTrigger,
)
from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger
from tests.conftest import KEY
from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs
from tests.support.fake_server import Reply, ScriptedServer

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


def cleaner(**arguments: Any) -> CampaignCleanerCampaignTrigger:
    return CampaignCleanerCampaignTrigger(
        **{
            "campaign_id": ID,
            "campaign_cleaner_conn_id": "campaign_cleaner_default",
            "paused": ["processing"],
            "poke_interval": 0.1,
            "deadline": time.time() + 20,
            **arguments,
        }
    )


def inbox(**arguments: Any) -> CampaignCleanerInboxTestTrigger:
    return CampaignCleanerInboxTestTrigger(
        **{
            "job_id": "a-test",
            "campaign_cleaner_conn_id": "campaign_cleaner_default",
            "poke_interval": 0.1,
            "deadline": time.time() + 20,
            **arguments,
        }
    )


def gate(**arguments: Any) -> InstantlySendGateTrigger:
    return InstantlySendGateTrigger(
        **{
            "campaign_id": UUID,
            "instantly_conn_id": "instantly_default",
            "policy": {"waiting_for_leads": "open"},
            "max_status_age": 3600.0,
            "poke_interval": 0.1,
            "deadline": time.time() + 20,
            **arguments,
        }
    )


async def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    async with aclosing(trigger.run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))


def said(status: str) -> dict[str, Any]:
    return {"campaign_status": {"id": ID, "status": status}}


@pytest.mark.parametrize("build", [cleaner, inbox, gate])
def test_a_trigger_is_stored_as_airflow_stores_it_and_comes_back(build: Any) -> None:
    trigger = build()
    classpath, arguments = trigger.serialize()
    stored = encrypt_kwargs(arguments)
    assert KEY not in stored
    again = type(trigger)(**decrypt_kwargs(stored))
    assert again.serialize() == (classpath, arguments)
    assert classpath.startswith("airflow_provider_campaigns.triggers.")
    assert KEY not in repr(trigger)


def test_what_an_earlier_version_stored_is_still_understood() -> None:
    """These are the arguments of 0.1.0; later versions may only add to them, with defaults."""
    CampaignCleanerCampaignTrigger(
        campaign_id=ID,
        campaign_cleaner_conn_id="c",
        paused=["processing"],
        poke_interval=10.0,
        deadline=1.0,
        max_failures=5,
    )
    CampaignCleanerInboxTestTrigger(
        job_id="a-test",
        campaign_cleaner_conn_id="c",
        poke_interval=120.0,
        deadline=1.0,
        max_failures=5,
    )
    InstantlySendGateTrigger(
        campaign_id=UUID,
        subsequence_id=None,
        instantly_conn_id="i",
        policy=None,
        max_status_age=3600.0,
        first_poll_at=None,
        poke_interval=60.0,
        deadline=1.0,
        max_failures=5,
    )


async def lag_while(work: Awaitable[Any]) -> float:
    """The longest that a timer was late while something ran, in seconds."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - before - 0.005)

    watcher = asyncio.create_task(watch())
    await work
    watcher.cancel()
    return worst


async def test_a_slow_service_does_not_hold_up_the_loop(connections: ScriptedServer) -> None:
    connections.play(Reply(said("completed"), delay=0.5))
    # The first trigger of a process imports what it needs; the loop is watched from the second on.
    await event_of(cleaner())
    # A busy machine holds the loop up once in a while; a call that blocks does so every time.
    lags = [await lag_while(asyncio.gather(*[event_of(cleaner()) for _ in range(5)])) for _ in range(3)]
    assert min(lags) < 0.05


async def test_triggers_of_one_account_share_a_session_that_ends_with_the_last(
    connections: ScriptedServer,
) -> None:
    connections.play(*[said("processing")] * 30, said("completed"))
    await asyncio.gather(*[event_of(cleaner()) for _ in range(30)])
    assert connections.connections <= aio.MAX_CONNECTIONS
    assert not aio._sessions[asyncio.get_running_loop()]


async def test_a_trigger_that_is_cancelled_leaves_nothing_behind(connections: ScriptedServer) -> None:
    connections.play(said("processing"))
    tasks = [asyncio.create_task(event_of(cleaner())) for _ in range(20)]
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not aio._sessions[asyncio.get_running_loop()]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_wait_that_is_taken_up_after_its_deadline_looks_once_and_ends(
    connections: ScriptedServer,
) -> None:
    connections.play(said("processing"))
    event = await event_of(cleaner(deadline=time.time() - 5))
    assert (event["outcome"], event["status"], len(connections.requests)) == ("timed_out", "processing", 1)
    connections.play(said("completed"))
    event = await event_of(cleaner(deadline=time.time() - 5))
    assert (event["outcome"], event["status"]) == ("done", "completed")


async def test_a_final_error_is_one_request_and_not_a_hot_loop(connections: ScriptedServer) -> None:
    connections.play(Reply({"error": "no"}, status=401))
    event = await event_of(cleaner())
    await asyncio.sleep(0.3)
    assert len(connections.requests) == 1
    assert (event["outcome"], event["error"]["class"]) == ("failed", "AuthenticationError")
    assert "campaign_cleaner_default" in event["error"]["message"]


async def test_the_gate_sleeps_until_its_first_look(connections: ScriptedServer) -> None:
    connections.play({"diagnostics": None, "summary": {"status": "campaign_paused"}})
    begun = time.monotonic()
    event = await event_of(gate(first_poll_at=time.time() + 0.5))
    assert time.monotonic() - begun > 0.45
    assert event["status"]["code"] == "campaign_paused"
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    ("paused", "status", "ends"),
    [
        (["processing"], "completed", True),
        (["processing"], "paused", True),
        (["processing"], "Exploded", True),
        (["processing", "paused"], "paused", False),
        (["processing", "paused"], "processing", False),
    ],
)
async def test_a_campaign_is_waited_for_while_its_state_says_so(
    connections: ScriptedServer, paused: list[str], status: str, ends: bool
) -> None:
    connections.play(said(status), said("completed"))
    event = await event_of(cleaner(paused=paused, poke_interval=0.01))
    assert (event["outcome"], event["error"]) == ("done", None)
    assert event["status"] == (status.lower() if ends else "completed")
    assert len(connections.requests) == (1 if ends else 2)


async def test_an_inbox_test_is_waited_for_and_only_its_state_is_told(connections: ScriptedServer) -> None:
    seeds = [{"seed_address": f"seed{number}@example.com"} for number in range(500)]
    connections.play({"status": "Processing"}, {"status": "Completed", "results": seeds})
    deadline = time.time() + 20
    event = await event_of(inbox(poke_interval=0.01, deadline=deadline))
    assert event == {"outcome": "done", "status": "completed", "error": None, "deadline": deadline}


async def test_an_inbox_test_that_nobody_describes_ends_the_wait(connections: ScriptedServer) -> None:
    connections.play({"status": "Cancelled"})
    event = await event_of(inbox())
    assert (event["outcome"], event["status"], len(connections.requests)) == ("done", "cancelled", 1)


async def test_inbox_tests_are_asked_for_one_by_one(connections: ScriptedServer) -> None:
    """The service has no call that lists them."""
    connections.play({"status": "Completed"})
    await asyncio.gather(*[event_of(inbox(job_id=f"test-{number}")) for number in range(3)])
    asked = [(request.path, request.json["job_id"]) for request in connections.requests]
    assert sorted(asked) == [("/v1/get_inbox_test_results", f"test-{number}") for number in range(3)]


@pytest.mark.parametrize(("build", "named"), [(cleaner, "campaign_id"), (inbox, "job_id")])
async def test_an_id_that_is_none_fails_the_wait_and_asks_nothing(
    connections: ScriptedServer, build: Any, named: str
) -> None:
    event = await event_of(build(**{named: "None"}))
    assert event["outcome"] == "failed"
    assert f"{named} must be the id" in event["error"]["message"]
    assert connections.requests == []
