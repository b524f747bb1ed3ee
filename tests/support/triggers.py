"""One trigger of each kind."""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.triggers import campaign_cleaner, instantly
from airflow_provider_campaigns.triggers.base import WaitTrigger

_UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
_JOB_ID = "65f1c0ffee65f1c0ffee65f1"
_CLEANER, _INSTANTLY = "campaign_cleaner_conn_id", "instantly_conn_id"
_ARGUMENTS: dict[type[WaitTrigger[Any]], dict[str, Any]] = {
    campaign_cleaner.CampaignCleanerCampaignTrigger: {
        "campaign_id": _UUID,
        "paused": "fail",
        _CLEANER: "campaign_cleaner_default",
    },
    campaign_cleaner.CampaignCleanerInboxTestTrigger: {
        "job_id": _JOB_ID,
        _CLEANER: "campaign_cleaner_default",
    },
    instantly.InstantlySendGateTrigger: {
        "campaign_id": _UUID,
        "max_status_age": 3600.0,
        _INSTANTLY: "instantly_default",
    },
    instantly.InstantlyActivationTrigger: {"campaign_id": _UUID, _INSTANTLY: "instantly_default"},
    instantly.InstantlyBackgroundJobTrigger: {"job_id": _JOB_ID, _INSTANTLY: "instantly_default"},
}
KINDS = tuple(WaitTrigger.__subclasses__())


def trigger_of(kind: type[WaitTrigger[Any]]) -> WaitTrigger[Any]:
    """Return a trigger of a kind."""
    return kind(poke_interval=1.0, deadline=1.0, **_ARGUMENTS[kind])
