"""A gate that asks until somebody answers, and one that stops asking by itself."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID


@task
def send() -> str:
    return "sent"


with DAG("questions", schedule=None):
    answered = InstantlySendGateOperator(
        task_id="answered",
        retries=5,
        retry_delay=1,
        campaign_id=HEALTHY_CAMPAIGN_ID,
        on_closed="ask",
        ask_users=[{"id": "jane", "name": "Jane"}],
    )
    unanswered = InstantlySendGateOperator(
        task_id="unanswered",
        campaign_id=PAUSED_CAMPAIGN_ID,
        on_closed="ask",
        ask_timeout=5,
        ask_timeout_action="skip",
    )
    answered >> send()
    unanswered >> send.override(task_id="not_sent")()
