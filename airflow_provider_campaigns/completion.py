"""What the states of a campaign in Campaign Cleaner mean to whoever waits for its completion."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.exceptions import CampaignPausedError, UnknownStatusError

PAUSED_CHOICES = ("fail", "wait")
WHEN_LATE = (
    "Campaign Cleaner reports no failures, so it may have failed there; look at it in Campaign Cleaner, or "
    "raise the timeout."
)


@dataclass(frozen=True)
class Completion:
    """One campaign's way to ``completed``.

    :param campaign_id: the campaign.
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    """

    campaign_id: str
    paused: str

    @property
    def waiting_states(self) -> list[str]:
        """The states that mean: look again."""
        waiting = [CampaignState.PROCESSING.value]
        return [*waiting, CampaignState.PAUSED.value] if self.paused == "wait" else waiting

    def is_reached(self, state: str) -> bool:
        """Tell whether a state ends the wait well.

        :raises CampaignPausedError: it is paused, and that is not waited out.
        :raises UnknownStatusError: nobody has described this state.
        """
        if state == CampaignState.COMPLETED.value:
            return True
        if state in self.waiting_states:
            return False
        if state == CampaignState.PAUSED.value:
            raise CampaignPausedError(
                f"Campaign Cleaner has paused campaign {self.campaign_id}. Look at it in Campaign Cleaner, "
                f"or set paused='wait' to wait until somebody resumes it."
            )
        raise UnknownStatusError(
            f"Campaign Cleaner reports campaign {self.campaign_id} as {state!r}, which is none of its "
            f"documented states ({', '.join(each.value for each in CampaignState)})."
        )
