"""A real Airflow: completed campaigns start one Dag run each, also if the worker that adds them is killed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from airflow_provider_campaigns.sandbox import running
from scripts.local_airflow import LocalAirflow, local_airflow
from tests.support.airflow_versions import needs_asset_partitions
from tests.support.stoppable_service import wait_until

LEDGER_DAGS = Path(__file__).parent / "ledger_dags"


@needs_asset_partitions
@pytest.mark.airflow_processes
def test_each_completed_campaign_starts_one_dag_run(tmp_path: Path) -> None:
    kill_file = tmp_path / "kill"
    with running(processing_seconds=0) as sandbox:
        connection = {"conn_type": "campaign_cleaner", "host": sandbox.url, "password": "sandbox"}
        environment = {
            "AIRFLOW_CONN_CAMPAIGN_CLEANER_DEFAULT": json.dumps(connection),
            "KILL_FILE": str(kill_file),
        }
        sandbox.state.submit("Completed before the first run", "<p>Old</p>", {})
        with local_airflow(tmp_path / "airflow", LEDGER_DAGS, environment) as airflow:
            for dag_id in ("emit_completed", "on_completed"):
                airflow.wait_for_dag(dag_id)
            assert emit(airflow) == ("skipped", 1)

            new = {sandbox.state.submit("Spring", "<p>Spring</p>", {}).id for _ in range(3)}
            kill_file.touch()
            assert emit(airflow) == ("success", 2)
            assert not kill_file.exists()
            wait_until(
                lambda: len(airflow.dag_runs("on_completed")) >= len(new), "each campaign has a Dag run"
            )

            assert emit(airflow) == ("skipped", 1)
            time.sleep(5)  # as long as a run would take to start
            runs = airflow.dag_runs("on_completed")
            assert len(runs) == len(new)
            assert {run["partition_key"] for run in runs} == new
            assert {airflow.xcom(airflow.wait_for_end(run), "key") for run in runs} == new


def emit(airflow: LocalAirflow) -> tuple[str, int]:
    """Run the task that adds the events, and return its state and the number of its tries."""
    (instance,) = airflow.task_instances(airflow.run_dag("emit_completed", {}))
    return instance["state"], instance["try_number"]
