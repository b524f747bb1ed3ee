"""Instantly API v2: each call as a function, each response as a frozen dataclass."""

from airflow_provider_campaigns.api.instantly.accounts import (
    AccountVitals,
    check_account_vitals,
    get_account,
    list_accounts,
)
from airflow_provider_campaigns.api.instantly.analytics import (
    get_campaign_analytics,
    get_campaign_analytics_overview,
    get_campaign_steps_analytics,
    get_daily_campaign_analytics,
)
from airflow_provider_campaigns.api.instantly.background_jobs import (
    JOB_COUNTS,
    BackgroundJob,
    JobStatus,
    get_background_job,
)
from airflow_provider_campaigns.api.instantly.base import (
    MAX_CODE_LENGTH,
    PAGE_SIZE,
    SERVICE,
    WORKSPACE_HEADER,
    Page,
)
from airflow_provider_campaigns.api.instantly.campaigns import (
    CAMPAIGN_FIELDS,
    LifecycleStatus,
    activate_campaign,
    create_campaign,
    delete_campaign,
    duplicate_campaign,
    get_campaign,
    list_campaigns,
    pause_campaign,
    update_campaign,
)
from airflow_provider_campaigns.api.instantly.leads import (
    LEAD_FIELDS,
    MAX_LEADS_PER_CALL,
    AddedLeads,
    add_leads,
    check_lead,
    list_leads,
    move_leads,
)
from airflow_provider_campaigns.api.instantly.raw_request import request
from airflow_provider_campaigns.api.instantly.sending_status import (
    MAX_STATUS_BYTES,
    SendingCode,
    SendingStatus,
    get_sending_status,
    get_subsequence_sending_status,
)
from airflow_provider_campaigns.api.instantly.subsequences import (
    get_subsequence,
    list_subsequences,
    pause_subsequence,
    resume_subsequence,
)

__all__ = [
    "CAMPAIGN_FIELDS",
    "JOB_COUNTS",
    "LEAD_FIELDS",
    "MAX_CODE_LENGTH",
    "MAX_LEADS_PER_CALL",
    "MAX_STATUS_BYTES",
    "PAGE_SIZE",
    "SERVICE",
    "WORKSPACE_HEADER",
    "AccountVitals",
    "AddedLeads",
    "BackgroundJob",
    "JobStatus",
    "LifecycleStatus",
    "Page",
    "SendingCode",
    "SendingStatus",
    "activate_campaign",
    "add_leads",
    "check_account_vitals",
    "check_lead",
    "create_campaign",
    "delete_campaign",
    "duplicate_campaign",
    "get_account",
    "get_background_job",
    "get_campaign",
    "get_campaign_analytics",
    "get_campaign_analytics_overview",
    "get_campaign_steps_analytics",
    "get_daily_campaign_analytics",
    "get_sending_status",
    "get_subsequence",
    "get_subsequence_sending_status",
    "list_accounts",
    "list_campaigns",
    "list_leads",
    "list_subsequences",
    "move_leads",
    "pause_campaign",
    "pause_subsequence",
    "request",
    "resume_subsequence",
    "update_campaign",
]
