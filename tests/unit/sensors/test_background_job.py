"""The sensor for background jobs in its three modes: every test has to come out alike in all of them."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BackgroundJobFailedError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    ServiceUnavailableError,
    UnknownStatusError,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.triggers.instantly import InstantlyBackgroundJobTrigger
from tests.conftest import KEY, set_connection
from tests.support.airflow_versions import BAD_ARGUMENT, decrypt_kwargs, encrypt_kwargs
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}


def said(status: Any, /, **data: Any) -> dict[str, Any]:
    return {"id": ID, "type": "move-leads", "status": status, "progress": 50, "data": data}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


def sensor(mode: dict[str, Any], **arguments: Any) -> InstantlyBackgroundJobSensor:
    quick = {"task_id": "wait", "job_id": ID, "poke_interval": 0.02, "timeout": 20}
    return InstantlyBackgroundJobSensor(**{**quick, **mode, **arguments})


def test_it_waits_until_the_job_has_ended_well(mode: dict[str, Any], connections: ScriptedServer) -> None:
    states = ["pending", "in-progress", "draining", "paused", "in-progress", "success"]
    connections.play(*[said(state) for state in states])
    driven = Driven()
    assert driven.run(sensor(mode)) == {"job_id": ID, "type": "move-leads", "status": "success"}
    # The last one fetches the counts.
    counts = "success_count%2Cfailed_count%2Ctotal_to_process"
    asked = f"/api/v2/background-jobs/{ID}?data_fields={counts}"
    assert [request.path for request in connections.requests] == [asked] * 7
    assert {request.method for request in connections.requests} == {"GET"}
    assert len(driven.deferrals) == int(mode["deferrable"])
    assert driven.reschedules == (5 if mode.get("mode") == "reschedule" else 0)


def test_the_result_holds_the_counts_and_no_list_however_long(
    mode: dict[str, Any], connections: ScriptedServer
) -> None:
    emails = [f"lead{number}@example.com" for number in range(20_000)]
    connections.play(
        said(
            "success",
            success_count=19_998,
            failed_count=2,
            share=0.5,
            moved_lead_emails=emails,
            options={"copy_leads": True},
            note=emails[0],
            status=5,
        )
    )
    driven = Driven()
    result = driven.run(sensor(mode))
    assert result == {
        "job_id": ID,
        "type": "move-leads",
        "status": "success",
        "success_count": 19_998,
        "failed_count": 2,
        "share": 0.5,
    }
    assert "example.com" not in json.dumps([result, driven.events, driven.ti.xcoms])


@pytest.mark.parametrize("state", ["failed", "cancelled", "Failed"])
def test_a_job_that_ended_badly_fails_the_wait_at_once(
    mode: dict[str, Any], connections: ScriptedServer, state: str
) -> None:
    connections.play(said("in-progress"), said(state))
    with pytest.raises(BackgroundJobFailedError, match=f"{ID} is {state.lower()}") as raised:
        Driven().run(sensor(mode, soft_fail=True))
    assert raised.value.final
    assert len(connections.requests) == 2


def test_an_unknown_state_fails_loudly(mode: dict[str, Any], connections: ScriptedServer) -> None:
    connections.play(said("exploded"))
    with pytest.raises(UnknownStatusError, match=r"'exploded'.*pending, in-progress, success"):
        Driven().run(sensor(mode, soft_fail=True))
    assert len(connections.requests) == 1


@pytest.mark.parametrize("state", ["pending", "paused"])
def test_a_wait_that_runs_out_is_a_sensor_timeout(
    mode: dict[str, Any], connections: ScriptedServer, state: str
) -> None:
    connections.play(said(state))
    begun = time.monotonic()
    with pytest.raises(AirflowSensorTimeout, match=rf"Background job {ID} .*'{state}'.*Instantly"):
        Driven().run(sensor(mode, timeout=0.5))
    assert 0.4 < time.monotonic() - begun < 10
    assert 2 <= len(connections.requests) <= 8
    with pytest.raises(AirflowSkipException):
        Driven().run(sensor(mode, timeout=0.2, soft_fail=True))


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (404, NotFoundError)])
def test_a_final_error_takes_one_request_and_is_never_skipped(
    mode: dict[str, Any], connections: ScriptedServer, status: int, error: type[ApiError]
) -> None:
    connections.play(Reply({"message": f"no {KEY}"}, status=status))
    driven = Driven()
    with pytest.raises(error, match="instantly_default") as raised:
        driven.run(sensor(mode, soft_fail=True))
    assert type(raised.value) is error
    assert not isinstance(raised.value, AirflowFailException)
    assert len(connections.requests) == 1
    assert KEY not in json.dumps([driven.deferrals, driven.events]) + str(raised.value)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (Reply({}, status=503), ServiceUnavailableError),
        (Reply(said("success"), drop="body"), IncompleteResponseError),
        (Reply(b"<html>"), MalformedResponseError),
        (Reply({"id": ID, "status": None}), MalformedResponseError),
        (Reply({"status": "success"}), MalformedResponseError),
    ],
)
def test_single_failures_are_survived_and_too_many_in_a_row_are_not(
    mode: dict[str, Any], connections: ScriptedServer, failure: Reply, error: type[ApiError]
) -> None:
    connections.play(failure, failure, said("pending"), failure, said("success"))
    assert Driven().run(sensor(mode, max_failures=3))["status"] == "success"
    before = len(connections.requests)
    connections.play(failure)
    with pytest.raises(error) as raised:
        Driven().run(sensor(mode, max_failures=3, soft_fail=True))
    assert type(raised.value) is error
    assert len(connections.requests) - before == 3


def test_a_connection_that_cannot_work_is_told_before_deferring(
    mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "instantly", host=None, password=None)
    driven = Driven()
    with pytest.raises(ValueError, match="no API key"):
        driven.run(sensor(mode))
    assert driven.deferrals == []


def test_what_is_stored_of_the_wait_is_what_airflow_can_store(connections: ScriptedServer) -> None:
    connections.play(said("success"))
    driven = Driven()
    before = time.time()
    driven.run(sensor(MODES["deferrable"], timeout=500, max_failures=3))
    ((classpath, stored),) = driven.deferrals
    assert classpath == "airflow_provider_campaigns.triggers.instantly.InstantlyBackgroundJobTrigger"
    assert driven.timeouts == [560]
    arguments = {
        "job_id": ID,
        "instantly_conn_id": "instantly_default",
        "poke_interval": 7.0,
        "deadline": before + 500,
        "max_failures": 3,
    }
    kept = decrypt_kwargs(encrypt_kwargs(arguments))
    assert InstantlyBackgroundJobTrigger(**kept).serialize() == (classpath, arguments)
    assert KEY not in json.dumps([stored, driven.events])


@pytest.mark.parametrize("rendered", ["", "None", "two words", "../campaigns", None])
def test_an_id_that_was_not_known_at_parse_time_is_checked_before_anything_is_sent(
    mode: dict[str, Any], connections: ScriptedServer, rendered: Any
) -> None:
    task = sensor(mode, job_id="{{ ti.xcom_pull(task_ids='move') }}")
    task.job_id = rendered
    with pytest.raises(ValueError, match="job_id"):
        Driven().run(task)
    assert connections.requests == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"job_id": ""}, "job_id"),
        ({"job_id": None}, "job_id"),
        ({"job_id": "a/b"}, "job_id"),
        ({"max_failures": 0}, "max_failures"),
        ({"poke_interval": -1}, "poke_interval"),
        ({"timeout": -1}, "timeout"),
        ({"exponential_backoff": True}, "exponential_backoff"),
        ({"silent_fail": True}, "silent_fail"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(BAD_ARGUMENT, match=named):
        sensor({}, **arguments)


def test_the_defaults_suit_the_service() -> None:
    task = InstantlyBackgroundJobSensor(task_id="wait", job_id=ID)
    assert (task.poke_interval, task.timeout, task.deferrable) == (10, 3600, False)
    spans = sensor({}, poke_interval=timedelta(seconds=5), timeout=timedelta(minutes=1))
    assert (spans.poke_interval, spans.timeout) == (5, 60)
    assert set(task.template_fields) == {"job_id", "instantly_conn_id"}
