"""What an earlier version stored still works after an upgrade of the provider while tasks are deferred.

``serialized/`` holds a file for each version that stores something new: the class path of each trigger, its
arguments in every form in which a database may hold them, and the events that it fires; for a watcher its
position, which ``tests/integration/test_watchers.py`` reads. A version that stores something new gets a new
file and a line in the changelog; released files do not change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_campaigns import exceptions
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
from tests.support.fake_airflow import TaskInstance, event_of

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
JOB_ID = "019e18e2a52f78e796f2b33e"

CHANGELOG = ROOT / "CHANGELOG.md"
RECORDS: dict[str, dict[str, Any]] = {
    file.stem: {
        path: record for path, record in json.loads(file.read_text()).items() if "resumes_at" in record
    }
    for file in sorted(
        (Path(__file__).parent / "serialized").glob("*.json"),
        key=lambda file: [int(number) for number in file.stem.split(".")],
    )
}
NEWEST = list(RECORDS.values())[-1]

# Every task that defers, by the class of its trigger.
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


def tasks_of(path: str, campaign_id: Any = None) -> Iterator[Any]:
    """Yield the tasks that defer with a trigger; of those, only a sensor waits for a list of campaigns."""
    builders = TASKS[path.rpartition(".")[2]]
    for build in builders[:1] if isinstance(campaign_id, list) else builders:
        yield build()


def recorded(kind: str) -> list[Any]:
    """Return the arguments or the events of all versions, each with its trigger."""
    return [
        pytest.param(path, trigger["resumes_at"], each, id=f"{version}-{path.rpartition('.')[2]}-{number}")
        for version, record in RECORDS.items()
        for path, trigger in record.items()
        for number, each in enumerate(trigger[kind])
    ]


def set_statuses(sandbox: RunningSandbox, *, campaign: str, inbox_test_seconds: float, job: str) -> None:
    """Set the status of everything that the records wait for in Campaign Cleaner and in background jobs."""
    state = sandbox.state
    submitted = state.submit("Spring", "<p>Spring</p>", {})
    submitted.id, submitted.fixed_status = ID, campaign
    state.submitted = {ID: submitted}
    state.inbox_tests[ID] = replace(state.start_inbox_test("Spring"), id=ID, seconds=inbox_test_seconds)
    state.jobs[JOB_ID] = replace(state.start_job("move-leads", None), id=JOB_ID, fixed_status=job)


@pytest.fixture
def ended(sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox in which every wait of the records can end."""
    set_statuses(sandbox, campaign="completed", inbox_test_seconds=0, job="success")
    return sandbox


@pytest.fixture
def waiting(sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox in which every wait of the records goes on, except those for a sending status."""
    set_statuses(sandbox, campaign="processing", inbox_test_seconds=3600, job="in-progress")
    return sandbox


@pytest.mark.parametrize(("path", "method", "arguments"), recorded("arguments"))
async def test_stored_trigger_of_an_earlier_version_ends_its_wait(
    path: str, method: str, arguments: dict[str, Any], ended: RunningSandbox
) -> None:
    module, _, name = path.rpartition(".")
    trigger = getattr(import_module(module), name)(**decrypt_kwargs(encrypt_kwargs(arguments)))
    event = await event_of(trigger)
    assert (event["outcome"], event["error"], event["deadline"]) == ("done", None, arguments["deadline"])
    for task in tasks_of(path, arguments.get("campaign_id")):
        assert task.resume_execution(method, {"event": event}, {"ti": TaskInstance(), "task": task})


@pytest.mark.parametrize(("path", "method", "fired"), recorded("events"))
def test_event_of_an_earlier_version_resumes_the_task(
    path: str, method: str, fired: dict[str, Any], ended: RunningSandbox
) -> None:
    errors = {**vars(exceptions), "AirflowSensorTimeout": AirflowSensorTimeout}
    for task in tasks_of(path, fired["event"]["target"].get("campaign_id")):
        context = {"ti": TaskInstance(), "task": task}
        if fired["ends_in"] is None:
            assert task.resume_execution(method, {"event": fired["event"]}, context)
        else:
            with pytest.raises(errors[fired["ends_in"]]):
                task.resume_execution(method, {"event": fired["event"]}, context)


@pytest.mark.parametrize("path", NEWEST)
def test_stored_trigger_of_this_version_is_recorded(path: str, waiting: RunningSandbox) -> None:
    code = "campaign_draft" if "Activation" in path else "daily_limit_met"
    for target in (HEALTHY_CAMPAIGN_ID, SUBSEQUENCE_ID):
        waiting.state.play_sending_status(target, [code])
    for task in tasks_of(path):
        with pytest.raises(TaskDeferred) as deferred:
            task.execute({"ti": TaskInstance(), "task": task})
        class_path, arguments = deferred.value.trigger.serialize()
        assert (class_path, deferred.value.method_name) == (path, NEWEST[path]["resumes_at"])
        assert list(arguments) in [list(each) for each in NEWEST[path]["arguments"]]


def test_start_in_the_triggerer_is_recorded() -> None:
    start = CampaignCleanerCampaignSensor(
        task_id="wait", campaign_id=ID, start_from_trigger=True
    ).start_trigger_args
    trigger = NEWEST[start.trigger_cls]
    assert start.trigger_kwargs.keys() in [arguments.keys() for arguments in trigger["arguments"]]
    assert start.next_method == trigger["resumes_at"]


def test_every_event_of_this_version_is_recorded() -> None:
    for trigger in NEWEST.values():
        outcomes = {fired["event"]["outcome"] for fired in trigger["events"]}
        assert outcomes == {"done", "timed_out", "failed"}
        fields = {tuple(fired["event"]) for fired in trigger["events"]}
        assert fields == {("target", "outcome", "status", "error", "deadline", "failures")}


def test_every_trigger_is_recorded_and_none_is_removed() -> None:
    modules = [name for listed in get_provider_info()["triggers"] for name in listed["python-modules"]]
    present = {
        f"{module}.{name}"
        for module in modules
        for name, value in vars(import_module(module)).items()
        if isinstance(value, type) and issubclass(value, WaitTrigger) and value.__module__ == module
    }
    assert present == set(NEWEST)
    for record in RECORDS.values():
        assert set(record) <= present


@pytest.mark.parametrize("version", RECORDS)
def test_recorded_version_is_in_the_changelog(version: str) -> None:
    assert f"\n## {version}" in CHANGELOG.read_text()
