"""Sensors, send gates and submissions against the reference model, in any order of events.

The operators, the triggers with their stored form, the rules, both transports, requests and aiohttp are real.
Time and network are simulated (:mod:`tests.support.simulation`), the services are fake
(:mod:`tests.support.fake_services`), and so is Airflow (:mod:`tests.support.simulated_airflow`). The model is
:mod:`tests.support.reference_model`, with :mod:`tests.support.gate_model` for what opens a gate.

``EXPLORE=2000 pytest tests/integration/test_model.py`` tries more examples than every run repeats.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.conftest import set_connection
from tests.integration.fuzzing import examples
from tests.integration.model_inputs import (
    CAMPAIGN_NUMBERS,
    DEPENDENT_SENDINGS,
    SECONDS,
    SENDINGS,
    SOME_FAULTS,
    STATUSES,
    TASK_NUMBERS,
    gate_arguments,
    waits,
)
from tests.support.checked_gate import GateTask
from tests.support.checked_tasks import MAX_TASKS, SensorTask, SubmittingTask, WaitingTask
from tests.support.fake_services import LIMIT, OWN, SHARED, Account, Sending
from tests.support.reference_model import REQUEST_TIMEOUT
from tests.support.service_faults import FAULTS, IDS, Fault, refused
from tests.support.simulated_airflow import SimulatedAirflow


class Events(RuleBasedStateMachine):
    """Waits start, services respond, fail and are slow, triggerers are killed, and time passes."""

    alone = True

    def __init__(self) -> None:
        super().__init__()
        self.airflow = SimulatedAirflow()
        self.patches = ExitStack()
        self.patches.enter_context(self.airflow.simulation.clock.installed())
        for port in SHARED:
            self.airflow.services.open_account(port)

    def _task(self, number: int) -> tuple[WaitingTask, Account]:
        """Return a task that still waits, if there is one, and its account."""
        tasks = [task for task in self.airflow.tasks if task.outcome is None] or self.airflow.tasks
        task = tasks[number % len(tasks)]
        return task, self.airflow.services.accounts[task.port]

    @initialize(data=st.data(), count=st.integers(1, 4))
    def start_waits(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            self.start_wait(data, data.draw(CAMPAIGN_NUMBERS), data.draw(st.just([]) | SOME_FAULTS))

    @precondition(lambda self: len(self.airflow.tasks) < MAX_TASKS)
    @rule(data=st.data(), campaign=CAMPAIGN_NUMBERS, faults=st.just([]) | SOME_FAULTS)
    def start_wait(self, data: st.DataObject, campaign: int, faults: list[Fault]) -> None:
        is_gate, status, arguments = data.draw(waits(alone=self.alone))
        port = OWN + 2 * len(self.airflow.tasks) + is_gate if self.alone else SHARED[is_gate]
        account = self.airflow.services.open_account(port)
        account.statuses[IDS[campaign]] = status
        account.faults.extend(faults)
        task = GateTask if is_gate else SensorTask
        self.airflow.start(task(self.airflow, port, IDS[campaign], **arguments))
        self.airflow.advance(0)

    @precondition(lambda self: not self.alone and len(self.airflow.tasks) < MAX_TASKS)
    @rule(number=TASK_NUMBERS, campaign=CAMPAIGN_NUMBERS, while_in_flight=st.booleans())
    def start_same_wait(self, number: int, campaign: int, while_in_flight: bool) -> None:
        """Start a wait that shares requests, even while a response that would end it is in flight."""
        first, account = self._task(number)
        if while_in_flight:
            self.recover(number, 0.0)
            account.delay = 3.0
            exchanges = [each for each in self.airflow.services.exchanges if each.port == first.port]
            next_poll_at = exchanges[-1].started_at + first.model.interval
            self.airflow.advance(max(next_poll_at - self.airflow.simulation.clock.now, 0.0) + 1)
            account.statuses[first.campaign_id] = Sending() if first.is_gate else "processing"
        arguments = {**first.arguments, "timeout": first.timeout}
        self.airflow.start(type(first)(self.airflow, first.port, IDS[campaign], **arguments))
        self.airflow.advance(0)

    @rule(
        number=TASK_NUMBERS,
        status=STATUSES,
        sending=SENDINGS,
        missing_from_list=st.booleans(),
        seconds=SECONDS,
    )
    def change_status(
        self, number: int, status: str, sending: Sending, missing_from_list: bool, seconds: float
    ) -> None:
        task, account = self._task(number)
        account.statuses[task.campaign_id] = sending if task.is_gate else status
        account.missing_from_list = {task.campaign_id} if missing_from_list else set()
        self.airflow.advance(seconds)

    @rule(number=TASK_NUMBERS, seconds=SECONDS)
    def recover(self, number: int, seconds: float) -> None:
        """Let a service recover, and report the status that a task waits for."""
        task, account = self._task(number)
        wanted = "campaign_paused" if task.arguments.get("intent") == "edit" else "healthy"
        account.statuses[task.campaign_id] = Sending(wanted) if task.is_gate else "completed"
        account.faults.clear()
        account.delay = 0.0
        self.airflow.advance(seconds)

    @rule(number=TASK_NUMBERS, faults=SOME_FAULTS, times=st.integers(1, 3), seconds=SECONDS)
    def fail(self, number: int, faults: list[Fault], times: int, seconds: float) -> None:
        self._task(number)[1].faults.extend(faults * times)
        self.airflow.advance(seconds)

    @rule(number=TASK_NUMBERS, delay=st.sampled_from([0.0, 0.0, 0.7, 3.0, 5.0]), seconds=SECONDS)
    def respond_slowly(self, number: int, delay: float, seconds: float) -> None:
        self._task(number)[1].delay = delay
        self.airflow.advance(seconds)

    @rule(seconds=st.sampled_from([9.0, 30.0, 65.0, 0.05, 0.9, 3.0, 130.0, 500.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.airflow.advance(seconds)

    @precondition(lambda self: self.airflow.stored)
    @rule(
        without_database=st.sampled_from([0.0, 0.0, 0.5, 12.0, 70.0]),
        outage=st.sampled_from([0.0, 1.0, 20.0, 100.0, 1000.0]),
    )
    def replace_triggerer(self, without_database: float, outage: float) -> None:
        """Kill the triggerer, which could not store its last events, and start another one."""
        self.airflow.stores_events = False
        self.airflow.advance(without_database)
        self.airflow.kill_triggerer()
        self.airflow.advance(outage)
        self.airflow.start_triggerer()
        self.airflow.advance(0)

    def teardown(self) -> None:
        try:
            while self.airflow.error is None and any(task.outcome is None for task in self.airflow.tasks):
                self.airflow.advance(100)
        finally:
            self.airflow.simulation.stop()
            self.patches.close()


class EventsOnSharedAccounts(Events):
    """The same, with all waits for a service on one account."""

    alone = False


@pytest.fixture
def no_logs() -> Iterator[None]:
    """Disable the logs of thousands of tasks."""
    structlog = sys.modules.get("structlog")  # Airflow 2 does not have it
    configured = structlog.get_config() if structlog else {}
    logging.disable(logging.CRITICAL)
    if structlog:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    logging.disable(logging.NOTSET)
    if structlog:
        structlog.configure(**configured)


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    for port in (*SHARED, *range(OWN, OWN + 2 * MAX_TASKS)):
        conn_type = ("campaign_cleaner", "instantly")[port % 2]
        limit = LIMIT if port in SHARED else 1000
        extra = {"timeout": REQUEST_TIMEOUT, "max_requests_per_second": limit}
        url = f"http://127.0.0.1:{port}"
        set_connection(monkeypatch, conn_type, conn_id=f"model_{port}", host=url, extra=extra)


@pytest.mark.usefixtures("no_logs", "accounts")
@pytest.mark.parametrize("events", [Events, EventsOnSharedAccounts])
def test_every_wait_follows_the_model(events: type[Events]) -> None:
    run_state_machine_as_test(events, settings=examples(120, stateful_step_count=20))


@pytest.mark.usefixtures("no_logs", "accounts")
@examples(150)
@given(
    faults=st.lists(st.none() | st.sampled_from(FAULTS), max_size=5),
    delay=st.sampled_from([0.0, 3.0]),
    killed_after=st.lists(st.sampled_from([0.0, 1.0, 4.0, 14.0, 62.0, 64.0, 75.0]), max_size=3),
    has_store=st.booleans(),
)
def test_campaign_is_submitted_once(
    faults: list[Fault | None], delay: float, killed_after: list[float], has_store: bool
) -> None:
    airflow = SimulatedAirflow()
    account = airflow.services.open_account(OWN)
    account.faults.extend(faults)
    account.delay = delay
    task = SubmittingTask(airflow, OWN, has_store=has_store)
    with airflow.simulation.clock.installed():
        airflow.start(task)
        for seconds in killed_after:
            airflow.advance(seconds)
            airflow.kill_submitting_workers()
        airflow.advance(3600)
        airflow.simulation.stop()
    # After so many tries, with a service that has recovered, it has succeeded.
    assert task.outcome in account.submitted


@pytest.mark.usefixtures("no_logs", "accounts")
@examples(800)
@given(
    arguments=gate_arguments(900),
    deferrable=st.booleans(),
    sendings=st.lists(DEPENDENT_SENDINGS, min_size=1, max_size=4),
    faults=st.sampled_from([[], [], [], [refused(400)]]),
    delay=st.sampled_from([0.0, 0.0, 3.0]),
)
def test_gate_depends_on_the_campaign_like_the_model(
    arguments: dict[str, Any],
    deferrable: bool,
    sendings: list[Sending],
    faults: list[Fault],
    delay: float,
) -> None:
    airflow = SimulatedAirflow()
    account = airflow.services.open_account(OWN + 1)
    account.faults.extend(faults)
    account.delay = delay
    polling = {"poke_interval": 60, "max_failures": 2, "deferrable": deferrable}
    task = GateTask(airflow, OWN + 1, IDS[0], **polling, **arguments)
    with airflow.simulation.clock.installed():
        try:
            for sending in sendings:
                account.statuses[IDS[0]] = sending
                if task not in airflow.tasks:
                    airflow.start(task)
                airflow.advance(90)
            while task.outcome is None:
                airflow.advance(100)
        finally:
            airflow.simulation.stop()
