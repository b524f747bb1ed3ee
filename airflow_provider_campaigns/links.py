"""Links from a task to its campaign in the vendor's app.

A task leaves its link behind when it knows the campaign, so that the link is there while it waits. Where the
vendor's app has its own pages is not documented for Campaign Cleaner, so its link leads to the front page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

CAMPAIGN_CLEANER_APP = "https://members.campaigncleaner.com"
INSTANTLY_APP = "https://app.instantly.ai/app"


class _KeptLink(BaseOperatorLink):
    """A link that the task leaves behind for Airflow to show."""

    @property
    def xcom_key(self) -> str:
        """The XCom that holds the link."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link; empty while the task does not know its campaign."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""

    def keep(self, context: Context, url: str) -> None:
        """Leave the link behind."""
        if "ti" in context:  # not so where somebody calls execute() by hand
            context["ti"].xcom_push(key=self.xcom_key, value=url)


class CampaignCleanerLink(_KeptLink):
    """Leads to Campaign Cleaner."""

    name = "Campaign Cleaner"


class InstantlyCampaignLink(_KeptLink):
    """Leads to a campaign in Instantly."""

    name = "Instantly campaign"


def keep_campaign_cleaner_link(context: Context) -> None:
    """Leave a link to Campaign Cleaner behind."""
    CampaignCleanerLink().keep(context, CAMPAIGN_CLEANER_APP)


def keep_instantly_link(context: Context, campaign_id: str | None) -> None:
    """Leave a link to a campaign in Instantly behind, or to all of them where the task knows of none."""
    page = "campaigns" if campaign_id is None else f"campaign/{campaign_id}/analytics"
    InstantlyCampaignLink().keep(context, f"{INSTANTLY_APP}/{page}")
