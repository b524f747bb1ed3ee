"""Dags whose gates skip what stands behind them."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, TriggerRule, task, task_group

from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID

LEADS = [{"email": "ada@example.com"}]


@task
def note() -> None: ...


with DAG("gate_skips", schedule=None):
    gate = InstantlySendGateOperator(
        task_id="gate", campaign_id=PAUSED_CAMPAIGN_ID, on_closed="skip", wait_timeout=60
    )
    send = InstantlyAddLeadsOperator(task_id="send", campaign_id=PAUSED_CAMPAIGN_ID, leads=LEADS)
    after_all = note.override(task_id="after_all", trigger_rule=TriggerRule.ALL_DONE)()
    gate >> send >> after_all >> note.override(task_id="tidy")().as_teardown()
    note.override(task_id="elsewhere")()


# Every task with such a rule has only upstream tasks that wait for the gate.
with DAG("gate_before_one_rules", schedule=None, params={"campaign_id": PAUSED_CAMPAIGN_ID}):
    chosen = "{{ params.campaign_id }}"
    first = InstantlySendGateOperator(task_id="gate", campaign_id=chosen, on_closed="skip")
    single = InstantlyAddLeadsOperator(task_id="send", campaign_id=chosen, leads=LEADS)
    several = InstantlyAddLeadsOperator.partial(task_id="sends", campaign_id=chosen).expand(
        leads=[LEADS, LEADS]
    )
    for rule in ("one_failed", "one_success", "one_done"):
        waiting = note.override(task_id=rule, trigger_rule=TriggerRule(rule))()
        first >> [single, several] >> waiting
        first >> note.override(task_id=f"{rule}_of_the_gate", trigger_rule=TriggerRule(rule))() >> waiting


with DAG("gates_in_a_mapped_group", schedule=None):

    @task_group
    def launch(campaign_id: str) -> None:
        gate = InstantlySendGateOperator(task_id="gate", campaign_id=campaign_id, on_closed="skip")
        gate >> InstantlyAddLeadsOperator(task_id="send", campaign_id=campaign_id, leads=LEADS)

    launch.expand(campaign_id=[HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID])


with DAG("mapped_gate", schedule=None):
    mapped = InstantlySendGateOperator.partial(task_id="gate", on_closed="skip").expand(
        campaign_id=[HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID]
    )
    mapped >> InstantlyAddLeadsOperator(task_id="send", campaign_id=HEALTHY_CAMPAIGN_ID, leads=LEADS)


# Behind a gate that skips, Airflow applies these tasks' rules too late to keep them from running.
with DAG("gate_before_a_mapped_send", schedule=None):
    unmapped = InstantlySendGateOperator(task_id="gate", campaign_id=PAUSED_CAMPAIGN_ID, on_closed="skip")
    prepare = note.override(task_id="prepare")()
    careless = InstantlyAddLeadsOperator.partial(
        task_id="send", campaign_id=PAUSED_CAMPAIGN_ID, trigger_rule=TriggerRule.NONE_FAILED
    ).expand(leads=[LEADS, LEADS])
    unmapped >> prepare >> careless


with DAG("mapped_gate_before_a_careless_send", schedule=None):

    @task_group
    def careless_launch(campaign_id: str) -> None:
        gate = InstantlySendGateOperator(task_id="gate", campaign_id=campaign_id, on_closed="skip")
        gate >> InstantlyAddLeadsOperator(
            task_id="send", campaign_id=campaign_id, leads=LEADS, trigger_rule=TriggerRule.NONE_FAILED
        )

    careless_launch.expand(campaign_id=[PAUSED_CAMPAIGN_ID])
