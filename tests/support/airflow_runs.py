"""Run whole Dags with ``dag.test()``: tasks and triggers run in this process, with Airflow's own database."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG

from tests.conftest import EXAMPLE_DAGS, TEST_DAGS
from tests.support.airflow_versions import DagBag


def run(to_run: DAG, **conf: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Run a Dag, and return the state of the run, and the state and the XCom of each task."""
    dag_run = to_run.test(run_conf=conf)
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
    """Load an example Dag, or one of the tests."""
    bags = [DagBag(dag_folder=str(folder)) for folder in (EXAMPLE_DAGS, TEST_DAGS)]
    assert [bag.import_errors for bag in bags] == [{}, {}]
    return next(bag.dags[name] for bag in bags if name in bag.dags)
