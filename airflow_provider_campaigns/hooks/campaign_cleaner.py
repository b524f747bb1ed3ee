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
from airflow_provider_campaigns.hooks.base import ServiceHook, form_behaviour, form_widgets
from airflow_provider_campaigns.transport.retry import Retry


class CampaignCleanerHook(ServiceHook):
    """Calls Campaign Cleaner.

    By default, a read is sent up to five times after a 429, a 5xx or a broken connection. A submission spends
    a credit, so it is sent once, and again only if no connection was made. ``retry`` changes how often. Every
    method raises an :class:`~airflow_provider_campaigns.exceptions.ApiError` that says what to do.

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
        retry: Retry | None = None,
    ) -> str:
        """Submit HTML for cleaning. This spends a credit and sends no mail.

        :param campaign_html: the complete HTML.
        :param campaign_name: the name of the campaign.
        :param custom_info: a string of at most 500 characters that comes back with the result.
        :param webhook_url: absolute URL that receives the result.
        :param settings: what to do to the HTML, as ``CampaignSettings`` or as a mapping with the vendor's
            names.
        :returns: the campaign's id.
        :raises ValueError: an argument is not valid; nothing was sent.
        """
        call = api.send_campaign(
            campaign_html,
            campaign_name,
            custom_info=custom_info,
            webhook_url=webhook_url,
            settings=settings,
        )
        return self.send(call, retry)

    def get_campaign_status(self, campaign_id: str, *, retry: Retry | None = None) -> CampaignStatus:
        """Fetch the status of a campaign."""
        return self.send(api.get_campaign_status(campaign_id), retry)

    async def aget_campaign_status(self, campaign_id: str, *, retry: Retry | None = None) -> CampaignStatus:
        """Fetch the status of a campaign, from an event loop."""
        return await self.asend(api.get_campaign_status(campaign_id), retry)

    def get_campaign(
        self, campaign_id: str, *, minimize_html: bool = True, retry: Retry | None = None
    ) -> Campaign:
        """Fetch the cleaned HTML and the analysis of a completed campaign.

        :param minimize_html: have the service remove white space from the HTML.
        """
        return self.send(api.get_campaign(campaign_id, minimize_html=minimize_html), retry)

    def get_campaign_list(
        self, *, may_be_missing: bool = True, retry: Retry | None = None
    ) -> list[CampaignStatus]:
        """List the account's campaigns, as far as the service lists them.

        :param may_be_missing: whether a response without a list is an empty list, or an error.
        """
        return self.send(api.get_campaign_list(may_be_missing=may_be_missing), retry)

    def get_campaign_states(self, *, retry: Retry | None = None) -> Mapping[str, CampaignStatus]:
        """List the states of the account's campaigns, by id in lower case; without names and dates.

        This takes less time and memory than :meth:`get_campaign_list`.

        :raises MalformedResponseError: the response is not a list, or longer than 4 MiB.
        """
        return self.send(api.get_campaign_states(), retry)

    def get_campaign_ids(self, *, retry: Retry | None = None) -> frozenset[str]:
        """List the ids of the account's campaigns, in lower case.

        :raises MalformedResponseError: the response is not a list.
        """
        return self.send(api.get_campaign_ids(), retry)

    def find_campaign(self, word: str, *, retry: Retry | None = None) -> str | None:
        """Find a campaign by a word in its name.

        :returns: the campaign's id; None where the service lists no campaign with that word.
        :raises MalformedResponseError: the response is not a list.
        """
        return self.send(api.find_campaign(word), retry)

    def get_campaign_pdf_analysis(self, campaign_id: str, *, retry: Retry | None = None) -> bytes:
        """Fetch the analysis of a completed campaign as a PDF, up to 64 MiB."""
        return self.send(api.get_campaign_pdf_analysis(campaign_id), retry)

    def delete_campaign(self, campaign_id: str, *, retry: Retry | None = None) -> None:
        """Delete a campaign permanently.

        :raises RejectedError: the service did not delete it, for example because it does not exist.
        """
        self.send(api.delete_campaign(campaign_id), retry)

    def create_inbox_test(
        self, test_name: str | None = None, *, retry: Retry | None = None, **options: Any
    ) -> InboxTest:
        """Create an inbox test; then send the campaign to its addresses with your own service.

        :param test_name: a name for the test.
        :param options: other fields that the service takes, by the vendor's names.
        """
        return self.send(api.create_inbox_test(test_name, **options), retry)

    def get_inbox_test_results(self, job_id: str, *, retry: Retry | None = None) -> InboxTestResults:
        """Fetch where the mails of an inbox test have arrived so far."""
        return self.send(api.get_inbox_test_results(job_id), retry)

    def get_credits(self, *, retry: Retry | None = None) -> int:
        """Fetch the number of credits left; this spends none."""
        return self.send(api.get_credits(), retry)

    # Before 3.2, Airflow reads the form from the hook class, which has to define these two methods itself.
    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the standard fields of the connection form."""
        return form_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the further fields of the connection form."""
        return form_widgets(cls.conn_type)

    def test_connection(self) -> tuple[bool, str]:
        """Fetch the credits, and return whether that succeeded and a message."""
        return self._probe(api.get_credits(), lambda left: f"The API key is valid. Credits left: {left:,}.")
