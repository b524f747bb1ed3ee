"""When to look again, and when to give up.

The rules of this room, which every wait of this provider follows, on a worker and in the triggerer alike:

- A wait has one deadline, an instant on the wall clock that is fixed when the wait starts and travels with
  it: whoever goes on with the wait, in whatever process, ends it at the same moment.
- After an answer, the next look comes one interval later, or up to a tenth sooner, so that waits that
  started together drift apart. An answer that names a better moment is believed up to
  :data:`LONGEST_SLEEP`.
- A failing service is looked at less often than a working one, never more: the interval doubles with each
  failure in a row, and what the service asks for (``Retry-After``) is a lower bound.
- A final error ends the wait at once, ``max_failures`` others in a row end it too.
- No sleep goes past the deadline: the last look is taken there. And every turn sleeps, so no fault of a
  service or of the arguments makes a loop hot.

Nothing here sleeps, asks a service or reads a clock: the caller says what happened and what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.exceptions import ApiError

MAX_FAILURES = 5
SHORTEST_SLEEP = 0.1
LONGEST_BACKOFF = 300.0
LONGEST_SLEEP = 3600.0
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Polling:
    """The rhythm of one wait.

    :param interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failures in a row end the wait.
    """

    interval: float
    deadline: float
    max_failures: int = MAX_FAILURES

    def is_over(self, now: float) -> bool:
        """Tell whether the deadline has passed."""
        return now >= self.deadline

    def after_answer(self, now: float, *, spread: float, next_look: float | None = None) -> float | None:
        """Say how long to sleep after an answer that does not end the wait.

        :param now: seconds since the epoch.
        :param spread: a random number from 0 to 1; 0 is the whole interval, 1 a tenth less.
        :param next_look: when looking again is worth while, as the answer says, in seconds since the epoch.
        :returns: seconds; None when time is up.
        """
        pause = self.interval * _jitter(spread)
        if next_look is not None:
            pause = max(pause, min(next_look - now, LONGEST_SLEEP))
        return self._within_deadline(pause, now)

    def is_fatal(self, error: ApiError, failures: int) -> bool:
        """Tell whether a failure ends the wait, however much time is left.

        :param failures: how many looks have failed in a row, this one included.
        """
        return error.final or failures >= self.max_failures

    def after_failure(self, error: ApiError, failures: int, now: float, *, spread: float) -> float | None:
        """Say how long to sleep after a look that failed.

        :param failures: how many looks have failed in a row, this one included; at least 1.
        :param now: seconds since the epoch.
        :param spread: a random number from 0 to 1.
        :returns: seconds; None when the wait ends here.
        """
        if self.is_fatal(error, failures):
            return None
        doublings = min(failures - 1, 16)
        pause = min(self.interval * 2**doublings, max(LONGEST_BACKOFF, self.interval)) * _jitter(spread)
        if error.retry_after is not None:
            pause = max(pause, error.retry_after * (1 + _JITTER * spread))
        return self._within_deadline(pause, now)

    def _within_deadline(self, pause: float, now: float) -> float | None:
        if self.is_over(now):
            return None
        return min(max(pause, SHORTEST_SLEEP), self.deadline - now)


def _jitter(spread: float) -> float:
    return 1 - _JITTER * spread
