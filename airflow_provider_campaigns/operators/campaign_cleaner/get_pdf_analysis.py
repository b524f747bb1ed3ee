"""Get the analysis of a campaign from Campaign Cleaner as a PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.tasks import storage
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    opaque_id,
    path,
    shown,
    text,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask

if TYPE_CHECKING:
    from airflow.sdk import Context


class CampaignCleanerGetPdfAnalysisOperator(RenderedTask):
    """Writes the analysis of a completed campaign as a PDF; its XCom is the path.

    The response is written only if it is a PDF.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-pdf-analysis

    :param campaign_id: the campaign (templated).
    :param output_path: where to write it: a file path, or any URL that Airflow's ``ObjectStoragePath`` can
        write (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "output_path", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": opaque_id,
        "output_path": path,
        "campaign_cleaner_conn_id": text,
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        output_path: str,
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.output_path = output_path
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> str:
        """Get the PDF and write it."""
        check_rendered(self)
        save_campaign_cleaner_link(context)
        pdf = hooks.campaign_cleaner.CampaignCleanerHook(
            self.campaign_cleaner_conn_id
        ).get_campaign_pdf_analysis(self.campaign_id)
        written = storage.write(self.output_path, pdf)
        self.log.info("Wrote a PDF of %s bytes to %s.", f"{len(pdf):,}", shown(written))
        return written
