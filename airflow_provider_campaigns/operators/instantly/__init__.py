"""Operators for Instantly: the gate before a send, and the sends that it guards."""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.operators.instantly.activate_campaign import (
        InstantlyActivateCampaignOperator,
    )
    from airflow_provider_campaigns.operators.instantly.add_leads import InstantlyAddLeadsOperator
    from airflow_provider_campaigns.operators.instantly.emit_health_changed import (
        InstantlyEmitHealthChangedOperator,
    )
    from airflow_provider_campaigns.operators.instantly.health_report import InstantlyHealthReportOperator
    from airflow_provider_campaigns.operators.instantly.pause_campaign import InstantlyPauseCampaignOperator
    from airflow_provider_campaigns.operators.instantly.send_gate import InstantlySendGateOperator
    from airflow_provider_campaigns.operators.instantly.update_campaign import InstantlyUpdateCampaignOperator
    from airflow_provider_campaigns.tasks.gate import SendGateClosedError, SendGateTimeoutError
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "activate_campaign": ["InstantlyActivateCampaignOperator"],
            "add_leads": ["InstantlyAddLeadsOperator"],
            "emit_health_changed": ["InstantlyEmitHealthChangedOperator"],
            "health_report": ["InstantlyHealthReportOperator"],
            "pause_campaign": ["InstantlyPauseCampaignOperator"],
            "send_gate": ["InstantlySendGateOperator"],
            "update_campaign": ["InstantlyUpdateCampaignOperator"],
            "..tasks.gate": ["SendGateClosedError", "SendGateTimeoutError"],
        },
    )

__all__ = [
    "InstantlyActivateCampaignOperator",
    "InstantlyAddLeadsOperator",
    "InstantlyEmitHealthChangedOperator",
    "InstantlyHealthReportOperator",
    "InstantlyPauseCampaignOperator",
    "InstantlySendGateOperator",
    "InstantlyUpdateCampaignOperator",
    "SendGateClosedError",
    "SendGateTimeoutError",
]
