"""Poll in the process of a task.

All waits use this loop, except for a sensor in mode ``poke`` or ``reschedule``, whose loop is Airflow's.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_campaigns.exceptions import ApiError, DeadlineExceededError
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult

if TYPE_CHECKING:
    from airflow_provider_campaigns.metrics import Metrics

T = TypeVar("T")
# Called with the seconds until the next poll and, after a failed one, how many have failed in a row. It
# sleeps, or raises to leave the worker.
Pause = Callable[..., None]

log = logging.getLogger(__name__)


def poll_until(
    poll: Callable[[], PollResult],
    polling: Polling,
    metrics: Metrics,
    *,
    pause: Pause | None = None,
    failures: int = 0,
) -> Any:
    """Poll until a result is final, and return its status.

    :param poll: polls once.
    :param polling: the interval, the deadline and how many failures the wait survives.
    :param metrics: counts the polls.
    :param pause: called between two polls; sleeps by default.
    :param failures: how many polls in a row have failed before.
    :raises ApiError: a poll failed with a final error, or too many failed in a row.
    :raises DeadlineExceededError: the wait timed out.
    """
    status = None
    while True:
        try:
            result = poll_with_retries(poll, polling, metrics, pause=pause, failures=failures)
        except DeadlineExceededError as error:
            raise DeadlineExceededError(status=status, error=error.error) from error.error
        status, failures = result.status, 0
        if result.is_final:
            return status
        seconds = polling.after_response(
            time.time(), jitter=random.random(), next_poll_at=result.next_poll_at
        )
        if seconds is None:
            raise DeadlineExceededError(status=status)
        (pause or time.sleep)(seconds)


def poll_with_retries(
    poll: Callable[[], T],
    polling: Polling,
    metrics: Metrics,
    *,
    pause: Pause | None = None,
    failures: int = 0,
) -> T:
    """Poll until the service responds.

    :param pause: called after a failed poll; sleeps by default.
    :param failures: how many polls in a row have failed before.
    :raises ApiError: a poll failed with a final error, or too many failed in a row.
    :raises DeadlineExceededError: the wait timed out before the service responded.
    """
    while True:
        metrics.poll()
        try:
            return poll()
        except ApiError as error:
            failures += 1
            seconds = polling.after_failure(error, failures, time.time(), jitter=random.random())
            if seconds is None:
                if polling.is_fatal(error, failures):
                    raise
                raise DeadlineExceededError(error=error) from error
            metrics.retry()
            log.warning("Poll failed (%d in a row), retrying in %.1f s: %s", failures, seconds, error)
        if pause is None:
            time.sleep(seconds)
        else:
            pause(seconds, failures)
