"""Sensors that wait for Campaign Cleaner."""

from airflow_provider_campaigns.sensors.campaign_cleaner.campaign import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.sensors.campaign_cleaner.inbox_test import CampaignCleanerInboxTestSensor

__all__ = ["CampaignCleanerCampaignSensor", "CampaignCleanerInboxTestSensor"]
