"""The same waits as a user would write them without this provider.

``BENCH_TASKS`` is the number of waits, ``BENCH_INTERVAL`` the seconds between two polls.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG


def is_completed(response: Any) -> bool:
    """Return whether Campaign Cleaner's response shows a completed campaign."""
    return bool(response.json()["campaign_status"]["status"] == "completed")


def body(campaign_id: str) -> Any:
    """Return the body of a request; the sensor's annotation allows only a form."""
    return json.dumps({"campaign": {"id": campaign_id}})


with DAG("http_reschedule", schedule=None, max_active_tasks=1000):
    for number in range(int(os.environ["BENCH_TASKS"])):
        HttpSensor(
            task_id=f"wait_{number}",
            http_conn_id="http_default",
            method="POST",
            endpoint="v1/get_campaign_status",
            # The benchmark's server reads the number at the end of the id.
            request_params=body(f"e8c8af95-c033-11ed-9848-{number:012d}"),
            response_check=is_completed,
            poke_interval=float(os.environ["BENCH_INTERVAL"]),
            timeout=900,
            retries=5,
            retry_delay=timedelta(seconds=1),
            mode="reschedule",
        )
