"""Send a change of an Instantly campaign once, and verify it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.exceptions import (
    ApiError,
    IncompleteResponseError,
    MalformedResponseError,
    NotPausedError,
    ServiceUnavailableError,
)
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


def pause_and_verify(hook: InstantlyHook, campaign_id: str) -> tuple[int, int]:
    """Pause a campaign that is sending; return its lifecycle status before and after.

    :raises NotPausedError: it still sends.
    """
    before = lifecycle_status(hook, campaign_id)
    if before not in SENDING:
        return before, before
    after = send_and_verify(
        lambda: hook.pause_campaign(campaign_id),
        lambda: lifecycle_status(hook, campaign_id),
        lambda status: status not in SENDING,
    )
    if after in SENDING:
        raise NotPausedError(
            f"Instantly accepted the pause of campaign {campaign_id}, which is still "
            f"{LifecycleStatus.name_of(after)}. Pause it in Instantly."
        )
    return before, after


def lifecycle_status(hook: InstantlyHook, campaign_id: str) -> int:
    """Return the lifecycle status of a campaign.

    :raises MalformedResponseError: the response holds no such status.
    """
    status = hook.get_campaign(campaign_id).get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        raise MalformedResponseError(
            f"Instantly returned campaign {campaign_id} without a valid status ({status!r:.80})."
        )
    return status
