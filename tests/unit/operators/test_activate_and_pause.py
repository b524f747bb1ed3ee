"""Turning a campaign on and off: sent once, and believed only when the campaign shows it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    IncompleteResponseError,
    MalformedResponseError,
    NotActivatedError,
    NotFoundError,
    NotPausedError,
    PaymentRequiredError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyPauseCampaignOperator,
)
from airflow_provider_campaigns.transport import retry
from airflow_provider_campaigns.triggers.instantly import InstantlyActivationTrigger
from tests.conftest import KEY
from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CAMPAIGN = f"/api/v2/campaigns/{UUID}"
STATUS = f"{CAMPAIGN}/sending-status"
LINK = f"https://app.instantly.ai/app/campaign/{UUID}/analytics"

# What may come back although the service has carried the change out.
LOST = [
    (Reply({}, status=500), ServiceUnavailableError),
    (Reply({}, status=503), ServiceUnavailableError),
    (Reply({}, status=408), ServiceUnavailableError),
    (Reply(drop="before"), IncompleteResponseError),
    (Reply({"status": 1}, drop="headers"), IncompleteResponseError),
    (Reply({"status": 1}, drop="body"), IncompleteResponseError),
    (Reply(b"<html>"), MalformedResponseError),
]
REFUSED = [
    (Reply({"message": "no"}, status=400), BadRequestError),
    (Reply({"message": "no"}, status=401), AuthenticationError),
    (Reply({"message": "no"}, status=402), PaymentRequiredError),
    (Reply({"message": "no"}, status=404), NotFoundError),
    (Reply({"message": "no"}, status=429), RateLimitedError),
]


def activate(**arguments: Any) -> InstantlyActivateCampaignOperator:
    quick = {"task_id": "activate", "campaign_id": UUID, "poke_interval": 0.02, "deferrable": False}
    return InstantlyActivateCampaignOperator(**{**quick, **arguments})


def pause(**arguments: Any) -> InstantlyPauseCampaignOperator:
    return InstantlyPauseCampaignOperator(**{"task_id": "pause", "campaign_id": UUID, **arguments})


def play(server: ScriptedServer, *statuses: Any, answer: Any = None, codes: tuple[Any, ...] = ()) -> None:
    """Let the campaign be in these states, one after another, and answer a change, and say these codes."""
    server.requests.clear()
    campaigns = [each if isinstance(each, Reply) else {"id": UUID, "status": each} for each in statuses]
    server.play(*campaigns, path=CAMPAIGN)
    for verb in ("activate", "pause"):
        # The answer to a change is not what tells: here, it always claims that nothing has changed.
        server.play(answer or {"id": UUID, "status": statuses[0]}, path=f"{CAMPAIGN}/{verb}")
    if codes:
        server.play(*[each if isinstance(each, Reply) else said(each) for each in codes], path=STATUS)


def said(code: Any) -> dict[str, Any]:
    return {"diagnostics": None, "summary": {"status": code}}


def asked(server: ScriptedServer) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix(CAMPAIGN)) for request in server.requests]


READ, ACTIVATE, PAUSE, SENDING = ("GET", ""), ("POST", "/activate"), ("POST", "/pause"), "/sending-status"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.02)


@pytest.fixture(params=[False, True], ids=["worker", "triggerer"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return request.param


class TestActivating:
    @pytest.mark.parametrize("before", [0, 2])
    def test_a_campaign_that_is_not_active_is_activated(
        self, connections: ScriptedServer, before: int
    ) -> None:
        play(connections, before, 1)
        driven = Driven()
        assert driven.run(activate()) == {"campaign_id": UUID, "status": 1}
        assert asked(connections) == [READ, ACTIVATE, READ]
        assert connections.requests[1].body == b""
        assert driven.ti.xcoms == {"_link_InstantlyCampaignLink": LINK}

    @pytest.mark.parametrize("before", [3, -1, -2, -99, 7])
    def test_what_has_stopped_by_itself_is_left_to_a_person(
        self, connections: ScriptedServer, before: int
    ) -> None:
        play(connections, before, 1)
        with pytest.raises(NotActivatedError, match="restart_stopped=True"):
            Driven().run(activate())
        assert asked(connections) == [READ]
        assert Driven().run(activate(restart_stopped=True))["status"] == 1

    @pytest.mark.parametrize("status", [1, 4])
    def test_a_campaign_that_sends_is_left_alone(self, connections: ScriptedServer, status: int) -> None:
        play(connections, status)
        assert Driven().run(activate()) == {"campaign_id": UUID, "status": status}
        assert asked(connections) == [READ]

    @pytest.mark.parametrize(
        ("after", "told"),
        [
            (0, r"draft \(0\)"),
            (2, r"paused \(2\)"),
            (-99, r"account suspended \(-99\)"),
            (7, r"unknown \(7\)"),
        ],
    )
    def test_an_activation_that_was_accepted_and_did_not_take_fails_for_good(
        self, connections: ScriptedServer, after: int, told: str
    ) -> None:
        play(connections, 0, after, answer={"id": UUID, "status": 1})
        with pytest.raises(NotActivatedError, match=told) as raised:
            Driven().run(activate(wait_timeout=20))
        assert raised.value.final
        assert asked(connections) == [READ, ACTIVATE, READ]

    @pytest.mark.parametrize(("answer", "error"), LOST)
    def test_an_activation_whose_answer_is_lost_counts_if_the_campaign_is_active(
        self, connections: ScriptedServer, answer: Reply, error: type[ApiError]
    ) -> None:
        play(connections, 0, 1, answer=answer)
        assert Driven().run(activate()) == {"campaign_id": UUID, "status": 1}
        assert asked(connections) == [READ, ACTIVATE, READ]

        play(connections, 0, answer=answer)
        with pytest.raises(error, match="/activate") as raised:
            Driven().run(activate())
        assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry it
        assert asked(connections) == [READ, ACTIVATE, READ]

    def test_an_activation_that_took_late_is_not_repeated_by_a_retry(
        self, connections: ScriptedServer
    ) -> None:
        play(connections, 0, 0, 1, answer=Reply(drop="before"))
        with pytest.raises(IncompleteResponseError):
            Driven().run(activate())
        assert Driven().run(activate())["status"] == 1
        assert asked(connections).count(ACTIVATE) == 1

    def test_where_the_campaign_cannot_be_read_either_the_lost_answer_is_told(
        self, connections: ScriptedServer
    ) -> None:
        play(connections, 0, Reply({}, status=401), answer=Reply({}, status=502))
        with pytest.raises(ServiceUnavailableError, match="502") as raised:
            Driven().run(activate())
        assert isinstance(raised.value.__cause__, AuthenticationError)
        assert asked(connections) == [READ, ACTIVATE, READ]

    @pytest.mark.parametrize(("answer", "error"), REFUSED)
    def test_an_activation_that_was_refused_is_told_at_once(
        self, connections: ScriptedServer, answer: Reply, error: type[ApiError]
    ) -> None:
        play(connections, 0, 1, answer=answer)
        with pytest.raises(error):
            Driven().run(activate())
        assert asked(connections) == [READ, ACTIVATE]

    @pytest.mark.parametrize("unreadable_verdict", [None, "1", True, [1], 1.5])
    def test_a_campaign_that_cannot_be_read_is_not_activated(
        self, connections: ScriptedServer, unreadable_verdict: Any
    ) -> None:
        play(connections, unreadable_verdict)
        with pytest.raises(MalformedResponseError, match=f"does not say what campaign {UUID} is"):
            Driven().run(activate())
        assert asked(connections) == [READ]

    def test_reading_is_repeated(self, connections: ScriptedServer) -> None:
        failing = Reply({}, status=503)
        play(connections, failing, 0, failing, 1)
        assert Driven().run(activate())["status"] == 1
        assert asked(connections) == [READ, READ, ACTIVATE, READ, READ]


class TestWaitingForSending:
    def test_it_is_not_waited_for_unless_that_is_wanted(self, connections: ScriptedServer) -> None:
        play(connections, 0, 1, codes=("campaign_draft",))
        Driven().run(activate(wait_timeout=0))
        assert ("GET", SENDING) not in asked(connections)

    @pytest.mark.parametrize("before", [0, 1])
    def test_it_waits_until_the_sending_status_leaves_draft(
        self, connections: ScriptedServer, deferrable: bool, before: int
    ) -> None:
        play(connections, before, 1, codes=("campaign_draft", "campaign_draft", "waiting_for_leads"))
        driven = Driven()
        assert driven.run(activate(wait_timeout=20, deferrable=deferrable)) == {
            "campaign_id": UUID,
            "status": 1,
            "sending_status": "waiting_for_leads",
        }
        assert asked(connections).count(("GET", SENDING)) == 3
        assert asked(connections).count(ACTIVATE) == (1 if before == 0 else 0)
        assert len(driven.deferrals) == int(deferrable)
        assert driven.ti.xcoms["_link_InstantlyCampaignLink"] == LINK

    @pytest.mark.parametrize(
        "answer",
        [said(None), said(1), {}, {"diagnostics": None, "summary": None}, Reply(b"<html>"), Reply(b"[]")],
        ids=["null", "number", "empty", "nulls", "not JSON", "list"],
    )
    def test_a_status_that_says_nothing_is_waited_out(
        self, connections: ScriptedServer, deferrable: bool, answer: Any
    ) -> None:
        play(connections, 1)
        connections.play(answer, answer, said("healthy"), path=STATUS)
        # It is an answer: nothing has failed, so one that may not fail once goes on.
        result = Driven().run(activate(wait_timeout=20, deferrable=deferrable, max_failures=1))
        assert result["sending_status"] == "healthy"
        assert asked(connections) == [READ, *[("GET", SENDING)] * 3, READ]

    def test_a_campaign_that_is_still_reported_as_paused_is_waited_for(
        self, connections: ScriptedServer, deferrable: bool
    ) -> None:
        play(connections, 2, 1, codes=("campaign_paused", "out_of_schedule"))
        result = Driven().run(activate(wait_timeout=20, deferrable=deferrable))
        assert result["sending_status"] == "out_of_schedule"

    def test_a_campaign_that_is_stopped_during_the_wait_is_no_success(
        self, connections: ScriptedServer, deferrable: bool
    ) -> None:
        play(connections, 0, 1, -2, codes=("campaign_draft", "campaign_bounce_protect"))
        with pytest.raises(NotActivatedError, match="now is bounce protect"):
            Driven().run(activate(wait_timeout=20, deferrable=deferrable))

    def test_a_wait_that_runs_out_says_so(self, connections: ScriptedServer, deferrable: bool) -> None:
        play(connections, 0, 1, codes=("campaign_draft",))
        begun = time.monotonic()
        with pytest.raises(AirflowSensorTimeout, match=r"is active, but .* 0\.5 s .*campaign_draft"):
            Driven().run(activate(wait_timeout=0.5, poke_interval=0.1, deferrable=deferrable))
        assert 0.4 < time.monotonic() - begun < 10
        assert 2 <= asked(connections).count(("GET", SENDING)) <= 8
        assert asked(connections).count(ACTIVATE) == 1

    def test_a_wait_that_runs_out_while_the_service_fails_says_that_too(
        self, connections: ScriptedServer, deferrable: bool
    ) -> None:
        play(connections, 1, codes=("campaign_draft", Reply({}, status=503)))
        with pytest.raises(AirflowSensorTimeout, match="503"):
            Driven().run(activate(wait_timeout=0.6, poke_interval=0.2, deferrable=deferrable))

    def test_single_failures_are_survived_and_five_in_a_row_are_not(
        self, connections: ScriptedServer, deferrable: bool
    ) -> None:
        failing = Reply({}, status=503)
        play(connections, 1, codes=(*[failing] * 4, "campaign_draft", failing, "healthy"))
        task = activate(wait_timeout=60, deferrable=deferrable)
        assert Driven().run(task)["sending_status"] == "healthy"
        play(connections, 1, codes=(failing,))
        with pytest.raises(ServiceUnavailableError):
            Driven().run(task)
        assert asked(connections).count(("GET", SENDING)) == 5

    def test_a_final_error_ends_the_wait_at_once(self, connections: ScriptedServer, deferrable: bool) -> None:
        play(connections, 1, codes=("campaign_draft", Reply({}, status=401)))
        with pytest.raises(AuthenticationError):
            Driven().run(activate(wait_timeout=60, deferrable=deferrable))
        assert asked(connections).count(("GET", SENDING)) == 2

    def test_what_is_stored_of_the_wait_is_what_airflow_can_store_and_holds_no_key(
        self, connections: ScriptedServer
    ) -> None:
        play(connections, 1, codes=("healthy",))
        driven = Driven()
        before = time.time()
        driven.run(activate(wait_timeout=500, deferrable=True, max_failures=3, poke_interval=7))
        ((classpath, stored),) = driven.deferrals
        assert classpath == "airflow_provider_campaigns.triggers.instantly.InstantlyActivationTrigger"
        assert driven.timeouts == [560]
        arguments = {
            "campaign_id": UUID,
            "instantly_conn_id": "instantly_default",
            "poke_interval": 7.0,
            "deadline": before + 500,
            "max_failures": 3,
        }
        trigger = InstantlyActivationTrigger(**arguments)
        kept = decrypt_kwargs(encrypt_kwargs(trigger.serialize()[1]))
        assert InstantlyActivationTrigger(**kept).serialize() == (classpath, arguments)
        assert KEY not in json.dumps([stored, driven.events])


class TestPausing:
    @pytest.mark.parametrize("before", [1, 4])
    @pytest.mark.parametrize("after", [2, 3, -2])
    def test_a_campaign_that_sends_is_paused(
        self, connections: ScriptedServer, before: int, after: int
    ) -> None:
        play(connections, before, after)
        driven = Driven()
        assert driven.run(pause()) == {"campaign_id": UUID, "status": after}
        assert asked(connections) == [READ, PAUSE, READ]
        assert connections.requests[1].body == b""
        assert driven.ti.xcoms == {"_link_InstantlyCampaignLink": LINK}

    @pytest.mark.parametrize("before", [0, 2, 3, -1, -2, -99, 7])
    def test_a_campaign_that_does_not_send_is_left_alone(
        self, connections: ScriptedServer, before: int
    ) -> None:
        play(connections, before)
        assert Driven().run(pause()) == {"campaign_id": UUID, "status": before}
        assert asked(connections) == [READ]

    @pytest.mark.parametrize(("after", "told"), [(1, r"active \(1\)"), (4, r"running subsequences \(4\)")])
    def test_a_pause_that_was_accepted_and_did_not_take_fails_and_may_be_tried_again(
        self, connections: ScriptedServer, after: int, told: str
    ) -> None:
        play(connections, 1, after, answer={"id": UUID, "status": 2})
        with pytest.raises(NotPausedError, match=told) as raised:
            Driven().run(pause())
        assert not raised.value.final
        assert asked(connections) == [READ, PAUSE, READ]

    @pytest.mark.parametrize(("answer", "error"), LOST)
    def test_a_pause_whose_answer_is_lost_counts_if_the_campaign_is_paused(
        self, connections: ScriptedServer, answer: Reply, error: type[ApiError]
    ) -> None:
        play(connections, 1, 2, answer=answer)
        assert Driven().run(pause()) == {"campaign_id": UUID, "status": 2}
        assert asked(connections) == [READ, PAUSE, READ]

        play(connections, 1, answer=answer)
        with pytest.raises(error, match="/pause"):
            Driven().run(pause())
        assert asked(connections) == [READ, PAUSE, READ]

    @pytest.mark.parametrize(("answer", "error"), REFUSED)
    def test_a_pause_that_was_refused_is_told_at_once(
        self, connections: ScriptedServer, answer: Reply, error: type[ApiError]
    ) -> None:
        play(connections, 1, 2, answer=answer)
        with pytest.raises(error):
            Driven().run(pause())
        assert asked(connections) == [READ, PAUSE]

    def test_a_campaign_that_cannot_be_read_is_not_paused(self, connections: ScriptedServer) -> None:
        play(connections, "1")
        with pytest.raises(MalformedResponseError, match=UUID):
            Driven().run(pause())
        assert asked(connections) == [READ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": None}, "campaign_id"),
        ({"campaign_id": "42"}, "campaign_id"),
        ({"wait_timeout": -1}, "wait_timeout"),
        ({"wait_timeout": "1"}, "wait_timeout"),
        ({"poke_interval": float("nan")}, "poke_interval"),
        ({"max_failures": 0}, "max_failures"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        activate(**arguments)
    if named == "campaign_id":
        with pytest.raises(ValueError, match=named):
            pause(**arguments)


@pytest.mark.parametrize("build", [activate, pause])
@pytest.mark.parametrize("rendered", ["", "None", f"{UUID}/../x"])
def test_an_id_that_was_not_known_at_parse_time_is_checked_before_anything_is_sent(
    connections: ScriptedServer, build: Any, rendered: str
) -> None:
    task = build(campaign_id="{{ params.id }}")
    task.campaign_id = rendered
    with pytest.raises(ValueError, match="campaign_id"):
        Driven().run(task)
    assert connections.requests == []
