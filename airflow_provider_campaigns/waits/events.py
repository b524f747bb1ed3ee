"""How a wait ends, and the event with which a trigger reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from airflow_provider_campaigns.exceptions import ApiError

if TYPE_CHECKING:
    from airflow_provider_campaigns.rules.send_gate import Verdict


class WaitOutcome(str, Enum):
    """How a wait ended."""

    DONE = "done"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


class PollResult(NamedTuple):
    """What one poll means for a wait.

    :param status: the status, or the verdict on it.
    :param is_final: whether it ends the wait.
    :param next_poll_at: when polling again is worthwhile, in seconds since the epoch; None where unknown.
    """

    status: Any
    is_final: bool
    next_poll_at: float | None = None


def event(
    outcome: WaitOutcome,
    *,
    target: Mapping[str, Any],
    status: Any,
    error: ApiError | None,
    deadline: float | None,
    failures: int = 0,
) -> dict[str, Any]:
    """Return the payload of a trigger's event: small, and plain JSON.

    :param target: what the wait was about: the ids and the connection id, by the names of the task's
        arguments.
    :param status: the status of the last successful poll.
    :param error: the error of the last poll, if it failed.
    :param deadline: the deadline of the wait, for a task that waits on.
    :param failures: how many polls of that task had failed in a row before, likewise.
    """
    return {
        "target": dict(target),
        "outcome": outcome.value,
        "status": status,
        "error": error.as_dict() if error else None,
        "deadline": deadline,
        "failures": failures,
    }


def result_of_event(payload: Mapping[str, Any], time_out: Callable[[Any, str | None], NoReturn]) -> Any:
    """Return the status with which a wait ended.

    :param payload: the payload of a trigger's event.
    :param time_out: raises the error of a timeout, given the last status and the message of the last error.
    :raises ApiError: the wait failed.
    """
    outcome = WaitOutcome(payload["outcome"])
    if outcome is WaitOutcome.FAILED:
        raise ApiError.from_dict(payload["error"])
    if outcome is WaitOutcome.TIMED_OUT:
        time_out(payload["status"], (payload["error"] or {}).get("message"))
    return payload["status"]


def verdict_result(verdict: Verdict) -> PollResult:
    """Return what a verdict means for the wait of a gate."""
    return PollResult(
        verdict,
        is_final=not verdict.keeps_waiting,
        next_poll_at=verdict.next_poll_at.timestamp() if verdict.next_poll_at else None,
    )
