"""The one place that defers a task. Operators also turn a failed deferral into the right error here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_campaigns.airflow_compat import (
    AirflowSensorTimeout,
    is_deferral_failure,
    is_deferral_timeout,
)
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.tasks.arguments import rendered_fields
from airflow_provider_campaigns.waits.worker import Pause

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.triggers.base import BaseTrigger

# Airflow's own timeout of a deferral comes this many seconds after the deadline. It is for a triggerer that
# does not run; a trigger that is about to end its wait must come first.
DEFERRAL_GRACE = 60.0

# An event right after the deferral can overtake the scheduler: until the scheduler has processed the end of
# the process that deferred, it takes a task that goes on for one that was killed, and fails it. The same
# happens after a question. https://github.com/apache/airflow/issues/72716
MIN_DEFERRAL_SECONDS = 1.0


def deferring_pause(task: BaseOperator, trigger: Callable[..., BaseTrigger], polling: Polling) -> Pause:
    """Return a pause for a loop on a worker: instead of sleeping, it moves the wait to the triggerer.

    ``execute_complete`` of the task gets the event, and the rendered arguments to
    :func:`~.arguments.restore`.

    :param trigger: returns the trigger that goes on with the wait, given the arguments of every
        :class:`~airflow_provider_campaigns.triggers.base.WaitTrigger` by name.
    :param polling: the rules of the wait.
    """

    def pause(seconds: float, failures: int = 0) -> None:
        now = time.time()
        left = polling.deadline - now
        if left < MIN_DEFERRAL_SECONDS:
            time.sleep(seconds)
            return
        task.defer(
            trigger=trigger(
                poke_interval=polling.interval,
                deadline=polling.deadline,
                max_failures=polling.max_failures,
                first_poll_at=now + max(seconds, MIN_DEFERRAL_SECONDS),
                failures=failures,
            ),
            method_name="execute_complete",
            kwargs={"rendered": rendered_fields(task)},
            timeout=timedelta(seconds=left + DEFERRAL_GRACE),
        )

    return pause


@contextmanager
def deferral_errors(
    subject: str,
    *,
    count_end: Callable[[str], None],
    timeout_error: type[AirflowSensorTimeout] = AirflowSensorTimeout,
) -> Iterator[None]:
    """Turn a deferral timeout into ``AirflowSensorTimeout``; use it around ``resume_execution``.

    :param subject: what the wait is about, as messages name it: ``Campaign 17``.
    :param count_end: counts a wait that ended without an event: ``"timed_out"`` or ``"failed"``.
    """
    try:
        yield
    except Exception as error:
        if is_deferral_timeout(error):
            count_end("timed_out")
            raise timeout_error(
                f"{subject}: the triggerer did not end the wait in time. Is a triggerer running?"
            ) from error
        if is_deferral_failure(error):
            count_end("failed")
        raise
