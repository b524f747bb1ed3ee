"""A wait that begins in the triggerer, where Airflow can do that."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

with DAG("starts_in_the_triggerer", schedule=None, params={"id": Param("an-id", type="string")}):
    CampaignCleanerCampaignSensor(
        task_id="wait", campaign_id="{{ params.id }}", start_from_trigger=True, poke_interval=1, timeout=3600
    )
