"""Whole Dags in a real Airflow: states, XComs, and the requests to the services.

``dag.test()`` runs tasks and triggers in this process; the last test starts a scheduler, a triggerer, a Dag
processor and an API server.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.sandbox import (
    HEALTHY_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
    RunningSandbox,
    running,
)
from scripts.local_airflow import connections, local_airflow
from tests.conftest import EXAMPLE_DAGS, TEST_DAGS
from tests.support.airflow_runs import dag, run
from tests.support.airflow_versions import MODES, RENDERS_IN_THE_TRIGGERER
from tests.support.statsd import StatsdServer

STATUS = "/v1/get_campaign_status"


def campaign_launch() -> DAG:
    """The example Dag, polling more often than by default."""
    example = dag("campaign_launch")
    example.get_task("wait_until_completed").poke_interval = 0.2
    return example


def status_polls(sandbox: RunningSandbox) -> int:
    return [request.path for request in sandbox.state.requests].count(STATUS)


def complete_after_the_first_poll(sandbox: RunningSandbox, seconds: float) -> None:
    """Complete the submitted campaign some seconds after its first poll, so that a wait has to go on."""

    def complete() -> None:
        # A request is in the list before its response is made.
        while not any(each.path == STATUS and each.status for each in list(sandbox.state.requests)):
            time.sleep(0.05)
        for campaign_id in sandbox.state.submitted:
            sandbox.state.set_processing_seconds(campaign_id, seconds)

    threading.Thread(target=complete, daemon=True).start()


@pytest.mark.usefixtures("database")
class TestExampleDag:
    def test_healthy_campaign_sends(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
        state, states, returned = run(
            campaign_launch(),
            instantly_campaign_id=HEALTHY_CAMPAIGN_ID,
            output_folder=str(tmp_path),
        )
        assert (state, set(states.values())) == ("success", {"success"})
        assert returned["wait_until_completed"] == returned["submit_campaign"]
        html = Path(returned["get_campaign"]["html_path"].removeprefix("file://")).read_text()
        assert "{{firstName}}" in html
        assert "onload" not in html
        assert "campaign_html" not in returned["get_campaign"]
        assert returned["send_gate"]["open"] is True
        assert returned["add_leads"]["leads_uploaded"] == 2
        assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 2

    def test_unhealthy_accounts_send_nothing(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
        state, states, returned = run(
            campaign_launch(),
            instantly_campaign_id=UNHEALTHY_CAMPAIGN_ID,
            output_folder=str(tmp_path),
        )
        assert state == "failed"
        assert states["get_campaign"] == "success"
        assert (states["send_gate"], states["add_leads"]) == ("failed", "upstream_failed")
        assert returned["send_gate"]["code"] == "all_accounts_unhealthy"
        assert not sandbox.state.leads

    def test_example_dags_parse_without_connections(self) -> None:
        code = (
            "import os; assert not [name for name in os.environ if name.startswith('AIRFLOW_CONN_')];"
            "from tests.support.airflow_versions import DagBag;"
            f"bag = DagBag(dag_folder={str(EXAMPLE_DAGS)!r});"
            "print(bag.import_errors, sorted(bag.dags))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        names = [
            *(["campaign_fell_ill"] if HAS_WATCHERS else []),
            "campaign_launch",
            "guarded_launch",
            "health_patrol",
            *(["newsletter_ready"] if HAS_WATCHERS else []),
            "nightly_list_refill",
            "quality_gated_newsletter",
            "staged_launch",
        ]
        assert done.stdout.splitlines()[-1] == f"{{}} {names}"


@pytest.mark.usefixtures("database")
class TestGateSkips:
    def test_closed_gate_skips_downstream_except_teardowns(self, sandbox: RunningSandbox) -> None:
        state, states, returned = run(dag("gate_skips"))
        assert state == "success"
        assert states == {
            "gate": "skipped",
            "send": "skipped",
            "after_all": "skipped",
            "tidy": "success",
            "elsewhere": "success",
        }
        assert returned["gate"]["code"] == "campaign_paused"
        assert not sandbox.state.leads

    def test_closed_gate_skips_tasks_with_rules_for_one_upstream(self, sandbox: RunningSandbox) -> None:
        state, states, _ = run(dag("gate_before_one_rules"))
        assert (state, set(states.values())) == ("success", {"skipped"})
        assert not sandbox.state.leads

    def test_open_gate_leaves_rules_for_one_upstream_alone(self, sandbox: RunningSandbox) -> None:
        _, states, _ = run(dag("gate_before_one_rules"), campaign_id=HEALTHY_CAMPAIGN_ID)
        skipped = {task for task, state in states.items() if state == "skipped"}
        assert skipped == {"one_failed", "one_failed_of_the_gate"}
        assert set(states.values()) == {"success", "skipped"}
        assert len(sandbox.state.leads) == 1

    def test_gates_in_a_mapped_group_skip_individually(self, sandbox: RunningSandbox) -> None:
        state, states, returned = run(dag("gates_in_a_mapped_group"))
        assert state == "success"
        sent = {number: states[f"launch.send[{number}]"] for number in range(3)}
        assert sent == {0: "success", 1: "skipped", 2: "skipped"}
        assert returned["launch.gate[1]"]["code"] == "campaign_paused"
        assert {lead["campaign"] for lead in sandbox.state.leads.values()} == {HEALTHY_CAMPAIGN_ID}

    def test_mapped_gate_with_a_closed_one_skips_the_send(self, sandbox: RunningSandbox) -> None:
        _, states, _ = run(dag("mapped_gate"))
        assert states == {"gate[0]": "success", "gate[1]": "skipped", "send": "skipped"}
        assert not sandbox.state.leads

    @pytest.mark.parametrize("name", ["gate_before_a_mapped_send", "mapped_gate_before_a_careless_send"])
    def test_gate_fails_where_airflow_would_not_skip_the_send(
        self, name: str, sandbox: RunningSandbox
    ) -> None:
        state, states, _ = run(dag(name))
        assert state == "failed"
        assert "failed" in {state for task, state in states.items() if "gate" in task}
        assert not sandbox.state.leads


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("mode", MODES)
class TestSensorModes:
    def test_sensor_waits_and_returns_the_id(self, mode: str, sandbox: RunningSandbox) -> None:
        wait = dag(f"wait_{mode}")
        campaign_id = CampaignCleanerHook().send_campaign("<p>Hi</p>", "Spring")
        sandbox.state.set_processing_seconds(campaign_id, 600)

        complete_after_the_first_poll(sandbox, seconds=0)
        state, _, returned = run(wait, id=campaign_id)
        assert (state, returned) == ("success", {"wait": campaign_id})
        assert status_polls(sandbox) >= 2

    def test_missing_campaign_fails_despite_soft_fail(self, mode: str, sandbox: RunningSandbox) -> None:
        state, states, _ = run(dag(f"wait_{mode}"), id="no-such-campaign")
        assert (state, states) == ("failed", {"wait": "failed"})
        assert len(sandbox.state.requests) == 2

    def test_timeout_with_soft_fail_is_skipped(self, mode: str, sandbox: RunningSandbox) -> None:
        campaign_id = CampaignCleanerHook().send_campaign("<p>Hi</p>", "Spring")
        path = f"/_sandbox/campaign-cleaner/campaigns/{campaign_id}"
        requests.post(f"{sandbox.url}{path}", json={"processing_seconds": 600}, timeout=60).raise_for_status()
        _, states, _ = run(dag(f"time_out_{mode}"), id=campaign_id)
        assert states == {"wait": "skipped"}


@pytest.mark.airflow_processes
def test_scheduler_and_triggerer_run_the_example(tmp_path: Path) -> None:
    with running(processing_seconds=600) as sandbox, StatsdServer() as statsd:
        environment = statsd.environment | connections(sandbox.url)
        complete_after_the_first_poll(sandbox, seconds=4)
        # The first status is too old: the gate must defer, and poll again when it resumes.
        sandbox.state.play_sending_status(
            HEALTHY_CAMPAIGN_ID, [{"status": "healthy", "last_updated_age": 7200}, "healthy"]
        )
        with local_airflow(tmp_path / "airflow", write_quick_example(tmp_path), environment) as airflow:
            airflow.wait_for_dag("campaign_launch")
            dag_run = airflow.run_dag(
                "campaign_launch",
                {"instantly_campaign_id": HEALTHY_CAMPAIGN_ID, "output_folder": str(tmp_path / "out")},
            )
            states = {instance["task_id"]: instance["state"] for instance in airflow.task_instances(dag_run)}
            assert set(states.values()) == {"success"}, states
            tries = {each["task_id"]: each["try_number"] for each in airflow.task_instances(dag_run)}
            for deferred in ("wait_until_completed", "send_gate"):
                # A busy Airflow may fail a short deferral; in the next try the gate need not defer.
                logs = [airflow.log_of(dag_run, deferred, each + 1) for each in range(tries[deferred])]
                assert "Pausing task as DEFERRED" in "".join(logs) or len(logs) > 1
            assert airflow.xcom(dag_run, "send_gate")["open"] is True
            assert airflow.xcom(dag_run, "add_leads")["leads_uploaded"] == 2

            # The same wait without a worker, if Airflow can; the triggerer renders the id.
            airflow.wait_for_dag("starts_in_the_triggerer")
            campaign_id = airflow.xcom(dag_run, "submit_campaign")
            dag_run = airflow.run_dag("starts_in_the_triggerer", {"id": campaign_id})
            assert dag_run["state"] == "success"
            assert airflow.xcom(dag_run, "wait") == campaign_id
            if RENDERS_IN_THE_TRIGGERER:
                assert "Pausing task as DEFERRED" not in airflow.log_of(dag_run, "wait")
    paths = [request.path for request in sandbox.state.requests]
    assert paths.count("/v1/send_campaign") == 1
    assert paths.count(STATUS) >= 2
    gate_polls = paths.count(f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status")
    assert gate_polls >= 3
    assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 2

    # Tasks and the triggerer send their own metrics; together they count everything.
    counts = {name.removeprefix("airflow."): count for name, count in statsd.counts.items()}
    assert counts["campaign_cleaner.waits.done"] == 2
    assert counts["instantly.gates.opened"] == 1
    assert counts["campaign_cleaner.polls"] == paths.count(STATUS)
    assert counts["instantly.verdicts.healthy"] == gate_polls
    assert counts["campaign_cleaner.requests.ok"] + counts["instantly.requests.ok"] == len(paths)


def write_quick_example(folder: Path) -> Path:
    """Copy the example Dag, with shorter intervals."""
    dags = folder / "dags"
    dags.mkdir()
    text = (EXAMPLE_DAGS / "campaign_launch.py").read_text()
    assert text.count("deferrable=True,") == 2
    options = "deferrable=True, poke_interval=2, retry_delay=1,"
    quick = text.replace("deferrable=True,", options)
    (dags / "campaign_launch.py").write_text(quick)
    (dags / "starts.py").write_text((TEST_DAGS / "starts.py").read_text())
    return dags
