"""Many deferrable sensors without retries, for campaigns that are completed or soon will be."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

with DAG("waits_without_retries", schedule=None, params={"campaign_ids": []}, max_active_tasks=64):

    @task
    def campaign_ids(params: dict | None = None) -> list[str]:
        return list((params or {})["campaign_ids"])

    CampaignCleanerCampaignSensor.partial(
        task_id="wait", deferrable=True, poke_interval=3, timeout=3600, retries=0
    ).expand(campaign_id=campaign_ids())
