"""The connection behind many waits: how often it is looked up, and when a changed one counts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_provider_campaigns.hooks import base
from airflow_provider_campaigns.hooks.base import ACCOUNT_MAX_AGE
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger
from tests.conftest import KEY, set_connection
from tests.support.fake_airflow import event_of
from tests.support.fake_cleaner import STATUS, FakeCleaner
from tests.support.fake_server import FakeServer, Reply

pytestmark = pytest.mark.usefixtures("clock")

CONN_ID, NEW_KEY, INTERVAL = "campaign_cleaner_default", "another-key", 10.0
LOOKUP_SECONDS = 0.1
REJECTED = Reply({}, status=401)


@pytest.fixture
def cleaner(connections: FakeServer) -> FakeCleaner:
    cleaner = FakeCleaner(connections)
    cleaner.set_all([f"c{number}" for number in range(100)], "processing")
    return cleaner


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of the connections that Airflow looked up; each look-up takes a moment."""
    looked_up: list[str] = []
    get_async_connection = base.get_async_connection

    async def counting(conn_id: str, hook: Any) -> Any:
        looked_up.append(conn_id)
        await asyncio.sleep(LOOKUP_SECONDS)
        return await get_async_connection(conn_id, hook=hook)

    monkeypatch.setattr(base, "get_async_connection", counting)
    return looked_up


def start(campaign_id: str) -> asyncio.Task[dict[str, Any]]:
    trigger = CampaignCleanerCampaignTrigger(
        campaign_id=campaign_id,
        campaign_cleaner_conn_id=CONN_ID,
        paused="fail",
        poke_interval=INTERVAL,
        deadline=time.time() + 900,
    )
    return asyncio.create_task(event_of(trigger))


def change_key(monkeypatch: pytest.MonkeyPatch, cleaner: FakeCleaner) -> None:
    set_connection(monkeypatch, "campaign_cleaner", host=cleaner.server.url, password=NEW_KEY)


def key_of_last_request(cleaner: FakeCleaner) -> str:
    return cleaner.server.requests[-1].headers["X-CC-API-Key"]


async def test_waits_share_the_lookup_of_their_connection(cleaner: FakeCleaner, lookups: list[str]) -> None:
    waits = [start(campaign_id) for campaign_id in cleaner.statuses]
    await asyncio.sleep(2 * INTERVAL)
    cleaner.set_all(cleaner.statuses, "completed")
    assert {event["outcome"] for event in await asyncio.gather(*waits)} == {"done"}
    assert lookups == [CONN_ID]


async def test_cancelled_wait_does_not_cancel_the_lookup_of_others(
    cleaner: FakeCleaner, lookups: list[str]
) -> None:
    first, second = start("c1"), start("c2")
    await asyncio.sleep(LOOKUP_SECONDS / 2)
    first.cancel()
    cleaner.set_all(cleaner.statuses, "completed")
    assert (await second)["outcome"] == "done"
    assert lookups == [CONN_ID]


async def test_changed_connection_counts_after_a_minute(
    cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaner.set_all(cleaner.statuses, "completed")
    await start("c1")
    change_key(monkeypatch, cleaner)
    await start("c2")
    assert key_of_last_request(cleaner) == KEY
    await asyncio.sleep(ACCOUNT_MAX_AGE + 1)
    await start("c3")
    assert key_of_last_request(cleaner) == NEW_KEY
    assert len(lookups) == 2


async def test_failed_lookup_is_repeated_for_the_next_wait(
    cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "campaign_cleaner", host=cleaner.server.url, password="")
    failed = await start("c1")
    assert "has no API key" in failed["error"]["message"]
    change_key(monkeypatch, cleaner)
    cleaner.set_all(cleaner.statuses, "completed")
    assert (await start("c2"))["outcome"] == "done"


async def test_waits_go_on_with_the_new_key_of_their_connection(
    cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = [start("c1"), start("c1")]
    await asyncio.sleep(2 * INTERVAL)
    change_key(monkeypatch, cleaner)
    cleaner.server.respond(REJECTED, Reply(cleaner.status), path=STATUS)
    await asyncio.sleep(2 * INTERVAL)
    assert key_of_last_request(cleaner) == NEW_KEY
    cleaner.set_all(cleaner.statuses, "completed")
    assert {event["outcome"] for event in await asyncio.gather(*waits)} == {"done"}
    assert len(lookups) == 2


async def test_rejected_key_that_has_not_changed_ends_the_wait(
    cleaner: FakeCleaner, lookups: list[str]
) -> None:
    cleaner.server.respond(REJECTED, path=STATUS)
    event = await start("c1")
    assert (event["outcome"], event["error"]["class"]) == ("failed", "AuthenticationError")
    assert len(cleaner.server.requests) == 1
    assert len(lookups) == 2


async def test_key_of_a_later_wait_is_looked_up_again_when_rejected(
    cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start("c1")
    await asyncio.sleep(ACCOUNT_MAX_AGE + INTERVAL)
    second = start("c1")  # the same key again, as another object
    await asyncio.sleep(INTERVAL / 2)
    change_key(monkeypatch, cleaner)
    cleaner.server.respond(REJECTED, Reply(cleaner.status), path=STATUS)
    await asyncio.sleep(2 * INTERVAL)
    cleaner.set_all(cleaner.statuses, "completed")
    assert {event["outcome"] for event in await asyncio.gather(first, second)} == {"done"}
    assert len(lookups) == 3


async def test_lookup_that_began_before_the_rejection_is_repeated(
    cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = await CampaignCleanerHook(CONN_ID).shared_account()
    await asyncio.sleep(ACCOUNT_MAX_AGE + 1)
    other = asyncio.create_task(CampaignCleanerHook(CONN_ID).shared_account())
    again = asyncio.create_task(CampaignCleanerHook(CONN_ID).shared_account(rejected))
    assert (await other).key == KEY
    change_key(monkeypatch, cleaner)
    assert (await again).key == NEW_KEY
    assert len(lookups) == 3


@pytest.mark.parametrize("key", [KEY, NEW_KEY])
async def test_waits_that_are_rejected_together_share_one_lookup(
    key: str, cleaner: FakeCleaner, lookups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [await CampaignCleanerHook(CONN_ID).shared_account() for _ in range(2)]
    set_connection(monkeypatch, "campaign_cleaner", host=cleaner.server.url, password=key)

    async def reject(number: int) -> str:
        await asyncio.sleep(number * LOOKUP_SECONDS / 200)  # some come after the look-up has ended
        return (await CampaignCleanerHook(CONN_ID).shared_account(accounts[number % 2])).key

    assert set(await asyncio.gather(*map(reject, range(1000)))) == {key}
    assert len(lookups) == 2
