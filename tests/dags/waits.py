"""One Dag for each mode of the sensor."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

for name, mode in {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}.items():
    with DAG(f"wait_{name}", schedule=None, params={"id": Param("an-id", type="string")}):
        CampaignCleanerCampaignSensor(
            task_id="wait",
            campaign_id="{{ params.id }}",
            poke_interval=0.2,
            timeout=8,
            max_failures=2,
            soft_fail=True,
            **mode,
        )
