"""Decide whether a gate opens: from a campaign's sending status, a policy and the time.

- Only a code that the policy accepts opens the gate, and only with fresh data or, where
  :mod:`~airflow_provider_campaigns.rules.gate_rules` says so, if the campaign's own status confirms it. A
  null and an unknown code never open it.
- A detail of the response may show that a state will not resolve: that closes the gate.
- An estimate of time is a reason to poll again, never a reason to open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode, SendingStatus
from airflow_provider_campaigns.api.response import name_or_none, printable
from airflow_provider_campaigns.exceptions import ApiError, BadRequestError
from airflow_provider_campaigns.rules.gate_details import (
    contradiction,
    end_date_matters,
    reason_in_campaign,
    reason_to_close,
)
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.gate_rules import LIFECYCLE_CODES, RULES, Disposition, Intent

__all__ = [
    "CLOCK_SKEW",
    "RULES",
    "Disposition",
    "Intent",
    "Policy",
    "Verdict",
    "gone",
    "judge",
    "staleness",
]

# Instantly is reported to refuse the sending status of a draft with 400. For these intents that may be one.
REFUSED_DRAFT_INTENTS = (Intent.ACTIVATE, Intent.EDIT)

CLOCK_SKEW = timedelta(minutes=5)
_MINUTE = 60.0
_HOUR = 3600.0
_MAX_ESTIMATE = 30 * 24 * _HOUR
_ACTIVATE_AFTERWARDS = (
    "Every lead has been mailed. Added leads may not start the campaign again: activate it afterwards."
)


@dataclass(frozen=True)
class Verdict:
    """Whether the gate is open, and why.

    :param open: the run may go on.
    :param disposition: what the code means; *wait* also for a malformed response and for old data.
    :param code: the code exactly as reported; None where there is none.
    :param message: the reason, and what would open the gate.
    :param checked_at: when the verdict was made.
    :param intent: what the downstream tasks do.
    :param last_updated: when Instantly last refreshed the data; None where the response has no valid time.
    :param next_poll_at: when polling again is worthwhile; None where the response has no estimate.
    :param issue_seconds: how long the issue has lasted at least; None where the response has no time.
    :param campaign_status: the campaign's own status; None where it was not read.
    :param campaign_name: its name, likewise.
    :param campaign_may: what the verdict may become if the campaign is read; None where reading it is of no
        use.
    """

    open: bool
    disposition: Disposition
    code: str | None
    message: str
    checked_at: datetime
    intent: Intent = Intent.SEND
    last_updated: datetime | None = None
    next_poll_at: datetime | None = None
    issue_seconds: float | None = None
    campaign_status: int | None = None
    campaign_name: str | None = None
    campaign_may: Disposition | None = None

    @property
    def keeps_waiting(self) -> bool:
        """Whether a wait goes on; it ends where reading the campaign may open the gate."""
        return self.disposition is Disposition.WAIT and self.campaign_may is not Disposition.OPEN

    @property
    def needs_person(self) -> bool:
        """Whether a person has to act: waiting does not help, and there is something left to send."""
        return self.disposition is Disposition.CLOSED

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values, times in ISO 8601."""
        read = {"campaign_status": self.campaign_status, "campaign_name": self.campaign_name}
        return {
            "open": self.open,
            "intent": self.intent.value,
            "disposition": self.disposition.value,
            "code": self.code,
            "message": self.message,
            "checked_at": self.checked_at.isoformat(),
            "last_updated": _iso(self.last_updated),
            "next_poll_at": _iso(self.next_poll_at),
            "issue_seconds": self.issue_seconds,
            **{name: value for name, value in read.items() if value is not None},
        }

    def __str__(self) -> str:
        parts = [f"gate {'open' if self.open else 'not open'}: {self.code or 'no status'}", self.message]
        if self.last_updated:
            age = (self.checked_at - self.last_updated).total_seconds()
            if age >= 0:
                parts.append(f"Data is {_duration(age)} old.")
        if not self.open and self.issue_seconds is not None:
            parts.append(f"The issue has lasted for at least {_duration(self.issue_seconds)}.")
        if self.next_poll_at:
            parts.append(f"Next poll is worthwhile at {self.next_poll_at:%Y-%m-%d %H:%M:%S} UTC.")
        return " | ".join(parts)


@dataclass(frozen=True)
class _Decision:
    disposition: Disposition
    reason: str
    campaign_may: Disposition | None = None


def judge(
    response: SendingStatus | ApiError,
    policy: Policy,
    now: datetime,
    campaign: Mapping[str, Any] | None = None,
) -> Verdict:
    """Return the verdict on a sending status.

    :param response: the sending status, or the error of a response that cannot be parsed as one.
    :param now: the time of the decision, with an offset.
    :param campaign: the campaign, read after the sending status; without it, a verdict that depends on it is
        *wait*, and its ``campaign_may`` says what reading the campaign may change.
    """
    if isinstance(response, BadRequestError) and policy.intent in REFUSED_DRAFT_INTENTS:
        if campaign is not None and campaign.get("status") == LifecycleStatus.DRAFT:
            response = SendingStatus(SendingCode.CAMPAIGN_DRAFT.value)
        else:
            decision = _Decision(Disposition.WAIT, f"This may be a draft: {response}", Disposition.OPEN)
            return _verdict(SendingStatus(None), decision, policy, now, None)
    if isinstance(response, ApiError):
        decision = _Decision(Disposition.WAIT, f"Malformed response: {response}")
        return _verdict(SendingStatus(None), decision, policy, now, None)
    return _verdict(response, _decide(response, policy, now, campaign), policy, now, campaign)


def gone(verdict: Verdict, policy: Policy, reason: str) -> Verdict:
    """Return the verdict of a gate whose campaign does not exist when it is read to confirm a code."""
    return replace(
        verdict,
        open=False,
        disposition=Disposition.CLOSED,
        message=f"The campaign does not exist. {policy.what_opens} {reason}",
        campaign_may=None,
    )


def _decide(
    status: SendingStatus, policy: Policy, now: datetime, campaign: Mapping[str, Any] | None
) -> _Decision:
    if status.status is None:
        return _Decision(Disposition.WAIT, "Instantly reports no status for this campaign.")
    try:
        code = SendingCode(status.status)
    except ValueError:
        return _Decision(Disposition.WAIT, "This provider does not know the code.")
    if reason := reason_to_close(code, status, policy, now):
        return _Decision(Disposition.CLOSED, reason)
    if campaign is not None and (reason := reason_in_campaign(code, campaign, policy, now)):
        return _Decision(Disposition.CLOSED, reason)
    disposition = policy.dispositions[code]
    if disposition is Disposition.OPEN:
        return _decide_open(code, status, policy, now, campaign)
    asks = campaign is None and end_date_matters(code, policy)
    return _Decision(disposition, RULES[code].advice, Disposition.CLOSED if asks else None)


def _decide_open(
    code: SendingCode,
    status: SendingStatus,
    policy: Policy,
    now: datetime,
    campaign: Mapping[str, Any] | None,
) -> _Decision:
    """Decide about a code that the policy accepts: it opens the gate only if it is fresh or confirmed."""
    if code not in LIFECYCLE_CODES:
        stale = staleness(status.last_updated, policy, now)
        if stale and not (policy.campaign_confirms and _is_past(status.last_updated, now)):
            return _Decision(Disposition.WAIT, stale)
        needs_campaign = bool(stale) or end_date_matters(code, policy)
    else:
        needs_campaign = True
    if needs_campaign and campaign is None:
        reason = "Only the campaign itself can confirm this code."
        return _Decision(Disposition.WAIT, reason, Disposition.OPEN)
    if campaign is not None and (problem := contradiction(code, campaign, policy)):
        return _Decision(Disposition.WAIT, problem)
    if code is SendingCode.CAMPAIGN_COMPLETED and policy.intent is Intent.ADD_LEADS:
        return _Decision(Disposition.OPEN, _ACTIVATE_AFTERWARDS)
    return _Decision(Disposition.OPEN, RULES[code].advice)


def _verdict(
    status: SendingStatus,
    decision: _Decision,
    policy: Policy,
    now: datetime,
    campaign: Mapping[str, Any] | None,
) -> Verdict:
    disposition = decision.disposition
    is_open = disposition is Disposition.OPEN
    message = (decision.reason, "" if is_open else policy.what_opens, _reason(status.reason))
    return Verdict(
        open=is_open,
        disposition=disposition,
        code=status.status,
        message=" ".join(filter(None, message)),
        checked_at=now,
        intent=policy.intent,
        last_updated=status.last_updated,
        next_poll_at=_next_poll_at(status, now) if disposition is Disposition.WAIT else None,
        issue_seconds=_issue_seconds(status, now),
        campaign_status=None if campaign is None else _number(campaign.get("status")),
        campaign_name=None if campaign is None else name_or_none(campaign.get("name")),
        campaign_may=decision.campaign_may,
    )


def _number(status: Any) -> int | None:
    return status if isinstance(status, int) and not isinstance(status, bool) else None


def staleness(last_updated: datetime | None, policy: Policy, now: datetime) -> str | None:
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


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is None or moment <= now


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
