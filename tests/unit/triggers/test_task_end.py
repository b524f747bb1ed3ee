"""A trigger ends its task only where a worker would do nothing more: each reason for a worker is a row."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.assets import Asset
from airflow.providers.common.compat.sdk import DAG, BaseOperator, TaskDeferred
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from packaging.version import Version

from airflow_provider_campaigns.links import InstantlyCampaignLink
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.triggers._task_end import NEEDS_WORKER
from tests.support import ROOT
from tests.support.airflow_versions import (
    AIRFLOW,
    DagBag,
    DagSerialization,
    first_of,
    needs_rendering_in_the_triggerer,
)
from tests.support.fake_airflow import TaskInstance, TaskRunner, restored_trigger, stored_trigger
from tests.support.fake_cleaner import LIST
from tests.support.fake_server import FakeServer
from tests.support.fake_triggerer import Triggerer
from tests.support.responses import CLEANER_ID, CLEANER_LINK, campaign_status

pytestmark = pytest.mark.usefixtures("clock")

# Of workers and the triggerer, and of the Dag processor.
LISTENER_MANAGERS = [
    found
    for module in ("airflow.sdk.listener", "airflow.listeners.listener")
    if (found := first_of(f"{module}.get_listener_manager"))
]
PROCESSING, COMPLETED = campaign_status("processing"), campaign_status("completed")
PAGE = ROOT / "docs" / "use" / "sensor.md"


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing, as a callback."""


class ExtendedSensor(CampaignCleanerCampaignSensor):
    """A sensor that does more on a worker."""

    def execute_complete(self, *arguments: Any, **named: Any) -> Any:
        return f"more of {super().execute_complete(*arguments, **named)}"


class ConsumerOperator(BaseOperator):
    """A task that can be mapped."""

    def __init__(self, *, value: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value


@pytest.fixture
def listener() -> Iterator[None]:
    plugin, managers = ModuleType("listener"), {get() for get in LISTENER_MANAGERS}
    for manager in managers:
        manager.add_listener(plugin)
    yield
    for manager in managers:
        manager.pm.unregister(plugin)


@pytest.fixture
def xcom_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    compat = importlib.import_module("airflow.providers.common.compat.sdk")
    custom = type("BaseXCom", (compat.XCom,), {})  # its name does not distinguish it from Airflow's own
    monkeypatch.setattr(compat, "XCom", custom, raising=False)
    if Version("3") <= AIRFLOW:  # the worker saves its link
        comms = SimpleNamespace(send=nothing)
        monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", comms, raising=False)


def sensor(
    kind: type[CampaignCleanerCampaignSensor] = CampaignCleanerCampaignSensor, **arguments: Any
) -> Any:
    return kind(**{"task_id": "wait", "campaign_id": CLEANER_ID, "end_from_trigger": True, **arguments})


def mapped_over(**arguments: Any) -> Any:
    with DAG("dag"):
        waiting = sensor(**arguments)
        ConsumerOperator.partial(task_id="consume").expand(value=waiting.output)
    return waiting


def returning_the_dag_result(**arguments: Any) -> Any:
    waiting = sensor(**arguments)
    waiting.returns_dag_result = True
    return waiting


def with_another(method: str) -> Callable[..., Any]:
    def build(**arguments: Any) -> Any:
        waiting = sensor(**arguments)
        setattr(waiting, method, nothing)
        return waiting

    return build


def with_another_link(**arguments: Any) -> Any:
    waiting = sensor(**arguments)
    waiting.operator_extra_links = (*waiting.operator_extra_links, InstantlyCampaignLink())
    return waiting


@pytest.fixture
def lineage_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LINEAGE__BACKEND", "any.Backend")


def with_arguments(**more: Any) -> Callable[..., Any]:
    return lambda **arguments: sensor(**more, **arguments)


class Row(NamedTuple):
    """A reason for a worker, a sensor that has it, what else makes it so, and whether this Airflow has it."""

    reason: str
    build: Callable[..., Any] = sensor
    fixture: str | None = None
    try_number: int = 1
    only: bool = True


ROWS = [
    *[
        Row("callback", with_arguments(**{name: nothing}))
        for name in ("on_success_callback", "on_execute_callback", "on_skipped_callback")
    ],
    Row("hook", with_arguments(pre_execute=nothing)),
    Row("hook", with_arguments(post_execute=nothing)),
    Row("subclass", lambda **arguments: sensor(ExtendedSensor, **arguments)),
    *[Row("subclass", with_another(method)) for method in ("post_execute", "execute_complete")],
    Row("subclass", with_another_link),
    Row("outlet", with_arguments(outlets=[Asset("newsletter")])),
    Row("inlet", with_arguments(inlets=[Asset("newsletter")]), only=Version("3") > AIRFLOW),
    Row("mapped_over", mapped_over),
    Row("multiple_outputs", with_arguments(multiple_outputs=True)),
    Row("dag_result", returning_the_dag_result),
    Row("map_index_template", with_arguments(map_index_template="{{ task.task_id }}")),
    Row("xcom_backend", fixture="xcom_backend"),
    Row("lineage_backend", fixture="lineage_backend", only=Version("3") > AIRFLOW),
    Row("listener", fixture="listener"),
    Row("later_try", try_number=2),
]


def deferred_trigger(task: Any) -> Any:
    """Return the trigger of a task that defers, as the triggerer creates it."""
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({"ti": TaskInstance(), "task": task})
    return restored_trigger(*stored_trigger(deferred.value.trigger))


def started(task: Any, triggerer: Triggerer) -> Any:
    """Return the trigger of a task that starts in the triggerer, where its Dag is serialized."""
    dag = task.get_dag()
    if dag is None:
        dag = DAG("dag")
        dag.add_task(task)
    triggerer.task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task(task.task_id)
    start = task.start_trigger_args
    return restored_trigger(start.trigger_cls, json.dumps(start.trigger_kwargs))


class TestEnd:
    @pytest.mark.parametrize("start", [False, pytest.param(True, marks=needs_rendering_in_the_triggerer)])
    def test_completed_campaign_ends_the_task(self, connections: FakeServer, start: bool) -> None:
        connections.respond(PROCESSING, COMPLETED)
        task, triggerer = sensor(start_from_trigger=start), Triggerer()
        trigger = started(task, triggerer) if start else deferred_trigger(task)
        event = triggerer.event_of(trigger)
        assert isinstance(event, TaskSuccessEvent)
        # A worker has pushed the link, where one started.
        assert triggerer.xcoms == {"return_value": CLEANER_ID, **(CLEANER_LINK if start else {})}

    @pytest.mark.parametrize(
        ("build", "responses"),
        [
            (sensor, [PROCESSING, COMPLETED]),
            (
                lambda **arguments: CampaignCleanerInboxTestSensor(
                    task_id="wait", job_id="test", timeout=3600, **arguments
                ),
                [
                    {"status": "Processing"},
                    {
                        "status": "Completed",
                        "test_name": "Spring",
                        "summary": {"inbox": "4"},
                        "results": [{}],
                    },
                ],
            ),
            (
                lambda **arguments: InstantlyBackgroundJobSensor(task_id="wait", job_id="job", **arguments),
                [
                    {"id": "job", "type": "move-leads", "status": "pending"},
                    {"id": "job", "type": "move-leads", "status": "success", "data": {"success_count": 3}},
                ],
            ),
        ],
        ids=["campaign", "inbox test", "background job"],
    )
    def test_xcom_is_that_of_a_worker(
        self, connections: FakeServer, build: Callable[..., Any], responses: list[Any]
    ) -> None:
        connections.respond(*responses)
        triggerer = Triggerer()
        assert isinstance(
            triggerer.event_of(deferred_trigger(build(end_from_trigger=True))), TaskSuccessEvent
        )
        connections.respond(*responses)
        assert triggerer.xcoms == {"return_value": TaskRunner().run(build(end_from_trigger=False))}

    def test_many_campaigns_end_the_task(self, connections: FakeServer) -> None:
        lists = [
            {"campaign_list": [{"id": each, "status": status} for each in "ab"]}
            for status in ("processing", "completed")
        ]
        connections.respond(*lists, path=LIST)
        triggerer = Triggerer()
        event = triggerer.event_of(deferred_trigger(sensor(campaign_id=["b", "a"], on_failure="collect")))
        assert isinstance(event, TaskSuccessEvent)
        assert triggerer.xcoms == {"return_value": {"completed": ["b", "a"], "failed": []}}

    def test_mapped_task_ends_although_another_is_mapped_over_it(self, connections: FakeServer) -> None:
        connections.respond(PROCESSING, COMPLETED)
        task = mapped_over()
        task._BaseOperator__from_mapped = True  # as Airflow does it on a worker
        assert isinstance(Triggerer().event_of(deferred_trigger(task)), TaskSuccessEvent)

    def test_task_without_an_xcom_ends_without_one(self, connections: FakeServer) -> None:
        connections.respond(PROCESSING, COMPLETED)
        triggerer = Triggerer()
        event = triggerer.event_of(deferred_trigger(sensor(do_xcom_push=False)))
        assert isinstance(event, TaskSuccessEvent)
        assert triggerer.xcoms == {}

    def test_worker_does_not_poll_where_the_trigger_is_to_end_the_task(self, connections: FakeServer) -> None:
        deferred_trigger(sensor())
        assert connections.requests == []

    @pytest.mark.parametrize(
        ("arguments", "try_number"), [({"outlets": [Asset("newsletter")]}, 1), ({}, 2)], ids=["outlet", "try"]
    )
    def test_worker_that_has_to_end_the_task_polls_first(
        self, connections: FakeServer, arguments: dict[str, Any], try_number: int
    ) -> None:
        connections.respond(COMPLETED)
        runner = TaskRunner(TaskInstance(try_number=try_number))
        assert runner.run(sensor(**arguments)) == CLEANER_ID
        assert (len(connections.requests), runner.deferrals) == (1, [])

    def test_contradicting_arguments_fail_on_the_worker(self, connections: FakeServer) -> None:
        task = sensor(campaign_id="{{ params.id }}", on_failure="collect")
        task.campaign_id = CLEANER_ID  # as Airflow renders it
        with pytest.raises(ValueError, match="on_failure='collect' is for a list"):
            deferred_trigger(task)
        assert connections.requests == []

    def test_ending_in_the_triggerer_implies_deferring(self) -> None:
        assert sensor(deferrable=False).deferrable


class TestWorker:
    @pytest.mark.parametrize("start", [False, pytest.param(True, marks=needs_rendering_in_the_triggerer)])
    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.reason)
    def test_task_that_needs_a_worker_ends_on_it(
        self,
        connections: FakeServer,
        caplog: pytest.LogCaptureFixture,
        request: pytest.FixtureRequest,
        row: Row,
        start: bool,
    ) -> None:
        if not row.only:
            pytest.skip("This Airflow loses nothing.")
        if row.fixture is not None:
            request.getfixturevalue(row.fixture)
        connections.respond(PROCESSING, COMPLETED)
        caplog.set_level(logging.INFO)
        task, triggerer = row.build(start_from_trigger=start), Triggerer(try_number=row.try_number)
        event = triggerer.event_of(started(task, triggerer) if start else deferred_trigger(task))
        assert type(event) is TriggerEvent
        assert (event.payload["outcome"], triggerer.xcoms) == ("done", {})
        assert f"A worker ends the task: {NEEDS_WORKER[row.reason]}." in caplog.messages

    def test_triggerer_without_the_task_leaves_it_to_a_worker(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        connections.respond(COMPLETED)
        caplog.set_level(logging.INFO)
        start, triggerer = sensor(start_from_trigger=True).start_trigger_args, Triggerer()
        trigger = restored_trigger(start.trigger_cls, json.dumps(start.trigger_kwargs))
        assert type(triggerer.event_of(trigger)) is TriggerEvent
        assert f"A worker ends the task: {NEEDS_WORKER['unknown']}." in caplog.messages

    @pytest.mark.parametrize("bad", [campaign_status("paused"), campaign_status("exploded"), PROCESSING])
    def test_wait_that_ended_badly_ends_on_a_worker(self, connections: FakeServer, bad: Any) -> None:
        connections.respond(PROCESSING, bad)
        triggerer = Triggerer()
        event = triggerer.event_of(deferred_trigger(sensor(timeout=60)))
        assert type(event) is TriggerEvent
        assert triggerer.xcoms == {}

    @pytest.mark.skipif(Version("3") > AIRFLOW, reason="Airflow 2 pushes the XComs itself")
    def test_xcom_that_cannot_be_pushed_ends_on_a_worker(self, connections: FakeServer) -> None:
        connections.respond(PROCESSING, COMPLETED)
        event = Triggerer(error=RuntimeError("no")).event_of(deferred_trigger(sensor()))
        assert type(event) is TriggerEvent
        assert event.payload["outcome"] == "done"

    def test_every_reason_is_a_row_and_is_documented(self) -> None:
        assert {row.reason for row in ROWS} | {"unknown"} == NEEDS_WORKER.keys()
        assert "{needs-worker}" in PAGE.read_text()


@pytest.mark.usefixtures("listener")
def test_dag_with_a_listener_is_no_import_error(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(
        "from airflow.providers.common.compat.sdk import DAG\n"
        "from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor\n"
        "with DAG('ends', schedule=None):\n"
        "    CampaignCleanerCampaignSensor(task_id='wait', campaign_id='c', end_from_trigger=True)\n"
    )
    assert DagBag(dag_folder=str(tmp_path)).import_errors == {}
