"""Many waits that end in the triggerer at the same time, and a task that reads their XComs."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

with DAG("waits_that_end_together", schedule=None, params={"campaign_ids": []}, max_active_tasks=64):

    @task
    def campaign_ids(params: dict | None = None) -> list[str]:
        return list((params or {})["campaign_ids"])

    @task
    def read(values: list) -> list:
        return list(values)

    waits = CampaignCleanerCampaignSensor.partial(
        task_id="wait", end_from_trigger=True, poke_interval=1, timeout=3600, retries=0
    ).expand(campaign_id=campaign_ids())
    read(waits.output)
