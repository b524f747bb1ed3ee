"""A function that sends in the process of its gate, once and mapped."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.decorators import OpenGate
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID


@task
def addresses() -> list[str]:
    return ["a@example.com", "b@example.com"]


with DAG("decorated_gate", schedule=None):

    @task.send_gate(campaign_id=HEALTHY_CAMPAIGN_ID, wait_timeout=60, poke_interval=1, deferrable=True)
    def send(verdict: OpenGate, leads: list[str], run_id: str | None = None) -> dict[str, object]:
        return {"leads": leads, "open": verdict.still_open(), "run_id": run_id}

    found = addresses()
    send(found)
    send.override(task_id="mapped").expand(leads=found)
