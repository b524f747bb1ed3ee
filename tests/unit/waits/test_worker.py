from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    DeadlineExceededError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.metrics import Metrics
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult
from airflow_provider_campaigns.waits.worker import poll_until, poll_with_retries
from tests.support.fake_clock import FakeClock

BUSY = ServiceUnavailableError("busy", status_code=503)
BAD_KEY = AuthenticationError("bad key", status_code=401)


class CountedMetrics(Metrics):
    """Counts instead of sending."""

    def __init__(self) -> None:
        super().__init__("instantly", "c", triggerer=False)
        self.counted: list[str] = []

    def _count(self, name: str) -> None:
        self.counted.append(name)


@pytest.fixture
def metrics() -> CountedMetrics:
    return CountedMetrics()


def polls(*results: Any) -> Callable[[], Any]:
    """Return a poll that returns or raises one result after another; the last one again and again."""
    left = list(results)

    def poll() -> Any:
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return poll


def waiting(status: str, next_poll_at: float | None = None) -> PollResult:
    return PollResult(status, is_final=False, next_poll_at=next_poll_at)


DONE = PollResult("done", is_final=True)


def polling(clock: FakeClock, seconds: float = 100, max_failures: int = 3) -> Polling:
    return Polling(10, clock.correct_now().timestamp() + seconds, max_failures)


class TestPollUntil:
    def test_final_status_on_the_first_poll_takes_no_pause(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        assert poll_until(polls(DONE), polling(clock), metrics) == "done"
        assert clock.slept == 0
        assert metrics.counted == ["polls"]

    def test_polls_are_an_interval_apart_until_a_result_is_final(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        assert poll_until(polls(waiting("a"), waiting("b"), DONE), polling(clock), metrics) == "done"
        assert clock.slept == 20
        assert metrics.counted == ["polls"] * 3

    def test_next_poll_at_postpones_the_next_poll(self, clock: FakeClock, metrics: CountedMetrics) -> None:
        later = clock.correct_now().timestamp() + 60
        poll_until(polls(waiting("a", next_poll_at=later), DONE), polling(clock), metrics)
        assert clock.slept == pytest.approx(60, abs=1)

    def test_given_pause_is_called_instead_of_sleeping(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        pauses: list[float] = []
        poll_until(polls(waiting("a"), DONE), polling(clock), metrics, pause=pauses.append)
        assert pauses == [10]
        assert clock.slept == 0

    def test_deadline_allows_a_last_poll_and_names_the_status(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        with pytest.raises(DeadlineExceededError) as raised:
            poll_until(polls(waiting("a"), waiting("b")), polling(clock, seconds=25), metrics)
        assert (raised.value.status, raised.value.error) == ("b", None)
        assert clock.slept == pytest.approx(25, abs=1)
        assert metrics.counted == ["polls"] * 4

    def test_deadline_during_failures_names_status_and_error(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        with pytest.raises(DeadlineExceededError) as raised:
            poll_until(polls(waiting("a"), BUSY), polling(clock, seconds=25, max_failures=9), metrics)
        assert (raised.value.status, raised.value.error) == ("a", BUSY)

    def test_deadline_before_any_response_names_no_status(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        with pytest.raises(DeadlineExceededError) as raised:
            poll_until(polls(BUSY), polling(clock, seconds=25, max_failures=9), metrics)
        assert (raised.value.status, raised.value.error) == (None, BUSY)

    def test_failures_are_counted_in_a_row_only(self, clock: FakeClock, metrics: CountedMetrics) -> None:
        results = (BUSY, BUSY, waiting("a"), BUSY, BUSY, DONE)
        assert poll_until(polls(*results), polling(clock), metrics) == "done"
        assert clock.slept == (10 + 20) + 10 + (10 + 20)


class TestPollWithRetries:
    def test_failed_poll_is_repeated_and_logged(
        self, clock: FakeClock, metrics: CountedMetrics, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert poll_with_retries(polls(BUSY, BUSY, "ok"), polling(clock), metrics) == "ok"
        assert clock.slept == 10 + 20
        assert metrics.counted == ["polls", "retries", "polls", "retries", "polls"]
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warnings == [
            "Poll failed (1 in a row), retrying in 10.0 s: busy",
            "Poll failed (2 in a row), retrying in 20.0 s: busy",
        ]

    def test_too_many_failures_in_a_row_raise_the_error(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        with pytest.raises(ServiceUnavailableError):
            poll_with_retries(polls(BUSY), polling(clock), metrics)
        assert metrics.counted.count("polls") == 3

    def test_final_error_is_raised_after_one_poll(self, clock: FakeClock, metrics: CountedMetrics) -> None:
        with pytest.raises(AuthenticationError):
            poll_with_retries(polls(BAD_KEY), polling(clock), metrics)
        assert metrics.counted == ["polls"]
        assert clock.slept == 0

    def test_deadline_before_a_response_names_the_error(
        self, clock: FakeClock, metrics: CountedMetrics
    ) -> None:
        with pytest.raises(DeadlineExceededError, match="busy") as raised:
            poll_with_retries(polls(BUSY), polling(clock, seconds=15, max_failures=9), metrics)
        assert (raised.value.status, raised.value.error) == (None, BUSY)
        assert clock.slept == pytest.approx(15, abs=1)

    def test_error_of_another_kind_is_not_retried(self, clock: FakeClock, metrics: CountedMetrics) -> None:
        with pytest.raises(ZeroDivisionError):
            poll_with_retries(polls(ZeroDivisionError()), polling(clock), metrics)
        assert metrics.counted == ["polls"]
