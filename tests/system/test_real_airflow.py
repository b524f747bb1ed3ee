"""Whole Dags in a real Airflow: states, XComs, and what reached the services.

``dag.test()`` runs tasks and triggers in this process; the last test has a scheduler, a triggerer, a Dag
processor and an API server of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from airflow.providers.common.compat.sdk import DAG
from local_airflow import local_airflow

from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.sandbox import (
    HEALTHY_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
    RunningSandbox,
    running,
)
from tests.conftest import EXAMPLE_DAGS, TEST_DAGS
from tests.support.airflow_runs import dag, run
from tests.support.airflow_versions import MODES, RENDERS_IN_THE_TRIGGERER
from tests.support.statsd import StatsdServer


def campaign_launch() -> DAG:
    """The example, looking more often than it has to at a service that takes its time."""
    example = dag("campaign_launch")
    example.get_task("wait_until_completed").poke_interval = 0.2
    return example


@pytest.mark.usefixtures("database")
class TestTheExampleDag:
    def test_it_sends_while_the_campaign_is_healthy(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
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

    def test_it_sends_nothing_from_unhealthy_accounts(self, sandbox: RunningSandbox, tmp_path: Path) -> None:
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

    def test_it_parses_with_no_connection_at_all(self) -> None:
        code = (
            "import os; assert not [name for name in os.environ if name.startswith('AIRFLOW_CONN_')];"
            "from tests.support.airflow_versions import DagBag;"
            f"bag = DagBag(dag_folder={str(EXAMPLE_DAGS)!r});"
            "print(bag.import_errors, sorted(bag.dags))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        names = ["campaign_launch", "health_patrol", "nightly_list_refill", "quality_gated_newsletter"]
        assert done.stdout.splitlines()[-1] == f"{{}} {names}"


@pytest.mark.usefixtures("database")
class TestSkipping:
    def test_it_skips_all_behind_the_gate_but_teardowns(self, sandbox: RunningSandbox) -> None:
        state, states, returned = run(dag("gate_skips"))
        assert state == "success"
        assert states == {
            "gate": "success",
            "send": "skipped",
            "after_all": "skipped",
            "tidy": "success",
            "elsewhere": "success",
        }
        assert returned["gate"]["code"] == "campaign_paused"
        assert not sandbox.state.leads

    def test_in_a_mapped_group_only_what_is_healthy_is_sent(self, sandbox: RunningSandbox) -> None:
        state, states, returned = run(dag("gates_in_a_mapped_group"))
        assert state == "success"
        sent = {number: states[f"launch.send[{number}]"] for number in range(3)}
        assert sent == {0: "success", 1: "skipped", 2: "skipped"}
        assert returned["launch.gate[1]"]["code"] == "campaign_paused"
        assert {lead["campaign"] for lead in sandbox.state.leads.values()} == {HEALTHY_CAMPAIGN_ID}

    def test_behind_a_mapped_gate_nothing_is_sent_unless_all_are_open(self, sandbox: RunningSandbox) -> None:
        _, states, _ = run(dag("mapped_gate"))
        assert states == {"gate[0]": "success", "gate[1]": "skipped", "send": "skipped"}
        assert not sandbox.state.leads

    @pytest.mark.parametrize("name", ["gate_before_a_mapped_send", "mapped_gate_before_a_careless_send"])
    def test_where_airflow_could_not_skip_a_send_the_gate_fails(
        self, name: str, sandbox: RunningSandbox
    ) -> None:
        state, states, _ = run(dag(name))
        assert state == "failed"
        assert "failed" in {state for task, state in states.items() if "gate" in task}
        assert not sandbox.state.leads


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("mode", MODES)
class TestTheSensorInEveryMode:
    def test_it_waits_and_returns_the_id(self, mode: str, sandbox: RunningSandbox) -> None:
        wait = dag(f"wait_{mode}")
        campaign_id = CampaignCleanerHook().send_campaign("<p>Hi</p>", "Spring")
        sandbox.state.set_processing_seconds(campaign_id, 600)

        def looks() -> int:
            return [request.path for request in sandbox.state.requests].count("/v1/get_campaign_status")

        def complete_after_a_look() -> None:
            while not looks():
                time.sleep(0.05)
            sandbox.state.set_processing_seconds(campaign_id, 0)

        threading.Thread(target=complete_after_a_look, daemon=True).start()
        state, _, returned = run(wait, id=campaign_id)
        assert (state, returned) == ("success", {"wait": campaign_id})
        assert looks() >= 2

    def test_a_campaign_that_does_not_exist_fails_even_softly(
        self, mode: str, sandbox: RunningSandbox
    ) -> None:
        state, states, _ = run(dag(f"wait_{mode}"), id="no-such-campaign")
        assert (state, states) == ("failed", {"wait": "failed"})
        assert len(sandbox.state.requests) == 2

    def test_a_wait_that_runs_out_is_skipped_softly(self, mode: str, sandbox: RunningSandbox) -> None:
        campaign_id = CampaignCleanerHook().send_campaign("<p>Hi</p>", "Spring")
        path = f"/_sandbox/campaign-cleaner/campaigns/{campaign_id}"
        requests.post(f"{sandbox.url}{path}", json={"processing_seconds": 600}, timeout=5).raise_for_status()
        _, states, _ = run(dag(f"wait_{mode}"), id=campaign_id)
        assert states == {"wait": "skipped"}


@pytest.mark.airflow_processes
def test_a_scheduler_and_a_triggerer_take_the_example_through(tmp_path: Path) -> None:
    with running(processing_seconds=4) as sandbox, StatsdServer() as statsd:
        environment = statsd.environment | {
            f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
                {"conn_type": conn_type, "host": sandbox.url, "password": "sandbox"}
            )
            for conn_type in ("campaign_cleaner", "instantly")
        }
        # Not fit at first: the gate has to defer too, and to look again when it resumes.
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
                # A busy Airflow may call a short deferral failed; behind that a gate need not wait.
                logs = [airflow.log_of(dag_run, deferred, each + 1) for each in range(tries[deferred])]
                assert "Pausing task as DEFERRED" in "".join(logs) or len(logs) > 1
            assert airflow.xcom(dag_run, "send_gate")["open"] is True
            assert airflow.xcom(dag_run, "add_leads")["leads_uploaded"] == 2

            # Then the same wait without a worker where Airflow can, the id rendered by the triggerer.
            airflow.wait_for_dag("starts_in_the_triggerer")
            campaign_id = airflow.xcom(dag_run, "submit_campaign")
            dag_run = airflow.run_dag("starts_in_the_triggerer", {"id": campaign_id})
            assert dag_run["state"] == "success"
            assert airflow.xcom(dag_run, "wait") == campaign_id
            if RENDERS_IN_THE_TRIGGERER:
                assert "Pausing task as DEFERRED" not in airflow.log_of(dag_run, "wait")
        asked = [request.path for request in sandbox.state.requests]
        assert asked.count("/v1/send_campaign") == 1
        assert asked.count("/v1/get_campaign_status") >= 2
        looks = asked.count(f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status")
        assert looks >= 3
        assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 2

        # And all of it counted, by tasks and by the triggerer, which have metrics of their own.
        counts = {name.removeprefix("airflow."): count for name, count in statsd.counts.items()}
        assert counts["campaign_cleaner.waits.done"] == 2
        assert counts["instantly.gates.opened"] == 1
        assert counts["campaign_cleaner.polls"] == asked.count("/v1/get_campaign_status")
        assert counts["instantly.verdicts.healthy"] == looks
        assert counts["campaign_cleaner.requests.ok"] + counts["instantly.requests.ok"] == len(asked)


def write_quick_example(folder: Path) -> Path:
    """Copy the example, with shorter intervals, so that the test need not wait as long as a service asks."""
    dags = folder / "dags"
    dags.mkdir()
    text = (EXAMPLE_DAGS / "campaign_launch.py").read_text()
    assert text.count("deferrable=True,") == 2
    # A loaded scheduler may hear of a deferral after the trigger has fired, and call the task failed: Airflow
    # then takes the next try.
    options = "deferrable=True, poke_interval=2, retries=2, retry_delay=1,"
    quick = text.replace("deferrable=True,", options)
    (dags / "campaign_launch.py").write_text(quick)
    (dags / "starts.py").write_text((TEST_DAGS / "starts.py").read_text())
    return dags
