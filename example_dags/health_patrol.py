"""Check all campaigns of a workspace: one mapped gate for each, and one report of those that need a person.

The gate of a campaign that needs a person fails, so the grid shows it; the report gives the reason.

Needs the connection ``instantly_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, dag, task

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator


@dag(
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    tags=["campaigns"],
    doc_md=__doc__,
)
def health_patrol():
    @task
    def list_campaigns() -> list[str]:
        campaigns = InstantlyHook().list_campaigns(exclude_status=LifecycleStatus.DRAFT.value)
        return [each["id"] for each in campaigns if each["status"] != LifecycleStatus.COMPLETED]

    campaign_ids = list_campaigns()
    # This intent accepts all codes that resolve without a person, and old data if the campaign confirms it: a
    # campaign outside of its sending hours may have data of the day before.
    check = InstantlySendGateOperator.partial(
        task_id="check",
        intent="add_leads",
        policy={"campaign_running_subsequences": "open"},
        max_active_tis_per_dagrun=10,
    ).expand(campaign_id=campaign_ids)

    @task(trigger_rule="all_done")
    def report(campaign_ids: list[str], ti: Any = None) -> list[str]:
        need_a_person = []
        for index, campaign_id in enumerate(campaign_ids):
            # The XCom of a gate is its verdict, open or not. Without a response there is none.
            verdict = ti.xcom_pull(task_ids="check", map_indexes=index)
            if verdict is None:
                need_a_person.append(f"{campaign_id}: could not be checked")
            elif not verdict["open"]:
                need_a_person.append(f"{campaign_id}: {verdict['code']}: {verdict['message']}")
        print(f"{len(campaign_ids)} campaigns, {len(need_a_person)} need a person.", *need_a_person, sep="\n")
        if need_a_person:
            # The last task decides the state of the run, so it fails if a gate failed.
            ti.xcom_push(key="return_value", value=need_a_person)
            raise AirflowFailException("; ".join(need_a_person))
        return need_a_person

    check >> report(campaign_ids)


health_patrol()
