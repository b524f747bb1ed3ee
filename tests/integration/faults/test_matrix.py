"""Every fault against everything that asks a service; what has to come of it stands in ``expected.py``."""

from __future__ import annotations

import json
import logging
import math
import re
import traceback
from collections.abc import Callable, Iterator
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
from tests.faults import render
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
    expected_once_over,
    in_doubt,
    may_be_over,
)
from tests.support.certificates import Certificates
from tests.support.fake_clock import Clock, clock  # noqa: F401 - a fixture
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.faults import ANY_CASE, FAULTS, Fault, Kind, Stage

# What to do, in the words of each error.
ADVICE: dict[type[Exception], str] = {
    BadRequestError: "sending it again will not help",
    AuthenticationError: "Check the API key, which is the connection's password",
    PermissionDeniedError: "create a key that has the scope|give it the missing permission",
    BlockedByProxyError: "Check the outgoing proxy and the user agent",
    PaymentRequiredError: "needs an active paid plan, or more credits",
    NotFoundError: "Check the id",
    RedirectRefusedError: "Set the connection's host",
    RejectedError: "check the id, the credits and the API key",
    MalformedResponseError: "Is the connection's host really",
    RateLimitedError: "lower the connection's max_requests_per_second",
    ServiceUnavailableError: "try again later",
    CertificateError: "Check the host of connection .* and this machine's certificate authorities",
    ConnectError: "Check the network, and the host of connection",
    IncompleteResponseError: "Check the network",
    SubmissionUnconfirmedError: "A retry looks again before it submits",
    # Where the clock was put back, Airflow's own words come first.
    AirflowSensorTimeout: "raise the timeout|exceeds the specified timeout",
    SendGateTimeoutError: "Clear the task later, or give it a longer wait_timeout|"
    "time is up, and Instantly could not be asked: .*lower the connection's max_requests_per_second",
}


@dataclass
class Played:
    """What came of a component that met a fault."""

    stage: Stage
    result: Any = None
    error: Exception | None = None
    tries: int = 0

    @property
    def outcome(self) -> Any:
        if self.error is not None:
            return type(self.error)
        if isinstance(self.result, SendingStatus) and self.result.status is None:
            return NO_STATUS
        assert self.stage.component.is_right(self.result), self.result
        return DONE

    @property
    def requests(self) -> int:
        return len(self.stage.server.requests) - self.stage.quiet


Playing = Callable[..., Played]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ScriptedServer]:
    """Another server, that would be glad to get a key."""
    with ScriptedServer() as running:
        running.play({})
        yield running


@pytest.fixture
def shown(
    elsewhere: ScriptedServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[list[str]]:
    """What a test has made visible, beyond what was logged and printed; no key may be in any of it."""
    caplog.set_level(logging.DEBUG)
    collected: list[str] = []
    yield collected
    assert elsewhere.connections == 0
    printed = capsys.readouterr()
    # A part of the key would be as bad.
    assert KEY[:8] not in "\n".join([caplog.text, printed.out, printed.err, *collected])


@pytest.fixture
def stage_of(
    server: ScriptedServer,
    elsewhere: ScriptedServer,
    clock: Clock,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
) -> Callable[[Component, float], Stage]:
    return lambda component, times: Stage(
        component, server, elsewhere, clock, monkeypatch, certificates, times
    )


@pytest.fixture
def play(
    stage_of: Callable[[Component, float], Stage], monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> Playing:
    """Let a component meet a fault, again until it ends well if the fault is over at some time."""

    def met(fault: Fault, component: Component, times: float = math.inf) -> Played:
        stage = stage_of(component, times)
        stage.list_submissions(taken=component.family is Family.SUBMIT_LISTED and in_doubt(fault))
        fault.play(stage)
        set_connection(
            monkeypatch,
            component.conn_type,
            host=stage.host,
            extra={"timeout": stage.timeout, "max_requests_per_second": 1000},
        )
        played, store = Played(stage), {}
        while played.tries <= RETRIES:
            played.tries += 1
            attempt = Attempt(played.tries, store)
            try:
                played.result, played.error = component.run(attempt), None
            except Exception as error:  # noqa: BLE001 - any of them is an outcome
                played.result, played.error = None, error
                shown.extend(traceback.format_exception(error))
            shown.append(json.dumps(attempt.left_behind))
            shown.append(repr(vars(played.result) if hasattr(played.result, "raw") else played.result))
            if times == math.inf or played.outcome == DONE:
                break
        return played

    return met


def assert_pauses(played: Played, cell: Cell, fault: Fault) -> None:
    """Hold what was slept against what is allowed to be; what has really passed counts too."""
    assert cell.seconds is not None
    time = played.stage.clock
    assert time.skipped >= cell.seconds - time.really_passed() - 4 * fault.vague - 0.01
    # In the triggerer, each look may leave a twentieth of a second late.
    assert time.skipped <= cell.seconds + 0.06 * (played.requests + 6)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_that_stays(fault: Fault, component: Component, play: Playing) -> None:
    played, cell = play(fault, component), expected(fault, component)
    assert (played.outcome, played.requests) == (cell.outcome, cell.requests)
    assert_pauses(played, cell, fault)
    if played.error is not None:
        assert_helpful(played.error, fault, component)


def assert_helpful(error: Exception, fault: Fault, component: Component) -> None:
    """Hold a message to what it promises: whose fault it is, and what to do."""
    told = str(error)
    assert re.search(ADVICE[type(error)], told), told
    about_a_call = isinstance(error, (ApiError, SubmissionUnconfirmedError))
    if about_a_call or fault.kind_for(component) in {Kind.LONG_REST, Kind.UNREADABLE}:
        assert f"connection '{component.conn_id}'" in told
    elif "run duration" not in told:
        assert re.search(f"Campaign ({ID}|{UUID})", told), told


# What is slow has to be waited for each time.
OVER_AFTER = [
    pytest.param(fault, times, id=f"{fault} x {times}")
    for fault in filter(may_be_over, FAULTS)
    for times in ((render.TIMES,) if fault.slow else (1, render.TIMES))
]


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
@pytest.mark.parametrize(("fault", "times"), OVER_AFTER)
def test_a_fault_that_is_over(fault: Fault, times: int, component: Component, play: Playing) -> None:
    played, cell = play(fault, component, times), expected_once_over(fault, component, times)
    assert (played.outcome, played.tries, played.requests) == (DONE, cell.tries, cell.requests)
    if cell.seconds is not None:
        assert_pauses(played, cell, fault)


@pytest.mark.parametrize("component", GATES, ids=lambda component: component.name)
@pytest.mark.parametrize("member", ANY_CASE)
def test_a_healthy_status_beside_an_error_opens_nothing(
    component: Component, member: str, play: Playing
) -> None:
    def contradicting(stage: Stage) -> None:
        good = stage.component.good(stage.clock)
        stage.play(
            Reply(lambda request: {**json.loads(good.encoded(request)), member: "the data may be wrong"})
        )

    fault = Fault("an answer and an error", Kind.UNREADABLE, contradicting, MalformedResponseError)
    played, cell = play(fault, component), expected(fault, component)
    assert (played.outcome, played.requests) == (cell.outcome, cell.requests)
    assert "the data may be wrong" in str(played.error)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_where_nothing_goes_wrong_everything_is_asked_once(component: Component, play: Playing) -> None:
    fine = Fault("none", Kind.HARMLESS, lambda stage: stage.play(None))
    played = play(fine, component)
    assert (played.outcome, played.requests) == (DONE, 2 if component.looks_again else 1)


def test_the_matrix_in_the_documentation_is_this_one() -> None:
    page = render.PAGE.read_text()
    assert page == render.rendered(page), "run: python -m tests.integration.faults.render"
    assert page.count("\n| Fault |") == 4
