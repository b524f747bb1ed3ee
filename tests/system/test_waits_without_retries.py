"""Deferrable waits that end at once do not fail: a trigger that fires early can overtake the scheduler."""

from __future__ import annotations

import os

import pytest
from packaging.version import Version

from tests.support.airflow_versions import AIRFLOW
from tests.system.conftest import SharedAirflow

# 200 by hand, to repeat the public report; fewer are enough to see the race where it exists. Airflow 2 runs
# one task at a time on SQLite.
WAITS = int(os.environ.get("WAITS", "10" if Version("3") > AIRFLOW else "20"))


@pytest.mark.airflow_processes
def test_waits_that_end_at_once_succeed_without_retries(shared: SharedAirflow) -> None:
    airflow, state = shared.airflow, shared.start("waits_without_retries", processing_seconds=0)
    ids = [state.submit(f"Spring {number}", "<p>Hi</p>", {}).id for number in range(WAITS)]
    for campaign_id in ids[::2]:  # these complete about when their sensors have deferred
        state.set_processing_seconds(campaign_id, 30)
    dag_run = airflow.run_dag("waits_without_retries", {"campaign_ids": ids})
    instances = [each for each in airflow.task_instances(dag_run) if each["task_id"] == "wait"]
    # One page of the task instances; the state of the run stands for all of them.
    assert {each["state"] for each in instances} == {"success"}
    assert dag_run["state"] == "success"
