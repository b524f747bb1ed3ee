"""Tasks that push the XComs of the run's configuration, for the pages that show them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task


def pushing(task_id: str) -> Any:
    @task(task_id=task_id, trigger_rule="all_done")
    def push(**context: Any) -> None:
        for key, value in context["params"].get(task_id, {}).items():
            context["ti"].xcom_push(key=key, value=value)

    return push()


for _dag_id in ("pages", "pages_of_others"):
    with DAG(_dag_id, schedule=None, params={"get": {}, "gate": {}}) as _dag:
        pushing("get") >> pushing("gate")
    globals()[_dag_id] = _dag
