"""Waits of every kind, with downstream tasks whose requests the sandbox records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor

# Timeouts in seconds: longer than any outage, during one, and after it.
LONG = 3600
EARLY = 25
LATE = 40
# Where a scheduler is killed: they must not have passed before all waits have begun on a busy machine.
ALONE = 60
LATE_RESCHEDULED = 80


def sensor(task_id: str, campaign: str, **arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(
        task_id=task_id,
        campaign_id=f"{{{{ params.{campaign} }}}}",
        **{"poke_interval": 1, "timeout": LONG, **arguments},
    )


def fetch(task_id: str, campaign: str, **arguments: Any) -> CampaignCleanerGetCampaignOperator:
    return CampaignCleanerGetCampaignOperator(
        task_id=task_id, campaign_id=f"{{{{ params.{campaign} }}}}", **arguments
    )


def gate(task_id: str, campaign: str, **arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(
        task_id=task_id,
        campaign_id=f"{{{{ params.{campaign} }}}}",
        **{"wait_timeout": LONG, "poke_interval": 1, "deferrable": True, **arguments},
    )


def send(task_id: str, campaign: str) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(
        task_id=task_id,
        campaign_id=f"{{{{ params.{campaign} }}}}",
        leads=[{"email": f"{task_id}@example.com"}],
    )


quick: dict[str, Any] = {"poke_interval": 1, "deferrable": True}
# A busy Airflow may fail a task whose trigger fires soon after the deferral.
retried: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=1)}
names = ("campaign", "campaign_2", "campaign_3", "never", "go", "gated", "shut", "draft", "job", "test")
with DAG("triggerers_killed", schedule=None, params=dict.fromkeys(names, "")):
    sensor("campaign", "campaign", deferrable=True) >> fetch("fetch", "campaign")
    gate("gate", "gated") >> send("send", "gated")
    sensor("started_in_triggerer", "campaign_2", start_from_trigger=True) >> fetch("fetch_2", "campaign_2")
    fetch("fetch_3", "campaign_3", wait_for_completion=True, timeout=LONG, **quick)
    InstantlyActivateCampaignOperator(
        task_id="activate", campaign_id="{{ params.draft }}", wait_timeout=LONG, **quick
    )
    InstantlyBackgroundJobSensor(task_id="job", job_id="{{ params.job }}", timeout=LONG, **quick)
    CampaignCleanerInboxTestSensor(task_id="test", job_id="{{ params.test }}", timeout=LONG, **quick)
    # The waits with a short timeout start when all others wait.
    early = sensor("early", "never", deferrable=True, timeout=EARLY)
    late_gate = gate("late_gate", "shut", wait_timeout=LATE)
    sensor("go", "go", deferrable=True, **retried) >> [
        early,
        late_gate,
        sensor("late", "never", deferrable=True, timeout=LATE),
        sensor("late_in_triggerer", "never", start_from_trigger=True, timeout=LATE),
    ]
    early >> fetch("never_fetch", "never")
    late_gate >> send("never_send", "shut")


with DAG("scheduler_killed", schedule=None, params=dict.fromkeys(("campaign", "never", "go", "gated"), "")):
    sensor("campaign", "campaign", deferrable=True) >> fetch("fetch", "campaign")
    gate("gate", "gated") >> send("send", "gated")
    sensor("go", "go", deferrable=True, **retried) >> [
        sensor("early", "never", deferrable=True, timeout=ALONE),
        # This one polls once before the scheduler is killed, and not again before it is back.
        sensor("rescheduled", "campaign", mode="reschedule", poke_interval=60),
        # This one polls again only at its deadline: a busy Airflow may fail a task that comes back sooner.
        sensor("late_rescheduled", "never", mode="reschedule", poke_interval=120, timeout=LATE_RESCHEDULED),
        # These are on a worker when it is killed with the scheduler.
        sensor("poked", "campaign", mode="poke"),
        CampaignCleanerSubmitCampaignOperator(
            task_id="submit", campaign_html="<p>Spring</p>", campaign_name="Spring", retries=0
        ),
    ]


patient: dict[str, Any] = {"poke_interval": 0.5, "max_failures": 200}
impatient: dict[str, Any] = {"poke_interval": 0.5, "max_failures": 3}
with DAG("service_unreachable", schedule=None, params={"campaign": "", "gated": ""}):
    sensor("deferred", "campaign", deferrable=True, **patient) >> fetch("fetch", "campaign")
    sensor("poked", "campaign", mode="poke", **patient)
    # A busy Airflow may fail a task that is rescheduled much sooner, before it has stored the first state.
    sensor("rescheduled", "campaign", mode="reschedule", **{**patient, "poke_interval": 10})
    gate("gate", "gated", **patient) >> send("send", "gated")
    sensor("impatient", "campaign", deferrable=True, soft_fail=True, **impatient)
    sensor("impatient_poked", "campaign", mode="poke", soft_fail=True, **impatient)
    gate("impatient_gate", "gated", on_closed="skip", **impatient) >> send("never_send", "gated")
