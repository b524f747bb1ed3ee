"""One Dag for campaigns of several workspaces, as ``docs/operate/connections.md`` shows it."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID as GERMAN_CAMPAIGN_ID
from airflow_provider_campaigns.sandbox import PAUSED_CAMPAIGN_ID as FRENCH_CAMPAIGN_ID

with DAG("workspaces", schedule=None):
    InstantlySendGateOperator.partial(task_id="gate").expand_kwargs(
        [
            {"instantly_conn_id": "instantly_de", "campaign_id": GERMAN_CAMPAIGN_ID},
            {"instantly_conn_id": "instantly_fr", "campaign_id": FRENCH_CAMPAIGN_ID},
        ]
    )
