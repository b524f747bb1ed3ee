"""OpenLineage in a real Airflow: its events name campaigns and files, and hold no lead, key or HTML.

Its provider is not among the pinned packages: ``pip install apache-airflow-providers-openlineage`` first.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, running
from scripts.local_airflow import connections, local_airflow
from tests.conftest import EXAMPLE_DAGS, KEY

pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is not installed")


@pytest.mark.airflow_processes
def test_events_name_campaigns_and_hold_no_content(tmp_path: Path) -> None:
    dags, events = tmp_path / "dags", tmp_path / "events"
    for folder in (dags, events):
        folder.mkdir()
    shutil.copy(EXAMPLE_DAGS / "campaign_launch.py", dags)
    with running(processing_seconds=2) as sandbox:
        environment = {
            name: json.dumps({**json.loads(each), "password": KEY})
            for name, each in connections(sandbox.url).items()
        }
        transport = {"type": "file", "log_file_path": str(events / "event")}
        environment["AIRFLOW__OPENLINEAGE__TRANSPORT"] = json.dumps(transport)
        with local_airflow(tmp_path / "airflow", dags, environment) as airflow:
            airflow.wait_for_dag("campaign_launch")
            conf = {"instantly_campaign_id": HEALTHY_CAMPAIGN_ID, "output_folder": f"file://{tmp_path}/out"}
            run = airflow.run_dag("campaign_launch", conf)
            assert run["state"] == "success"
            campaign_id = airflow.xcom(run, "submit_campaign")
            read = {
                task: datasets(wait_for_end(events, f"campaign_launch.{task}"))
                for task in ("submit_campaign", "get_campaign", "add_leads")
            }
    cleaned = f"campaign-cleaner://{sandbox.url.removeprefix('http://')} campaign/{campaign_id}"
    out = f"file {tmp_path}/out/{run['dag_run_id']}"
    assert read == {
        "submit_campaign": (set(), {cleaned}),
        "get_campaign": ({cleaned}, {f"{out}.html"}),
        "add_leads": (
            {f"{out}.csv"},
            {f"instantly://{sandbox.url.removeprefix('http://')} campaign/{HEALTHY_CAMPAIGN_ID}"},
        ),
    }
    text = "".join(file.read_text() for file in events.iterdir())
    assert [
        each
        for each in ("ada@example.com", "Lovelace", "spring catalogue", "firstName", "<p>", KEY)
        if each in text
    ] == []


def wait_for_end(events: Path, job: str) -> Any:
    """Return the last event of a task, which Airflow may write after the end of the Dag run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for file in events.iterdir():
            event = json.loads(file.read_text() or "{}")
            if event.get("eventType") == "COMPLETE" and event["job"]["name"] == job:
                return event
        time.sleep(0.5)
    raise TimeoutError(f"There is no event of {job}.")


def datasets(event: Any) -> tuple[set[str], set[str]]:
    """Return what a task read and what it wrote."""
    return tuple(
        {f"{each['namespace']} {each['name']}" for each in event[kind]} for kind in ("inputs", "outputs")
    )
