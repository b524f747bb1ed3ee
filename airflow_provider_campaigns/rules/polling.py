"""When to poll again, and when to give up: the same rules on a worker and in the triggerer.

- A wait has one deadline, fixed when the wait starts. It travels with the wait, so that every process ends
  the wait at the same moment.
- After a response, the next poll comes one interval later, or up to a tenth sooner, so that waits that
  started together drift apart. A response that names a later moment postpones the poll, up to
  :data:`MAX_SLEEP`.
- A failing service is polled less often: the interval doubles with each failure in a row, and ``Retry-After``
  is a lower bound.
- A final error ends the wait at once; ``max_failures`` other errors in a row end it too.
- Every pause is at least :data:`MIN_SLEEP`, except one that would go past the deadline: it ends there, and
  the last poll follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.exceptions import ApiError

MAX_FAILURES = 5
MIN_SLEEP = 0.1
MAX_BACKOFF = 300.0
MAX_SLEEP = 3600.0
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Polling:
    """The interval and the limits of one wait.

    :param interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    """

    interval: float
    deadline: float
    max_failures: int = MAX_FAILURES

    def is_over(self, now: float) -> bool:
        """Return whether the deadline has passed."""
        return now >= self.deadline

    def after_response(self, now: float, *, jitter: float, next_poll_at: float | None = None) -> float | None:
        """Return how long to pause after a response that does not end the wait.

        :param now: seconds since the epoch.
        :param jitter: a random number from 0 to 1; 0 gives the whole interval, 1 a tenth less.
        :param next_poll_at: when polling again is worthwhile according to the response, in seconds since the
            epoch.
        :returns: seconds; None where the wait has timed out.
        """
        pause = self.interval * _shortened(jitter)
        if next_poll_at is not None:
            pause = max(pause, min(next_poll_at - now, MAX_SLEEP))
        return self._within_deadline(pause, now)

    def is_fatal(self, error: ApiError, failures: int) -> bool:
        """Return whether a failure ends the wait, however much time is left.

        :param failures: how many polls have failed in a row, this one included.
        """
        return error.final or failures >= self.max_failures

    def after_failure(self, error: ApiError, failures: int, now: float, *, jitter: float) -> float | None:
        """Return how long to pause after a failed poll.

        :param failures: how many polls have failed in a row, this one included; at least 1.
        :param now: seconds since the epoch.
        :param jitter: a random number from 0 to 1.
        :returns: seconds; None where the wait ends here.
        """
        if self.is_fatal(error, failures):
            return None
        doublings = min(failures - 1, 16)
        pause = min(self.interval * 2**doublings, max(MAX_BACKOFF, self.interval)) * _shortened(jitter)
        if error.retry_after is not None:
            pause = max(pause, error.retry_after * (1 + _JITTER * jitter))
        return self._within_deadline(pause, now)

    def _within_deadline(self, pause: float, now: float) -> float | None:
        if self.is_over(now):
            return None
        return min(max(pause, MIN_SLEEP), self.deadline - now)


def _shortened(jitter: float) -> float:
    return 1 - _JITTER * jitter
