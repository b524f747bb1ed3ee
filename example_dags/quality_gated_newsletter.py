"""Send a newsletter only if it is good enough: clean it, compare its analysis with thresholds, then activate.

The cleaned HTML replaces the body of the first step of an Instantly campaign; everything else in the campaign
stays unchanged. The report is written as a PDF, whether the newsletter passes the gate or not.

Needs the connections ``campaign_cleaner_default`` and ``instantly_default``. To try it without
accounts, start ``python -m airflow_provider_campaigns.sandbox`` and set the two connections that it prints.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_campaigns.api.campaign_cleaner import CampaignSettings
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyUpdateCampaignOperator,
)

FOLDER = "{{ params.output_folder }}/{{ run_id }}"


@dag(
    schedule=None,
    params={
        "instantly_campaign_id": Param(
            "019e18e2-a52f-78e7-96f2-b33ee19bb50a",
            type="string",
            format="uuid",
            description="The Instantly campaign that sends the newsletter.",
        ),
        "output_folder": Param(
            "file:///tmp/quality_gated_newsletter",
            type="string",
            description="Where HTML, analysis and report are written: a folder, or an object storage URL.",
        ),
    },
    tags=["campaigns"],
    doc_md=__doc__,
)
def quality_gated_newsletter():
    @task
    def write_newsletter() -> str:
        # Airflow does not render the output of a task, so merge tags such as {{firstName}} stay unchanged.
        return """<html><body><h1>Spring is here</h1>
            <p>Hi {{firstName}}, our <a href="https://example.com/spring">spring catalogue</a> is out.</p>
            </body></html>"""

    submit_campaign = CampaignCleanerSubmitCampaignOperator(
        task_id="submit_campaign",
        campaign_html=write_newsletter(),
        campaign_name="{{ dag.dag_id }} {{ run_id }}",
        settings=CampaignSettings(replace_diacritics=False, replace_non_ascii_characters=False),
        retries=2,
    )
    get_campaign = CampaignCleanerGetCampaignOperator(
        task_id="get_campaign",
        campaign_id=submit_campaign.output,
        wait_for_completion=True,
        deferrable=True,
        output_path=f"{FOLDER}/newsletter.html",
        analysis_path=f"{FOLDER}/analysis.json",
    )
    get_report = CampaignCleanerGetPdfAnalysisOperator(
        task_id="get_report",
        campaign_id=submit_campaign.output,
        output_path=f"{FOLDER}/report.pdf",
    )
    quality_gate = CampaignCleanerQualityGateOperator(
        task_id="quality_gate",
        analysis=get_campaign.output,
        max_broken_links=0,
        max_blacklisted_links=0,
        max_capitals_ratio=0.1,
    )
    update_sequence = InstantlyUpdateCampaignOperator(
        task_id="update_sequence",
        campaign_id="{{ params.instantly_campaign_id }}",
        html_path=f"{FOLDER}/newsletter.html",
    )
    activate = InstantlyActivateCampaignOperator(
        task_id="activate",
        campaign_id="{{ params.instantly_campaign_id }}",
        wait_timeout=timedelta(minutes=30),
        deferrable=True,
    )

    get_campaign >> get_report
    get_campaign >> quality_gate >> update_sequence >> activate


quality_gated_newsletter()
