"""What a gate does around its questions, on the fake clock."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, TriggerRule, task

from airflow_provider_campaigns import airflow_compat
from airflow_provider_campaigns.exceptions import AuthenticationError
from airflow_provider_campaigns.metrics import Metrics
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerQualityGateOperator,
    QualityGateClosedError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.tasks.asking import MIN_QUESTION_SECONDS
from tests.support.airflow_versions import BAD_ARGUMENT, first_of, needs, needs_pages
from tests.support.asked_gate import AskedGate
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import UUID, paths, sending_status

HOUR = 3600
JANE = [{"id": "jane", "name": "Jane"}]
OVERRIDE: dict[str, Any] = {"allow_override": True, "ask_users": JANE}
BAD = {"broken_links": ["https://broken.test/x"], "campaign_name": "Spring"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> AskedGate:
    return AskedGate(monkeypatch)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions and ends of gates that are counted."""
    counts: list[str] = []
    monkeypatch.setattr(Metrics, "gate", lambda _, outcome: counts.append(outcome))
    return counts


@pytest.fixture
def service(connections: FakeServer) -> FakeServer:
    connections.respond({"id": UUID, "name": "Spring"}, path=f"/api/v2/campaigns/{UUID}")
    return connections


def report(server: FakeServer, *codes: str) -> None:
    """Report these codes from now on, one after another."""
    server.respond(*map(sending_status, codes), path=f"/api/v2/campaigns/{UUID}/sending-status")


def gate(**arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(
        **{"task_id": "gate", "campaign_id": UUID, "on_closed": "ask", **arguments}
    )


def quality(analysis: Any, **arguments: Any) -> CampaignCleanerQualityGateOperator:
    return CampaignCleanerQualityGateOperator(
        **{"task_id": "gate", "analysis": analysis, "max_broken_links": 0, "on_closed": "ask", **arguments}
    )


class TestSendGate:
    def test_open_gate_asks_nobody(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "healthy")
        assert asked.run(gate())["open"] is True
        assert asked.asked is None
        assert len(service.requests) == 1

    def test_gate_asks_after_its_wait(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "daily_limit_met")
        asked.run(gate(wait_timeout=HOUR, poke_interval=600))
        assert "`daily_limit_met` (wait)" in asked.asked.question["body"]
        assert asked.ti.xcoms["return_value"]["code"] == "daily_limit_met"

    def test_click_opens_nothing_without_a_healthy_status(
        self, asked: AskedGate, service: FakeServer, counted: list[str]
    ) -> None:
        report(service, "all_accounts_unhealthy", "daily_limit_met", "healthy")
        assert asked.run(gate()) is None
        assert asked.answer("Look again") is None
        assert asked.ti.xcoms["return_value"]["code"] == "daily_limit_met"
        assert asked.asked.arguments["kwargs"]["asked"]["number"] == 2
        assert asked.answer("Look again")["open"] is True
        assert counted == ["asked", "asked", "opened"]

    def test_deadline_stays_and_ends_the_questions(
        self, asked: AskedGate, service: FakeServer, clock: FakeClock, counted: list[str]
    ) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate(ask_timeout=10 * HOUR))
        assert asked.asked.arguments["seconds"] == pytest.approx(10 * HOUR, abs=5)
        clock.sleep(9 * HOUR)
        asked.answer("Look again")
        assert asked.asked.arguments["seconds"] == pytest.approx(HOUR, abs=10)
        clock.sleep(2 * HOUR)
        with pytest.raises(SendGateClosedError, match=r"within 36000 s \(ask_timeout\)"):
            asked.answer("Look again")
        assert counted == ["asked", "asked", "closed"]

    @pytest.mark.parametrize(("store", "hours"), [({}, 7), (None, 10)])
    def test_deadline_stays_in_a_retry_and_not_in_a_cleared_task(
        self, store: Any, hours: int, asked: AskedGate, service: FakeServer, clock: FakeClock
    ) -> None:
        asked.store = store
        report(service, "all_accounts_unhealthy")
        asked.run(gate(ask_timeout=10 * HOUR))
        clock.sleep(3 * HOUR)
        asked.ti.try_number += 1
        asked.run(gate(ask_timeout=10 * HOUR))
        assert asked.asked.arguments["seconds"] == pytest.approx(hours * HOUR, abs=10)
        asked.ti.max_tries += 1
        asked.run(gate(ask_timeout=10 * HOUR))
        assert asked.asked.arguments["seconds"] == pytest.approx(10 * HOUR, abs=5)

    @pytest.mark.parametrize(
        ("code", "action", "error"),
        [
            ("all_accounts_unhealthy", "fail", SendGateClosedError),
            ("daily_limit_met", "fail", SendGateTimeoutError),
            ("all_accounts_unhealthy", "skip", AirflowSkipException),
        ],
    )
    def test_timeout_does_its_action_without_a_poll(
        self, code: str, action: Any, error: Any, asked: AskedGate, service: FakeServer
    ) -> None:
        report(service, code, "healthy")
        with DAG("asks", schedule=None):
            asked.run(gate(ask_timeout_action=action))
        before = len(service.requests)
        asked.task.skip = lambda **_: None
        with pytest.raises(error):
            asked.answer(None)
        assert len(service.requests) == before

    def test_timeout_is_logged(
        self, asked: AskedGate, service: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        with pytest.raises(SendGateClosedError):
            asked.answer(None)
        assert "No answer in time." in caplog.messages

    def test_wait_polls_after_its_hours_without_a_click(
        self, asked: AskedGate, service: FakeServer, clock: FakeClock
    ) -> None:
        report(service, "all_accounts_unhealthy", "healthy")
        asked.run(gate())
        before = asked.asked.question
        asked.answer("Wait and look again", hours=3)
        assert asked.asked.arguments["seconds"] == pytest.approx(3 * HOUR, abs=5)
        assert asked.asked.question["subject"] == before["subject"]
        assert "Decides again" in asked.asked.question["body"]
        clock.sleep(3 * HOUR)
        assert asked.answer(None)["open"] is True

    def test_wait_ends_at_the_deadline(self, asked: AskedGate, service: FakeServer, clock: FakeClock) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate(ask_timeout=HOUR))
        asked.answer("Wait and look again", hours=3)
        assert asked.asked.arguments["seconds"] == pytest.approx(HOUR, abs=5)
        clock.sleep(HOUR)
        with pytest.raises(SendGateClosedError):
            asked.answer(None)

    def test_question_is_never_open_for_an_instant_only(self, asked: AskedGate, service: FakeServer) -> None:
        """Airflow fails a task that goes on before the scheduler has seen the end of its process."""
        report(service, "all_accounts_unhealthy")
        asked.run(gate(ask_timeout=0.1))
        assert asked.asked.arguments["seconds"] == MIN_QUESTION_SECONDS
        asked.run(gate())
        asked.answer("Wait and look again", hours=0.0001)
        assert asked.asked.arguments["seconds"] == MIN_QUESTION_SECONDS

    def test_fail_names_who_chose_it(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        with pytest.raises(SendGateClosedError, match=r"Jane \(jane\) chose 'Fail'"):
            asked.answer("Fail")

    def test_skip_skips_the_downstream_tasks(
        self, asked: AskedGate, service: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(service, "all_accounts_unhealthy")
        skipped: list[str] = []
        monkeypatch.setattr(
            "airflow_provider_campaigns.tasks.gate.skip_tasks",
            lambda _gate, _context, tasks: skipped.extend(each.task_id for each in tasks),
        )
        with DAG("asks", schedule=None):
            asks = gate()
            asks >> task(lambda: None, task_id="send")()
        asked.run(asks)
        with pytest.raises(AirflowSkipException):
            asked.answer("Skip the send")
        assert skipped == ["send"]

    def test_outage_after_a_click_asks_again(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        service.respond(Reply({}, status=503), path=f"/api/v2/campaigns/{UUID}/sending-status")
        asked.answer("Look again")
        assert "**No response:**" in asked.asked.question["body"]
        assert asked.ti.xcoms["return_value"]["code"] == "all_accounts_unhealthy"
        report(service, "healthy")
        assert asked.answer("Look again")["open"] is True

    def test_outage_until_the_end_of_the_question_is_a_timeout(
        self, asked: AskedGate, service: FakeServer, counted: list[str]
    ) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        service.respond(Reply({}, status=503), path=f"/api/v2/campaigns/{UUID}/sending-status")
        asked.answer("Look again")
        assert asked.asked.question["subject"] == f"Send gate closed: Campaign {UUID}"
        with pytest.raises(SendGateTimeoutError, match="503"):
            asked.answer(None)
        assert counted == ["asked", "asked", "timed_out"]

    def test_outage_after_an_override_says_that_nothing_was_sent(
        self, asked: AskedGate, service: FakeServer
    ) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate(**OVERRIDE))
        service.respond(Reply({}, status=503), path=f"/api/v2/campaigns/{UUID}/sending-status")
        assert asked.answer("Send anyway", reason="new senders") is None
        assert "'Send anyway' was not carried out; choose again." in asked.asked.question["body"]

    @needs_pages
    def test_gate_that_asks_is_on_the_board_by_name(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        assert asked.ti.xcoms["campaigns_verdict"]["campaigns"][UUID][4] == "Spring"

    def test_final_error_after_a_click_fails(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        service.respond(Reply({}, status=401), path=f"/api/v2/campaigns/{UUID}/sending-status")
        with pytest.raises(AuthenticationError):
            asked.answer("Look again")

    def test_unknown_name_does_not_keep_the_gate_from_asking(
        self, asked: AskedGate, service: FakeServer
    ) -> None:
        service.respond(Reply({}, status=403), path=f"/api/v2/campaigns/{UUID}")
        report(service, "all_accounts_unhealthy")
        asked.run(gate())
        assert asked.asked.question["subject"] == f"Send gate closed: Campaign {UUID}"

    def test_gate_run_by_hand_fails(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        with pytest.raises(SendGateClosedError):
            gate().execute({})


class TestOverride:
    def test_override_is_on_record(
        self,
        asked: AskedGate,
        service: FakeServer,
        counted: list[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate(**OVERRIDE))
        result = asked.answer("Send anyway", reason="new senders")
        assert result.items() >= {"open": True, "disposition": "closed", "reason": "new senders"}.items()
        assert result["overridden_by"] == "Jane (jane)"
        assert counted == ["asked", "overridden"]
        assert "Jane (jane) sends anyway: new senders" in caplog.text

    def test_healthy_campaign_needs_no_override(
        self, asked: AskedGate, service: FakeServer, counted: list[str]
    ) -> None:
        report(service, "all_accounts_unhealthy", "healthy")
        asked.run(gate(**OVERRIDE))
        assert "overridden_by" not in asked.answer("Send anyway", reason="new senders")
        assert counted == ["asked", "opened"]

    @pytest.mark.parametrize(
        ("arguments", "user", "params"),
        [
            (OVERRIDE, "jane", {}),
            (OVERRIDE, "bob", {"reason": "x"}),
            ({"ask_users": JANE}, "jane", {"reason": "x"}),  # the form is of an earlier version of the Dag
        ],
    )
    def test_override_that_is_not_allowed_asks_again(
        self, arguments: Any, user: str, params: Any, asked: AskedGate, service: FakeServer
    ) -> None:
        report(service, "all_accounts_unhealthy")
        asked.run(gate(**arguments))
        assert asked.answer("Send anyway", user=user, **params) is None
        assert "**The last answer did not count:**" in asked.asked.question["body"]


class TestQualityGate:
    def test_gate_reads_the_analysis_again(self, asked: AskedGate) -> None:
        asked.run(quality(BAD))
        assert asked.asked.question["subject"] == "Quality gate closed: Spring"
        assert "https://broken.test/x" in asked.asked.question["body"]
        assert "clear the tasks that submit and get it, then look again" in asked.asked.question["body"]
        assert "the same unless the tasks that submit and get it were cleared" in asked.asked.question["body"]
        assert "analysis" not in asked.asked.arguments["kwargs"]["rendered"]
        asked.task.analysis = {"broken_links": []}  # as Airflow renders the XCom again
        assert asked.answer("Look again") == {"passed": True, "breaches": []}

    @needs_pages
    def test_question_links_to_the_cleaning_report(self, asked: AskedGate) -> None:
        asked.run(quality(BAD))
        address = asked.ti.xcoms["_link_CleaningReportLink"]
        assert f"[cleaning report]({address})" in asked.asked.question["body"]

    def test_fail_raises_the_error_of_the_gate(self, asked: AskedGate) -> None:
        asked.run(quality(BAD))
        with pytest.raises(QualityGateClosedError, match="chose 'Fail'"):
            asked.answer("Fail")

    def test_override_is_in_the_report_and_counted(
        self, asked: AskedGate, tmp_path: Path, counted: list[str]
    ) -> None:
        asked.run(quality(BAD, report_path=tmp_path / "report.json", **OVERRIDE))
        result = asked.answer("Send anyway", reason="known link")
        assert (result["passed"], result["open"], result["reason"]) == (False, True, "known link")
        assert "known link" in (tmp_path / "report.json").read_text()
        assert counted == ["asked", "overridden"]


class TestNotifiers:
    def test_notifier_gets_the_question_each_time(self, asked: AskedGate, service: FakeServer) -> None:
        report(service, "all_accounts_unhealthy")
        got: list[Any] = []
        asked.run(gate(ask_notifiers=[got.append]))
        asked.answer("Look again")
        asked.answer("Wait and look again")
        assert [each["question"]["subject"] for each in got] == ["Send gate closed: Spring"] * 2
        assert got[0]["question"]["message"].startswith(f"'Spring': Campaign {UUID}: gate not open: all_acc")
        assert "question" not in asked._context()

    def test_failing_notifier_is_logged_only(
        self, asked: AskedGate, service: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing(_: Any) -> None:
            raise RuntimeError("no mail server")

        report(service, "all_accounts_unhealthy")
        got: list[Any] = []
        with caplog.at_level(logging.ERROR):
            asked.run(gate(ask_notifiers=[failing, got.append]))
        assert asked.asked is not None
        assert len(got) == 1
        assert "no mail server" in caplog.text


async def never_awaited(_: Any) -> None: ...


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"ask_timeout": 0}, "ask_timeout must be more than 0"),
            ({"ask_timeout": "soon"}, "ask_timeout"),
            ({"ask_timeout_action": "ask"}, "ask_timeout_action must be one of"),
            *[
                ({"ask_users": users}, "ask_users must be a list of users")
                for users in ("jane", ["jane"], [], [{"id": "7"}], [{"id": "", "name": "x"}],
                              [{"id": True, "name": "x"}], [{**JANE[0], "mail": "x"}])
            ],
            ({"ask_notifiers": ["mail"]}, "ask_notifiers must be a list of notifiers"),
            ({"ask_notifiers": [AskedGate]}, "ask_notifiers must be a list of notifiers"),
            ({"ask_notifiers": [never_awaited]}, "ask_notifiers must be a list of notifiers"),
            ({"allow_override": True}, "allow_override needs ask_users"),
            ({"on_closed": "skip", "ask_users": JANE}, "ask_users: only with on_closed='ask'"),
        ],
    )  # fmt: skip
    def test_invalid_question_fails_dag_parsing(
        self, arguments: dict[str, Any], named: str, asked: AskedGate
    ) -> None:
        for make in (gate, lambda **given: quality(BAD, **given)):
            with pytest.raises(BAD_ARGUMENT, match=named):
                make(**arguments)

    def test_id_of_a_user_may_be_a_number(self, asked: AskedGate) -> None:
        assert gate(ask_users={"id": 7, "name": "Jane"}).ask_users == [{"id": "7", "name": "Jane"}]

    @needs(first_of("airflow.sdk.execution_time.hitl.upsert_hitl_detail") is None, "Airflow 3.1 can ask")
    def test_old_airflow_is_named(self) -> None:
        with pytest.raises(BAD_ARGUMENT, match=r"on_closed='ask' needs Airflow 3\.1 or later; this is"):
            gate()

    @needs(first_of("airflow.sdk.execution_time.hitl.upsert_hitl_detail"), "Airflow 3.1 and later ask")
    def test_missing_trigger_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Airflow 3.1 and 3.2 without the standard provider."""
        monkeypatch.setattr(airflow_compat, "_exceptions", lambda _: ())
        monkeypatch.setitem(sys.modules, "airflow.providers.standard.triggers.hitl", None)
        with pytest.raises(BAD_ARGUMENT, match="apache-airflow-providers-standard"):
            gate()

    def test_eager_downstream_task_is_refused(self, asked: AskedGate) -> None:
        with DAG("asks", schedule=None):
            asks = gate()
            asks >> task(lambda: None, task_id="send", trigger_rule=TriggerRule.ALWAYS)()
        with pytest.raises(ValueError, match="cannot hold back send"):
            asks.prepare_template()


def test_question_asks_for_the_name_only_when_it_asks(asked: AskedGate, service: FakeServer) -> None:
    report(service, "all_accounts_unhealthy")
    asked.run(gate())
    assert paths(service)[-1] == f"/api/v2/campaigns/{UUID}"
