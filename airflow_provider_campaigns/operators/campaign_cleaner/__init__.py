"""Operators for Campaign Cleaner."""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.operators.campaign_cleaner.delete_campaign import (
        CampaignCleanerDeleteCampaignOperator,
    )
    from airflow_provider_campaigns.operators.campaign_cleaner.emit_completed import (
        CampaignCleanerEmitCompletedOperator,
    )
    from airflow_provider_campaigns.operators.campaign_cleaner.get_campaign import (
        CampaignCleanerGetCampaignOperator,
        DamagedHtmlError,
    )
    from airflow_provider_campaigns.operators.campaign_cleaner.get_pdf_analysis import (
        CampaignCleanerGetPdfAnalysisOperator,
    )
    from airflow_provider_campaigns.operators.campaign_cleaner.quality_gate import (
        CampaignCleanerQualityGateOperator,
        QualityGateClosedError,
    )
    from airflow_provider_campaigns.operators.campaign_cleaner.submit_campaign import (
        CampaignCleanerSubmitCampaignOperator,
        SubmissionUnconfirmedNoRetryError,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "delete_campaign": ["CampaignCleanerDeleteCampaignOperator"],
            "emit_completed": ["CampaignCleanerEmitCompletedOperator"],
            "get_campaign": ["CampaignCleanerGetCampaignOperator", "DamagedHtmlError"],
            "get_pdf_analysis": ["CampaignCleanerGetPdfAnalysisOperator"],
            "quality_gate": ["CampaignCleanerQualityGateOperator", "QualityGateClosedError"],
            "submit_campaign": ["CampaignCleanerSubmitCampaignOperator", "SubmissionUnconfirmedNoRetryError"],
        },
    )

__all__ = [
    "CampaignCleanerDeleteCampaignOperator",
    "CampaignCleanerEmitCompletedOperator",
    "CampaignCleanerGetCampaignOperator",
    "CampaignCleanerGetPdfAnalysisOperator",
    "CampaignCleanerQualityGateOperator",
    "CampaignCleanerSubmitCampaignOperator",
    "DamagedHtmlError",
    "QualityGateClosedError",
    "SubmissionUnconfirmedNoRetryError",
]
