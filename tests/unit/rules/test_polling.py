"""When a wait polls again, and when it ends."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    MalformedResponseError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.rules.polling import MAX_SLEEP, MIN_SLEEP, Polling

NOW = 1_000_000.0
WAIT = Polling(interval=10, deadline=NOW + 900, max_failures=5)
BUSY = ServiceUnavailableError("busy")


@pytest.mark.parametrize(("jitter", "pause"), [(0, 10), (0.5, 9.5), (1, 9)])
def test_next_poll_is_one_interval_later_or_a_tenth_sooner(jitter: float, pause: float) -> None:
    assert WAIT.after_response(NOW, jitter=jitter) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("now", "pause"),
    [
        (NOW + 895, 5),  # the last poll is at the deadline
        (NOW + 900, None),
        (NOW + 5000, None),
    ],
)
def test_pause_never_passes_the_deadline(now: float, pause: float | None) -> None:
    assert WAIT.after_response(now, jitter=0) == pause
    assert WAIT.after_failure(BUSY, 1, now, jitter=0) == pause


@pytest.mark.parametrize(
    ("next_poll_at", "pause"),
    [
        (NOW + 200, 200),
        (NOW + 3, 10),  # never sooner than the interval
        (NOW - 50, 10),
        (NOW + 10 * MAX_SLEEP, MAX_SLEEP),
    ],
)
def test_estimate_postpones_the_next_poll(next_poll_at: float, pause: float) -> None:
    long = Polling(interval=10, deadline=NOW + 1e6)
    assert long.after_response(NOW, jitter=0, next_poll_at=next_poll_at) == pytest.approx(pause)


@pytest.mark.parametrize(("failures", "pause"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, None), (6, None)])
def test_pause_doubles_with_failures_and_five_end_the_wait(failures: int, pause: float | None) -> None:
    assert WAIT.after_failure(BUSY, failures, NOW, jitter=0) == pause


@pytest.mark.parametrize(("jitter", "pause"), [(0, 40), (0.5, 38), (1, 36)])
def test_pause_after_a_failure_is_up_to_a_tenth_shorter(jitter: float, pause: float) -> None:
    assert WAIT.after_failure(BUSY, 3, NOW, jitter=jitter) == pytest.approx(pause)


def test_failing_service_is_not_polled_more_often() -> None:
    slow = Polling(interval=1000, deadline=NOW + 1e6)
    for jitter in (0.0, 0.3, 1.0):
        for failures in range(1, 5):
            assert slow.after_failure(BUSY, failures, NOW, jitter=jitter) >= slow.after_response(
                NOW, jitter=jitter
            )


@pytest.mark.parametrize(("retry_after", "pause"), [(0.0, 10), (5.0, 10), (120.0, 120.0), (86_400.0, 900.0)])
def test_retry_after_is_obeyed_up_to_the_deadline(retry_after: float, pause: float) -> None:
    error = RateLimitedError("slow down", retry_after=retry_after)
    assert WAIT.after_failure(error, 1, NOW, jitter=0) == pytest.approx(pause)


@pytest.mark.parametrize(("jitter", "pause"), [(0, 100), (0.5, 105), (1, 110)])
def test_jitter_never_polls_before_retry_after(jitter: float, pause: float) -> None:
    error = RateLimitedError("slow down", retry_after=100.0)
    assert WAIT.after_failure(error, 1, NOW, jitter=jitter) == pytest.approx(pause)


def test_final_error_ends_the_wait_a_malformed_one_does_not() -> None:
    assert WAIT.after_failure(AuthenticationError("no"), 1, NOW, jitter=0) is None
    assert WAIT.after_failure(MalformedResponseError("?"), 1, NOW, jitter=0) == 10


@pytest.mark.parametrize("interval", [0.0, 1e-9])
def test_tiny_interval_causes_no_busy_loop(interval: float) -> None:
    tiny = Polling(interval=interval, deadline=NOW + 900)
    assert tiny.after_response(NOW, jitter=0) == MIN_SLEEP
    assert tiny.after_failure(BUSY, 1, NOW, jitter=0) == MIN_SLEEP
