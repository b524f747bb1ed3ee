"""The expected result of each fault in each component: the tests assert it, and the documentation shows it.

It is written by kinds of faults and families of components, from the documentation. Nothing in it is computed
by the code under test. All pauses are without jitter.
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
from tests.integration.faults.faults import Fault, Kind

DONE = "done"
NO_STATUS = "no status"
# The error of the fault itself.
FAULT_ERROR = "the error of the fault"

# How long a submission without a response waits until the service lists it, and the requests for that.
LISTING_DELAY = 10.0
LISTING_REQUESTS = 2
# The pauses between the attempts at a call, and those between polls that fail in a row.
CALL = (0.5, 1.0, 2.0, 4.0)
PAUSES: Mapping[Family, tuple[float, ...]] = {
    **dict.fromkeys(Family, CALL),
    Family.SENSOR: (10.0, 20.0, 40.0, 80.0),
    Family.GATE_WAIT: (60.0, 120.0, 240.0, 300.0),
}
INTERVALS = {Family.SENSOR: 10.0, Family.GATE_WAIT: 60.0}
DEADLINES = {Family.SENSOR: SENSOR_TIMEOUT, Family.GATE_WAIT: GATE_TIMEOUT}
# How long after the deadline a trigger still accepts a response.
LAST_POLL = 1.0


@dataclass(frozen=True)
class Cell:
    """What a component does with a fault.

    :param outcome: a class of errors, or a word.
    :param requests: how many requests the service receives, from the first occurrence of the fault on.
    :param seconds: the sum of all pauses; None where it is not checked.
    :param tries: how often the task runs.
    """

    outcome: Any
    requests: int
    seconds: float | None = 0.0
    tries: int = 1


@dataclass(frozen=True)
class Row:
    """What a family does with a kind of fault that stays.

    :param outcome: as in a cell.
    :param occurrences: how often the fault happens.
    :param more: further requests.
    :param pauses: how many of the family's pauses it makes.
    :param seconds: further seconds.
    :param to_deadline: it takes until the deadline instead.
    """

    outcome: Any = FAULT_ERROR
    occurrences: int = 1
    more: int = 0
    pauses: int = 0
    seconds: float = 0.0
    to_deadline: bool = False


_ONCE = Row()
_FIVE_TIMES = Row(occurrences=5, pauses=4)
_UNCONFIRMED = Row(SubmissionUnconfirmedError, more=LISTING_REQUESTS, seconds=LISTING_DELAY)
_FOUND = Row(DONE, more=1)
_TIMED_OUT = Row(SendGateTimeoutError)
# At once, and every 60 s for an hour.
_TIMED_OUT_AFTER_AN_HOUR = Row(SendGateTimeoutError, occurrences=61, to_deadline=True)

MATRIX: Mapping[Kind, Mapping[Family, Row]] = {
    Kind.ACCEPTED: dict.fromkeys(Family, Row(DONE)),
    Kind.FINAL: dict.fromkeys(Family, _ONCE),
    Kind.RETRIED: {
        **dict.fromkeys(Family, _FIVE_TIMES),
        Family.SUBMIT: _UNCONFIRMED,
        Family.SUBMIT_LISTED: _FOUND,
        Family.LEADS: _ONCE,
    },
    Kind.NOT_CONNECTED: dict.fromkeys(Family, _FIVE_TIMES),
    Kind.RATE_LIMITED: {
        **dict.fromkeys(Family, _FIVE_TIMES),
        Family.SUBMIT: _ONCE,
        Family.SUBMIT_LISTED: _ONCE,
    },
    Kind.LONG_RETRY_AFTER: {
        **dict.fromkeys(Family, _ONCE),
        Family.SENSOR: Row(AirflowSensorTimeout, occurrences=2, to_deadline=True),
        Family.GATE_WAIT: Row(SendGateTimeoutError, occurrences=2, to_deadline=True),
    },
    Kind.REJECTED: {**dict.fromkeys(Family, _ONCE), Family.SENSOR: _FIVE_TIMES},
    Kind.MALFORMED: {
        **dict.fromkeys(Family, _ONCE),
        Family.SENSOR: _FIVE_TIMES,
        Family.GATE_ONCE: _TIMED_OUT,
        Family.GATE_WAIT: _TIMED_OUT_AFTER_AN_HOUR,
        Family.SUBMIT: _UNCONFIRMED,
        Family.SUBMIT_LISTED: _FOUND,
    },
    Kind.NO_STATUS: {
        Family.READ: Row(NO_STATUS),
        Family.GATE_ONCE: _TIMED_OUT,
        Family.GATE_WAIT: _TIMED_OUT_AFTER_AN_HOUR,
        Family.LEADS: _ONCE,
    },
}

# Waits while the clock jumps, by component. The deadline is a time on the wall clock: after a jump forward, a
# wait ends at its next poll; after one back, it takes longer, unless a clock that does not jump ends it (that
# of Airflow's sensors in mode poke, and that of the event loop). The sending status is then an hour old, or
# from the future: neither opens a gate.
FORWARD, BACK = "clock an hour forward", "clock an hour back"
THEN_READY = ", then ready"
_GATE_TIMED_OUT_AT_NEXT_POLL = Cell(SendGateTimeoutError, 2, 60.0)
_GATE_TIMED_OUT_AN_HOUR_LATE = Cell(SendGateTimeoutError, 121, 2 * GATE_TIMEOUT)
_GATE_ONCE = Cell(SendGateTimeoutError, 2, CALL[0])
_READY_AT_NEXT_POLL = {
    "sensor, poke": Cell(DONE, 2, 10.0),
    "sensor, reschedule": Cell(DONE, 2, 10.0),
    "sensor, deferrable": Cell(DONE, 1, 10.0),
}
CLOCKS: Mapping[str, Mapping[str, Cell]] = {
    FORWARD: {
        "sensor, poke": Cell(AirflowSensorTimeout, 2, 10.0),
        "sensor, reschedule": Cell(AirflowSensorTimeout, 2, 10.0),
        "sensor, deferrable": Cell(AirflowSensorTimeout, 1, 10.0),
        "gate, waits on a worker": _GATE_TIMED_OUT_AT_NEXT_POLL,
        "gate, deferrable": _GATE_TIMED_OUT_AT_NEXT_POLL,
    },
    BACK: {
        "sensor, poke": Cell(AirflowSensorTimeout, 91, SENSOR_TIMEOUT),
        "sensor, reschedule": Cell(AirflowSensorTimeout, 451, SENSOR_TIMEOUT + 3600),
        "sensor, deferrable": Cell(AirflowSensorTimeout, 89, SENSOR_TIMEOUT + LAST_POLL),
        "gate, waits on a worker": _GATE_TIMED_OUT_AN_HOUR_LATE,
        "gate, deferrable": _GATE_TIMED_OUT_AN_HOUR_LATE,
    },
    FORWARD + THEN_READY: {
        **_READY_AT_NEXT_POLL,
        "gate, no wait": _GATE_ONCE,
        "gate, waits on a worker": _GATE_TIMED_OUT_AT_NEXT_POLL,
        "gate, deferrable": _GATE_TIMED_OUT_AT_NEXT_POLL,
    },
    BACK + THEN_READY: {
        **_READY_AT_NEXT_POLL,
        "gate, no wait": _GATE_ONCE,
        "gate, waits on a worker": _GATE_TIMED_OUT_AN_HOUR_LATE,
        "gate, deferrable": _GATE_TIMED_OUT_AN_HOUR_LATE,
    },
}


def expected(fault: Fault, component: Component) -> Cell:
    """Return what a component does with a fault that stays."""
    family, kind = component.family, fault.kind_for(component)
    if component.name in CLOCKS.get(fault.name, {}):
        return CLOCKS[fault.name][component.name]
    if kind is Kind.CLOCK_THEN_READY and family is Family.READ:
        return Cell(DONE, 2, CALL[0])
    if kind in {Kind.CLOCK, Kind.CLOCK_THEN_READY}:
        kind = Kind.RETRIED  # only a wait has a deadline
    row = MATRIX[kind][family]
    outcome = fault.error_for(component) if row.outcome == FAULT_ERROR else row.outcome
    requests = row.occurrences * fault.requests_per_occurrence(component) + row.more
    if row.to_deadline:
        seconds = DEADLINES[family]
    else:
        seconds = _before(component) + row.seconds + sum(_pauses(fault, family, row.pauses))
    if component.polls_before_deferral and row is _TIMED_OUT_AFTER_AN_HOUR:
        requests -= 1  # the first poll, before the fault
    if component.polls_after_wait and outcome in {DONE, SendGateTimeoutError}:
        requests += 1
    return Cell(outcome, requests, seconds)


def expected_after(fault: Fault, component: Component, times: int) -> Cell:
    """Return what it takes if the fault happens some times, and the task runs again until it succeeds."""
    left, tries, survived = times, 1, _survived(fault, component)
    while left > survived[min(tries, 2) - 1]:
        left -= survived[min(tries, 2) - 1] + 1
        tries += 1
    if MATRIX[fault.kind_for(component)][component.family].outcome == DONE:
        left, tries = 0, 1  # the submission is in the list
        return expected(fault, component)
    requests = times * fault.requests_per_occurrence(component) + 1
    if tries == 1:
        return Cell(
            DONE, requests + int(component.polls_after_wait), _seconds_survived(fault, component, times)
        )
    if component.family in {Family.SUBMIT, Family.SUBMIT_LISTED}:
        requests += _listing_requests(fault, component, tries)
    if component.polls_after_wait and left:
        requests += 1  # the last try waited
    return Cell(DONE, requests, None, tries)


def may_have_been_received(fault: Fault) -> bool:
    """Return whether the service may have acted on a request although its response does not show it."""
    return fault.kind in {Kind.RETRIED, Kind.MALFORMED, Kind.CLOCK, Kind.CLOCK_THEN_READY}


def _survived(fault: Fault, component: Component) -> tuple[float, float]:
    """Return how many occurrences the first try survives, and each later one."""
    row = MATRIX[fault.kind_for(component)][component.family]
    if row is _TIMED_OUT_AFTER_AN_HOUR:
        return math.inf, math.inf
    if row.to_deadline and component.polls_after_wait:
        return row.occurrences, row.occurrences - 1
    return row.occurrences - 1, row.occurrences - 1


def _seconds_survived(fault: Fault, component: Component, times: int) -> float:
    row = MATRIX[fault.kind_for(component)][component.family]
    if row is _TIMED_OUT_AFTER_AN_HOUR:
        return _before(component) + times * INTERVALS[component.family]
    if row.to_deadline:
        return DEADLINES[component.family]
    return _before(component) + sum(_pauses(fault, component.family, times))


def _listing_requests(fault: Fault, component: Component, tries: int) -> int:
    """Return the requests for the list: at the start of each retry, and at the end of an unconfirmed try."""
    if fault.not_received:
        return LISTING_REQUESTS  # only the last retry can fetch the list
    ends = int(may_have_been_received(fault)) + 1
    return LISTING_REQUESTS * ends * (tries - 1)


def _before(component: Component) -> float:
    return INTERVALS[component.family] if component.polls_before_deferral else 0.0


def _pauses(fault: Fault, family: Family, count: int) -> list[float]:
    return [max(pause, fault.retry_after) for pause in PAUSES[family][:count]]
