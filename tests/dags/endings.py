"""Tasks that do not do their work, in every way of ``docs/use/tell.md``: one Dag without, one with questions.

``tests/integration/test_endings.py`` prepares the services, and names the row of each task.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, TriggerRule, task

from airflow_provider_campaigns.airflow_compat import why_no_questions
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from tests.support.callbacks import RECORDED

LEADS = [{"email": "ada@example.com"}]
BAD = {"broken_links": ["https://broken.test/x"], "campaign_name": "Spring"}
WAIT: dict[str, Any] = {"wait_timeout": 0.1, "poke_interval": 0.05}
DEFERRED_WAIT: dict[str, Any] = {"wait_timeout": 0.3, "poke_interval": 0.05, "deferrable": True}
SENSOR_WAIT: dict[str, Any] = {"timeout": 0.1, "poke_interval": 0.05}
DEFERRED_SENSOR_WAIT: dict[str, Any] = {"timeout": 0.3, "poke_interval": 0.05, "deferrable": True}


def campaign(name: str) -> str:
    """Return the id of Instantly's campaign of a name."""
    return f"019e18e2-a52f-78e7-96f2-{name.encode().hex()[:12]:0<12}"


def gate(task_id: str, name: str, **arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(task_id=task_id, campaign_id=campaign(name), **arguments)


def quality(task_id: str, analysis: Any = BAD, **arguments: Any) -> CampaignCleanerQualityGateOperator:
    return CampaignCleanerQualityGateOperator(
        task_id=task_id, analysis=analysis, max_broken_links=0, **arguments
    )


def sensor(task_id: str, campaign_id: Any, **arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(
        **{"task_id": task_id, "campaign_id": campaign_id, **SENSOR_WAIT, **arguments}
    )


@task
def behind() -> None: ...


with DAG("endings", schedule=None, default_args=RECORDED):
    gate("closed", "paused")
    gate("finished", "completed")
    gate("not_yet", "waiting")
    gate("waited", "waiting", **WAIT)
    gate("waited_deferred", "waiting", **DEFERRED_WAIT)
    quality("bad")
    gate("closed_skips", "paused", on_closed="skip")
    gate("waited_skips", "waiting", on_closed="skip", **WAIT)
    gate("waited_skips_deferred", "waiting", on_closed="skip", **DEFERRED_WAIT)
    quality("bad_skips", on_closed="skip")
    rule = {"trigger_rule": TriggerRule.NONE_FAILED}
    for each in (
        gate("cannot_skip", "paused", on_closed="skip"),
        quality("bad_cannot_skip", on_closed="skip"),
    ):
        mapped = InstantlyAddLeadsOperator.partial(
            task_id=f"behind_{each.task_id}", campaign_id=campaign("paused"), **rule
        ).expand(leads=[LEADS])
        each >> mapped
    gate("down", "down", max_failures=99, **WAIT)
    gate("down_skips", "down", max_failures=99, on_closed="skip", **WAIT)
    gate("down_deferred", "down", max_failures=99, **DEFERRED_WAIT)
    gate("refused", "refused", on_closed="skip")
    gate("failing", "down", max_failures=1, on_closed="skip", **WAIT)
    gate("no_connection", "lost", on_closed="skip", instantly_conn_id="lost", **DEFERRED_WAIT)
    quality("no_file", {"analysis_path": "/nowhere/analysis.json"}, on_closed="skip")
    quality("no_analysis", "{{ 'nothing' }}", on_closed="skip")

    sensor("late", "processing")
    sensor("late_deferred", "processing", **DEFERRED_SENSOR_WAIT)
    CampaignCleanerGetCampaignOperator(
        task_id="get_late", campaign_id="processing", wait_for_completion=True, **SENSOR_WAIT
    )
    InstantlyActivateCampaignOperator(task_id="activate_late", campaign_id=campaign("starting"), **WAIT)
    sensor("late_soft", "processing", soft_fail=True)
    sensor("late_soft_deferred", "processing", soft_fail=True, **DEFERRED_SENSOR_WAIT)
    sensor("paused", "paused", soft_fail=True)
    sensor("one_failed", ["completed", "paused"], soft_fail=True)
    sensor("collected", ["completed", "paused"], on_failure="collect")
    InstantlyBackgroundJobSensor(task_id="job_failed", job_id=campaign("job"), soft_fail=True)
    sensor("odd", "odd", soft_fail=True)
    sensor("sensor_refused", "a", soft_fail=True, campaign_cleaner_conn_id="refusing")
    sensor("sensor_failing", "failing", soft_fail=True, max_failures=1)
    lost: dict[str, Any] = {"soft_fail": True, "campaign_cleaner_conn_id": "lost_cleaner"}
    sensor("sensor_no_connection", "lost", **lost, **DEFERRED_SENSOR_WAIT)
    sensor("wrong_connection", "a", soft_fail=True, campaign_cleaner_conn_id="keyless")
    sensor("wrong_id", "{{ '' }}", never_fail=True)
    sensor("never_late", "processing", never_fail=True)
    sensor("never_paused", "paused", never_fail=True)
    sensor("never_refused", "a", never_fail=True, campaign_cleaner_conn_id="refusing")
    sensor("never_connected", "a", never_fail=True, campaign_cleaner_conn_id="keyless")

    CampaignCleanerSubmitCampaignOperator(
        task_id="perhaps_submitted",
        campaign_html="<p>Hi</p>",
        campaign_name="Spring",
        durable=False,
        campaign_cleaner_conn_id="silent",
    )
    CampaignCleanerGetCampaignOperator(
        task_id="damaged", campaign_id="damaged", original_html="<p>Hi {{ '{{firstName}}' }}</p>"
    )
    InstantlyActivateCampaignOperator(task_id="ended", campaign_id=campaign("completed"))
    for name in ("paused", "waiting"):
        InstantlyAddLeadsOperator(
            task_id=f"add_{name}", campaign_id=campaign(name), leads=LEADS, check_gate=True
        )
    InstantlyAddLeadsOperator(task_id="unaccounted", campaign_id=campaign("odd"), leads=LEADS)
    InstantlyAddLeadsOperator(
        task_id="bad_row", campaign_id=campaign("odd"), leads=[{"email": "{{ 'nobody' }}"}]
    )
    for name in ("healthy", "odd"):
        InstantlyUpdateCampaignOperator(
            task_id=f"update_{name}",
            campaign_id=campaign(name),
            fields={"daily_limit": 50},
            check_gate=True,
            policy={"healthy": "closed"},
        )

if why_no_questions() is None:
    ASKS: dict[str, Any] = {"on_closed": "ask", "ask_users": [{"id": "jane", "name": "Jane"}]}
    with DAG("endings_of_questions", schedule=None, default_args=RECORDED):
        for choice in ("fail", "skip", "anyway"):
            gate(f"{choice}_closed", "paused", allow_override=True, **ASKS)
            quality(f"{choice}_bad", allow_override=True, **ASKS)
        gate("fail_not_yet", "waiting", **ASKS)
        gate("unanswered", "paused", ask_timeout=0.1, **ASKS)
        gate("unanswered_skips", "paused", ask_timeout=0.1, ask_timeout_action="skip", **ASKS)
