"""Questions in a real Airflow: its scheduler, triggerer and API server take part."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.airflow_compat import why_no_questions
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, running
from scripts.local_airflow import LocalAirflow, local_airflow
from tests.support.airflow_versions import first_of, needs

pytestmark = [
    pytest.mark.airflow_processes,
    needs(why_no_questions() is None, "a task can ask a person from Airflow 3.1 on"),
]
QUESTION_DAGS = Path(__file__).parent / "question_dags"
WAITING = "awaiting_input" if first_of("airflow.sdk.exceptions.TaskAwaitingInput") else "deferred"


def state_of(airflow: LocalAirflow, dag_run: Any, task_id: str) -> str:
    return next(each["state"] for each in airflow.task_instances(dag_run) if each["task_id"] == task_id)


def wait_for_question(airflow: LocalAirflow, dag_run: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        question = airflow.question(dag_run, "answered")
        if not question.get("response_received", True) and state_of(airflow, dag_run, "answered") == WAITING:
            return question
        assert time.monotonic() < deadline, "the gate does not ask"
        time.sleep(0.5)


def test_gate_asks_twice_and_opens(tmp_path: Path) -> None:
    with running() as sandbox:
        codes = ["all_accounts_unhealthy", "campaign_account_suspended", "healthy"]
        sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, codes)
        connection = {"conn_type": "instantly", "host": sandbox.url, "password": "sandbox"}
        environment = {"AIRFLOW_CONN_INSTANTLY_DEFAULT": json.dumps(connection)}
        with local_airflow(tmp_path, QUESTION_DAGS, environment) as airflow:
            airflow.wait_for_dag("questions")
            dag_run = airflow.start_run("questions", {})
            for code in codes[:2]:
                question = wait_for_question(airflow, dag_run)
                assert airflow.xcom(dag_run, "answered")["code"] == code
                # The question names the page with this verdict.
                assert f"[XComs]({airflow.url}/dags/questions/" in question["body"]
                time.sleep(
                    5
                )  # an answer right after the question can overtake the scheduler, which fails the task
                airflow.answer(dag_run, "answered", "Look again")
            ended = airflow.wait_for_end(dag_run)
            states = {each["task_id"]: each["state"] for each in airflow.task_instances(dag_run)}
            assert airflow.xcom(dag_run, "answered")["open"] is True
            assert airflow.xcom(dag_run, "unanswered")["code"] == "campaign_paused"
    assert states == {
        "answered": "success",
        "send": "success",
        "unanswered": "skipped",
        "not_sent": "skipped",
    }
    assert ended["state"] == "success"
