"""One launch of the cluster: clean, activate in some Dags, pass the gate, add the leads.

Every task may be killed at any moment, so every task has retries. Intervals and pauses are short, so that a
run of some minutes has as many polls and retries as a day of launches.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

# After an activation Instantly reports a draft for a while.
POLICY = {"campaign_draft": "wait"}


def launch(dag_id: str, *, activates: bool) -> DAG:
    """Return a Dag that launches a campaign.

    :param activates: activate the campaign before the gate.
    """
    with DAG(
        dag_id,
        schedule=None,
        default_args={"retries": 12, "retry_delay": timedelta(seconds=3)},
        params={
            "launch": Param("launch-00000", type="string"),
            "campaign_id": Param("5a4db0c5-0000-4000-8000-000000000001", type="string", format="uuid"),
            "folder": Param("/tmp", type="string"),  # noqa: S108
        },
    ) as dag:
        submit = CampaignCleanerSubmitCampaignOperator(
            task_id="submit",
            campaign_html="<h1>Spring</h1><p>This is {{ params.launch }}.</p>",
            campaign_name="{{ params.launch }}",
        )
        wait = CampaignCleanerCampaignSensor(
            task_id="wait",
            campaign_id=submit.output,
            poke_interval=5,
            timeout=3600,
            deferrable=True,
        )
        get = CampaignCleanerGetCampaignOperator(
            task_id="get",
            campaign_id=wait.output,
            output_path="{{ params.folder }}/{{ params.launch }}.html",
        )
        gate = InstantlySendGateOperator(
            task_id="gate",
            campaign_id="{{ params.campaign_id }}",
            policy=POLICY if activates else None,
            poke_interval=5,
            wait_timeout=timedelta(hours=1),
            deferrable=True,
        )
        add_leads = InstantlyAddLeadsOperator(
            task_id="add_leads",
            campaign_id="{{ params.campaign_id }}",
            leads_path="{{ params.folder }}/{{ params.launch }}.csv",
        )
        if activates:
            activate = InstantlyActivateCampaignOperator(
                task_id="activate",
                campaign_id="{{ params.campaign_id }}",
            )
            get >> activate >> gate >> add_leads
        else:
            get >> gate >> add_leads
    return dag


cluster_launch = launch("cluster_launch", activates=False)
cluster_launch_draft = launch("cluster_launch_draft", activates=True)
