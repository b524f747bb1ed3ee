"""A deployment upgrades the provider while tasks are deferred: what an earlier version stored still counts.

``serialized/`` holds a file for each version that stored something new: the path of each trigger, its
arguments in every form in which they may lie in a database, and the events that it fires. The first form is
the one with all arguments. Whoever stores something new adds a file for the version to come, and a line in
the changelog.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_campaigns import exceptions
from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.get_provider_info import get_provider_info
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, SUBSEQUENCE_ID, RunningSandbox
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.triggers.base import WaitTrigger
from tests.support import ROOT
from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs
from tests.support.triggerer import TaskInstance

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
JOB_ID = "019e18e2a52f78e796f2b33e"

CHANGELOG = ROOT / "CHANGELOG.md"
RECORDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text())
    for file in sorted(
        (Path(__file__).parent / "serialized").glob("*.json"),
        key=lambda file: [int(number) for number in file.stem.split(".")],
    )
}
NEWEST = list(RECORDS.values())[-1]

# Every task of today that defers, by the class of its trigger.
TASKS: dict[str, list[Callable[[], Any]]] = {
    "CampaignCleanerCampaignTrigger": [
        lambda: CampaignCleanerCampaignSensor(task_id="wait", campaign_id=ID, deferrable=True),
        lambda: CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id=ID, wait_for_completion=True, deferrable=True
        ),
    ],
    "CampaignCleanerInboxTestTrigger": [
        lambda: CampaignCleanerInboxTestSensor(task_id="wait", job_id=ID, timeout=60, deferrable=True)
    ],
    "InstantlySendGateTrigger": [
        lambda: InstantlySendGateOperator(
            task_id="gate", campaign_id=HEALTHY_CAMPAIGN_ID, wait_timeout=60, deferrable=True
        ),
        lambda: InstantlySendGateOperator(
            task_id="gate", subsequence_id=SUBSEQUENCE_ID, wait_timeout=60, deferrable=True
        ),
    ],
    "InstantlyActivationTrigger": [
        lambda: InstantlyActivateCampaignOperator(
            task_id="activate", campaign_id=HEALTHY_CAMPAIGN_ID, wait_timeout=60, deferrable=True
        )
    ],
    "InstantlyBackgroundJobTrigger": [
        lambda: InstantlyBackgroundJobSensor(task_id="wait", job_id=JOB_ID, deferrable=True)
    ],
}


def tasks_of(path: str) -> Iterator[Any]:
    for build in TASKS[path.rpartition(".")[2]]:
        yield build()


def on_record(kind: str) -> list[Any]:
    """Return the forms or the events of all versions, each with where it belongs."""
    return [
        pytest.param(path, recorded["resumes_at"], each, id=f"{version}-{path.rpartition('.')[2]}-{number}")
        for version, record in RECORDS.items()
        for path, recorded in record.items()
        for number, each in enumerate(recorded[kind])
    ]


@pytest.fixture
def done(sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox in which everything has happened that the records wait for."""
    state = sandbox.state
    campaign = state.submit("Spring", "<p>Spring</p>", {})
    campaign.id, campaign.fixed_status = ID, CampaignState.COMPLETED.value
    state.submitted = {ID: campaign}
    state.inbox_tests[ID] = replace(state.start_inbox_test("Spring"), id=ID, seconds=0)
    state.jobs[JOB_ID] = replace(state.start_job("move-leads", None), id=JOB_ID, fixed_status="success")
    return sandbox


@pytest.mark.parametrize(("path", "method", "arguments"), on_record("arguments"))
async def test_what_an_earlier_version_stored_is_waited_for_to_its_end(
    path: str, method: str, arguments: dict[str, Any], done: RunningSandbox
) -> None:
    stored = encrypt_kwargs(arguments)
    module, _, name = path.rpartition(".")
    trigger = getattr(import_module(module), name)(**decrypt_kwargs(stored))
    async with aclosing(trigger.run()) as events:
        event = json.loads(json.dumps((await anext(events)).payload))
    assert (event["outcome"], event["error"], event["deadline"]) == ("done", None, arguments["deadline"])
    for task in tasks_of(path):
        assert task.resume_execution(method, {"event": event}, {"ti": TaskInstance(), "task": task})


@pytest.mark.parametrize(("path", "method", "fired"), on_record("events"))
def test_an_event_that_an_earlier_version_fired_is_understood(
    path: str, method: str, fired: dict[str, Any], done: RunningSandbox
) -> None:
    errors = {**vars(exceptions), "AirflowSensorTimeout": AirflowSensorTimeout}
    for task in tasks_of(path):
        context = {"ti": TaskInstance(), "task": task}
        if fired["ends_in"] is None:
            assert task.resume_execution(method, {"event": fired["event"]}, context)
        else:
            with pytest.raises(errors[fired["ends_in"]]):
                task.resume_execution(method, {"event": fired["event"]}, context)


@pytest.mark.parametrize("path", NEWEST)
def test_what_is_stored_today_is_on_record(path: str, done: RunningSandbox) -> None:
    for gated in (HEALTHY_CAMPAIGN_ID, SUBSEQUENCE_ID):
        done.state.play_sending_status(gated, ["daily_limit_met"])
    recorded = NEWEST[path]
    for task in tasks_of(path):
        with pytest.raises(TaskDeferred) as deferred:
            task.execute({"ti": TaskInstance(), "task": task})
        classpath, arguments = deferred.value.trigger.serialize()
        assert (classpath, deferred.value.method_name) == (path, recorded["resumes_at"])
        assert arguments.keys() == recorded["arguments"][0].keys()


def test_what_a_wait_begins_with_that_airflow_itself_starts_is_on_record() -> None:
    begins = CampaignCleanerCampaignSensor(
        task_id="wait", campaign_id=ID, start_from_trigger=True
    ).start_trigger_args
    assert begins.trigger_kwargs.keys() == NEWEST[begins.trigger_cls]["arguments"][0].keys()
    assert begins.next_method == NEWEST[begins.trigger_cls]["resumes_at"]


def test_every_trigger_is_on_record_and_every_recorded_version_in_the_changelog() -> None:
    modules = [name for listed in get_provider_info()["triggers"] for name in listed["python-modules"]]
    today = {
        f"{module}.{name}"
        for module in modules
        for name, value in vars(import_module(module)).items()
        if isinstance(value, type) and issubclass(value, WaitTrigger) and value.__module__ == module
    }
    assert today == set(NEWEST)
    for version, record in RECORDS.items():
        assert f"\n## {version}" in CHANGELOG.read_text()
        # What was on record once stays: a database may still hold it.
        assert set(record) <= today
