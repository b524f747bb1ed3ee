"""Check all campaigns of a workspace in one task, and again only those that need a person.

Their gates fail, so that the grid shows them; the last task fails with the names and the reasons.

Needs the connection ``instantly_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, dag, task

from airflow_provider_campaigns.operators.instantly import (
    InstantlyHealthReportOperator,
    InstantlySendGateOperator,
)

# This intent accepts all codes that resolve without a person, and old data if the campaign confirms it: a
# campaign outside of its sending hours may have data of the day before.
FIT: dict[str, Any] = {"intent": "add_leads", "policy": {"campaign_running_subsequences": "open"}}


@dag(
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    tags=["campaigns"],
    doc_md=__doc__,
)
def health_patrol():
    # For a report of all campaigns, set path="s3://bucket/health/{{ ts_nodash }}.jsonl".
    check_all = InstantlyHealthReportOperator(task_id="check_all", **FIT)

    # Without a campaign that needs a person, there is no gate, and Airflow skips the task.
    InstantlySendGateOperator.partial(task_id="check", max_active_tis_per_dagrun=10, **FIT).expand(
        campaign_id=check_all.output
    )

    @task
    def report(summary: dict[str, Any]) -> list[str]:
        if summary["messages"]:
            raise AirflowFailException("; ".join(summary["messages"]))
        return []

    report(check_all.output["summary"])


health_patrol()
