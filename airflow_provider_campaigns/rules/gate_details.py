"""What else decides about a gate besides the code: details of the response, and the campaign itself.

A detail closes the gate where it shows that the state will not resolve: no sender is attached, every sender
is disconnected, a limit is 0, the end date has passed. A policy that opens the gate on the code does not
change that, unless it says ``open_anyway``; without any sender the gate stays closed even then. No detail
matters for an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode, SendingStatus
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.gate_rules import (
    LIFECYCLE_CODES,
    Disposition,
    Intent,
    expected_lifecycle,
)

# Campaign.not_sending_status: an error on Instantly's side. Its other values are about pacing.
_VENDOR_ERROR = 99
_LAST_TIMEZONE = "Etc/GMT+12"
_LIMITS = {
    SendingCode.DAILY_LIMIT_MET: ("campaign_daily_limit", "The campaign's daily limit is 0: raise it."),
    SendingCode.NEW_LEAD_LIMIT_MET: ("new_lead_limit", "The limit of new leads is 0: raise it."),
}


def reason_to_close(code: SendingCode, status: SendingStatus, policy: Policy, now: datetime) -> str | None:
    """Return which detail of the response closes the gate; None where none does."""
    if not _details_matter(code, policy):
        return None
    updated = status.last_updated
    is_old = updated is not None and now - updated > policy.max_status_age
    # Instantly keeps the details of a campaign's last day after it has ended.
    opens = policy.dispositions[code] is Disposition.OPEN and not (is_old and code in LIFECYCLE_CODES)
    total = status.diagnostic_number("accounts_summary", "total_connected")
    if opens or code is SendingCode.NO_ACCOUNTS_AVAILABLE:
        gone = status.diagnostic_number("accounts_summary", "unavailable", "disconnected")
        if total == 0:
            return "No sending account is attached: attach one."
        if total and gone and gone >= total > 0 and code not in policy.opened_anyway:
            return "Every sending account is disconnected."
    limit, reason = _LIMITS.get(code, ("", ""))
    if limit and code not in policy.opened_anyway and status.diagnostic_number(limit, "limit") == 0:
        return reason
    return None


def end_date_matters(code: SendingCode, policy: Policy) -> bool:
    """Return whether the end date of the campaign may close the gate."""
    is_out = code is SendingCode.OUT_OF_SCHEDULE and code not in policy.opened_anyway
    return is_out and _details_matter(code, policy)


def reason_in_campaign(
    code: SendingCode, campaign: Mapping[str, Any], policy: Policy, now: datetime
) -> str | None:
    """Return what in the campaign itself closes the gate; None where nothing does."""
    if not _details_matter(code, policy):
        return None
    if code not in policy.opened_anyway and has_ended(campaign, now):
        return "The campaign's end date has passed: change its schedule."
    starts = policy.intent is Intent.ACTIVATE and policy.dispositions[code] is Disposition.OPEN
    if starts and campaign.get("email_list") == [] and not campaign.get("email_tag_list"):
        return "No sending account is attached: attach one."
    return None


def has_ended(campaign: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the end date of a campaign has passed everywhere that its schedule names."""
    schedule = campaign.get("campaign_schedule") or campaign.get("subsequence_schedule")
    if not isinstance(schedule, Mapping):
        return False
    try:
        last_day = date.fromisoformat(schedule["end_date"][:10])
    except (KeyError, TypeError, ValueError):
        return False
    return all(now.astimezone(zone).date() > last_day for zone in _zones(schedule))


def contradiction(code: SendingCode, campaign: Mapping[str, Any], policy: Policy) -> str | None:
    """Return what in a campaign contradicts a code; None where the campaign confirms it."""
    status, expected = campaign.get("status"), expected_lifecycle(code)
    accepted = [expected]  # no set: the status may be a JSON list
    subsequences = SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES
    if expected is LifecycleStatus.ACTIVE and policy.dispositions[subsequences] is Disposition.OPEN:
        accepted.append(LifecycleStatus.RUNNING_SUBSEQUENCES)
    if isinstance(status, bool) or status not in accepted:
        return (
            f"The sending status is {code.value}, but the campaign itself is "
            f"{LifecycleStatus.name_of(status)}; it should be {LifecycleStatus.name_of(int(expected))}."
        )
    if campaign.get("not_sending_status") == _VENDOR_ERROR:
        return "Instantly reports an error on its side for this campaign (not_sending_status 99)."
    return None


def _details_matter(code: SendingCode, policy: Policy) -> bool:
    """Return whether a detail may close the gate: not where the user decided that the code does not open."""
    decided = code in policy.overridden and policy.dispositions[code] is not Disposition.OPEN
    return policy.intent is not Intent.EDIT and not decided


def _zones(schedule: Mapping[str, Any]) -> list[ZoneInfo]:
    """Return the time zones of a schedule; the last one on earth where one is not known."""
    parts = schedule.get("schedules")
    parts = parts if isinstance(parts, list) else []
    try:
        zones = [ZoneInfo(str(each["timezone"])) for each in parts]
    except (ValueError, TypeError, OSError, KeyError):
        zones = []
    return zones or [ZoneInfo(_LAST_TIMEZONE)]
