"""What a closed gate asks a person, and what an answer means.

- A click is no evidence: only *Send anyway* opens a gate that fresh data does not open. It exists where the
  Dag allows it, and counts only from a named user who gives a reason.
- Airflow before 3.4 shows the text of a task's first question for all later ones. So a subject holds nothing
  that changes, and a body says when it was written and where the newest verdict is.
- Text of a service is shown as code: a campaign's name may hold Markdown, HTML or an address.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.rules.send_gate import Verdict, _duration

if TYPE_CHECKING:
    from airflow_provider_campaigns.rules.quality_gate import Check

MAX_HOURS = 720.0
_MAX_LENGTH = 1000
_BACKTICKS = re.compile("`+")


class Choice(str, Enum):
    """What a person may choose, as the buttons name it."""

    RECHECK = "Look again"
    WAIT = "Wait and look again"
    SKIP = "Skip the send"
    FAIL = "Fail"
    OVERRIDE = "Send anyway"


_MEANINGS = {
    Choice.RECHECK: "the gate decides by {source}. It asks again if it is still closed.",
    Choice.WAIT: "the same after `hours`. You can answer earlier.",
    Choice.SKIP: "the gate and the tasks behind it are skipped.",
    Choice.FAIL: "the gate fails.",
    Choice.OVERRIDE: "the tasks behind the gate run although it is closed. Needs a `reason`; both it and "
    "your name are recorded.",
}


class InvalidAnswerError(ValueError):
    """An answer that does not count."""


@dataclass(frozen=True)
class Question:
    """A question as Airflow shows it.

    :param subject: plain text.
    :param body: Markdown.
    :param options: the buttons.
    :param params: the fields of the form, as Airflow stores a ``Param``.
    """

    subject: str
    body: str
    options: Sequence[str]
    params: Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Topic:
    """What a question is about.

    :param gate: the kind of gate.
    :param campaign: the campaign's name, or its id; text of a service.
    :param facts: what is known, as items of a Markdown list.
    :param source: what the gate decides by after an answer.
    """

    gate: str
    campaign: str
    facts: Sequence[str]
    source: str = "fresh data"


@dataclass(frozen=True)
class Answer:
    """What a person answered.

    :param choice: None where nobody answered in time.
    :param user: who answered, as messages name them; empty where nobody did.
    :param hours: how long to wait.
    :param reason: why to send anyway.
    """

    choice: Choice | None
    user: str = ""
    hours: float = 0.0
    reason: str = ""


def question(
    topic: Topic,
    *,
    number: int,
    asked_at: datetime,
    ends_at: datetime,
    end: str,
    allow_override: bool,
    newest: str | None = None,
    note: str | None = None,
    recheck_at: datetime | None = None,
) -> Question:
    """Return a question.

    :param number: how often this task has asked, from 1 up.
    :param ends_at: when the gate stops asking.
    :param end: what it does then: ``fail`` or ``skip``.
    :param newest: the address of the page with the newest verdict; None where it is not known.
    :param note: why the last answer did not count.
    :param recheck_at: when the gate decides again without an answer; None where it does not.
    """
    choices = _choices(allow_override=allow_override)
    page = f"[XComs]({newest})" if newest else "XComs"
    lines = [
        f"**Question {number}, written at {_time(asked_at)}.** If the gate has asked again since, this text "
        f"may be old: the newest verdict is in the {page} and the log of this task.",
        "",
        *([f"**The last answer did not count:** {code(note)}", ""] if note else []),
        *(f"- {fact}" for fact in topic.facts),
        *([f"- **Decides again:** {_time(recheck_at)}"] if recheck_at else []),
        f"- **Asks until:** {_time(ends_at)}, then the gate {'fails' if end == 'fail' else 'is skipped'}",
        "",
        "What you can choose:",
        "",
        *(f"- **{choice.value}:** {_MEANINGS[choice].format(source=topic.source)}" for choice in choices),
    ]
    params = {"hours": _param(1, "For 'Wait and look again': how many hours.", "number")}
    if allow_override:
        params["reason"] = _param(None, "For 'Send anyway': why.", "string")
    return Question(
        subject=f"{topic.gate} closed: {printable(topic.campaign)}",
        body="\n".join(lines),
        options=[choice.value for choice in choices],
        params=params,
    )


def about_verdict(verdict: Verdict, subject: str, name: str | None, address: str) -> Topic:
    """Return what a question of a send gate is about.

    :param subject: the kind of object and its id.
    :param name: the campaign's name; None where it is not known.
    :param address: its page at the vendor.
    """
    facts = [
        f"**Name:** {code(name)}" if name else "**Name:** not known",
        f"**{subject}:** [open in Instantly]({address})",
        f"**Code:** {code(verdict.code or 'no status')} ({verdict.disposition.value})",
        f"**Meaning, and what to do:** {code(verdict.message)}",
    ]
    if verdict.issue_seconds is not None:
        facts.append(f"**Since:** at least {_duration(verdict.issue_seconds)}")
    age = "unknown"
    if verdict.last_updated is not None:
        age = _duration((verdict.checked_at - verdict.last_updated).total_seconds())
    facts.append(f"**Age of the data:** {age}")
    return Topic("Send gate", name or subject, facts)


def about_breaches(breaches: Sequence[Check], campaign: str, report: str | None = None) -> Topic:
    """Return what a question of a quality gate is about.

    :param report: the address of the cleaning report; None where Airflow does not show it.
    """
    facts = [
        f"**Campaign:** {code(campaign)}",
        *(f"**Threshold:** {code(str(each))}" for each in breaches),
        *([f"**Report:** [cleaning report]({report})"] if report else []),
        "**What to do:** repair the newsletter, clear the tasks that submit and get it, then look again",
    ]
    source = "the analysis, which is the same unless the tasks that submit and get it were cleared"
    return Topic("Quality gate", campaign, facts, source)


def about_error(gate: str, campaign: str, error: Exception) -> Topic:
    """Return what a question is about if the last poll got no response."""
    return Topic(gate, campaign, [f"**Campaign:** {code(campaign)}", f"**No response:** {code(str(error))}"])


def with_campaign(message: str, topic: Topic) -> str:
    """Return a message that names the campaign, for a person who does not know its id."""
    name = printable(topic.campaign)
    return message if name in message else f"{name!r}: {message}"


def read_answer(event: Mapping[str, Any], *, overriders: Collection[str]) -> Answer:
    """Return what a person answered.

    :param event: what Airflow passes to the task.
    :param overriders: the ids of the users who may send anyway; Airflow may show an old form to others.
    :raises InvalidAnswerError: the answer does not count; says why.
    """
    if "error" in event:
        if event.get("error_type") == "timeout":
            return Answer(None)
        raise InvalidAnswerError(f"Airflow refused it: {event['error']}")
    if event.get("timedout"):
        return Answer(None)
    responder = event.get("responded_by_user") or {}
    user = f"{responder.get('name')} ({responder.get('id')})" if responder else "an unknown user"
    chosen = event.get("chosen_options") or []
    params = event.get("params_input") or {}
    try:
        (choice,) = map(Choice, chosen)
    except ValueError:
        raise InvalidAnswerError(f"it must be one of the options, got {chosen!r}.") from None
    if choice is Choice.WAIT:
        return Answer(choice, printable(user), hours=_hours(_value(params, "hours", 1)))
    if choice is Choice.OVERRIDE:
        if str(responder.get("id")) not in overriders:
            raise InvalidAnswerError(f"{user} may not choose {choice.value!r}; ask_users may.")
        reason = _value(params, "reason", None)
        if not isinstance(reason, str) or not printable(reason):
            raise InvalidAnswerError(f"{choice.value!r} needs a reason.")
        return Answer(choice, printable(user), reason=printable(reason))
    return Answer(choice, printable(user))


def code(text: str) -> str:
    """Return a text as Markdown code, in which nothing is formatted, linked or loaded."""
    cut = text[: 4 * _MAX_LENGTH]
    line = " ".join("".join(each if each.isprintable() else " " for each in cut).split())[:_MAX_LENGTH]
    fence = "`" * (max(map(len, _BACKTICKS.findall(line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _choices(*, allow_override: bool) -> list[Choice]:
    return [choice for choice in Choice if allow_override or choice is not Choice.OVERRIDE]


def _param(value: Any, description: str, kind: str) -> dict[str, Any]:
    """Return a field of the form that may stay empty."""
    return {"value": value, "description": description, "schema": {"type": [kind, "null"]}}


def _value(params: Mapping[str, Any], name: str, default: Any) -> Any:
    value = params.get(name)
    if isinstance(value, Mapping):  # a form of Airflow 3.1 may return the whole field
        value = value.get("value")
    return default if value is None else value


def _hours(value: Any) -> float:
    try:
        hours = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        hours = math.nan
    if isinstance(value, bool) or not 0 < hours <= MAX_HOURS:
        raise InvalidAnswerError(f"hours must be a number, more than 0 and at most {MAX_HOURS:g}.")
    return hours


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
