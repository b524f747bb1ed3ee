"""What the statuses of Campaign Cleaner mean to a wait: which keep it going, and which end it badly.

A worker and a trigger use the same rule. ``keeps_waiting`` says whether to poll again; ``check`` raises where
the status that ended the wait is not the wanted one.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, InboxTestState
from airflow_provider_campaigns.exceptions import CampaignPausedError, UnknownStatusError

PAUSED_CHOICES = ("fail", "wait")
CAMPAIGN_TIMEOUT_ADVICE = (
    "Campaign Cleaner has no failed status, so the campaign may have failed. Look at it in Campaign Cleaner, "
    "or raise the timeout."
)


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
        if status == CampaignState.PAUSED:
            raise CampaignPausedError(
                f"Campaign Cleaner paused campaign {self.campaign_id}. Resume it in Campaign Cleaner, or set "
                f"paused='wait' to wait until somebody resumes it."
            )
        if status != CampaignState.COMPLETED:
            raise UnknownStatusError.of(
                f"Campaign Cleaner reports campaign {self.campaign_id}", status, CampaignState
            )


@dataclass(frozen=True)
class InboxTestRule:
    """Waits until all mails of an inbox test have arrived.

    :param job_id: the test, named in errors.
    """

    job_id: str

    def keeps_waiting(self, status: str | None) -> bool:
        """Return whether mails are still expected."""
        return status == InboxTestState.PROCESSING

    def check(self, status: str | None) -> None:
        """Raise unless the test is completed.

        :raises UnknownStatusError: the status is not documented.
        """
        if status != InboxTestState.COMPLETED:
            raise UnknownStatusError.of(
                f"Campaign Cleaner reports inbox test {self.job_id}", status, InboxTestState
            )
