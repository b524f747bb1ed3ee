"""Store each newsletter once it is ready: this Dag starts when any campaign of the account is completed.

A newsletter that passes the quality gate is stored in the folder of the Variable ``newsletter_folder``. One
that does not fails its gate and stops no other.

Needs Airflow 3.3 and the connection ``campaign_cleaner_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox``, set the connection that it prints, and submit a campaign.
"""

from __future__ import annotations

from typing import Any

from airflow import __version__
from airflow.providers.common.compat.sdk import (
    AirflowSkipException,
    ObjectStoragePath,
    dag,
    task,
    task_group,
)
from packaging.version import Version

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerQualityGateOperator,
)
from airflow_provider_campaigns.watchers import campaign_cleaner_completed, new_events

FOLDER = "{{ var.value.get('newsletter_folder', 'file:///tmp/newsletter_ready') }}"


def define() -> None:
    # The default interval is a minute; this one is short, to try the Dag.
    newsletters = campaign_cleaner_completed("newsletters", poke_interval=10)

    @dag(
        schedule=[newsletters],
        max_active_runs=1,  # so that no two runs handle the same event
        tags=["campaigns"],
        doc_md=__doc__,
    )
    def newsletter_ready() -> None:
        @task(inlets=[newsletters], retries=2)
        def completed_campaigns(**context: Any) -> list[str]:
            with new_events(context, newsletters) as events:
                if not events:
                    raise AirflowSkipException("An earlier run has handled all events.")
                return [event.campaign_id for event in events]

        @task(retries=2)
        def store(campaign_id: str, campaign: dict[str, Any], folder: str) -> str:
            target = ObjectStoragePath(folder) / f"{campaign_id}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(ObjectStoragePath(campaign["html_path"]).read_bytes())
            return str(target)

        @task_group
        def newsletter(campaign_id: str) -> None:
            get_campaign = CampaignCleanerGetCampaignOperator(
                task_id="get_campaign",
                campaign_id=campaign_id,
                output_path=f"{FOLDER}/checked/{{{{ run_id }}}}_{{{{ ti.map_index }}}}.html",
                retries=2,
            )
            quality_gate = CampaignCleanerQualityGateOperator(
                task_id="quality_gate", analysis=get_campaign.output, max_broken_links=0
            )
            quality_gate >> store(campaign_id, get_campaign.output, f"{FOLDER}/ready")

        newsletter.expand(campaign_id=completed_campaigns())

    newsletter_ready()


# Watchers need Airflow 3.3. Before, this file has no Dag.
if Version(__version__) >= Version("3.3"):
    define()
