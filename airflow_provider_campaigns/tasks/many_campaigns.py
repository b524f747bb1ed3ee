"""Polls many campaigns from a worker: all in one request, and individually those that the list lacks."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError, RejectedError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.rules.many_campaigns import (
    CampaignsRule,
    Progress,
    ended_by,
    one_or_many,
)
from airflow_provider_campaigns.rules.statuses import CampaignRule
from airflow_provider_campaigns.tasks.arguments import opaque_id
from airflow_provider_campaigns.transport.retry import NO_RETRY

log = logging.getLogger(__name__)


def one_or_many_ids(value: Any, name: str) -> str | list[str]:
    """Return one id, or a list with each of its ids once."""
    return one_or_many(value, name, opaque_id, log.warning)


class ManyCampaigns:
    """The campaigns of one wait on a worker; a campaign that has ended is not polled again.

    :param ids: the campaigns.
    :param rule: what a failed campaign does to the wait.
    :param paused: ``"fail"``: a paused campaign has failed; ``"wait"``: it has not ended.
    :param max_failures: how many refusals in a row end the wait for one campaign.
    :param polls_individually: whether to poll the campaigns that the list lacks; a wait that is about to
        defer leaves that to its trigger.
    """

    def __init__(
        self,
        ids: Sequence[str],
        rule: CampaignsRule,
        *,
        paused: str,
        max_failures: int,
        polls_individually: bool,
    ) -> None:
        self._ids = ids
        self._rule = rule
        self._campaign_rule = CampaignRule("", paused)
        self._max_failures = max_failures
        self._polls_individually = polls_individually
        self._ended: dict[str, str] = {}
        self._refusals: Counter[str] = Counter()
        self._headline: str | None = None

    def poll(self, hook: CampaignCleanerHook, deadline: float) -> Progress:
        """Poll all campaigns that have not ended.

        :param deadline: when the wait ends, in seconds since the epoch. Individual polls go on no longer than
            that, or than the connection's timeout.
        :raises ApiError: a request failed, for a reason that is not one campaign's.
        """
        until = max(deadline, time.time() + hook.account.timeout)
        listed, refused = _list(hook), None
        for campaign_id in [each for each in self._ids if each not in self._ended]:
            status: str | None = None
            if (campaign := listed.get(campaign_id.lower())) is not None:
                status = campaign.status
            elif self._polls_individually and time.time() < until:
                try:
                    status = self._poll_one(hook, campaign_id)
                except RejectedError as error:
                    refused = error
            if status is not None and not self._campaign_rule.keeps_waiting(status):
                self._ended[campaign_id] = status
        progress = Progress.of(self._ids, self._ended)
        if progress.headline != self._headline:
            self._headline = progress.headline
            log.info("%s", progress.headline)
        if refused is not None and self._rule.keeps_waiting(progress):
            raise refused
        return progress

    def _poll_one(self, hook: CampaignCleanerHook, campaign_id: str) -> str:
        try:
            status = hook.get_campaign_status(campaign_id, retry=NO_RETRY).status
        except ApiError as error:
            ended = ended_by(error)
            if ended is None:
                raise
            self._refusals[campaign_id] += 1
            if not error.final and self._refusals[campaign_id] < self._max_failures:
                raise
            log.warning("Campaign %s: %s", campaign_id, error)
            return ended
        del self._refusals[campaign_id]
        return status


def _list(hook: CampaignCleanerHook) -> Mapping[str, CampaignStatus]:
    try:
        return hook.send(api.get_campaign_states(), NO_RETRY)
    except MalformedResponseError as error:  # too long, for example
        log.warning("Listing the campaigns failed: %s", error)
        return {}
