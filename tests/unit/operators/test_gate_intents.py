"""A gate of each intent, on a worker and in the triggerer: what it reads, and what opens it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    BadRequestError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.rules.send_gate import Intent
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import OTHER_UUID, UUID, paths, sending_status

CAMPAIGN = f"/api/v2/campaigns/{UUID}"
STATUS = f"{CAMPAIGN}/sending-status"
ACCOUNTS = "/api/v2/accounts"
DRAFT = {"diagnostics": None, "summary": {"status": "campaign_draft"}}
COMPLETED = sending_status("campaign_completed", age=86_400)
Answers = Callable[..., None]


@pytest.fixture
def answers(connections: FakeServer) -> Answers:
    """Prepare the sending statuses, and the campaign with its fields."""

    def prepare(*statuses: Any, **campaign: Any) -> None:
        connections.requests.clear()
        connections.respond(*statuses, path=STATUS)
        connections.respond({"id": UUID, **campaign}, path=CAMPAIGN)

    return prepare


def gate(deferrable: bool = False, **arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(
        **{"task_id": "gate", "campaign_id": UUID, "deferrable": deferrable, **arguments}
    )


class TestConfirmation:
    @pytest.mark.parametrize(
        ("intent", "status", "number"),
        [("activate", DRAFT, 0), ("edit", DRAFT, 0), ("add_leads", COMPLETED, 3), ("edit", COMPLETED, 3)],
    )
    def test_campaign_confirms_its_own_state(
        self, answers: Answers, connections: FakeServer, intent: str, status: Any, number: int
    ) -> None:
        answers(status, status=number)
        verdict = TaskRunner().run(gate(intent=intent))
        assert (verdict["open"], verdict["intent"], verdict["campaign_status"]) == (True, intent, number)
        assert paths(connections) == [STATUS, CAMPAIGN]
        answers(status, status=1)
        with pytest.raises(SendGateTimeoutError, match=r"the campaign itself is active \(1\)"):
            TaskRunner().run(gate(intent=intent))

    @pytest.mark.parametrize("name", ["Spring", " Spring\n", None, 7])
    def test_campaign_that_was_read_is_named(self, answers: Answers, name: Any) -> None:
        answers(DRAFT, status=1, name=name)
        runner = TaskRunner()
        known = isinstance(name, str)
        subject = f"Campaign 'Spring' ({UUID})" if known else f"Campaign {UUID}"
        with pytest.raises(SendGateTimeoutError) as raised:
            runner.run(gate(intent="activate"))
        assert str(raised.value).startswith(f"{subject}: gate not open: campaign_draft")
        assert runner.ti.xcoms["return_value"].get("campaign_name") == ("Spring" if known else None)

    @pytest.mark.parametrize(("intent", "code"), [("send", "healthy"), ("add_leads", "daily_limit_met")])
    def test_fresh_code_needs_one_request(
        self, answers: Answers, connections: FakeServer, intent: str, code: str
    ) -> None:
        answers(sending_status(code))
        verdict = TaskRunner().run(gate(intent=intent))
        assert (verdict["open"], "campaign_status" in verdict) == (True, False)
        assert paths(connections) == [STATUS]

    def test_gate_waits_until_the_campaign_agrees(
        self, answers: Answers, connections: FakeServer, deferrable: bool
    ) -> None:
        answers(COMPLETED)
        agrees = {"id": UUID, "status": 3}
        connections.respond({"id": UUID, "status": 1}, {"id": UUID, "status": 1}, agrees, path=CAMPAIGN)
        runner = TaskRunner()
        assert runner.run(gate(deferrable, intent="add_leads", wait_timeout=600))["open"]
        assert paths(connections).count(CAMPAIGN) == 3
        # The trigger ends its wait where the campaign may confirm the code; the event opens nothing.
        assert [event["status"]["open"] for event in runner.events] == [False, False] * deferrable

    @pytest.mark.parametrize(
        "campaign",
        [
            {"id": OTHER_UUID, "status": 0},
            {"status": 0},
            b"<html>",
            f'{{"id": "{UUID}", "status": 2, "status": 0}}',
            {"id": UUID, "status": 0, "Error": "the data may be wrong"},
        ],
        ids=["another campaign", "no id", "not JSON", "duplicate key", "an error"],
    )
    @pytest.mark.parametrize(
        "status", [DRAFT, Reply({"message": "bad"}, status=400)], ids=["draft", "refused"]
    )
    def test_unusable_campaign_does_not_confirm(
        self, answers: Answers, connections: FakeServer, status: Any, campaign: Any
    ) -> None:
        answers(status)
        connections.respond(Reply(campaign), path=CAMPAIGN)
        with pytest.raises(SendGateTimeoutError):
            TaskRunner().run(gate(intent="edit"))

    def test_campaign_that_is_gone_closes_the_gate(self, answers: Answers, connections: FakeServer) -> None:
        answers(DRAFT)
        connections.respond(Reply({"message": "no"}, status=404), path=CAMPAIGN)
        runner = TaskRunner()
        with pytest.raises(SendGateClosedError, match=r"The campaign does not exist.* 404 Not Found: no"):
            runner.run(gate(intent="activate", wait_timeout=600))
        assert paths(connections) == [STATUS, CAMPAIGN]
        assert runner.ti.xcoms["return_value"]["disposition"] == "closed"

    def test_failed_confirmation_is_a_failed_poll(
        self, answers: Answers, connections: FakeServer, deferrable: bool
    ) -> None:
        answers(DRAFT)
        connections.respond(Reply({}, status=503), {"id": UUID, "status": 0}, path=CAMPAIGN)
        assert TaskRunner().run(gate(deferrable, intent="activate", wait_timeout=600))["open"]

    def test_old_details_do_not_close_a_completed_campaign(self, answers: Answers) -> None:
        gone = {"total_connected": 2, "unavailable": {"disconnected": 2}}
        answers(sending_status("campaign_completed", age=86_400, accounts_summary=gone), status=3)
        assert TaskRunner().run(gate(intent="add_leads"))["open"]

    def test_running_subsequences_confirm_a_code_if_the_policy_opens(self, answers: Answers) -> None:
        answers(sending_status("out_of_schedule"), status=4)
        policy = {"campaign_running_subsequences": "open"}
        assert TaskRunner().run(gate(intent="add_leads", policy=policy))["open"]
        with pytest.raises(SendGateTimeoutError):
            TaskRunner().run(gate(intent="add_leads"))


class TestRefusedDraft:
    """Instantly is reported to refuse the sending status of a draft with 400."""

    @pytest.mark.parametrize("intent", ["activate", "edit"])
    def test_refused_status_of_a_draft_opens(self, answers: Answers, intent: str) -> None:
        answers(Reply({"message": "bad"}, status=400), status=0)
        verdict = TaskRunner().run(gate(intent=intent))
        assert (verdict["open"], verdict["code"], verdict["campaign_status"]) == (True, "campaign_draft", 0)

    @pytest.mark.parametrize(
        ("intent", "number"), [("activate", 1), ("edit", 2), ("send", 0), ("add_leads", 0)]
    )
    def test_any_other_refusal_is_an_error(self, answers: Answers, intent: str, number: int) -> None:
        answers(Reply({"message": "bad"}, status=400), status=number)
        with pytest.raises(BadRequestError):
            TaskRunner().run(gate(intent=intent))

    def test_draft_that_is_refused_during_the_wait_opens(
        self, answers: Answers, connections: FakeServer, deferrable: bool
    ) -> None:
        refused = Reply({"message": "bad"}, status=400)
        answers({"diagnostics": None, "summary": None}, refused, status=0)
        assert TaskRunner().run(gate(deferrable, intent="edit", wait_timeout=600))["open"]


class TestEndDate:
    SCHEDULES = [{"timezone": "Africa/Abidjan"}]  # noqa: RUF012

    @pytest.mark.parametrize("intent", ["send", "add_leads", "activate"])
    def test_ended_campaign_closes_the_gate(self, answers: Answers, intent: str) -> None:
        yesterday = str((datetime.now(timezone.utc) - timedelta(days=1)).date())
        schedule = {"end_date": yesterday, "schedules": self.SCHEDULES}
        answers(sending_status("out_of_schedule"), status=1, campaign_schedule=schedule)
        with pytest.raises(SendGateClosedError, match="end date has passed"):
            TaskRunner().run(gate(intent=intent, wait_timeout=600))

    def test_unreadable_campaign_does_not_end_a_wait(
        self, answers: Answers, connections: FakeServer, deferrable: bool
    ) -> None:
        answers(sending_status("out_of_schedule"), sending_status("healthy"))
        connections.respond(Reply({}, status=503), path=CAMPAIGN)
        assert TaskRunner().run(gate(deferrable, wait_timeout=600))["open"]


def account(email: str, status: int) -> dict[str, Any]:
    return {"email": email, "status": status, "stat_warmup_score": 0}


class TestSenders:
    SENDERS = ["ada@sender.test", "Grace@sender.test"]  # noqa: RUF012

    def check(self, **arguments: Any) -> InstantlySendGateOperator:
        return gate(intent="activate", check_senders=True, **arguments)

    def test_all_senders_active_opens(self, answers: Answers, connections: FakeServer) -> None:
        answers(DRAFT, status=0, email_list=self.SENDERS)
        accounts = [account(each.lower(), 1) for each in (*self.SENDERS, "other@sender.test")]
        connections.respond({"items": accounts, "next_starting_after": "more"}, path=ACCOUNTS)
        verdict = TaskRunner().run(self.check())
        assert verdict["open"]
        assert "sender" not in verdict["message"]
        assert len(connections.requests) == 3  # the second page of accounts is not needed

    def test_some_senders_active_opens_and_names_the_others(
        self, answers: Answers, connections: FakeServer
    ) -> None:
        answers(DRAFT, status=0, email_list=[*self.SENDERS, "gone@sender.test"])
        accounts = [account("ada@sender.test", -3), account("grace@sender.test", 1)]
        connections.respond({"items": accounts}, path=ACCOUNTS)
        message = TaskRunner().run(self.check())["message"]
        assert "1 of 3 senders can send, but not ada@sender.test: sending error (-3)" in message
        assert "gone@sender.test: not in the workspace" in message

    @pytest.mark.parametrize(
        ("states", "error"),
        [
            ((-1, -2), SendGateClosedError),
            ((2, 7), SendGateClosedError),
            ((2, True), SendGateClosedError),
            ((-1, 3), SendGateTimeoutError),  # maintenance ends by itself
        ],
    )
    def test_no_active_sender_does_not_open(
        self, answers: Answers, connections: FakeServer, states: tuple[int, int], error: type[Exception]
    ) -> None:
        answers(DRAFT, status=0, email_list=self.SENDERS)
        accounts = [account(email, state) for email, state in zip(self.SENDERS, states, strict=True)]
        connections.respond({"items": accounts}, path=ACCOUNTS)
        with pytest.raises(error, match=r"No sender of the campaign can send: ada@sender\.test: .*grace@"):
            TaskRunner().run(self.check())

    def test_campaign_without_a_sender_is_closed(self, answers: Answers) -> None:
        answers(DRAFT, status=0, email_list=[])
        with pytest.raises(SendGateClosedError, match="No sending account is attached"):
            TaskRunner().run(self.check())

    def test_senders_may_be_named_by_tags(self, answers: Answers, connections: FakeServer) -> None:
        answers(DRAFT, status=0, email_list=[], email_tag_list=[UUID, OTHER_UUID])
        connections.respond({"items": [account("ada@sender.test", 1)]}, path=ACCOUNTS)
        assert TaskRunner().run(self.check())["open"]
        assert f"tag_ids={UUID}%2C{OTHER_UUID}" in paths(connections)[-1]

    def test_campaign_that_says_otherwise_does_not_open(
        self, answers: Answers, connections: FakeServer
    ) -> None:
        accounts = {"items": [account(email, 1) for email in self.SENDERS]}
        for campaign in ({"status": 2}, {"status": 1, "not_sending_status": 99}):
            answers(sending_status("healthy"), **campaign, email_list=self.SENDERS)
            connections.respond(accounts, path=ACCOUNTS)
            runner = TaskRunner()
            with pytest.raises(SendGateTimeoutError):
                runner.run(gate(check_senders=True))
            assert runner.ti.xcoms["return_value"]["campaign_status"] == campaign["status"]

    def test_key_without_the_scope_is_an_error_that_names_it(
        self, answers: Answers, connections: FakeServer
    ) -> None:
        answers(DRAFT, status=0, email_list=self.SENDERS)
        connections.respond(Reply({"message": "Invalid scope"}, status=401), path=ACCOUNTS)
        with pytest.raises(PermissionDeniedError, match="accounts:read"):
            TaskRunner().run(self.check())

    @pytest.mark.parametrize("senders", [{"email_list": SENDERS}, {"email_tag_list": [UUID]}])
    def test_failed_read_of_the_senders_is_one_request(
        self, answers: Answers, connections: FakeServer, senders: dict[str, Any]
    ) -> None:
        answers(DRAFT, status=0, **senders)
        connections.respond(Reply({}, status=503), path=ACCOUNTS)
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(self.check(wait_timeout=600, max_failures=1))
        assert len(connections.requests) == 3

    def test_closed_gate_reads_no_senders(self, answers: Answers, connections: FakeServer) -> None:
        answers(sending_status("campaign_bounce_protect"))
        with pytest.raises(SendGateClosedError):
            TaskRunner().run(self.check())
        assert paths(connections) == [STATUS]


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"intent": "sending"}, "intent must be one of 'send', 'add_leads', 'activate', 'edit'"),
            ({"intent": None}, "intent"),
            ({"check_senders": "yes"}, "check_senders"),
            ({"campaign_id": None, "subsequence_id": UUID, "check_senders": True}, "check_senders"),
            ({"max_status_age": "an hour"}, "max_status_age"),
            ({"max_status_age": 0}, "max_status_age must be more than 0"),
            ({"policy": {"healthy": "anyway"}}, "open_anyway"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            gate(**arguments)

    def test_intent_may_be_a_member_of_the_enum(self) -> None:
        assert type(gate(intent=Intent.EDIT).intent) is str

    def test_subsequence_confirms_its_own_state(self, connections: FakeServer) -> None:
        subsequence = f"/api/v2/subsequences/{UUID}"
        asked = gate(campaign_id=None, subsequence_id=UUID, intent="edit")
        connections.respond(
            {"diagnostics": None, "summary": {"status": "campaign_paused"}},
            path=f"{subsequence}/sending-status",
        )
        connections.respond({"id": UUID, "status": 2}, path=subsequence)
        assert TaskRunner().run(asked)["open"]
        connections.respond({"id": UUID, "status": 1, "name": "Later"}, path=subsequence)
        with pytest.raises(SendGateTimeoutError, match=rf"^Subsequence 'Later' \({UUID}\): gate not open"):
            TaskRunner().run(asked)
