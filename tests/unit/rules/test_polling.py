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
def test_the_next_look_comes_an_interval_later_or_up_to_a_tenth_sooner(jitter: float, pause: float) -> None:
    assert WAIT.after_response(NOW, jitter=jitter) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("now", "pause"),
    [
        (NOW + 895, 5),  # the last look is taken at the deadline
        (NOW + 900, None),
        (NOW + 5000, None),
    ],
)
def test_no_sleep_goes_past_the_deadline(now: float, pause: float | None) -> None:
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
def test_an_estimate_moves_the_next_look(next_poll_at: float, pause: float) -> None:
    patient = Polling(interval=10, deadline=NOW + 1e6)
    assert patient.after_response(NOW, jitter=0, next_poll_at=next_poll_at) == pytest.approx(pause)


@pytest.mark.parametrize(("failures", "pause"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, None), (6, None)])
def test_a_failing_service_is_looked_at_less_and_less_and_five_failures_end_it(
    failures: int, pause: float | None
) -> None:
    assert WAIT.after_failure(BUSY, failures, NOW, jitter=0) == pause


def test_a_failing_service_is_never_looked_at_more_often_than_a_working_one() -> None:
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


def test_a_final_error_ends_the_wait_at_once_and_an_unreadable_answer_does_not() -> None:
    assert WAIT.after_failure(AuthenticationError("no"), 1, NOW, jitter=0) is None
    assert WAIT.after_failure(MalformedResponseError("?"), 1, NOW, jitter=0) == 10


@pytest.mark.parametrize("interval", [0.0, 1e-9])
def test_no_interval_makes_a_loop_hot(interval: float) -> None:
    hot = Polling(interval=interval, deadline=NOW + 900)
    assert hot.after_response(NOW, jitter=0) == MIN_SLEEP
    assert hot.after_failure(BUSY, 1, NOW, jitter=0) == MIN_SLEEP
