"""The triggerer ends tasks in a real Airflow: without a second worker start, or without any."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from airflow_provider_campaigns.sandbox import SandboxState
from scripts.local_airflow import LocalAirflow
from tests.support.airflow_versions import RENDERS_IN_THE_TRIGGERER
from tests.support.responses import CLEANER_LINK
from tests.support.stoppable_service import wait_until
from tests.system.conftest import SharedAirflow

pytestmark = pytest.mark.airflow_processes

# What each version of Airflow logs when a worker starts a task, the first time and after a deferral.
WORKER_STARTS = ("::group::Pre Execute", "DAG bundles loaded", "Starting attempt", "Resuming after deferral")


@dataclass
class Ended:
    """A run of the Dag after its end."""

    airflow: LocalAirflow
    dag_run: dict[str, Any]
    ids: dict[str, Any]

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        return self.airflow.xcom(self.dag_run, task_id, key)

    def worker_starts(self, task_id: str) -> int:
        log = self.airflow.log_of(self.dag_run, task_id)
        return max(
            log.count(WORKER_STARTS[0]), log.count(WORKER_STARTS[1]), sum(map(log.count, WORKER_STARTS[2:]))
        )


def start(state: SandboxState) -> dict[str, Any]:
    """Start everything that the Dag waits for."""
    ids = [state.submit("Spring", "<p>Spring</p>", {}).id for _ in range(3)]
    job = state.start_job("move-leads", None).id
    state.set_job_status(job, "in-progress")
    return {"id": ids[0], "ids": ids, "test": state.start_inbox_test("Spring").id, "job": job}


def complete(state: SandboxState, ids: dict[str, Any]) -> None:
    for campaign_id in ids["ids"]:
        state.set_processing_seconds(campaign_id, 0)
    state.set_job_status(ids["job"], "success")
    tests = state.inbox_tests
    tests[ids["test"]] = replace(tests[ids["test"]], seconds=0)


def wait_until_deferred(airflow: LocalAirflow, dag_run: dict[str, Any], number: int) -> None:
    def are_deferred() -> bool:
        return [each["state"] for each in airflow.task_instances(dag_run)].count("deferred") >= number

    wait_until(are_deferred, "all waits are deferred")


@pytest.fixture(scope="module")
def ended(shared: SharedAirflow) -> Ended:
    airflow, state = shared.airflow, shared.start("ends_from_trigger", processing_seconds=3600)
    ids = start(state)
    dag_run = airflow.start_run("ends_from_trigger", ids)
    wait_until_deferred(airflow, dag_run, 6)
    time.sleep(5)  # an event right after a deferral can overtake the scheduler, which then fails the task
    complete(state, ids)
    return Ended(airflow, airflow.wait_for_end(dag_run), ids)


def test_all_tasks_succeed(ended: Ended) -> None:
    states = {each["task_id"]: each["state"] for each in ended.airflow.task_instances(ended.dag_run)}
    assert (ended.dag_run["state"], set(states.values()), len(states)) == ("success", {"success"}, 7)


@pytest.mark.parametrize(
    ("task_id", "starts"),
    [
        ("campaign", 1),
        ("many", 1),
        ("inbox_test", 1),
        ("job", 1),
        ("with_callback", 2),
        ("started", 0 if RENDERS_IN_THE_TRIGGERER else 1),  # before Airflow 3.3 a template starts on a worker
    ],
)
def test_task_ends_without_a_further_worker_start(ended: Ended, task_id: str, starts: int) -> None:
    assert ended.worker_starts(task_id) == starts


def test_xcoms_read_as_those_of_a_worker(ended: Ended) -> None:
    one, many, test, job = ended.ids["id"], ended.ids["ids"], ended.ids["test"], ended.ids["job"]
    campaign, started, listed, with_callback, inbox_test, job_counts = ended.xcom("read")
    assert (campaign, started, with_callback, listed) == (one, one, one, many)
    assert inbox_test.items() >= {"job_id": test, "status": "completed"}.items()
    assert job_counts.items() >= {"job_id": job, "status": "success"}.items()


def test_task_without_a_worker_has_its_link(ended: Ended) -> None:
    ((key, url),) = CLEANER_LINK.items()
    assert ended.xcom("started", key) == url
