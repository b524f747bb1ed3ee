"""Airflow itself calls the notifier: after a failed run, and in the triggerer after a deadline."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID, running
from scripts.local_airflow import local_airflow
from tests.support.airflow_versions import first_of

NOTIFIER_DAGS = Path(__file__).parent / "notifier_dags"
HAS_DEADLINES = first_of("airflow.sdk.definitions.deadline.AsyncCallback")


@pytest.mark.airflow_processes
def test_failed_and_late_runs_pause_their_campaigns(tmp_path: Path) -> None:
    runs = {"fails": UNHEALTHY_CAMPAIGN_ID}
    if HAS_DEADLINES:  # from Airflow 3.1 on
        runs["is_late"] = HEALTHY_CAMPAIGN_ID
    with running() as sandbox:
        connection = {"conn_type": "instantly", "host": sandbox.url, "password": "sandbox"}
        environment = {"AIRFLOW_CONN_INSTANTLY_DEFAULT": json.dumps(connection)}
        before = {each: sandbox.state.campaigns[each]["status"] for each in runs.values()}
        with local_airflow(tmp_path, NOTIFIER_DAGS, environment) as airflow:
            for dag_id in runs:
                airflow.wait_for_dag(dag_id)
                airflow.start_run(dag_id, {})
            deadline = time.monotonic() + 120
            running_campaigns = set(runs.values())
            while running_campaigns and time.monotonic() < deadline:
                time.sleep(0.5)
                for campaign_id in list(running_campaigns):
                    if sandbox.state.campaigns[campaign_id]["status"] == LifecycleStatus.PAUSED:
                        running_campaigns.remove(campaign_id)
    assert set(before.values()) == {LifecycleStatus.ACTIVE}
    assert running_campaigns == set()
