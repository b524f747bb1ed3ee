"""What the statuses of each kind of wait mean: which keep the wait going, and which end it badly.

A worker and a trigger use the same rule. ``keeps_waiting`` says whether to poll again; ``check`` raises where
the status that ended the wait is not the wanted one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, InboxTestState
from airflow_provider_campaigns.api.instantly import JobStatus, SendingCode
from airflow_provider_campaigns.exceptions import (
    BackgroundJobFailedError,
    CampaignPausedError,
    UnknownStatusError,
)

PAUSED_CHOICES = ("fail", "wait")
CAMPAIGN_TIMEOUT_ADVICE = (
    "Campaign Cleaner has no failed status, so the campaign may have failed. Look at it in Campaign "
    "Cleaner, or raise "
    "the timeout."
)
_FAILED_JOBS = (JobStatus.FAILED.value, JobStatus.CANCELLED.value)
_WAITING_JOBS = tuple(each.value for each in JobStatus if each.value not in ("success", *_FAILED_JOBS))


class StatusRule(Protocol):
    """Decides about the statuses of one kind of wait."""

    def keeps_waiting(self, status: Any) -> bool:
        """Return whether the wait goes on."""

    def check(self, status: Any) -> None:
        """Raise unless a status is the one that the wait is for."""


@dataclass(frozen=True)
class CampaignRule:
    """Waits until a campaign of Campaign Cleaner is ``completed``.

    :param campaign_id: the campaign, named in errors.
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    """

    campaign_id: str
    paused: str

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether the campaign is still in process, or paused where that is waited out."""
        waits_out = self.paused == "wait" and status == CampaignState.PAUSED
        return status == CampaignState.PROCESSING or waits_out

    def check(self, status: str | None) -> None:
        """Raise unless the campaign is completed.

        :raises CampaignPausedError: it is paused.
        :raises UnknownStatusError: the status is not documented.
        """
        if status == CampaignState.PAUSED.value:
            raise CampaignPausedError(
                f"Campaign Cleaner paused campaign {self.campaign_id}. Resume it in Campaign Cleaner, or set "
                f"paused='wait' to wait until somebody resumes it."
            )
        if status != CampaignState.COMPLETED.value:
            raise _unknown("Campaign Cleaner", f"campaign {self.campaign_id}", status, CampaignState)


@dataclass(frozen=True)
class InboxTestRule:
    """Waits until all mails of an inbox test have arrived.

    :param job_id: the test, named in errors.
    """

    job_id: str

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether mails are still expected."""
        return status == InboxTestState.PROCESSING.value

    def check(self, status: str | None) -> None:
        """Raise unless the test is completed.

        :raises UnknownStatusError: the status is not documented.
        """
        if status != InboxTestState.COMPLETED.value:
            raise _unknown("Campaign Cleaner", f"inbox test {self.job_id}", status, InboxTestState)


@dataclass(frozen=True)
class BackgroundJobRule:
    """Waits until a background job of Instantly succeeds.

    :param job_id: the job, named in errors.
    """

    job_id: str

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether the job has not ended."""
        return status in _WAITING_JOBS

    def check(self, status: str | None) -> None:
        """Raise unless the job succeeded.

        :raises BackgroundJobFailedError: it failed or was cancelled.
        :raises UnknownStatusError: the status is not documented.
        """
        if status in _FAILED_JOBS:
            raise BackgroundJobFailedError(
                f"Background job {self.job_id} is {status}. Look at it in Instantly, then start it again."
            )
        if status != JobStatus.SUCCESS.value:
            raise _unknown("Instantly", f"background job {self.job_id}", status, JobStatus)


@dataclass(frozen=True)
class ActivationRule:
    """Waits until the sending status of an activated campaign is neither draft nor paused."""

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether the campaign is still reported as not started, or without a status."""
        return status in (None, SendingCode.CAMPAIGN_DRAFT.value, SendingCode.CAMPAIGN_PAUSED.value)

    def check(self, status: str | None) -> None:
        """Raise nothing: every code of a campaign that has started is accepted."""


def _unknown(
    service: str,
    subject: str,
    status: str | None,
    documented: type[CampaignState | InboxTestState | JobStatus],
) -> UnknownStatusError:
    return UnknownStatusError(
        f"{service} reports {subject} as {status!r}, which is not one of its documented statuses "
        f"({', '.join(each.value for each in documented)})."
    )
