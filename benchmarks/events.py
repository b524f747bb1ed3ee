"""Measures what a ledger costs that reads thousands of past events of its asset.

Each row is a fresh Airflow on SQLite. Its asset has so many events, each of which has started a Dag run. A
task reads them as `CampaignCleanerEmitCompletedOperator` does, through Airflow's API, which runs in the same
process: first without a stored ledger, as after Airflow deleted the state, then with one, as in every
ordinary run.

`python -m benchmarks.events` takes the number of events, and prints a :class:`Reading` as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from runpy import run_path
from typing import Any

from benchmarks.tables import table
from benchmarks.waits import clean_environment

EVENTS = (5000, 20_000)
_SETTINGS = {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
_DAG = """
import json
import time

from airflow.sdk import DAG, Asset, task
from airflow_provider_campaigns.tasks.asset_ledger import AssetLedger

asset, measured = Asset("completed"), []

with DAG("ledger", schedule=None) as dag:

    @task(inlets=[asset], outlets=[asset])
    def read(**context):
        begun = time.process_time()
        found = AssetLedger(context, asset, "conn", lambda key: (key, "completed"))
        taken = time.process_time() - begun
        measured.append((taken, len(json.dumps(found.ledger.as_json())), len(found.ledger._states)))
        found.add([], [])

    read()
"""


@dataclass(frozen=True)
class Reading:
    """The measurements of a ledger.

    :param events: the events of the asset.
    :param rebuilt: CPU seconds of the task and the API to read all of them, without a stored ledger.
    :param current: the same with the stored ledger.
    :param state_bytes: the size of the ledger.
    """

    events: int
    rebuilt: float
    current: float
    state_bytes: int


def run(*, quick: bool) -> list[Reading]:
    """Measure a ledger with few and with many events."""
    return [_in_fresh_process(events) for events in (EVENTS[:1] if quick else EVENTS)]


def _in_fresh_process(events: int) -> Reading:
    with clean_environment(_SETTINGS) as environment:
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=environment, capture_output=True, check=True)  # noqa: S603
        command = [sys.executable, "-m", "benchmarks.events", str(events)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{events} events: {done.stderr[-2000:]}")
    return Reading(**json.loads(done.stdout.splitlines()[-1]))


def measure(events: int) -> Reading:
    """Read the events twice in this process."""
    file = Path(os.environ["AIRFLOW_HOME"], "dags", "ledger.py")
    file.parent.mkdir()
    file.write_text(_DAG, encoding="utf-8")
    in_file = run_path(str(file))
    _fill(in_file["asset"], events)
    for _ in range(2):
        in_file["dag"].test()
    (rebuilt, size, known), (current, _, _) = in_file["measured"]
    if known != events:
        raise RuntimeError(f"The ledger has {known} of {events} events.")
    return Reading(events, rebuilt, current, size)


def _key(number: int) -> str:
    return f"5a4db0c5-0000-4000-8000-{number:012}"


def _fill(asset: Any, events: int) -> None:
    """Store the events of an asset, one a minute, each with the Dag run that it started."""
    from airflow.models.asset import AssetActive, AssetEvent, AssetModel, association_table
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    begun = datetime.now(timezone.utc) - timedelta(days=30)
    times = [begun + timedelta(minutes=number) for number in range(events)]
    with create_session() as session:
        session.add(AssetModel(id=1, name=asset.name, uri=asset.uri, group="", extra={}))
        session.flush()
        session.add(AssetActive(name=asset.name, uri=asset.uri))
        added = {"asset_id": 1, "extra": {}, "source_dag_id": "ledger", "source_task_id": "read"}
        session.execute(
            insert(AssetEvent.__table__),
            [
                {
                    **added,
                    "id": number,
                    "partition_key": _key(number),
                    "timestamp": at,
                    "source_run_id": f"{at}",
                }
                for number, at in enumerate(times)
            ],
        )
        started = {"dag_id": "on_completed", "run_type": "asset_triggered", "state": "success"}
        session.execute(
            insert(DagRun.__table__),
            [
                {
                    **started,
                    "id": number + 1_000_000,
                    "run_id": f"asset_triggered__{at.isoformat()}",
                    "partition_key": _key(number),
                    **dict.fromkeys(("queued_at", "start_date", "end_date", "run_after"), at),
                }
                for number, at in enumerate(times)
            ],
        )
        session.execute(
            insert(association_table),
            [{"dag_run_id": number + 1_000_000, "event_id": number} for number in range(events)],
        )


def section(readings: Sequence[Reading]) -> str:
    """Return the measurements as Markdown."""
    heads = ("past events", "CPU without a stored ledger", "per event", "CPU with one", "stored ledger")
    rows = [
        (
            f"{each.events:,}",
            f"{each.rebuilt:.1f} s",
            f"{1000 * each.rebuilt / each.events:.2f} ms",
            f"{1000 * each.current:.0f} ms",
            f"{each.state_bytes / 1024:,.0f} KiB",
        )
        for each in readings
    ]
    return "\n".join(
        [
            "## Past events of an asset\n",
            """A task that adds events reads those that are there, each with the Dag run that it started. CPU
of the task and of Airflow's API, which share a process, on SQLite.\n""",
            table(heads, rows),
        ]
    )


def main(arguments: Sequence[str]) -> None:
    """Measure one number of events, and print the result."""
    print(json.dumps(asdict(measure(int(arguments[0])))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
