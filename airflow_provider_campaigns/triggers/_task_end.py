"""The end of a task in the triggerer, where a worker would do nothing more than push the XCom."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_campaigns.airflow_compat import (
    ending_event,
    process_needs_worker,
    task_needs_worker,
)

log = logging.getLogger(__name__)

# What only a worker does at the end of a task, or a trigger cannot know; each with its reason, for the log.
NEEDS_WORKER: Mapping[str, str] = {
    "callback": "the task has an on_execute_callback, on_success_callback or on_skipped_callback",
    "hook": "the task has pre_execute or post_execute",
    "subclass": "the task is of a class that extends the sensor, or the Dag replaced its methods or links",
    "outlet": "the task has outlets",
    "inlet": "the task has inlets, on Airflow 2",
    "mapped_over": "another task is mapped over the XCom",
    "multiple_outputs": "the task has multiple_outputs",
    "dag_result": "the XCom is the result of the Dag",
    "map_index_template": "the task has a map_index_template",
    "xcom_backend": "Airflow has a custom XCom backend",
    "lineage_backend": "Airflow 2 has a lineage backend",
    "listener": "Airflow has a listener: that of OpenLineage, or of the example plugins, which "
    "`[core] load_examples = False` removes",
    "later_try": "it is not the first try",
    "unknown": "this Airflow does not show the task to its triggerer",
}


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
        if reasons := _reasons_for_a_worker(needs):
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


def _reasons_for_a_worker(needs: Collection[str]) -> list[str]:
    """Return why a worker has to end a task; an empty list where its trigger may.

    :param needs: names of :data:`NEEDS_WORKER`. A name that a later version stored counts, too.
    """
    known = [reason for name, reason in NEEDS_WORKER.items() if name in needs]
    return known + sorted(set(needs) - NEEDS_WORKER.keys())
