from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import BackgroundJobFailedError, UnknownStatusError
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from tests.support.airflow_versions import BAD_ARGUMENT
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import paths

pytestmark = pytest.mark.usefixtures("clock")

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


def job(status: Any, /, **data: Any) -> dict[str, Any]:
    return {"id": ID, "type": "move-leads", "status": status, "progress": 50, "data": data}


@pytest.fixture
def runner() -> TaskRunner:
    return TaskRunner()


def sensor(**arguments: Any) -> InstantlyBackgroundJobSensor:
    return InstantlyBackgroundJobSensor(**{"task_id": "wait", "job_id": ID, **arguments})


@pytest.mark.parametrize("deferrable", [False, True])
def test_sensor_waits_until_the_job_has_succeeded(
    runner: TaskRunner, connections: FakeServer, deferrable: bool
) -> None:
    statuses = ["pending", "in-progress", "draining", "paused", "in-progress", "success"]
    connections.respond(*map(job, statuses))
    result = runner.run(sensor(deferrable=deferrable))
    assert result == {"job_id": ID, "type": "move-leads", "status": "success"}
    # The last request fetches the counts.
    counts = "success_count%2Cfailed_count%2Ctotal_to_process"
    assert paths(connections) == [f"/api/v2/background-jobs/{ID}?data_fields={counts}"] * 7
    assert {request.method for request in connections.requests} == {"GET"}
    assert len(runner.deferrals) == int(deferrable)


@pytest.mark.parametrize("deferrable", [False, True])
def test_result_holds_the_counts_and_no_list(
    runner: TaskRunner, connections: FakeServer, deferrable: bool
) -> None:
    emails = [f"lead{number}@example.com" for number in range(20_000)]
    data = {"moved_lead_emails": emails, "options": {"copy_leads": True}, "note": emails[0], "status": 5}
    counts = {"success_count": 19_998, "failed_count": 2, "share": 0.5}
    connections.respond(job("pending"), job("success", **data, **counts))
    result = runner.run(sensor(deferrable=deferrable))
    assert result == {"job_id": ID, "type": "move-leads", "status": "success", **counts}
    assert "example.com" not in json.dumps([result, runner.events, runner.ti.xcoms])


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("status", ["failed", "Cancelled"])
def test_failed_job_fails_the_wait_and_is_not_skipped(
    runner: TaskRunner, connections: FakeServer, status: str, deferrable: bool
) -> None:
    connections.respond(job("in-progress"), job(status))
    with pytest.raises(BackgroundJobFailedError, match=f"{ID} is {status.lower()}"):
        runner.run(sensor(deferrable=deferrable, soft_fail=True))
    assert len(connections.requests) == 2


def test_unknown_status_fails_the_wait(runner: TaskRunner, connections: FakeServer) -> None:
    connections.respond(job("exploded"))
    with pytest.raises(UnknownStatusError, match=r"'exploded'.*pending, in-progress, success"):
        runner.run(sensor(soft_fail=True))


@pytest.mark.parametrize("failure", [Reply(job(None)), Reply({"status": "success"})])
def test_response_without_id_or_status_is_survived(
    runner: TaskRunner, connections: FakeServer, failure: Reply
) -> None:
    connections.respond(failure, job("success"))
    assert runner.run(sensor())["status"] == "success"


def test_timeout_names_job_and_advice(runner: TaskRunner, connections: FakeServer) -> None:
    connections.respond(job("paused"))
    with pytest.raises(AirflowSensorTimeout, match=rf"Background job {ID} .*paused.*job in Instantly"):
        runner.run(sensor())


@pytest.mark.parametrize("rendered", ["", "None", "two words", "../campaigns", None])
def test_rendered_id_is_checked_before_a_request(
    runner: TaskRunner, connections: FakeServer, rendered: Any
) -> None:
    task = sensor(job_id="{{ ti.xcom_pull(task_ids='move') }}")
    task.job_id = rendered
    with pytest.raises(ValueError, match="job_id"):
        runner.run(task)
    assert connections.requests == []


@pytest.mark.parametrize("job_id", ["", None, "a/b"])
def test_invalid_id_is_refused_when_the_dag_is_parsed(job_id: Any) -> None:
    with pytest.raises(BAD_ARGUMENT, match="job_id"):
        sensor(job_id=job_id)


def test_defaults() -> None:
    task = sensor()
    assert (task.poke_interval, task.timeout, task.deferrable) == (10, 3600, False)
    assert set(task.template_fields) == {"job_id", "instantly_conn_id"}
