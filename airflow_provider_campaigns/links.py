"""Links from a task to its campaign in the vendor's app, and to the page with its cleaning report.

A task saves its link as soon as it knows the campaign, so that the link exists while the task waits. Campaign
Cleaner does not document the addresses of its pages, so its link opens the front page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_campaigns.airflow_compat import get_link, page_url, save_for_pages, shows_pages

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

CAMPAIGN_CLEANER_APP = "https://members.campaigncleaner.com"
INSTANTLY_APP = "https://app.instantly.ai/app"


class _SavedLink(BaseOperatorLink):
    """A link that the task saves as an XCom."""

    @property
    def xcom_key(self) -> str:
        """The key of the XCom that holds the link."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link; empty while the task does not know its campaign."""
        return get_link(self.xcom_key, ti_key)

    def save(self, context: Context, url: str) -> None:
        """Save the link."""
        if "ti" in context:  # absent where execute() is called by hand
            save_for_pages(context, self.xcom_key, url)


class CampaignCleanerLink(_SavedLink):
    """Opens Campaign Cleaner."""

    name = "Campaign Cleaner"


class InstantlyCampaignLink(_SavedLink):
    """Opens a campaign in Instantly."""

    name = "Instantly campaign"


class CleaningReportLink(_SavedLink):
    """Opens the page that shows what cleaning found and changed."""

    name = "Cleaning report"


# The links of a task that has a cleaning report.
REPORT_LINKS: tuple[BaseOperatorLink, ...] = (
    CampaignCleanerLink(),
    *((CleaningReportLink(),) if shows_pages() else ()),
)


def save_report_links(context: Context) -> None:
    """Save a link to Campaign Cleaner, and one to the cleaning report of this task."""
    save_campaign_cleaner_link(context)
    if address := report_address(context):
        CleaningReportLink().save(context, address)


def report_address(context: Context) -> str | None:
    """Return the address of the cleaning report of this task; None where Airflow does not show it."""
    if "ti" not in context or not shows_pages():
        return None
    ti = context["ti"]
    task = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    index = -1 if ti.map_index is None else ti.map_index
    return page_url(f"report/?{urlencode({**task, 'map_index': index})}")


def save_campaign_cleaner_link(context: Context) -> None:
    """Save a link to Campaign Cleaner."""
    CampaignCleanerLink().save(context, CAMPAIGN_CLEANER_APP)


def instantly_address(campaign_id: str | None) -> str:
    """Return the address of a campaign in Instantly, or of the list of campaigns."""
    page = "campaigns" if campaign_id is None else f"campaign/{campaign_id}/analytics"
    return f"{INSTANTLY_APP}/{page}"


def save_instantly_link(context: Context, campaign_id: str | None) -> None:
    """Save a link to a campaign in Instantly, or to the list of campaigns where the task has none."""
    InstantlyCampaignLink().save(context, instantly_address(campaign_id))
