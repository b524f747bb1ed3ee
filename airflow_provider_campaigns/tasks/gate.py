"""What a gate does to a run that may not go on: it fails, or it skips the downstream tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, SkipMixin

from airflow_provider_campaigns.airflow_compat import (
    AirflowSensorTimeout,
    call_no_success_callback,
    is_from_mapping,
    is_mapped,
    save_for_pages,
    shows_pages,
    skip_tasks,
    why_no_questions,
)
from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.api.response import subject_of
from airflow_provider_campaigns.exceptions import SendsInterruptedError
from airflow_provider_campaigns.rules.board import VERDICT_KEY, board_of
from airflow_provider_campaigns.rules.gate_policy import policy_as_json
from airflow_provider_campaigns.rules.send_gate import Disposition, Intent, Policy, Verdict
from airflow_provider_campaigns.tasks.arguments import choice, duration, mapping, shown

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.hooks.instantly import InstantlyHook

log = logging.getLogger(__name__)

ON_CLOSED_CHOICES = ("fail", "skip", "ask")
# The choices with which a closed gate may skip tasks.
MAY_SKIP = frozenset({"skip", "ask"})
INTENTS = tuple(intent.value for intent in Intent)
POLICY_CODES = frozenset(code.value for code in SendingCode)
# Trigger rules that start a task at once, and those that start it after one of its upstream tasks.
_ALWAYS_RULES = frozenset({"always", "dummy"})
_ONE_RULES = frozenset({"one_done", "one_failed", "one_success"})


class SendGateClosedError(AirflowFailException):
    """The send gate is closed until a person acts, or the campaign is finished; retrying cannot help."""


class SendGateTimeoutError(AirflowSensorTimeout):
    """The send gate did not open before its timeout; it may open later without a person."""


def on_closed_choice(value: Any, name: str) -> str:
    """Return what a closed gate does to the run.

    :raises ValueError: it is no such choice, or this Airflow cannot ask a person.
    """
    chosen: str = choice(*ON_CLOSED_CHOICES)(value, name)
    if chosen == "ask" and (reason := why_no_questions()):
        raise ValueError(f"{name}='ask' {reason}. Use 'fail' or 'skip'.")
    return chosen


def policy_argument(value: Any, name: str) -> dict[str, str]:
    """Return a policy as plain strings, so that Airflow can store it.

    :raises ValueError: a code or disposition is unknown.
    """
    return policy_as_json(mapping(value, name))


def status_age(value: Any, name: str) -> float:
    """Return the oldest age of data that may open a gate, in seconds.

    :raises ValueError: it is not a duration, or it is 0, with which no data would be fresh.
    """
    seconds = duration(value, name)
    if not seconds:
        raise ValueError(f"{name} must be more than 0, or None for the intent's own; got {shown(value)}.")
    return seconds


def gate_policy(
    intent: str, policy: Mapping[str, str] | None = None, max_status_age: float | None = None
) -> Policy:
    """Return the policy of a task, of its checked arguments.

    :param max_status_age: seconds; None for the intent's own.
    """
    return Policy.of(policy, None if max_status_age is None else timedelta(seconds=max_status_age), intent)


def refuse_without_check_gate(task: Any) -> None:
    """Refuse the arguments of a check of the gate that the task does not make; call it in ``__init__``.

    :raises ValueError: names the argument.
    """
    for name in ("policy", "max_status_age"):
        if getattr(task, name) is not None and not task.check_gate:
            raise ValueError(f"{name} has an effect only with check_gate=True.")


def check_gate(hook: InstantlyHook, campaign_id: str, policy: Policy, consequence: str) -> None:
    """Check the gate inside a task, right before it changes something.

    :param consequence: what the task did not do because of a gate that is not open, as a sentence.
    :raises SendGateClosedError: a person has to act.
    :raises SendsInterruptedError: a retry of the task may find the gate open.
    """
    verdict = hook.get_verdict(campaign_id, policy=policy)
    if verdict.open:
        return
    may_open = verdict.disposition is Disposition.WAIT
    error_class: type[Exception] = SendsInterruptedError if may_open else SendGateClosedError
    subject = subject_of("Campaign", campaign_id, verdict.campaign_name)
    raise error_class(f"{subject}: {verdict} {consequence}")


def push_result(context: Context, result: dict[str, Any], key: str = "return_value") -> None:
    """Push the XCom of a task that is about to fail, to be skipped or to ask, unless the user wants none."""
    if _pushes(context):
        context["ti"].xcom_push(key=key, value=result)


def push_to_board(
    context: Context,
    verdicts: Iterable[tuple[str, Verdict]],
    names: Mapping[str, str | None] | None = None,
    **options: Any,
) -> None:
    """Save what the health board shows of campaigns, where there is a board; as ``rules.board.board_of``."""
    if _pushes(context) and shows_pages() and (board := board_of(verdicts, names, **options)):
        save_for_pages(context, VERDICT_KEY, board)


def _pushes(context: Context) -> bool:
    # Both are absent where execute() is called by hand.
    return "ti" in context and getattr(context.get("task"), "do_xcom_push", True)


def check_downstream_waits(context: Context) -> None:
    """Refuse downstream tasks that may start before a skipping gate has decided.

    :raises ValueError: names the tasks and their trigger rules.
    """
    if "task" in context:  # absent where execute() is called by hand
        refuse_eager_downstream(context["task"])


def refuse_eager_downstream(gate: Any) -> None:
    """Refuse what :func:`check_downstream_waits` refuses, while the Dag is parsed.

    Call it in ``prepare_template`` of a gate that may skip tasks: Airflow calls that method when the
    Dag is complete. It does not call it for a mapped gate.

    :raises ValueError: names the tasks and their trigger rules.
    """
    gate_is_mapped = is_mapped(gate) or is_from_mapping(gate)
    gated = _downstream(gate)
    waiting = {gate.task_id, *(task.task_id for task in gated)}

    def is_eager(task: Any) -> bool:
        rule = _rule_of(task)
        if rule in _ONE_RULES:
            # A rule of a mapped task may count other instances of the gate, which may be open.
            return gate_is_mapped or is_mapped(task) or not task.upstream_task_ids <= waiting
        return rule in _ALWAYS_RULES

    if eager := sorted(f"{task.task_id} ({_rule_of(task)})" for task in gated if is_eager(task)):
        raise ValueError(
            f"{gate.task_id}: a gate with on_closed='skip' or 'ask' cannot hold back {', '.join(eager)}: "
            f"these trigger rules may start a task before the gate has decided. Give these tasks a rule that "
            f"waits for all upstream tasks, such as all_success or none_failed, or set on_closed='fail' on "
            f"the gate. Rules for one upstream task are accepted if neither gate nor task is mapped and all "
            f"upstream tasks of the task are downstream of the gate."
        )


def skip_downstream(gate: SkipMixin, context: Context, closed_error: type[AirflowFailException]) -> NoReturn:
    """Skip the gate itself and all downstream tasks except teardowns.

    The gate ends as skipped, not as successful, so that no asset event, callback or other Dag takes a closed
    gate for an open one.

    :param closed_error: raised where Airflow cannot skip every downstream task.
    """
    ti = context["ti"]
    tasks = _downstream(context["task"])
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
    call_no_success_callback(context)
    raise AirflowSkipException("The gate is not open.")


def _downstream(gate: Any) -> list[Any]:
    return [task for task in gate.get_flat_relatives(upstream=False) if not task.is_teardown]


def _rule_of(task: Any) -> str:
    return str(getattr(task.trigger_rule, "value", task.trigger_rule))


def _cannot_be_skipped(task: Any, *, gate_is_mapped: bool) -> bool:
    """Return whether a downstream task would run after a skipping gate, because of its trigger rule."""
    return (gate_is_mapped or is_mapped(task)) and task.trigger_rule != "all_success"
