"""Waits with this provider's sensor in the triggerer.

``BENCH_TASKS`` is the number of waits, ``BENCH_INTERVAL`` the seconds between two polls.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

with DAG("ours", schedule=None, max_active_tasks=1000):
    for number in range(int(os.environ["BENCH_TASKS"])):
        CampaignCleanerCampaignSensor(
            task_id=f"wait_{number}",
            # The benchmark's server reads the number at the end of the id.
            campaign_id=f"e8c8af95-c033-11ed-9848-{number:012d}",
            poke_interval=float(os.environ["BENCH_INTERVAL"]),
            timeout=900,
            retries=5,
            retry_delay=timedelta(seconds=1),
            deferrable=True,
        )
