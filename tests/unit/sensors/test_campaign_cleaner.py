"""The sensors in their three modes: every test runs three times, and has to come out alike."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSensorTimeout, AirflowSkipException

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CampaignPausedError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    RateLimitedError,
    RejectedError,
    ServiceUnavailableError,
    UnknownStatusError,
)
from airflow_provider_campaigns.rules.statuses import CampaignRule
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from tests.conftest import KEY, set_connection
from tests.support.airflow_versions import (
    BACKSTOP_WORDS,
    BAD_ARGUMENT,
    import_string,
    needs_rendering_in_the_triggerer,
)
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}


def said(status: str) -> dict[str, Any]:
    return {"campaign_status": {"id": ID, "status": status}}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


def sensor(mode: dict[str, Any], **arguments: Any) -> CampaignCleanerCampaignSensor:
    quick = {"task_id": "wait", "campaign_id": ID, "poke_interval": 0.02, "timeout": 20}
    return CampaignCleanerCampaignSensor(**{**quick, **mode, **arguments})


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_it_waits_until_the_campaign_is_completed(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(said("processing"), said("processing"), said("completed"))
    assert driven.run(sensor(mode)) == ID
    assert [request.json for request in connections.requests] == [{"campaign": {"id": ID}}] * 3


def test_a_paused_campaign_fails_the_wait_or_is_waited_for(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(said("processing"), said("paused"), said("completed"))
    with pytest.raises(CampaignPausedError, match="paused='wait'"):
        driven.run(sensor(mode))
    assert len(connections.requests) == 2
    connections.play(said("processing"), said("paused"), said("completed"))
    assert Driven().run(sensor(mode, paused="wait")) == ID


def test_an_unknown_state_fails_loudly(mode: dict, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("Exploded"))
    with pytest.raises(UnknownStatusError, match="'exploded'"):
        driven.run(sensor(mode))
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({"error": "no"}, status=401), AuthenticationError),
        (Reply({"error": "no"}, status=404), NotFoundError),
    ],
)
def test_a_final_error_takes_one_request_and_is_never_skipped(
    mode: dict, driven: Driven, connections: ScriptedServer, answer: Reply, error: type[Exception]
) -> None:
    connections.play(answer)
    with pytest.raises(error, match="campaign_cleaner_default") as raised:
        driven.run(sensor(mode, soft_fail=True))
    assert type(raised.value) is error
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (Reply({}, status=503), ServiceUnavailableError),
        (Reply({}, status=429), RateLimitedError),
        (Reply({"error": "try later"}), RejectedError),
        (Reply({"campaign_status": {}}, drop="body"), IncompleteResponseError),
    ],
)
def test_single_failures_are_survived_and_five_in_a_row_are_not(
    mode: dict, driven: Driven, connections: ScriptedServer, failure: Reply, error: type[Exception]
) -> None:
    connections.play(*[failure] * 2, said("processing"), *[failure] * 2, said("completed"))
    assert driven.run(sensor(mode)) == ID
    assert len(connections.requests) == 6
    connections.play(failure)
    with pytest.raises(error) as raised:
        Driven().run(sensor(mode, soft_fail=True))
    assert type(raised.value) is error
    assert len(connections.requests) == 11


def test_how_many_failures_is_for_the_user_to_say(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(Reply({}, status=503))
    with pytest.raises(ServiceUnavailableError):
        driven.run(sensor(mode, max_failures=2))
    assert len(connections.requests) == 2


def test_retry_after_is_obeyed(mode: dict, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(Reply({}, status=429, headers={"Retry-After": "1"}), said("completed"))
    begun = time.monotonic()
    assert driven.run(sensor(mode)) == ID
    assert time.monotonic() - begun >= 1


def test_a_wait_that_runs_out_is_a_sensor_timeout(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(said("processing"))
    begun = time.monotonic()
    with pytest.raises(AirflowSensorTimeout, match="'processing'"):
        driven.run(sensor(mode, timeout=1))
    assert 0.9 < time.monotonic() - begun < 10
    assert 3 <= len(connections.requests) <= 14


def test_a_long_retry_after_does_not_outlast_the_deadline(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(Reply({}, status=429, headers={"Retry-After": "86400"}))
    begun = time.monotonic()
    with pytest.raises(AirflowSensorTimeout, match="429"):
        driven.run(sensor(mode, timeout=1))
    assert time.monotonic() - begun < 10
    # At once and at the deadline; in the triggerer, the pause is one for the whole account.
    assert len(connections.requests) == (1 if mode.get("deferrable") else 2)


def test_a_wait_that_runs_out_while_the_service_fails_says_so_and_claims_no_more(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(said("processing"), Reply({}, status=503))
    with pytest.raises(AirflowSensorTimeout, match=r"The last look failed: .*503") as raised:
        driven.run(sensor(mode, timeout=0.5, max_failures=1000))
    assert "never" not in str(raised.value)


def test_soft_fail_skips_a_wait_that_ran_out(mode: dict, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("processing"))
    with pytest.raises(AirflowSkipException):
        driven.run(sensor(mode, timeout=0.3, soft_fail=True))


def test_never_fail_skips_everything(mode: dict, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(Reply({"error": "no"}, status=401))
    with pytest.raises(AirflowSkipException):
        driven.run(sensor(mode, never_fail=True))


def test_never_fail_skips_a_connection_that_cannot_work_too(
    mode: dict, driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
    with pytest.raises(AirflowSkipException):
        driven.run(sensor(mode, never_fail=True))


def test_a_triggerer_that_cannot_wait_is_no_reason_to_skip(
    driven: Driven, connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.play(said("completed"))
    driven.before_trigger = lambda: set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
    with pytest.raises(ApiError, match=r"triggerer cannot wait.*no API key"):
        driven.run(sensor(MODES["deferrable"], soft_fail=True))


def test_a_trigger_that_airflow_cannot_run_is_no_reason_to_skip() -> None:
    task = sensor(MODES["deferrable"], soft_fail=True)
    with pytest.raises(ApiError, match="Trigger failure"):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, {})
    with pytest.raises(AirflowSkipException):
        task.resume_execution("__fail__", {"error": BACKSTOP_WORDS}, {})


def test_no_interval_makes_it_hot(mode: dict, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("processing"))
    with pytest.raises(AirflowSensorTimeout):
        driven.run(sensor(mode, timeout=1, poke_interval=0))
    assert len(connections.requests) <= 12


def test_the_deadline_is_fixed_when_the_wait_starts(connections: ScriptedServer) -> None:
    connections.play(said("completed"))
    driven = Driven()
    before = time.time()
    driven.run(sensor(MODES["deferrable"], timeout=500))
    (_, arguments), (backstop,) = driven.deferrals[0], driven.timeouts
    assert before + 500 <= json.loads(json.dumps(arguments))["deadline"] <= time.time() + 500
    assert backstop == 560


def test_what_is_stored_holds_no_key(connections: ScriptedServer) -> None:
    connections.play(Reply({"error": f"bad key {KEY}"}, status=401))
    driven = Driven()
    with pytest.raises(AuthenticationError):
        driven.run(sensor(MODES["deferrable"]))
    assert KEY not in json.dumps([driven.deferrals, driven.events])
    assert driven.deferrals[0][0] == (
        "airflow_provider_campaigns.triggers.campaign_cleaner.CampaignCleanerCampaignTrigger"
    )


def test_a_connection_that_cannot_work_is_told_before_deferring(
    mode: dict, driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
    with pytest.raises(ValueError, match="no API key"):
        driven.run(sensor(mode))
    assert driven.deferrals == []


def test_an_id_that_was_not_known_at_parse_time_is_checked_before_anything_is_sent(
    mode: dict, driven: Driven, connections: ScriptedServer
) -> None:
    task = sensor(mode, campaign_id="{{ ti.xcom_pull(task_ids='submit') }}")
    task.campaign_id = "None"
    with pytest.raises(ValueError, match="campaign_id"):
        driven.run(task)
    assert connections.requests == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": None}, "campaign_id"),
        ({"campaign_id": "two words"}, "campaign_id"),
        ({"paused": "ignore"}, "paused"),
        ({"max_failures": 0}, "max_failures"),
        ({"poke_interval": -1}, "poke_interval"),
        ({"timeout": -1}, "timeout"),
        ({"exponential_backoff": True}, "exponential_backoff"),
        ({"silent_fail": True}, "silent_fail"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(BAD_ARGUMENT, match=named):
        sensor({}, **arguments)


def test_the_defaults_suit_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    task = CampaignCleanerCampaignSensor(task_id="wait", campaign_id=ID)
    assert (task.poke_interval, task.timeout, task.deferrable) == (10, 900, False)
    spans = sensor({}, poke_interval=timedelta(seconds=5), timeout=timedelta(minutes=1))
    assert (spans.poke_interval, spans.timeout) == (5, 60)
    assert set(task.template_fields) == {"campaign_id", "campaign_cleaner_conn_id"}


def test_a_wait_begins_in_the_triggerer_where_airflow_can_do_that() -> None:
    literal = sensor({}, start_from_trigger=True, timeout=60)
    assert literal.start_from_trigger
    assert literal.start_trigger_args.timeout == timedelta(seconds=60)
    trigger = import_string(literal.start_trigger_args.trigger_cls)(
        **literal.start_trigger_args.trigger_kwargs
    )
    assert (trigger.campaign_id, trigger.deadline) == (ID, None)
    assert CampaignCleanerCampaignSensor.start_trigger_args is None  # of this task alone, not of the class


@needs_rendering_in_the_triggerer
def test_a_wait_for_a_template_begins_in_the_triggerer_where_airflow_can_do_that() -> None:
    assert sensor({}, start_from_trigger=True, campaign_id="{{ params.id }}").start_from_trigger


def test_where_airflow_cannot_it_begins_on_a_worker(driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("completed"))
    with DAG("falls_back"):
        other = CampaignCleanerCampaignSensor(task_id="other", campaign_id=ID)
        of_a_task = sensor({}, start_from_trigger=True, campaign_id=other.output)
        pulls = sensor({}, task_id="p", start_from_trigger=True, campaign_id="{{ ti.xcom_pull('other') }}")
        conn = sensor(
            {}, task_id="c", start_from_trigger=True, campaign_cleaner_conn_id="{{ ti.xcom_pull('other') }}"
        )
    assert not conn.start_from_trigger
    for task in (of_a_task, pulls):
        assert not task.start_from_trigger
        task.campaign_id = ID
        assert Driven().run(task) == ID
        assert task.deferrable


@needs_rendering_in_the_triggerer
def test_an_id_that_the_triggerer_renders_to_nothing_fails_the_wait(connections: ScriptedServer) -> None:
    task = sensor({}, start_from_trigger=True, campaign_id="{{ params.id }}")
    arguments = {**task.start_trigger_args.trigger_kwargs, "campaign_id": "None"}

    async def event() -> Any:
        trigger = import_string(task.start_trigger_args.trigger_cls)(**arguments)
        async with aclosing(trigger.run()) as events:
            return (await anext(events)).payload

    with pytest.raises(ApiError, match="campaign_id must be"):
        task.resume_execution("execute_complete", {"event": asyncio.run(event())}, {})
    assert connections.requests == []


@pytest.mark.parametrize(
    ("state", "paused", "meaning"),
    [
        ("completed", "fail", True),
        ("completed", "wait", True),
        ("processing", "fail", False),
        ("processing", "wait", False),
        ("paused", "wait", False),
        ("paused", "fail", CampaignPausedError),
        ("failed", "fail", UnknownStatusError),
        ("failed", "wait", UnknownStatusError),
        ("", "wait", UnknownStatusError),
        ("Completed", "fail", UnknownStatusError),
        ("completed ", "fail", UnknownStatusError),
    ],
)
def test_only_a_state_that_the_vendor_describes_means_anything(state: str, paused: str, meaning: Any) -> None:
    """Whatever the service writes is put into lower case before it comes here."""
    completion = CampaignRule(ID, paused)
    if isinstance(meaning, bool):
        assert completion.is_reached(state) is meaning
        assert (state in completion.paused) is not meaning
    else:
        with pytest.raises(meaning, match=ID):
            completion.is_reached(state)
        assert state not in completion.paused


JOB = "5f1c7a7e-inbox-test"


def landed(status: str, **summary: Any) -> dict[str, Any]:
    return {
        "job_id": JOB,
        "test_name": "Spring",
        "status": status,
        "summary": summary,
        "results": [{"provider": "Gmail", "seed_address": "seed@example.com", "placement": "Inbox"}],
    }


def inbox(mode: dict[str, Any], **arguments: Any) -> CampaignCleanerInboxTestSensor:
    quick = {"task_id": "wait", "job_id": JOB, "poke_interval": 0.02, "timeout": 20}
    return CampaignCleanerInboxTestSensor(**{**quick, **mode, **arguments})


class TestTheInboxTestSensor:
    def test_it_waits_until_all_mails_have_landed_and_returns_where(
        self, mode: dict, driven: Driven, connections: ScriptedServer
    ) -> None:
        end = landed(
            "Completed", total_seeds=5, received=5, inbox="4", spam=1, inbox_rate="80%", pending=None
        )
        connections.play(landed("Processing", received=1), landed("Processing", received=3), end)
        assert driven.run(inbox(mode)) == {
            "job_id": JOB,
            "status": "completed",
            "test_name": "Spring",
            "total_seeds": 5,
            "received": 5,
            "inbox": 4,
            "spam": 1,
            "inbox_rate": 80,
        }
        # The last one fetches the summary.
        assert [request.path for request in connections.requests] == ["/v1/get_inbox_test_results"] * 4
        assert {json.dumps(request.json) for request in connections.requests} == {json.dumps({"job_id": JOB})}
        assert len(driven.deferrals) == bool(mode["deferrable"])

    def test_a_test_without_a_summary_is_a_test_all_the_same(
        self, mode: dict, driven: Driven, connections: ScriptedServer
    ) -> None:
        connections.play({"status": "Completed"})
        assert driven.run(inbox(mode)) == {"job_id": JOB, "status": "completed"}

    def test_a_test_that_never_completes_times_out(
        self, mode: dict, driven: Driven, connections: ScriptedServer
    ) -> None:
        connections.play(landed("Processing", received=4, pending=1))
        with pytest.raises(AirflowSensorTimeout, match=r"'processing'.*sent to all addresses"):
            driven.run(inbox(mode, timeout=0.5))
        with pytest.raises(AirflowSkipException):
            Driven().run(inbox(mode, timeout=0.2, soft_fail=True))

    def test_an_unknown_state_fails_loudly(
        self, mode: dict, driven: Driven, connections: ScriptedServer
    ) -> None:
        connections.play(landed("Cancelled"))
        with pytest.raises(UnknownStatusError, match=rf"{JOB} as 'cancelled'.*processing, completed"):
            driven.run(inbox(mode, soft_fail=True))
        assert len(connections.requests) == 1

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (Reply({"error": "no"}, status=401), AuthenticationError),
            (Reply({"error": "no"}, status=404), NotFoundError),
        ],
    )
    def test_a_final_error_takes_one_request_and_is_never_skipped(
        self, mode: dict, driven: Driven, connections: ScriptedServer, answer: Reply, error: type[Exception]
    ) -> None:
        connections.play(answer)
        with pytest.raises(error, match="campaign_cleaner_default"):
            driven.run(inbox(mode, soft_fail=True))
        assert len(connections.requests) == 1

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (Reply({}, status=503), ServiceUnavailableError),
            (Reply({"error": "try later"}), RejectedError),
            (Reply({"summary": {}}), MalformedResponseError),
            (Reply({**landed("Completed"), "job_id": "another"}), MalformedResponseError),
        ],
    )
    def test_single_failures_are_survived_and_as_many_as_said_are_not(
        self, mode: dict, driven: Driven, connections: ScriptedServer, failure: Reply, error: type[Exception]
    ) -> None:
        connections.play(failure, landed("Processing"), failure, landed("Completed"))
        assert driven.run(inbox(mode, max_failures=2))["status"] == "completed"
        connections.play(failure)
        with pytest.raises(error):
            Driven().run(inbox(mode, max_failures=2, soft_fail=True))
        assert len(connections.requests) == 5 + 2

    def test_an_id_that_was_not_known_at_parse_time_is_checked_before_anything_is_sent(
        self, mode: dict, driven: Driven, connections: ScriptedServer
    ) -> None:
        task = inbox(mode, job_id="{{ ti.xcom_pull('create') }}")
        task.job_id = "None"
        with pytest.raises(ValueError, match="job_id"):
            driven.run(task)
        assert connections.requests == []

    def test_a_connection_that_cannot_work_is_told_before_deferring(
        self, mode: dict, driven: Driven, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
        with pytest.raises(ValueError, match="no API key"):
            driven.run(inbox(mode))
        assert driven.deferrals == []

    def test_it_has_no_timeout_of_its_own(self) -> None:
        with pytest.raises(BAD_ARGUMENT, match="timeout"):
            CampaignCleanerInboxTestSensor(task_id="wait", job_id=JOB)
        task = CampaignCleanerInboxTestSensor(task_id="wait", job_id=JOB, timeout=timedelta(hours=2))
        assert (task.timeout, task.poke_interval, task.deferrable) == (7200, 120, False)

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"job_id": ""}, "job_id"),
            ({"job_id": None}, "job_id"),
            ({"timeout": -1}, "timeout"),
            ({"poke_interval": -1}, "poke_interval"),
            ({"max_failures": 0}, "max_failures"),
            ({"exponential_backoff": True}, "exponential_backoff"),
        ],
    )
    def test_bad_arguments_are_refused_when_the_dag_is_parsed(
        self, arguments: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(BAD_ARGUMENT, match=named):
            inbox({}, **arguments)
