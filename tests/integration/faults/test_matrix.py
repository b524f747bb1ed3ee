"""Every fault in every component, with the result that ``expected.py`` names.

One case stands for others that prove the same: of the two slow faults, one runs in one component of each
family, and the other once with each transport; of the faults that end, one of each kind runs.
"""

from __future__ import annotations

import json
import logging
import math
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_campaigns.api.instantly import SendingStatus
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    ServiceUnavailableError,
    SubmissionUnconfirmedError,
)
from airflow_provider_campaigns.operators.instantly import SendGateTimeoutError
from tests.conftest import KEY, set_connection
from tests.integration.faults import render
from tests.integration.faults.components import (
    COMPONENTS,
    GATES,
    ID,
    RETRIES,
    UUID,
    Attempt,
    Component,
    Family,
)
from tests.integration.faults.expected import (
    DONE,
    NO_STATUS,
    Cell,
    expected,
    expected_after,
    may_have_been_received,
)
from tests.integration.faults.faults import ENDING_FAULTS, ERROR_FIELDS, FAULTS, Fault, Kind
from tests.integration.faults.injection import Scenario
from tests.support.certificates import Certificates
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply

# What each message says that a person should do.
ADVICE: dict[type[Exception], str] = {
    BadRequestError: "sending it again will not help",
    AuthenticationError: "Check the API key, which is the connection's password",
    PermissionDeniedError: "create a key that has the scope|lacks a permission: grant it",
    BlockedByProxyError: "Check the outgoing proxy and the user agent",
    PaymentRequiredError: "needs an active paid plan, or more credits",
    NotFoundError: "Check the id",
    RedirectRefusedError: "Set the connection's host",
    RejectedError: "check the id, the credits and the API key",
    MalformedResponseError: "Does the connection's host belong to",
    RateLimitedError: "lower the connection's max_requests_per_second",
    ServiceUnavailableError: "try again later",
    CertificateError: "Check the host of connection .* and this machine's certificate authorities",
    ConnectError: "Check the network, and the host of connection",
    IncompleteResponseError: "Check the network",
    SubmissionUnconfirmedError: "A retry searches again before it submits",
    # After a jump back, the message is Airflow's own.
    AirflowSensorTimeout: "raise the timeout|exceeds the specified timeout",
    SendGateTimeoutError: "Clear the task later, or set a longer wait_timeout|"
    "timed out without a response from Instantly: .*lower the connection's max_requests_per_second",
}


@dataclass
class Run:
    """What a component did in a scenario."""

    scenario: Scenario
    result: Any = None
    error: Exception | None = None
    tries: int = 0

    @property
    def outcome(self) -> Any:
        if self.error is not None:
            return type(self.error)
        if isinstance(self.result, SendingStatus) and self.result.status is None:
            return NO_STATUS
        assert self.scenario.component.is_right(self.result), self.result
        return DONE

    @property
    def requests(self) -> int:
        return len(self.scenario.server.requests) - self.scenario.polls_before


RunWithFault = Callable[..., Run]


@pytest.fixture(scope="module")
def other_server() -> Iterator[FakeServer]:
    """A server that must not get a request, because the key would be in it."""
    with FakeServer() as running:
        running.respond({})
        yield running


@pytest.fixture
def visible(
    other_server: FakeServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[list[str]]:
    """A list for all that a test makes visible; the key must not be in it, in a log or in the output."""
    caplog.set_level(logging.DEBUG)
    collected: list[str] = []
    yield collected
    assert other_server.connections == 0
    printed = capsys.readouterr()
    # A part of the key would be as bad.
    assert KEY[:8] not in "\n".join([caplog.text, printed.out, printed.err, *collected])


@pytest.fixture
def scenario_of(
    server: FakeServer,
    other_server: FakeServer,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
) -> Callable[[Component, float], Scenario]:
    return lambda component, times: Scenario(
        component, server, other_server, clock, monkeypatch, certificates, times
    )


@pytest.fixture
def run_with_fault(
    scenario_of: Callable[[Component, float], Scenario], monkeypatch: pytest.MonkeyPatch, visible: list[str]
) -> RunWithFault:
    """Run a component with a fault, again until it succeeds if the fault ends."""

    def run_with_fault(fault: Fault, component: Component, times: float = math.inf) -> Run:
        scenario = scenario_of(component, times)
        listed = component.family is Family.SUBMIT_LISTED
        scenario.list_submissions(accepted=listed and may_have_been_received(fault))
        fault.inject(scenario)
        set_connection(
            monkeypatch,
            component.conn_type,
            host=scenario.host,
            extra={"timeout": scenario.timeout, "max_requests_per_second": 1000},
        )
        run, store = Run(scenario), {}
        while run.tries <= RETRIES:
            run.tries += 1
            attempt = Attempt(run.tries, store)
            try:
                run.result, run.error = component.run(attempt), None
            except Exception as error:  # noqa: BLE001 - any of them is an outcome
                run.result, run.error = None, error
                visible.extend(traceback.format_exception(error))
            visible.append(json.dumps(attempt.stored))
            visible.append(repr(vars(run.result) if hasattr(run.result, "raw") else run.result))
            if times == math.inf or run.outcome == DONE:
                break
        return run

    return run_with_fault


def assert_pauses(run: Run, cell: Cell, fault: Fault) -> None:
    """Check the sum of all pauses; time that passed in other ways counts as well."""
    assert cell.seconds is not None
    clock = run.scenario.clock
    assert clock.slept >= cell.seconds - clock.waited - 4 * fault.tolerance - 0.01
    # In the triggerer, a poll may be 0.05 s late.
    assert clock.slept <= cell.seconds + 0.06 * (run.requests + 6)


# The components of faults that are noticed by a timeout, in real time.
_BOTH_TRANSPORTS = {"`get_campaign_status`", "`aget_sending_status`"}
_EACH_FAMILY = {
    *_BOTH_TRANSPORTS,
    "submit; not listed",
    "submit; listed",
    "add leads",
    "sensor, deferrable",
    "gate, no wait",
    "gate, deferrable",
}
_SLOW = {"no response until the timeout": _EACH_FAMILY, "body slower than the timeout": _BOTH_TRANSPORTS}


def cases(faults: Sequence[Fault]) -> Iterator[Any]:
    """Return every fault with every component, but slow faults with some."""
    for fault in faults:
        for component in COMPONENTS:
            if not fault.slow or component.name in _SLOW[fault.name]:
                yield pytest.param(fault, component, id=f"{fault} - {component.name}")


@pytest.mark.parametrize(("fault", "component"), cases(FAULTS))
def test_fault_that_stays(fault: Fault, component: Component, run_with_fault: RunWithFault) -> None:
    run, cell = run_with_fault(fault, component), expected(fault, component)
    assert run.outcome == cell.outcome
    # Airflow 2's reschedules also take the real time of the test: a poll fewer in 450 on a busy machine.
    assert cell.requests - cell.requests // 400 <= run.requests <= cell.requests
    assert_pauses(run, cell, fault)
    if run.error is not None:
        assert_helpful(run.error, fault, component)


def assert_helpful(error: Exception, fault: Fault, component: Component) -> None:
    """Check that a message says what to do, and about which connection or campaign."""
    message = str(error)
    assert re.search(ADVICE[type(error)], message), message
    about_a_call = isinstance(error, (ApiError, SubmissionUnconfirmedError))
    if about_a_call or fault.kind_for(component) in {Kind.LONG_RETRY_AFTER, Kind.MALFORMED}:
        assert f"connection '{component.conn_id}'" in message
    elif "run duration" not in message:
        assert re.search(f"Campaign ({ID}|{UUID})", message), message


@pytest.mark.parametrize("times", [1, render.TIMES])
@pytest.mark.parametrize(("fault", "component"), cases(ENDING_FAULTS))
def test_fault_that_ends(
    fault: Fault, component: Component, times: int, run_with_fault: RunWithFault
) -> None:
    run, cell = run_with_fault(fault, component, times), expected_after(fault, component, times)
    assert (run.outcome, run.tries, run.requests) == (DONE, cell.tries, cell.requests)
    if cell.seconds is not None:
        assert_pauses(run, cell, fault)


@pytest.mark.parametrize("component", GATES, ids=lambda component: component.name)
@pytest.mark.parametrize("field", ERROR_FIELDS)
def test_gate_stays_closed_if_healthy_status_has_error(
    component: Component, field: str, run_with_fault: RunWithFault
) -> None:
    def contradict(scenario: Scenario) -> None:
        success = scenario.component.success(scenario.clock)
        scenario.respond(
            Reply(lambda request: {**json.loads(success.encoded(request)), field: "the data may be wrong"})
        )

    fault = Fault("a healthy status and an error", Kind.MALFORMED, contradict, MalformedResponseError)
    run, cell = run_with_fault(fault, component), expected(fault, component)
    assert (run.outcome, run.requests) == (cell.outcome, cell.requests)
    assert "the data may be wrong" in str(run.error)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_component_without_fault_sends_one_request(
    component: Component, run_with_fault: RunWithFault
) -> None:
    no_fault = Fault("none", Kind.ACCEPTED, lambda scenario: scenario.respond(None))
    run = run_with_fault(no_fault, component)
    assert (run.outcome, run.requests) == (DONE, 2 if component.polls_after_wait else 1)


def test_documentation_shows_this_matrix() -> None:
    page = render.PAGE.read_text()
    assert page == render.rendered(page), "run: python -m tests.integration.faults.render"
    assert page.count("\n| Fault |") == 4
