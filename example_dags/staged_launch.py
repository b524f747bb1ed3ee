"""Launch a draft: add leads while no mail can go out, check the senders, activate, and watch the first hour.

Needs the connection ``instantly_default``; its key needs the scope ``accounts:read`` for the check of the
senders. To try it without an account, start ``python -m airflow_provider_campaigns.sandbox`` and set the
connection that it prints.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)


@dag(
    schedule=None,
    params={
        "campaign_id": Param(
            "019e18e2-a52f-78e7-96f2-b33ee19bb50a",
            type="string",
            format="uuid",
            description="The Instantly campaign to launch: a draft, or paused.",
        ),
        "leads_path": Param(
            "file:///tmp/staged_launch/leads.csv",
            type="string",
            description="The file: .csv as exported, or .jsonl; a path or an object storage URL.",
        ),
    },
    tags=["campaigns"],
    doc_md=__doc__,
)
def staged_launch():
    campaign_id = "{{ params.campaign_id }}"
    may_edit = InstantlySendGateOperator(
        task_id="may_edit", campaign_id=campaign_id, intent="edit", retries=2
    )
    add_leads = InstantlyAddLeadsOperator(
        task_id="add_leads",
        campaign_id=campaign_id,
        leads_path="{{ params.leads_path }}",
        retries=2,
    )
    may_activate = InstantlySendGateOperator(
        task_id="may_activate",
        campaign_id=campaign_id,
        intent="activate",
        check_senders=True,
        retries=2,
    )
    activate = InstantlyActivateCampaignOperator(
        task_id="activate",
        campaign_id=campaign_id,
        retries=2,
    )
    # Instantly takes 10 to 15 minutes to start. Then the campaign sends, or waits for its hours or limits.
    watch = InstantlySendGateOperator(
        task_id="watch",
        campaign_id=campaign_id,
        intent="add_leads",
        policy={"campaign_draft": "wait", "campaign_paused": "wait"},
        wait_timeout=timedelta(hours=1),
        deferrable=True,
        retries=2,
    )

    may_edit >> add_leads >> may_activate >> activate >> watch


staged_launch()
