"""Sensor and send gate against a model of what is promised, through whatever order of events hypothesis finds.

Real are the operators, the triggers with their serialisation, the watch, polling, gate, patience, both
transports, requests and aiohttp. Not real are time, and the network below the HTTP libraries (see
:mod:`tests.virtual`), and Airflow: :class:`Airflow` keeps what Airflow keeps (stored triggers, events, the
timeout of a deferral, the date of a reschedule) and does with it what Airflow does. What the model says is
written from ``docs/guarantees.md``, not from the code, and shares nothing with it but the names of classes.

A wait that has an account to itself is followed exactly: after everything that it hears, the model says
whether it has to be over, and how, or else between which moments it has to look again. Waits that share an
account hear of each other's looks; of these the model says what has to be true when they end, and how often
the service may have been asked.

``EXPLORE=2000 pytest tests/test_model.py`` looks beyond the examples that every run repeats.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any

import pytest
import structlog
from airflow.exceptions import AirflowRescheduleException
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred
from airflow.sdk.serde import deserialize, serialize
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_campaigns.operators.instantly import (
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.transport import pacing
from tests.conftest import set_connection
from tests.driving import TaskInstance
from tests.scripted_server import Reply
from tests.virtual import Exchange, Loop, Worker, World

EXPLORE = int(os.environ.get("EXPLORE", "0"))

REQUEST_TIMEOUT = 4.0  # of the connections here
BACKSTOP = 60.0  # Airflow's own timeout of a deferral stands this much behind the deadline
LAST_ANSWER = 1.0  # in the triggerer, an answer may come this much after the deadline
TOGETHER = 0.06  # a look may leave this much late, so that several leave together
LONGEST_BACKOFF = 300.0
LONGEST_ESTIMATE = 3600.0
SHORTEST_PAUSE = 0.1
A_MOMENT = 1e-3  # clocks and floating point
NEVER = math.inf

# What the 18 codes mean, as the documentation has it.
OPEN = {"healthy"}
CLOSED = {
    "campaign_draft", "campaign_paused", "campaign_bounce_protect", "campaign_accounts_unhealthy",
    "campaign_account_suspended", "all_accounts_unhealthy", "campaign_completed",
}  # fmt: skip
WAITED_OUT = {
    "campaign_running_subsequences", "out_of_schedule", "waiting_for_leads", "daily_limit_met",
    "account_daily_limit_met", "new_lead_limit_met", "waiting_for_esp_match", "domain_limit_reached",
    "follow_up_delay_not_met", "no_accounts_available",
}  # fmt: skip
CODES = sorted(OPEN | CLOSED | WAITED_OUT)
HOPELESS = {"daily_limit_met", "new_lead_limit_met", "no_accounts_available"}

# How a wait, or a stretch of it, comes out; or else the class of an error.
GOING_ON, ANSWERED, TIMED_OUT = "going on", "answered", "timed out"
DONE, OPENED, SHUT = "done", "open", "closed"


# What goes wrong.


@dataclass(frozen=True)
class Fault:
    """One way for a request to fail.

    :param error: the class of the error that it has to become.
    :param reply: what the service answers, or what connecting to it raises.
    :param final: no wait can heal it.
    :param rest: for how many seconds the service asks to be left alone.
    :param unreadable: an answer that says nothing; a gate takes it for one, and does not open.
    """

    error: str
    reply: Reply | OSError = field(repr=False)
    final: bool = False
    rest: float | None = None
    unreadable: bool = False


def status(status: int, error: str, body: Any = None, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = Reply({"message": "no"} if body is None else body, status=status, headers=named)
    return Fault(error, reply, final=400 > status >= 300 or (400 <= status < 500 and status not in {408, 429}))


def rest(asked: str, seconds: float | None, code: int = 429) -> Fault:
    error = "RateLimitedError" if code == 429 else "ServiceUnavailableError"
    return Fault(error, Reply({}, status=code, headers={"Retry-After": asked}), rest=seconds)


def garbage(body: Any, error: str = "MalformedAnswerError") -> Fault:
    return Fault(error, Reply(body), unreadable=True)


IN_90_SECONDS = "as a date"
FAULTS = [
    *[status(code, "BadRequestError") for code in (400, 409, 413, 422)],
    status(401, "AuthenticationError"),
    status(401, "PermissionDeniedError", {"message": "Invalid scope. Required: campaigns:read"}),
    status(402, "PaymentRequiredError"),
    status(403, "PermissionDeniedError"),
    status(403, "BlockedAtEdgeError", b"error code: 1010"),
    status(404, "NotFoundError"),
    status(302, "RedirectRefusedError", Location="https://elsewhere.test/"),
    *[status(code, "ServiceUnavailableError") for code in (408, 500, 502, 503, 504)],
    status(429, "RateLimitedError"),
    rest("7", 7.0),
    rest("200", 200.0),
    rest("99999999", 99999999.0),
    rest("-5", 0.0),
    rest("1e999", None),
    rest("soon", None),
    rest(IN_90_SECONDS, 90.0),
    rest("20", 20.0, 503),
    Fault("NotConnectedError", ConnectionRefusedError(111, "Connection refused")),
    Fault("UnreachableError", Reply({"x": 1}, drop="before")),
    Fault("UnreachableError", Reply({"x": 1}, drop="headers")),
    Fault("UnreachableError", Reply({"x": "y" * 50}, drop="body")),
    Fault("UnreachableError", Reply({"x": 1}, delay=REQUEST_TIMEOUT * 3)),
    Fault("UnreachableError", Reply({"x": "y" * 50}, drip=1.0)),
    garbage(b"<html>healthy completed"),
    garbage(b'{"diagnostics": {"status": "healt'),
    garbage(b"\xff\xfe\x00"),
    garbage(["healthy", "completed"]),
    garbage(b'{"campaign_status": NaN}'),
    garbage(b'{"x": "' + b"y" * 1_100_000 + b'"}'),
    garbage({}),
    garbage({"ERROR": "not today"}, "RejectedError"),
]


# What the services say.


@dataclass(frozen=True)
class Sending:
    """What Instantly says of a campaign.

    :param age: seconds since its data was refreshed, negative for the future; None for no time at all.
    :param place: where the code stands; ``"summary alone"`` leaves the diagnostics out.
    :param due: seconds until the first follow-up falls due; None where it does not say.
    :param hopeless: a detail says that waiting will not help.
    """

    code: Any = "out_of_schedule"
    age: float | None = 0.0
    place: str = "diagnostics"
    due: float | None = None
    hopeless: bool = False


@dataclass
class Account:
    """One account with one of the services."""

    states: dict[str, Any]
    faults: deque[Fault] = field(default_factory=deque)
    delay: float = 0.0
    unlisted: set[str] = field(default_factory=set)
    held_until: float = 0.0
    resent: tuple[float, Fault] | None = None


@dataclass(eq=False)
class Told:
    """What a service did about a request, and whose it was.

    :param wait: whose request it is; None for one on behalf of several waits.
    :param about: the campaign; None for a list of all.
    :param said: what it said of which campaign; nothing where it failed.
    :param updated: how recent it said that its data is.
    :param rest: until when it asked to be left alone.
    :param again: the request was sent a second time by the HTTP library, within one look.
    """

    wait: Wait | None
    stretch: Stretch | None
    fault: Fault | None
    again: bool
    about: str | None = None
    said: dict[str, Any] = field(default_factory=dict)
    updated: float | None = None
    rest: float | None = None


# What is promised.


@dataclass(eq=False)
class Stretch:
    """One stretch of a wait in one place: on a worker, or in one triggerer.

    :param exact: it hears of its own looks and of nothing else.
    :param looks: it looks at all, rather than only being told how the wait has ended.
    :param earliest: the next look may leave from then on, by the steady clock.
    :param latest: and it has to leave by then.
    :param ends_by: when its own timer ends it; never on a worker.
    :param has_to: how it may be now.
    """

    place: str
    begun: float
    exact: bool = True
    looks: bool = True
    earliest: float = 0.0
    latest: float = NEVER
    ends_by: float = NEVER
    has_to: set[str] = field(default_factory=lambda: {GOING_ON})
    failures: int = 0
    over_at: float | None = None


class Wait:
    """One task that waits, and what the promises make of all that happens to it."""

    reads_garbage = False

    def __init__(self, airflow: Airflow, port: int, campaign: str, *, alone: bool, **arguments: Any) -> None:
        self.airflow, self.clock, self.arguments = airflow, airflow.world.clock, arguments
        self.port, self.campaign, self.alone = port, campaign, alone
        self.account = airflow.accounts[port]
        self.interval = arguments["poke_interval"]
        self.span = float(arguments.get("timeout", arguments.get("wait_timeout")))
        self.begun, self.wall_begun = self.clock.now, self.clock.wall
        self.deadline = self.clock.wall + self.span
        self.limit = self.clock.now + self.span + self.grace()
        self.history: list[Stretch] = []
        self.fired: str | None = None
        self.fired_at = 0.0
        self.read: Exchange | None = None
        self.outcome: str | None = None
        self.on_worker()

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{type(self).__name__}({self.campaign}, {'alone' if self.alone else 'shared'}, {told})"

    def task(self) -> Any:
        """Return the operator, as a process that has just started makes it."""
        raise NotImplementedError

    def means(self, told: Told) -> str:
        """Say what an answer does to the wait."""
        raise NotImplementedError

    def worth_a_look(self, told: Told) -> float | None:
        """Say when another look is worth while, on the wall clock, as far as the answer tells."""
        return None

    def shows(self, told: Told, said: Any) -> bool:
        """Tell whether an answer is what an event says that was said."""
        raise NotImplementedError

    def resumes(self, said: Any) -> None:
        """Go on, on a worker, once the trigger has fired."""
        raise NotImplementedError

    def grace(self) -> float:
        """Say how long after its deadline a wait may be busy with its last looks."""
        return LAST_ANSWER + 3 * REQUEST_TIMEOUT + 1

    @property
    def left(self) -> float:
        return self.deadline - self.clock.wall

    # Where it is.

    def on_worker(self, *, looks: bool = True, has_to: str = GOING_ON) -> None:
        """Begin a stretch on a worker, which looks at once if at all."""
        now = self.clock.now
        self._begin(
            Stretch("worker", now, looks=looks, earliest=now, latest=now + TOGETHER, has_to={has_to})
        )

    def in_triggerer(self, earliest: float, latest: float) -> None:
        """Begin a stretch in a triggerer, which its own timer ends a moment behind the deadline."""
        now = self.clock.now
        ends_by = now + (self.left + LAST_ANSWER if self.left > 0 else REQUEST_TIMEOUT)
        stretch = Stretch("triggerer", now, exact=self.alone, ends_by=ends_by, earliest=max(earliest, now))
        stretch.latest = max(latest, now, self.account.held_until) + TOGETHER
        self._begin(stretch)

    def _begin(self, stretch: Stretch) -> None:
        if self.history:
            self.stretch.over_at = self.clock.now
        self.stretch = stretch
        self.history.append(stretch)

    def was_held_up(self) -> None:
        """Take into account that an outage, or a clock, has cost the wait time."""
        self.limit = max(self.limit, self.clock.now + max(self.left, 0.0) + self.grace())

    # What it does.

    def asks(self) -> None:
        """Hold a look against what is allowed."""
        stretch, now = self.stretch, self.clock.now
        assert self.outcome is None, f"{self} looks after its end"
        assert stretch.looks, f"{self} looks although all is said"
        assert GOING_ON in stretch.has_to, f"{self} looks, and had to be {stretch.has_to}"
        assert now >= stretch.earliest - A_MOMENT, f"{self} looks {stretch.earliest - now} s too soon"
        stretch.earliest = stretch.latest = NEVER

    def hears(self, exchange: Exchange) -> None:
        """Take in what came of a look: say how the wait has to end, or when it has to look again."""
        stretch, told, fault = self.stretch, exchange.told, exchange.told.fault
        if self.outcome is not None or GOING_ON not in stretch.has_to:
            return
        if fault is not None and not (fault.unreadable and self.reads_garbage):
            stretch.failures += 1
            if fault.final or self._has_enough(told):
                stretch.has_to = {fault.error, *self._or_its_timer()}
                return
            self._looks_again(*self._pause_after_failure(told), failed=True)
            return
        stretch.failures, self.read = 0, exchange
        meaning = self.means(told)
        if meaning != GOING_ON:
            ended = ANSWERED if stretch.place == "triggerer" else meaning
            stretch.has_to = {ended, *self._or_its_timer()}
            return
        pause, look = self.interval, self.worth_a_look(told)
        worth = min(look - self.clock.wall, LONGEST_ESTIMATE) if look is not None else 0.0
        self._looks_again(max(pause * 0.9, worth), max(pause, worth))

    def _or_its_timer(self) -> set[str]:
        """Let the timer end what is heard in the very moment that it goes off."""
        return {TIMED_OUT} if self.clock.now >= self.stretch.ends_by - A_MOMENT else set()

    def _has_enough(self, told: Told) -> bool:
        """Tell whether a failure is one too many."""
        return self.stretch.failures >= self.arguments["max_failures"]

    def _rest(self, told: Told) -> float:
        return max(told.rest - self.clock.wall, 0.0) if told.rest is not None else 0.0

    def _pause_after_failure(self, told: Told) -> tuple[float, float]:
        pause = min(self.interval * 2 ** (self.stretch.failures - 1), max(LONGEST_BACKOFF, self.interval))
        return max(pause * 0.9, self._rest(told)), max(pause, self._rest(told) * 1.1)

    def _looks_again(self, low: float, high: float, *, failed: bool = False) -> None:
        """Say when the next look is due: by its rhythm, and at the deadline at the latest."""
        stretch, now = self.stretch, self.clock.now
        if self.span or not failed:
            if self.left < A_MOMENT:
                stretch.has_to = {TIMED_OUT} if self.left < -A_MOMENT else {TIMED_OUT, GOING_ON}
            low, high = (min(max(pause, SHORTEST_PAUSE), max(self.left, 0.0)) for pause in (low, high))
        stretch.earliest, stretch.latest = now + low, now + high + TOGETHER
        if stretch.place == "triggerer":
            stretch.latest = max(stretch.latest, self.account.held_until + TOGETHER)

    # How it ends.

    def fires(self, event: dict[str, Any]) -> None:
        """Hold the event of a trigger against what the wait has heard."""
        error, stretch = (event["error"] or {}).get("class"), self.stretch
        ended = {"answered": ANSWERED, "timed_out": TIMED_OUT, "failed": str(error)}[event["ending"]]
        assert abs(event["deadline"] - self.deadline) < A_MOMENT, f"{self} has another deadline now"
        if ended == TIMED_OUT and GOING_ON in stretch.has_to and ended not in stretch.has_to:
            by_answer = not stretch.exact and self.left < A_MOMENT
            assert by_answer or self.clock.now >= stretch.ends_by - A_MOMENT, f"{self} gave up too soon"
        elif stretch.exact:
            assert ended in stretch.has_to, f"{self} was {ended}, and had to be {stretch.has_to}"
        else:
            self._check_evidence(ended, event["said"])
        self.fired, self.fired_at = ended, self.clock.now

    def _check_evidence(self, ended: str, said: Any) -> None:
        """Find what a wait that shares its account says that it has heard."""
        asked = [each for each in self.airflow.exchanges if each.port == self.port]
        heard = [
            each.told
            for each in asked
            if isinstance(each.side, Loop) and each.at >= self.stretch.begun and each.ended_at is not None
        ]
        if ended == ANSWERED:
            answers = [told for told in heard if self.campaign in told.said]
            assert any(self.shows(told, said) for told in answers), f"{self}: nobody has said {said}"
            return
        reasons = [told for told in heard if told.fault is not None and told.fault.error == ended]
        assert reasons, f"{self} ended with {ended}, and nothing failed like that"
        if any(told.fault is not None and told.fault.final for told in reasons):
            if ended in {"NotFoundError", "BadRequestError"}:
                assert any(told.about == self.campaign for told in reasons), f"{self}: another was not found"
            return
        good = [number for number, told in enumerate(heard) if told.about == self.campaign and told.said]
        failures = sum(told.fault is not None for told in heard[max(good, default=-1) + 1 :])
        assert failures >= self.arguments["max_failures"], f"{self} gave up after {failures} failures"

    def ends(self, outcome: str) -> None:
        """Hold the end of the task against what it has heard."""
        assert self.outcome is None, f"{self} ended twice: {self.outcome}, {outcome}"
        if outcome == TIMED_OUT and GOING_ON in self.stretch.has_to:
            lasted = self.clock.now - self.begun
            assert self.left < A_MOMENT or lasted > self.span - A_MOMENT, f"{self} ended {self.left} s early"
        else:
            assert outcome in self.stretch.has_to, f"{self}: {outcome}, had to be {self.stretch.has_to}"
        self.outcome, self.stretch.over_at = outcome, self.clock.now

    def check(self) -> None:
        """Now that nobody has anything to do: is the wait where it has to be?"""
        stretch, now = self.stretch, self.clock.now
        if self.outcome is not None:
            return
        if stretch.place == "triggerer" and (self.airflow.triggerer_is_down or self.fired):
            assert self.left > -BACKSTOP - A_MOMENT, f"{self}: Airflow's own timeout did not end it"
            return
        assert now <= self.limit + A_MOMENT, f"{self} goes on {now - self.limit} s after its end"
        assert now <= stretch.ends_by + A_MOMENT, f"{self}: its timer did not end it"
        if stretch.exact:
            assert GOING_ON in stretch.has_to, f"{self} goes on, and had to be {stretch.has_to}"
            late = now - stretch.latest
            assert late <= A_MOMENT or not stretch.looks, f"{self} has not looked for {late} s too long"


class Sensor(Wait):
    """A wait for a campaign in Campaign Cleaner."""

    def task(self) -> CampaignCleanerCampaignSensor:
        conn_id = f"model_{self.port}"
        return CampaignCleanerCampaignSensor(
            task_id="wait", campaign_id=self.campaign, campaign_cleaner_conn_id=conn_id, **self.arguments
        )

    def means(self, told: Told) -> str:
        return self._verdict(told.said[self.campaign])

    def _verdict(self, state: str) -> str:
        paused = GOING_ON if self.arguments["paused"] == "wait" else "CampaignPausedError"
        known = {"processing": GOING_ON, "completed": DONE, "paused": paused}
        return known.get(state, "UnknownStatusError")

    def shows(self, told: Told, said: Any) -> bool:
        return bool(told.said[self.campaign] == said)

    def resumes(self, said: Any) -> None:
        self.on_worker(looks=False, has_to=self._verdict(said) if self.fired == ANSWERED else str(self.fired))


class Gate(Wait):
    """A send gate."""

    reads_garbage = True

    def task(self) -> InstantlySendGateOperator:
        conn_id = f"model_{self.port}"
        return InstantlySendGateOperator(
            task_id="gate", campaign_id=self.campaign, instantly_conn_id=conn_id, **self.arguments
        )

    def means(self, told: Told) -> str:
        said: Sending = told.said.get(self.campaign, Sending(code=None))
        policy = self.arguments["policy"] or {}
        if said.code not in CODES:
            return GOING_ON
        if said.code in policy:
            meaning = policy[said.code]
        elif said.code in HOPELESS and said.hopeless and said.place != "summary alone":
            meaning = "closed"
        else:
            meaning = "open" if said.code in OPEN else "closed" if said.code in CLOSED else "wait"
        if meaning == "open":
            if told.updated is None:
                return GOING_ON
            age = self.clock.wall - told.updated
            return OPENED if -300.0 <= age <= self.arguments["max_status_age"] else GOING_ON
        return GOING_ON if meaning == "wait" else SHUT

    def worth_a_look(self, told: Told) -> float | None:
        said: Sending = told.said.get(self.campaign, Sending(code=None))
        if said.code != "follow_up_delay_not_met" or not said.due or said.place == "summary alone":
            return None
        due = min(told.updated or self.clock.wall, self.clock.wall) + said.due
        return due if due > self.clock.wall else None

    def shows(self, told: Told, said: Any) -> bool:
        code = told.said[self.campaign].code
        return bool(said["code"] == (code if isinstance(code, str) and code else None))

    def resumes(self, said: Any) -> None:
        if self.fired in {ANSWERED, TIMED_OUT}:
            self.on_worker()  # the event opens nothing: the gate looks again
        else:
            self.on_worker(looks=False, has_to=str(self.fired))

    def ends(self, outcome: str) -> None:
        super().ends(outcome)
        if outcome == OPENED:
            assert self.read is not None
            assert isinstance(self.read.side, Worker)
            assert self.read.at >= self.begun
            assert self.means(self.read.told) == OPENED

    # Without a wait, the one look is attempted up to five times.

    def grace(self) -> float:
        return super().grace() if self.span else 5 * (REQUEST_TIMEOUT + 1) + 4 * 61.0

    def _has_enough(self, told: Told) -> bool:
        return super()._has_enough(told) if self.span else self.stretch.failures >= 5 or self._rest(told) > 60

    def _pause_after_failure(self, told: Told) -> tuple[float, float]:
        if self.span:
            return super()._pause_after_failure(told)
        pause = 2.0 ** (self.stretch.failures - 1)
        return max(pause / 2, self._rest(told)), max(pause, self._rest(told))


# What Airflow does, and what the services do.


class Airflow:
    """Workers without number, one triggerer, and what the database keeps.

    Even ports are accounts with Campaign Cleaner, odd ones with Instantly.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.exchanges: list[Exchange] = []
        self.world = World(self)
        self.world.between = self._hand_over
        self.waits: list[Wait] = []
        self.stored: dict[Wait, tuple[str, str]] = {}
        self.events: list[tuple[Wait, str]] = []
        self.triggers: dict[Wait, Any] = {}
        self.stores_events = True
        self.triggerer_is_down = False
        self.broken: Exception | None = None

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and see that every wait is where it has to be then."""
        try:
            self.world.pass_time(seconds)
            if self.broken is None:
                for wait in self.waits:
                    wait.check()
        except Exception as error:
            self.broken = self.broken or error
        if self.broken is not None:
            raise self.broken

    # Workers.

    def begin(self, wait: Wait) -> None:
        self.waits.append(wait)
        self._work(wait, lambda: wait.task().execute({"ti": TaskInstance()}))

    def _work(self, wait: Wait, step: Callable[[], Any]) -> None:
        """Let a worker take a step of a task, and do what its outcome asks for."""

        def do() -> None:
            try:
                result = step()
            except TaskDeferred as deferred:
                self._defer(wait, deferred)
            except AirflowRescheduleException as rescheduled:
                self._reschedule(wait, rescheduled)
            except (SendGateTimeoutError, AirflowSensorTimeout):
                wait.ends(TIMED_OUT)
            except SendGateClosedError:
                wait.ends(SHUT)
            except Exception as error:
                if not type(error).__module__.startswith("airflow_provider_campaigns"):
                    raise
                wait.ends(type(error).__name__)
            else:
                assert result == wait.campaign or result["open"] is True
                wait.ends(DONE if result == wait.campaign else OPENED)

        self.world.work(do, owner=wait)

    def _reschedule(self, wait: Wait, rescheduled: AirflowRescheduleException) -> None:
        first = datetime.fromtimestamp(wait.wall_begun, timezone.utc)
        again = lambda: wait.task().execute({"ti": TaskInstance(first_reschedule=first)})  # noqa: E731
        self.world.alarms.append(
            (rescheduled.reschedule_date.timestamp(), lambda: self._work(wait, again))
        )

    def _defer(self, wait: Wait, deferred: TaskDeferred) -> None:
        assert wait.arguments["deferrable"]
        assert GOING_ON in wait.stretch.has_to, f"{wait} waits on, and had to be {wait.stretch.has_to}"
        assert deferred.timeout.total_seconds() <= max(wait.left, 0.0) + BACKSTOP + A_MOMENT
        classpath, arguments = deferred.trigger.serialize()
        self.stored[wait] = row = classpath, json.dumps(serialize(arguments))
        # A sensor has not looked yet, and a gate has: its trigger waits for the next look.
        wait.in_triggerer(wait.stretch.earliest, wait.stretch.latest - TOGETHER)
        timeout = wait.clock.wall + deferred.timeout.total_seconds()
        self.world.alarms.append((timeout, lambda: self._give_up(wait, row)))
        if not self.triggerer_is_down:
            self._start(wait)

    def _give_up(self, wait: Wait, row: tuple[str, str]) -> None:
        """Fail a deferral that has outlived its timeout."""
        if self.stored.get(wait) is not row:
            return
        del self.stored[wait]
        if wait in self.triggers:
            self.triggers.pop(wait).cancel()
        wait.fired = None
        wait.on_worker(looks=False, has_to=TIMED_OUT)
        told = {"error": "Trigger timeout"}
        self._work(wait, lambda: wait.task().resume_execution("__fail__", told, {"ti": TaskInstance()}))

    # The triggerer.

    def _start(self, wait: Wait) -> None:
        loop = self.world.loop = self.world.loop or Loop(self.world)
        classpath, stored = self.stored[wait]
        trigger = import_string(classpath)(**deserialize(json.loads(stored)))

        async def run() -> None:
            async with aclosing(trigger.run()) as events:
                event = json.dumps((await anext(events)).payload, allow_nan=False)
            wait.fires(json.loads(event))
            self.events.append((wait, event))
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
        if wait.fired_at < wait.clock.now:
            wait.was_held_up()
        wait.resumes(json.loads(event)["said"])
        wait.fired = None
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
        pacing._paces.clear()
        for account in self.accounts.values():
            account.held_until, account.resent = 0.0, None

    def start_triggerer(self) -> None:
        """Let another one take up what is stored."""
        self.triggerer_is_down = False
        for wait, (_, stored) in self.stored.items():
            wait.fired = None
            first_look = deserialize(json.loads(stored)).get("first_look")
            first = wait.clock.steady(first_look) if first_look is not None else 0.0
            wait.in_triggerer(first, first)
            wait.was_held_up()
            self._start(wait)

    def set_clocks(self, seconds: float) -> None:
        """Set the wall clock of all machines."""
        self.world.clock.jump(seconds)
        for wait in self.waits:
            if seconds < 0:
                wait.limit -= seconds
            if wait.arguments.get("mode") == "reschedule":
                wait.stretch.earliest, wait.stretch.latest = 0.0, NEVER  # Airflow reschedules by that clock

    # The services.

    def connected(self, exchange: Exchange) -> None:
        account = self.accounts[exchange.port]
        again = account.resent is not None and account.resent[0] == exchange.at
        fault = account.resent[1] if again and account.resent else None
        account.resent = None
        if not again and account.faults:
            fault = account.faults.popleft()
        wait = self._asker(exchange)
        exchange.told = Told(wait, wait and wait.stretch, fault, again=again)
        self.exchanges.append(exchange)
        if wait is not None and not again:
            self._note(wait.asks)
        if fault is not None and isinstance(fault.reply, OSError):
            exchange.ended_at = exchange.at
            self._let_hear(exchange)
            raise fault.reply

    def answer(self, exchange: Exchange) -> Reply:
        account, told, request = self.accounts[exchange.port], exchange.told, exchange.request
        assert request is not None
        if request.path == "/v1/get_campaign_list":
            said = {name: said for name, said in account.states.items() if name not in account.unlisted}
            body: Any = {"campaign_list": [{"id": name, "status": state} for name, state in said.items()]}
        else:
            cleaner = request.path == "/v1/get_campaign_status"
            told.about = request.json["campaign"]["id"] if cleaner else request.path.split("/")[-2]
            said = {told.about: account.states[told.about]}
            body = {"campaign_status": {"id": told.about, "status": said[told.about]}}
            if not cleaner:
                body = self._sending_status(told, said[told.about])
        if told.fault is None:
            told.said = said
            return Reply(body, delay=account.delay)
        reply = told.fault.reply
        assert isinstance(reply, Reply)
        if told.fault.rest is not None:
            told.rest = self.world.clock.wall + told.fault.rest
            if reply.headers["Retry-After"] == IN_90_SECONDS:
                told.rest = float(int(self.world.clock.vendor + told.fault.rest))
                return Reply({}, reply.status, {"Retry-After": formatdate(told.rest, usegmt=True)})
        return reply

    def _sending_status(self, told: Told, said: Sending) -> dict[str, Any]:
        if said.place == "summary alone":
            return {"diagnostics": None, "summary": {"status": said.code}}
        details: dict[str, Any] = {"campaign_id": told.about, "follow_ups_waiting": {"count": 4}}
        if said.age is not None:
            told.updated = self.world.clock.vendor - said.age
            details["last_updated"] = datetime.fromtimestamp(told.updated, timezone.utc).isoformat()
        if said.due is not None:
            details["follow_ups_waiting"]["earliest_wait_time_seconds"] = said.due
        if said.hopeless:
            details |= {"campaign_daily_limit": {"limit": 0}, "new_lead_limit": {"limit": 0}}
            details |= {"accounts_summary": {"total_connected": 0}}
        inside = said.place == "diagnostics" and said.code is not None
        decoy = {"issue_tracking": {"current_status_code": "healthy"}}
        return {
            "diagnostics": {**details, **decoy, "status": said.code if inside else None},
            "summary": {"status": "healthy" if inside else said.code},
        }

    def ended(self, exchange: Exchange) -> None:
        fault, request = exchange.told.fault, exchange.request
        dropped = fault is not None and isinstance(fault.reply, Reply) and fault.reply.drop
        if (
            dropped in {"before", "headers"}
            and isinstance(exchange.side, Loop)
            and not exchange.told.again
            and not exchange.given_up
            and request is not None
            and request.method == "GET"
        ):
            # aiohttp sends a GET again, once and at once, if no answer has begun.
            self.accounts[exchange.port].resent = (exchange.ended_at or 0.0, fault)
        else:
            self._let_hear(exchange)

    def _asker(self, exchange: Exchange) -> Wait | None:
        if isinstance(exchange.side, Worker):
            return exchange.side.owner  # type: ignore[no-any-return]
        return next((wait for wait in self.waits if wait.port == exchange.port and wait.alone), None)

    def _let_hear(self, exchange: Exchange) -> None:
        """Tell the wait whose request it was what came of it, unless its stretch is over."""
        told, now = exchange.told, self.world.clock.now
        if exchange.given_up and told.fault is None:
            if now - exchange.at < REQUEST_TIMEOUT - A_MOMENT:
                return  # its stretch has ended, not its time
            told.fault, told.said = Fault("UnreachableError", Reply()), {}
        if told.fault is not None and told.fault.error == "RateLimitedError" and told.rest is not None:
            if isinstance(exchange.side, Loop):
                # All waits of the account in this triggerer keep a rest that one of them is asked for.
                account, rest = self.accounts[exchange.port], max(told.rest - self.world.clock.wall, 0.0)
                account.held_until = max(account.held_until, now + min(rest, 300.0))
        if told.wait is not None and told.wait.stretch is told.stretch:
            self._note(lambda: told.wait.hears(exchange))

    def _note(self, check: Callable[[], None]) -> None:
        """Keep a violation for :meth:`pass_time`: here, in the middle of a request, it would be survived."""
        try:
            check()
        except AssertionError as error:
            self.broken = self.broken or error


# What happens.

SPANS = [(900, 60), (600, 10), (3600, 60), (300, 10), (60, 10), (20, 1), (3, 0)]
SHARED, OWN, MOST_WAITS = (2000, 2001), 2002, 7
NAMES = [f"019e18e2-a52f-78e7-96f2-{number:012d}" for number in range(3)]
WHICH = st.integers(0, MOST_WAITS - 1)
THEN = st.sampled_from([0.0, 0.0, 0.05, 0.9, 5.0, 11.0, 35.0, 130.0])
MAX_FAILURES = st.sampled_from([1, 2, 5, 5])
SENSORS = st.tuples(
    st.just(Sensor),
    st.booleans(),
    WHICH,
    st.builds(
        lambda mode, span, **arguments: {
            **arguments, "timeout": span[0], "poke_interval": span[1], "deferrable": mode == "deferrable",
            "mode": mode.replace("deferrable", "poke"),
        },
        mode=st.sampled_from(["deferrable", "deferrable", "poke", "reschedule"]),
        span=st.sampled_from(SPANS),
        paused=st.sampled_from(["fail", "wait"]),
        max_failures=MAX_FAILURES,
    ),
)  # fmt: skip
GATES = st.tuples(
    st.just(Gate),
    st.booleans(),
    WHICH,
    st.builds(
        lambda span, **arguments: {**arguments, "wait_timeout": span[0], "poke_interval": span[1]},
        span=st.sampled_from([*SPANS, (0, 10)]),
        deferrable=st.booleans(),
        policy=st.sampled_from(
            [
                None,
                None,
                {"waiting_for_leads": "open", "follow_up_delay_not_met": "open"},
                {"campaign_paused": "wait", "daily_limit_met": "wait", "campaign_draft": "open"},
                {"healthy": "wait", "out_of_schedule": "closed", "domain_limit_reached": "finished"},
            ]
        ),
        max_status_age=st.sampled_from([60, 3600]),
        max_failures=MAX_FAILURES,
    ),
)
SENDINGS = st.builds(
    Sending,
    code=st.one_of(
        st.sampled_from(CODES),
        st.sampled_from(["healthy", "follow_up_delay_not_met", "waiting_for_leads", "daily_limit_met"]),
        st.sampled_from([None, "", "HEALTHY", "healthy ", "splendid", "x" * 200, 1, ("healthy",)]),
    ),
    age=st.sampled_from([0.0, 30.0, 59.0, 61.0, 3590.0, 3700.0, -290.0, -400.0, 1e6, None]),
    place=st.sampled_from(["diagnostics", "diagnostics", "summary", "summary alone"]),
    due=st.sampled_from([None, 5.0, 100.0, 5000.0, -1.0]),
    hopeless=st.booleans(),
)
STATES = st.sampled_from(["processing", "processing", "paused", "completed", "exploded"])


class Launches(RuleBasedStateMachine):
    """Waits begin, services say this and that and fail, machines stop and start, and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.airflow = Airflow()
        self.clocks_were_set = 0
        for port in SHARED:
            self._open_account(port)
        self.patches = ExitStack()
        self.patches.enter_context(self.airflow.world.clock.ruling())
        pacing._paces.clear()

    def _open_account(self, port: int) -> None:
        said = Sending() if port % 2 else "processing"
        self.airflow.accounts[port] = Account(dict.fromkeys(NAMES, said))

    def _wait(self, which: int) -> Wait:
        return self.airflow.waits[which % len(self.airflow.waits)]

    @initialize(begun=st.lists(SENSORS | GATES, min_size=2, max_size=5))
    def waits_begin(self, begun: list[Any]) -> None:
        for wait in begun:
            self._begin(*wait)

    @precondition(lambda self: len(self.airflow.waits) < MOST_WAITS)
    @rule(wait=SENSORS | GATES)
    def a_wait_begins(self, wait: Any) -> None:
        self._begin(*wait)

    def _begin(self, kind: type[Wait], alone: bool, number: int, arguments: dict[str, Any]) -> None:
        port = SHARED[kind is Gate]
        if alone:
            port = OWN + 2 * len(self.airflow.waits) + (kind is Gate)
            self._open_account(port)
        self.airflow.begin(kind(self.airflow, port, NAMES[number % 3], alone=alone, **arguments))
        self.airflow.pass_time(0)

    @rule(which=WHICH, state=STATES, sending=SENDINGS, unlisted=st.booleans(), then=THEN)
    def a_service_says_something(
        self, which: int, state: str, sending: Sending, unlisted: bool, then: float
    ) -> None:
        wait = self._wait(which)
        wait.account.states[wait.campaign] = sending if isinstance(wait, Gate) else state
        (wait.account.unlisted.add if unlisted else wait.account.unlisted.discard)(wait.campaign)
        self.airflow.pass_time(then)

    @rule(which=WHICH, sound=st.booleans(), then=THEN)
    def a_service_says_what_is_waited_for(self, which: int, sound: bool, then: float) -> None:
        wait = self._wait(which)
        wait.account.states[wait.campaign] = Sending("healthy") if isinstance(wait, Gate) else "completed"
        if sound:
            wait.account.faults.clear()
            wait.account.delay = 0.0
        self.airflow.pass_time(then)

    @rule(
        which=WHICH,
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
        times=st.integers(1, 3),
        then=THEN,
    )
    def a_service_fails(self, which: int, faults: list[Fault], times: int, then: float) -> None:
        self._wait(which).account.faults.extend(faults * times)
        self.airflow.pass_time(then)

    @rule(which=WHICH, delay=st.sampled_from([0.0, 0.0, 0.7, 3.0, 5.0]), then=THEN)
    def a_service_takes_its_time(self, which: int, delay: float, then: float) -> None:
        self._wait(which).account.delay = delay
        self.airflow.pass_time(then)

    @rule(seconds=st.sampled_from([9.0, 30.0, 65.0, 0.05, 0.9, 3.0, 130.0, 500.0]))
    def time_passes(self, seconds: float) -> None:
        self.airflow.pass_time(seconds)

    @precondition(lambda self: self.airflow.stored)
    @rule(seconds=st.sampled_from([0.5, 12.0, 70.0]))
    def events_are_not_stored_for_a_while(self, seconds: float) -> None:
        self.airflow.stores_events = False
        self.airflow.pass_time(seconds)

    @precondition(lambda self: not self.airflow.stores_events)
    @rule()
    def events_are_stored_again(self) -> None:
        self.airflow.stores_events = True
        self.airflow.pass_time(0)

    @precondition(lambda self: self.airflow.stored)
    @rule(outage=st.sampled_from([0.0, 1.0, 20.0, 100.0, 1000.0]))
    def the_triggerer_is_killed_and_another_takes_over(self, outage: float) -> None:
        self.airflow.kill_triggerer()
        self.airflow.pass_time(outage)
        self.airflow.start_triggerer()
        self.airflow.pass_time(0)

    @precondition(lambda self: self.clocks_were_set < 2)
    @rule(seconds=st.sampled_from([-3600.0, -30.0, 30.0, 3600.0]), then=THEN)
    def the_clocks_are_set(self, seconds: float, then: float) -> None:
        self.clocks_were_set += 1
        self.airflow.set_clocks(seconds)
        self.airflow.pass_time(then)

    def teardown(self) -> None:
        try:
            if self.airflow.broken is None:
                self._all_come_to_an_end()
        finally:
            self.airflow.world.end()
            self.patches.close()

    def _all_come_to_an_end(self) -> None:
        airflow = self.airflow
        airflow.stores_events = True
        airflow.pass_time(0)
        while going_on := [wait for wait in airflow.waits if wait.outcome is None]:
            airflow.pass_time(max(min(wait.limit for wait in going_on) - airflow.world.clock.now, 1.0))
        for port in SHARED:
            self._check_rate(port)

    def _check_rate(self, port: int) -> None:
        """Waits together may ask as often as each of them could, with one more request to tell what is broken."""
        looks = [
            each
            for each in self.airflow.exchanges
            if each.port == port and isinstance(each.side, Loop) and not each.told.again
        ]
        allowed = sum(
            2 * (3 + (stretch.over_at - stretch.begun) / max(wait.interval * 0.9, SHORTEST_PAUSE))
            for wait in self.airflow.waits
            for stretch in wait.history
            if wait.port == port and stretch.place == "triggerer" and stretch.over_at is not None
        )
        assert len(looks) <= allowed


def test_every_wait_keeps_what_is_promised_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for port in range(SHARED[0], OWN + 14):
        conn_type = ("campaign_cleaner", "instantly")[port % 2]
        extra = {"timeout": REQUEST_TIMEOUT, "max_requests_per_second": 1000}
        url = f"http://127.0.0.1:{port}"
        set_connection(monkeypatch, conn_type, conn_id=f"model_{port}", host=url, extra=extra)
    logging.disable(logging.CRITICAL)
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        run_state_machine_as_test(
            Launches,
            settings=settings(
                max_examples=EXPLORE or 150,
                stateful_step_count=30,
                derandomize=not EXPLORE,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        structlog.configure(**configured)
        logging.disable(logging.NOTSET)
