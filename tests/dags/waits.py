"""For each mode of the sensor, one Dag that waits long, and one that times out."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

for name, mode in {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}.items():
    for prefix, timeout in {"wait": 3600, "time_out": 4}.items():
        with DAG(f"{prefix}_{name}", schedule=None, params={"id": Param("an-id", type="string")}):
            CampaignCleanerCampaignSensor(
                task_id="wait",
                campaign_id="{{ params.id }}",
                poke_interval=0.2,
                timeout=timeout,
                max_failures=2,
                soft_fail=True,
                **mode,
            )
