"""How often one process asks one account: requests are spaced, whoever makes them.

Pure but for the table of paces, which is shared so that hooks of the same account share one budget.
"""

from __future__ import annotations

import threading

from airflow_provider_campaigns.transport.account import Account


class Pace:
    """Hands out the moments at which requests may leave, one after another, evenly spaced.

    :param per_second: requests a second.
    """

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next moment, and say how many seconds after ``now`` it lies."""
        with self._lock:
            moment = max(self._next, now)
            self._next = moment + self._gap
            return moment - now


_paces: dict[tuple[str, float], Pace] = {}
_paces_lock = threading.Lock()


def pace_of(account: Account) -> Pace:
    """Return the pace that everybody in this process keeps towards an account."""
    key = (account.identity, account.max_requests_per_second)
    with _paces_lock:
        if key not in _paces:
            _paces[key] = Pace(account.max_requests_per_second)
        return _paces[key]
