"""Tasks that are retried as the provider's policy says; by their own delay, that would take longer."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)

policy: dict[str, Any] = {}
with suppress(ImportError):  # Airflow before 3.3 has none
    from airflow_provider_campaigns.retries import CampaignsRetryPolicy

    policy["retry_policy"] = CampaignsRetryPolicy()

with DAG(
    "retried_by_policy",
    schedule=None,
    default_args={"retries": 1, "retry_delay": timedelta(hours=1), **policy},
):
    CampaignCleanerSubmitCampaignOperator(task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring")

with DAG("retried_at_once", schedule=None):
    CampaignCleanerDeleteCampaignOperator(
        task_id="delete",
        campaign_id="some-campaign",
        retries=1,
        retry_delay=timedelta(0),
        **policy,
    )
