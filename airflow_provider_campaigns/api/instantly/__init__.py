"""Instantly API v2: each call as a function, each response as a frozen dataclass."""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
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
        check_campaign_fields,
        create_campaign,
        delete_campaign,
        duplicate_campaign,
        get_campaign,
        list_campaigns,
        pause_campaign,
        update_campaign,
    )
    from airflow_provider_campaigns.api.instantly.leads import (
        ADD_LEADS_OPTIONS,
        LEAD_FIELDS,
        MAX_LEADS_PER_CALL,
        ONE_ADDRESS,
        AddedLeads,
        CheckedLeads,
        add_leads,
        check_add_options,
        check_lead,
        clean_address,
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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "accounts": ["AccountVitals", "check_account_vitals", "get_account", "list_accounts"],
            "analytics": [
                "get_campaign_analytics",
                "get_campaign_analytics_overview",
                "get_campaign_steps_analytics",
                "get_daily_campaign_analytics",
            ],
            "background_jobs": ["JOB_COUNTS", "BackgroundJob", "JobStatus", "get_background_job"],
            "base": ["MAX_CODE_LENGTH", "PAGE_SIZE", "SERVICE", "WORKSPACE_HEADER", "Page"],
            "campaigns": [
                "CAMPAIGN_FIELDS",
                "LifecycleStatus",
                "activate_campaign",
                "check_campaign_fields",
                "create_campaign",
                "delete_campaign",
                "duplicate_campaign",
                "get_campaign",
                "list_campaigns",
                "pause_campaign",
                "update_campaign",
            ],
            "leads": [
                "ADD_LEADS_OPTIONS",
                "LEAD_FIELDS",
                "MAX_LEADS_PER_CALL",
                "ONE_ADDRESS",
                "AddedLeads",
                "CheckedLeads",
                "add_leads",
                "check_add_options",
                "check_lead",
                "clean_address",
                "list_leads",
                "move_leads",
            ],
            "raw_request": ["request"],
            "sending_status": [
                "MAX_STATUS_BYTES",
                "SendingCode",
                "SendingStatus",
                "get_sending_status",
                "get_subsequence_sending_status",
            ],
            "subsequences": [
                "get_subsequence",
                "list_subsequences",
                "pause_subsequence",
                "resume_subsequence",
            ],
        },
    )

__all__ = [
    "ADD_LEADS_OPTIONS",
    "CAMPAIGN_FIELDS",
    "JOB_COUNTS",
    "LEAD_FIELDS",
    "MAX_CODE_LENGTH",
    "MAX_LEADS_PER_CALL",
    "MAX_STATUS_BYTES",
    "ONE_ADDRESS",
    "PAGE_SIZE",
    "SERVICE",
    "WORKSPACE_HEADER",
    "AccountVitals",
    "AddedLeads",
    "BackgroundJob",
    "CheckedLeads",
    "JobStatus",
    "LifecycleStatus",
    "Page",
    "SendingCode",
    "SendingStatus",
    "activate_campaign",
    "add_leads",
    "check_account_vitals",
    "check_add_options",
    "check_campaign_fields",
    "check_lead",
    "clean_address",
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
