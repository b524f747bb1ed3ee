from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import ApiError, AuthenticationError, ServiceUnavailableError
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome
from airflow_provider_campaigns.waits.subscription import Subscription

NOW = 1000.0
BUSY = ServiceUnavailableError("busy", status_code=503)
BAD_KEY = AuthenticationError("bad key", status_code=401)


class Wait:
    """A subscription whose wait ends with the status ``done``, and how often it has called ``on_end``."""

    def __init__(self, *, interval: float = 10, deadline: float = NOW + 100, max_failures: int = 3) -> None:
        self.ends = 0
        self.subscription: Subscription[str] = Subscription(
            key="a",
            polling=Polling(interval, deadline, max_failures),
            judge=lambda status: PollResult(status, is_final=status == "done"),
            on_end=self._count_end,
        )

    def _count_end(self) -> None:
        self.ends += 1

    def responds(self, status: Any, *, now: float = NOW, jitter: float = 0.0) -> float:
        return self.subscription.on_result(status, failed=False, now=now, jitter=jitter)

    def fails(self, error: ApiError = BUSY, *, now: float = NOW) -> float:
        return self.subscription.on_result(error, failed=True, now=now, jitter=0.0)


@pytest.fixture
def wait() -> Wait:
    return Wait()


class TestResponse:
    @pytest.mark.parametrize(("jitter", "pause"), [(0.0, 10.0), (1.0, 9.0)])
    def test_response_that_is_not_final_continues(self, wait: Wait, jitter: float, pause: float) -> None:
        assert wait.responds("busy", jitter=jitter) == pytest.approx(pause)
        assert not wait.subscription.has_ended
        assert (wait.subscription.status, wait.ends) == ("busy", 0)

    def test_final_response_ends_the_wait(self, wait: Wait) -> None:
        assert wait.responds("done") == math.inf
        assert wait.subscription.outcome is WaitOutcome.DONE
        assert (wait.subscription.status, wait.ends) == ("done", 1)

    def test_next_poll_at_of_the_result_postpones_the_poll(self, wait: Wait) -> None:
        wait.subscription.judge = lambda status: PollResult(status, is_final=False, next_poll_at=NOW + 42)
        assert wait.responds("busy") == 42

    def test_pause_ends_at_the_deadline(self, wait: Wait) -> None:
        assert wait.responds("busy", now=NOW + 96) == 4

    def test_response_after_the_deadline_times_out(self, wait: Wait) -> None:
        assert wait.responds("busy", now=NOW + 100) == math.inf
        assert wait.subscription.outcome is WaitOutcome.TIMED_OUT
        assert (wait.subscription.status, wait.ends) == ("busy", 1)

    def test_final_response_after_the_deadline_counts(self, wait: Wait) -> None:
        wait.responds("done", now=NOW + 100)
        assert wait.subscription.outcome is WaitOutcome.DONE

    def test_error_that_is_a_response_is_judged(self, wait: Wait) -> None:
        wait.subscription.judge = lambda response: PollResult(type(response).__name__, is_final=False)
        assert wait.responds(BUSY) == 10
        assert (wait.subscription.failures, wait.subscription.status) == (0, "ServiceUnavailableError")


class TestFailure:
    def test_pause_doubles_with_each_failure_in_a_row(self, wait: Wait) -> None:
        assert [wait.fails(), wait.fails()] == [10, 20]
        assert wait.subscription.error is BUSY
        assert not wait.subscription.has_ended

    def test_too_many_failures_in_a_row_fail_the_wait(self, wait: Wait) -> None:
        assert [wait.fails(), wait.fails(), wait.fails()] == [10, 20, math.inf]
        assert wait.subscription.outcome is WaitOutcome.FAILED
        assert (wait.subscription.error, wait.ends) == (BUSY, 1)

    def test_response_resets_failures_and_error(self, wait: Wait) -> None:
        wait.fails()
        wait.fails()
        wait.responds("busy")
        assert (wait.subscription.failures, wait.subscription.error) == (0, None)
        assert wait.fails() == 10

    def test_final_error_fails_the_wait_at_once(self, wait: Wait) -> None:
        assert wait.fails(BAD_KEY) == math.inf
        assert wait.subscription.outcome is WaitOutcome.FAILED

    def test_failure_after_the_deadline_times_out(self, wait: Wait) -> None:
        wait.responds("busy")
        assert wait.fails(now=NOW + 100) == math.inf
        assert wait.subscription.outcome is WaitOutcome.TIMED_OUT
        assert (wait.subscription.status, wait.subscription.error) == ("busy", BUSY)

    def test_retry_after_is_a_lower_bound(self, wait: Wait) -> None:
        assert wait.fails(ServiceUnavailableError("busy", retry_after=50.0)) == 50


class TestEnd:
    def test_expired_wait_timed_out(self, wait: Wait) -> None:
        wait.responds("busy")
        wait.subscription.expire()
        assert wait.subscription.has_ended
        assert wait.subscription.outcome is WaitOutcome.TIMED_OUT
        assert (wait.subscription.status, wait.ends) == ("busy", 1)

    def test_aborted_wait_keeps_class_and_message_of_the_error(self, wait: Wait) -> None:
        wait.subscription.abort(StopIteration("unforeseen"))
        assert wait.subscription.has_ended
        assert wait.subscription.outcome is None
        assert type(wait.subscription.broken) is RuntimeError
        assert str(wait.subscription.broken) == "StopIteration: unforeseen"
        assert wait.ends == 1

    def test_judge_that_raises_aborts_the_wait(self, wait: Wait) -> None:
        wait.subscription.judge = lambda _: 1 / 0  # type: ignore[assignment, return-value]
        assert wait.responds("busy") == math.inf
        assert str(wait.subscription.broken).startswith("ZeroDivisionError")

    def test_ended_wait_ignores_everything_after(self, wait: Wait) -> None:
        wait.responds("done")
        assert wait.responds("busy") == wait.fails(BAD_KEY) == math.inf
        wait.subscription.expire()
        wait.subscription.abort(ValueError("too late"))
        assert wait.subscription.outcome is WaitOutcome.DONE
        assert (wait.subscription.status, wait.subscription.error, wait.subscription.broken) == (
            "done",
            None,
            None,
        )
        assert wait.ends == 1

    def test_aborted_wait_ignores_everything_after(self, wait: Wait) -> None:
        wait.subscription.abort(ValueError("unforeseen"))
        assert wait.responds("done") == math.inf
        wait.subscription.expire()
        assert wait.subscription.outcome is None
        assert wait.ends == 1

    def test_wait_without_on_end_ends_too(self, wait: Wait) -> None:
        wait.subscription.on_end = None
        wait.subscription.expire()
        assert wait.subscription.has_ended
