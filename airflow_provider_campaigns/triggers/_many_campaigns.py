"""One wait for many campaigns in the triggerer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.many_campaigns import CampaignsRule, Progress, ended_by
from airflow_provider_campaigns.waits.events import WaitOutcome
from airflow_provider_campaigns.waits.group import wait_for_group
from airflow_provider_campaigns.waits.shared_poller import SharedPoller
from airflow_provider_campaigns.waits.subscription import Subscription

log = logging.getLogger(__name__)

Waits = Sequence[Subscription[CampaignStatus]]


async def wait_for_campaigns(
    poller: SharedPoller[CampaignStatus],
    waits: Waits,
    rule: CampaignsRule,
    ids: Sequence[str],
    ended: dict[str, str],
) -> tuple[WaitOutcome, Progress, ApiError | None]:
    """Wait for all campaigns, and log how far they are whenever that changes.

    :param waits: the waits for the campaigns that have not ended.
    :param ids: all campaigns.
    :param ended: the status of each campaign that has ended, by id; grows meanwhile.
    :returns: how the wait ended, how far the campaigns are, and the error that ended the wait or came last.
    """
    progress = Progress.of(ids, ended)

    def is_over() -> bool:
        nonlocal progress
        ended.update(_ended(waits))
        not_polled = sum(each.status is None and each.error is None for each in waits)
        before, progress = progress, Progress.of(ids, ended, not_polled)
        if progress.headline != before.headline:
            log.info("%s", progress.headline)
        return not rule.keeps_waiting(progress) or _service_error(waits) is not None

    if waits:
        await wait_for_group(poller, waits, is_over)
    if not rule.keeps_waiting(progress):
        return WaitOutcome.DONE, progress, None
    if error := _service_error(waits):
        return WaitOutcome.FAILED, progress, error
    return WaitOutcome.TIMED_OUT, progress, next((each.error for each in waits if each.error), None)


def _ended(waits: Waits) -> Iterator[tuple[str, str]]:
    """Yield each campaign that has ended, and its status."""
    for each in waits:
        if each.outcome is WaitOutcome.DONE:
            yield each.key, each.status
        elif each.outcome is WaitOutcome.FAILED and (status := ended_by(each.error)):
            yield each.key, status


def _service_error(waits: Waits) -> ApiError | None:
    """Return an error that ended the wait for a campaign and is about more than that campaign."""
    failed = (each.error for each in waits if each.outcome is WaitOutcome.FAILED)
    return next((error for error in failed if ended_by(error) is None), None)
