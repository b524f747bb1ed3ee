"""Which failed request is sent again, and after how long.

- A request is sent again only after an error that may pass, and only if its call is idempotent or the service
  cannot have received it.
- The pause doubles with every attempt; a random factor from 0.5 to 1 spreads clients that failed together.
  ``Retry-After`` is a lower bound. If it is longer than :data:`MAX_BACKOFF`, the request is usually not sent
  again here: a wait or a retry of Airflow has the time.

Nothing here sleeps or reads a clock. A wait makes one attempt per poll; see
:mod:`airflow_provider_campaigns.rules.polling`.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.exceptions import ApiError, ConnectError

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 60.0


@dataclass(frozen=True)
class Retry:
    """How often a request is sent.

    :param attempts: requests in all, the first one included.
    :param max_retry_after: the longest ``Retry-After``, in seconds, after which the request is sent again.
    :param not_received: errors after which the service cannot have acted on the request, so that even a call
        that is not idempotent is sent again.
    """

    attempts: int = 5
    max_retry_after: float = MAX_BACKOFF
    not_received: tuple[type[ApiError], ...] = (ConnectError,)

    def after_failure(
        self, error: ApiError, attempt: int, *, idempotent: bool, jitter: float
    ) -> float | None:
        """Return how long to sleep before the next attempt.

        :param attempt: how many attempts were made; at least 1.
        :param idempotent: whether the call is.
        :param jitter: a random number from 0 to 1.
        :returns: seconds; None where the error is to be raised.
        """
        is_safe = idempotent or isinstance(error, self.not_received)
        if not (is_safe and error.retryable) or attempt >= self.attempts:
            return None
        if error.retry_after is not None and error.retry_after > self.max_retry_after:
            return None
        pause = min(INITIAL_BACKOFF * 2.0 ** min(attempt - 1, 16), MAX_BACKOFF) * (0.5 + 0.5 * jitter)
        return float(max(pause, error.retry_after or 0.0))


NO_RETRY = Retry(attempts=1)
