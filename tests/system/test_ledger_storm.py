"""Processes die while events are added to an asset: each completed campaign starts exactly one Dag run.

A watcher starts the Dag that adds them. ``make storm`` runs the same with more kills.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.local_airflow import LocalAirflow, local_airflow
from tests.support.airflow_versions import needs_asset_partitions
from tests.support.stoppable_service import Service, wait_until

pytestmark = [pytest.mark.airflow_processes, needs_asset_partitions]

STORM_DAGS = Path(__file__).parent / "storm_dags"
LIST = "/v1/get_campaign_list"
# Where the process of the task that adds the events is killed, as in the Dag.
POINTS = ("added", "stored", "success", "response", "store", "request")
ALL_KILLS = [
    kill for point in POINTS for kill in (f"{point}.supervisor", "scheduler", f"{point}.task", "triggerer")
]
KILLS = ALL_KILLS[: int(os.environ.get("LEDGER_KILLS", "2"))]
# How long after a campaign has completed the scheduler or the triggerer is killed, in seconds.
SHORTEST, LONGEST = 0.5, 5.0
ENVIRONMENT = {
    # So that Airflow soon notices what has died.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "8",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "100",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "4",
    # A watcher starts when the file of its Dag is parsed.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
    # An event whose Dag run is queued cannot be read.
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "2",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "1",
}


def test_each_completed_campaign_starts_one_dag_run(tmp_path: Path) -> None:
    service, kills = Service(), tmp_path / "kills"
    kills.mkdir()
    connection = {"conn_type": "campaign_cleaner", "host": service.url, "password": "sandbox"}
    environment = ENVIRONMENT | {
        "AIRFLOW_CONN_CAMPAIGN_CLEANER_DEFAULT": json.dumps(connection),
        "KILLS_FOLDER": str(kills),
    }
    try:
        service.complete(service.submit())  # before the first run
        with local_airflow(tmp_path / "airflow", STORM_DAGS, environment) as airflow:
            begin(airflow, service)
            completed = storm(airflow, service, kills)
            events, runs = results(airflow, completed)
            for name in airflow.running:
                airflow.kill(name)
    finally:
        service.stop()
    keys = Counter(event["partition_key"] for event in events)
    started = Counter(run["partition_key"] for run in runs)
    killed = Counter(kill.rpartition(".")[2] for kill in KILLS)
    kinds = ", ".join(f"{number} {kind}" for kind, number in killed.items())
    print(f"{len(completed)} campaigns, {len(KILLS)} kills ({kinds}):")
    for what, found in (("partition keys", keys), ("Dag runs", started)):
        lost, repeated = len(completed - found.keys()), found.total() - len(found)
        print(f"{what}: {lost} lost, {repeated} repeated")
    assert keys == started == Counter(completed)
    assert {run["state"] for run in runs} == {"success"}


def begin(airflow: LocalAirflow, service: Service) -> None:
    """Wait for the first run, which only records, and for the watcher."""
    for dag_id in ("emit", "on_completed"):
        airflow.wait_for_dag(dag_id)
    wait_until(lambda: [run["state"] for run in airflow.runs("emit")] == ["success"], "the first run")
    first = time.time()
    wait_until(lambda: service.requests_to(LIST, since=first), "the watcher polls")
    time.sleep(2)


def storm(airflow: LocalAirflow, service: Service, kills: Path) -> set[str]:
    """Let campaigns complete while processes die, and return the campaigns."""
    completed = set()
    for number, kill in enumerate(KILLS):
        ids = [service.submit() for _ in range(3)]
        file = kills / f"{number:03}.{kill}"
        if kill not in airflow.running:
            file.touch()
        service.complete(ids[0])
        wait = SHORTEST + (LONGEST - SHORTEST) * number / len(ALL_KILLS)
        time.sleep(wait / 2)
        service.complete(ids[1])
        if kill in airflow.running:
            time.sleep(wait / 2)
            airflow.kill(kill)
            airflow.start(kill)
        else:
            wait_until(lambda file=file: not file.exists(), f"{kill} is killed")
        service.complete(ids[2])
        completed.update(ids)
    return completed


def results(airflow: LocalAirflow, completed: set[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Wait until nothing happens any more, and return the events and the runs that they started."""

    def all_ended() -> bool:
        runs = airflow.runs("emit") + airflow.runs("on_completed")
        return all(run["state"] in {"success", "failed"} for run in runs)

    def all_started() -> bool:
        return completed <= {run["partition_key"] for run in airflow.runs("on_completed")}

    wait_until(all_started, "every campaign has started a Dag run")
    wait_until(all_ended, "all runs end")
    time.sleep(5)  # in which an event could come twice
    wait_until(all_ended, "all runs end")
    return airflow.asset_events("completed_campaigns"), airflow.runs("on_completed")
