from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_campaigns.exceptions import NotFoundError, ServiceUnavailableError
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.tasks.deferral import (
    DEFERRAL_GRACE,
    MIN_DEFERRAL_SECONDS,
    deferral_errors,
    deferring_pause,
)
from airflow_provider_campaigns.tasks.gate import SendGateTimeoutError
from tests.support.airflow_versions import DEFERRAL_TIMEOUT_MESSAGE, first_of
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID, OTHER_UUID, UUID, campaign_status, sending_status

TASK = CampaignCleanerCampaignSensor(task_id="wait", campaign_id="a")
TaskDeferralError: Any = first_of(
    "airflow.sdk.exceptions.TaskDeferralError", "airflow.exceptions.TaskDeferralError"
)
TaskDeferralTimeout: Any = first_of(
    "airflow.sdk.exceptions.TaskDeferralTimeout", "airflow.exceptions.TaskDeferralTimeout"
)


class TestDeferringPause:
    def pause(self, seconds: float, *, left: float) -> None:
        """Pause a wait that has some seconds left until its deadline."""
        deferring_pause(TASK, TASK.trigger, Polling(10, time.time() + left))(seconds)

    def test_pause_defers_until_the_next_poll(self, clock: FakeClock) -> None:
        before = time.time()
        with pytest.raises(TaskDeferred) as deferred:
            self.pause(10, left=100)
        assert deferred.value.trigger.first_poll_at == pytest.approx(before + 10, abs=1)
        assert deferred.value.method_name == "execute_complete"
        assert clock.slept == 0

    def test_airflow_timeout_comes_after_the_deadline(self, clock: FakeClock) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            self.pause(10, left=100)
        assert deferred.value.timeout.total_seconds() == pytest.approx(100 + DEFERRAL_GRACE, abs=1)

    def test_short_pause_is_prolonged(self, clock: FakeClock) -> None:
        before = time.time()
        with pytest.raises(TaskDeferred) as deferred:
            self.pause(0.1, left=100)
        first_poll_at = deferred.value.trigger.first_poll_at
        assert before + MIN_DEFERRAL_SECONDS <= first_poll_at < before + MIN_DEFERRAL_SECONDS + 1

    @pytest.mark.parametrize("left", [0.9, 0.0, -5.0])
    def test_pause_close_to_the_deadline_sleeps(self, clock: FakeClock, left: float) -> None:
        self.pause(0.5, left=left)
        assert clock.slept == 0.5


class TestDeferralErrors:
    @pytest.fixture
    def ends(self) -> list[str]:
        return []

    def test_block_without_an_error_counts_nothing(self, ends: list[str]) -> None:
        with deferral_errors("Campaign 17", count_end=ends.append):
            pass
        assert ends == []

    def test_timed_out_deferral_is_a_sensor_timeout(self, ends: list[str]) -> None:
        timeout = (TaskDeferralTimeout or TaskDeferralError)(DEFERRAL_TIMEOUT_MESSAGE)
        with (
            pytest.raises(AirflowSensorTimeout, match=r"Campaign 17: .*Is a triggerer running\?") as raised,
            deferral_errors("Campaign 17", count_end=ends.append),
        ):
            raise timeout
        assert raised.value.__cause__ is timeout
        assert ends == ["timed_out"]

    def test_timeout_error_of_the_caller_is_raised(self, ends: list[str]) -> None:
        with (
            pytest.raises(SendGateTimeoutError),
            deferral_errors("Gate", count_end=ends.append, timeout_error=SendGateTimeoutError),
        ):
            raise (TaskDeferralTimeout or TaskDeferralError)(DEFERRAL_TIMEOUT_MESSAGE)

    def test_failed_trigger_is_counted_and_raised(self, ends: list[str]) -> None:
        with (
            pytest.raises(TaskDeferralError, match="Trigger failure"),
            deferral_errors("Campaign 17", count_end=ends.append),
        ):
            raise TaskDeferralError("Trigger failure")
        assert ends == ["failed"]

    @pytest.mark.parametrize("error", [ValueError("bad"), AirflowSensorTimeout("over")])
    def test_other_error_is_raised_and_not_counted(self, ends: list[str], error: Exception) -> None:
        with pytest.raises(type(error)), deferral_errors("Campaign 17", count_end=ends.append):
            raise error
        assert ends == []


BUSY = Reply({}, status=503)
WAITS: dict[str, tuple[Any, dict[str, Any], list[Any]]] = {
    "campaign sensor": (
        CampaignCleanerCampaignSensor,
        {"campaign_id": CLEANER_ID},
        [campaign_status("processing"), campaign_status("completed")],
    ),
    "inbox test sensor": (
        CampaignCleanerInboxTestSensor,
        {"job_id": CLEANER_ID, "timeout": 900},
        [{"status": "Processing"}, {"status": "Completed"}],
    ),
    "background job sensor": (
        InstantlyBackgroundJobSensor,
        {"job_id": UUID},
        [
            {"id": UUID, "type": "move-leads", "status": status, "data": {}}
            for status in ("in-progress", "success")
        ],
    ),
    "get": (
        CampaignCleanerGetCampaignOperator,
        {"campaign_id": CLEANER_ID, "wait_for_completion": True, "output_path": "first.html"},
        [
            campaign_status("processing"),
            campaign_status("completed"),
            {"campaign": {"campaign_html": "<p>Hi</p>"}},
        ],
    ),
    "gate": (
        InstantlySendGateOperator,
        {"campaign_id": UUID, "wait_timeout": 900, "policy": {"waiting_for_leads": "open"}},
        [sending_status("daily_limit_met"), sending_status("waiting_for_leads")],
    ),
    "activation": (
        InstantlyActivateCampaignOperator,
        {"campaign_id": UUID, "wait_timeout": 900},
        [{"status": 1}, sending_status("campaign_draft"), sending_status("healthy"), {"status": 1}],
    ),
}


class TestFailedPoll:
    """A poll that fails on a worker does not keep the worker: the task waits in the triggerer."""

    @pytest.mark.parametrize("name", WAITS)
    def test_wait_goes_on_in_the_triggerer(
        self, connections: FakeServer, clock: FakeClock, tmp_path: Path, name: str
    ) -> None:
        task_class, arguments, replies = WAITS[name]
        if "output_path" in arguments:
            arguments = {**arguments, "output_path": str(tmp_path / "first.html")}
        before_wait = replies[: name == "activation"]  # it reads the campaign first
        busy = Reply({}, status=429, headers={"Retry-After": "600"})
        connections.respond(*before_wait, busy, *replies[len(before_wait) :])
        slept: list[float] = []
        task = task_class(task_id="wait", deferrable=True, **arguments)
        TaskRunner(before_trigger=lambda: slept.append(clock.slept)).run(task)
        assert slept == [0]
        assert clock.slept == pytest.approx(600 + task.poke_interval, abs=2)

    @pytest.mark.parametrize("max_failures", [2, 5])
    def test_failures_on_worker_and_in_triggerer_are_one_row(
        self, connections: FakeServer, clock: FakeClock, max_failures: int
    ) -> None:
        connections.respond(BUSY)
        task = CampaignCleanerCampaignSensor(
            task_id="wait", campaign_id=CLEANER_ID, deferrable=True, max_failures=max_failures
        )
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(task)
        assert len(connections.requests) == max_failures
        assert clock.slept == pytest.approx(sum(10 * 2**n for n in range(max_failures - 1)), abs=1)

    def test_final_error_of_the_first_poll_is_raised(self, connections: FakeServer, clock: FakeClock) -> None:
        connections.respond(Reply({}, status=404))
        runner = TaskRunner()
        with pytest.raises(NotFoundError):
            runner.run(CampaignCleanerCampaignSensor(task_id="wait", campaign_id=CLEANER_ID, deferrable=True))
        assert (len(connections.requests), runner.deferrals) == (1, [])

    def test_gate_that_only_the_triggerer_can_poll_fails(
        self, connections: FakeServer, clock: FakeClock
    ) -> None:
        """As with a proxy that the workers do not have."""
        healthy = sending_status("healthy")
        connections.respond(BUSY, healthy, BUSY, healthy, BUSY)
        gate = InstantlySendGateOperator(
            task_id="gate", campaign_id=UUID, deferrable=True, wait_timeout=86_400, max_failures=3
        )
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(gate)
        assert len(connections.requests) == 3 + 2


class TestResumedTask:
    """Airflow renders the templates of a resumed task again."""

    @pytest.mark.parametrize("name", WAITS)
    def test_task_resumes_with_the_arguments_of_its_wait(
        self, connections: FakeServer, clock: FakeClock, tmp_path: Path, name: str
    ) -> None:
        task_class, arguments, replies = WAITS[name]
        if "output_path" in arguments:
            arguments = {**arguments, "output_path": str(tmp_path / "first.html")}
        connections.respond(*replies)
        task = task_class(task_id="wait", deferrable=True, **arguments)
        others = {"output_path": str(tmp_path / "other.html"), "policy": None, "wait_timeout": 1.0}

        def render_again() -> None:
            vars(task).pop("_hook", None)
            for field in task.template_fields:
                if field.endswith("_id"):
                    setattr(task, field, OTHER_UUID if "conn" not in field else "another_connection")
            for field, value in others.items():
                if field in task.template_fields:
                    setattr(task, field, value)

        runner = TaskRunner(before_trigger=render_again)
        result = runner.run(task)
        assert len(runner.deferrals) == 1
        assert OTHER_UUID not in f"{result}"
        assert not [each for each in connections.requests if OTHER_UUID in f"{each.path}{each.body!r}"]
        assert [path.name for path in tmp_path.iterdir()] == ["first.html"] * ("output_path" in arguments)
