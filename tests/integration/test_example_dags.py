"""The example Dags in a real Airflow against the sandbox; a good launch is in ``tests/unit``."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.rules.changes import Change
from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
    RunningSandbox,
)
from airflow_provider_campaigns.sandbox.seed import FAILING_SENDERS
from airflow_provider_campaigns.sandbox.state import Fault
from tests.support.airflow_runs import dag, run, started_by
from tests.support.airflow_versions import HAS_TASK_STATE_STORE, needs

pytestmark = pytest.mark.usefixtures("database")


def request_counts(sandbox: RunningSandbox) -> Counter[str]:
    """Return the number of requests by path."""
    return Counter(request.path for request in sandbox.state.requests)


@pytest.fixture
def leads_path(tmp_path: Path) -> str:
    path = tmp_path / "leads.csv"
    rows = [f"lead{number}@example.com,Lead {number},Paris\n" for number in range(1200)]
    path.write_text("".join(["email,first_name,city\n", *rows]))
    return f"file://{path}"


class TestCampaignLaunch:
    def test_unhealthy_campaign_gets_no_leads(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
        launch = dag("campaign_launch")
        launch.get_task("wait_until_completed").poke_interval = 0.2
        state, states, returned = run(
            launch, instantly_campaign_id=UNHEALTHY_CAMPAIGN_ID, output_folder=str(tmp_path)
        )
        assert state == "failed"
        assert (states["send_gate"], states["add_leads"]) == ("failed", "upstream_failed")
        assert returned["send_gate"]["code"] == "all_accounts_unhealthy"
        assert not sandbox.state.leads


class TestNightlyListRefill:
    @pytest.mark.parametrize("code", ["healthy", "waiting_for_leads"])
    def test_refill_adds_the_leads_of_a_file(
        self, code: str, sandbox: RunningSandbox, leads_path: str
    ) -> None:
        sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, [code])
        state, states, returned = run(
            dag("nightly_list_refill"), campaign_id=HEALTHY_CAMPAIGN_ID, leads_path=leads_path
        )
        assert (state, set(states.values())) == ("success", {"success"})
        result = returned["add_leads"]
        assert (result["complete"], result["leads"], result["leads_uploaded"]) == (True, 1200, 1200)
        leads = sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)
        assert {lead["email"] for lead in leads} == {f"lead{number}@example.com" for number in range(1200)}
        assert {lead["payload"]["city"] for lead in leads} == {"Paris"}
        assert request_counts(sandbox)["/api/v2/leads/add"] == 2
        assert request_counts(sandbox)[f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"] == 4

    def test_second_refill_adds_only_new_leads(self, sandbox: RunningSandbox, leads_path: str) -> None:
        conf = {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads_path": leads_path}
        run(dag("nightly_list_refill"), **conf)
        _, _, returned = run(dag("nightly_list_refill"), **conf)
        assert returned["add_leads"]["leads_uploaded"] == 0
        assert len(sandbox.state.leads) == 1200

    def test_closed_gate_adds_no_leads(self, sandbox: RunningSandbox, leads_path: str) -> None:
        state, states, returned = run(
            dag("nightly_list_refill"), campaign_id=PAUSED_CAMPAIGN_ID, leads_path=leads_path
        )
        assert (state, states["send_gate"], states["add_leads"]) == ("failed", "failed", "upstream_failed")
        assert returned["send_gate"]["code"] == "campaign_paused"
        assert not sandbox.state.leads

    def test_gate_closed_between_batches_is_not_retried(
        self, sandbox: RunningSandbox, leads_path: str
    ) -> None:
        sandbox.state.play_sending_status(
            HEALTHY_CAMPAIGN_ID, ["healthy", "healthy", "campaign_bounce_protect"]
        )
        state, states, returned = run(
            dag("nightly_list_refill"), campaign_id=HEALTHY_CAMPAIGN_ID, leads_path=leads_path
        )
        assert (state, states["add_leads"]) == ("failed", "failed")
        result = returned["add_leads"]
        assert (result["complete"], result["leads"], result["total_sent"]) == (False, 1200, 1000)
        assert len(sandbox.state.leads) == 1000
        assert request_counts(sandbox)[f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"] == 3

    def test_retry_adds_the_rest_when_the_gate_opens_again(
        self, sandbox: RunningSandbox, leads_path: str
    ) -> None:
        sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["healthy", "healthy", None, "healthy"])
        refill = dag("nightly_list_refill")
        refill.get_task("add_leads").retry_delay = timedelta(0)
        state, states, returned = run(refill, campaign_id=HEALTHY_CAMPAIGN_ID, leads_path=leads_path)
        assert (state, states["add_leads"]) == ("success", "success")
        result = returned["add_leads"]
        assert result["complete"]
        assert len(sandbox.state.leads) == 1200
        batches = request_counts(sandbox)["/api/v2/leads/add"]
        if HAS_TASK_STATE_STORE:  # the second try starts at the second batch
            assert (result["total_sent"], result["leads_uploaded"], batches) == (1200, 1200, 2)
        else:  # it starts over; Instantly does not add a lead twice
            assert (result["total_sent"], result["leads_uploaded"], batches) == (1200, 200, 3)

    def test_invalid_file_adds_no_leads(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
        path = tmp_path / "leads.csv"
        path.write_text("email\n" + "lead@example.com\n" * 1100 + "not an address\n")
        refill = dag("nightly_list_refill")
        refill.get_task("add_leads").retries = 0
        state, states, _ = run(refill, campaign_id=HEALTHY_CAMPAIGN_ID, leads_path=str(path))
        assert (state, states["add_leads"]) == ("failed", "failed")
        assert not sandbox.state.leads

    def test_campaign_that_runs_dry_is_refilled_on_three_nights(
        self, sandbox: RunningSandbox, tmp_path: Path
    ) -> None:
        sandbox.state.habits.add("dry_campaigns_complete")
        sandbox.state.loops.restart(0.1, sandbox.state.clock())
        campaign = sandbox.state.campaigns[HEALTHY_CAMPAIGN_ID]
        for night in range(3):
            sandbox.state.mark_leads_mailed(HEALTHY_CAMPAIGN_ID)
            time.sleep(0.3)  # three loops: the campaign runs dry and completes
            sandbox.state.run_loops()
            assert campaign["status"] == LifecycleStatus.COMPLETED
            path = tmp_path / f"leads_{night}.csv"
            path.write_text(f"email\nlead{night}@example.com\n")
            state, _, returned = run(
                dag("nightly_list_refill"), campaign_id=HEALTHY_CAMPAIGN_ID, leads_path=str(path)
            )
            assert (state, returned["add_leads"]["leads_uploaded"]) == ("success", 1)
            assert returned["send_gate"]["code"] == "campaign_completed"
            assert campaign["status"] == LifecycleStatus.ACTIVE
        assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 3


def newsletter() -> DAG:
    """Return the example Dag, polling more often than by default."""
    example = dag("quality_gated_newsletter")
    for name in ("get_campaign", "activate"):
        example.get_task(name).poke_interval = 0.2
    return example


class TestStagedLaunch:
    @pytest.fixture
    def conf(self, leads_path: str) -> dict[str, str]:
        return {"campaign_id": DRAFT_CAMPAIGN_ID, "leads_path": leads_path}

    def test_draft_gets_its_leads_and_starts(self, sandbox: RunningSandbox, conf: dict[str, str]) -> None:
        state, states, returned = run(dag("staged_launch"), **conf)
        assert (state, set(states.values())) == ("success", {"success"})
        assert (returned["may_edit"]["code"], returned["may_edit"]["campaign_status"]) == (
            "campaign_draft",
            0,
        )
        assert len(sandbox.state.leads_in(DRAFT_CAMPAIGN_ID)) == 1200
        assert sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]["status"] == LifecycleStatus.ACTIVE
        assert returned["watch"]["open"] is True

    def test_draft_without_a_working_sender_is_not_started(
        self, sandbox: RunningSandbox, conf: dict[str, str]
    ) -> None:
        sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]["email_list"] = list(FAILING_SENDERS)
        state, states, returned = run(dag("staged_launch"), **conf)
        assert (state, states["may_activate"], states["activate"]) == ("failed", "failed", "upstream_failed")
        assert "lost@sender.test: sending error (-3)" in returned["may_activate"]["message"]
        assert sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]["status"] == LifecycleStatus.DRAFT

    def test_running_campaign_gets_no_leads(self, sandbox: RunningSandbox, conf: dict[str, str]) -> None:
        state, states, _ = run(dag("staged_launch"), **{**conf, "campaign_id": HEALTHY_CAMPAIGN_ID})
        assert (state, states["may_edit"], states["add_leads"]) == ("failed", "failed", "upstream_failed")
        assert not sandbox.state.leads


def test_guarded_launch_starts_the_campaign(sandbox: RunningSandbox) -> None:
    launch = dag("guarded_launch")
    launch.deadline = None  # dag.test() of Airflow 3.3.2 cannot end a run with a deadline
    state, _, returned = run(launch)
    assert (state, returned["sends"]["open"]) == ("success", True)
    assert sandbox.state.campaigns[HEALTHY_CAMPAIGN_ID]["status"] == LifecycleStatus.ACTIVE


class TestQualityGatedNewsletter:
    def test_good_newsletter_replaces_one_body_and_activates(
        self, sandbox: RunningSandbox, tmp_path: Path
    ) -> None:
        before = json.loads(json.dumps(sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]))
        # Right after an activation, the service still reports a draft.
        sandbox.state.play_sending_status(DRAFT_CAMPAIGN_ID, ["campaign_draft", "healthy"])
        state, states, returned = run(
            newsletter(), instantly_campaign_id=DRAFT_CAMPAIGN_ID, output_folder=str(tmp_path)
        )
        assert (state, set(states.values())) == ("success", {"success"})
        assert returned["quality_gate"] == {"passed": True, "breaches": []}
        assert returned["activate"] == {
            "campaign_id": DRAFT_CAMPAIGN_ID,
            "status": int(LifecycleStatus.ACTIVE),
            "sending_status": "healthy",
        }
        after = sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]
        assert after["status"] == LifecycleStatus.ACTIVE
        html = local(returned["get_campaign"]["html_path"]).read_text()
        assert "{{firstName}}" in html
        before["sequences"][0]["steps"][0]["variants"][0]["body"] = html
        assert after["sequences"] == before["sequences"]
        assert local(returned["get_report"]).read_bytes().startswith(b"%PDF-")
        analysis = json.loads(local(returned["get_campaign"]["analysis_path"]).read_text())
        assert analysis["broken_links"] == 0

    @pytest.mark.parametrize(
        ("html", "threshold", "offending"),
        [
            (
                '<p>Hi {{firstName}}, see <a href="https://broken.test/spring">this</a></p>',
                "max_broken_links",
                ["https://broken.test/spring"],
            ),
            ("<p>BUY IT NOW</p>", "max_capitals_ratio", []),
        ],
    )
    def test_bad_newsletter_changes_nothing_but_has_a_report(
        self, html: str, threshold: str, offending: list[str], sandbox: RunningSandbox, tmp_path: Path
    ) -> None:
        before = json.dumps(sandbox.state.campaigns[DRAFT_CAMPAIGN_ID])
        to_run = newsletter()
        to_run.get_task("write_newsletter").python_callable = lambda: html
        state, states, returned = run(
            to_run, instantly_campaign_id=DRAFT_CAMPAIGN_ID, output_folder=str(tmp_path)
        )
        assert state == "failed"
        assert states == {
            "write_newsletter": "success",
            "submit_campaign": "success",
            "get_campaign": "success",
            "get_report": "success",
            "quality_gate": "failed",
            "update_sequence": "upstream_failed",
            "activate": "upstream_failed",
        }
        (breach,) = returned["quality_gate"]["breaches"]
        assert (breach["threshold"], breach["offending"]) == (threshold, offending)
        assert local(returned["get_report"]).read_bytes().startswith(b"%PDF-")
        assert json.dumps(sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]) == before

    def test_suspended_account_fails_the_run(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
        sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]["status"] = int(LifecycleStatus.ACCOUNT_SUSPENDED)
        state, states, _ = run(
            newsletter(),
            instantly_campaign_id=DRAFT_CAMPAIGN_ID,
            output_folder=str(tmp_path),
        )
        assert (state, states["update_sequence"], states["activate"]) == ("failed", "success", "failed")
        assert f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}/activate" not in request_counts(sandbox)

    def test_lost_responses_neither_fail_nor_repeat_a_change(
        self, sandbox: RunningSandbox, tmp_path: Path
    ) -> None:
        path = f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}"
        sandbox.state.faults += [
            Fault(path, method="PATCH", drop="body"),
            Fault(f"{path}/activate", drop="headers"),
        ]
        state, _, _ = run(
            newsletter(),
            instantly_campaign_id=DRAFT_CAMPAIGN_ID,
            output_folder=str(tmp_path),
        )
        assert state == "success"
        assert sandbox.state.campaigns[DRAFT_CAMPAIGN_ID]["status"] == LifecycleStatus.ACTIVE
        changes = [request for request in sandbox.state.requests if request.method == "PATCH"]
        assert len(changes) == request_counts(sandbox)[f"{path}/activate"] == 1


class TestWorkspaceHealth:
    def test_report_has_only_campaigns_that_need_a_person(self, sandbox: RunningSandbox) -> None:
        state, states, returned = run(dag("health_patrol"))
        assert returned["check_all"] == [UNHEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID]
        assert states == {
            "check_all": "success",
            "check[0]": "failed",
            "check[1]": "failed",
            "report": "failed",
        }
        assert state == "failed"
        # A draft is not checked.
        assert not request_counts(sandbox)[f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}/sending-status"]

    def test_waiting_and_completed_campaigns_are_not_reported(self, sandbox: RunningSandbox) -> None:
        keep_campaigns(sandbox, HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID)
        sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["out_of_schedule"])
        sandbox.state.campaigns[PAUSED_CAMPAIGN_ID]["status"] = int(LifecycleStatus.COMPLETED)
        state, states, returned = run(dag("health_patrol"))
        assert (state, returned["report"]) == ("success", [])
        assert states == {"check_all": "success", "check": "skipped", "report": "success"}

    def test_campaign_that_cannot_be_checked_fails_the_report(self, sandbox: RunningSandbox) -> None:
        keep_campaigns(sandbox, HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID)
        path = f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
        sandbox.state.faults.append(Fault(path, status=404, times=None))
        state, states, returned = run(dag("health_patrol"))
        assert (state, states["check_all"], states["report"]) == ("failed", "success", "failed")
        assert returned["check_all"] == [PAUSED_CAMPAIGN_ID]

    def test_workspace_without_campaigns_has_an_empty_report(self, sandbox: RunningSandbox) -> None:
        keep_campaigns(sandbox, DRAFT_CAMPAIGN_ID)
        state, states, returned = run(dag("health_patrol"))
        assert (state, states["report"], returned["report"]) == ("success", "success", [])


needs_watchers = needs(HAS_WATCHERS, "watchers need Airflow 3.3")


def happened(campaign_id: str, *, number: int = 1, **details: Any) -> dict[str, Any]:
    """Return the payload of a watcher's event."""
    change = Change(
        event_id=f"{campaign_id}:{number}",
        campaign_id=campaign_id,
        name=None,
        before="processing",
        after="completed",
        at="2026-01-01T00:00:00+00:00",
        message=f"{campaign_id} changed.",
        details=details,
    )
    return change.as_payload(may_repeat=False)


@needs_watchers
class TestNewsletterReady:
    def test_each_good_newsletter_is_stored_once(
        self, sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_NEWSLETTER_FOLDER", f"file://{tmp_path}")
        html = ("<p>Hi {{firstName}}</p>", '<p><a href="https://broken.test/spring">this</a></p>')
        good, bad = (sandbox.state.submit("Spring", each, {}).id for each in html)
        for each in (good, bad):
            sandbox.state.set_processing_seconds(each, 0)
        with started_by("newsletters", happened(good), happened(bad), happened(good)):
            _, states, returned = run(dag("newsletter_ready"))
        assert returned["completed_campaigns"] == [good, bad]
        gates, stored = [
            [states[f"newsletter.{task}[{n}]"] for n in (0, 1)] for task in ("quality_gate", "store")
        ]
        assert (gates, stored) == (["success", "failed"], ["success", "upstream_failed"])
        assert [path.stem for path in (tmp_path / "ready").iterdir()] == [good]
        with started_by("newsletters", happened(good)):
            state, states, _ = run(dag("newsletter_ready"))
        assert (state, set(states.values())) == ("success", {"skipped"})


@needs_watchers
class TestCampaignFellIll:
    def test_campaign_that_needs_a_person_is_paused_and_reported(
        self, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        ill = happened(HEALTHY_CAMPAIGN_ID, code="all_accounts_unhealthy", needs_person=True)
        fine = happened(UNHEALTHY_CAMPAIGN_ID, code="daily_limit_met", needs_person=False)
        by_a_person = happened(PAUSED_CAMPAIGN_ID, code="campaign_paused", needs_person=True)
        with started_by("campaign_health", ill, fine, by_a_person):
            state, states, returned = run(dag("campaign_fell_ill"))
        assert (state, set(states.values())) == ("success", {"success"})
        assert [each["campaign_id"] for each in returned["ill_campaigns"]] == [HEALTHY_CAMPAIGN_ID]
        assert sandbox.state.campaigns[HEALTHY_CAMPAIGN_ID]["status"] == LifecycleStatus.PAUSED
        assert sandbox.state.campaigns[UNHEALTHY_CAMPAIGN_ID]["status"] == LifecycleStatus.ACTIVE
        assert f"To everyone: {HEALTHY_CAMPAIGN_ID} changed." in caplog.text

    def test_recovery_changes_nothing(self, sandbox: RunningSandbox) -> None:
        fine = happened(HEALTHY_CAMPAIGN_ID, number=2, code="healthy", needs_person=False)
        with started_by("campaign_health", fine):
            state, states, _ = run(dag("campaign_fell_ill"))
        assert (state, set(states.values())) == ("success", {"skipped"})
        assert sandbox.state.campaigns[HEALTHY_CAMPAIGN_ID]["status"] == LifecycleStatus.ACTIVE


def keep_campaigns(sandbox: RunningSandbox, *ids: str) -> None:
    campaigns: dict[str, Any] = sandbox.state.campaigns
    sandbox.state.campaigns = {campaign_id: campaigns[campaign_id] for campaign_id in ids}


def local(path: str) -> Path:
    return Path(path.removeprefix("file://"))
