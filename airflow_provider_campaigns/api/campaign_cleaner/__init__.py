"""Campaign Cleaner: each call as a function, each response as a frozen dataclass."""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.api.campaign_cleaner.base import (
        MAX_STATUS_BYTES,
        MAX_STATUS_LENGTH,
        SERVICE,
    )
    from airflow_provider_campaigns.api.campaign_cleaner.campaign_list import (
        MAX_STATES_BYTES,
        CampaignStates,
        find_campaign,
        get_campaign_ids,
        get_campaign_list,
        get_campaign_states,
    )
    from airflow_provider_campaigns.api.campaign_cleaner.campaign_status import (
        CampaignState,
        CampaignStatus,
        get_campaign_status,
    )
    from airflow_provider_campaigns.api.campaign_cleaner.campaigns import (
        MAX_CUSTOM_INFO,
        MAX_PDF_BYTES,
        Campaign,
        delete_campaign,
        get_campaign,
        get_campaign_pdf_analysis,
        send_campaign,
    )
    from airflow_provider_campaigns.api.campaign_cleaner.credits import get_credits
    from airflow_provider_campaigns.api.campaign_cleaner.inbox_tests import (
        InboxTest,
        InboxTestResults,
        InboxTestState,
        create_inbox_test,
        get_inbox_test_results,
    )
    from airflow_provider_campaigns.api.campaign_cleaner.settings import CampaignSettings, SurroundingDiv
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "base": ["MAX_STATUS_BYTES", "MAX_STATUS_LENGTH", "SERVICE"],
            "campaign_list": [
                "MAX_STATES_BYTES",
                "CampaignStates",
                "find_campaign",
                "get_campaign_ids",
                "get_campaign_list",
                "get_campaign_states",
            ],
            "campaign_status": ["CampaignState", "CampaignStatus", "get_campaign_status"],
            "campaigns": [
                "MAX_CUSTOM_INFO",
                "MAX_PDF_BYTES",
                "Campaign",
                "delete_campaign",
                "get_campaign",
                "get_campaign_pdf_analysis",
                "send_campaign",
            ],
            "credits": ["get_credits"],
            "inbox_tests": [
                "InboxTest",
                "InboxTestResults",
                "InboxTestState",
                "create_inbox_test",
                "get_inbox_test_results",
            ],
            "settings": ["CampaignSettings", "SurroundingDiv"],
        },
    )

__all__ = [
    "MAX_CUSTOM_INFO",
    "MAX_PDF_BYTES",
    "MAX_STATES_BYTES",
    "MAX_STATUS_BYTES",
    "MAX_STATUS_LENGTH",
    "SERVICE",
    "Campaign",
    "CampaignSettings",
    "CampaignState",
    "CampaignStates",
    "CampaignStatus",
    "InboxTest",
    "InboxTestResults",
    "InboxTestState",
    "SurroundingDiv",
    "create_inbox_test",
    "delete_campaign",
    "find_campaign",
    "get_campaign",
    "get_campaign_ids",
    "get_campaign_list",
    "get_campaign_pdf_analysis",
    "get_campaign_states",
    "get_campaign_status",
    "get_credits",
    "get_inbox_test_results",
    "send_campaign",
]
