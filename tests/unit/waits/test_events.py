from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, NoReturn

import pytest

from airflow_provider_campaigns.exceptions import ApiError, RateLimitedError
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from airflow_provider_campaigns.waits.events import (
    PollResult,
    WaitOutcome,
    event,
    result_of_event,
    verdict_result,
)

ERROR = RateLimitedError("slow down", status_code=429, retry_after=7.0)


TARGET = {"campaign_id": "17", "campaign_cleaner_conn_id": "c"}


class TimedOutError(Exception):
    pass


def time_out(status: Any, error: str | None) -> NoReturn:
    raise TimedOutError(status, error)


def stored(outcome: WaitOutcome, status: Any = None, error: ApiError | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(event(outcome, target=TARGET, status=status, error=error, deadline=100.0)))


class TestEvent:
    def test_event_of_a_done_wait_has_six_fields(self) -> None:
        assert stored(WaitOutcome.DONE, "completed") == {
            "target": TARGET,
            "outcome": "done",
            "status": "completed",
            "error": None,
            "deadline": 100.0,
            "failures": 0,
        }

    def test_event_of_a_failed_wait_holds_the_error(self) -> None:
        assert stored(WaitOutcome.FAILED, error=ERROR)["error"] == {
            "class": "RateLimitedError",
            "message": "slow down",
            "status_code": 429,
            "retry_after": 7.0,
        }


class TestResultOfEvent:
    def test_done_event_returns_the_status(self) -> None:
        assert result_of_event(stored(WaitOutcome.DONE, "paused"), time_out) == "paused"

    def test_failed_event_raises_the_error_of_the_poll(self) -> None:
        with pytest.raises(RateLimitedError, match="slow down") as raised:
            result_of_event(stored(WaitOutcome.FAILED, error=ERROR), time_out)
        assert (raised.value.status_code, raised.value.retry_after) == (429, 7.0)

    @pytest.mark.parametrize(
        ("status", "error", "passed"),
        [
            ("processing", None, ("processing", None)),
            (None, None, (None, None)),
            ("processing", ERROR, ("processing", "slow down")),
        ],
    )
    def test_timed_out_event_passes_status_and_error(
        self, status: str | None, error: ApiError | None, passed: tuple[Any, Any]
    ) -> None:
        with pytest.raises(TimedOutError) as raised:
            result_of_event(stored(WaitOutcome.TIMED_OUT, status, error), time_out)
        assert raised.value.args == passed

    def test_event_with_an_unknown_outcome_is_refused(self) -> None:
        with pytest.raises(ValueError, match="answered"):
            result_of_event({**stored(WaitOutcome.DONE), "outcome": "answered"}, time_out)


NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def verdict(disposition: Disposition, next_poll_at: datetime | None = None) -> Verdict:
    is_open = disposition is Disposition.OPEN
    return Verdict(is_open, disposition, "a_code", "A message.", checked_at=NOON, next_poll_at=next_poll_at)


class TestVerdictResult:
    @pytest.mark.parametrize("disposition", Disposition)
    def test_every_verdict_but_wait_ends_the_wait(self, disposition: Disposition) -> None:
        reached = verdict(disposition)
        assert verdict_result(reached) == PollResult(reached, is_final=disposition is not Disposition.WAIT)

    def test_verdict_names_the_next_poll_in_seconds(self) -> None:
        assert verdict_result(verdict(Disposition.WAIT, NOON)).next_poll_at == NOON.timestamp()
