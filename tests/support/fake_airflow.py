"""A fake Airflow for one task: it runs the task with its deferrals, and returns the task's result.

Triggers go through Airflow's own serialisation, in both directions; a rescheduled task sleeps until its date.
:mod:`tests.support.simulated_airflow` uses the same parts for many tasks in simulated time;
:mod:`tests.support.airflow_runs` runs whole Dags with Airflow itself; it shows states and XComs only.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.triggers.base import BaseTrigger
from packaging.version import Version

from tests.support.airflow_versions import AIRFLOW, deserialize, import_string, serialize


@dataclass
class TaskInstance:
    """The part of a task instance that the operators use."""

    map_index: int = -1
    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "task"
    try_number: int = 1
    max_tries: int = 0
    first_reschedule: datetime | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule


@dataclass
class Store:
    """The part of a task state store that the operators use."""

    stored: dict[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        return self.stored.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.stored[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.stored.pop(key, None)


class Events(list[Any]):
    """The stored events of an asset: none, however they are selected."""

    def after(self, _: str) -> Events:
        return self

    def limit(self, _: int) -> Events:
        return self


@dataclass
class OfAnyAsset:
    """What a context has for an asset: the same for each."""

    value: Any

    def __getitem__(self, _: Any) -> Any:
        return self.value


@dataclass
class TaskRunner:
    """Runs one task.

    :param before_trigger: called before each trigger runs.
    :param store: the content of the state stores of the task and its assets; None for an Airflow without.
    :ivar partitions: the partition keys that the task adds to its assets.
    :ivar deferrals: class path and stored arguments of each trigger.
    :ivar timeouts: the timeout of each deferral, in seconds.
    :ivar events: the payload of each trigger's event.
    """

    ti: TaskInstance = field(default_factory=TaskInstance)
    deferrals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    reschedules: int = 0
    before_trigger: Callable[[], None] = lambda: None
    store: dict[str, Any] | None = None

    def run(self, task: Any) -> Any:
        """Run a task to its end."""
        context: dict[str, Any] = {"ti": self.ti, "task": task}
        if self.store is not None:
            context["task_state_store"] = Store(self.store)
            context["asset_state_store"] = OfAnyAsset(Store(self.store))
            context["inlet_events"] = OfAnyAsset(Events())
            context["outlet_events"] = OfAnyAsset(SimpleNamespace(add_partitions=self.partitions.extend))
        step = lambda: task.execute(context)  # noqa: E731
        started, parsed = datetime.now().astimezone(), copy(task)
        while True:
            try:
                with self._first_reschedule_date():
                    return step()
            except AirflowRescheduleException as rescheduled:
                self.reschedules += 1
                self.ti.first_reschedule = started
                step = lambda: copy(parsed).execute(context)  # noqa: E731 - in another process
                time.sleep(max(0.0, rescheduled.reschedule_date.timestamp() - time.time()))
            except TaskDeferred as deferred:
                event = self._run_trigger(deferred)
                method, kwargs = deferred.method_name, {**(deferred.kwargs or {}), "event": event}
                step = lambda: task.resume_execution(method, kwargs, context)  # noqa: B023, E731

    @contextmanager
    def _first_reschedule_date(self) -> Iterator[None]:
        """Return the date for Airflow 2 as well, which reads it from its database."""
        with pytest.MonkeyPatch.context() as patch:
            if Version("3") > AIRFLOW:
                patch.setattr(
                    "airflow.sensors.base._orig_start_date", lambda *_, **__: self.ti.first_reschedule
                )
                patch.delattr(TaskInstance, "get_first_reschedule_date")
            yield

    def _run_trigger(self, deferred: TaskDeferred) -> dict[str, Any]:
        classpath, stored = stored_trigger(deferred.trigger)
        self.deferrals.append((classpath, json.loads(stored)))
        self.timeouts.append(deferred.timeout.total_seconds())
        self.before_trigger()
        trigger = restored_trigger(classpath, stored)
        assert trigger.serialize() == deferred.trigger.serialize()
        event = asyncio.run(event_of(trigger))
        self.events.append(event)
        return event


def stored_trigger(trigger: BaseTrigger) -> tuple[str, str]:
    """Return a trigger as Airflow's database stores it: its class path, and its arguments as JSON."""
    classpath, arguments = trigger.serialize()
    return classpath, json.dumps(serialize(arguments))


def restored_trigger(classpath: str, arguments: str) -> Any:
    """Return a stored trigger as the triggerer creates it."""
    return import_string(classpath)(**deserialize(json.loads(arguments)))


async def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    """Run a trigger, and return the payload of its event as Airflow stores it."""
    async with aclosing(trigger.run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))
