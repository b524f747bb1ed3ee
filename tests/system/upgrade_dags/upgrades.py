"""Waits of every kind, watchers and a question. Tasks return the version of the provider that runs them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

from airflow_provider_campaigns import __version__, watchers
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerEmitCompletedOperator,
    CampaignCleanerGetCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sandbox import UNHEALTHY_CAMPAIGN_ID
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.watchers import (
    campaign_cleaner_completed,
    instantly_health_changed,
    new_events,
)

watchers.MIN_INTERVAL = 0.5
wait: dict[str, Any] = {"deferrable": True, "poke_interval": 1, "timeout": 3600}
gate: dict[str, Any] = {"deferrable": True, "poke_interval": 1, "wait_timeout": 3600}
names = ("campaign", "gated", "asked", "draft", "job", "test")


@task
def version() -> str:
    return __version__


with DAG("waits", schedule=None, params=dict.fromkeys(names, "")):
    [
        CampaignCleanerCampaignSensor(task_id="sensor", campaign_id="{{ params.campaign }}", **wait),
        CampaignCleanerCampaignSensor(
            task_id="in_triggerer",
            campaign_id="{{ params.campaign }}",
            start_from_trigger=True,
            end_from_trigger=True,
            **wait,
        ),
        CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id="{{ params.campaign }}", wait_for_completion=True, **wait
        ),
        CampaignCleanerInboxTestSensor(task_id="inbox_test", job_id="{{ params.test }}", **wait),
        InstantlyBackgroundJobSensor(task_id="job", job_id="{{ params.job }}", **wait),
        InstantlySendGateOperator(task_id="gate", campaign_id="{{ params.gated }}", **gate),
        InstantlyActivateCampaignOperator(task_id="activate", campaign_id="{{ params.draft }}", **gate),
        InstantlySendGateOperator(task_id="ask", campaign_id="{{ params.asked }}", on_closed="ask"),
    ] >> version()

completed = campaign_cleaner_completed("completed", poke_interval=1)
ill = instantly_health_changed("ill", campaign_ids=[UNHEALTHY_CAMPAIGN_ID], poke_interval=1)


@task
def handle(asset: Any, **context: Any) -> dict[str, str]:
    with new_events(context, asset) as events:
        return {event.event_id: __version__ for event in events}


for dag_id, asset in (("on_completed", completed), ("on_ill", ill)):
    with DAG(dag_id, schedule=[asset], max_active_runs=1, catchup=False):
        handle.override(inlets=[asset])(asset)

emitted = Asset("emitted")
with DAG("emit", schedule=None):
    CampaignCleanerEmitCompletedOperator(task_id="emit", asset=emitted, fire_existing=True)


@task
def key(dag_run: Any = None) -> dict[str, str]:
    return {dag_run.partition_key: __version__}


with DAG("on_emitted", schedule=PartitionedAssetTimetable(assets=emitted)):
    key.override(task_id="handle")()
