"""Waits that end in the triggerer, one that a worker ends, and a task that reads their XComs."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor

ENDS: dict[str, Any] = {"end_from_trigger": True, "poke_interval": 1, "timeout": 3600}


def note(context: Any) -> None:
    """Do something that only a worker does."""


with DAG("ends_from_trigger", schedule=None, params={"id": "", "ids": [], "test": "", "job": ""}):
    campaign_id = "{{ params.id }}"
    waits = [
        CampaignCleanerCampaignSensor(task_id="campaign", campaign_id=campaign_id, **ENDS),
        CampaignCleanerCampaignSensor(
            task_id="started", campaign_id=campaign_id, start_from_trigger=True, **ENDS
        ),
        CampaignCleanerCampaignSensor(task_id="many", campaign_id="{{ params.ids }}", **ENDS),
        CampaignCleanerCampaignSensor(
            task_id="with_callback", campaign_id=campaign_id, on_success_callback=note, **ENDS
        ),
        CampaignCleanerInboxTestSensor(task_id="inbox_test", job_id="{{ params.test }}", **ENDS),
        InstantlyBackgroundJobSensor(task_id="job", job_id="{{ params.job }}", **ENDS),
    ]

    @task
    def read(values: list) -> list:
        return values

    read([each.output for each in waits])
