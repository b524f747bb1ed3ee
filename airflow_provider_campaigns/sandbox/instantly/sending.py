"""Responses to sending-status requests. No I/O.

Vendor page: https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status
"""

from __future__ import annotations

from collections.abc import Mapping
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
    code: str | None,
    now: datetime,
    *,
    senders: int = 1,
    with_ai_summary: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the response for a code.

    :param ids: ``campaign_id`` and, for a subsequence, ``subsequence_id``.
    :param overrides: ``last_updated_age`` in seconds; ``diagnostics`` and ``summary``, each null or the
        fields to replace.
    """
    overrides = overrides or {}
    updated = now - timedelta(seconds=overrides.get("last_updated_age", 0))
    diagnostics: dict[str, Any] | None = _diagnostics(ids, code, updated, senders)
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


def _diagnostics(ids: Mapping[str, str], code: str | None, updated: datetime, senders: int) -> dict[str, Any]:
    healthy = code in _WITHOUT_ISSUE
    fields = {
        **ids,
        "last_updated": timestamp(updated),
        "status": code,
        "issue_tracking": {
            "current_status_code": None if healthy else code,
            "issue_first_seen_at": None if healthy else timestamp(updated - timedelta(minutes=10)),
            "consecutive_loops_with_issue": 0 if healthy else 2,
            "last_healthy_send_at": timestamp(updated - timedelta(minutes=1 if healthy else 15)),
        },
    }
    if code == SendingCode.OUT_OF_SCHEDULE:  # the service may omit the rest, so the sandbox does
        return {**fields, **_DIFFERENCES[code]}
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
    return {**fields, **_merged(rest, _with_senders(_DIFFERENCES.get(code or "", {}), senders))}


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
