"""A subscription to the whole list, as a watcher has it, beside waits for single campaigns."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import ServiceUnavailableError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.triggers.campaign_cleaner import CAMPAIGN_STATUS
from airflow_provider_campaigns.waits import health_log
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome
from airflow_provider_campaigns.waits.shared_poller import SharedPoller, shared_poller
from airflow_provider_campaigns.waits.subscription import ALL, Subscription
from tests.support.fake_cleaner import LIST, STATUS, FakeCleaner
from tests.support.fake_server import FakeServer, Reply

pytestmark = pytest.mark.usefixtures("clock")

INTERVAL = 10.0
UNAVAILABLE, MALFORMED = Reply({}, status=503), Reply(b"<html>")


@pytest.fixture
def cleaner(connections: FakeServer) -> FakeCleaner:
    return FakeCleaner(connections)


@pytest.fixture
async def poller(cleaner: FakeCleaner) -> AsyncIterator[SharedPoller[Any]]:
    account = await CampaignCleanerHook().aaccount()
    async with shared_poller(account, CAMPAIGN_STATUS) as poller:
        yield poller


def whole_list(max_failures: int = 5) -> Subscription[Any]:
    """Return a subscription whose status is the newest list."""
    polling = Polling(INTERVAL, math.inf, max_failures)
    return Subscription(ALL, polling, lambda states: PollResult(dict(states), is_final=False))


def campaign(campaign_id: str, max_failures: int = 5) -> Subscription[Any]:
    """Return a subscription that ends when a campaign is completed."""

    def judge(response: Any) -> PollResult:
        return PollResult(response.status, is_final=response.status == "completed")

    return Subscription(campaign_id, Polling(INTERVAL, math.inf, max_failures), judge)


async def start(poller: SharedPoller[Any], *waits: Subscription[Any]) -> list[asyncio.Task[WaitOutcome]]:
    """Start waits; the first one is due first."""
    tasks = []
    for each in waits:
        tasks.append(asyncio.create_task(poller.wait(each)))
        await asyncio.sleep(0)
    return tasks


async def cancel(tasks: list[asyncio.Task[WaitOutcome]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_list_serves_its_subscription_and_the_waits(
    poller: SharedPoller[Any], cleaner: FakeCleaner
) -> None:
    cleaner.statuses = {"a": "processing", "b": "completed"}
    followed, a, b = whole_list(), campaign("a"), campaign("b")
    tasks = await start(poller, followed, a, b)
    assert await tasks[2] is WaitOutcome.DONE
    assert {each: found.status for each, found in followed.status.items()} == cleaner.statuses
    assert a.status == "processing"
    cleaner.set_all("ab", "completed")
    assert await tasks[1] is WaitOutcome.DONE
    await asyncio.sleep(INTERVAL)
    assert {found.status for found in followed.status.values()} == {"completed"}
    assert cleaner.requests().keys() == {LIST}
    await cancel(tasks)


@pytest.mark.parametrize("list_is_due_first", [True, False])
async def test_failing_list_counts_for_its_subscription_only(
    poller: SharedPoller[Any], cleaner: FakeCleaner, list_is_due_first: bool
) -> None:
    cleaner.set_all("ab", "processing")
    cleaner.server.respond(UNAVAILABLE, path=LIST)
    followed, a, b = whole_list(max_failures=2), campaign("a", 1), campaign("b", 1)
    waits = (followed, a, b) if list_is_due_first else (a, b, followed)
    tasks = dict(zip(map(id, waits), await start(poller, *waits), strict=True))
    assert await tasks[id(followed)] is WaitOutcome.FAILED
    assert isinstance(followed.error, ServiceUnavailableError)
    cleaner.set_all("ab", "completed")
    assert [await tasks[id(each)] for each in (a, b)] == [WaitOutcome.DONE] * 2
    assert set(cleaner.requested_individually()) == {"a", "b"}


@pytest.mark.parametrize("failure", [UNAVAILABLE, MALFORMED], ids=["unavailable", "malformed"])
@pytest.mark.parametrize("ids", ["a", "abc"])
async def test_waits_survive_failures_of_the_whole_service(
    poller: SharedPoller[Any], cleaner: FakeCleaner, failure: Reply, ids: str
) -> None:
    """Of a malformed response, the target may be the cause, so another one is fetched where there is one."""
    cleaner.set_all(ids, "processing")
    followed, *waits = subscriptions = [whole_list(), *map(campaign, ids)]
    tasks = await start(poller, *subscriptions)
    await asyncio.sleep(INTERVAL)
    cleaner.fail(failure)
    for _ in range(100):
        if all(each.failures for each in subscriptions):
            break
        await asyncio.sleep(1)
    assert [(each.failures > 0, each.has_ended) for each in subscriptions] == [(True, False)] * len(tasks)
    cleaner.server.respond(Reply(cleaner.list), path=LIST)
    cleaner.server.respond(Reply(cleaner.status), path=STATUS)
    cleaner.set_all(ids, "completed")
    assert await asyncio.gather(*tasks[1:]) == [WaitOutcome.DONE] * len(waits)
    await asyncio.sleep(10 * INTERVAL)
    assert (followed.failures, set(followed.status)) == (0, set(ids))
    await cancel(tasks)


async def test_failing_list_without_waits_is_logged(
    poller: SharedPoller[Any], cleaner: FakeCleaner, caplog: pytest.LogCaptureFixture
) -> None:
    cleaner.server.respond(UNAVAILABLE, path=LIST)
    (task,) = await start(poller, whole_list(max_failures=2))
    assert await task is WaitOutcome.FAILED
    assert cleaner.requests() == {LIST: 2}
    (logged,) = [each.getMessage() for each in caplog.records if each.name == health_log.__name__]
    assert logged.startswith("Polling campaigns is failing; 1 waits keep retrying.")
