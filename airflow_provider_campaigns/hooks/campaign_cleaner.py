"""Hook for Campaign Cleaner, which repairs and analyses the HTML of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import (
    Campaign,
    CampaignSettings,
    CampaignStatus,
    InboxTest,
    InboxTestResults,
)
from airflow_provider_campaigns.hooks._service import ServiceHook, form_behaviour, form_widgets
from airflow_provider_campaigns.transport.retry import Retry


class CampaignCleanerHook(ServiceHook):
    """Talks to Campaign Cleaner.

    Reads are attempted up to five times after a 429, a 5xx or a broken connection; a submission is sent once,
    since it spends a credit, and attempted again only if no connection came about. Every method raises an
    :class:`~airflow_provider_campaigns.exceptions.ApiError` that says what to do.

    https://docs.campaigncleaner.com/api-reference/introduction

    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``; its password is the API key.
    """

    service = api.SERVICE
    conn_name_attr = "campaign_cleaner_conn_id"
    default_conn_name = "campaign_cleaner_default"
    conn_type = "campaign_cleaner"
    hook_name = "Campaign Cleaner"

    def __init__(self, campaign_cleaner_conn_id: str = default_conn_name) -> None:
        super().__init__(campaign_cleaner_conn_id)
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def send_campaign(
        self,
        campaign_html: str,
        campaign_name: str,
        *,
        custom_info: str | None = None,
        webhook_url: str | None = None,
        settings: CampaignSettings | Mapping[str, Any] | None = None,
    ) -> str:
        """Submit HTML for cleaning; spends a credit, mails nobody, and is sent once.

        :param campaign_html: the complete HTML.
        :param campaign_name: the name to submit it under.
        :param custom_info: free text of at most 500 characters that comes back with the result.
        :param webhook_url: absolute URL that receives the result.
        :param settings: what to do to the HTML, as ``CampaignSettings`` or as a mapping with the vendor's
            names.
        :returns: the campaign's id.
        :raises ValueError: an argument cannot be sent as it is; nothing was sent.
        """
        call = api.send_campaign(
            campaign_html,
            campaign_name,
            custom_info=custom_info,
            webhook_url=webhook_url,
            settings=settings,
        )
        return self.send(call)

    def get_campaign_status(self, campaign_id: str, *, retry: Retry | None = None) -> CampaignStatus:
        """Ask how far a campaign is.

        :param retry: how often to attempt the call.
        """
        return self.send(api.get_campaign_status(campaign_id), retry)

    async def aget_campaign_status(self, campaign_id: str, *, retry: Retry | None = None) -> CampaignStatus:
        """Ask how far a campaign is, from an event loop."""
        return await self.asend(api.get_campaign_status(campaign_id), retry)

    def get_campaign(self, campaign_id: str, *, minimize_html: bool = True) -> Campaign:
        """Fetch the cleaned HTML and the analysis of a completed campaign.

        :param minimize_html: let the service squeeze the white space out of the HTML.
        """
        return self.send(api.get_campaign(campaign_id, minimize_html=minimize_html))

    def get_campaign_list(self) -> list[CampaignStatus]:
        """List the account's campaigns, as far as the service lists them."""
        return self.send(api.get_campaign_list())

    def find_campaign(self, word: str) -> str | None:
        """Look for a campaign by a word in its name.

        :returns: the campaign's id; None where the service lists none with that word.
        :raises MalformedAnswerError: the service did not answer with a list.
        """
        return self.send(api.find_campaign(word))

    def get_campaign_pdf_analysis(self, campaign_id: str) -> bytes:
        """Fetch the analysis of a completed campaign as a PDF, up to 64 MiB."""
        return self.send(api.get_campaign_pdf_analysis(campaign_id))

    def delete_campaign(self, campaign_id: str) -> None:
        """Delete a campaign, for good.

        :raises RejectedError: the service did not, as where it knows no such campaign.
        """
        self.send(api.delete_campaign(campaign_id))

    def create_inbox_test(self, test_name: str | None = None, **options: Any) -> InboxTest:
        """Create an inbox test: its addresses are to be mailed the campaign from your own service.

        :param test_name: a name for the test.
        :param options: whatever else the service takes, by the vendor's names.
        """
        return self.send(api.create_inbox_test(test_name, **options))

    def get_inbox_test_results(self, job_id: str, *, retry: Retry | None = None) -> InboxTestResults:
        """Ask where the mails of an inbox test have landed so far.

        :param retry: how often to attempt the call.
        """
        return self.send(api.get_inbox_test_results(job_id), retry)

    def get_credits(self) -> int:
        """Ask for the number of credits left; costs none."""
        return self.send(api.get_credits())

    # Before 3.2, Airflow asks the hook for its form, and only one that defines these two itself.
    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields of the connection form."""
        return form_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Describe the connection form's own fields."""
        return form_widgets(cls.conn_type)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for the credits, once and briefly, and say in plain words what came of it."""
        return self._probe(
            api.get_credits(), lambda left: f"Campaign Cleaner knows this key. Credits left: {left:,}."
        )
