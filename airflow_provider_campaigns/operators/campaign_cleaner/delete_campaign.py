"""Delete a campaign from Campaign Cleaner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.exceptions import (
    IncompleteResponseError,
    NotFoundError,
    RejectedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    opaque_id,
    text,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.task_state import is_retry_or_cleared

if TYPE_CHECKING:
    from airflow.sdk import Context


class CampaignCleanerDeleteCampaignOperator(RenderedTask):
    """Deletes a campaign from Campaign Cleaner permanently.

    What the service returns for a campaign that is already deleted is not documented. So where the response
    is lost, or a later try is refused, the list of campaigns decides: a campaign that is not listed is
    deleted. A refusal of the first try is an error.

    https://docs.campaigncleaner.com/api-reference/endpoint/delete-campaign

    :param campaign_id: the campaign (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {"campaign_id": opaque_id, "campaign_cleaner_conn_id": text}
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> None:
        """Delete the campaign."""
        check_rendered(self)
        save_campaign_cleaner_link(context)
        hook = hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
        may_be_deleted = "ti" in context and is_retry_or_cleared(context)
        try:
            hook.delete_campaign(self.campaign_id)
        except (RejectedError, NotFoundError, IncompleteResponseError, ServiceUnavailableError) as error:
            if isinstance(error, (RejectedError, NotFoundError)) and not may_be_deleted:
                raise
            if self.campaign_id.lower() in hook.get_campaign_ids():
                raise
            self.log.info("Campaign Cleaner does not list campaign %s.", self.campaign_id)
        else:
            self.log.info("Campaign Cleaner deleted campaign %s.", self.campaign_id)
