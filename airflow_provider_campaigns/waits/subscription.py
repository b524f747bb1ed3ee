"""What a shared poller fetches, and the waits for it, as plain state without an event loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome

T = TypeVar("T")

# The key of a subscription that gets each list as a whole; no object has an empty id.
ALL = ""


@dataclass(frozen=True)
class StatusQuery(Generic[T]):
    """A kind of status query.

    :param kind: its name, in logs and to distinguish it from other kinds.
    :param fetch_one: returns the call that fetches one target.
    :param fetch_all: returns the call that fetches all targets, by id in lower case, where the service has
        one.
    :param fetch_details: returns a call like ``fetch_all``, whose response subscriptions to :data:`ALL` get.
    :param expected_errors: errors that count as a response.
    """

    kind: str
    fetch_one: Callable[[str], Call[T]]
    fetch_all: Callable[[], Call[Mapping[str, T]]] | None = None
    fetch_details: Callable[[], Call[Mapping[str, T]]] | None = None
    expected_errors: tuple[type[ApiError], ...] = ()

    def is_failure(self, result: T | ApiError) -> bool:
        """Return whether a poll failed: an error that is not an expected response."""
        return isinstance(result, ApiError) and not isinstance(result, self.expected_errors)


@dataclass(eq=False, slots=True)
class Subscription(Generic[T]):
    """One wait for one target.

    :param key: the id of the target.
    :param polling: the interval, the deadline and how many failures the wait survives.
    :param judge: returns what a response means for this wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :ivar due: when to poll next, on the clock of the poller.
    :ivar requests_before: how many requests the poller had sent when the wait began.
    :ivar status: the status of the last successful poll.
    :ivar error: the error of the last poll, if it failed.
    :ivar outcome: how the wait ended; None while it goes on.
    :ivar broken: the error of this provider that ended the wait, if one did.
    :ivar on_end: called once, when the wait ends.
    """

    key: str
    polling: Polling
    judge: Callable[[T | ApiError], PollResult]
    first_poll_at: float | None = None
    due: float = 0.0
    requests_before: int = 0
    failures: int = 0
    status: Any = None
    error: ApiError | None = None
    outcome: WaitOutcome | None = None
    broken: RuntimeError | None = None
    on_end: Callable[[], None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the wait has ended."""
        return self.outcome is not None or self.broken is not None

    def on_result(self, result: T | ApiError, *, failed: bool, now: float, jitter: float) -> float:
        """Handle the result of a poll.

        :param failed: whether the poll failed; an error may also be an expected response.
        :param now: seconds since the epoch.
        :param jitter: a random number from 0 to 1.
        :returns: seconds until the next poll; infinity where the wait has ended.
        """
        if self.has_ended:
            return math.inf
        try:
            pause = (
                self._pause_after(result, now, jitter)
                if not failed
                else self._pause_after_failure(result, now, jitter)
            )
        except Exception as error:  # noqa: BLE001 - the task that waits has to see it
            self.abort(error)
            return math.inf
        return pause

    def abort(self, error: BaseException) -> None:
        """End the wait because of an error in this provider."""
        if not self.has_ended:
            # Wrapped, because a coroutine cannot raise a StopIteration.
            self.broken = RuntimeError(f"{type(error).__name__}: {error}")
            self._call_on_end()

    def expire(self) -> None:
        """End the wait because it timed out."""
        self._end(WaitOutcome.TIMED_OUT)

    def _pause_after(self, response: Any, now: float, jitter: float) -> float:
        result = self.judge(response)
        self.failures, self.error, self.status = 0, None, result.status
        if result.is_final:
            return self._end(WaitOutcome.DONE)
        pause = self.polling.after_response(now, jitter=jitter, next_poll_at=result.next_poll_at)
        return self._end(WaitOutcome.TIMED_OUT) if pause is None else pause

    def _pause_after_failure(self, error: Any, now: float, jitter: float) -> float:
        self.failures += 1
        self.error = error
        pause = self.polling.after_failure(error, self.failures, now, jitter=jitter)
        if pause is None:
            fatal = self.polling.is_fatal(error, self.failures)
            return self._end(WaitOutcome.FAILED if fatal else WaitOutcome.TIMED_OUT)
        return pause

    def _end(self, outcome: WaitOutcome) -> float:
        if not self.has_ended:
            self.outcome = outcome
            self._call_on_end()
        return math.inf

    def _call_on_end(self) -> None:
        if self.on_end is not None:
            self.on_end()


@dataclass(eq=False, slots=True)
class Target(Generic[T]):
    """An object that is waited for, with all its waits; or all objects, with those who follow the list."""

    key: str
    subscriptions: set[Subscription[T]] = field(default_factory=set)
    call: Call[T] | None = None
    in_flight: bool = False
    missing_from_list: bool = False
