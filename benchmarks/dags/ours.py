"""Waits with this provider's sensor, in the way that the name of the file says.

The benchmark copies this file once for each way, so that Airflow reads no other Dag when it reads one.
``BENCH_TASKS`` is the number of waits, ``BENCH_INTERVAL`` the seconds between two polls.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

TASKS = int(os.environ["BENCH_TASKS"])
# The benchmark's server reads the number at the end of the id.
IDS = [f"e8c8af95-c033-11ed-9848-{number:012d}" for number in range(1000)]
DEFERRED: dict[str, Any] = {"deferrable": True}
ENDS: dict[str, Any] = {"end_from_trigger": True}
STARTS_AND_ENDS: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}
# What each task waits for, and how.
WAYS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "warm_up": ([*IDS[:4]], ENDS),
    "deferred": ([*IDS[:TASKS]], DEFERRED),
    "ends": ([*IDS[:TASKS]], ENDS),
    "starts_and_ends": ([*IDS[:TASKS]], STARTS_AND_ENDS),
    "list": ([IDS[:TASKS]], DEFERRED),
    "list_of_1000": ([IDS], DEFERRED),
}

WAY = Path(__file__).stem
with DAG(WAY, schedule=None, max_active_tasks=1000):
    for number, waits_for in enumerate(WAYS[WAY][0]):
        CampaignCleanerCampaignSensor(
            task_id=f"wait_{number}",
            campaign_id=waits_for,
            poke_interval=float(os.environ["BENCH_INTERVAL"]),
            timeout=900,
            retries=5,
            retry_delay=timedelta(seconds=1),
            **WAYS[WAY][1],
        )
