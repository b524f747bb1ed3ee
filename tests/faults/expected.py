"""The matrix: what each component makes of each fault. The tests assert it, and the documentation shows it.

It is written down here by kinds of faults and families of components, from what the documentation promises,
and computes nothing by the provider's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import MalformedAnswerError, SubmissionLostError
from airflow_provider_campaigns.operators.instantly import SendGateTimeoutError
from tests.faults.components import GATE_TIMEOUT, SENSOR_TIMEOUT, Component, Family
from tests.faults.faults import Fault, Kind

DONE = "done"
NO_STATUS = "no status"
# The error that the fault itself is raised as.
ITS_OWN = "its own"
# How long a lost submission is given to be listed.
SETTLING = 10.0

# The pauses between the attempts at a call and between the looks of a wait, the random part at 0.
CALL = (0.5, 1.0, 2.0, 4.0)
PAUSES: dict[Family, tuple[float, ...]] = {
    Family.READ: CALL,
    Family.SENSOR: (10.0, 20.0, 40.0, 80.0),
    Family.GATE_LOOK: CALL,
    Family.GATE: (60.0, 120.0, 240.0, 300.0),
    Family.SUBMIT: CALL,
    Family.SUBMIT_LISTED: CALL,
    Family.LEADS: CALL,
}
DEADLINES = {Family.SENSOR: SENSOR_TIMEOUT, Family.GATE: GATE_TIMEOUT}
GATE_INTERVAL = 60.0


@dataclass(frozen=True)
class Cell:
    """What comes of a component that meets a fault.

    :param outcome: an error's class, or a word.
    :param requests: what the service sees, from the first look that meets the fault on.
    :param seconds: how long it pauses in all.
    """

    outcome: Any
    requests: int
    seconds: float = 0.0


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
_FINE = Row(DONE)
_LOST = Row(SubmissionLostError, more=2, seconds=SETTLING)
_FOUND = Row(DONE, more=1)
_SHUT = Row(SendGateTimeoutError)
_SHUT_AFTER_AN_HOUR = Row(SendGateTimeoutError, met=61, to_deadline=True)

MATRIX: dict[Kind, dict[Family, Row]] = {
    Kind.HARMLESS: dict.fromkeys(Family, _FINE),
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
        Family.LEADS: Row(MalformedAnswerError),
    },
}


def expected(fault: Fault, component: Component) -> Cell:
    """Return what comes of a component that meets a fault which does not go away."""
    kind, family = fault.kind_for(component), component.family
    if kind in {Kind.CLOCK, Kind.CLOCK_THEN_READY}:
        return _expected_of_clock(fault, component)
    row = MATRIX[kind][family]
    outcome = fault.error if row.outcome == ITS_OWN else row.outcome
    met, before = row.met, GATE_INTERVAL if component.begins_on_worker else 0.0
    if row.to_deadline:
        seconds = DEADLINES[family]
        if met > 2 and component.begins_on_worker:
            met -= 1  # the look at the beginning met no fault
    else:
        seconds = before + row.seconds + sum(_pauses(fault, family)[: row.pauses])
    requests = met * fault.requests_to_meet(component) + row.more
    if component.looks_again and outcome in {DONE, SendGateTimeoutError}:
        requests += 1
    return Cell(outcome, requests, seconds)


def _pauses(fault: Fault, family: Family) -> list[float]:
    return [max(pause, fault.rest) for pause in PAUSES[family]]
