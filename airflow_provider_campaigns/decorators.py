"""``@task.send_gate``: check the gate and send in one process.

Between two tasks a campaign can stop. A function with this decorator runs in the process that has just found
the gate open.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    conf,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.rules.send_gate import Verdict
from airflow_provider_campaigns.tasks.asking import ASK_TIMEOUT
from airflow_provider_campaigns.tasks.gate import push_result

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import Task

__all__ = ["OpenGate", "send_gate"]

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OpenGate(Verdict):
    """The verdict that opened the gate.

    :param overridden_by: who chose *Send anyway*; None where fresh data opened the gate.
    :param reason: their reason.
    :param poll: polls the gate again.
    """

    overridden_by: str | None = None
    reason: str | None = None
    poll: Callable[[], Verdict] = field(repr=False, compare=False)

    def still_open(self) -> bool:
        """Return whether the gate is still open, by a fresh poll. Call it between two batches.

        A gate that a person opened stays open while Instantly reports the code that they accepted.

        :raises ApiError: Instantly does not respond, so that there is no evidence.
        """
        verdict = self.poll()
        is_accepted = self.overridden_by is not None and verdict.code is not None
        if verdict.open or (is_accepted and verdict.code == self.code):
            return True
        log.warning("The gate has closed: %s", verdict)
        return False


class _SendGateDecoratedOperator(DecoratedOperator, InstantlySendGateOperator):
    """Runs a function once its send gate is open. The XCom ``verdict`` is the verdict."""

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *InstantlySendGateOperator.template_fields,
    )
    custom_operator_name = "@task.send_gate"
    result_key = "verdict"

    def execute(self, context: Context) -> Any:
        """Poll, wait, and call the function."""
        return InstantlySendGateOperator.execute(self, context)

    def opened(self, context: Context, verdict: Verdict, result: dict[str, Any]) -> Any:
        """Call the function with the verdict, and return what it returns."""
        push_result(context, result, self.result_key)
        gate = OpenGate(
            **{**vars(verdict), "open": True},
            overridden_by=result.get("overridden_by"),
            reason=result.get("reason"),
            poll=self.poll,
        )
        function: Callable[..., Any] = self.python_callable.__wrapped__  # type: ignore[attr-defined]
        arguments = (gate, *self.op_args)
        context_merge(context, self.op_kwargs)
        named = determine_kwargs(function, arguments, context)
        returned = function(*arguments, **named)
        # Airflow cannot store the object, and would fail a task that has sent.
        return returned.as_dict() if isinstance(returned, Verdict) else returned


def send_gate(
    *,
    campaign_id: str | None = None,
    subsequence_id: str | None = None,
    intent: Literal["send", "add_leads", "activate", "edit"] = "send",
    policy: Mapping[str, str] | None = None,
    max_status_age: timedelta | float | str | None = None,
    check_senders: bool = False,
    wait_timeout: timedelta | float | str = timedelta(0),
    poke_interval: timedelta | float | str = 60,
    on_closed: Literal["fail", "skip", "ask"] = "fail",
    ask_timeout: timedelta | float | str = ASK_TIMEOUT,
    ask_timeout_action: Literal["fail", "skip"] = "fail",
    ask_users: Sequence[Mapping[str, str]] | None = None,
    ask_notifiers: Sequence[Callable[[Context], Any]] = (),
    allow_override: bool = False,
    deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
    max_failures: int = MAX_FAILURES,
    instantly_conn_id: str = "instantly_default",
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> Callable[[Callable[Concatenate[OpenGate, P], R]], Task[P, R]]:
    """Return a decorator that makes a function a task, which runs right after its send gate has opened.

    The function gets an :class:`OpenGate` as its first argument; the Dag passes the others. What it returns
    is the XCom. This is ``@task.send_gate``, with types.

    :param multiple_outputs: as for every ``@task``.
    :param kwargs: those of every operator. The other parameters are those of
        :class:`~airflow_provider_campaigns.operators.instantly.InstantlySendGateOperator`.
    """
    arguments = {name: value for name, value in locals().items() if name != "kwargs"}
    return send_gate_task(**arguments, **kwargs)  # type: ignore[no-any-return]


def send_gate_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,  # noqa: FBT001 - as Airflow calls it
    **kwargs: Any,
) -> Any:
    """Return what Airflow registers as ``@task.send_gate``."""

    def decorated(function: Callable[..., Any]) -> Any:
        return task_decorator_factory(
            _without_gate(function),
            multiple_outputs=multiple_outputs,
            decorated_operator_class=_SendGateDecoratedOperator,
            **kwargs,
        )

    return decorated if python_callable is None else decorated(python_callable)


def _without_gate(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with the arguments that the Dag passes: all but the first."""
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isgeneratorfunction(plain):
        raise ValueError(
            f"@task.send_gate: {function.__name__} is async or a generator, whose body would never run."
        )
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in positional:
        raise ValueError(
            f"@task.send_gate: {function.__name__} needs a first parameter, which gets the verdict: "
            f"def {function.__name__}(verdict, ...)."
        )

    @wraps(function)
    def without_gate(*_: Any, **__: Any) -> None:
        """Never runs: the operator calls the function itself."""

    without_gate.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    return without_gate
