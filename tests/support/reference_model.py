"""The reference model: what the documentation guarantees of a wait, as a small state machine.

It is written from ``docs/develop/guarantees.md`` and the pages that it names, not from the code. Nothing here
imports the package, sends a request, sleeps or reads a clock.
:mod:`tests.support.gate_model` is the decision of a gate. :mod:`tests.support.checked_tasks` and
:mod:`tests.support.checked_gate` compare sensors and gates with both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.support.gate_model import CLOSED, MAY_OPEN, OPENED, WAITING

NEVER = math.inf
TOLERANCE = 1e-3  # for clocks and floating point

DONE = "done"
PAUSED, UNKNOWN = "CampaignPausedError", "UnknownStatusError"
TIMED_OUT = "timed out"
# What a trigger's event may say of a status. A gate that may open polls again on a worker.
FINAL_STATUSES = {DONE, OPENED, MAY_OPEN, CLOSED, PAUSED, UNKNOWN}

# Of the connections in the model.
REQUEST_TIMEOUT = 4.3
# Airflow's own timeout of a deferral comes this many seconds after the deadline.
DEFERRAL_GRACE = 60.0
# A trigger polls at the earliest this many seconds after the deferral.
MIN_DEFERRAL = 1.0
# A trigger still accepts a response this many seconds after the deadline.
LAST_POLL = 1.0
# How late a poll in the triggerer may be, so that several requests leave together.
MAX_DELAY = 0.06


def outcome_of_status(status: str, *, paused: str) -> str:
    """Return what a status of Campaign Cleaner means for a sensor."""
    known = {"processing": WAITING, "completed": DONE, "paused": WAITING if paused == "wait" else PAUSED}
    return known.get(status, UNKNOWN)


@dataclass
class WaitModel:
    """The guarantees of one wait.

    All times are wall clock times, in seconds.

    :param max_failures: how many failed polls in a row end the wait.
    :ivar expected: what the wait must be now: ``WAITING``, or one of the outcomes.
    :ivar earliest: the next poll happens at this time or later, and at ``latest`` or earlier.
    :ivar ends_by: a trigger ends the wait at this time at the latest.
    :ivar failures_before: how many polls in a row had failed on a worker when the wait was deferred.
    """

    interval: float
    deadline: float
    max_failures: int
    expected: str = WAITING
    failures: int = 0
    earliest: float = 0.0
    latest: float = 0.0
    ends_by: float = NEVER
    failures_before: int = 0

    def start(self, now: float) -> None:
        """Start, or go on, in a new process: it may poll at once."""
        self.expected, self.failures, self.ends_by = WAITING, self.failures_before, NEVER
        self.earliest, self.latest = now, max(now, 0.0 if self.latest == NEVER else self.latest)

    def start_in_triggerer(self, now: float) -> None:
        """Go on in a triggerer."""
        self.start(now)
        self.ends_by = self.deadline + LAST_POLL if now < self.deadline else now + REQUEST_TIMEOUT

    def defer(self, now: float) -> None:
        """Go on in a triggerer after a poll on a worker: its pause and its failures still count."""
        self.failures_before = self.failures
        earliest, latest = self.earliest, self.latest
        self.start_in_triggerer(now)
        self.earliest, self.latest = max(earliest, now + MIN_DEFERRAL), max(latest, now + MIN_DEFERRAL)

    def on_poll(self, now: float) -> None:
        assert self.expected == WAITING, f"a poll after the end of the wait: {self.expected}"
        assert now >= self.earliest - TOLERANCE, f"a poll {self.earliest - now} s too early"
        self.earliest = self.latest = NEVER  # until the result of the poll

    def on_response(self, outcome: str, now: float, *, next_poll_at: float = 0.0) -> None:
        """Handle a response.

        :param outcome: what it means for the wait.
        :param next_poll_at: when polling again is worthwhile according to it.
        """
        self.failures, self.expected = 0, outcome
        pause = min(next_poll_at - now, 3600.0)
        self._plan_poll(now, max(0.9 * self.interval, pause), max(self.interval, pause))

    def on_first_part(self, now: float) -> None:
        """Handle the first response of a poll with two requests: the second one follows at once."""
        self.earliest = self.latest = now

    def on_failure(self, error: str, now: float, *, final: bool, retry_after: float = 0.0) -> None:
        """Handle a failed poll.

        :param error: the class of the error.
        """
        self.failures += 1
        if final or self.failures >= self.max_failures:
            self.expected = error
        pause = min(self.interval * 2 ** (self.failures - 1), max(self.interval, 300.0))
        self._plan_poll(now, max(0.9 * pause, retry_after), max(pause, 1.1 * retry_after))
        if self.ends_by < NEVER:  # in a triggerer, a Retry-After holds for all polls
            self.latest = max(self.latest, now + min(retry_after, 300.0))

    def _plan_poll(self, now: float, shortest: float, longest: float) -> None:
        left = self.deadline - now
        if left < -TOLERANCE and self.expected == WAITING:
            self.expected = TIMED_OUT
        self.earliest, self.latest = (now + min(max(pause, 0.1), left) for pause in (shortest, longest))

    def may_end(self, outcome: str, now: float) -> bool:
        """Return whether the wait may end now with an outcome."""
        past_deadline = self.expected == WAITING and now >= self.deadline - TOLERANCE
        by_timer = now >= self.ends_by - TOLERANCE
        return outcome == self.expected or (outcome == TIMED_OUT and (past_deadline or by_timer))

    def violation(self, now: float, *, max_delay: float) -> str | None:
        """Return what is wrong with a wait that goes on; None where nothing is.

        :param max_delay: how late a poll may be.
        """
        if self.expected != WAITING:
            return f"goes on, but must be: {self.expected}"
        if now > self.ends_by + TOLERANCE:
            return "was not ended by the trigger's timer"
        return None if now <= self.latest + max_delay + TOLERANCE else f"polls {now - self.latest} s too late"


class SinglePollModel(WaitModel):
    """The guarantees of a gate without a wait: each request of its one poll is sent up to five times."""

    def on_first_part(self, now: float) -> None:
        self.failures = 0
        super().on_first_part(now)

    def on_failure(self, error: str, now: float, *, final: bool, retry_after: float = 0.0) -> None:
        self.failures += 1
        if final or self.failures >= 5 or retry_after > 60:
            self.expected = error
        pause = 2.0 ** (self.failures - 1)
        self.earliest, self.latest = now + max(pause / 2, retry_after), now + max(pause, retry_after)
