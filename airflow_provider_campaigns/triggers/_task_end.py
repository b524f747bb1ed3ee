"""The end of a task in the triggerer, for a wait that ended well."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_campaigns.airflow_compat import (
    ending_event,
    process_needs_worker,
    task_needs_worker,
)
from airflow_provider_campaigns.rules.task_end import reasons_for_a_worker

log = logging.getLogger(__name__)


async def end_task(
    trigger: BaseTrigger, ending: Mapping[str, Any], result: Any, *, started_here: bool
) -> TriggerEvent | None:
    """Push the XComs of a trigger's task, and return the event that ends the task as successful.

    :param ending: what :meth:`.WaitSensor.ending` knew when the wait began.
    :param result: the XCom of the task.
    :param started_here: whether the task began in the triggerer, so that no worker has seen it.
    :returns: None where a worker has to end the task.
    """
    try:
        needs = {*ending["needs_worker"], *_needs_here(trigger, started_here=started_here)}
        if reasons := reasons_for_a_worker(needs):
            log.info("A worker ends the task: %s.", "; ".join(reasons))
            return None
        xcoms = {**ending["xcoms"], **({"return_value": result} if ending["push_result"] else {})}
        return await ending_event(trigger.task_instance, xcoms)
    except Exception:
        log.warning("The triggerer cannot end the task, so a worker does.", exc_info=True)
        return None


def _needs_here(trigger: BaseTrigger, *, started_here: bool) -> list[str]:
    """Return what needs a worker as far as the triggerer knows."""
    ti, task = trigger.task_instance, getattr(trigger, "task", None)
    if ti is None or (started_here and task is None):
        return ["unknown"]
    needs = process_needs_worker() + (task_needs_worker(task) if started_here else [])
    return needs + (["later_try"] if ti.try_number > 1 else [])
