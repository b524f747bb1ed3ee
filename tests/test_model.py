"""Sensor and send gate against a model of what is promised, through whatever order of events hypothesis finds.

Real are the operators, the triggers with their serialisation, the watch, polling, gate, patience, both
transports, requests and aiohttp. Not real are time and the network below the HTTP libraries (see
:mod:`tests.virtual`), and Airflow: :class:`Airflow` keeps what Airflow keeps (stored triggers, events, the
timeout of a deferral, the date of a reschedule) and does with it what Airflow does. What the model says is
written from ``docs/guarantees.md``, not from the code, and shares nothing with it but the names of classes.

A wait with an account of its own is followed exactly: after everything that it hears, the model says whether
it has to be over, how it has to have ended, and between which moments it may look again. Waits that share an
account hear of each other's looks; of these the model says what has to be true at their end.

``EXPLORE=2000 pytest tests/test_model.py`` looks for more than the examples that every run repeats.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred
from airflow.sdk.serde import deserialize, serialize
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
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
REQUEST_TIMEOUT = 4.0
BACKSTOP = 60.0  # Airflow's own timeout of a deferral stands this much behind the deadline
LAST_ANSWER = 1.0  # in the triggerer, the answer to the last look may come this much after the deadline
TOGETHER = 0.06  # a look may leave this much late, together with others
A_MOMENT = 1e-3

# What the 18 codes mean, as the documentation has it.
OPEN = {"healthy"}
CLOSED = {
    "campaign_draft", "campaign_paused", "campaign_bounce_protect", "campaign_accounts_unhealthy",
    "campaign_account_suspended", "all_accounts_unhealthy", "campaign_completed",
}  # fmt: skip
WAIT = {
    "campaign_running_subsequences", "out_of_schedule", "waiting_for_leads", "daily_limit_met",
    "account_daily_limit_met", "new_lead_limit_met", "waiting_for_esp_match", "domain_limit_reached",
    "follow_up_delay_not_met", "no_accounts_available",
}  # fmt: skip
CODES = sorted(OPEN | CLOSED | WAIT)


# What goes wrong.


@dataclass(frozen=True)
class Fault:
    """One way for a request to fail.

    :param name: the class of the error that it has to become; a gate takes what it cannot read for an answer.
    :param final: no wait can heal it.
    :param reply: what the vendor answers; an OSError is what connecting raises.
    :param rest: how long the service asks to be left alone, in seconds from when it answered.
    :param unreadable: an answer that says nothing, rather than a failure to answer.
    """

    name: str
    reply: Any
    final: bool = False
    rest: float | None = None
    unreadable: bool = False


def _status(status: int, name: str, body: Any = None, **more: Any) -> Fault:
    return Fault(name, Reply(body or {"message": "no"}, status=status, **more.pop("reply", {})), **more)


def _rest(asked: str | None, seconds: float | None, status: int = 429, name: str = "RateLimitedError") -> Fault:
    headers = {} if asked is None else {"Retry-After": asked}
    return Fault(name, Reply({}, status=status, headers=headers), rest=seconds)


FINAL = [
    *[_status(status, "BadRequestError", final=True) for status in (400, 409, 413, 422)],
    _status(401, "AuthenticationError", final=True),
    _status(401, "PermissionDeniedError", {"message": "Invalid scope. Required: x"}, final=True),
    _status(402, "PaymentRequiredError", final=True),
    _status(403, "PermissionDeniedError", final=True),
    _status(403, "BlockedAtEdgeError", b"error code: 1010", final=True),
    _status(404, "NotFoundError", final=True),
    _status(302, "RedirectRefusedError", final=True, reply={"headers": {"Location": "https://x.test"}}),
]
PASSING = [
    *[_status(status, "ServiceUnavailableError") for status in (408, 500, 502, 503, 504)],
    _rest(None, None),
    _rest("7", 7.0),
    _rest("200", 200.0),
    _rest("99999999", 99999999.0),
    _rest("-5", 0.0),
    _rest("1e999", None),
    _rest("in 90 s", 90.0),  # written as a date when it is answered
    _rest("20", 20.0, 503, "ServiceUnavailableError"),
    Fault("NotConnectedError", ConnectionRefusedError(111, "Connection refused")),
    Fault("UnreachableError", Reply({"x": 1}, drop="before")),
    Fault("UnreachableError", Reply({"x": 1}, drop="headers")),
    Fault("UnreachableError", Reply({"x": "y" * 50}, drop="body")),
    Fault("UnreachableError", Reply({"x": 1}, delay=REQUEST_TIMEOUT * 3)),
    Fault("UnreachableError", Reply({"x": "y" * 50}, drip=1.0)),
]
UNREADABLE = [
    Fault("MalformedAnswerError", Reply(b"<html>healthy completed"), unreadable=True),
    Fault("MalformedAnswerError", Reply(b'{"diagnostics": {"status": "healt'), unreadable=True),
    Fault("MalformedAnswerError", Reply(b"\xff\xfe\x00"), unreadable=True),
    Fault("MalformedAnswerError", Reply(["healthy"]), unreadable=True),
    Fault("MalformedAnswerError", Reply(b'{"x": NaN}'), unreadable=True),
    Fault("MalformedAnswerError", Reply({"x": "y" * 1_100_000}), unreadable=True),
    Fault("MalformedAnswerError", Reply({}), unreadable=True),
    Fault("RejectedError", Reply({"ERROR": "not today"}), unreadable=True),
]
FAULTS = [*FINAL, *PASSING, *UNREADABLE]


# What the services say.


@dataclass(frozen=True)
class Sending:
    """What Instantly says of a campaign.

    :param age: seconds since the data was refreshed, negative for the future; None for no time at all.
    :param place: where the code stands; the other place then says nothing.
    :param due: seconds until the first follow-up falls due, if it says so.
    :param hopeless: a detail says that waiting will not help.
    """

    code: Any
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
    resending: tuple[float, Fault] | None = None
    held_until: float = 0.0


@dataclass
class Told:
    """What the vendor did about a request, to be held against what comes of it.

    :param about: the campaign; None for the list of all.
    :param said: what it said of the campaigns, unless it failed.
    """

    about: str | None
    fault: Fault | None
    said: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    rest: float | None = None
    updated: float | None = None


class Services:
    """Both services, one account to a port: even ports are Campaign Cleaner's, odd ones Instantly's."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.exchanges: list[Exchange] = []
        self.on_request: Callable[[Exchange], None]
        self.on_end: Callable[[Exchange], None]
        self.world: World

    def connected(self, exchange: Exchange) -> None:
        account = self.accounts[exchange.port]
        self.exchanges.append(exchange)
        again = account.resending is not None and account.resending[0] == exchange.at
        fault = account.resending[1] if again and account.resending else None
        account.resending = None
        if not again and account.faults:
            fault = account.faults.popleft()
        exchange.told = Told(None, fault, again=again)
        self.on_request(exchange)
        if fault is not None and isinstance(fault.reply, OSError):
            exchange.ended_at = exchange.at
            self.on_end(exchange)
            raise fault.reply

    def answer(self, exchange: Exchange) -> Reply:
        account, told, request = self.accounts[exchange.port], exchange.told, exchange.request
        assert request is not None
        if request.path.endswith("/get_campaign_list"):
            shown = {name: said for name, said in account.states.items() if name not in account.unlisted}
            told.said = shown
            body: Any = {"campaign_list": [{"id": name, "status": said} for name, said in shown.items()]}
        elif request.path.endswith("/get_campaign_status"):
            told.about = request.json["campaign"]["id"]
            told.said = {told.about: account.states[told.about]}
            body = {"campaign_status": {"id": told.about, "status": account.states[told.about]}}
        else:
            told.about = request.path.split("/")[-2]
            told.said = {told.about: account.states[told.about]}
            body = self._sending(told.about, account.states[told.about], told)
        if told.fault is None:
            return Reply(body, delay=account.delay)
        told.said = {}
        if told.fault.rest is not None:
            told.rest = self.world.clock.vendor + told.fault.rest
        reply: Reply = told.fault.reply
        if reply.headers.get("Retry-After") == "in 90 s":
            told.rest = float(int(told.rest or 0))
            dated = {"Retry-After": formatdate(told.rest, usegmt=True)}
            return Reply(reply.body, reply.status, dated)
        return reply

    def _sending(self, name: str, said: Sending, told: Told) -> dict[str, Any]:
        diagnostics: dict[str, Any] = {"campaign_id": name}
        if said.age is not None:
            told.updated = self.world.clock.vendor - said.age
            diagnostics["last_updated"] = datetime.fromtimestamp(told.updated, timezone.utc).isoformat()
        if said.due is not None:
            diagnostics["follow_ups_waiting"] = {"count": 4, "earliest_wait_time_seconds": said.due}
        if said.hopeless:
            diagnostics["campaign_daily_limit"] = {"limit": 0}
            diagnostics["new_lead_limit"] = {"limit": 0}
            diagnostics["accounts_summary"] = {"total_connected": 0}
        if said.place == "diagnostics":
            return {"diagnostics": {**diagnostics, "status": said.code}, "summary": {"status": "healthy"}}
        if said.place == "summary":
            return {"diagnostics": {**diagnostics, "status": None}, "summary": {"status": said.code}}
        told.updated = None
        return {"diagnostics": None, "summary": {"status": said.code}}

    def ended(self, exchange: Exchange) -> None:
        fault = exchange.told.fault
        dropped = fault is not None and isinstance(fault.reply, Reply) and fault.reply.drop
        request = exchange.request
        if dropped in {"before", "headers"} and isinstance(exchange.side, Loop) and not exchange.told.again:
            assert request is not None
            if request.method == "GET" and not exchange.given_up:
                # aiohttp sends a GET again, once and at once, if no answer has begun.
                self.accounts[exchange.port].resending = (exchange.ended_at or 0.0, fault)
                return
        self.on_end(exchange)


# The model.


@dataclass
class Stretch:
    """One stretch of a wait in one place: on a worker, or in one triggerer.

    :param exact: nobody else asks its account, so that it hears of its own looks and of nothing else.
    :param ends_by: when a timer of its own ends it, on the steady clock; infinite on a worker.
    """

    side: str
    begun: float
    exact: bool
    ends_by: float = float("inf")
    failures: int = 0
    earliest: float = 0.0
    latest: float = float("inf")
    has_to: set[str] = field(default_factory=lambda: {GOING_ON})
    silent: bool = False


GOING_ON, TIMED_OUT = "going on", "timed out"


class Wait:
    """One task that waits: what is known of it, and what the promises make of that."""

    def __init__(self, airflow: Airflow, port: int, campaign: str, *, alone: bool, **arguments: Any) -> None:
        self.airflow, self.world, self.services = airflow, airflow.world, airflow.services
        self.port, self.campaign, self.alone = port, campaign, alone
        self.arguments = arguments
        self.interval = arguments["poke_interval"]
        self.patience = arguments["max_failures"]
        self.begun, self.wall_begun = self.clock.now, self.clock.wall
        self.deadline = self.clock.wall + self.span
        self.limit = self.clock.now + self.span + self.grace
        self.outcome: str | None = None
        self.stretch: Stretch
        self.looks = 0

    span: float
    grace: float = LAST_ANSWER + 3 * REQUEST_TIMEOUT + 1
    deferrable: bool

    @property
    def clock(self) -> Any:
        return self.world.clock

    def task(self) -> Any:
        """Return the operator, as a process that has just started builds it."""
        raise NotImplementedError

    def means(self, told: Told) -> tuple[str, float | None]:
        """Say what an answer does to the wait, and when another look is said to be worth while."""
        raise NotImplementedError

    # Where it is.

    def on_worker(self, *, silent: bool = False) -> None:
        """Begin a stretch on a worker, which looks at once, unless it only hears how the wait has ended."""
        now = self.clock.now
        self.stretch = Stretch("worker", now, exact=True, earliest=now, latest=now + TOGETHER, silent=silent)
        if silent:
            self.stretch.latest = float("inf")

    def in_triggerer(self, *, first: tuple[float, float] | None = None) -> None:
        """Begin a stretch in a triggerer, by its own timer no longer than to a moment behind the deadline."""
        now, left = self.clock.now, self.deadline - self.clock.wall
        by = now + (left + LAST_ANSWER if left > 0 else REQUEST_TIMEOUT)
        self.stretch = Stretch("triggerer", now, exact=self.alone, ends_by=by)
        low, high = first or (now, now)
        self.stretch.earliest, self.stretch.latest = max(low, now), max(high, now) + TOGETHER
        held = self.services.accounts[self.port].held_until
        self.stretch.latest = max(self.stretch.latest, held + TOGETHER)
        # What an outage or a clock has cost is no fault of the wait's; a late one may still look.
        self.limit = max(self.limit, now + max(left, 0.0) + self.grace)

    # What it does.

    def asks(self) -> None:
        """Hold a look against what is allowed."""
        self.looks += 1
        stretch, now = self.stretch, self.clock.now
        assert self.outcome is None, f"{self} asks after its end"
        assert stretch.has_to & {GOING_ON}, f"{self} asks although it had to be {stretch.has_to}"
        assert not stretch.silent, f"{self} asks although all is said"
        assert now >= stretch.earliest - A_MOMENT, f"{self} asks at {now}, before {stretch.earliest}"
        stretch.earliest, stretch.latest = float("inf"), float("inf")

    def hears(self, told: Told) -> None:
        """Take in what came of a look."""
        stretch = self.stretch
        if self.outcome is not None or GOING_ON not in stretch.has_to:
            return
        failed = told.fault is not None and not (told.fault.unreadable and self.reads_anything)
        if failed:
            assert told.fault is not None
            stretch.failures += 1
            low, high = self.pause_after(stretch.failures)
            if told.rest is not None:
                rest = max(told.rest - self.clock.wall, 0.0)
                low, high = max(low, rest), max(high, rest * 1.1)
                if stretch.side == "triggerer" and told.fault.name == "RateLimitedError":
                    account = self.services.accounts[self.port]
                    account.held_until = max(account.held_until, self.clock.now + min(rest, 300.0))
            if told.fault.final or self.has_enough(stretch, told):
                stretch.has_to = {told.fault.name}
                return
        else:
            stretch.failures = 0
            ending, look = self.means(told)
            if ending != GOING_ON:
                stretch.has_to = {ending}
                return
            low, high = self.interval * 0.9, self.interval
            if look is not None:
                worth = min(look - self.clock.wall, 3600.0)
                low, high = max(low, worth), max(high, worth)
        self.looks_again(stretch, low, high, failed=failed)

    def looks_again(self, stretch: Stretch, low: float, high: float, *, failed: bool) -> None:
        """Say when the next look is due: by its rhythm, but at the deadline at the latest."""
        now, left = self.clock.now, self.deadline - self.clock.wall
        if left <= A_MOMENT and not (failed and not self.span):
            stretch.has_to = {TIMED_OUT} if left <= -A_MOMENT else {TIMED_OUT, GOING_ON}
        if self.span:
            low, high = (min(max(pause, 0.1), max(left, 0.0)) for pause in (low, high))
        stretch.earliest, stretch.latest = now + low, now + high + TOGETHER
        if stretch.side == "triggerer":
            held = self.services.accounts[self.port].held_until
            stretch.latest = max(stretch.latest, held + TOGETHER)

    def pause_after(self, failures: int) -> tuple[float, float]:
        pause = min(self.interval * 2 ** (failures - 1), max(300.0, self.interval))
        return pause * 0.9, pause

    def has_enough(self, stretch: Stretch, told: Told) -> bool:
        return stretch.failures >= self.patience

    @property
    def reads_anything(self) -> bool:
        """Whether an answer that cannot be read counts as one."""
        return False

    # How it ends.

    def event(self, event: dict[str, Any]) -> None:
        """Hold the event of a trigger against what it heard."""
        stretch, ending = self.stretch, event["ending"]
        error = (event["error"] or {}).get("class")
        ended = {"answered": ANSWERED, "timed_out": TIMED_OUT, "failed": error}[ending]
        if ended == TIMED_OUT and GOING_ON in stretch.has_to:
            assert self.clock.now >= stretch.ends_by - A_MOMENT, f"{self} gave up too soon"
        elif stretch.exact:
            assert ended in stretch.has_to, f"{self} was {ended}, and had to be {stretch.has_to}"
        else:
            self.check_evidence(ended, event)
        assert event["deadline"] == pytest.approx(self.deadline), f"{self} changed its deadline"
        self.fired = ended

    fired: str | None = None

    def check_evidence(self, ended: str, event: dict[str, Any]) -> None:
        """Find what a wait that shares its account says that it has heard."""
        heard = [
            each
            for each in self.services.exchanges
            if each.port == self.port
            and isinstance(each.side, Loop)
            and each.at >= self.stretch.begun
            and each.ended_at is not None
            and each.told.about in {None, self.campaign}
        ]
        if ended == ANSWERED:
            assert any(self.campaign in each.told.said and self.shows(each.told, event) for each in heard), (
                f"{self} ended with {event['said']}, which nobody said"
            )
            return
        named = [each for each in heard if each.told.fault and each.told.fault.name == ended]
        assert named, f"{self} ended with {ended}, which nobody said"
        if named[-1].told.fault.final:
            single = ended in {"NotFoundError", "BadRequestError"}
            assert not single or any(each.told.about == self.campaign for each in named)
            return
        since = max((each.at for each in heard if self.campaign in each.told.said), default=-1.0)
        failing = [
            each
            for each in self.services.exchanges
            if each.port == self.port and each.told.fault and each.at >= max(self.stretch.begun, since)
        ]
        assert len(failing) >= self.patience, f"{self} gave up after {len(failing)} failures"

    def shows(self, told: Told, event: dict[str, Any]) -> bool:
        """Tell whether an answer is what an event says."""
        raise NotImplementedError

    def ended(self, outcome: str) -> None:
        """Hold the end of the task against what it heard."""
        assert self.outcome is None, f"{self} ended twice"
        stretch = self.stretch
        expected = stretch.has_to
        if outcome == TIMED_OUT and GOING_ON in expected:
            late = self.clock.wall >= self.deadline - A_MOMENT
            lasted = self.clock.now - self.begun >= self.span - A_MOMENT
            assert late or lasted, f"{self} ran out of time too soon"
        else:
            assert outcome in expected, f"{self} ended as {outcome}, and had to be {expected}"
        self.outcome = outcome

    def check(self) -> None:
        """Once all that can be done at this moment is done: is the wait where it has to be?"""
        if self.outcome is not None:
            return
        now, stretch = self.clock.now, self.stretch
        stored = self.airflow.storing
        assert now <= self.limit + A_MOMENT or not stored, f"{self} goes on after its end"
        if stretch.side == "triggerer" and (self.airflow.down or self.fired):
            return
        if stretch.exact:
            assert GOING_ON in stretch.has_to, f"{self} goes on, and had to be {stretch.has_to}"
            assert now <= stretch.latest + A_MOMENT, f"{self} has not looked since {stretch.latest}"
        assert now <= stretch.ends_by + A_MOMENT, f"{self} goes on after its deadline"

    def __repr__(self) -> str:
        return f"{type(self).__name__} on {self.campaign} of {self.port} {self.arguments}"


ANSWERED = "answered"


class Sensor(Wait):
    """A wait for a campaign in Campaign Cleaner."""

    @property
    def span(self) -> float:  # type: ignore[override]
        return float(self.arguments["timeout"])

    @property
    def deferrable(self) -> bool:  # type: ignore[override]
        return bool(self.arguments["deferrable"])

    def task(self) -> CampaignCleanerCampaignSensor:
        return CampaignCleanerCampaignSensor(
            task_id="wait",
            campaign_id=self.campaign,
            campaign_cleaner_conn_id=f"model_{self.port}",
            **self.arguments,
        )

    def means(self, told: Told) -> tuple[str, float | None]:
        state = told.said[self.campaign]
        if state == "processing" or (state == "paused" and self.arguments["paused"] == "wait"):
            return GOING_ON, None
        if self.stretch.side == "triggerer":
            return ANSWERED, None
        return self.verdict(state), None

    def verdict(self, state: str) -> str:
        return {"completed": "done", "paused": "CampaignPausedError"}.get(state, "UnknownStatusError")

    def shows(self, told: Told, event: dict[str, Any]) -> bool:
        return bool(told.said[self.campaign] == event["said"])

    def resumed(self, event: dict[str, Any]) -> None:
        """Say how the task has to end, once it is told how the wait did."""
        self.on_worker(silent=True)
        fired, self.fired = self.fired, None
        self.stretch.has_to = {self.verdict(event["said"]) if fired == ANSWERED else str(fired)}

    def given_up(self) -> None:
        """Say how it has to end if Airflow gives up on the triggerer."""
        self.on_worker(silent=True)
        self.stretch.has_to = {TIMED_OUT}


class Gate(Wait):
    """A send gate."""

    reads_anything = True

    @property
    def span(self) -> float:  # type: ignore[override]
        return float(self.arguments["wait_timeout"])

    @property
    def grace(self) -> float:  # type: ignore[override]
        # Without a wait there are five attempts, with pauses of up to a minute where the service asks for it.
        return super().grace if self.span else 5 * (REQUEST_TIMEOUT + 1) + 4 * 61.0

    @property
    def deferrable(self) -> bool:  # type: ignore[override]
        return bool(self.arguments["deferrable"])

    def task(self) -> InstantlySendGateOperator:
        return InstantlySendGateOperator(
            task_id="gate",
            campaign_id=self.campaign,
            instantly_conn_id=f"model_{self.port}",
            **self.arguments,
        )

    def means(self, told: Told) -> tuple[str, float | None]:
        meaning = self.verdict(told)
        if meaning == "wait":
            return GOING_ON, self.worth_a_look(told)
        return (ANSWERED if self.stretch.side == "triggerer" else meaning), None

    def verdict(self, told: Told) -> str:
        """Say what opens a gate, as the documentation does."""
        said = told.said.get(self.campaign)
        code = said.code if said is not None else None
        if not isinstance(code, str) or code not in CODES:
            return "wait"
        policy = self.arguments["policy"] or {}
        if code in policy:
            meaning = policy[code]
        elif said.hopeless and code in {"daily_limit_met", "new_lead_limit_met", "no_accounts_available"}:
            meaning = "closed" if told.updated is not None else "wait"
        else:
            meaning = "open" if code in OPEN else "closed" if code in CLOSED else "wait"
        if meaning == "open":
            fresh = (
                told.updated is not None
                and -300.0 <= self.clock.wall - told.updated <= self.arguments["max_status_age"]
            )
            return "open" if fresh else "wait"
        return "closed" if meaning == "finished" else str(meaning)

    def worth_a_look(self, told: Told) -> float | None:
        said = told.said.get(self.campaign)
        if said is None or said.code != "follow_up_delay_not_met" or not said.due or said.place == "nowhere":
            return None
        since = min(told.updated if told.updated is not None else self.clock.wall, self.clock.wall)
        return since + said.due if since + said.due > self.clock.wall else None

    def pause_after(self, failures: int) -> tuple[float, float]:
        if self.span:
            return super().pause_after(failures)
        return 0.5 * 2 ** (failures - 1), 2.0 ** (failures - 1)

    def has_enough(self, stretch: Stretch, told: Told) -> bool:
        if self.span:
            return super().has_enough(stretch, told)
        rest = max(told.rest - self.clock.wall, 0.0) if told.rest is not None else 0.0
        return stretch.failures >= 5 or rest > 60.0

    def shows(self, told: Told, event: dict[str, Any]) -> bool:
        return bool(told.said[self.campaign].code == event["said"]["code"])

    def resumed(self, event: dict[str, Any]) -> None:
        fired, self.fired = self.fired, None
        if fired in {ANSWERED, TIMED_OUT}:
            self.on_worker()
            return
        self.on_worker(silent=True)
        self.stretch.has_to = {str(fired)}

    def given_up(self) -> None:
        self.on_worker(silent=True)
        self.stretch.has_to = {TIMED_OUT}


# What Airflow does.


class Airflow:
    """Workers without number, one triggerer, and what the database keeps."""

    def __init__(self) -> None:
        self.services = Services()
        self.world = self.services.world = World(self.services)
        self.world.between = self._hand_over
        self.services.on_request, self.services.on_end = self._requested, self._replied
        self.waits: list[Wait] = []
        self.stored: dict[Wait, tuple[str, str]] = {}
        self.fired: list[tuple[Loop, Wait, str]] = []
        self.storing = True
        self.down = False
        self._working: dict[Worker, Wait] = {}
        self._asking: dict[Wait, Worker] = {}

    def begin(self, wait: Wait) -> None:
        self.waits.append(wait)
        wait.on_worker()
        context = {"ti": TaskInstance(first_reschedule=None)}
        self._work(wait, lambda: wait.task().execute({**context, "task": None}))

    def _work(self, wait: Wait, step: Callable[[], Any]) -> None:
        """Let a worker take a step of a task, and do what its outcome asks for."""

        def do() -> None:
            try:
                result = step()
            except TaskDeferred as deferred:
                self._defer(wait, deferred)
            except AirflowRescheduleException as later:
                begun = datetime.fromtimestamp(wait.wall_begun, timezone.utc)
                context = {"ti": TaskInstance(first_reschedule=begun), "task": None}
                self._at(
                    later.reschedule_date.timestamp(),
                    lambda: self._work(wait, lambda: wait.task().execute(context)),
                )
            except (SendGateTimeoutError, AirflowSensorTimeout):
                wait.ended(TIMED_OUT)
            except SendGateClosedError:
                wait.ended("closed")
            except Exception as error:
                if type(error).__module__ != "airflow_provider_campaigns.exceptions":
                    raise
                wait.ended(type(error).__name__)
            else:
                opened = isinstance(result, dict) and result["open"]
                assert opened or result == wait.campaign
                wait.ended("open" if opened else "done")

        known = len(self.world.workers)
        self._next = wait
        self.world.work(do)
        assert len(self.world.workers) <= known + 1

    def _at(self, wall: float, do: Callable[[], None]) -> None:
        self.world.alarms.append((wall, do))

    def _defer(self, wait: Wait, deferred: TaskDeferred) -> None:
        classpath, kwargs = deferred.trigger.serialize()
        assert wait.deferrable
        assert GOING_ON in wait.stretch.has_to, f"{wait} waits on, and had to be {wait.stretch.has_to}"
        self.stored[wait] = row = classpath, json.dumps(serialize(kwargs))
        # A gate has looked; a sensor leaves the first look to the trigger.
        looked = wait.stretch.earliest, wait.stretch.latest - TOGETHER
        first = looked if isinstance(wait, Gate) else None
        wait.in_triggerer(first=first)
        timeout = deferred.timeout.total_seconds()
        assert timeout <= max(wait.deadline - wait.clock.wall, 0.0) + BACKSTOP + A_MOMENT
        self._at(wait.clock.wall + timeout, lambda: self._give_up(wait, row))
        if not self.down:
            self._start(wait)

    def _give_up(self, wait: Wait, row: tuple[str, str]) -> None:
        """Do what Airflow does with a deferral that has outlived its timeout."""
        if self.stored.get(wait) is not row:
            return
        del self.stored[wait]
        wait.fired = None
        wait.given_up()
        told = {"error": "Trigger timeout"}
        self._work(wait, lambda: wait.task().resume_execution("__fail__", told, {"ti": TaskInstance()}))

    # The triggerer.

    def _start(self, wait: Wait) -> None:
        if self.world.loop is None:
            self.world.loop = Loop(self.world)
        loop = self.world.loop
        classpath, stored = self.stored[wait]
        trigger = import_string(classpath)(**deserialize(json.loads(stored)))

        async def run() -> None:
            async with aclosing(trigger.run()) as events:
                payload = json.dumps((await anext(events)).payload, allow_nan=False)
            if not loop.dead:
                wait.event(json.loads(payload))
                self.fired.append((loop, wait, payload))
                loop.stop()

        self._tasks.append(loop.create_task(run()))

    _tasks: list[Any]

    def _hand_over(self) -> None:
        """Store the events that have fired, and let workers go on with their tasks."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()
        while self.fired and self.storing:
            _, wait, payload = self.fired.pop(0)
            if self.stored.pop(wait, None) is None:
                continue  # Airflow has given up on it meanwhile
            event = json.loads(payload)
            wait.resumed(event)
            context = {"ti": TaskInstance(), "task": None}
            self._work(
                wait,
                lambda wait=wait, event=event: wait.task().resume_execution(
                    "execute_complete", {"event": event}, context
                ),
            )

    def kill_triggerer(self) -> None:
        """Take the triggerer away, and whatever it has not stored with it."""
        self.down = True
        self.fired.clear()
        self._tasks.clear()
        loop, self.world.loop = self.world.loop, None
        if loop is not None:
            loop.kill()
        pacing._paces.clear()
        for account in self.services.accounts.values():
            account.held_until, account.resending = 0.0, None

    def start_triggerer(self) -> None:
        self.down = False
        for wait in self.stored:
            wait.fired = None
            first = None
            if isinstance(wait, Gate):
                wall = deserialize(json.loads(self.stored[wait][1]))["first_look"]
                first = (wait.clock.steady(wall),) * 2
            wait.in_triggerer(first=first)
            self._start(wait)

    # Who asks, and who hears.

    def _asker(self, exchange: Exchange) -> Wait | None:
        """Return the wait whose own a request is; None where it is one of those that share an account."""
        if isinstance(exchange.side, Worker):
            return self._working.setdefault(exchange.side, self._next)
        alone = [wait for wait in self.waits if wait.port == exchange.port and wait.alone]
        return alone[-1] if alone else None

    def _requested(self, exchange: Exchange) -> None:
        wait = self._asker(exchange)
        exchange.told.wait = wait
        if wait is not None and not exchange.told.again:
            exchange.told.stretch = wait.stretch
            assert (wait.stretch.side == "worker") == isinstance(exchange.side, Worker)
            wait.asks()
        elif wait is not None:
            exchange.told.stretch = wait.stretch

    def _replied(self, exchange: Exchange) -> None:
        wait, told = exchange.told.wait, exchange.told
        if wait is None or wait.stretch is not told.stretch:
            return
        if exchange.given_up:
            if self.world.clock.now - exchange.at < REQUEST_TIMEOUT - A_MOMENT:
                if told.fault is None or told.fault.name != "MalformedAnswerError":
                    return  # its time was up, not the request's
            elif told.fault is None:
                told.fault, told.said = Fault("UnreachableError", None), {}
        wait.hears(told)
