"""Send a change of an Instantly campaign once, and verify it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.api.response import subject_of
from airflow_provider_campaigns.exceptions import (
    ApiError,
    IncompleteResponseError,
    MalformedResponseError,
    NotPausedError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.instantly import InstantlyHook

T = TypeVar("T")

log = logging.getLogger(__name__)

SENDING = (LifecycleStatus.ACTIVE, LifecycleStatus.RUNNING_SUBSEQUENCES)
# Errors after which it is unknown whether the service made a change.
_UNCERTAIN = (MalformedResponseError, ServiceUnavailableError, IncompleteResponseError)


def send_and_verify(send: Callable[[], object], fetch: Callable[[], T], shows: Callable[[T], bool]) -> T:
    """Send a change once, and fetch what it changed.

    :param send: sends the change.
    :param fetch: fetches what it changes.
    :param shows: returns whether the fetched value shows the change.
    :returns: the fetched value, whether it shows the change or not.
    :raises ApiError: the change was refused; or its response was lost, and the fetched value does not show
        it.
    """
    try:
        send()
    except _UNCERTAIN as error:
        try:
            found = fetch()
        except ApiError as fetch_error:
            raise error from fetch_error
        if not shows(found):
            raise
        log.warning("The change was made, although its response was lost: %s", error)
        return found
    return fetch()


class CampaignState(NamedTuple):
    """A campaign that was read.

    :param status: its lifecycle status.
    :param subject: how messages name it: ``Campaign 'Spring' (<id>)``.
    """

    status: int
    subject: str

    def __str__(self) -> str:
        return LifecycleStatus.name_of(self.status)


def pause_and_verify(hook: InstantlyHook, campaign_id: str, before: CampaignState) -> CampaignState:
    """Pause a campaign that is sending; return it as it is then.

    :param before: the campaign as it was read.
    :raises NotPausedError: it still sends.
    """
    if before.status not in SENDING:
        return before
    after = send_and_verify(
        lambda: hook.pause_campaign(campaign_id),
        lambda: campaign_state(hook, campaign_id),
        lambda state: state.status not in SENDING,
    )
    if after.status in SENDING:
        raise NotPausedError(
            f"{after.subject} is still {after}, although Instantly accepted the pause. Pause it in Instantly."
        )
    return after


def campaign_state(hook: InstantlyHook, campaign_id: str) -> CampaignState:
    """Read a campaign.

    :raises MalformedResponseError: the response holds no lifecycle status.
    """
    campaign = hook.get_campaign(campaign_id)
    status, subject = campaign.get("status"), subject_of("Campaign", campaign_id, campaign.get("name"))
    if not isinstance(status, int) or isinstance(status, bool):
        raise MalformedResponseError(f"{subject}: Instantly returned no valid status ({status!r:.80}).")
    return CampaignState(status, subject)
