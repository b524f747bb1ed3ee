"""Which failed call is sent again, and after how long.

The rules of this room:

- A call is repeated only after a failure that a moment can heal, and only if it is safe to repeat or no
  connection came about, so that nobody can have got it.
- The pause doubles with every attempt and is drawn from its upper half, so that clients that failed
  together do not come back together. ``Retry-After`` is a lower bound, up to :data:`LONGEST_PAUSE`: a
  service that asks for more has to be asked again by whoever has the time, which is a wait, or Airflow.

Nothing here sleeps or reads a clock. A wait has its own, longer rhythm: it takes one attempt a look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_campaigns.api._call import Call
from airflow_provider_campaigns.exceptions import ApiError, NotConnectedError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Retry:
    """How often a call is attempted.

    :param attempts: requests in all, the first one included.
    :param not_taken: failures after which even a call that must not be repeated is sent again, since the
        service cannot have acted on it.
    """

    attempts: int = 5
    not_taken: tuple[type[ApiError], ...] = (NotConnectedError,)

    def after_failure(self, call: Call[Any], error: ApiError, attempt: int, *, spread: float) -> float | None:
        """Say how long to sleep before the next attempt.

        :param attempt: how many attempts have been made; at least 1.
        :param spread: a random number from 0 to 1.
        :returns: seconds; None when the error is to be raised.
        """
        safe = call.repeatable or isinstance(error, self.not_taken)
        if not (safe and error.retryable) or attempt >= self.attempts:
            return None
        if error.retry_after is not None and error.retry_after > LONGEST_PAUSE:
            return None
        pause = min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 16), LONGEST_PAUSE) * (0.5 + 0.5 * spread)
        return float(max(pause, error.retry_after or 0.0))


ONCE = Retry(attempts=1)
