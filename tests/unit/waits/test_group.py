"""One wait for many campaigns over the poller that all waits on the account share."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers.campaign_cleaner import (
    CAMPAIGN_STATUS,
    CampaignCleanerCampaignTrigger,
)
from airflow_provider_campaigns.waits.events import WaitOutcome
from airflow_provider_campaigns.waits.group import wait_for_group
from airflow_provider_campaigns.waits.shared_poller import shared_poller
from airflow_provider_campaigns.waits.subscription import Subscription
from tests.support.fake_airflow import event_of
from tests.support.fake_cleaner import LIST, FakeCleaner
from tests.support.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("clock")

IDS = [f"c-{number}" for number in range(50)]


@pytest.fixture
def cleaner(connections: FakeServer) -> FakeCleaner:
    cleaner = FakeCleaner(connections)
    cleaner.set_all(IDS, "processing")
    return cleaner


def trigger(campaign_id: Any) -> CampaignCleanerCampaignTrigger:
    return CampaignCleanerCampaignTrigger(
        campaign_id=campaign_id,
        campaign_cleaner_conn_id="campaign_cleaner_default",
        paused="fail",
        poke_interval=10.0,
        deadline=time.time() + 3600,
    )


async def test_group_shares_its_requests_with_other_waits(cleaner: FakeCleaner) -> None:
    waits = [asyncio.create_task(event_of(trigger(each))) for each in (IDS, IDS[:20], "c-7", "c-8")]
    await asyncio.sleep(65)
    assert 7 <= cleaner.requests()[LIST] <= 9
    assert cleaner.requests().keys() == {LIST}
    cleaner.set_all(IDS, "completed")
    events = await asyncio.gather(*waits)
    assert [each["outcome"] for each in events] == ["done"] * 4
    assert not aio._sessions[asyncio.get_running_loop()]


async def test_cancelled_group_leaves_no_session_and_no_task(cleaner: FakeCleaner) -> None:
    wait = asyncio.create_task(event_of(trigger(IDS)))
    await asyncio.sleep(30)
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    assert not aio._sessions[asyncio.get_running_loop()]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_error_of_the_provider_ends_the_group(cleaner: FakeCleaner) -> None:
    def judge(_: Any) -> Any:
        raise KeyError("a fault")

    polling = Polling(10.0, time.time() + 3600)
    waits = [Subscription(each, polling, judge) for each in IDS]
    account = await CampaignCleanerHook().aaccount()
    async with shared_poller(account, CAMPAIGN_STATUS) as poller:
        with pytest.raises(RuntimeError, match="KeyError: 'a fault'"):
            await wait_for_group(poller, waits, lambda: False)


async def test_group_ends_at_its_deadline_although_waits_end_late(cleaner: FakeCleaner) -> None:
    """The deadline comes while the group still collects the results of a response."""
    polling = Polling(10.0, time.time() + 0.3)
    first_poll_at = time.time() + 60
    waits = [Subscription(each, polling, lambda _: pytest.fail("no poll"), first_poll_at) for each in IDS]
    account = await CampaignCleanerHook().aaccount()
    async with shared_poller(account, CAMPAIGN_STATUS) as poller:
        asyncio.get_running_loop().call_later(1.0, waits[0].expire)
        await wait_for_group(poller, waits, lambda: False)
    assert {each.outcome for each in waits} == {WaitOutcome.TIMED_OUT}
