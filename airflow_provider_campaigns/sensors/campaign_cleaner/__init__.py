"""Sensors that wait for Campaign Cleaner."""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.sensors.campaign_cleaner.campaign import CampaignCleanerCampaignSensor
    from airflow_provider_campaigns.sensors.campaign_cleaner.inbox_test import CampaignCleanerInboxTestSensor
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "campaign": ["CampaignCleanerCampaignSensor"],
            "inbox_test": ["CampaignCleanerInboxTestSensor"],
        },
    )

__all__ = ["CampaignCleanerCampaignSensor", "CampaignCleanerInboxTestSensor"]
