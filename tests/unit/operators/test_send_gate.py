"""Most tests run twice, on a worker and in the triggerer, with the same outcome."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
    TriggerRule,
    task,
)

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import AuthenticationError, NotFoundError, ServiceUnavailableError
from airflow_provider_campaigns.operators.instantly import (
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.rules.send_gate import RULES, Disposition, Intent
from tests.conftest import KEY
from tests.support.airflow_versions import DEFERRAL_TIMEOUT_MESSAGE, needs_pages
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import OTHER_UUID, UUID, paths, sending_status, sending_status_body

HOUR = 3600
UNAVAILABLE = Reply({}, status=503)


def gate(deferrable: bool = False, **arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(
        **{"task_id": "gate", "campaign_id": UUID, "deferrable": deferrable, **arguments}
    )


@task
def send(number: int) -> None: ...


class TestOpening:
    def test_healthy_campaign_opens_the_gate_with_one_request(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("healthy"))
        verdict = runner.run(gate(deferrable, wait_timeout=HOUR))
        assert verdict["open"] is True
        assert verdict["code"] == "healthy"
        assert json.loads(json.dumps(verdict)) == verdict
        assert len(connections.requests) == 1
        assert runner.deferrals == []

    @pytest.mark.parametrize("code", [code.value for code in SendingCode if code is not SendingCode.HEALTHY])
    def test_only_healthy_opens_the_gate(
        self, code: str, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status(code))
        waits = RULES[SendingCode(code)].dispositions[Intent.SEND] is Disposition.WAIT
        with pytest.raises(SendGateTimeoutError if waits else SendGateClosedError, match=code):
            runner.run(gate())
        # Out of schedule, the campaign itself is read for its end date.
        assert len(connections.requests) == (2 if code == "out_of_schedule" else 1)
        assert runner.ti.xcoms["return_value"]["code"] == code
        assert runner.ti.xcoms["return_value"]["open"] is False

    def test_policy_opens_the_gate_for_another_code(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("waiting_for_leads"))
        policy = {SendingCode.WAITING_FOR_LEADS: Disposition.OPEN, "campaign_draft": "wait"}
        assert runner.run(gate(deferrable, policy=policy, wait_timeout=HOUR))["code"] == "waiting_for_leads"
        # The trigger applies the policy too: its first open verdict ends the wait.
        assert [event["status"]["open"] for event in runner.events] == [True] * deferrable

    def test_gate_accepts_a_subsequence(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("healthy"))
        task = gate(deferrable, campaign_id=None, subsequence_id=UUID, wait_timeout=HOUR)
        assert runner.run(task)["open"]
        assert set(paths(connections)) == {f"/api/v2/subsequences/{UUID}/sending-status"}

    def test_gate_runs_by_hand(self, connections: FakeServer) -> None:
        connections.respond(sending_status("campaign_paused"), sending_status("healthy"))
        with pytest.raises(SendGateClosedError):
            gate().execute({})
        assert gate().execute({})["open"]

    def test_log_has_the_verdict_in_one_line(
        self, runner: TaskRunner, connections: FakeServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connections.respond(sending_status("healthy"))
        runner.run(gate())
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "gate open" in line]
        assert f"Campaign {UUID}: gate open: healthy" in line
        assert "The vendor's explanation" in line


# Responses without a fresh, explicit and known status of the campaign.
UNUSABLE = {
    "null": {"diagnostics": None, "summary": None},
    "stale": sending_status("healthy", age=HOUR + 100),
    "future": sending_status("healthy", age=-40_000),
    "undated": {"diagnostics": {"status": "healthy"}, "summary": None},
    "summary only": {"diagnostics": None, "summary": {"status": "healthy"}},
    "unknown code": sending_status("splendid"),
    "number": sending_status(1),
    "list": [],
    "not JSON": Reply(b"<html>healthy</html>"),
    "of another campaign": sending_status("healthy", campaign_id=OTHER_UUID),
    "of a subsequence": sending_status("healthy", campaign_id=OTHER_UUID, subsequence_id=UUID),
    "of two campaigns": Reply(lambda _: {"campaign_id": OTHER_UUID, **sending_status_body("healthy")}),
    "duplicate key": Reply(
        lambda _: json.dumps(sending_status_body("healthy")).replace("{", '{"status": "campaign_paused", ')
    ),
}


class TestWaiting:
    @pytest.mark.parametrize("response", UNUSABLE.values(), ids=UNUSABLE)
    def test_unusable_response_waits_and_never_opens(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer, response: Any
    ) -> None:
        connections.respond(response)
        with pytest.raises(SendGateTimeoutError):
            runner.run(gate(deferrable, wait_timeout=180))
        assert len(connections.requests) >= 4
        assert runner.ti.xcoms["return_value"]["disposition"] == "wait"
        connections.respond(response, sending_status("healthy"))
        assert TaskRunner().run(gate(deferrable, wait_timeout=180))["open"]

    def test_gate_polls_again_before_it_opens(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(*map(sending_status, ("new_lead_limit_met", "daily_limit_met", "healthy")))
        assert runner.run(gate(deferrable, wait_timeout=HOUR))["open"]
        # In the triggerer, the third response ends the wait, and a fourth one, on the worker, opens the gate.
        assert len(connections.requests) == (4 if deferrable else 3)
        assert len(runner.deferrals) == int(deferrable)

    def test_event_of_the_trigger_never_opens_the_gate(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(*map(sending_status, ("daily_limit_met", "healthy", "campaign_paused")))
        with pytest.raises(SendGateClosedError, match="campaign_paused"):
            runner.run(gate(True, wait_timeout=HOUR))
        assert runner.events[0]["status"]["open"] is True

    def test_trigger_does_not_end_the_wait_with_data_too_old_for_the_gate(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("healthy", age=100))
        with pytest.raises(SendGateTimeoutError):
            runner.run(gate(True, wait_timeout=600, max_status_age=60))
        assert len(runner.deferrals) == 1

    def test_second_deferral_keeps_the_deadline(self, runner: TaskRunner, connections: FakeServer) -> None:
        codes = ("daily_limit_met", "healthy", "daily_limit_met", "healthy", "healthy")
        connections.respond(*map(sending_status, codes))
        assert runner.run(gate(True, wait_timeout=HOUR))["open"]
        first, second = (arguments["deadline"] for _, arguments in runner.deferrals)
        assert first == second

    def test_code_that_needs_a_person_ends_the_wait_at_once(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("campaign_bounce_protect"))
        with pytest.raises(SendGateClosedError, match="campaign_bounce_protect"):
            runner.run(gate(deferrable, wait_timeout=HOUR))
        assert 50 < clock.slept < 60.5  # one minute, the default of poke_interval

    def test_gate_sleeps_until_the_next_follow_up_is_due(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        due = sending_status(
            "follow_up_delay_not_met", follow_ups_waiting={"earliest_wait_time_seconds": 1500}
        )
        connections.respond(due, sending_status("healthy"))
        assert runner.run(gate(deferrable, wait_timeout=HOUR))["open"]
        assert clock.slept == pytest.approx(1500, abs=5)
        assert len(connections.requests) == (3 if deferrable else 2)

    def test_timeout_ends_the_wait_at_the_deadline(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer, clock: FakeClock
    ) -> None:
        connections.respond(sending_status("daily_limit_met"))
        with pytest.raises(SendGateTimeoutError, match=r"daily_limit_met.*Waited for 600 s"):
            runner.run(gate(deferrable, wait_timeout=600))
        assert clock.slept == pytest.approx(600, abs=2)
        # One poll a minute; after the trigger's last poll, the worker polls once more.
        assert len(connections.requests) == (12 if deferrable else 11)

    def test_gate_that_cannot_skip_a_task_fails(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(sending_status("campaign_paused"))
        with DAG("unskippable", schedule=None):
            closed = gate(on_closed="skip")
            closed >> send.override(trigger_rule=TriggerRule.NONE_FAILED).expand(number=[1, 2])
        with pytest.raises(SendGateClosedError, match="cannot skip send:"):
            runner.run(closed)

    def test_closed_gate_errors_are_not_retried_by_airflow(self) -> None:
        assert issubclass(SendGateClosedError, AirflowFailException)
        assert issubclass(SendGateTimeoutError, AirflowSensorTimeout)


class TestFailures:
    def test_single_failure_is_survived_without_a_wait(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(UNAVAILABLE, sending_status("healthy"))
        assert runner.run(gate())["open"]

    def test_five_failures_in_a_row_end_the_wait(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        waiting = sending_status("daily_limit_met")
        connections.respond(waiting, *[UNAVAILABLE] * 4, sending_status("healthy"))
        assert runner.run(gate(deferrable, wait_timeout=HOUR))["open"]
        connections.respond(waiting, UNAVAILABLE)
        connections.requests.clear()
        with pytest.raises(ServiceUnavailableError, match="instantly_default"):
            TaskRunner().run(gate(deferrable, wait_timeout=HOUR, on_closed="skip"))
        assert len(connections.requests) == 6

    @pytest.mark.parametrize(
        ("before", "error"), [({"failures": 4}, ServiceUnavailableError), ({}, TaskDeferred)]
    )
    def test_failures_in_a_row_count_across_the_trigger(
        self, connections: FakeServer, before: dict[str, int], error: type[BaseException]
    ) -> None:
        connections.respond(UNAVAILABLE)
        event = {"target": {"campaign_id": UUID}, "outcome": "done", "deadline": time.time() + HOUR, **before}
        with pytest.raises(error) as raised:
            gate(True, wait_timeout=HOUR).execute_complete({}, event)
        assert len(connections.requests) == 1
        if isinstance(raised.value, TaskDeferred):
            assert raised.value.trigger.failures == 1

    @pytest.mark.parametrize("target", ["campaign_id", "subsequence_id"])
    def test_failed_poll_of_a_wait_is_one_request(
        self, target: str, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(UNAVAILABLE)
        task = gate(**{"campaign_id": None, target: UUID}, wait_timeout=HOUR, max_failures=1)
        with pytest.raises(ServiceUnavailableError):
            runner.run(task)
        assert len(connections.requests) == 1

    @pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (404, NotFoundError)])
    def test_final_error_fails_the_gate_and_never_skips(
        self,
        deferrable: bool,
        runner: TaskRunner,
        connections: FakeServer,
        status: int,
        error: type[Exception],
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), Reply({"message": f"no {KEY}"}, status=status))
        with pytest.raises(error) as raised:
            runner.run(gate(deferrable, wait_timeout=HOUR, on_closed="skip"))
        assert type(raised.value) is error
        assert len(connections.requests) == 2
        assert KEY not in json.dumps([runner.deferrals, runner.events]) + str(raised.value)

    @pytest.mark.parametrize(
        "failure",
        [Reply({}, status=429, headers={"Retry-After": "6000"}), UNAVAILABLE, Reply(drop="before")],
        ids=["rate limit", "unavailable", "no response"],
    )
    def test_failing_service_does_not_prolong_the_wait(
        self,
        deferrable: bool,
        runner: TaskRunner,
        connections: FakeServer,
        clock: FakeClock,
        failure: Reply,
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), failure)
        task = gate(deferrable, wait_timeout=600, max_failures=1000, on_closed="skip")
        with pytest.raises(SendGateTimeoutError, match="timed out without a response"):
            runner.run(task)
        assert 599 < clock.slept < 632

    def test_deferral_timeout_is_a_gate_timeout(self) -> None:
        with pytest.raises(SendGateTimeoutError, match=f"Campaign {UUID}: the triggerer did not end"):
            gate(True).resume_execution("__fail__", {"error": DEFERRAL_TIMEOUT_MESSAGE}, {})


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_id": None}, "Set either campaign_id or subsequence_id: .* or one subsequence"),
            ({"subsequence_id": UUID}, "Set either campaign_id or subsequence_id"),
            ({"campaign_id": ""}, "campaign_id must be a UUID"),
            ({"campaign_id": "42"}, "campaign_id must be a UUID"),
            ({"campaign_id": None, "subsequence_id": "42"}, "subsequence_id must be a UUID"),
            ({"policy": {"healty": "open"}}, "healty"),
            ({"policy": {"healthy": "yes"}}, "yes"),
            ({"max_status_age": timedelta(seconds=-1)}, "max_status_age"),
            ({"wait_timeout": -1}, "wait_timeout"),
            ({"poke_interval": float("nan")}, "poke_interval"),
            ({"poke_interval": True}, "poke_interval"),
            ({"on_closed": "stop"}, "on_closed"),
            ({"max_failures": 0}, "max_failures"),
            ({"max_failures": "five"}, "max_failures"),
            ({"policy": "healthy"}, "policy"),
            ({"wait_timeout": 1e15}, "wait_timeout"),
        ],
    )
    def test_invalid_gate_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=rf"\b{named}\b"):
            gate(**arguments)

    @pytest.mark.parametrize("rendered", ["", "None", "{{ params.id }}", f"{UUID}/../x"])
    def test_invalid_rendered_id_sends_nothing(
        self, runner: TaskRunner, connections: FakeServer, rendered: str
    ) -> None:
        task = gate(campaign_id="{{ params.id }}")
        task.campaign_id = rendered
        with pytest.raises(ValueError, match="campaign_id"):
            runner.run(task)
        assert connections.requests == []


@needs_pages
class TestBoard:
    def test_gate_that_does_not_open_is_on_the_board(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("all_accounts_unhealthy"))
        with pytest.raises(SendGateClosedError):
            runner.run(gate(deferrable, wait_timeout=HOUR))
        board = runner.ti.xcoms["campaigns_verdict"]
        assert board["kind"] == "campaign"
        assert board["campaigns"][UUID][:2] == ["all_accounts_unhealthy", "closed"]

    def test_gate_that_waits_is_on_the_board(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("healthy"))
        waiting: list[Any] = []
        runner.before_trigger = lambda: waiting.append(runner.ti.xcoms["campaigns_verdict"]["campaigns"])
        runner.run(gate(True, wait_timeout=HOUR))
        assert [each[UUID][:2] for each in waiting] == [["daily_limit_met", "wait"]]
        assert runner.ti.xcoms["campaigns_verdict"]["campaigns"][UUID][:2] == ["healthy", "open"]

    def test_wait_writes_to_the_board_once_before_its_end(
        self, runner: TaskRunner, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pushed: list[str] = []
        monkeypatch.setattr(runner.ti, "xcom_push", lambda key, value: pushed.append(key))
        connections.respond(*[sending_status("daily_limit_met")] * 4, sending_status("healthy"))
        runner.run(gate(wait_timeout=HOUR))
        assert pushed.count("campaigns_verdict") == 2

    def test_open_gate_of_a_subsequence_is_on_the_board(
        self, deferrable: bool, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("healthy", campaign_id=OTHER_UUID))
        runner.run(gate(deferrable, campaign_id=None, subsequence_id=OTHER_UUID))
        board = runner.ti.xcoms["campaigns_verdict"]
        assert (board["kind"], list(board["campaigns"])) == ("subsequence", [OTHER_UUID])
