"""The triggerer gets a connection from Airflow's database, and stores XComs there, for many waits at once.

Environment variables, which the other tests use, do not show this: the process of the triggers reads them
itself, and asks another process for everything in the database. Users of Airflow 3.0 to 3.2 report triggers
that find no such connection, may not ask for it, or stop each other.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_campaigns.sandbox import running
from scripts.local_airflow import AIRFLOW_2, local_airflow
from tests.support.stoppable_service import wait_until

CONNECTION_DAGS = Path(__file__).parent / "connection_dags"
WAITS = 10 if AIRFLOW_2 else 40  # on SQLite, Airflow 2 runs one task at a time

STORE_CONNECTION = """
from airflow.models import Connection
from airflow.utils.session import create_session

with create_session() as session:
    session.add(
        Connection("campaign_cleaner_default", "campaign_cleaner", host={host!r}, password="sandbox")
    )
"""


@pytest.mark.airflow_processes
def test_waits_end_together_with_a_stored_connection(tmp_path: Path) -> None:
    with running(processing_seconds=3600) as sandbox:
        ids = [sandbox.state.submit(f"Spring {number}", "<p>Hi</p>", {}).id for number in range(WAITS)]
        with local_airflow(tmp_path / "airflow", CONNECTION_DAGS) as airflow:
            airflow.python(STORE_CONNECTION.format(host=sandbox.url))
            airflow.wait_for_dag("waits_that_end_together")
            dag_run = airflow.start_run("waits_that_end_together", {"campaign_ids": ids})

            def are_deferred() -> bool:
                states = [each["state"] for each in airflow.task_instances(dag_run)]
                return states.count("deferred") >= WAITS

            wait_until(are_deferred, "all waits are deferred")
            time.sleep(5)  # an event right after a deferral can overtake the scheduler
            for campaign_id in ids:
                sandbox.state.set_processing_seconds(campaign_id, 0)
            ended = airflow.wait_for_end(dag_run)
            assert airflow.xcom(dag_run, "read") == ids
    assert ended["state"] == "success"
