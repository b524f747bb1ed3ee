"""What every gate does to a run that may not go on: it fails, or it skips what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    SkipMixin,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.sdk import Context


class GateOperator(BaseOperator, SkipMixin):
    """Base of the gates."""

    inherits_from_skipmixin = True
    # What is raised where a gate is closed and nothing can be skipped.
    closed_error: type[AirflowFailException] = AirflowFailException

    def keep_result(self, context: Context, result: dict[str, Any]) -> None:
        """Make a result the task's XCom, although the task is about to fail."""
        if "ti" in context:  # not so where somebody calls execute() by hand
            context["ti"].xcom_push(key="return_value", value=result)

    def skip_downstream(self, context: Context) -> None:
        """Skip everything behind the gate but teardowns, as Airflow's short circuit does."""
        ti = context["ti"]
        tasks = [task for task in context["task"].get_flat_relatives(upstream=False) if not task.is_teardown]
        in_a_mapping = ti.map_index is not None and ti.map_index >= 0
        if leaks := [task.task_id for task in tasks if _would_run_all_the_same(task, in_a_mapping)]:
            raise self.closed_error(
                f"The gate is not open, and Airflow cannot skip {', '.join(sorted(leaks))}: with mapped "
                f"tasks, only the trigger rule all_success keeps a task behind a skipped one from running. "
                f"Give them that rule, or the gate on_closed='fail'."
            )
        self.log.info("Skipping %s.", ", ".join(sorted(task.task_id for task in tasks)) or "nothing")
        if AIRFLOW_V_3_0_PLUS:
            self.skip(ti=ti, tasks=tasks)
        elif tasks:
            dag_run = context["dag_run"]
            self.skip(  # type: ignore[call-arg]
                dag_run=dag_run, tasks=tasks, execution_date=dag_run.logical_date, map_index=ti.map_index
            )
        if in_a_mapping:
            # Airflow skips behind an unmapped task only: a mapped gate has to be skipped itself, or the
            # tasks behind it would run.
            raise AirflowSkipException("The gate is not open.")


def _would_run_all_the_same(task: Any, behind_a_mapping: bool) -> bool:  # noqa: FBT001
    """Tell whether a task would run behind a gate that skips, by a rule that Airflow applies too late."""
    from airflow.providers.common.compat.sdk import MappedOperator

    mapped = isinstance(task, MappedOperator) or next(task.iter_mapped_task_groups(), None) is not None
    return (mapped or behind_a_mapping) and task.trigger_rule != "all_success"
