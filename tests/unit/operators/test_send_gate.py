"""The gate on a worker and in the triggerer: every test runs twice, and has to come out alike."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import AuthenticationError, NotFoundError, ServiceUnavailableError
from airflow_provider_campaigns.operators.instantly import (
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.rules.send_gate import RULES, Disposition
from tests.conftest import KEY
from tests.support.airflow_versions import BACKSTOP_WORDS
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


ANOTHER = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"


def said(code: Any, *, age: float = 0, **diagnostics: Any) -> dict[str, Any]:
    updated = (datetime.now(timezone.utc) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return {
        "diagnostics": {"status": code, "campaign_id": UUID, "last_updated": updated, **diagnostics},
        "summary": {"status": code, "status_message": "In so many words"},
    }


@pytest.fixture(params=[False, True], ids=["worker", "triggerer"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return request.param


def gate(deferrable: bool = False, **arguments: Any) -> InstantlySendGateOperator:
    quick = {"task_id": "gate", "campaign_id": UUID, "poke_interval": 0.02, "deferrable": deferrable}
    return InstantlySendGateOperator(**{**quick, **arguments})


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_a_healthy_campaign_opens_it_with_one_request(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    connections.play(said("healthy"))
    verdict = driven.run(gate(deferrable, wait_timeout=60))
    assert verdict["open"] is True
    assert verdict["code"] == "healthy"
    assert json.loads(json.dumps(verdict)) == verdict
    assert len(connections.requests) == 1
    assert driven.deferrals == []


@pytest.mark.parametrize("code", [code.value for code in SendingCode if code is not SendingCode.HEALTHY])
def test_nothing_but_healthy_opens_it(code: str, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said(code))
    waits = RULES[SendingCode(code)].disposition is Disposition.WAIT
    with pytest.raises(SendGateTimeoutError if waits else SendGateClosedError, match=code):
        driven.run(gate())
    assert len(connections.requests) == 1
    assert driven.ti.xcoms["return_value"]["code"] == code
    assert driven.ti.xcoms["return_value"]["open"] is False


def test_airflow_retries_neither_way_of_staying_shut() -> None:
    assert issubclass(SendGateClosedError, AirflowFailException)
    assert issubclass(SendGateTimeoutError, AirflowSensorTimeout)


def test_it_can_be_tried_by_hand(connections: ScriptedServer) -> None:
    connections.play(said("campaign_paused"), said("healthy"))
    with pytest.raises(SendGateClosedError):
        gate().execute({})
    assert gate().execute({})["open"]


UNFIT = {
    "null": {"diagnostics": None, "summary": None},
    "stale": said("healthy", age=3700),
    "future": said("healthy", age=-40_000),
    "undated": {"diagnostics": {"status": "healthy"}, "summary": None},
    "summary only": {"diagnostics": None, "summary": {"status": "healthy"}},
    "unknown": said("splendid"),
    "number": said(1),
    "list": [],
    "not JSON": Reply(b"<html>healthy</html>"),
    "about another": said("healthy", campaign_id=ANOTHER),
    "about a subsequence of another": said("healthy", campaign_id=ANOTHER, subsequence_id=UUID),
    "about two": {"campaign_id": ANOTHER, **said("healthy")},
    "this and that": Reply(
        json.dumps(said("healthy")).replace("{", '{"status": "campaign_paused", ').encode()
    ),
}


@pytest.mark.parametrize("answer", UNFIT.values(), ids=UNFIT)
def test_what_is_not_fresh_readable_and_explicit_waits_and_then_closes(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
    answer: Any,
) -> None:
    connections.play(answer)
    with pytest.raises(SendGateTimeoutError):
        driven.run(gate(deferrable, wait_timeout=0.5))
    assert len(connections.requests) >= 3
    assert driven.ti.xcoms["return_value"]["disposition"] == "wait"
    connections.play(answer, said("healthy"))
    assert Driven().run(gate(deferrable, wait_timeout=20))["open"]


def test_it_waits_for_what_heals_and_looks_again_before_it_opens(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    connections.play(said("out_of_schedule"), said("daily_limit_met"), said("healthy"))
    assert driven.run(gate(deferrable, wait_timeout=20))["open"]
    # In the triggerer, the third answer ends the wait and a fourth, on the worker, opens the gate.
    assert len(connections.requests) == (4 if deferrable else 3)
    assert len(driven.deferrals) == int(deferrable)


def test_what_the_trigger_saw_opens_nothing(driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("out_of_schedule"), said("healthy"), said("campaign_paused"))
    with pytest.raises(SendGateClosedError, match="campaign_paused"):
        driven.run(gate(True, wait_timeout=20))
    assert driven.events[0]["status"]["open"] is True


def test_a_gate_that_falls_back_waits_on_to_the_same_deadline(
    driven: Driven, connections: ScriptedServer
) -> None:
    waiting = said("out_of_schedule")
    connections.play(waiting, said("healthy"), waiting, said("healthy"), said("healthy"))
    assert driven.run(gate(True, wait_timeout=20))["open"]
    first, second = (arguments["deadline"] for _, arguments in driven.deferrals)
    assert first == second


def test_bad_news_ends_a_wait_at_once(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    connections.play(said("out_of_schedule"), said("campaign_bounce_protect"))
    with pytest.raises(SendGateClosedError, match="campaign_bounce_protect"):
        driven.run(gate(deferrable, wait_timeout=600))


def test_it_sleeps_until_the_next_follow_up_is_due(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    due = said("follow_up_delay_not_met", follow_ups_waiting={"earliest_wait_time_seconds": 1.5})
    connections.play(due, said("healthy"))
    begun = time.monotonic()
    assert driven.run(gate(deferrable, wait_timeout=60))["open"]
    assert time.monotonic() - begun > 1.2
    assert len(connections.requests) == (3 if deferrable else 2)


def test_a_policy_opens_it_for_more(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    connections.play(said("out_of_schedule"), said("waiting_for_leads"))
    policy = {SendingCode.WAITING_FOR_LEADS: Disposition.OPEN, "campaign_draft": "wait"}
    assert driven.run(gate(deferrable, policy=policy, wait_timeout=20))["code"] == "waiting_for_leads"


def test_a_subsequence_has_a_gate_too(deferrable: bool, driven: Driven, connections: ScriptedServer) -> None:
    connections.play(said("out_of_schedule"), said("healthy"))
    task = gate(deferrable, campaign_id=None, subsequence_id=UUID, wait_timeout=20)
    assert driven.run(task)["open"]
    assert {request.path for request in connections.requests} == {
        f"/api/v2/subsequences/{UUID}/sending-status"
    }


def test_a_single_failure_costs_no_launch_even_without_a_wait(
    driven: Driven, connections: ScriptedServer
) -> None:
    connections.play(Reply({}, status=503), said("healthy"))
    assert driven.run(gate())["open"]


def test_single_failures_in_a_wait_are_survived_and_five_in_a_row_are_not(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
) -> None:
    failure = Reply({}, status=503)
    connections.play(said("out_of_schedule"), *[failure] * 4, said("healthy"))
    assert driven.run(gate(deferrable, wait_timeout=20))["open"]
    connections.play(said("out_of_schedule"), failure)
    before = len(connections.requests)
    with pytest.raises(ServiceUnavailableError, match="instantly_default"):
        Driven().run(gate(deferrable, wait_timeout=20, on_closed="skip"))
    assert len(connections.requests) - before == 6


@pytest.mark.parametrize(("answer", "error"), [(401, AuthenticationError), (404, NotFoundError)])
def test_a_gate_that_cannot_ask_fails_and_never_skips(
    deferrable: bool,
    driven: Driven,
    connections: ScriptedServer,
    answer: int,
    error: type[Exception],
) -> None:
    connections.play(said("out_of_schedule"), Reply({"message": f"no {KEY}"}, status=answer))
    with pytest.raises(error) as raised:
        driven.run(gate(deferrable, wait_timeout=20, on_closed="skip"))
    assert type(raised.value) is error
    assert len(connections.requests) == 2
    assert KEY not in json.dumps([driven.deferrals, driven.events]) + str(raised.value)


@pytest.mark.parametrize(
    "failure",
    [Reply({}, status=429, headers={"Retry-After": "60"}), Reply({}, status=503), Reply(drop="before")],
)
def test_a_wait_that_runs_out_while_the_service_fails_ends_in_time(
    deferrable: bool, driven: Driven, connections: ScriptedServer, failure: Reply
) -> None:
    connections.play(said("out_of_schedule"), failure)
    begun = time.monotonic()
    with pytest.raises(SendGateTimeoutError, match="could not be asked"):
        driven.run(gate(deferrable, wait_timeout=1, poke_interval=0.3, on_closed="skip"))
    assert 0.9 < time.monotonic() - begun < 15


def test_a_deferral_without_a_triggerer_is_a_gate_that_did_not_open(driven: Driven) -> None:
    with pytest.raises(SendGateTimeoutError, match="triggerer"):
        gate(True).resume_execution("__fail__", {"error": BACKSTOP_WORDS}, {})


def test_the_log_has_the_verdict_in_one_line(
    driven: Driven, connections: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    connections.play(said("healthy"))
    driven.run(gate())
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "gate open" in line]
    assert f"Campaign {UUID}: gate open: healthy" in line
    assert "In so many words" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_id": None}, "either campaign_id or subsequence_id"),
        ({"subsequence_id": UUID}, "either campaign_id or subsequence_id"),
        ({"campaign_id": ""}, "campaign_id must be a UUID"),
        ({"campaign_id": "42"}, "campaign_id must be a UUID"),
        ({"campaign_id": None, "subsequence_id": "42"}, "subsequence_id must be a UUID"),
        ({"policy": {"healty": "open"}}, "healty"),
        ({"policy": {"healthy": "yes"}}, "'yes'"),
        ({"max_status_age": timedelta(seconds=-1)}, "max_status_age"),
        ({"wait_timeout": -1}, "wait_timeout"),
        ({"poke_interval": float("nan")}, "poke_interval"),
        ({"poke_interval": True}, "poke_interval"),
        ({"on_closed": "stop"}, "on_closed"),
        ({"max_failures": 0}, "max_failures"),
        ({"max_failures": "5"}, "max_failures"),
        ({"policy": "healthy"}, "policy"),
        ({"wait_timeout": 1e15}, "wait_timeout"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        gate(**arguments)


@pytest.mark.parametrize("rendered", ["", "None", f"{UUID}/../x"])
def test_an_id_that_was_not_known_at_parse_time_is_checked_before_anything_is_sent(
    driven: Driven, connections: ScriptedServer, rendered: str
) -> None:
    task = gate(campaign_id="{{ params.id }}")
    task.campaign_id = rendered
    with pytest.raises(ValueError, match="campaign_id"):
        driven.run(task)
    assert connections.requests == []
