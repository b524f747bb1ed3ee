"""Polls many campaigns from a worker: all in one request, and individually those that the list lacks."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.airflow_compat import xcoms_as_list
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus
from airflow_provider_campaigns.api.values import check_opaque_id
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import CampaignRule
from airflow_provider_campaigns.rules.many_campaigns import (
    CampaignsRule,
    Progress,
    by_id,
    by_position,
    ended_by,
    one_or_many,
)
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook

log = logging.getLogger(__name__)


def one_or_many_ids(value: Any, name: str) -> str | list[str]:
    """Return one id, or a list with each of its ids once."""
    return one_or_many(xcoms_as_list(value), name, check_opaque_id, log.warning)


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

        A campaign that is refused is one that has not ended, until that happens too often.

        :param deadline: when the wait ends, in seconds since the epoch. Individual polls go on no longer than
            that, or than the connection's timeout.
        :raises ApiError: a request failed, for a reason that is not one campaign's.
        """
        until = max(deadline, time.time() + hook.account.timeout)
        listed, missing = _list(hook), []
        for campaign_id in [each for each in self._ids if each not in self._ended]:
            if (campaign := listed.get(campaign_id.lower())) is None:
                missing.append(campaign_id)
            else:
                self._take(campaign_id, campaign.status)
        not_polled = len(missing)
        for campaign_id in missing if self._polls_individually else ():
            if time.time() >= until:
                break
            self._poll_one(hook, campaign_id)
            not_polled -= 1
        progress = Progress.of(self._ids, self._ended, not_polled)
        if progress.headline != self._headline:
            self._headline = progress.headline
            log.info("%s", progress.headline)
        return progress

    @property
    def has_refusals(self) -> bool:
        """Whether a campaign was refused, but not yet so often that it has ended."""
        return bool(self._refusals)

    def ended(self) -> dict[str, str]:
        """Return the statuses of the campaigns that have ended, for :func:`.by_id`."""
        return by_position(self._ids, self._ended)

    def as_json(self) -> dict[str, Any]:
        """Return what another process has to know to go on with the wait, as plain JSON."""
        refusals = {each: str(count) for each, count in self._refusals.items()}
        return {"of": self._digest, "ended": self.ended(), "refusals": by_position(self._ids, refusals)}

    def load(self, stored: Mapping[str, Any]) -> None:
        """Go on with the wait of another process, if it is for the same campaigns."""
        if stored.get("of") != self._digest:
            return
        self._ended = by_id(self._ids, stored["ended"])
        refusals = by_id(self._ids, stored["refusals"])
        self._refusals = Counter({each: int(count) for each, count in refusals.items()})
        self._headline = Progress.of(self._ids, self._ended).headline

    @property
    def _digest(self) -> str:
        return hashlib.sha256("\0".join(self._ids).encode()).hexdigest()[:12]

    def _take(self, campaign_id: str, status: str) -> None:
        self._refusals.pop(campaign_id, None)
        if not self._campaign_rule.keeps_waiting(status):
            self._ended[campaign_id] = status

    def _poll_one(self, hook: CampaignCleanerHook, campaign_id: str) -> None:
        try:
            self._take(campaign_id, hook.get_campaign_status(campaign_id, retry=NO_RETRY).status)
        except ApiError as error:
            if (status := ended_by(error)) is None:
                raise
            self._refusals[campaign_id] += 1
            log.warning("Campaign %s (%d in a row): %s", campaign_id, self._refusals[campaign_id], error)
            if error.final or self._refusals[campaign_id] >= self._max_failures:
                self._take(campaign_id, status)


def _list(hook: CampaignCleanerHook) -> Mapping[str, CampaignStatus]:
    try:
        return hook.get_campaign_states(retry=NO_RETRY)
    except MalformedResponseError as error:  # too long, for example
        log.warning("Listing the campaigns failed: %s", error)
        return {}
