"""Launch a campaign: clean the newsletter, update the campaign, and add the leads only if it is healthy.

Needs the connections ``campaign_cleaner_default`` and ``instantly_default``. To try it without
accounts, start ``python -m airflow_provider_campaigns.sandbox`` and set the two connections that it prints.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor


@dag(
    schedule=None,
    params={
        "instantly_campaign_id": Param(
            "019e18e2-a52f-78e7-96f2-b33ee19bb50a",
            type="string",
            format="uuid",
            description="The Instantly campaign that gets the newsletter and the leads.",
        ),
        "output_folder": Param(
            "file:///tmp/campaign_launch",
            type="string",
            description="Where the cleaned HTML and the leads are: a folder, or an object storage URL.",
        ),
    },
    tags=["campaigns"],
    doc_md=__doc__,
)
def campaign_launch():
    @task
    def write_newsletter() -> str:
        # Airflow does not render the output of a task, so merge tags such as {{firstName}} stay unchanged.
        return """<html><head><style>p { color: #FF0000 }</style></head>
            <body onload="track()"><!-- draft 3 --><h1>Spring is HERE</h1>
            <p>Hi {{firstName}}, our <a href="https://example.com/spring">spring catalogue</a> is out.</p>
            <img src="https://example.com/tulips.png" alt="Tulips"></body></html>"""

    @task
    def export_leads(path: str) -> str:
        # A file as Apollo exports it. The headers become fields and custom variables of the leads.
        ObjectStoragePath(path).parent.mkdir(parents=True, exist_ok=True)
        ObjectStoragePath(path).write_text(
            "First Name,Last Name,Title,Company Name for Emails,Email,City\n"
            "Ada,Lovelace,Analyst,Analytical Engines,ada@example.com,London\n"
            "Grace,Hopper,Rear Admiral,Navy,grace@example.com,Arlington\n"
        )
        return path

    newsletter = write_newsletter()
    submit_campaign = CampaignCleanerSubmitCampaignOperator(
        task_id="submit_campaign",
        campaign_html=newsletter,
        campaign_name="{{ dag.dag_id }} {{ run_id }}",
        retries=2,
    )
    wait_until_completed = CampaignCleanerCampaignSensor(
        task_id="wait_until_completed",
        campaign_id=submit_campaign.output,
        deferrable=True,
        retries=2,
    )
    get_campaign = CampaignCleanerGetCampaignOperator(
        task_id="get_campaign",
        campaign_id=wait_until_completed.output,
        output_path="{{ params.output_folder }}/{{ run_id }}.html",
        original_html=newsletter,  # a merge tag that cleaning loses stops the run here
        retries=2,
    )
    update_campaign = InstantlyUpdateCampaignOperator(
        task_id="update_campaign",
        campaign_id="{{ params.instantly_campaign_id }}",
        html_path="{{ params.output_folder }}/{{ run_id }}.html",
        retries=2,
    )
    send_gate = InstantlySendGateOperator(
        task_id="send_gate",
        campaign_id="{{ params.instantly_campaign_id }}",
        wait_timeout=timedelta(hours=2),
        deferrable=True,
        retries=2,
    )
    add_leads = InstantlyAddLeadsOperator(
        task_id="add_leads",
        campaign_id="{{ params.instantly_campaign_id }}",
        leads_path=export_leads("{{ params.output_folder }}/{{ run_id }}.csv"),
        retries=2,
    )

    get_campaign >> update_campaign >> send_gate >> add_leads


campaign_launch()
