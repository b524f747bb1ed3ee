"""Log that a service fails, at most once a minute, and that it responds again."""

from __future__ import annotations

import logging
import math

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.transport.account import Account

log = logging.getLogger(__name__)

# The least time between two warnings about a failing service.
WARNING_SECONDS = 60.0


class HealthLog:
    """Whether an account of a service responds, for the log.

    :param kind: what is polled.
    """

    def __init__(self, kind: str, account: Account) -> None:
        self._kind = kind
        self._account = account
        self._warned_at = -math.inf
        self._is_failing = False

    def add(self, result: object, *, now: float, waits: int) -> None:
        """Log the result of a poll, if that is news.

        :param now: seconds on the clock of the poller.
        :param waits: how many waits poll.
        """
        if isinstance(result, ApiError) and result.retryable:
            if now >= self._warned_at + WARNING_SECONDS:
                self._warned_at, self._is_failing = now, True
                log.warning("Polling %s is failing; %d waits keep retrying. %s", self._kind, waits, result)
        elif self._is_failing:
            self._is_failing = False
            log.info("%s, connection %r: responds again.", self._account.service.title, self._account.conn_id)
