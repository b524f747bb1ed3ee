"""Deferrable waits that end at once do not fail: a trigger that fires early can overtake the scheduler."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packaging.version import Version

from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.sandbox import running
from scripts.local_airflow import local_airflow
from tests.conftest import set_connection
from tests.support.airflow_versions import AIRFLOW

WAIT_DAGS = Path(__file__).parent / "wait_dags"
# 200 by hand, to repeat the public report; fewer are enough to see the race where it exists. Airflow 2 runs
# one task at a time on SQLite.
WAITS = int(os.environ.get("WAITS", "10" if Version("3") > AIRFLOW else "60"))


@pytest.mark.airflow_processes
def test_waits_that_end_at_once_succeed_without_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(processing_seconds=0) as sandbox:
        sandbox.state.credits = WAITS
        set_connection(monkeypatch, "campaign_cleaner", host=sandbox.url, password="sandbox")
        hook = CampaignCleanerHook()
        ids = [hook.send_campaign("<p>Hi</p>", f"Spring {number}") for number in range(WAITS)]
        for campaign_id in ids[::2]:  # these complete about when their sensors have deferred
            sandbox.state.set_processing_seconds(campaign_id, 30)
        environment = {
            "AIRFLOW_CONN_CAMPAIGN_CLEANER_DEFAULT": json.dumps(
                {"conn_type": "campaign_cleaner", "host": sandbox.url, "password": "sandbox"}
            )
        }
        with local_airflow(tmp_path / "airflow", WAIT_DAGS, environment) as airflow:
            airflow.wait_for_dag("waits_without_retries")
            dag_run = airflow.run_dag("waits_without_retries", {"campaign_ids": ids}, timeout=500)
            instances = [each for each in airflow.task_instances(dag_run) if each["task_id"] == "wait"]
        # One page of the task instances; the state of the run stands for all of them.
        assert {each["state"] for each in instances} == {"success"}
        assert dag_run["state"] == "success"
