from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    CampaignPausedError,
    ServiceUnavailableError,
    UnknownStatusError,
)
from airflow_provider_campaigns.metrics import Metrics
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import CampaignRule
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.tasks.waiting import Wait
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome, event
from tests.support.fake_clock import FakeClock

BUSY = ServiceUnavailableError("The service is busy.", status_code=503)


def wait_for(*results: Any, timeout: float = 100) -> Wait:
    """Return a wait that fetches one status or error after another; the last one again and again."""
    left = list(results)

    def fetch() -> str | None:
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return Wait(
        subject="Campaign 17",
        goal="completed",
        rule=CampaignRule("17", "fail"),
        fetch=fetch,
        polling=Polling(10, time.time() + timeout, max_failures=9),
        timeout=timeout,
        advice="Raise the timeout.",
        metrics=Metrics("campaign_cleaner", "c", triggerer=False),
    )


TARGET = {"campaign_id": "17", "campaign_cleaner_conn_id": "c"}


def ended(outcome: WaitOutcome, status: str | None, error: Any = None) -> dict[str, Any]:
    return event(outcome, target=TARGET, status=status, error=error, deadline=100.0)


class TestRun:
    def test_wanted_status_is_returned(self, clock: FakeClock) -> None:
        assert wait_for("processing", BUSY, "completed").run() == "completed"
        assert clock.slept == 20

    @pytest.mark.parametrize(
        ("status", "error"), [("paused", CampaignPausedError), ("exploded", UnknownStatusError)]
    )
    def test_bad_status_raises(self, clock: FakeClock, status: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            wait_for("processing", status).run()

    def test_final_error_of_a_poll_raises(self, clock: FakeClock) -> None:
        with pytest.raises(AuthenticationError):
            wait_for("processing", AuthenticationError("bad key")).run()

    def test_given_pause_replaces_sleeping(self, clock: FakeClock) -> None:
        pauses: list[float] = []
        assert wait_for("processing", "completed").run(pauses.append) == "completed"
        assert (pauses, clock.slept) == ([10], 0)


class TestPoll:
    @pytest.mark.parametrize(
        ("status", "is_final"), [("processing", False), ("completed", True), ("exploded", True)]
    )
    def test_poll_returns_the_status(self, clock: FakeClock, status: str, is_final: bool) -> None:
        assert wait_for(status).poll() == PollResult(status, is_final)

    def test_poll_survives_a_failure(self, clock: FakeClock) -> None:
        assert wait_for(BUSY, "processing").poll().status == "processing"


End = Callable[[Wait], Any]
ENDS: dict[str, End] = {
    "on a worker": lambda wait: wait.run(),
    "in the triggerer": lambda wait: wait.result_of(ended(WaitOutcome.TIMED_OUT, "processing")),
}
ENDS_WITH_AN_ERROR: dict[str, End] = {
    "on a worker": lambda wait: wait.run(),
    "in one poll": lambda wait: wait.poll(),
    "in the triggerer": lambda wait: wait.result_of(ended(WaitOutcome.TIMED_OUT, None, BUSY)),
}


class TestTimeout:
    """A timeout has one message, wherever the wait was."""

    @pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
    def test_message_names_status_and_advice(self, clock: FakeClock, end: End) -> None:
        with pytest.raises(AirflowSensorTimeout) as raised:
            end(wait_for("processing", timeout=20.5))
        assert str(raised.value) == (
            "Campaign 17 was not completed within 20.5 s. Last status: processing. Raise the timeout."
        )

    @pytest.mark.parametrize("end", ENDS_WITH_AN_ERROR.values(), ids=ENDS_WITH_AN_ERROR)
    def test_message_names_the_error_of_the_last_poll(self, clock: FakeClock, end: End) -> None:
        with pytest.raises(AirflowSensorTimeout) as raised:
            end(wait_for(BUSY, timeout=20))
        assert str(raised.value) == (
            "Campaign 17 was not completed within 20 s. Last status: unknown. "
            "The last poll failed: The service is busy. Raise the timeout."
        )


class TestResultOf:
    def test_wanted_status_is_returned(self, clock: FakeClock) -> None:
        assert wait_for(None).result_of(ended(WaitOutcome.DONE, "completed")) == "completed"

    def test_bad_status_raises(self, clock: FakeClock) -> None:
        with pytest.raises(CampaignPausedError):
            wait_for(None).result_of(ended(WaitOutcome.DONE, "paused"))

    def test_error_of_a_failed_wait_is_raised(self, clock: FakeClock) -> None:
        with pytest.raises(ServiceUnavailableError, match="busy"):
            wait_for(None).result_of(ended(WaitOutcome.FAILED, None, BUSY))
