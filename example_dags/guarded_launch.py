"""Start a campaign, and stop it when the launch fails or is not done within two hours.

Needs the connection ``instantly_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints. The deadline needs
Airflow 3.1.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import dag

from airflow_provider_campaigns.notifications import InstantlyPauseCampaignNotifier
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)

# The campaign. Airflow renders no params for a deadline.
CAMPAIGN: dict[str, Any] = {"campaign_id": "5a4db0c5-0000-4000-8000-000000000001"}

LIMITS: dict[str, Any] = {"on_failure_callback": InstantlyPauseCampaignNotifier(**CAMPAIGN)}
try:
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:  # before Airflow 3.1
    pass
else:
    LIMITS["deadline"] = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=2),
        callback=AsyncCallback(InstantlyPauseCampaignNotifier, kwargs=CAMPAIGN),
    )


@dag(schedule=None, tags=["campaigns"], doc_md=__doc__, **LIMITS)
def guarded_launch():
    activate = InstantlyActivateCampaignOperator(task_id="activate", retries=2, **CAMPAIGN)
    add_leads = InstantlyAddLeadsOperator(
        task_id="add_leads",
        leads=[{"email": "ada@example.com", "first_name": "Ada"}],
        retries=2,
        **CAMPAIGN,
    )
    sends = InstantlySendGateOperator(
        task_id="sends",
        policy={"campaign_draft": "wait", "campaign_paused": "wait"},
        wait_timeout=timedelta(minutes=30),
        retries=2,
        **CAMPAIGN,
    )
    activate >> add_leads >> sends


guarded_launch()
