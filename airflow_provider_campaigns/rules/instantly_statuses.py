"""What the statuses of Instantly mean to a wait: which keep it going, and which end it badly.

A worker and a trigger use the same rule. ``keeps_waiting`` says whether to poll again; ``check`` raises where
the status that ended the wait is not the wanted one.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.api.instantly import JobStatus, SendingCode
from airflow_provider_campaigns.exceptions import BackgroundJobFailedError, UnknownStatusError

_FAILED_JOBS = (JobStatus.FAILED, JobStatus.CANCELLED)
_WAITING_JOBS = tuple(each for each in JobStatus if each not in (JobStatus.SUCCESS, *_FAILED_JOBS))


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
        if status != JobStatus.SUCCESS:
            raise UnknownStatusError.of(f"Instantly reports background job {self.job_id}", status, JobStatus)


@dataclass(frozen=True)
class ActivationRule:
    """Waits until the sending status of an activated campaign is neither draft nor paused."""

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether the campaign is still reported as not started, or without a status."""
        return status in (None, SendingCode.CAMPAIGN_DRAFT, SendingCode.CAMPAIGN_PAUSED)

    def check(self, status: str | None) -> None:
        """Raise nothing: every code of a campaign that has started is accepted."""
