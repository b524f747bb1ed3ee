"""The initial data of Instantly: a workspace, senders, four campaigns and a subsequence.

The ids are constant, so a Dag can use them.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus

HEALTHY_CAMPAIGN_ID = "5a4db0c5-0000-4000-8000-000000000001"
UNHEALTHY_CAMPAIGN_ID = "5a4db0c5-0000-4000-8000-000000000002"
PAUSED_CAMPAIGN_ID = "5a4db0c5-0000-4000-8000-000000000003"
DRAFT_CAMPAIGN_ID = "5a4db0c5-0000-4000-8000-000000000004"
SUBSEQUENCE_ID = "5a4db0c5-0000-4000-8000-000000000011"
WORKSPACE_ID = "5a4db0c5-0000-4000-8000-000000000021"
BLOCKLIST_ID = "5a4db0c5-0000-4000-8000-000000000022"
_OWNER_ID = "5a4db0c5-0000-4000-8000-000000000023"

HEALTHY_SENDERS = ("ada@sender.test", "grace@sender.test")
FAILING_SENDERS = ("lost@sender.test", "refused@sender.test")
BLOCKED_DOMAIN = "blocked.test"

ACTIVE_LEAD, COMPLETED_LEAD = 1, 3
_SENDING_ERROR = -3
_ALL_DAYS = {str(day): True for day in range(7)}
ALWAYS: dict[str, Any] = {
    "start_date": None,
    "end_date": None,
    "schedules": [
        {
            "name": "Always",
            "timing": {"from": "00:00", "to": "23:59"},
            "days": _ALL_DAYS,
            "timezone": "Africa/Abidjan",
        }
    ],
}


_HELLO = "<p>Hi {{firstName}},</p><p>how do you do what {{companyName}} does?</p>"
_STEPS: tuple[dict[str, Any], ...] = (
    {
        "type": "email",
        "delay": 3,
        "delay_unit": "days",
        "variants": [
            {"subject": "A question, {{firstName}}", "body": _HELLO},
            {"subject": "About {{companyName}}", "body": _HELLO},
        ],
    },
    {
        "type": "email",
        "delay": 2,
        "delay_unit": "days",
        "variants": [
            {"subject": "", "body": "<p>Hi {{firstName}}, have you seen my mail?</p>"},
            {"subject": "", "body": "<p>One last try, {{firstName}}.</p>", "v_disabled": True},
        ],
    },
)


def timestamp(moment: datetime) -> str:
    """Return a time in Instantly's format."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def campaign(
    campaign_id: str, name: str, now: datetime, *, status: int = LifecycleStatus.DRAFT, **fields: Any
) -> dict[str, Any]:
    """Return a campaign with the fields that the service always sends, and the given ones."""
    return {
        "id": campaign_id,
        "name": name,
        "status": int(status),
        "campaign_schedule": ALWAYS,
        "sequences": [],
        "timestamp_created": timestamp(now),
        "timestamp_updated": timestamp(now),
        "email_list": [],
        "daily_limit": 100,
        "stop_on_reply": True,
        "organization": WORKSPACE_ID,
        **fields,
    }


def campaigns(now: datetime) -> dict[str, dict[str, Any]]:
    """Return the initial campaigns by id."""
    rows = (
        (HEALTHY_CAMPAIGN_ID, "Sandbox: healthy", 1, HEALTHY_SENDERS),
        (UNHEALTHY_CAMPAIGN_ID, "Sandbox: senders in error", 1, FAILING_SENDERS),
        (PAUSED_CAMPAIGN_ID, "Sandbox: paused", 2, HEALTHY_SENDERS),
        (DRAFT_CAMPAIGN_ID, "Sandbox: draft", 0, HEALTHY_SENDERS),
    )
    return {
        campaign_id: campaign(
            campaign_id,
            name,
            now,
            status=status,
            email_list=list(senders),
            sequences=[{"steps": deepcopy(list(_STEPS))}],
        )
        for campaign_id, name, status, senders in rows
    }


def subsequences(now: datetime) -> dict[str, dict[str, Any]]:
    """Return the initial subsequence by id."""
    return {
        SUBSEQUENCE_ID: {
            "id": SUBSEQUENCE_ID,
            "timestamp_created": timestamp(now),
            "parent_campaign": HEALTHY_CAMPAIGN_ID,
            "workspace": WORKSPACE_ID,
            "status": int(LifecycleStatus.ACTIVE),
            "timestamp_leads_updated": timestamp(now),
            "name": "Sandbox: interested",
            "conditions": {"crm_status": [1]},
            "subsequence_schedule": ALWAYS,
            "sequences": [],
        }
    }


def accounts(now: datetime) -> dict[str, dict[str, Any]]:
    """Return the sending accounts by address: two work, two are in error."""
    statuses = dict.fromkeys(HEALTHY_SENDERS, 1) | dict.fromkeys(FAILING_SENDERS, _SENDING_ERROR)
    return {
        email: _account(email, status, now - timedelta(days=30) + timedelta(seconds=position))
        for position, (email, status) in enumerate(statuses.items())
    }


def workspace(now: datetime) -> dict[str, Any]:
    """Return the workspace of all keys."""
    return {
        "id": WORKSPACE_ID,
        "timestamp_created": timestamp(now),
        "timestamp_updated": timestamp(now),
        "owner": _OWNER_ID,
        "name": "Sandbox",
        "plan_id": "sandbox",
    }


def _account(email: str, status: int, created: datetime) -> dict[str, Any]:
    return {
        "email": email,
        "timestamp_created": timestamp(created),
        "timestamp_updated": timestamp(created),
        "first_name": email.partition("@")[0].title(),
        "last_name": "Sender",
        "organization": WORKSPACE_ID,
        "status": status,
        "warmup_status": 1,
        "provider_code": 1,
        "setup_pending": False,
        "is_managed_account": False,
        "daily_limit": 30,
        "sending_gap": 10,
        "enable_slow_ramp": False,
        "stat_warmup_score": 100 if status > 0 else 40,
    }
