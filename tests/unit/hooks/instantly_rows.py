"""Every call of Instantly as a row: its request, and the value of the response."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

from airflow_provider_campaigns.api.instantly import AccountVitals, AddedLeads, BackgroundJob, SendingStatus
from airflow_provider_campaigns.sandbox.seed import ALWAYS
from tests.support.every_call import Row

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
OTHER = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"
LEAD = "019e18e2-1111-7000-8000-000000000001"
JOB = "675266e304a8e55b17f0228b"
CAMPAIGN = {"id": ID, "name": "Spring \U0001f338", "status": 1, "not_sending_status": None, "new": {"a": [1]}}
SEQUENCES = [{"steps": [{"type": "email", "delay": 1, "variants": [{"subject": "S", "body": "<p>"}]}]}]
DIAGNOSED = {
    "diagnostics": {
        "campaign_id": ID,
        "last_updated": "2026-05-11T21:12:43.288Z",
        "status": "follow_up_delay_not_met",
        "issue_tracking": {"issue_first_seen_at": "2026-05-11T20:00:00.000Z", "last_healthy_send_at": None},
        "follow_ups_waiting": {"count": 4, "earliest_wait_time_seconds": 60},
        "not known yet": True,
    },
    "summary": {"status": "healthy", "status_message": "Follow-ups wait", "ai_summary": "All is well."},
}
STATUS = SendingStatus(
    status="follow_up_delay_not_met",
    last_updated=datetime(2026, 5, 11, 21, 12, 43, 288000, tzinfo=timezone.utc),
    reason="Follow-ups wait",
    issue_started_at=datetime(2026, 5, 11, 20, 0, tzinfo=timezone.utc),
    last_healthy_send_at=None,
    ai_summary="All is well.",
    raw=DIAGNOSED,
)
DIAGNOSED_SUBSEQUENCE = {**DIAGNOSED, "diagnostics": {**DIAGNOSED["diagnostics"], "subsequence_id": OTHER}}
ADDED = {
    "status": "success", "total_sent": 9, "leads_uploaded": 2, "duplicated_leads": 1, "skipped_count": 1,
    "in_blocklist": 1, "invalid_email_count": 2, "incomplete_count": 1, "duplicate_email_count": 1,
    "blocklist_used": None, "remaining_in_plan": 40,
    "created_leads": [{"index": 0, "id": LEAD, "email": "ada@example.org"}],
}  # fmt: skip
MOVING = {
    "id": JOB,
    "workspace_id": OTHER,
    "type": "move-leads",
    "status": "In-Progress",
    "progress": 40,
    "data": {"success_count": 2, "moved_lead_emails": ["ada@example.org"]},
}
BACKGROUND_JOB = BackgroundJob(JOB, "in-progress", "move-leads", 40, MOVING["data"], raw=MOVING)
CHECKED = {
    "status": "success",
    "success_list": [{"domain": "sender.test", "allPass": True}],
    "failure_list": [{"domain": "lost.test", "allPass": False, "spf": False}],
    "indeterminate": [{"domain": "slow.test"}],
}
ANALYTICS = [{"campaign_id": ID, "emails_sent_count": 5}, {"campaign_id": OTHER, "emails_sent_count": 0}]
DAYS = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
IN_JANUARY = "start_date=2026-01-01&end_date=2026-01-31"


def listing(name: str, path: str, **arguments: Any) -> Row:
    """A list call with one page."""
    items = [{"id": ID}, {"id": OTHER, "new": None}]
    return Row(name, arguments, "GET", path, {"items": items}, items)


def switch(name: str, path: str, **arguments: Any) -> Row:
    """A call that changes something and sends no body."""
    return Row(name, arguments, "POST", path, CAMPAIGN, CAMPAIGN, is_read=False)


ROWS = [
    Row(
        "get_sending_status",
        {"campaign_id": ID},
        "GET",
        f"/api/v2/campaigns/{ID}/sending-status",
        DIAGNOSED,
        STATUS,
    ),
    Row(
        "get_sending_status",
        {"campaign_id": ID, "with_ai_summary": True},
        "GET",
        f"/api/v2/campaigns/{ID}/sending-status?with_ai_summary=true",
        DIAGNOSED,
        STATUS,
    ),
    Row(
        "get_subsequence_sending_status",
        {"subsequence_id": OTHER},
        "GET",
        f"/api/v2/subsequences/{OTHER}/sending-status",
        DIAGNOSED_SUBSEQUENCE,
        dataclasses.replace(STATUS, raw=DIAGNOSED_SUBSEQUENCE),
    ),
    Row(
        "get_subsequence_sending_status",
        {"subsequence_id": OTHER, "with_ai_summary": True},
        "GET",
        f"/api/v2/subsequences/{OTHER}/sending-status?with_ai_summary=true",
        DIAGNOSED_SUBSEQUENCE,
        dataclasses.replace(STATUS, raw=DIAGNOSED_SUBSEQUENCE),
    ),
    Row("get_campaign", {"campaign_id": ID}, "GET", f"/api/v2/campaigns/{ID}", CAMPAIGN, CAMPAIGN),
    listing("list_campaigns", "/api/v2/campaigns?limit=100"),
    listing(
        "list_campaigns",
        f"/api/v2/campaigns?search=Spring+%26+%C3%A9t%C3%A9&status=-99&exclude_status=0&tag_ids={ID}%2C{OTHER}"
        f"&ai_sales_agent_id={ID}&limit=7&starting_after=a%2Fb%3Dc",
        search="Spring & été",
        status=-99,
        exclude_status=0,
        tag_ids=f"{ID},{OTHER}",
        ai_sales_agent_id=ID,
        limit=7,
        starting_after="a/b=c",
    ),
    Row(
        "create_campaign",
        {"name": "Spring", "campaign_schedule": ALWAYS},
        "POST",
        "/api/v2/campaigns",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Spring", "campaign_schedule": ALWAYS},
        is_read=False,
    ),
    Row(
        "create_campaign",
        {
            "name": "Spring",
            "campaign_schedule": ALWAYS,
            "sequences": SEQUENCES,
            "email_list": ["ada@sender.test"],
            "daily_limit": None,
        },
        "POST",
        "/api/v2/campaigns",
        CAMPAIGN,
        CAMPAIGN,
        {
            "name": "Spring",
            "campaign_schedule": ALWAYS,
            "sequences": SEQUENCES,
            "email_list": ["ada@sender.test"],
            "daily_limit": None,
        },
        is_read=False,
    ),
    Row(
        "update_campaign",
        {"campaign_id": ID, "name": "Autumn", "sequences": SEQUENCES, "daily_max_leads": None},
        "PATCH",
        f"/api/v2/campaigns/{ID}",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Autumn", "sequences": SEQUENCES, "daily_max_leads": None},
        is_read=False,
    ),
    Row(
        "delete_campaign",
        {"campaign_id": ID},
        "DELETE",
        f"/api/v2/campaigns/{ID}",
        CAMPAIGN,
        CAMPAIGN,
        is_read=False,
    ),
    switch("duplicate_campaign", f"/api/v2/campaigns/{ID}/duplicate", campaign_id=ID),
    Row(
        "duplicate_campaign",
        {"campaign_id": ID, "name": "Spring again"},
        "POST",
        f"/api/v2/campaigns/{ID}/duplicate",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Spring again"},
        is_read=False,
    ),
    switch("activate_campaign", f"/api/v2/campaigns/{ID}/activate", campaign_id=ID),
    switch("pause_campaign", f"/api/v2/campaigns/{ID}/pause", campaign_id=ID),
    Row("get_campaign_analytics", {}, "GET", "/api/v2/campaigns/analytics", ANALYTICS, tuple(ANALYTICS)),
    Row(
        "get_campaign_analytics",
        {"ids": [ID, OTHER], **DAYS, "exclude_total_leads_count": True},
        "GET",
        f"/api/v2/campaigns/analytics?ids={ID}&ids={OTHER}&{IN_JANUARY}&exclude_total_leads_count=true",
        ANALYTICS,
        tuple(ANALYTICS),
    ),
    Row(
        "get_campaign_analytics",
        {"id": ID, "ids": None, "exclude_total_leads_count": False},
        "GET",
        f"/api/v2/campaigns/analytics?id={ID}&exclude_total_leads_count=false",
        ANALYTICS,
        tuple(ANALYTICS),
    ),
    Row(
        "get_campaign_analytics_overview",
        {"ids": (ID,), **DAYS, "campaign_status": -2, "expand_crm_events": True},
        "GET",
        f"/api/v2/campaigns/analytics/overview?ids={ID}&{IN_JANUARY}&campaign_status=-2&expand_crm_events=true",
        ANALYTICS[0],
        ANALYTICS[0],
    ),
    Row(
        "get_daily_campaign_analytics",
        {"campaign_id": ID, **DAYS, "campaign_status": 1},
        "GET",
        f"/api/v2/campaigns/analytics/daily?campaign_id={ID}&{IN_JANUARY}&campaign_status=1",
        ANALYTICS,
        tuple(ANALYTICS),
    ),
    Row(
        "get_campaign_steps_analytics",
        {"campaign_id": ID, **DAYS, "include_opportunities_count": True},
        "GET",
        f"/api/v2/campaigns/analytics/steps?campaign_id={ID}&{IN_JANUARY}&include_opportunities_count=true",
        ANALYTICS,
        tuple(ANALYTICS),
    ),
    listing("list_subsequences", "/api/v2/subsequences?limit=100"),
    listing(
        "list_subsequences",
        f"/api/v2/subsequences?parent_campaign={ID}&parent_campaign_not={OTHER}&search=x&limit=100",
        parent_campaign=ID,
        parent_campaign_not=OTHER,
        search="x",
    ),
    Row("get_subsequence", {"subsequence_id": ID}, "GET", f"/api/v2/subsequences/{ID}", CAMPAIGN, CAMPAIGN),
    switch("pause_subsequence", f"/api/v2/subsequences/{ID}/pause", subsequence_id=ID),
    switch("resume_subsequence", f"/api/v2/subsequences/{ID}/resume", subsequence_id=ID),
    Row("list_leads", {}, "POST", "/api/v2/leads/list", {"items": []}, [], {"limit": 100}),
    Row(
        "list_leads",
        {
            "campaign": ID,
            "ids": [LEAD],
            "contacts": ["ada@example.org"],
            "in_list": False,
            "filter": "FILTER_VAL_CONTACTED",
            "search": None,
            "limit": 5,
            "starting_after": LEAD,
        },
        "POST",
        "/api/v2/leads/list",
        {"items": [{"id": LEAD}]},
        [{"id": LEAD}],
        {
            "campaign": ID,
            "ids": [LEAD],
            "contacts": ["ada@example.org"],
            "in_list": False,
            "filter": "FILTER_VAL_CONTACTED",
            "limit": 5,
            "starting_after": LEAD,
        },
    ),
    Row(
        "move_leads",
        {"ids": [LEAD], "campaign": ID, "to_campaign_id": OTHER, "copy_leads": False, "to_list_id": None},
        "POST",
        "/api/v2/leads/move",
        MOVING,
        BACKGROUND_JOB,
        {"ids": [LEAD], "campaign": ID, "to_campaign_id": OTHER, "copy_leads": False},
        is_read=False,
    ),
    Row(
        "move_leads",
        {
            "list_id": ID,
            "to_list_id": OTHER,
            "contacts": ["ada@example.org"],
            "check_duplicates": True,
            "check_duplicates_in_campaigns": True,
            "reset_interest_status": True,
        },
        "POST",
        "/api/v2/leads/move",
        MOVING,
        BACKGROUND_JOB,
        {
            "list_id": ID,
            "to_list_id": OTHER,
            "contacts": ["ada@example.org"],
            "check_duplicates": True,
            "check_duplicates_in_campaigns": True,
            "reset_interest_status": True,
        },
        is_read=False,
    ),
    Row(
        "add_leads",
        {
            "campaign_id": ID,
            "leads": [
                {"email": "ada@example.org", "first_name": "Ada", "custom_variables": {"n": 1, "b": True}},
                {"email": "grace@example.org", "phone": None},
            ],
            "skip_if_in_workspace": True,
            "verify_leads_on_import": False,
            "blocklist_id": None,
        },
        "POST",
        "/api/v2/leads/add",
        ADDED,
        AddedLeads(9, 2, 1, 1, 1, 2, 1, 1, 40, tuple(ADDED["created_leads"]), raw=ADDED),
        {
            "campaign_id": ID,
            "leads": [
                {"email": "ada@example.org", "first_name": "Ada", "custom_variables": {"n": 1, "b": True}},
                {"email": "grace@example.org", "phone": None},
            ],
            "skip_if_in_workspace": True,
            "verify_leads_on_import": False,
        },
        is_read=False,
    ),
    Row(
        "get_background_job",
        {"job_id": JOB},
        "GET",
        f"/api/v2/background-jobs/{JOB}",
        MOVING,
        BACKGROUND_JOB,
    ),
    Row(
        "get_background_job",
        {"job_id": JOB, "data_fields": ("success_count", "failed_count")},
        "GET",
        f"/api/v2/background-jobs/{JOB}?data_fields=success_count%2Cfailed_count",
        MOVING,
        BACKGROUND_JOB,
    ),
    listing("list_accounts", "/api/v2/accounts?limit=100"),
    listing(
        "list_accounts",
        "/api/v2/accounts?status=-1&provider_code=2&search=sender.test&include_tags=true&limit=100"
        "&starting_after=2026-01-01T00%3A00%3A00.000Z%26jon%40doe.com",
        status=-1,
        provider_code=2,
        search="sender.test",
        include_tags=True,
        starting_after="2026-01-01T00:00:00.000Z&jon@doe.com",
    ),
    Row(
        "get_account",
        {"email": "ada+news@sender.test"},
        "GET",
        "/api/v2/accounts/ada%2Bnews@sender.test",
        {"email": "ada+news@sender.test", "status": 1},
        {"email": "ada+news@sender.test", "status": 1},
    ),
    Row(
        "check_account_vitals",
        {"emails": ["ada@sender.test", "lost@lost.test"]},
        "POST",
        "/api/v2/accounts/test/vitals",
        CHECKED,
        AccountVitals(
            passed=({"domain": "sender.test", "allPass": True},),
            failed=({"domain": "lost.test", "allPass": False, "spf": False},),
            indeterminate=({"domain": "slow.test"},),
            raw=CHECKED,
        ),
        {"accounts": ["ada@sender.test", "lost@lost.test"]},
    ),
]
ONE_OF_EACH = {row.name: row for row in ROWS}
