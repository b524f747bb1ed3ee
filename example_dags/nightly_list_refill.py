"""Refill a campaign every night: add the leads of a file, a batch at a time, while the campaign may send.

The file may hold any number of leads. A run that is interrupted (a worker that dies, a gate that closes
between two batches) goes on at the batch it had reached when it is retried or cleared.

Needs the connection ``instantly_default``. To try it with no account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)

# A campaign that has run out of leads is exactly what is refilled here.
POLICY = {"waiting_for_leads": "open"}


@dag(
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "campaign_id": Param(
            "019e18e2-a52f-78e7-96f2-b33ee19bb50a",
            type="string",
            format="uuid",
            description="The Instantly campaign that gets the leads.",
        ),
        "leads_path": Param(
            "file:///tmp/nightly_list_refill/leads.csv",
            type="string",
            description="The file: .csv with a column 'email', or .jsonl; a path or an object storage URL.",
        ),
    },
    tags=["campaigns"],
    doc_md=__doc__,
)
def nightly_list_refill():
    send_gate = InstantlySendGateOperator(
        task_id="send_gate",
        campaign_id="{{ params.campaign_id }}",
        policy=POLICY,
        wait_timeout=timedelta(hours=4),
        deferrable=True,
    )
    add_leads = InstantlyAddLeadsOperator(
        task_id="add_leads",
        campaign_id="{{ params.campaign_id }}",
        leads_path="{{ params.leads_path }}",
        options={"skip_if_in_workspace": True},
        check_gate=True,
        policy=POLICY,
        retries=5,
        retry_delay=timedelta(minutes=15),
    )

    send_gate >> add_leads


nightly_list_refill()
