"""Refill a campaign every night: add the leads of a file, batch by batch, and start a campaign that ran dry.

The file may contain any number of leads. After an interruption (the worker dies, the gate closes between two
batches), a retry or a clear continues at the batch that the task had reached. A campaign that had no leads
left is completed; it is activated again. One that a person paused, or that Instantly stopped, gets no leads.

Needs the connection ``instantly_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)


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
            description="The file: .csv as exported, or .jsonl; a path or an object storage URL.",
        ),
    },
    tags=["campaigns"],
    doc_md=__doc__,
)
def nightly_list_refill():
    send_gate = InstantlySendGateOperator(
        task_id="send_gate",
        campaign_id="{{ params.campaign_id }}",
        intent="add_leads",
        wait_timeout=timedelta(hours=4),
        deferrable=True,
    )
    add_leads = InstantlyAddLeadsOperator(
        task_id="add_leads",
        campaign_id="{{ params.campaign_id }}",
        leads_path="{{ params.leads_path }}",
        options={"skip_if_in_workspace": True},
        check_gate=True,
        retries=5,
        retry_delay=timedelta(minutes=15),
    )

    # A person may have paused the campaign meanwhile, which then stays paused.
    may_activate = InstantlySendGateOperator(
        task_id="may_activate",
        campaign_id="{{ params.campaign_id }}",
        intent="add_leads",
        retries=2,
    )
    # An active campaign stays as it is.
    activate = InstantlyActivateCampaignOperator(
        task_id="activate",
        campaign_id="{{ params.campaign_id }}",
        restart_completed=True,
        retries=2,
    )

    send_gate >> add_leads >> may_activate >> activate


nightly_list_refill()
