"""How often one process asks one account: requests are spaced, whoever makes them.

All that speak for the same account in a process keep one pace, whatever the connection id and whichever the
transport: they share its budget of requests a second. In the triggerer, where they are many, a pause that
the service asks one of them for (``Retry-After``) is a pause for all; a worker has its one task, whose own
retries obey it. Accounts with different keys share nothing.
"""

from __future__ import annotations

import threading

from airflow_provider_campaigns.transport.account import Account

LONGEST_HOLD = 300.0


class Pace:
    """Hands out the moments at which requests may leave, one after another, evenly spaced."""

    def __init__(self) -> None:
        self._gaps: dict[str, float] = {}
        self._next = 0.0
        self._held_until = 0.0
        self._lock = threading.Lock()

    def keep_to(self, conn_id: str, per_second: float) -> None:
        """Take note of the budget that a connection names now; the smallest of all connections holds.

        :param per_second: requests a second.
        """
        with self._lock:
            self._gaps[conn_id] = 1.0 / per_second

    def reserve(self, now: float) -> float:
        """Take the next moment, and say how many seconds after ``now`` it lies."""
        with self._lock:
            moment = max(self._next, now)
            self._next = moment + max(self._gaps.values())
            return moment - now

    def hold(self, now: float, seconds: float) -> None:
        """Let no request leave for a while.

        :param seconds: how long the service asked to be left alone; believed up to :data:`LONGEST_HOLD`.
        """
        with self._lock:
            self._held_until = max(self._held_until, now + min(seconds, LONGEST_HOLD))

    def held_for(self, now: float) -> float:
        """Say for how many seconds no request may leave."""
        return max(0.0, self._held_until - now)


_paces: dict[str, Pace] = {}
_paces_lock = threading.Lock()


def pace_of(account: Account) -> Pace:
    """Return the pace that everybody in this process keeps towards an account.

    Where two connections to the same account name different budgets, the smaller one holds; what a connection
    named before it was changed does not.
    """
    with _paces_lock:
        pace = _paces.setdefault(account.identity, Pace())
    pace.keep_to(account.conn_id, account.max_requests_per_second)
    return pace
