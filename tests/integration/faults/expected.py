"""The matrix: what each component makes of each fault. The tests assert it, and the documentation shows it.

It is written down by kinds of faults and families of components, from what the documentation promises;
nothing of it is computed by the code that it judges. The random part of each pause is taken to be 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import SubmissionUnconfirmedError
from airflow_provider_campaigns.operators.instantly import SendGateTimeoutError
from tests.integration.faults.components import GATE_TIMEOUT, SENSOR_TIMEOUT, Component, Family
from tests.support.faults import Fault, Kind

DONE = "done"
NO_STATUS = "no status"
# The error that the fault itself is raised as.
ITS_OWN = "its own"

# How long a submission whose answer was lost is given to be listed, and how many requests that takes.
SETTLING = 10.0
LOOKS_FOR_IT = 2
# The pauses between the attempts at a call, and those between looks that fail in a row.
CALL = (0.5, 1.0, 2.0, 4.0)
PAUSES: Mapping[Family, tuple[float, ...]] = {
    **dict.fromkeys(Family, CALL),
    Family.SENSOR: (10.0, 20.0, 40.0, 80.0),
    Family.GATE: (60.0, 120.0, 240.0, 300.0),
}
INTERVALS = {Family.SENSOR: 10.0, Family.GATE: 60.0}
DEADLINES = {Family.SENSOR: SENSOR_TIMEOUT, Family.GATE: GATE_TIMEOUT}
# The triggerer hears an answer for so long after the deadline.
LAST_LOOK = 1.0


@dataclass(frozen=True)
class Cell:
    """What comes of a component that meets a fault.

    :param outcome: an error's class, or a word.
    :param requests: what the service sees, from the first look that meets the fault on.
    :param seconds: how long it pauses in all; None where that is not said.
    :param tries: how many tries of the task, or calls, it takes.
    """

    outcome: Any
    requests: int
    seconds: float | None = 0.0
    tries: int = 1


@dataclass(frozen=True)
class Row:
    """What a family makes of a kind of fault that does not go away.

    :param outcome: as in a cell.
    :param met: how often the fault is met.
    :param more: requests beyond those that meet the fault.
    :param pauses: how many of the family's pauses it makes.
    :param seconds: further seconds.
    :param to_deadline: it takes until the deadline instead.
    """

    outcome: Any = ITS_OWN
    met: int = 1
    more: int = 0
    pauses: int = 0
    seconds: float = 0.0
    to_deadline: bool = False


_ONCE = Row()
_FIVE_TIMES = Row(met=5, pauses=4)
_LOST = Row(SubmissionUnconfirmedError, more=LOOKS_FOR_IT, seconds=SETTLING)
_FOUND = Row(DONE, more=1)
_SHUT = Row(SendGateTimeoutError)
# At once, and every 60 s for an hour.
_SHUT_AFTER_AN_HOUR = Row(SendGateTimeoutError, met=61, to_deadline=True)

MATRIX: Mapping[Kind, Mapping[Family, Row]] = {
    Kind.HARMLESS: dict.fromkeys(Family, Row(DONE)),
    Kind.FINAL: dict.fromkeys(Family, _ONCE),
    Kind.RETRIED: {
        **dict.fromkeys(Family, _FIVE_TIMES),
        Family.SUBMIT: _LOST,
        Family.SUBMIT_LISTED: _FOUND,
        Family.LEADS: _ONCE,
    },
    Kind.NOT_CONNECTED: dict.fromkeys(Family, _FIVE_TIMES),
    Kind.RATE_LIMITED: {
        **dict.fromkeys(Family, _FIVE_TIMES),
        Family.SUBMIT: _ONCE,
        Family.SUBMIT_LISTED: _ONCE,
    },
    Kind.LONG_REST: {
        **dict.fromkeys(Family, _ONCE),
        Family.SENSOR: Row(AirflowSensorTimeout, met=2, to_deadline=True),
        Family.GATE: Row(SendGateTimeoutError, met=2, to_deadline=True),
    },
    Kind.REJECTED: {**dict.fromkeys(Family, _ONCE), Family.SENSOR: _FIVE_TIMES},
    Kind.UNREADABLE: {
        **dict.fromkeys(Family, _ONCE),
        Family.SENSOR: _FIVE_TIMES,
        Family.GATE_LOOK: _SHUT,
        Family.GATE: _SHUT_AFTER_AN_HOUR,
        Family.SUBMIT: _LOST,
        Family.SUBMIT_LISTED: _FOUND,
    },
    Kind.NO_STATUS: {
        Family.READ: Row(NO_STATUS),
        Family.GATE_LOOK: _SHUT,
        Family.GATE: _SHUT_AFTER_AN_HOUR,
        Family.LEADS: _ONCE,
    },
}

# Waits whose clock jumps, by component: the deadline is an instant on the clock, so a clock that is put
# forward ends the wait at the next look. One that is put back draws the wait out, except where a second,
# steady clock ends it: that of Airflow's sensors in mode poke, and that of the triggerer's event loop. What
# the service says of a send is an hour old by a clock that is put forward, and from the future by one that
# is put back: neither opens a gate.
FORWARD, BACK = "clock an hour forward", "clock an hour back"
THEN_READY = ", then ready"
_TIMED_OUT_AT_NEXT_LOOK = Cell(AirflowSensorTimeout, 2, 10.0)
_SHUT_AT_NEXT_LOOK = Cell(SendGateTimeoutError, 2, 60.0)
_SHUT_AN_HOUR_LATE = Cell(SendGateTimeoutError, 121, 2 * GATE_TIMEOUT)
_READY_AT_NEXT_LOOK = Cell(DONE, 2, 10.0)
CLOCKS: Mapping[str, Mapping[str, Cell]] = {
    FORWARD: {
        "sensor, poke": _TIMED_OUT_AT_NEXT_LOOK,
        "sensor, reschedule": _TIMED_OUT_AT_NEXT_LOOK,
        "sensor, deferrable": _TIMED_OUT_AT_NEXT_LOOK,
        "gate, waiting on a worker": _SHUT_AT_NEXT_LOOK,
        "gate, deferred": _SHUT_AT_NEXT_LOOK,
    },
    BACK: {
        "sensor, poke": Cell(AirflowSensorTimeout, 91, SENSOR_TIMEOUT),
        "sensor, reschedule": Cell(AirflowSensorTimeout, 451, SENSOR_TIMEOUT + 3600),
        "sensor, deferrable": Cell(AirflowSensorTimeout, 90, SENSOR_TIMEOUT + LAST_LOOK),
        "gate, waiting on a worker": _SHUT_AN_HOUR_LATE,
        "gate, deferred": _SHUT_AN_HOUR_LATE,
    },
    FORWARD + THEN_READY: {
        "sensor, poke": _READY_AT_NEXT_LOOK,
        "sensor, reschedule": _READY_AT_NEXT_LOOK,
        "sensor, deferrable": _READY_AT_NEXT_LOOK,
        "gate, one look": Cell(SendGateTimeoutError, 2, CALL[0]),
        "gate, waiting on a worker": _SHUT_AT_NEXT_LOOK,
        "gate, deferred": _SHUT_AT_NEXT_LOOK,
    },
    BACK + THEN_READY: {
        "sensor, poke": _READY_AT_NEXT_LOOK,
        "sensor, reschedule": _READY_AT_NEXT_LOOK,
        "sensor, deferrable": _READY_AT_NEXT_LOOK,
        "gate, one look": Cell(SendGateTimeoutError, 2, CALL[0]),
        "gate, waiting on a worker": _SHUT_AN_HOUR_LATE,
        "gate, deferred": _SHUT_AN_HOUR_LATE,
    },
}


def expected(fault: Fault, component: Component) -> Cell:
    """Return what comes of a component that meets a fault which does not go away."""
    family, kind = component.family, fault.kind_for(component)
    if component.name in CLOCKS.get(fault.name, {}):
        return CLOCKS[fault.name][component.name]
    if kind is Kind.CLOCK_THEN_READY and family is Family.READ:
        return Cell(DONE, 2, CALL[0])
    if kind in {Kind.CLOCK, Kind.CLOCK_THEN_READY}:
        kind = Kind.RETRIED  # a jump changes nothing where nobody waits for an instant
    row = MATRIX[kind][family]
    outcome = fault.error_for(component) if row.outcome == ITS_OWN else row.outcome
    requests = row.met * fault.requests_to_meet(component) + row.more
    if row.to_deadline:
        seconds = DEADLINES[family]
    else:
        seconds = _before(component) + row.seconds + sum(_pauses(fault, family, row.pauses))
    if component.begins_on_worker and row is _SHUT_AFTER_AN_HOUR:
        requests -= 1  # the look at the beginning, which met no fault
    if component.looks_again and outcome in {DONE, SendGateTimeoutError}:
        requests += 1
    return Cell(outcome, requests, seconds)


def may_be_over(fault: Fault) -> bool:
    """Tell whether a fault can go away; a clock's jump is over at once, and what is harmless need not."""
    return fault.kind not in {Kind.HARMLESS, Kind.CLOCK, Kind.CLOCK_THEN_READY}


def expected_once_over(fault: Fault, component: Component, times: int) -> Cell:
    """Return what it takes where the fault is over after some times, and the task is retried or cleared."""
    left, tries, survived = times, 1, _survived(fault, component)
    while left > survived[min(tries, 2) - 1]:
        left -= survived[min(tries, 2) - 1] + 1
        tries += 1
    if MATRIX[fault.kind_for(component)][component.family].outcome == DONE:
        left, tries = 0, 1  # a submission that is listed
        return expected(fault, component)
    requests = times * fault.requests_to_meet(component) + 1
    if tries == 1:
        return Cell(DONE, requests + int(component.looks_again), _seconds_to_survive(fault, component, times))
    if component.family in {Family.SUBMIT, Family.SUBMIT_LISTED}:
        requests += _looks_for_submissions(fault, component, tries)
    return Cell(DONE, requests, None, tries)


def in_doubt(fault: Fault) -> bool:
    """Tell whether the service may have acted although its answer does not say so."""
    return fault.kind in {Kind.RETRIED, Kind.UNREADABLE, Kind.CLOCK, Kind.CLOCK_THEN_READY}


def _survived(fault: Fault, component: Component) -> tuple[float, float]:
    """How often the fault is met at most by a try that ends well: the first one, and each later one."""
    row = MATRIX[fault.kind_for(component)][component.family]
    if row is _SHUT_AFTER_AN_HOUR:
        return math.inf, math.inf
    if row.to_deadline and component.looks_again:
        return row.met, row.met - 1
    return row.met - 1, row.met - 1


def _seconds_to_survive(fault: Fault, component: Component, times: int) -> float:
    row = MATRIX[fault.kind_for(component)][component.family]
    if row is _SHUT_AFTER_AN_HOUR:
        return _before(component) + times * INTERVALS[component.family]
    if row.to_deadline:
        return DEADLINES[component.family]
    return _before(component) + sum(_pauses(fault, component.family, times))


def _looks_for_submissions(fault: Fault, component: Component, tries: int) -> int:
    """How many requests look for submissions: each retry does first, and each try in doubt at its end."""
    if fault.unseen:
        return LOOKS_FOR_IT  # it keeps the retries from looking too, up to the last
    ends = int(in_doubt(fault)) + 1
    return LOOKS_FOR_IT * ends * (tries - 1)


def _before(component: Component) -> float:
    return INTERVALS[component.family] if component.begins_on_worker else 0.0


def _pauses(fault: Fault, family: Family, count: int) -> list[float]:
    return [max(pause, fault.rest) for pause in PAUSES[family][:count]]
