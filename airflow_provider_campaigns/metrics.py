"""The metrics of this provider, sent through Airflow's own: StatsD, Datadog or OpenTelemetry.

- A name consists of the connection type, what is counted, and one of a fixed set of words:
  ``instantly.gates.opened``. It never holds an id or a word from a service, so that there are few series. The
  words are in the name because plain StatsD has no tags; the connection is a tag.
- Airflow configures metrics separately for tasks and for the triggerer, so the caller says where it runs.
- An error of the metrics backend never stops the work.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.airflow_compat import (
    AirflowSensorTimeout,
    continues_elsewhere,
    task_stats,
    triggerer_stats,
)
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError, RateLimitedError
from airflow_provider_campaigns.transport.observer import Observer
from airflow_provider_campaigns.transport.rate_limit import MAX_PAUSE

if TYPE_CHECKING:
    from airflow_provider_campaigns.rules.send_gate import Verdict

log = logging.getLogger(__name__)

_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


class Metrics(Observer):
    """The metrics of one connection. Use :func:`on_worker` or :func:`in_triggerer` to get them.

    :param conn_type: the first part of every name.
    :param conn_id: the tag; None for a task without a connection.
    :param triggerer: whether this process is the triggerer.
    """

    def __init__(self, conn_type: str, conn_id: str | None, *, triggerer: bool) -> None:
        self._conn_type = conn_type
        self._tags = {} if conn_id is None else {"conn_id": conn_id}
        self._triggerer = triggerer

    def request(self, error: ApiError | None) -> None:
        """Count a request by its outcome, and the pause that the service asks for."""
        self._count(f"requests.{request_outcome(error)}")
        if isinstance(error, RateLimitedError) and error.retry_after:
            self._count("rate_limit_pauses")
            self._send("timing", "rate_limit_pause", timedelta(seconds=min(error.retry_after, MAX_PAUSE)))

    def poll(self) -> None:
        """Count a poll."""
        self._count("polls")

    def retry(self) -> None:
        """Count a failed request or poll that is repeated."""
        self._count("retries")

    def verdict(self, verdict: Verdict) -> None:
        """Count a verdict by its code; an undocumented code counts as ``unknown``."""
        code = "none" if verdict.code is None else verdict.code
        self._count(f"verdicts.{code if code in _codes() else 'unknown'}")

    def gate(self, outcome: str) -> None:
        """Count a question of a gate, ``asked``; or its end.

        The end is ``opened``, ``overridden``, ``closed``, ``timed_out`` or ``failed``.
        """
        self._count(f"gates.{outcome}")

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count the wait in this block when it ends: ``done``, ``bad_state``, ``timed_out`` or ``failed``.

        A wait that is deferred or rescheduled has not ended.
        """
        try:
            yield
        except BaseException as error:  # AirflowTaskTimeout is one
            if not continues_elsewhere(error):
                self.wait_ended(wait_outcome(error))
            raise
        self.wait_ended("done")

    def wait_ended(self, outcome: str) -> None:
        """Count the end of a wait; see :meth:`wait`."""
        self._count(f"waits.{outcome}")

    def _count(self, name: str) -> None:
        self._send("incr", name)

    def _send(self, kind: str, name: str, *values: Any) -> None:
        try:
            stats = triggerer_stats() if self._triggerer else task_stats()
            getattr(stats, kind)(f"{self._conn_type}.{name}", *values, tags=self._tags)
        except Exception:
            log.debug("A metric could not be sent.", exc_info=True)


@lru_cache(maxsize=1024)
def on_worker(conn_type: str, conn_id: str | None) -> Metrics:
    """Return the metrics of a connection in the process of a task."""
    return Metrics(conn_type, conn_id, triggerer=False)


@lru_cache(maxsize=1024)
def in_triggerer(conn_type: str, conn_id: str) -> Metrics:
    """Return the metrics of a connection in the triggerer."""
    return Metrics(conn_type, conn_id, triggerer=True)


def request_outcome(error: ApiError | None) -> str:
    """Return ``ok``, or the class of an error in snake case: ``rate_limited_error``."""
    if error is None:
        return "ok"
    return _WORD_STARTS.sub("_", type(error).__name__).lower()


def wait_outcome(error: BaseException | None) -> str:
    """Return one word for the outcome of a wait that raised an error."""
    while error is not None:
        if isinstance(error, AirflowSensorTimeout):
            return "timed_out"
        if isinstance(error, CampaignsError):
            return "failed" if isinstance(error, ApiError) else "bad_state"
        # Airflow's sensor flags may have turned the error into a skip.
        error = error.__cause__ or error.__context__
    return "failed"


@cache
def _codes() -> frozenset[str]:
    # Imported here, because tasks of Campaign Cleaner count no verdicts.
    from airflow_provider_campaigns.api.instantly import SendingCode

    return frozenset({"none", *(code.value for code in SendingCode)})
