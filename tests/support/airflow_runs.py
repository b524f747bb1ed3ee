"""Run whole Dags with ``dag.test()``: tasks and triggers run in this process, with Airflow's own database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from airflow.providers.common.compat.sdk import DAG

from tests.conftest import EXAMPLE_DAGS, TEST_DAGS
from tests.support.airflow_versions import DagBag

# Before Airflow 3.3, dag.test() makes an API server for each task, which takes a second and is never stopped.
with suppress(ImportError):  # Airflow 2
    from airflow.sdk.execution_time import supervisor

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = cache(supervisor.in_process_api_server)


def start(to_run: DAG, **conf: Any) -> Any:
    """Run a Dag, and return the run after its end."""
    with own_bundle(to_run):
        return to_run.test(run_conf=conf)


@contextmanager
def own_bundle(to_run: DAG) -> Iterator[str]:
    """Make the file of a Dag the only bundle, and return its name.

    Before each run, Airflow 3 loads and stores all Dags of the bundle.
    """
    name = Path(to_run.fileloc).stem
    classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": name, "classpath": classpath, "kwargs": {"path": to_run.fileloc}}
    bundles = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle])}
    with patch.dict(os.environ, bundles):
        yield name


def run(to_run: DAG, **conf: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Run a Dag, and return the state of the run, and the state and the XCom of each task."""
    dag_run = start(to_run, **conf)
    instances = dag_run.get_task_instances()

    def name(instance: Any) -> str:
        return instance.task_id if instance.map_index < 0 else f"{instance.task_id}[{instance.map_index}]"

    states = {name(instance): str(instance.state) for instance in instances}
    returned = {
        name(instance): instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index)
        for instance in instances
    }
    return str(dag_run.state), states, returned


def dag(name: str) -> DAG:
    """Load an example Dag, or one of the tests; a copy of its own each time."""
    return _load(_files()[name])[name]


@cache
def _files() -> dict[str, str]:
    """Return the file of each Dag."""
    return {
        name: found.fileloc
        for folder in (EXAMPLE_DAGS, TEST_DAGS)
        for name, found in _load(str(folder)).items()
    }


def _load(path: str) -> dict[str, DAG]:
    """Load the Dags of a file or a folder."""
    bag = DagBag(dag_folder=path)
    assert bag.import_errors == {}
    return bag.dags


@contextmanager
def started_by(asset: str, *payloads: dict[str, Any]) -> Iterator[None]:
    """Have the runs in this block started by events of an asset, as the scheduler does it in Airflow 3.3."""
    from airflow.models import dagrun
    from airflow.models.asset import AssetEvent, AssetModel
    from sqlalchemy import select

    create = dagrun.get_or_create_dagrun

    def create_with_events(*, session: Any, **arguments: Any) -> Any:
        created = create(session=session, **arguments)
        asset_id = session.scalar(select(AssetModel.id).where(AssetModel.name == asset))
        begun = datetime.now(timezone.utc)
        created.consumed_asset_events.extend(
            AssetEvent(
                asset_id=asset_id,
                extra={"from_trigger": True, "payload": payload},
                timestamp=begun + timedelta(milliseconds=number),
            )
            for number, payload in enumerate(payloads)
        )
        session.commit()
        return created

    with patch.object(dagrun, "get_or_create_dagrun", create_with_events):
        yield
