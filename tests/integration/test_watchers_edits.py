"""Watchers whose arguments are edited in the Dag file, while a triggerer runs and between two."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_campaigns import watchers
from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from tests.conftest import set_connection
from tests.support.airflow_versions import AIRFLOW
from tests.support.fake_server import FakeServer
from tests.support.watched_services import ILL, INTERVAL, Cleaner, Instantly, completed, health, polls

if not HAS_WATCHERS:
    pytest.skip(f"watchers need Airflow 3.3; this is {AIRFLOW}", allow_module_level=True)

from tests.support.fake_watching import Watching

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def other(connections: FakeServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to another account."""
    set_connection(
        monkeypatch, "campaign_cleaner", conn_id="other", host=connections.url, password="other-key"
    )
    return "other"


def edited(make: Any, **arguments: Any) -> Any:
    """Return the asset of an edited Dag file, which another process parses."""
    watchers._assets.clear()
    return make(**arguments)


class TestRunningTriggerer:
    async def test_edited_connection_is_used_at_once(self, cleaner: Cleaner, other: str) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls(3)
            await watching.replace(edited(completed, campaign_cleaner_conn_id=other))
            before = cleaner.requests()
            await polls(3)
        requests = cleaner.server.requests[before:]
        assert {request.headers["X-CC-API-Key"] for request in requests} == {"other-key"}

    async def test_edited_campaigns_and_interval_are_used_at_once(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2)
        async with Watching(health(on="code", campaign_ids=[a])) as watching:
            await polls(3)
            await watching.replace(edited(health, on="code", campaign_ids=[b], poke_interval=INTERVAL / 6))
            await asyncio.sleep(INTERVAL / 2)
            instantly.codes |= {a: ILL, b: ILL}
            await asyncio.sleep(INTERVAL / 2)
        assert {event["campaign_id"] for event in watching.stored} == {b}


@pytest.mark.parametrize("is_restart", [False, True])
async def test_edited_policy_is_no_change_of_health(is_restart: bool, instantly: Instantly) -> None:
    a, b = instantly.add(1, "out_of_schedule"), instantly.add(2)
    watching = Watching(health())
    async with watching:
        await polls(2)
        asset = edited(health, policy={"out_of_schedule": "closed"})
        if not is_restart:
            await watching.replace(asset)
            await polls(2)
    watching.assets = (asset,)
    async with watching:
        await polls(2)
        assert watching.stored == []
        instantly.codes |= {a: "healthy", b: "out_of_schedule"}
        await polls(2)
    assert {(event["campaign_id"], event["from"], event["to"]) for event in watching.stored} == {
        (a, "closed", "open"),
        (b, "open", "closed"),
    }


async def test_edited_policy_does_not_repeat_what_a_detail_decided(instantly: Instantly) -> None:
    a = instantly.add(1)
    ended = {"end_date": "2026-01-01", "schedules": [{"timezone": "UTC"}]}
    async with Watching(health(policy={"out_of_schedule": "open"})) as watching:
        await polls(2)
        instantly.codes[a] = "out_of_schedule"
        instantly.campaigns[a]["campaign_schedule"] = ended
        await polls(2)
        assert [event["to"] for event in watching.stored] == ["closed"]
        await watching.replace(edited(health))
        await polls(3)
    assert len(watching.stored) == 1


class TestFirstPoll:
    """The first poll of a selection only takes the position, also of one that an edit makes larger."""

    async def test_campaigns_of_a_larger_selection_fire_from_then_on(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2, ILL)
        async with Watching(health(on="code", campaign_ids=[a])) as watching:
            await polls(2)
        watching.assets = (edited(health, on="code"),)
        instantly.codes[a] = ILL
        async with watching:
            await polls(3)
            assert [event["campaign_id"] for event in watching.stored] == [a]
            c = instantly.add(3)  # a new one counts as a draft before
            instantly.codes[b] = "healthy"
            await polls(3)
        assert {event["campaign_id"] for event in watching.stored[1:]} == {b, c}

    async def test_first_list_without_campaigns_is_not_the_first_poll(self, instantly: Instantly) -> None:
        watching = Watching(health(on="code"))
        async with watching:
            await polls(2)
        ids = [instantly.add(number) for number in range(5)]
        async with watching:
            await polls(2)
            assert watching.stored == []
            instantly.codes[ids[0]] = ILL
            await polls(2)
        assert [event["campaign_id"] for event in watching.stored] == ids[:1]

    async def test_other_account_begins_with_its_own_position(self, cleaner: Cleaner, other: str) -> None:
        cleaner.add("old", age=900_000)
        async with Watching(completed()) as watching:
            await polls(2)
        cleaner.campaigns.clear()
        for number in range(5):
            cleaner.add(f"c{number}", "completed", age=number * 90_000)
        cleaner.add("a")
        watching.assets = (edited(completed, campaign_cleaner_conn_id=other),)
        async with watching:
            await polls(2)
            cleaner.complete("a")
            await polls(2)
        async with watching:
            await polls(2)
        assert watching.event_ids == ["a:1"]


async def test_two_files_with_one_name_keep_their_positions(cleaner: Cleaner, instantly: Instantly) -> None:
    """Each file is parsed in its own process; Airflow runs the watcher of the file that it parsed last."""
    a = instantly.add(1)
    cleaner.add("c")
    files = edited(completed, name="shared"), edited(health, name="shared")
    watching = Watching(files[0])
    for _ in range(2):
        for asset in files:
            watching.assets = (asset,)
            async with watching:
                await polls(2)
        cleaner.complete("c")
        instantly.codes[a] = ILL
    assert [event["campaign_id"] for event in watching.stored] == ["c", a]
