"""A simulated Airflow: workers, a triggerer and the database, in the time of :mod:`tests.support.simulation`.

It stores what Airflow stores: serialised triggers, the timeout of a deferral, the date of a reschedule. It
reports each step of a task to the task's checks, which are in :mod:`tests.support.checked_tasks`.
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
from tests.support.airflow_versions import DEFERRAL_TIMEOUT_MESSAGE, first_of
from tests.support.fake_airflow import TaskInstance, restored_trigger, stored_trigger
from tests.support.fake_services import Services
from tests.support.reference_model import CLOSED, DONE, OPENED, TIMED_OUT, TOLERANCE, WAITING
from tests.support.simulation import Loop, Simulation

# How often a task that submits is tried.
MAX_TRIES = 12
RETRY_DELAY = 60.0
_safeguard = first_of("airflow.models.baseoperator.ExecutorSafeguard")


class SimulatedAirflow:
    """Any number of workers, one triggerer, and the database.

    :ivar stored: class path and arguments of each stored trigger.
    :ivar events: events that have fired and are not stored yet.
    :ivar stores_events: whether the triggerer reaches the database.
    :ivar error: the first error of a check.
    """

    def __init__(self) -> None:
        self.services = Services(self)
        self.simulation = Simulation(self.services)
        self.simulation.before_advance = self._store_event
        self.tasks: list[Any] = []
        self.stored: dict[Any, tuple[str, str]] = {}
        self.events: list[tuple[Any, str]] = []
        self.triggers: dict[Any, Any] = {}
        self.stores_events = True
        self.triggerer_is_down = False
        self.error: Exception | None = None
        rate_limit._limiters.clear()  # as in new processes

    @property
    def now(self) -> float:
        """The time on the wall clock."""
        return self.simulation.clock.wall

    def record_error(self, check: Callable[[], None]) -> None:
        """Run a check, and keep its error for :meth:`advance`: the code under test would handle it."""
        try:
            check()
        except Exception as error:  # noqa: BLE001 - any error fails the test
            self.error = self.error or error

    def advance(self, seconds: float) -> None:
        """Let time pass, and check every task afterwards."""
        self.record_error(lambda: self.simulation.advance(seconds))
        for task in self.tasks if self.error is None else ():
            self.record_error(task.check)
        if self.error is not None:
            raise self.error

    # Workers.

    def start(self, task: Any) -> None:
        """Start a task."""
        self.tasks.append(task)
        if task.is_submission:
            self.record_error(lambda: self._try_to_submit(task))
        else:
            self.record_error(
                lambda: self._run_step(task, lambda: task.operator().execute({"ti": TaskInstance()}))
            )

    def _run_in_worker(self, task: Any, do: Callable[[], None]) -> None:
        def process() -> None:
            if _safeguard is not None:  # Airflow 2 sets it up in the thread that imports it only
                _safeguard._sentinel.callers = {}
            do()

        self.simulation.start_worker(process, owner=task)

    def _try_to_submit(self, task: Any) -> None:
        def do() -> None:
            try:
                task.on_end(task.run_try())
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - Airflow retries after any error
                self._schedule_retry(task)

        self._run_in_worker(task, do)

    def _schedule_retry(self, task: Any) -> None:
        if task.tries < MAX_TRIES:
            self.simulation.timers.append((self.now + RETRY_DELAY, lambda: self._try_to_submit(task)))

    def kill_submitting_workers(self) -> None:
        """Kill all workers that submit, wherever they are."""
        for worker in [each for each in self.simulation.workers if each.owner.is_submission]:
            worker.kill()
            self._schedule_retry(worker.owner)

    def _run_step(self, task: Any, step: Callable[[], Any]) -> None:
        """Run a step of a wait in a worker, and do what it asks for: defer, reschedule or end."""

        def do() -> None:
            try:
                result = step()
            except TaskDeferred as deferred:
                self._defer(task, deferred)
            except AirflowRescheduleException as rescheduled:
                first = datetime.fromtimestamp(task.started_at, timezone.utc)
                again = lambda: task.operator().execute({"ti": TaskInstance(first_reschedule=first)})  # noqa: E731
                # Airflow keeps microseconds, and takes longer than one to start a task.
                at = max(rescheduled.reschedule_date.timestamp(), self.now + TOLERANCE)
                self.simulation.timers.append((at, lambda: self._run_step(task, again)))
            except AirflowSensorTimeout:
                task.on_end(TIMED_OUT)
            except SendGateClosedError:
                task.on_end(CLOSED)
            except Exception as error:
                if not type(error).__module__.startswith("airflow_provider_campaigns"):
                    raise
                task.on_end(type(error).__name__)
            else:
                assert result["open"] is True if task.is_gate else result == task.campaign_id
                task.on_end(OPENED if task.is_gate else DONE)

        self._run_in_worker(task, do)

    # The triggerer.

    def _defer(self, task: Any, deferred: TaskDeferred) -> None:
        assert task.arguments["deferrable"]
        assert task.model.expected == WAITING, f"{task} defers, but must be: {task.model.expected}"
        self.stored[task] = row = stored_trigger(deferred.trigger)
        task.on_deferral()
        assert deferred.timeout is not None
        timeout = self.now + deferred.timeout.total_seconds()
        self.simulation.timers.append((timeout, lambda: self._time_out_deferral(task, row)))
        if not self.triggerer_is_down:
            self._start_trigger(task)

    def _time_out_deferral(self, task: Any, row: tuple[str, str]) -> None:
        """End a deferral by Airflow's own timeout."""
        if self.stored.get(task) is not row:
            return
        del self.stored[task]
        if task in self.triggers:
            self.triggers.pop(task).cancel()
        task.on_deferral_timeout()
        error, context = {"error": DEFERRAL_TIMEOUT_MESSAGE}, {"ti": TaskInstance()}
        self._run_step(task, lambda: task.operator().resume_execution("__fail__", error, context))

    def _start_trigger(self, task: Any) -> None:
        loop = self.simulation.loop = self.simulation.loop or Loop(self.simulation)
        trigger = restored_trigger(*self.stored[task])

        async def run() -> None:
            events = [json.dumps(event.payload, allow_nan=False) async for event in trigger.run()]
            assert len(events) == 1, f"{task} fired {len(events)} events"
            task.on_event(json.loads(events[0]))
            self.events.append((task, events[0]))
            loop.stop()

        self.triggers[task] = loop.create_task(run())

    def _store_event(self) -> bool:
        """Store an event that has fired, and resume its task on a worker; return whether there was one."""
        for task, running in list(self.triggers.items()):
            if running.done():
                del self.triggers[task]
                running.result()
        if not self.events or not self.stores_events:
            return False
        task, event = self.events.pop(0)
        if self.stored.pop(task, None) is None:
            return True  # Airflow's own timeout came first
        task.on_resume()
        event_argument, context = {"event": json.loads(event)}, {"ti": TaskInstance()}
        self._run_step(
            task, lambda: task.operator().resume_execution("execute_complete", event_argument, context)
        )
        return True

    def kill_triggerer(self) -> None:
        """Kill the triggerer; what is not stored is lost."""
        self.triggerer_is_down, self.stores_events = True, True
        loop, self.simulation.loop = self.simulation.loop, None
        self.events.clear()
        self.triggers.clear()
        if loop is not None:
            loop.kill()
        rate_limit._limiters.clear()

    def start_triggerer(self) -> None:
        """Start a triggerer, which runs all stored triggers."""
        self.triggerer_is_down = False
        for task in self.stored:
            task.on_new_triggerer()
            self._start_trigger(task)
