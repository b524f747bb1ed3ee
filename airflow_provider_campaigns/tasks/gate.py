"""What a gate does to a run that may not go on: it fails, or it skips the downstream tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, SkipMixin

from airflow_provider_campaigns.airflow_compat import AirflowSensorTimeout, is_mapped, skip_tasks

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ON_CLOSED_CHOICES = ("fail", "skip")


class SendGateClosedError(AirflowFailException):
    """The send gate is closed until a person acts, or the campaign is finished; retrying cannot help."""


class SendGateTimeoutError(AirflowSensorTimeout):
    """The send gate did not open before its timeout; it may open later without a person."""


def push_result(context: Context, result: dict[str, Any]) -> None:
    """Push the XCom of a task that is about to fail, unless the task has ``do_xcom_push=False``."""
    # Both are absent where execute() is called by hand.
    if "ti" in context and getattr(context.get("task"), "do_xcom_push", True):
        context["ti"].xcom_push(key="return_value", value=result)


def skip_downstream(gate: SkipMixin, context: Context, closed_error: type[AirflowFailException]) -> None:
    """Skip all downstream tasks except teardowns, as Airflow's short circuit does.

    :param closed_error: raised where Airflow cannot skip every downstream task.
    """
    ti = context["ti"]
    tasks = [task for task in context["task"].get_flat_relatives(upstream=False) if not task.is_teardown]
    gate_is_mapped = ti.map_index is not None and ti.map_index >= 0
    unskippable = [task.task_id for task in tasks if _cannot_be_skipped(task, gate_is_mapped=gate_is_mapped)]
    if unskippable:
        raise closed_error(
            f"The gate is not open, and Airflow cannot skip {', '.join(sorted(unskippable))}: with mapped "
            f"tasks, only the trigger rule all_success keeps a task from running after a skipped one. Give "
            f"these tasks that rule, or the gate on_closed='fail'."
        )
    log.info("Skipping %s.", ", ".join(sorted(task.task_id for task in tasks)) or "nothing")
    skip_tasks(gate, context, tasks)
    if gate_is_mapped:
        # Airflow skips only after an unmapped task, so a mapped gate has to be skipped itself.
        raise AirflowSkipException("The gate is not open.")


def _cannot_be_skipped(task: Any, *, gate_is_mapped: bool) -> bool:
    """Return whether a downstream task would run after a skipping gate, because of its trigger rule."""
    return (gate_is_mapped or is_mapped(task)) and task.trigger_rule != "all_success"
