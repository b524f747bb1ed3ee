"""What a gate does to a run that may not go on: it fails, or it skips the downstream tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, SkipMixin

from airflow_provider_campaigns.airflow_compat import AirflowSensorTimeout, is_mapped, skip_tasks
from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.rules.send_gate import Disposition, Policy

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ON_CLOSED_CHOICES = ("fail", "skip")
# Trigger rules that start a task before all of its upstream tasks have ended.
_EAGER_RULES = frozenset({"always", "one_done", "one_failed", "one_success"})


class SendGateClosedError(AirflowFailException):
    """The send gate is closed until a person acts, or the campaign is finished; retrying cannot help."""


class SendGateTimeoutError(AirflowSensorTimeout):
    """The send gate did not open before its timeout; it may open later without a person."""


def policy_argument(value: Any, name: str) -> dict[str, str]:
    """Return a policy as plain strings, so that Airflow can store it.

    :raises ValueError: a code or disposition is unknown.
    """
    if isinstance(value, str):
        raise ValueError(
            f"{name} must be a mapping of codes to dispositions, got a string. Pass another task's output, "
            f"or set render_template_as_native_obj=True in the Dag."
        )
    Policy.of(value)
    return {SendingCode(code).value: Disposition(disposition).value for code, disposition in value.items()}


def push_result(context: Context, result: dict[str, Any]) -> None:
    """Push the XCom of a task that is about to fail, unless the task has ``do_xcom_push=False``."""
    # Both are absent where execute() is called by hand.
    if "ti" in context and getattr(context.get("task"), "do_xcom_push", True):
        context["ti"].xcom_push(key="return_value", value=result)


def check_downstream_waits(context: Context) -> None:
    """Refuse downstream tasks that may start before a skipping gate has decided.

    :raises ValueError: names the tasks and their trigger rules.
    """
    if "task" not in context:  # absent where execute() is called by hand
        return
    eager = sorted(
        f"{task.task_id} ({task.trigger_rule})" for task in _downstream(context) if _is_eager(task)
    )
    if eager:
        raise ValueError(
            f"A gate with on_closed='skip' cannot hold back {', '.join(eager)}: these trigger rules start a "
            f"task before "
            f"the gate has decided. Give these tasks a rule that waits for all upstream tasks, such as "
            f"all_success or "
            f"none_failed."
        )


def skip_downstream(gate: SkipMixin, context: Context, closed_error: type[AirflowFailException]) -> NoReturn:
    """Skip the gate itself and all downstream tasks except teardowns.

    The gate ends as skipped, not as successful, so that no asset event, callback or other Dag takes a closed
    gate for an open one.

    :param closed_error: raised where Airflow cannot skip every downstream task.
    """
    ti = context["ti"]
    tasks = _downstream(context)
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
    raise AirflowSkipException("The gate is not open.")


def _downstream(context: Context) -> list[Any]:
    relatives = context["task"].get_flat_relatives(upstream=False)
    return [task for task in relatives if not task.is_teardown]


def _is_eager(task: Any) -> bool:
    return str(getattr(task.trigger_rule, "value", task.trigger_rule)) in _EAGER_RULES


def _cannot_be_skipped(task: Any, *, gate_is_mapped: bool) -> bool:
    """Return whether a downstream task would run after a skipping gate, because of its trigger rule."""
    return (gate_is_mapped or is_mapped(task)) and task.trigger_rule != "all_success"
