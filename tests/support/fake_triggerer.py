"""The triggerer as one trigger sees it: the task instance of the trigger, and the XComs that it pushes."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from packaging.version import Version

from tests.support.airflow_versions import AIRFLOW, first_of

# Airflow 2 has none of these.
ConnectionResult, GetConnection, SetXCom = (
    first_of(f"airflow.sdk.execution_time.comms.{name}")
    for name in ("ConnectionResult", "GetConnection", "SetXCom")
)
TASK_INSTANCE = {"dag_id": "dag", "run_id": "run", "task_id": "wait", "map_index": -1}


@dataclass
class Triggerer:
    """Runs a trigger with its task instance.

    :param task: the task as in the serialized Dag, for a task that started in the triggerer.
    :param error: what Airflow raises when the trigger pushes an XCom.
    :ivar xcoms: what was pushed.
    """

    try_number: int = 1
    task: Any = None
    error: Exception | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)

    def event_of(self, trigger: Any) -> TriggerEvent:
        """Run a trigger, and return its event."""
        ti = SimpleNamespace(**TASK_INSTANCE, try_number=self.try_number)
        if self.task is not None:
            ti.task = self.task
        trigger.task_instance = ti
        with pytest.MonkeyPatch.context() as patch:
            if Version("3") <= AIRFLOW:
                patch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", self, raising=False)
            event = asyncio.run(_first_event(trigger))
        if isinstance(event, TaskSuccessEvent) and event.xcoms:  # Airflow 2
            self.xcoms |= event.xcoms
        return event

    def send(self, message: Any) -> Any:
        """Receive what a trigger sends to its supervisor."""
        if isinstance(message, SetXCom):
            if self.error is not None:
                raise self.error
            assert {name: getattr(message, name) for name in TASK_INSTANCE} == TASK_INSTANCE
            self.xcoms[message.key] = message.value
        if isinstance(message, GetConnection):  # Airflow 3.0
            connection = json.loads(os.environ[f"AIRFLOW_CONN_{message.conn_id.upper()}"])
            names = ("conn_type", "host", "password")
            return ConnectionResult(conn_id=message.conn_id, **{name: connection[name] for name in names})
        return None


async def _first_event(trigger: Any) -> TriggerEvent:
    async with aclosing(trigger.run()) as events:
        return await anext(events)
