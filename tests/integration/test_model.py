"""Sensor, send gate and submission against what is promised of them, in whatever order things happen.

Real are the operators, the triggers with what Airflow stores of them, the decisions, both transports,
requests and aiohttp. Played are time and the network (:mod:`tests.support.simulation`), the services
(:mod:`tests.support.fake_services`) and Airflow (:mod:`tests.support.fake_airflow`). What has to be true stands in
:mod:`tests.support.guarantees`.

A wait that has an account to itself is followed look by look. Waits that share one hear of each
other's looks: of those in the triggerer it is asked when and with what evidence they end, and how often they
ask.

``EXPLORE=2000 pytest tests/integration/test_model.py`` looks beyond the examples that every run repeats.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.conftest import set_connection
from tests.support.airflow_versions import AIRFLOW
from tests.support.fake_airflow import Airflow
from tests.support.fake_services import BUDGET, FAULTS, NAMES, OWN, SHARED, Account, Fault, Heard, Sending
from tests.support.guarantees import (
    A_MOMENT,
    BY_ANSWER,
    CODES,
    DEFERRAL_GRACE,
    LATE,
    OPENED,
    REQUEST_TIMEOUT,
    TIMED_OUT,
    WAITS,
    OneLook,
    Promise,
    what_a_code_means,
    what_a_state_means,
)
from tests.support.simulation import Exchange, Loop, Worker
from tests.support.triggerer import Store, TaskInstance

EXPLORE = int(os.environ.get("EXPLORE", "0"))
MOST_TASKS = 7


class Wait:
    """A task that waits, a sensor or a gate, and what is promised of it.

    :param alone: it has its account to itself.
    :param since: when it came to where it is, by the steady clock.
    :param fired: how its trigger says that it ended, until a worker goes on.
    :param read: the last answer that it could read.
    """

    def __init__(self, airflow: Airflow, port: int, campaign: str, span: float, **arguments: Any) -> None:
        self.airflow, self.port, self.campaign, self.arguments = airflow, port, campaign, arguments
        self.is_gate, self.alone, self.span = bool(port % 2), port not in SHARED, span
        self.begun = airflow.wall
        self.fired: str | None = None
        self.outcome: str | None = None
        self.read: Exchange | None = None
        kind = Promise if span else OneLook
        self.promise = kind(arguments["poke_interval"], self.begun + span, arguments["max_failures"])
        self.moves(in_triggerer=False)

    def __repr__(self) -> str:
        return f"{'gate' if self.is_gate else 'sensor'} on {self.port} for {self.span} s, {self.arguments}"

    def task(self) -> Any:
        """Return the operator, as a process that has just started makes it."""
        common = {"task_id": "wait", "campaign_id": self.campaign, **self.arguments}
        conn_id = f"model_{self.port}"
        if self.is_gate:
            return InstantlySendGateOperator(instantly_conn_id=conn_id, wait_timeout=self.span, **common)
        return CampaignCleanerCampaignSensor(campaign_cleaner_conn_id=conn_id, timeout=self.span, **common)

    def meaning(self, heard: Heard) -> str:
        """Say what an answer does to the wait."""
        said = heard.said[self.campaign]
        if not self.is_gate:
            return what_a_state_means(said, paused=self.arguments["paused"])
        age = None if heard.updated is None else self.airflow.wall - heard.updated
        oldest, policy = self.arguments["max_status_age"], self.arguments["policy"]
        return what_a_code_means(said.code, age, policy=policy, oldest=oldest)

    def better_moment(self, heard: Heard) -> float:
        """Return when another look is worth while, as far as the answer tells."""
        said, now = heard.said[self.campaign], self.airflow.wall
        if not self.is_gate or said.code != "follow_up_delay_not_met" or not said.due:
            return now
        return min(now if heard.updated is None else heard.updated, now) + float(said.due)

    def moves(self, *, in_triggerer: bool) -> None:
        """Begin, or go on in another process."""
        self.fired, self.in_triggerer, self.since = None, in_triggerer, self.airflow.world.clock.now
        self.promise.goes_on(self.airflow.wall, in_triggerer=in_triggerer)

    def asks(self) -> None:
        assert self.outcome is None, f"{self} looks after its end"
        self.promise.asks(self.airflow.wall)

    def hears(self, exchange: Exchange) -> None:
        heard, fault, now = exchange.told, exchange.told.fault, self.airflow.wall
        if isinstance(exchange.side, Loop) != self.in_triggerer or self.promise.must != WAITS:
            return  # it has moved on meanwhile
        if fault is None:
            self.promise.is_answered(self.meaning(heard), now, better_moment=self.better_moment(heard))
            self.read = exchange
        elif fault.unreadable_verdict and self.is_gate:
            self.promise.is_answered(WAITS, now)
        else:
            self.promise.fails(fault.error, now, final=fault.final, rest=max(heard.rest_until - now, 0.0))

    def fires(self, event: dict[str, Any]) -> None:
        """Hold the event of a trigger against what the wait has heard."""
        ended = {"done": BY_ANSWER, "timed_out": {TIMED_OUT}}.get(event["outcome"])
        ended = ended or {event["error"]["class"]}
        assert abs(event["deadline"] - self.promise.deadline) < A_MOMENT, f"{self}: another deadline"
        if not self.alone and TIMED_OUT not in ended:
            self.promise.must = self._evidence(ended, event)
        must, now = self.promise.must, self.airflow.wall
        self.fired = TIMED_OUT if TIMED_OUT in ended else must
        assert self.fired in ended, f"{self}: {event}, and had to be: {must}"
        assert self.promise.may_end(self.fired, now), f"{self}: {event}, {self.left} s early, must be: {must}"

    def _evidence(self, ended: set[str], event: dict[str, Any]) -> str:
        """Find what a wait that shares its account says that it has heard since it is in this triggerer."""
        asked = [each for each in self.airflow.services.exchanges if each.port == self.port]
        here = [each for each in asked if isinstance(each.side, Loop) and each.at >= self.since]
        heard = [each.told for each in here if each.ended_at is not None]
        if ended is BY_ANSWER:
            said = event["status"]["code"] if self.is_gate else event["status"]
            told = [each for each in heard if self.campaign in each.said and said == each.word(self.campaign)]
            return next((meaning for each in told if (meaning := self.meaning(each)) != WAITS), WAITS)
        reasons = [each.fault for each in heard if each.fault is not None]
        one_is_enough = any(each.final and each.error in ended for each in reasons)
        enough = one_is_enough or len(reasons) >= self.arguments["max_failures"]
        return next((each.error for each in reasons if enough and each.error in ended), WAITS)

    def goes_on(self) -> None:
        """Go on, on a worker, once the trigger has fired."""
        if self.is_gate and self.fired in {TIMED_OUT, *BY_ANSWER}:
            self.moves(in_triggerer=False)  # the event opens nothing: the gate looks again
        else:
            self.promise.must, self.in_triggerer = str(self.fired), False

    def ends(self, outcome: str) -> None:
        """Hold the end of the task against what it has heard."""
        assert self.outcome is None, f"{self} ended twice: {self.outcome}, {outcome}"
        may_end = self.promise.may_end(outcome, self.airflow.wall)
        assert may_end, f"{self} ended: {outcome}, and had to be: {self.promise.must}; {self.left} s left"
        self.outcome = outcome
        if outcome == OPENED:  # in so many words: it has looked itself, since its task began
            assert self.read is not None
            assert isinstance(self.read.side, Worker)
            assert self.airflow.world.clock.wall_at(self.read.at) >= self.begun
            assert self.meaning(self.read.told) == OPENED

    def check(self) -> None:
        """Now that nobody has anything to do: is the wait where it has to be?"""
        if self.outcome is not None:
            return
        if self.in_triggerer and (self.fired or self.airflow.triggerer_is_down):
            assert self.left > -DEFERRAL_GRACE - A_MOMENT, f"{self}: Airflow's own timeout did not end it"
        elif self.in_triggerer and not self.alone:
            assert self.airflow.wall <= self.promise.its_timer + A_MOMENT, f"{self}: its timer did not end it"
        else:
            wrong = self.promise.broken(self.airflow.wall, late=LATE if self.alone else MOST_TASKS / BUDGET)
            assert wrong is None, f"{self} {wrong}"

    @property
    def left(self) -> float:
        return self.promise.deadline - self.airflow.wall


class Submission:
    """A task that submits a campaign, tried again by Airflow whatever became of the last try."""

    alone = True

    def __init__(self, airflow: Airflow, port: int, *, remembers: bool) -> None:
        self.airflow, self.port = airflow, port
        self.kept: dict[str, Any] | None = {} if remembers else None
        self.tries = 0
        self.outcome: str | None = None

    def asks(self) -> None:
        assert self.outcome is None

    def hears(self, exchange: Exchange) -> None:
        taken = self.airflow.services.accounts[self.port].taken
        assert len(taken) <= 1, f"submitted twice: {taken}"

    def attempt(self) -> str:
        self.tries += 1
        context: dict[str, Any] = {"ti": TaskInstance(task_id="submit", try_number=self.tries, max_tries=5)}
        if self.kept is not None:
            context["task_state_store"] = Store(self.kept)
        task = CampaignCleanerSubmitCampaignOperator(
            task_id="submit",
            campaign_html="<p>",
            campaign_name="launch",
            campaign_cleaner_conn_id=f"model_{self.port}",
        )
        return task.execute(context)  # type: ignore[arg-type]

    def ends(self, outcome: str) -> None:
        assert self.outcome is None
        assert outcome in self.airflow.services.accounts[self.port].taken, "an id that nobody gave"
        self.outcome = outcome

    def check(self) -> None:
        pass


# What happens.

SPANS = [(900, 60), (200, 10), (3600, 400), (60, 10), (10, 1), (2, 0)]
NO_CODES = [None, "", "HEALTHY", "healthy ", "healthy_or_not", "splendid", 1, ["healthy"]]
POLICIES = [
    None,
    {"waiting_for_leads": "open", "follow_up_delay_not_met": "open", "campaign_paused": "wait"},
    {"campaign_draft": "open", "healthy": "wait", "out_of_schedule": "closed", "daily_limit_met": "finished"},
]
# How a sensor may wait; Airflow 2 keeps the dates of its reschedules in the database.
MODES = ["deferrable", "deferrable", "deferrable", "poke", *["reschedule"] * (AIRFLOW.major > 2)]
WHICH = st.integers(0, MOST_TASKS - 1)
THEN = st.sampled_from([11.0, 0.0, 0.05, 0.9, 5.0, 35.0, 130.0])
PATIENCE = st.sampled_from([5, 1, 2])
STATES = st.sampled_from(["processing", "completed", "paused", "exploded"])
SENDINGS = st.builds(
    Sending,
    code=st.one_of(
        st.just("healthy"),
        st.just("follow_up_delay_not_met"),
        st.sampled_from(NO_CODES),
        st.sampled_from(CODES),
    ),
    age=st.sampled_from([0.0, 59.0, 61.0, 3590.0, 3700.0, -290.0, -400.0, None]),
    place=st.sampled_from(["diagnostics", "summary"]),
    due=st.sampled_from([None, 5.0, 100.0, 5000.0, -1.0]),
)


@st.composite
def waits(draw: st.DrawFn, *, alone: bool) -> tuple[bool, Any, dict[str, Any]]:
    """Make a gate or a sensor: which of both, what is said of it at first, and its arguments."""
    is_gate, said_at_once = draw(st.booleans()), draw(st.booleans())
    span, interval = draw(st.sampled_from(SPANS))
    common = {"span": span, "poke_interval": interval, "max_failures": draw(st.sampled_from([5, 1, 2]))}
    mode = draw(st.sampled_from(MODES)) if alone else "deferrable"  # on workers, nobody shares anything
    common["deferrable"] = mode == "deferrable"
    if is_gate:
        common |= {"policy": draw(st.sampled_from(POLICIES)), "span": draw(st.sampled_from([span, span, 0]))}
        common |= {"max_status_age": draw(st.sampled_from([3600, 60]))}
        return True, draw(SENDINGS) if said_at_once else Sending(), common
    common |= {"paused": draw(st.sampled_from(["fail", "wait"]))}
    common |= {"mode": mode} if mode != "deferrable" else {}
    return False, draw(STATES) if said_at_once else "processing", common


SOME_FAULTS = st.lists(st.sampled_from(FAULTS), max_size=3)
A_NAME = st.integers(0, len(NAMES) - 1)


class Launches(RuleBasedStateMachine):
    """Waits begin, services say this and that and fail, processes die and are replaced, and time passes."""

    alone = True

    def __init__(self) -> None:
        super().__init__()
        self.airflow = Airflow()
        self.patches = ExitStack()
        self.patches.enter_context(self.airflow.world.clock.ruling())
        for port in SHARED:
            self.airflow.services.open_account(port)

    def _wait(self, which: int) -> tuple[Wait, Account]:
        """Choose one that still waits, if there is one."""
        waits = [wait for wait in self.airflow.tasks if wait.outcome is None] or self.airflow.tasks
        wait = waits[which % len(waits)]
        return wait, self.airflow.services.accounts[wait.port]

    @initialize(begun=st.data(), number=st.integers(1, 4))
    def waits_begin(self, begun: st.DataObject, number: int) -> None:
        for _ in range(number):
            self.a_wait_begins(begun, begun.draw(A_NAME), begun.draw(st.just([]) | SOME_FAULTS))

    @precondition(lambda self: len(self.airflow.tasks) < MOST_TASKS)
    @rule(begun=st.data(), number=A_NAME, faults=st.just([]) | SOME_FAULTS)
    def a_wait_begins(self, begun: st.DataObject, number: int, faults: list[Fault]) -> None:
        is_gate, said, arguments = begun.draw(waits(alone=self.alone))
        port = OWN + 2 * len(self.airflow.tasks) + is_gate if self.alone else SHARED[is_gate]
        account = self.airflow.services.open_account(port)
        account.states[NAMES[number]] = said
        account.faults.extend(faults)
        self.airflow.begin(Wait(self.airflow, port, NAMES[number], **arguments))
        self.airflow.pass_time(0)

    @precondition(lambda self: not self.alone and len(self.airflow.tasks) < MOST_TASKS)
    @rule(which=WHICH, number=A_NAME, in_flight=st.booleans())
    def another_like_it_begins(self, which: int, number: int, in_flight: bool) -> None:
        """Let one join that shares requests, even just when an answer that would end it is on its way."""
        first, account = self._wait(which)
        if in_flight:
            self.a_service_recovers_and_says_what_is_waited_for(which, 0.0)
            account.delay = 3.0
            looks = [each.at for each in self.airflow.services.exchanges if each.port == first.port]
            next_poll_at = looks[-1] + first.promise.interval - self.airflow.world.clock.now
            self.airflow.pass_time(max(next_poll_at, 0.0) + 1)
            account.states[first.campaign] = Sending() if first.is_gate else "processing"
        more = {**first.arguments, "span": first.span}
        self.airflow.begin(Wait(self.airflow, first.port, NAMES[number], **more))
        self.airflow.pass_time(0)

    @rule(which=WHICH, state=STATES, sending=SENDINGS, missing_from_list=st.booleans(), then=THEN)
    def a_service_says_something(
        self, which: int, state: str, sending: Sending, missing_from_list: bool, then: float
    ) -> None:
        wait, account = self._wait(which)
        account.states[wait.campaign] = sending if wait.is_gate else state
        account.missing_from_list = {wait.campaign} if missing_from_list else set()
        self.airflow.pass_time(then)

    @rule(which=WHICH, then=THEN)
    def a_service_recovers_and_says_what_is_waited_for(self, which: int, then: float) -> None:
        wait, account = self._wait(which)
        account.states[wait.campaign] = Sending("healthy") if wait.is_gate else "completed"
        account.faults.clear()
        account.delay = 0.0
        self.airflow.pass_time(then)

    @rule(
        which=WHICH,
        faults=SOME_FAULTS,
        times=st.integers(1, 3),
        then=THEN,
    )
    def a_service_fails(self, which: int, faults: list[Fault], times: int, then: float) -> None:
        self._wait(which)[1].faults.extend(faults * times)
        self.airflow.pass_time(then)

    @rule(which=WHICH, delay=st.sampled_from([0.0, 0.0, 0.7, 3.0, 5.0]), then=THEN)
    def a_service_takes_its_time(self, which: int, delay: float, then: float) -> None:
        self._wait(which)[1].delay = delay
        self.airflow.pass_time(then)

    @rule(seconds=st.sampled_from([9.0, 30.0, 65.0, 0.05, 0.9, 3.0, 130.0, 500.0]))
    def time_passes(self, seconds: float) -> None:
        self.airflow.pass_time(seconds)

    @precondition(lambda self: self.airflow.stored)
    @rule(
        unstored=st.sampled_from([0.0, 0.0, 0.5, 12.0, 70.0]),
        outage=st.sampled_from([0.0, 1.0, 20.0, 100.0, 1000.0]),
    )
    def the_triggerer_is_killed_and_another_takes_over(self, unstored: float, outage: float) -> None:
        """Kill it, with what it has fired in its last seconds and not stored."""
        self.airflow.stores_events = False
        self.airflow.pass_time(unstored)
        self.airflow.kill_triggerer()
        self.airflow.pass_time(outage)
        self.airflow.start_triggerer()
        self.airflow.pass_time(0)

    def teardown(self) -> None:
        try:
            while self.airflow.broken is None and any(wait.outcome is None for wait in self.airflow.tasks):
                self.airflow.pass_time(100)
        finally:
            self.airflow.world.end()
            self.patches.close()


class LaunchesTogether(Launches):
    """The same, with all waits for a service on one account."""

    alone = False


@pytest.fixture
def silence() -> Iterator[None]:
    """Keep what many thousand tasks log to themselves."""
    structlog = sys.modules.get("structlog")  # not there on Airflow 2
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
    for port in (*SHARED, *range(OWN, OWN + 2 * MOST_TASKS)):
        conn_type = ("campaign_cleaner", "instantly")[port % 2]
        budget = BUDGET if port in SHARED else 1000
        extra = {"timeout": REQUEST_TIMEOUT, "max_requests_per_second": budget}
        url = f"http://127.0.0.1:{port}"
        set_connection(monkeypatch, conn_type, conn_id=f"model_{port}", host=url, extra=extra)


def tried(examples: int) -> settings:
    return settings(
        max_examples=EXPLORE or examples,
        stateful_step_count=20,
        derandomize=not EXPLORE,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.usefixtures("silence", "accounts")
@pytest.mark.parametrize("launches", [Launches, LaunchesTogether])
def test_every_wait_keeps_what_is_promised_whatever_happens(launches: type[Launches]) -> None:
    run_state_machine_as_test(launches, settings=tried(120))


@pytest.mark.usefixtures("silence", "accounts")
@tried(150)
@given(
    faults=st.lists(st.none() | st.sampled_from(FAULTS), max_size=5),
    delay=st.sampled_from([0.0, 3.0]),
    killed_after=st.lists(st.sampled_from([0.0, 1.0, 4.0, 14.0, 62.0, 64.0, 75.0]), max_size=3),
    remembers=st.booleans(),
)
def test_a_campaign_is_submitted_once_whatever_happens(
    faults: list[Fault | None], delay: float, killed_after: list[float], remembers: bool
) -> None:
    airflow = Airflow()
    account = airflow.services.open_account(OWN)
    account.faults.extend(faults)
    account.delay = delay
    submission = Submission(airflow, OWN, remembers=remembers)
    with airflow.world.clock.ruling():
        airflow.begin(submission)
        for seconds in killed_after:
            airflow.pass_time(seconds)
            airflow.kill_workers()
        airflow.pass_time(3600)
        airflow.world.end()
    # With so many tries, and a service that has come to itself, it is done.
    assert submission.outcome in account.taken
