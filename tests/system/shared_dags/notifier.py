"""A run that fails, and one that misses its deadline (Airflow 3.1): both pause their campaign."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.notifications import InstantlyPauseCampaignNotifier
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID

with DAG(
    "fails",
    schedule=None,
    params={"campaign_id": UNHEALTHY_CAMPAIGN_ID},
    on_failure_callback=InstantlyPauseCampaignNotifier(campaign_id="{{ params.campaign_id }}"),
):

    @task
    def fail() -> None:
        raise ValueError("the launch went wrong")

    fail()

DEADLINE: dict[str, Any] = {}
try:
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:
    pass
else:
    DEADLINE["deadline"] = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=5),
        callback=AsyncCallback(InstantlyPauseCampaignNotifier, kwargs={"campaign_id": HEALTHY_CAMPAIGN_ID}),
    )

with DAG("is_late", schedule=None, **DEADLINE):

    @task
    def work() -> None:
        time.sleep(30)

    work()
