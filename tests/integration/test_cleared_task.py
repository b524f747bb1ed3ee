"""How Airflow numbers the tries of a task that was cleared; ``submission_marker`` depends on it."""

from __future__ import annotations

import inspect

import pytest
from airflow.models.taskinstance import clear_task_instances
from airflow.utils.session import create_session

from tests.support.airflow_runs import dag, start
from tests.support.airflow_versions import DagSerialization, needs_a_dag_to_clear
from tests.support.fake_server import FakeServer, Reply


@needs_a_dag_to_clear
@pytest.mark.usefixtures("database")
def test_airflow_numbers_the_tries_of_a_cleared_task(
    connections: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Clearing changes this for the whole process; restore it for other tests.
    monkeypatch.setattr(DagSerialization, "_load_operator_extra_links", True)
    connections.respond(Reply({"error": "slow down"}, status=429))
    loaded = dag("retried_at_once")
    (ran,) = start(loaded).get_task_instances()
    assert (ran.try_number, ran.max_tries) == (2, 1)
    # Airflow 2 needs the Dag, because its database does not hold it.
    arguments = {"dag": loaded} if "dag" in inspect.signature(clear_task_instances).parameters else {}
    with create_session() as session:
        cleared = session.merge(ran)
        clear_task_instances([cleared], session, **arguments)
        assert (cleared.try_number + 1, cleared.max_tries) == (
            3,
            3,
        )  # as in tests/unit/tasks/test_task_state.py
