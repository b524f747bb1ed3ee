"""Takes one task through its life as Airflow does, and hands back what it returned or raised.

Deferral goes through Airflow's own serialisation, both ways; rescheduling sleeps until the date. The tests
in ``test_real_airflow.py`` do the same with Airflow itself, where only states and XComs can be seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import TaskDeferred
from packaging.version import Version

from tests.support.airflow_versions import AIRFLOW, deserialize, import_string, serialize


@dataclass
class TaskInstance:
    """What the operators ask of a task instance."""

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
    """What the operators ask of a task's state store."""

    kept: dict[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        return self.kept.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


@dataclass
class Driven:
    """One task's life: what it pushed, how often it deferred or was rescheduled, what was stored of it."""

    ti: TaskInstance = field(default_factory=TaskInstance)
    deferrals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    reschedules: int = 0
    before_trigger: Callable[[], None] = lambda: None
    store: dict[str, Any] | None = None

    def run(self, task: Any) -> Any:
        """Run the task to its end."""
        context = {"ti": self.ti, "task": task}
        if self.store is not None:
            context["task_state_store"] = Store(self.store)
        step = lambda: task.execute(context)  # noqa: E731
        started = None
        while True:
            started = started or datetime.now().astimezone()
            try:
                with self._known_to_airflow():
                    return step()
            except AirflowRescheduleException as rescheduled:
                self.reschedules += 1
                self.ti.first_reschedule = started
                time.sleep(max(0.0, rescheduled.reschedule_date.timestamp() - time.time()))
            except TaskDeferred as deferred:
                event = self._wait(deferred)
                method = deferred.method_name
                step = lambda: task.resume_execution(method, {"event": event}, context)  # noqa: B023, E731

    @contextmanager
    def _known_to_airflow(self) -> Iterator[None]:
        """Answer for Airflow's database, which Airflow 2 asks when a rescheduled wait began."""
        with pytest.MonkeyPatch.context() as patch:
            if Version("3") > AIRFLOW:
                patch.setattr(
                    "airflow.sensors.base._orig_start_date", lambda *_, **__: self.ti.first_reschedule
                )
                patch.delattr(TaskInstance, "get_first_reschedule_date")
            yield

    def _wait(self, deferred: TaskDeferred) -> dict[str, Any]:
        classpath, kwargs = deferred.trigger.serialize()
        stored = json.loads(json.dumps(serialize(kwargs)))
        self.deferrals.append((classpath, stored))
        self.timeouts.append(deferred.timeout.total_seconds())
        self.before_trigger()
        trigger = import_string(classpath)(**deserialize(stored))
        assert trigger.serialize() == (classpath, kwargs)

        async def first_event() -> Any:
            return await anext(aiter(trigger.run()))

        event = json.loads(json.dumps(asyncio.run(first_event()).payload))
        self.events.append(event)
        return event
