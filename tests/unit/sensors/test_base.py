"""What all sensors have in common, shown with one of them: it has the same result in all three modes."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CampaignPausedError,
    IncompleteResponseError,
    MalformedResponseError,
    RateLimitedError,
    RejectedError,
    ServiceUnavailableError,
    UnknownStatusError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.conftest import KEY, set_connection
from tests.support.airflow_versions import BAD_ARGUMENT, DEFERRAL_TIMEOUT_MESSAGE
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID, campaign_status

pytestmark = pytest.mark.usefixtures("clock")

Mode = dict[str, Any]
MODES: dict[str, Mode] = {
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
PROCESSING, COMPLETED = campaign_status("processing"), campaign_status("completed")
BUSY = Reply({}, status=503)
BAD_KEY = Reply({"error": f"bad key {KEY}"}, status=401)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


@pytest.fixture
def runner() -> TaskRunner:
    return TaskRunner()


def sensor(mode: Mode, **arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(
        **{"task_id": "wait", "campaign_id": CLEANER_ID, "poke_interval": 10, **mode, **arguments}
    )


class TestStatus:
    def test_sensor_polls_until_the_status_is_final(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING, PROCESSING, COMPLETED)
        assert runner.run(sensor(mode)) == CLEANER_ID
        assert [request.json for request in connections.requests] == [{"campaign": {"id": CLEANER_ID}}] * 3
        assert clock.slept == pytest.approx(20, abs=1)
        assert len(runner.deferrals) == int(mode["deferrable"])
        assert runner.reschedules == (2 if mode.get("mode") == "reschedule" else 0)

    def test_final_status_on_the_first_poll_takes_no_pause(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(COMPLETED)
        assert runner.run(sensor(mode)) == CLEANER_ID
        assert len(connections.requests) == 1
        assert (runner.deferrals, runner.reschedules, clock.slept) == ([], 0, 0)

    @pytest.mark.parametrize("before", [0, 1], ids=["first poll", "later poll"])
    def test_paused_status_fails_the_wait_and_is_not_skipped(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, before: int
    ) -> None:
        connections.respond(*[PROCESSING] * before, campaign_status("paused"))
        with pytest.raises(CampaignPausedError):
            runner.run(sensor(mode, soft_fail=True))
        assert len(connections.requests) == before + 1

    @pytest.mark.parametrize("before", [0, 1], ids=["first poll", "later poll"])
    def test_unknown_status_fails_the_wait_and_is_not_skipped(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, before: int
    ) -> None:
        connections.respond(*[PROCESSING] * before, campaign_status("Exploded"))
        with pytest.raises(UnknownStatusError, match="'exploded'"):
            runner.run(sensor(mode, soft_fail=True))
        assert len(connections.requests) == before + 1


class TestErrors:
    @pytest.mark.parametrize("before", [0, 1], ids=["first poll", "later poll"])
    def test_final_error_fails_at_once_and_is_not_skipped(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, before: int
    ) -> None:
        connections.respond(*[PROCESSING] * before, BAD_KEY)
        with pytest.raises(AuthenticationError, match="campaign_cleaner_default"):
            runner.run(sensor(mode, soft_fail=True))
        assert len(connections.requests) == before + 1

    def test_wait_survives_single_failures(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(*[BUSY] * 4, PROCESSING, *[BUSY] * 4, COMPLETED)
        assert runner.run(sensor(mode)) == CLEANER_ID
        assert len(connections.requests) == 10

    @pytest.mark.parametrize("max_failures", [5, 2])
    def test_too_many_failures_in_a_row_fail_the_wait(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, max_failures: int
    ) -> None:
        connections.respond(PROCESSING, BUSY)
        with pytest.raises(ServiceUnavailableError):
            runner.run(sensor(mode, max_failures=max_failures, soft_fail=True))
        assert len(connections.requests) == 1 + max_failures

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (Reply({}, status=429), RateLimitedError),
            (Reply({"error": "try later"}), RejectedError),
            (Reply(b"<html>"), MalformedResponseError),
            (Reply(COMPLETED, drop="body"), IncompleteResponseError),
        ],
    )
    def test_each_error_that_may_pass_is_survived(
        self, runner: TaskRunner, connections: FakeServer, failure: Reply, error: type[ApiError]
    ) -> None:
        connections.respond(failure, PROCESSING, failure, COMPLETED)
        assert runner.run(sensor(MODES["deferrable"], max_failures=2)) == CLEANER_ID
        connections.respond(failure)
        with pytest.raises(error):
            TaskRunner().run(sensor(MODES["deferrable"], max_failures=2))

    def test_retry_after_is_obeyed(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING, Reply({}, status=429, headers={"Retry-After": "60"}), COMPLETED)
        assert runner.run(sensor(mode)) == CLEANER_ID
        assert clock.slept == pytest.approx(10 + 60, abs=1)

    def test_failed_trigger_is_not_skipped(
        self, runner: TaskRunner, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connections.respond(PROCESSING)
        runner.before_trigger = lambda: set_connection(
            monkeypatch, "campaign_cleaner", host=None, password=None
        )
        with pytest.raises(ApiError, match=r"failed in the triggerer.*no API key"):
            runner.run(sensor(MODES["deferrable"], soft_fail=True))

    def test_trigger_that_airflow_cannot_run_is_not_skipped(self) -> None:
        with pytest.raises(ApiError, match="Trigger failure"):
            sensor(MODES["deferrable"], soft_fail=True).resume_execution(
                "__fail__", {"error": "Trigger failure"}, {}
            )

    def test_never_fail_skips_every_error(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(PROCESSING, BAD_KEY)
        with pytest.raises(AirflowSkipException):
            runner.run(sensor(mode, never_fail=True))


class TestTimeout:
    def test_wait_times_out_at_its_deadline(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING)
        with pytest.raises(AirflowSensorTimeout, match=r"not completed within 60 s\..*processing"):
            runner.run(sensor(mode, timeout=60))
        assert 60 <= clock.passed < 65
        assert 6 <= len(connections.requests) <= 8

    def test_timeout_names_the_error_of_the_last_poll(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(PROCESSING, BUSY)
        with pytest.raises(AirflowSensorTimeout, match=r"The last poll failed: .*503"):
            runner.run(sensor(mode, timeout=60, max_failures=1000))

    def test_long_retry_after_does_not_pass_the_deadline(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING, Reply({}, status=429, headers={"Retry-After": "86400"}))
        with pytest.raises(AirflowSensorTimeout, match="429"):
            runner.run(sensor(mode, timeout=60))
        assert clock.slept < 65
        # At the deadline too, but not in the triggerer: there, the pause is for the whole account.
        assert len(connections.requests) == (2 if mode["deferrable"] else 3)

    def test_soft_fail_skips_a_timed_out_wait(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(PROCESSING)
        with pytest.raises(AirflowSkipException):
            runner.run(sensor(mode, timeout=60, soft_fail=True))

    @pytest.mark.parametrize(
        ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
    )
    def test_deferral_timeout_is_a_timed_out_wait(self, soft_fail: bool, error: type[Exception]) -> None:
        task = sensor(MODES["deferrable"], soft_fail=soft_fail)
        with pytest.raises(error):
            task.resume_execution("__fail__", {"error": DEFERRAL_TIMEOUT_MESSAGE}, {})

    def test_interval_of_zero_causes_no_busy_loop(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(PROCESSING)
        with pytest.raises(AirflowSensorTimeout):
            runner.run(sensor(mode, timeout=2, poke_interval=0))
        assert len(connections.requests) <= 22


class TestDeferral:
    def test_deadline_is_fixed_when_the_wait_starts(
        self, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING, BUSY, COMPLETED)
        before = time.time()
        runner.run(sensor(MODES["deferrable"], timeout=500))
        ((_, arguments),) = runner.deferrals
        # Airflow's own timeout comes 60 s after the deadline.
        assert arguments["deadline"] == pytest.approx(before + 500, abs=1)
        assert arguments["first_poll_at"] == pytest.approx(before + 10, abs=1)
        assert runner.timeouts == [pytest.approx(500 + 60, abs=1)]

    def test_close_to_the_deadline_the_worker_does_not_defer(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(PROCESSING)
        with pytest.raises(AirflowSensorTimeout):
            runner.run(sensor(MODES["deferrable"], timeout=0.9))
        assert runner.deferrals == []
        assert len(connections.requests) == 2

    def test_stored_wait_holds_no_key(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(PROCESSING, BAD_KEY)
        with pytest.raises(AuthenticationError):
            runner.run(sensor(MODES["deferrable"]))
        assert len(runner.deferrals) == len(runner.events) == 1
        assert KEY not in json.dumps([runner.deferrals, runner.events])


class TestRescheduling:
    def test_failed_poll_is_rescheduled_and_failures_are_counted(
        self, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(PROCESSING, BUSY)
        runner = TaskRunner(store={})
        with pytest.raises(ServiceUnavailableError):
            runner.run(sensor(MODES["reschedule"], max_failures=3))
        assert (len(connections.requests), runner.reschedules) == (1 + 3, 3)
        assert clock.slept == pytest.approx(10 + 10 + 20, abs=1)

    def test_successful_poll_resets_the_count(self, connections: FakeServer) -> None:
        connections.respond(BUSY, PROCESSING, BUSY, COMPLETED)
        runner = TaskRunner(store={})
        assert runner.run(sensor(MODES["reschedule"], max_failures=2, never_fail=True)) == CLEANER_ID
        assert runner.reschedules == 3

    def test_retry_after_of_a_failed_poll_is_obeyed(self, connections: FakeServer, clock: FakeClock) -> None:
        connections.respond(Reply({}, status=429, headers={"Retry-After": "600"}), COMPLETED)
        runner = TaskRunner(store={})
        assert runner.run(sensor(MODES["reschedule"])) == CLEANER_ID
        assert (runner.reschedules, clock.slept) == (1, pytest.approx(600, abs=1))


class TestConnection:
    def test_connection_without_a_key_fails_before_deferring(
        self, mode: Mode, runner: TaskRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
        with pytest.raises(ValueError, match="no API key"):
            runner.run(sensor(mode))
        assert runner.deferrals == []

    def test_never_fail_skips_a_connection_without_a_key(
        self, mode: Mode, runner: TaskRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "campaign_cleaner", host=None, password=None)
        with pytest.raises(AirflowSkipException):
            runner.run(sensor(mode, never_fail=True))


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ({"max_failures": 0}, "max_failures"),
            ({"poke_interval": -1}, "poke_interval"),
            ({"timeout": -1}, "timeout"),
            ({"exponential_backoff": True}, "exponential_backoff"),
            ({"silent_fail": True}, "silent_fail"),
        ],
    )
    def test_invalid_argument_is_refused_when_the_dag_is_parsed(
        self, arguments: dict[str, Any], name: str
    ) -> None:
        with pytest.raises(BAD_ARGUMENT, match=name):
            sensor({}, **arguments)

    def test_timedelta_is_accepted_as_seconds(self) -> None:
        task = sensor({}, poke_interval=timedelta(seconds=5), timeout=timedelta(minutes=1))
        assert (task.poke_interval, task.timeout) == (5, 60)

    def test_rendered_id_is_checked_before_a_request(
        self, mode: Mode, runner: TaskRunner, connections: FakeServer
    ) -> None:
        task = sensor(mode, campaign_id="{{ ti.xcom_pull(task_ids='submit') }}")
        task.campaign_id = "None"
        with pytest.raises(ValueError, match="campaign_id"):
            runner.run(task)
        assert connections.requests == []


@pytest.mark.parametrize("name", ["soft_fail", "never_fail"])
def test_flag_of_airflow_takes_no_text(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be True or False"):
        CampaignCleanerCampaignSensor(task_id="wait", campaign_id="17", **{name: "False"})
