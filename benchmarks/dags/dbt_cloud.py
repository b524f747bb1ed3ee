"""As many waits of another provider's sensor in the triggerer, for job runs of the same server.

``BENCH_TASKS`` is the number of waits, ``BENCH_INTERVAL`` the seconds between two polls.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG

with DAG("dbt_cloud", schedule=None, max_active_tasks=1000):
    for number in range(int(os.environ["BENCH_TASKS"])):
        DbtCloudJobRunSensor(
            task_id=f"wait_{number}",
            run_id=number,
            account_id=1,
            poke_interval=float(os.environ["BENCH_INTERVAL"]),
            timeout=900,
            retries=5,
            retry_delay=timedelta(seconds=1),
            deferrable=True,
        )
