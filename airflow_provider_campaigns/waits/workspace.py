"""The campaigns of a workspace, once an interval: the list, and the sending status of each active one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from typing import Any

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import SendingStatus
from airflow_provider_campaigns.api.values import check_uuid
from airflow_provider_campaigns.exceptions import ApiError, BadRequestError, NotFoundError
from airflow_provider_campaigns.rules.health import Workspace, has_sending_status
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.shared_result import SharedResults
from airflow_provider_campaigns.waits.events import PollResult
from airflow_provider_campaigns.waits.shared_poller import SharedPoller
from airflow_provider_campaigns.waits.subscription import Subscription
from airflow_provider_campaigns.waits.watching import endless

log = logging.getLogger(__name__)

# Campaigns on a page: the copy of all mails comes along, and parsing it blocks the event loop.
PAGE_SIZE = 50
_MAX_PAGES = 1000
# The fields of a listed campaign that its health depends on.
_FIELDS = ("id", "name", "status", "not_sending_status", "campaign_schedule")
_ABOUT_CAMPAIGN = (NotFoundError, BadRequestError)

Campaigns = Mapping[str, Mapping[str, Any]]
_listed: SharedResults[Campaigns] = SharedResults()


async def workspaces(
    poller: SharedPoller[SendingStatus],
    account: Account,
    interval: float,
    campaign_ids: Collection[str] | None,
) -> AsyncIterator[Workspace]:
    """Yield the workspace once an interval, first as soon as each active campaign has responded.

    :param campaign_ids: the campaigns, in lower case; None for all of the workspace.
    :raises ApiError: a final failure that is not about a single campaign.
    """
    statuses, loop = _Statuses(poller, interval), asyncio.get_running_loop()
    try:
        while True:
            end = loop.time() + interval
            try:
                listed = await _listed.get(
                    account.identity, partial(_list_campaigns, account), max_age=interval / 2
                )
            except ApiError as error:
                if error.final:
                    raise
                log.warning("Listing the campaigns failed: %s", error)
                await asyncio.sleep(interval)
                continue
            chosen = {
                each: campaign
                for each, campaign in listed.items()
                if campaign_ids is None or each in campaign_ids
            }
            statuses.follow({each for each, campaign in chosen.items() if has_sending_status(campaign)})
            await statuses.wait_for_all(interval)
            yield Workspace(chosen, statuses.take())
            await asyncio.sleep(max(0.0, end - loop.time()))
    finally:
        statuses.follow(set())


class _Statuses:
    """The latest sending status of many campaigns, each polled by a wait of its own that goes on for ever."""

    def __init__(self, poller: SharedPoller[SendingStatus], interval: float) -> None:
        self._poller = poller
        self._polling = endless(interval)
        self._followed: dict[str, Subscription[SendingStatus]] = {}
        self._missing: set[str] = set()
        self._latest: dict[str, SendingStatus | ApiError] = {}
        self._changed = asyncio.Event()
        self._error: Exception | None = None

    def follow(self, campaign_ids: set[str]) -> None:
        """Poll for these campaigns, and for no other."""
        for each in self._followed.keys() - campaign_ids:
            self._poller.remove(self._followed.pop(each))
        for each in campaign_ids - self._followed.keys():
            subscription = Subscription(each, self._polling, partial(self._judge, each))
            self._followed[each] = subscription
            self._poller.add(subscription, partial(self._ended, each))
        self._missing = campaign_ids - self._latest.keys()

    async def wait_for_all(self, seconds: float) -> None:
        """Wait until each campaign has responded, but not longer than this."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._missing and self._error is None and (left := end - loop.time()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                break
        if self._error is not None:
            raise self._error

    def take(self) -> Mapping[str, SendingStatus | ApiError]:
        """Return the statuses that have come since the last call."""
        latest, self._latest = self._latest, {}
        return latest

    def _judge(self, campaign_id: str, response: SendingStatus | ApiError) -> PollResult:
        self._latest[campaign_id] = response
        self._responded(campaign_id)
        return PollResult(None, is_final=False)

    def _ended(self, campaign_id: str) -> None:
        subscription = self._followed.pop(campaign_id)
        self._poller.remove(subscription)
        if not isinstance(subscription.error, _ABOUT_CAMPAIGN):
            self._error = subscription.broken or subscription.error
        self._responded(campaign_id)

    def _responded(self, campaign_id: str) -> None:
        self._missing.discard(campaign_id)
        if not self._missing or self._error is not None:
            self._changed.set()


async def _list_campaigns(account: Account) -> Campaigns:
    """Return all campaigns of a workspace, by id in lower case."""
    campaigns: dict[str, Mapping[str, Any]] = {}
    cursors: set[str | None] = set()
    cursor: str | None = None
    async with aio.client(account) as client:
        while cursor not in cursors and len(cursors) < _MAX_PAGES:
            cursors.add(cursor)
            page = await client.send(api.list_campaigns(starting_after=cursor, limit=PAGE_SIZE))
            for item in page.items:
                try:
                    campaign_id = check_uuid(item.get("id"), "id")
                except ValueError:
                    continue
                campaigns[campaign_id.lower()] = {name: item[name] for name in _FIELDS if name in item}
            if (cursor := page.next_starting_after) is None:
                return campaigns
    log.warning("The list of campaigns does not end; %d campaigns of it are used.", len(campaigns))
    return campaigns
