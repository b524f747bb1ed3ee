"""Triggers that wait for Campaign Cleaner."""

from __future__ import annotations

from typing import Any, cast

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus, InboxTestResults, InboxTestState
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.polling import MAX_FAILURES
from airflow_provider_campaigns.triggers._waiting import WaitTrigger
from airflow_provider_campaigns.triggers._watching import Look, Question

CAMPAIGN_STATUS = Question("campaigns", one=api.get_campaign_status, many=api.get_campaign_states)
INBOX_TEST = Question("inbox tests", one=api.get_inbox_test_results)


class CampaignCleanerCampaignTrigger(WaitTrigger[CampaignStatus]):
    """Waits until a campaign is no longer being processed.

    The event's ``said`` is the state that ended the wait, or the last one seen; what it means is for the
    sensor to decide.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param waiting_states: the states that mean: look again.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch; None where Airflow keeps the deadline.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str,
        waiting_states: list[str],
        poke_interval: float,
        deadline: float | None,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.waiting_states = waiting_states

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for."""
        return {
            "campaign_id": self.campaign_id,
            "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
            "waiting_states": self.waiting_states,
        }

    def hook(self) -> CampaignCleanerHook:
        """Return a hook on the connection."""
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def question(self) -> tuple[Question[CampaignStatus], str]:
        """Ask for the campaign's state."""
        return CAMPAIGN_STATUS, self.campaign_id

    def judge(self, answer: CampaignStatus | ApiError) -> Look:
        """End the wait at any state that does not mean: look again."""
        status = cast("CampaignStatus", answer).status
        return Look(said=status, ends=status not in self.waiting_states)


class CampaignCleanerInboxTestTrigger(WaitTrigger[InboxTestResults]):
    """Waits until an inbox test is no longer in processing; the event's ``said`` is the state.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :param job_id: the test.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        job_id: str,
        campaign_cleaner_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.job_id = job_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for."""
        return {"job_id": self.job_id, "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id}

    def hook(self) -> CampaignCleanerHook:
        """Return a hook on the connection."""
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def question(self) -> tuple[Question[InboxTestResults], str]:
        """Ask for the test's results."""
        return INBOX_TEST, self.job_id

    def judge(self, answer: InboxTestResults | ApiError) -> Look:
        """End the wait at any state but processing."""
        status = cast("InboxTestResults", answer).status
        return Look(said=status, ends=status != InboxTestState.PROCESSING.value)
