"""What this provider counts, told through Airflow's own metrics: StatsD, Datadog or OpenTelemetry.

The rules of this room:

- A name is the connection's type, what is counted, and one of a fixed few words:
  ``instantly.gates.opened``. No id, and no word of a service's making, so that the series are few. The words
  stand in the name, since plain StatsD knows no tags; the connection is a tag.
- Airflow sets its metrics up for a task in one module and for the triggerer in another, which know nothing
  of each other. So whoever counts says where it runs.
- A count is never worth a wait: whatever a metrics backend does, the work goes on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError, RateLimitedError
from airflow_provider_campaigns.transport.observing import Observer
from airflow_provider_campaigns.transport.pacing import LONGEST_HOLD

if TYPE_CHECKING:
    from airflow_provider_campaigns.gate import Verdict

log = logging.getLogger(__name__)

_CODES = frozenset({"none", *(code.value for code in SendingCode)})
_GOES_ON = {"TaskDeferred", "AirflowRescheduleException"}
_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


class Metrics(Observer):
    """Counts for one connection. Made by :func:`on_worker` and :func:`in_triggerer`.

    :param conn_type: the first part of every name.
    :param conn_id: the tag.
    :param triggerer: count where the triggerer runs, not a task.
    """

    def __init__(self, conn_type: str, conn_id: str, *, triggerer: bool) -> None:
        self._conn_type = conn_type
        self._tags = {"conn_id": conn_id}
        self._triggerer = triggerer

    def request(self, error: ApiError | None) -> None:
        """Count a request by what came of it, and the pause that the service may have asked for."""
        self._count(f"requests.{outcome_of(error)}")
        if isinstance(error, RateLimitedError) and error.retry_after:
            self._count("rate_limit_pauses")
            self._tell("timing", "rate_limit_pause", timedelta(seconds=min(error.retry_after, LONGEST_HOLD)))

    def poll(self) -> None:
        """Count a request that a wait made."""
        self._count("polls")

    def retry(self) -> None:
        """Count a request that failed and is sent again, or a wait's look that failed and is repeated."""
        self._count("retries")

    def verdict(self, verdict: Verdict) -> None:
        """Count a verdict on a campaign by its code; what no table knows is ``unknown``."""
        code = "none" if verdict.code is None else verdict.code
        self._count(f"verdicts.{code if code in _CODES else 'unknown'}")

    def gate(self, ending: str) -> None:
        """Count a gate: ``opened``, ``closed``, ``timed_out`` or ``failed``."""
        self._count(f"gates.{ending}")

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count a wait that ends here: ``done``, ``bad_state``, ``timed_out`` or ``failed``.

        One that goes on elsewhere, deferred or rescheduled, has not ended.
        """
        try:
            yield
        except BaseException as error:  # Airflow's own end of a task among them
            if type(error).__name__ not in _GOES_ON:
                self.wait_ended(ending_of(error))
            raise
        self.wait_ended("done")

    def wait_ended(self, ending: str) -> None:
        """Count a wait that ended; see :meth:`wait`."""
        self._count(f"waits.{ending}")

    def _count(self, name: str) -> None:
        self._tell("incr", name)

    def _tell(self, kind: str, name: str, *values: Any) -> None:
        try:
            stats = _stats_of_the_triggerer() if self._triggerer else _stats_of_a_task()
            getattr(stats, kind)(f"{self._conn_type}.{name}", *values, tags=self._tags)
        except Exception:
            log.debug("A metric could not be told.", exc_info=True)


@lru_cache(maxsize=1024)
def on_worker(conn_type: str, conn_id: str) -> Metrics:
    """Return what counts for a connection in the process of a task."""
    return Metrics(conn_type, conn_id, triggerer=False)


@lru_cache(maxsize=1024)
def in_triggerer(conn_type: str, conn_id: str) -> Metrics:
    """Return what counts for a connection in the triggerer."""
    return Metrics(conn_type, conn_id, triggerer=True)


def outcome_of(error: ApiError | None) -> str:
    """Return one word for what came of a request: ``ok``, or ``rate_limited`` for a RateLimitedError."""
    if error is None:
        return "ok"
    return _WORD_STARTS.sub("_", type(error).__name__.removesuffix("Error")).lower()


def ending_of(error: BaseException | None) -> str:
    """Return one word for how a wait ended that raised an error."""
    while error is not None:
        if isinstance(error, AirflowSensorTimeout):
            return "timed_out"
        if isinstance(error, CampaignsError):
            return "failed" if isinstance(error, ApiError) else "bad_state"
        # Airflow's flags of a sensor may have made a skip of any of these.
        error = error.__cause__ or error.__context__
    return "failed"


@cache
def _stats_of_a_task() -> Any:
    from airflow.providers.common.compat.sdk import Stats

    return Stats


@cache
def _stats_of_the_triggerer() -> Any:
    try:
        from airflow.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats as StatsBefore32

        return StatsBefore32
    return Stats
