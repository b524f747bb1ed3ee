"""Decide whether a campaign may send: from its sending status, a policy and the time.

- Only a code that the policy accepts opens the gate, and only while its data is fresh. A null, an unknown
  code, and data without a valid time, from the future or too old never open it.
- :data:`RULES` gives every code one disposition. *open*: the run goes on. *wait*: the state ends without a
  person. *closed*: a person has to act. *finished*: no lead is left. A policy overrides single codes.
- Only a code that would open the gate needs fresh data. A paused campaign, for example, carries no time.
- An estimate of time is a reason to poll again, never a reason to open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any

from airflow_provider_campaigns.api.instantly import SendingCode, SendingStatus
from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.api.values import shown
from airflow_provider_campaigns.exceptions import ApiError

CLOCK_SKEW = timedelta(minutes=5)
MAX_STATUS_AGE = timedelta(hours=1)
_MINUTE = 60.0
_HOUR = 3600.0
_MAX_ESTIMATE = 30 * 24 * _HOUR


class Disposition(str, Enum):
    """What a code means for the gate."""

    OPEN = "open"
    WAIT = "wait"
    CLOSED = "closed"
    FINISHED = "finished"


@dataclass(frozen=True)
class Rule:
    """The default disposition of a code, and advice for a person."""

    disposition: Disposition
    advice: str


RULES: Mapping[SendingCode, Rule] = MappingProxyType({
    SendingCode.HEALTHY: Rule(
        Disposition.OPEN, "The campaign sends normally."),
    SendingCode.FOLLOW_UP_DELAY_NOT_MET: Rule(
        Disposition.WAIT, "Follow-ups exist and none is due yet."),
    SendingCode.OUT_OF_SCHEDULE: Rule(
        Disposition.WAIT, "The campaign is outside its sending hours."),
    SendingCode.DAILY_LIMIT_MET: Rule(
        Disposition.WAIT, "The campaign has reached its own limit for today."),
    SendingCode.ACCOUNT_DAILY_LIMIT_MET: Rule(
        Disposition.WAIT, "The sending accounts have reached their limits for today."),
    SendingCode.NEW_LEAD_LIMIT_MET: Rule(
        Disposition.WAIT, "The limit of new leads for today is reached."),
    SendingCode.DOMAIN_LIMIT_REACHED: Rule(
        Disposition.WAIT, "The limit per recipient domain is reached for today."),
    SendingCode.WAITING_FOR_ESP_MATCH: Rule(
        Disposition.WAIT, "Waiting for a sender at the recipient's provider; add one, or relax routing."),
    SendingCode.WAITING_FOR_LEADS: Rule(
        Disposition.WAIT, "No lead is ready: add leads. Accept this code in the policy of a gate that stands "
        "before a task that adds them."),
    SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES: Rule(
        Disposition.WAIT, "The main steps are done and subsequences still run."),
    SendingCode.NO_ACCOUNTS_AVAILABLE: Rule(
        Disposition.WAIT, "No sending account is free at the moment."),
    SendingCode.CAMPAIGN_DRAFT: Rule(
        Disposition.CLOSED, "The campaign was never activated."),
    SendingCode.CAMPAIGN_PAUSED: Rule(
        Disposition.CLOSED, "Somebody paused the campaign; resume it in Instantly."),
    SendingCode.CAMPAIGN_BOUNCE_PROTECT: Rule(
        Disposition.CLOSED, "Paused because too many mails bounced: clean the list, then resume by hand."),
    SendingCode.CAMPAIGN_ACCOUNTS_UNHEALTHY: Rule(
        Disposition.CLOSED, "Paused because its senders are in error: repair them, then resume by hand."),
    SendingCode.CAMPAIGN_ACCOUNT_SUSPENDED: Rule(
        Disposition.CLOSED, "A sending account is suspended: remove it, or ask Instantly's support."),
    SendingCode.ALL_ACCOUNTS_UNHEALTHY: Rule(
        Disposition.CLOSED, "Every sending account is in error: repair or replace them."),
    SendingCode.CAMPAIGN_COMPLETED: Rule(
        Disposition.FINISHED, "Every lead has been mailed: add leads, or copy the campaign."),
})  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """The disposition of every code, and how old the data may be.

    :param dispositions: one for each of the 18 codes.
    :param max_status_age: the oldest data that may open the gate.
    :param overridden: the codes that the user decided; no detail of a response changes their disposition.
    """

    dispositions: Mapping[SendingCode, Disposition]
    max_status_age: timedelta = MAX_STATUS_AGE
    overridden: frozenset[SendingCode] = frozenset()

    @classmethod
    def of(
        cls, overrides: Mapping[str, str] | None = None, max_status_age: timedelta = MAX_STATUS_AGE
    ) -> Policy:
        """Return the default policy with a user's overrides.

        :param overrides: code to disposition, each as a string or an enum member.
        :raises ValueError: a code or disposition is unknown, or the age is negative.
        """
        if overrides is not None and not isinstance(overrides, Mapping):
            raise ValueError(f"policy must be a mapping of codes to dispositions, got {shown(overrides)}.")
        chosen = {_code(code): _disposition(code, wanted) for code, wanted in (overrides or {}).items()}
        if max_status_age < timedelta(0):
            raise ValueError(f"max_status_age must not be negative, got {max_status_age}.")
        defaults = {code: rule.disposition for code, rule in RULES.items()}
        return cls({**defaults, **chosen}, max_status_age, frozenset(chosen))


@dataclass(frozen=True)
class Verdict:
    """Whether the gate is open, and why.

    :param open: the run may go on.
    :param disposition: what the code means; *wait* also for a malformed response and for old data.
    :param code: the code exactly as reported; None where there is none.
    :param message: the reason.
    :param checked_at: when the verdict was made.
    :param last_updated: when Instantly last refreshed the data; None where the response has no valid time.
    :param next_poll_at: when polling again is worthwhile; None where the response has no estimate.
    :param issue_seconds: how long the issue has lasted; None where the response has no time.
    """

    open: bool
    disposition: Disposition
    code: str | None
    message: str
    checked_at: datetime
    last_updated: datetime | None = None
    next_poll_at: datetime | None = None
    issue_seconds: float | None = None

    @property
    def needs_person(self) -> bool:
        """Whether a person has to act: waiting does not help, and there is something left to send."""
        return self.disposition is Disposition.CLOSED

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values, times in ISO 8601."""
        return {
            "open": self.open,
            "disposition": self.disposition.value,
            "code": self.code,
            "message": self.message,
            "checked_at": self.checked_at.isoformat(),
            "last_updated": _iso(self.last_updated),
            "next_poll_at": _iso(self.next_poll_at),
            "issue_seconds": self.issue_seconds,
        }

    def __str__(self) -> str:
        parts = [f"gate {'open' if self.open else 'not open'}: {self.code or 'no status'}", self.message]
        if self.last_updated:
            age = (self.checked_at - self.last_updated).total_seconds()
            if age >= 0:
                parts.append(f"Data is {_duration(age)} old.")
        if not self.open and self.issue_seconds is not None:
            parts.append(f"The issue has lasted {_duration(self.issue_seconds)}.")
        if self.next_poll_at:
            parts.append(f"Next poll is worthwhile at {self.next_poll_at:%Y-%m-%d %H:%M:%S} UTC.")
        return " | ".join(parts)


def judge(response: SendingStatus | ApiError, policy: Policy, now: datetime) -> Verdict:
    """Return the verdict on a sending status.

    :param response: the sending status, or the error of a response that cannot be parsed as one.
    :param now: the time of the decision, with an offset.
    """
    if isinstance(response, ApiError):
        message = f"Malformed response: {response}"
        return Verdict(open=False, disposition=Disposition.WAIT, code=None, message=message, checked_at=now)
    status = response
    disposition, message = _disposition_of(status, policy)
    if disposition is Disposition.OPEN and (stale := _staleness(status.last_updated, policy, now)):
        disposition, message = Disposition.WAIT, stale
    return Verdict(
        open=disposition is Disposition.OPEN,
        disposition=disposition,
        code=status.status,
        message=" ".join(part for part in (message, _reason(status.reason)) if part),
        checked_at=now,
        last_updated=status.last_updated,
        next_poll_at=_next_poll_at(status, now) if disposition is Disposition.WAIT else None,
        issue_seconds=_issue_seconds(status, now),
    )


def _disposition_of(status: SendingStatus, policy: Policy) -> tuple[Disposition, str]:
    if status.status is None:
        return Disposition.WAIT, "Instantly reports no status for this campaign."
    try:
        code = SendingCode(status.status)
    except ValueError:
        return Disposition.WAIT, "This provider does not know the code, so the gate stays closed."
    if code not in policy.overridden and (reason := _reason_to_close(code, status)):
        return Disposition.CLOSED, reason
    return policy.dispositions[code], RULES[code].advice


def _reason_to_close(code: SendingCode, status: SendingStatus) -> str | None:
    """Return why a code that usually resolves will not resolve this time, where the details show it."""
    for needed, applies, reason in _REASONS_TO_CLOSE:
        if code is needed and applies(status):
            return reason
    return None


def _no_sender(status: SendingStatus) -> bool:
    return status.diagnostic_number("accounts_summary", "total_connected") == 0


def _all_disconnected(status: SendingStatus) -> bool:
    total = status.diagnostic_number("accounts_summary", "total_connected")
    gone = status.diagnostic_number("accounts_summary", "unavailable", "disconnected")
    return total is not None and gone is not None and gone >= total > 0


_REASONS_TO_CLOSE: tuple[tuple[SendingCode, Callable[[SendingStatus], bool], str], ...] = (
    (SendingCode.NO_ACCOUNTS_AVAILABLE, _no_sender, "No sending account is attached: attach one."),
    (SendingCode.NO_ACCOUNTS_AVAILABLE, _all_disconnected, "Every sending account is disconnected."),
    (
        SendingCode.DAILY_LIMIT_MET,
        lambda status: status.diagnostic_number("campaign_daily_limit", "limit") == 0,
        "The campaign's daily limit is 0: raise it.",
    ),
    (
        SendingCode.NEW_LEAD_LIMIT_MET,
        lambda status: status.diagnostic_number("new_lead_limit", "limit") == 0,
        "The limit of new leads is 0: raise it.",
    ),
)


def _staleness(last_updated: datetime | None, policy: Policy, now: datetime) -> str | None:
    """Return why the data is not fresh enough to open the gate; None where it is."""
    if last_updated is None:
        return "last_updated is missing or invalid, so freshness cannot be checked."
    age = now - last_updated
    if age < -CLOCK_SKEW:
        return f"last_updated is {_duration(-age.total_seconds())} in the future."
    if age > policy.max_status_age:
        return (
            f"The data is {_duration(age.total_seconds())} old; at most "
            f"{_duration(policy.max_status_age.total_seconds())} are allowed."
        )
    return None


def _next_poll_at(status: SendingStatus, now: datetime) -> datetime | None:
    """Return when the first follow-up is due, the only estimate in a sending status."""
    seconds = status.diagnostic_number("follow_ups_waiting", "earliest_wait_time_seconds")
    if status.status != SendingCode.FOLLOW_UP_DELAY_NOT_MET.value or not seconds or seconds < 0:
        return None
    due = min(status.last_updated or now, now) + timedelta(seconds=min(seconds, _MAX_ESTIMATE))
    return due if due > now else None


def _issue_seconds(status: SendingStatus, now: datetime) -> float | None:
    if status.issue_started_at is None or status.issue_started_at > now:
        return None
    return round((now - status.issue_started_at).total_seconds(), 3)


def _code(code: str) -> SendingCode:
    try:
        return SendingCode(code)
    except ValueError:
        known = ", ".join(known.value for known in SendingCode)
        raise ValueError(f"policy: unknown sending code {shown(code)}. The codes are: {known}.") from None


def _disposition(code: str, wanted: str) -> Disposition:
    try:
        return Disposition(wanted)
    except ValueError:
        known = ", ".join(known.value for known in Disposition)
        raise ValueError(f"policy: {code!r} must be one of {known}, got {shown(wanted)}.") from None


def _reason(reason: str | None) -> str:
    return f'Instantly: "{printable(reason)}"' if reason else ""


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _duration(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
