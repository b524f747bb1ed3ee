"""Triggers that wait for Campaign Cleaner."""

from __future__ import annotations

from typing import Any, cast

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus, InboxTestResults
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.rules.statuses import CampaignRule, InboxTestRule
from airflow_provider_campaigns.triggers.base import WaitTrigger
from airflow_provider_campaigns.waits.events import PollResult
from airflow_provider_campaigns.waits.shared_poller import StatusQuery

CAMPAIGN_STATUS = StatusQuery(
    "campaigns", fetch_one=api.get_campaign_status, fetch_all=api.get_campaign_states
)
INBOX_TEST = StatusQuery("inbox tests", fetch_one=api.get_inbox_test_results)


class CampaignCleanerCampaignTrigger(WaitTrigger[CampaignStatus]):
    """Waits until a campaign is no longer in process; the event's ``status`` is the last status.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch; None where Airflow keeps the deadline.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    """

    class_path = "airflow_provider_campaigns.triggers.campaign_cleaner.CampaignCleanerCampaignTrigger"

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str,
        paused: str,
        poke_interval: float,
        deadline: float | None,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
        )
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = paused

    def target(self) -> dict[str, Any]:
        """Return the campaign and the connection."""
        return {
            "campaign_id": self.campaign_id,
            "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
        }

    def settings(self) -> dict[str, Any]:
        """Return what a paused campaign does to the wait."""
        return {"paused": self.paused}

    def hook(self) -> CampaignCleanerHook:
        """Return a hook of the connection."""
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def query(self) -> tuple[StatusQuery[CampaignStatus], str]:
        """Return the query for the campaign's status."""
        return CAMPAIGN_STATUS, self.campaign_id

    def judge(self, response: CampaignStatus | ApiError) -> PollResult:
        """End the wait with every status that the rule does not wait for."""
        status = cast("CampaignStatus", response).status
        rule = CampaignRule(self.campaign_id, self.paused)
        return PollResult(status, is_final=not rule.keeps_waiting(status))


class CampaignCleanerInboxTestTrigger(WaitTrigger[InboxTestResults]):
    """Waits until an inbox test is no longer in process; the event's ``status`` is the last status.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :param job_id: the test.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    """

    class_path = "airflow_provider_campaigns.triggers.campaign_cleaner.CampaignCleanerInboxTestTrigger"

    def __init__(
        self,
        *,
        job_id: str,
        campaign_cleaner_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
        )
        self.job_id = job_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def target(self) -> dict[str, Any]:
        """Return the test and the connection."""
        return {"job_id": self.job_id, "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id}

    def hook(self) -> CampaignCleanerHook:
        """Return a hook of the connection."""
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def query(self) -> tuple[StatusQuery[InboxTestResults], str]:
        """Return the query for the test's results."""
        return INBOX_TEST, self.job_id

    def judge(self, response: InboxTestResults | ApiError) -> PollResult:
        """End the wait with every status that the rule does not wait for."""
        status = cast("InboxTestResults", response).status
        return PollResult(status, is_final=not InboxTestRule(self.job_id).keeps_waiting(status))
