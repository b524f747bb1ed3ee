"""What both gates do when they are closed: fail, skip, or ask a person.

A question ends the process of the task. What the gate needs afterwards travels with it in Airflow's database:
the arguments as they were rendered, and the time until which the gate asks.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, SkipMixin

from airflow_provider_campaigns.airflow_compat import ask_person, ui_address
from airflow_provider_campaigns.rules.questions import (
    Answer,
    Choice,
    InvalidAnswerError,
    Topic,
    question,
    read_answer,
    with_campaign,
)
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    choice,
    duration,
    rendered_fields,
    restore,
    shown,
    strict_flag,
)
from airflow_provider_campaigns.tasks.gate import (
    MAY_SKIP,
    check_downstream_waits,
    push_result,
    refuse_eager_downstream,
    skip_downstream,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.task_state import TaskState, submission_marker

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.metrics import Metrics

log = logging.getLogger(__name__)

ASK_TIMEOUT = timedelta(hours=12)
# How long a question is open at least; see MIN_DEFERRAL_SECONDS for the reason.
MIN_QUESTION_SECONDS = 5.0


@dataclass(frozen=True)
class Closed:
    """A gate that is not open.

    :param result: the XCom.
    :param message: the reason, as an error says it.
    :param topic: returns what a question is about; called only if the gate asks.
    :param outcome: ``closed`` or ``timed_out``.
    """

    result: dict[str, Any]
    message: str
    topic: Callable[[], Topic]
    outcome: str = "closed"


@dataclass(frozen=True)
class Asked:
    """What travels with a question, as plain JSON values.

    :param deadline: when the gate stops asking, in seconds since the epoch.
    :param number: how often the gate has asked.
    :param asked_at: when it last asked.
    :param message: why the gate is not open.
    :param outcome: ``closed`` or ``timed_out``.
    :param topic: what the question is about, see :class:`~.questions.Topic`.
    :param note: why the answer before did not count.
    :param recheck_at: when the gate decides again without an answer; None where it does not.
    """

    deadline: float
    number: int
    asked_at: float
    message: str
    outcome: str
    topic: Mapping[str, Any]
    note: str | None = None
    recheck_at: float | None = None


@dataclass(frozen=True)
class Answered:
    """A person has answered, and the gate decides again.

    :param note: why the answer did not count.
    """

    asked: Asked
    answer: Answer
    note: str | None = None


class AskingGate(RenderedTask, SkipMixin):
    """Base of the gates. A gate calls :meth:`close` with whatever it finds that keeps it closed."""

    on_closed: str
    closed_error: ClassVar[type[AirflowFailException]]
    # The errors of the outcomes that have another one.
    outcome_errors: ClassVar[Mapping[str, type[Exception]]] = {}
    # The key of the XCom that says why the gate is open or closed.
    result_key: ClassVar[str] = "return_value"
    inherits_from_skipmixin = True

    def prepare_template(self) -> None:
        """Refuse downstream tasks that would not wait for this gate, while the Dag is parsed."""
        if self.on_closed in MAY_SKIP:
            refuse_eager_downstream(self)

    def answered(
        self,
        context: Context,
        event: Mapping[str, Any],
        asked: Mapping[str, Any],
        rendered: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what a person chose; Airflow calls this after an answer, or without one in time.

        :param event: the answer.
        :param asked: what travelled with the question.
        :param rendered: the arguments that the question was about.
        """
        restore(self, rendered)
        last = Asked(**asked)
        note = None
        try:
            answer = read_answer(event, overriders=self._overriders())
        except InvalidAnswerError as error:
            note = str(error)
            log.warning("The answer does not count: %s", note)
            answer = Answer(Choice.RECHECK)
        if answer.choice is not None and note is None:
            log.info("Answer: %s by %s.", answer.choice.value, answer.user)
        if answer.choice is None and last.recheck_at is None:
            log.info("No answer in time.")
            self._end_asking(context, last.outcome, last.message)
        if answer.choice in {Choice.SKIP, Choice.FAIL}:
            action = "skip" if answer.choice is Choice.SKIP else "fail"
            message = f"{last.message} {answer.user} chose {answer.choice.value!r}."
            self._end(context, last.outcome, message, action)
        if answer.choice is Choice.WAIT:
            recheck_at = min(time.time() + answer.hours * 3600, last.deadline)
            if recheck_at > time.time():
                log.info("Deciding again at %s.", _utc(recheck_at).isoformat())
                self._park(context, replace(last, note=None, recheck_at=recheck_at))
        return self.recheck(context, Answered(last, answer, note))

    @abstractmethod
    def recheck(self, context: Context, answered: Answered | None = None) -> Any:
        """Decide by fresh data: return what an open gate returns, or call :meth:`close` or :meth:`ask`."""

    @abstractmethod
    def gate_metrics(self) -> Metrics:
        """Return the metrics of the gate."""

    def check_downstream(self, context: Context) -> None:
        """Refuse downstream tasks that would not wait for this gate; call it in ``execute``."""
        if self.on_closed in MAY_SKIP:
            check_downstream_waits(context)

    def close(self, context: Context, closed: Closed, answered: Answered | None = None) -> dict[str, Any]:
        """Do what a closed gate does to the run, and push the result as the XCom.

        :param answered: after an answer.
        :returns: the result of a gate that a person overrides; in all other cases this does not return.
        """
        if answered is not None and answered.answer.choice is Choice.OVERRIDE:
            return self._override(closed, answered.answer)
        push_result(context, closed.result, self.result_key)
        if self.on_closed == "ask" and "ti" in context:  # absent where execute() is called by hand
            self.ask(context, closed, answered)
        return self._end(context, closed.outcome, closed.message, self.on_closed)

    def ask(self, context: Context, closed: Closed, answered: Answered | None = None) -> NoReturn:
        """Ask a person, until ``ask_timeout``."""
        now = time.time()
        deadline = answered.asked.deadline if answered else self._deadline(context, now)
        if deadline <= now:
            self._end_asking(context, closed.outcome, closed.message)
        topic = closed.topic()
        asked = Asked(
            deadline=deadline,
            number=answered.asked.number + 1 if answered else 1,
            asked_at=now,
            message=with_campaign(closed.message, topic),
            outcome=closed.outcome,
            topic=asdict(topic),
            note=answered.note if answered else None,
        )
        log.info("Question %d: %s", asked.number, asked.message)
        self.gate_metrics().gate("asked")
        self._notify(context, asked)
        self._park(context, asked)

    def _deadline(self, context: Context, now: float) -> float:
        """Return until when to ask; a retry goes on with the time of the try before, where that is stored."""
        state, key = TaskState(context), f"ask_until_{submission_marker(context)}"
        deadline = state.get(key) or now + self.ask_timeout
        state.set(key, deadline)
        return float(deadline)

    def _init_asking(
        self,
        *,
        ask_timeout: timedelta | float | str,
        ask_timeout_action: str,
        ask_users: Any,
        ask_notifiers: Any,
        allow_override: bool,
    ) -> None:
        """Set the arguments of a question."""
        self.ask_timeout: Any = ask_timeout
        self.ask_timeout_action = ask_timeout_action
        self.ask_users: Any = ask_users
        self.ask_notifiers: Any = ask_notifiers
        self.allow_override = allow_override

    def _check_at_parse(self) -> None:
        """Check the arguments; call it last in ``__init__``.

        :raises ValueError: one is not valid, or those of a question do not go together.
        """
        check_at_parse(self)
        if self.allow_override and not self.ask_users:
            raise ValueError("allow_override needs ask_users: name those who may send although it is closed.")
        unused = [name for name in ("allow_override", "ask_users", "ask_notifiers") if getattr(self, name)]
        if unused and self.on_closed in {"fail", "skip"}:
            raise ValueError(f"{' and '.join(unused)}: only with on_closed='ask', got {self.on_closed!r}.")

    def _question(self, context: Context, asked: Asked) -> dict[str, Any]:
        return asdict(
            question(
                Topic(**asked.topic),
                number=asked.number,
                asked_at=_utc(asked.asked_at),
                ends_at=_utc(asked.deadline),
                end=self.ask_timeout_action,
                allow_override=self.allow_override,
                newest=ui_address(context, "xcom"),
                note=asked.note,
                recheck_at=None if asked.recheck_at is None else _utc(asked.recheck_at),
            )
        )

    def _park(self, context: Context, asked: Asked) -> NoReturn:
        """Show the question, and end this process until there is an answer."""
        ask_person(
            self,
            context,
            self._question(context, asked),
            users=self.ask_users or (),
            seconds=max((asked.recheck_at or asked.deadline) - time.time(), MIN_QUESTION_SECONDS),
            method_name="answered",
            kwargs={"asked": asdict(asked), "rendered": self._rendered_for_answer()},
        )

    def _rendered_for_answer(self) -> dict[str, Any]:
        """Return the arguments that stay what they are, whatever their templates render to later."""
        return rendered_fields(self)

    def _notify(self, context: Context, asked: Asked) -> None:
        """Call the notifiers."""
        address = ui_address(context, "required_actions")
        shown_question = {**self._question(context, asked), "message": asked.message, "address": address}
        for notifier in self.ask_notifiers:
            self._call(notifier, {**context, "question": shown_question})

    def _call(self, notifier: Callable[[Any], Any], context: Any) -> None:
        """Call a notifier; one that fails is logged."""
        try:
            copy(notifier)(context)  # a copy, because a notifier renders its own arguments
        except Exception:
            log.exception("%s failed; the gate asks all the same.", type(notifier).__name__)

    def _overriders(self) -> set[str]:
        return {user["id"] for user in self.ask_users or ()} if self.allow_override else set()

    def _override(self, closed: Closed, answer: Answer) -> dict[str, Any]:
        """Open a closed gate, on record."""
        log.warning("%s %s sends anyway: %s", closed.message, answer.user, answer.reason)
        self.gate_metrics().gate("overridden")
        return {**closed.result, "open": True, "overridden_by": answer.user, "reason": answer.reason}

    def _end_asking(self, context: Context, outcome: str, message: str) -> NoReturn:
        why = f" No answer opened the gate within {self.ask_timeout:g} s (ask_timeout)."
        self._end(context, outcome, f"{message}{why}", self.ask_timeout_action)

    def _end(self, context: Context, outcome: str, message: str, action: str) -> NoReturn:
        """Fail the task, or skip it with its downstream tasks."""
        self.gate_metrics().gate(outcome)
        if action == "skip":
            log.info("%s", message)
            skip_downstream(self, context, self.closed_error)
        raise self.outcome_errors.get(outcome, self.closed_error)(message)


def _span(value: Any, name: str) -> float:
    """Return how long a gate asks, in seconds."""
    seconds = duration(value, name)
    if not seconds:
        raise ValueError(f"{name} must be more than 0; got {shown(value)}.")
    return seconds


def _users(value: Any, name: str) -> list[dict[str, str]] | None:
    """Return users as Airflow stores them: a list of ``{"id": "7", "name": "Jane"}``."""
    users = [value] if isinstance(value, Mapping) else value
    if users is None:
        return None
    if isinstance(users, Sequence) and not isinstance(users, str) and users and all(map(_is_user, users)):
        return [{"id": str(user["id"]), "name": user["name"]} for user in users]
    raise ValueError(
        f'{name} must be a list of users such as [{{"id": "7", "name": "Jane"}}], with the ids of your auth '
        f"manager, or None for everyone with access to the Dag; got {shown(value)}."
    )


def _is_user(user: Any) -> bool:
    if not isinstance(user, Mapping) or set(user) != {"id", "name"}:
        return False
    user_id, name = user["id"], user["name"]
    is_id = isinstance(user_id, (str, int)) and not isinstance(user_id, bool) and str(user_id).strip()
    return bool(is_id) and isinstance(name, str) and bool(name.strip())


def _notifiers(value: Any, name: str) -> tuple[Any, ...]:
    """Return notifiers as a tuple."""
    notifiers = (value,) if callable(value) else value
    if not isinstance(notifiers, (list, tuple)) or not all(map(_is_notifier, notifiers)):
        raise ValueError(
            f"{name} must be a list of notifiers, objects of a BaseNotifier or functions that are not async; "
            f"got {shown(value)}."
        )
    return tuple(notifiers)


def _is_notifier(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and not iscoroutinefunction(value)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


# The checks of the arguments of a question.
ASK_ARGUMENTS: Mapping[str, Check] = {
    "ask_timeout": _span,
    "ask_timeout_action": choice("fail", "skip"),
    "ask_users": _users,
    "ask_notifiers": _notifiers,
    "allow_override": strict_flag,
}
