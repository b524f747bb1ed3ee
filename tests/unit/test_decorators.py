"""``@task.send_gate``: the function runs in the process that found the gate open."""

from __future__ import annotations

import functools
import inspect
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.decorators import OpenGate, send_gate
from airflow_provider_campaigns.exceptions import ServiceUnavailableError
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator, SendGateClosedError
from tests.support.asked_gate import AskedGate
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import UUID, sending_status

JANE = [{"id": "jane", "name": "Jane"}]


@pytest.fixture(autouse=True)
def _fake_time(clock: FakeClock) -> None:
    pass


@pytest.fixture
def runner() -> TaskRunner:
    return TaskRunner()


def same(verdict: OpenGate) -> OpenGate:
    return verdict


def operator(function: Any, *args: Any, values: Any = None, **arguments: Any) -> Any:
    """Return the operator of a decorated function, in a Dag that calls it."""
    with DAG("sends", schedule=None):
        return send_gate(**{"campaign_id": UUID, **arguments})(function)(*args, **(values or {})).operator


class TestFunction:
    def test_function_gets_the_verdict_and_its_arguments(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        def send(verdict: OpenGate, first: str, second: str = "b", *, ti: Any = None) -> list[Any]:
            return [verdict.open, verdict.code, first, second, ti.task_id]

        connections.respond(sending_status("healthy"))
        returned = runner.run(operator(send, "a", values={"second": "c"}))
        assert returned == [True, "healthy", "a", "c", "task"]
        assert len(connections.requests) == 1
        assert runner.ti.xcoms["verdict"]["code"] == "healthy"

    def test_closed_gate_does_not_call_the_function(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        def send(verdict: OpenGate) -> None:
            raise AssertionError

        connections.respond(sending_status("campaign_paused"))
        with pytest.raises(SendGateClosedError):
            runner.run(operator(send))
        assert runner.ti.xcoms["verdict"]["code"] == "campaign_paused"
        assert "return_value" not in runner.ti.xcoms

    def test_function_runs_after_a_deferred_wait(self, runner: TaskRunner, connections: FakeServer) -> None:
        def send(verdict: OpenGate, number: int) -> int:
            return number

        connections.respond(*map(sending_status, ["daily_limit_met", "healthy", "healthy"]))
        assert runner.run(operator(send, 5, wait_timeout=3600, deferrable=True)) == 5
        assert len(runner.deferrals) == 1

    def test_error_of_the_function_is_not_one_of_the_gate(
        self, runner: TaskRunner, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def send(verdict: OpenGate) -> None:
            raise ValueError("no leads")

        counts: list[str] = []
        monkeypatch.setattr(
            "airflow_provider_campaigns.metrics.Metrics.gate", lambda _, it: counts.append(it)
        )
        connections.respond(sending_status("healthy"))
        with pytest.raises(ValueError, match="no leads"):
            runner.run(operator(send))
        assert counts == ["opened"]

    def test_decorator_of_the_function_itself_is_kept(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        def doubled(function: Any) -> Any:
            return functools.wraps(function)(lambda *args: 2 * function(*args))

        @doubled
        def send(verdict: OpenGate, number: int) -> int:
            return number

        connections.respond(sending_status("healthy"))
        assert runner.run(operator(send, 2)) == 4

    def test_function_without_a_parameter_for_the_verdict_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"send\(\) needs|send needs a first parameter"):

            @send_gate(campaign_id=UUID)
            def send(*, leads: list[str]) -> None: ...

    def test_function_whose_body_would_never_run_is_refused(self) -> None:
        async def asynchronous(verdict: OpenGate) -> None: ...

        def generator(verdict: OpenGate) -> Any:
            yield verdict

        for function in (asynchronous, generator):
            with pytest.raises(ValueError, match="is async or a generator"):
                operator(function)

    def test_returned_verdict_is_plain_json(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(sending_status("healthy"))
        returned = runner.run(operator(same))
        assert json.loads(json.dumps(returned))["code"] == "healthy"

    def test_missing_argument_fails_dag_parsing(self) -> None:
        def send(verdict: OpenGate, leads: list[str]) -> None: ...

        with pytest.raises(TypeError, match="leads"):
            operator(send)


def test_decorator_has_the_arguments_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(function: Any) -> dict[str, Any]:
        found = inspect.signature(function).parameters
        return {name: (each.annotation, each.default) for name, each in found.items()}

    of_operator, own = named(inspect.unwrap(InstantlySendGateOperator.__init__)), named(send_gate)
    del of_operator["self"], own["multiple_outputs"]
    assert own == of_operator
    passed: dict[str, Any] = {}
    monkeypatch.setattr("airflow_provider_campaigns.decorators.send_gate_task", passed.update)
    values = {name: f"its {name}" for name in own if name != "kwargs"}
    send_gate(**values)  # type: ignore[arg-type]
    assert passed == {**values, "multiple_outputs": None}


class TestStillOpen:
    def test_each_call_is_a_fresh_poll(self, runner: TaskRunner, connections: FakeServer) -> None:
        def send(verdict: OpenGate) -> int:
            batches = 0
            while verdict.still_open():
                batches += 1
            return batches

        connections.respond(*map(sending_status, ["healthy", "healthy", "healthy", "campaign_paused"]))
        assert runner.run(operator(send)) == 2

    def test_outage_is_no_evidence(self, runner: TaskRunner, connections: FakeServer) -> None:
        def send(verdict: OpenGate) -> None:
            connections.respond(Reply({}, status=503))
            verdict.still_open()

        connections.respond(sending_status("healthy"))
        with pytest.raises(ServiceUnavailableError):
            runner.run(operator(send))

    def test_overridden_gate_stays_open_for_the_accepted_code(
        self, monkeypatch: pytest.MonkeyPatch, connections: FakeServer
    ) -> None:
        def send(verdict: OpenGate) -> list[Any]:
            found = [verdict.overridden_by, verdict.reason, verdict.open, verdict.disposition.value]
            return [*found, verdict.still_open(), verdict.still_open()]

        connections.respond({"name": "Spring"}, path=f"/api/v2/campaigns/{UUID}")
        codes = ["all_accounts_unhealthy"] * 3 + ["campaign_account_suspended"]
        connections.respond(*map(sending_status, codes), path=f"/api/v2/campaigns/{UUID}/sending-status")
        asked = AskedGate(monkeypatch)
        asked.run(operator(send, on_closed="ask", allow_override=True, ask_users=JANE))
        returned = asked.answer("Send anyway", reason="new senders")
        assert returned == ["Jane (jane)", "new senders", True, "closed", True, False]
        assert asked.ti.xcoms["verdict"]["overridden_by"] == "Jane (jane)"


def test_airflow_registers_the_decorator(connections: FakeServer) -> None:
    with DAG("registered", schedule=None) as dag:

        @task.send_gate(campaign_id=UUID, wait_timeout=5)
        def send(verdict: OpenGate, lead: str) -> None: ...

        send.expand(lead=["a", "b"])
        send.override(task_id="other", wait_timeout=7)("c")
    assert dag.get_task("other").wait_timeout == 7.0
    assert dag.get_task("other").custom_operator_name == "@task.send_gate"
