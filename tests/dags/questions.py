"""Dags whose gates ask a person; they need Airflow 3.1."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.airflow_compat import why_no_questions
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from tests.support.responses import OTHER_UUID, UUID


@task
def send() -> str:
    return "sent"


def failing(context: object) -> None:
    raise RuntimeError("no mail server")


if why_no_questions() is None:
    with DAG("gate_asks", schedule=None):
        gate = InstantlySendGateOperator(
            task_id="gate",
            campaign_id="{{ var.value.current }}",
            on_closed="ask",
            ask_users=[{"id": "jane", "name": "Jane"}],
            allow_override=True,
            ask_notifiers=[failing],
        )
        gate >> send()

    with DAG("mapped_gates_ask", schedule=None):
        (
            InstantlySendGateOperator.partial(
                task_id="gate", on_closed="ask", ask_timeout_action="skip", ask_notifiers=[failing]
            ).expand(campaign_id=[UUID, OTHER_UUID])
            >> send()
        )
