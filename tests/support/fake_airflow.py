"""As much of Airflow as a task that waits or submits has to do with, on the time of :mod:`tests.support.simulation`.

It keeps what Airflow keeps (triggers as they are serialised, the timeout of a deferral, the date of a
reschedule) and does with it what Airflow does. What a task does is told to its :class:`tests.integration.test_model.Wait`
or :class:`~tests.integration.test_model.Submission`, which say whether that was promised.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_campaigns.operators.instantly import SendGateClosedError
from airflow_provider_campaigns.transport import rate_limit
from tests.support.airflow_versions import AIRFLOW, deserialize, first_of, import_string, serialize
from tests.support.fake_services import Services
from tests.support.guarantees import A_MOMENT, DONE, OPENED, SHUT, TIMED_OUT, WAITS
from tests.support.simulation import Loop, World
from tests.support.triggerer import TaskInstance

# What a task hears that outlived the timeout of its deferral.
TIMED_OUT_BY_AIRFLOW = "Trigger timeout" if AIRFLOW.major > 2 else "Trigger/execution timeout"
_safeguard = first_of("airflow.models.baseoperator.ExecutorSafeguard")


class Airflow:
    """Workers without number, a triggerer, and what the database keeps."""

    def __init__(self) -> None:
        self.services = Services(self)
        self.world = World(self.services)
        self.world.between = self._hand_over
        self.tasks: list[Any] = []
        self.stored: dict[Any, tuple[str, str]] = {}
        self.events: list[tuple[Any, str]] = []
        self.triggers: dict[Any, Any] = {}
        self.stores_events = True
        self.triggerer_is_down = False
        self.broken: Exception | None = None
        rate_limit._limiters.clear()  # as in processes that have just started

    @property
    def wall(self) -> float:
        return self.world.clock.wall

    def note(self, do: Callable[[], None]) -> None:
        """Do something, and keep what goes wrong for :meth:`pass_time`: who asked for it would survive it."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test ends with it
            self.broken = self.broken or error

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and see that every task is where it has to be then."""
        self.note(lambda: self.world.pass_time(seconds))
        for task in self.tasks if self.broken is None else ():
            self.note(task.check)
        if self.broken is not None:
            raise self.broken

    # Workers.

    def begin(self, task: Any) -> None:
        self.tasks.append(task)
        if hasattr(task, "attempt"):
            self.note(lambda: self._try(task))
        else:
            self.note(lambda: self._work(task, lambda: task.task().execute({"ti": TaskInstance()})))

    def _in_a_process(self, task: Any, do: Callable[[], None]) -> None:
        def process() -> None:
            if _safeguard is not None:  # Airflow 2 sets it up in the thread that imports it, and in no other
                _safeguard._sentinel.callers = {}
            do()

        self.world.work(process, owner=task)

    def _try(self, submission: Any) -> None:
        def do() -> None:
            try:
                submission.ends(submission.attempt())
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, Airflow tries again
                self._try_again(submission)

        self._in_a_process(submission, do)

    def _try_again(self, submission: Any) -> None:
        if submission.tries < 12:
            self.world.alarms.append((self.wall + 60, lambda: self._try(submission)))

    def kill_workers(self) -> None:
        """Kill all workers that submit, wherever they are."""
        for worker in [each for each in self.world.workers if hasattr(each.owner, "attempt")]:
            worker.kill()
            self._try_again(worker.owner)

    def _work(self, wait: Any, step: Callable[[], Any]) -> None:
        """Let a worker take a step of a task, and do what its outcome asks for."""

        def do() -> None:
            try:
                result = step()
            except TaskDeferred as deferred:
                self._defer(wait, deferred)
            except AirflowRescheduleException as rescheduled:
                first = datetime.fromtimestamp(wait.begun, timezone.utc)
                again = lambda: wait.task().execute({"ti": TaskInstance(first_reschedule=first)})  # noqa: E731
                # Airflow keeps microseconds, and takes longer than one to start a task.
                at = max(rescheduled.reschedule_date.timestamp(), self.wall + A_MOMENT)
                self.world.alarms.append((at, lambda: self._work(wait, again)))
            except AirflowSensorTimeout:
                wait.ends(TIMED_OUT)
            except SendGateClosedError:
                wait.ends(SHUT)
            except Exception as error:
                if not type(error).__module__.startswith("airflow_provider_campaigns"):
                    raise
                wait.ends(type(error).__name__)
            else:
                assert result["open"] is True if wait.is_gate else result == wait.campaign
                wait.ends(OPENED if wait.is_gate else DONE)

        self._in_a_process(wait, do)

    # The triggerer.

    def _defer(self, wait: Any, deferred: TaskDeferred) -> None:
        assert wait.arguments["deferrable"]
        assert wait.promise.must == WAITS, f"{wait} waits on, and had to be: {wait.promise.must}"
        classpath, arguments = deferred.trigger.serialize()
        self.stored[wait] = row = classpath, json.dumps(serialize(arguments))
        planned = wait.promise.earliest, wait.promise.latest
        wait.moves(in_triggerer=True)
        # A sensor has not looked yet. A gate has: its trigger waits for the next look.
        wait.promise.earliest, wait.promise.latest = planned
        assert deferred.timeout is not None
        timeout = self.wall + deferred.timeout.total_seconds()
        self.world.alarms.append((timeout, lambda: self._give_up(wait, row)))
        if not self.triggerer_is_down:
            self._start(wait)

    def _give_up(self, wait: Any, row: tuple[str, str]) -> None:
        """Fail a deferral that has outlived Airflow's own timeout."""
        if self.stored.get(wait) is not row:
            return
        del self.stored[wait]
        if wait in self.triggers:
            self.triggers.pop(wait).cancel()
        wait.fired = TIMED_OUT
        wait.promise.must, wait.in_triggerer = TIMED_OUT, False
        assert wait.left < A_MOMENT, f"{wait}: Airflow's own timeout ended it {wait.left} s early"
        told, context = {"error": TIMED_OUT_BY_AIRFLOW}, {"ti": TaskInstance()}
        self._work(wait, lambda: wait.task().resume_execution("__fail__", told, context))

    def _start(self, wait: Any) -> None:
        loop = self.world.loop = self.world.loop or Loop(self.world)
        classpath, stored = self.stored[wait]
        trigger = import_string(classpath)(**deserialize(json.loads(stored)))

        async def run() -> None:
            events = [json.dumps(event.payload, allow_nan=False) async for event in trigger.run()]
            assert len(events) == 1, f"{wait} fired {len(events)} events"
            wait.fires(json.loads(events[0]))
            self.events.append((wait, events[0]))
            loop.stop()

        self.triggers[wait] = loop.create_task(run())

    def _hand_over(self) -> bool:
        """Store the events that have fired, and let workers go on with their tasks."""
        for wait, task in list(self.triggers.items()):
            if task.done():
                del self.triggers[wait]
                task.result()
        if not self.events or not self.stores_events:
            return False
        wait, event = self.events.pop(0)
        if self.stored.pop(wait, None) is None:
            return True  # Airflow has given up on it meanwhile
        wait.goes_on()
        told, context = {"event": json.loads(event)}, {"ti": TaskInstance()}
        self._work(wait, lambda: wait.task().resume_execution("execute_complete", told, context))
        return True

    def kill_triggerer(self) -> None:
        """Take the triggerer away, with whatever is not stored."""
        self.triggerer_is_down, self.stores_events = True, True
        loop, self.world.loop = self.world.loop, None
        self.events.clear()
        self.triggers.clear()
        if loop is not None:
            loop.kill()
        rate_limit._limiters.clear()

    def start_triggerer(self) -> None:
        """Let another one take up what is stored."""
        self.triggerer_is_down = False
        for wait in self.stored:
            wait.moves(in_triggerer=True)
            self._start(wait)
