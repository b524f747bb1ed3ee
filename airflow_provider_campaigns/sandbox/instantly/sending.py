"""Responses to sending-status requests. No I/O.

Vendor page: https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode
from airflow_provider_campaigns.sandbox.seed import timestamp

_LIFECYCLE_CODES: dict[int, SendingCode] = {
    LifecycleStatus.DRAFT: SendingCode.CAMPAIGN_DRAFT,
    LifecycleStatus.PAUSED: SendingCode.CAMPAIGN_PAUSED,
    LifecycleStatus.COMPLETED: SendingCode.CAMPAIGN_COMPLETED,
    LifecycleStatus.RUNNING_SUBSEQUENCES: SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES,
    LifecycleStatus.ACCOUNT_SUSPENDED: SendingCode.CAMPAIGN_ACCOUNT_SUSPENDED,
    LifecycleStatus.ACCOUNTS_UNHEALTHY: SendingCode.CAMPAIGN_ACCOUNTS_UNHEALTHY,
    LifecycleStatus.BOUNCE_PROTECT: SendingCode.CAMPAIGN_BOUNCE_PROTECT,
}
# A stopped campaign has no diagnostics, except one that has run out of leads.
_WITHOUT_DIAGNOSTICS = set(_LIFECYCLE_CODES.values()) - {
    SendingCode.CAMPAIGN_COMPLETED,
    SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES,
}
_WITHOUT_ISSUE = {SendingCode.HEALTHY, None}
# How old the data of a campaign out of schedule is with the habit sparse_out_of_schedule: a night.
OUT_OF_SCHEDULE_AGE = 15 * 3600.0

# The differences of the diagnostics from those of a healthy campaign, by code. "all" stands for the number of
# senders.
_DIFFERENCES: dict[str, dict[str, Any]] = {
    SendingCode.OUT_OF_SCHEDULE: {"schedule_status": {"in_schedule": False}},
    SendingCode.WAITING_FOR_LEADS: {"leads_status": {"no_leads_ready": True}},
    SendingCode.DAILY_LIMIT_MET: {"campaign_daily_limit": {"limit_hit": True, "sent": 100}},
    SendingCode.ACCOUNT_DAILY_LIMIT_MET: {
        "accounts_summary": {"available": 0, "unavailable": {"daily_limit_hit": "all"}}
    },
    SendingCode.NEW_LEAD_LIMIT_MET: {
        "new_lead_limit": {"enabled": True, "limit": 20, "contacted": 20, "limit_hit": True}
    },
    SendingCode.ALL_ACCOUNTS_UNHEALTHY: {
        "accounts_summary": {"available": 0, "unavailable": {"disconnected": "all"}}
    },
    SendingCode.WAITING_FOR_ESP_MATCH: {
        "esp_routing_status": {"enabled": True, "waiting_for_match": True, "connected_esps": [1]}
    },
    SendingCode.DOMAIN_LIMIT_REACHED: {"domain_limiter": {"active": True, "domains_at_limit": 3}},
    SendingCode.FOLLOW_UP_DELAY_NOT_MET: {
        "follow_ups_waiting": {"count": 4, "earliest_wait_time_seconds": 3600},
        "leads_status": {"delay_not_met_skips": 4},
    },
    SendingCode.NO_ACCOUNTS_AVAILABLE: {
        "accounts_summary": {"available": 0, "unavailable": {"global_gap_not_met": "all"}}
    },
}


@dataclass(frozen=True)
class Snapshot:
    """The sending status of a campaign or subsequence at one time.

    :param code: the code that it reports.
    :param found: the code of its diagnostics and issue tracking, which may be that of an earlier time.
    :param taken: when the diagnostics were last updated.
    :param senders: the number of its sending accounts.
    :param loop: the number of the loop that took it; None if it is of the time of the request.
    """

    code: str | None
    found: str | None
    taken: datetime
    senders: int
    loop: int | None = None


def lifecycle_code(status: int, senders: list[bool]) -> str:
    """Return the code that follows from a campaign's lifecycle and senders.

    :param senders: for each of its sending accounts, whether it works.
    """
    if status in _LIFECYCLE_CODES:
        return _LIFECYCLE_CODES[status].value
    if senders and not any(senders):
        return SendingCode.ALL_ACCOUNTS_UNHEALTHY.value
    return SendingCode.HEALTHY.value


def sending_status(
    ids: Mapping[str, str],
    snapshot: Snapshot,
    habits: Collection[str],
    overrides: Mapping[str, Any],
    *,
    with_ai_summary: bool,
) -> dict[str, Any]:
    """Return the response for a snapshot.

    :param ids: ``campaign_id`` and, for a subsequence, ``subsequence_id``.
    :param overrides: ``diagnostics`` and ``summary``, each null or the fields to replace.
    """
    code = snapshot.code
    diagnostics: dict[str, Any] | None = {**_diagnostics(ids, snapshot, habits), "status": code}
    if code in _WITHOUT_DIAGNOSTICS and not overrides.get("diagnostics"):
        diagnostics = None
    summary: dict[str, Any] | None = _summary(code, diagnostics, with_ai_summary=with_ai_summary)
    return {
        "diagnostics": _replaced(diagnostics, overrides, "diagnostics"),
        "summary": _replaced(summary, overrides, "summary"),
    }


def code_of(response: Any) -> str | None:
    """Return the code in a response of any form, or None."""
    for part in ("diagnostics", "summary"):
        found = response.get(part) if isinstance(response, dict) else None
        if isinstance(found, dict) and isinstance(found.get("status"), str):
            return str(found["status"])
    return None


def _replaced(part: dict[str, Any] | None, overrides: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    if name not in overrides:
        return part
    return None if overrides[name] is None else _merged(part or {}, overrides[name])


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if nested else value
    return merged


def _diagnostics(ids: Mapping[str, str], snapshot: Snapshot, habits: Collection[str]) -> dict[str, Any]:
    code, senders = snapshot.found, snapshot.senders
    fields = {
        **ids,
        "last_updated": timestamp(snapshot.taken),
        "status": code,
        "issue_tracking": _issue_tracking(snapshot),
    }
    if code == SendingCode.OUT_OF_SCHEDULE:  # the service may omit the rest, so the sandbox does
        return fields if "sparse_out_of_schedule" in habits else {**fields, **_DIFFERENCES[code]}
    unavailable = ("daily_limit_hit", "slow_ramp_limit_hit", "disconnected", "global_gap_not_met")
    rest = {
        "accounts_summary": {
            "total_connected": senders,
            "available": senders,
            "unavailable": dict.fromkeys(unavailable, 0),
        },
        "campaign_daily_limit": {"limit": 100, "sent": 12, "limit_hit": False},
        "new_lead_limit": {"enabled": False, "limit": None, "contacted": 6, "limit_hit": False},
        "schedule_status": {"in_schedule": True},
        "send_one_by_one": {"enabled": False, "single_account_per_wait_gap": False},
        "follow_ups_waiting": {"count": 0, "earliest_wait_time_seconds": None},
        "esp_routing_status": {"enabled": False, "waiting_for_match": False, "connected_esps": []},
        "domain_limiter": {"active": False, "domains_at_limit": 0},
        "leads_status": {"no_leads_ready": False, "account_unavailable_skips": 0, "delay_not_met_skips": 0},
    }
    found = {**fields, **_merged(rest, _with_senders(_DIFFERENCES.get(code or "", {}), senders))}
    if "null_estimates" in habits:
        found["follow_ups_waiting"]["earliest_wait_time_seconds"] = None
    return found


def _issue_tracking(snapshot: Snapshot) -> dict[str, Any]:
    """Return the issue tracking; a loop starts it again, and does not know when a mail was sent."""
    healthy, taken, of_loop = snapshot.found in _WITHOUT_ISSUE, snapshot.taken, snapshot.loop is not None
    first_seen = taken if of_loop else taken - timedelta(minutes=10)
    healthy_send = timestamp(taken - timedelta(minutes=1 if healthy else 15))
    return {
        "current_status_code": None if healthy else snapshot.found,
        "issue_first_seen_at": None if healthy else timestamp(first_seen),
        "consecutive_loops_with_issue": 0 if healthy else 1 if of_loop else 2,
        "last_healthy_send_at": None if of_loop else healthy_send,
    }


def _with_senders(difference: Any, senders: int) -> Any:
    if isinstance(difference, dict):
        return {name: _with_senders(value, senders) for name, value in difference.items()}
    return senders if difference == "all" else difference


def _summary(
    code: str | None, diagnostics: Mapping[str, Any] | None, *, with_ai_summary: bool
) -> dict[str, Any]:
    words = (code or "unknown").removeprefix("campaign_").replace("_", " ")
    tracking = diagnostics["issue_tracking"] if diagnostics else {}
    summary = {
        "status": code,
        "status_message": f"Sandbox: {words}.",
        "issue_started_at": tracking.get("issue_first_seen_at"),
        "last_healthy_send_at": tracking.get("last_healthy_send_at"),
    }
    if with_ai_summary:
        summary["ai_summary"] = f"The sandbox reports this campaign as: {words}."
    return summary
