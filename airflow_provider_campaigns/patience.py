"""A look from a worker that survives single failures, by the rules of :mod:`.polling`."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_campaigns.exceptions import ApiError, DeadlinePassedError
from airflow_provider_campaigns.metrics import Metrics
from airflow_provider_campaigns.polling import Polling

T = TypeVar("T")

log = logging.getLogger(__name__)


def look_patiently(look: Callable[[], T], polling: Polling, metrics: Metrics) -> T:
    """Look until the service answers.

    :param look: asks the service once.
    :param polling: the rhythm of the wait that this look belongs to.
    :param metrics: what counts.
    :raises ApiError: the failure is final, or one too many in a row.
    :raises DeadlinePassedError: the wait ran out before the service answered.
    """
    failures = 0
    while True:
        metrics.poll()
        try:
            return look()
        except ApiError as error:
            failures += 1
            pause = polling.after_failure(error, failures, time.time(), spread=random.random())
            if pause is None:
                if polling.is_fatal(error, failures):
                    raise
                raise DeadlinePassedError(str(error)) from error
            metrics.retry()
            log.warning("Look %d in a row failed, next one in %.1f s: %s", failures, pause, error)
        time.sleep(pause)
