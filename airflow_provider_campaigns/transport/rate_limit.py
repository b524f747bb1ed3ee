"""How often one process sends requests to one account: evenly spaced.

All clients of the same account in a process share one rate limiter, for any connection id and transport. In
the triggerer, a ``Retry-After`` pauses all of them; on a worker, the retries of its one task obey it.
Accounts with different keys share nothing.
"""

from __future__ import annotations

import threading

from airflow_provider_campaigns.transport.account import Account

MAX_PAUSE = 300.0


class RateLimiter:
    """Computes when the next request may be sent.

    :meth:`reserve` spaces requests evenly. It does not know of a :meth:`pause`: a client that honours pauses
    also checks :meth:`pause_left`.
    """

    def __init__(self) -> None:
        self._intervals: dict[str, float] = {}
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def set_limit(self, conn_id: str, per_second: float) -> None:
        """Set the limit of a connection; the lowest limit of all connections counts.

        :param per_second: requests a second.
        """
        with self._lock:
            self._intervals[conn_id] = 1.0 / per_second

    def reserve(self, now: float) -> float:
        """Reserve the time of the next request, and return how many seconds after ``now`` it is."""
        with self._lock:
            reserved = max(self._next, now)
            self._next = reserved + max(self._intervals.values())
            return reserved - now

    def pause(self, now: float, seconds: float) -> None:
        """Record that the service asks to pause.

        :param seconds: what the service asks for, limited to :data:`MAX_PAUSE`.
        """
        with self._lock:
            self._paused_until = max(self._paused_until, now + min(seconds, MAX_PAUSE))

    def pause_left(self, now: float) -> float:
        """Return for how many more seconds no request may be sent."""
        return max(0.0, self._paused_until - now)


_limiters: dict[str, RateLimiter] = {}
_limiters_lock = threading.Lock()


def rate_limiter_for(account: Account) -> RateLimiter:
    """Return the rate limiter that this process uses for an account, with the account's current limit."""
    with _limiters_lock:
        limiter = _limiters.setdefault(account.identity, RateLimiter())
    limiter.set_limit(account.conn_id, account.max_requests_per_second)
    return limiter
