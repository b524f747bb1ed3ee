"""Questions in a real Airflow: its scheduler, triggerer and API server take part."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_provider_campaigns.airflow_compat import why_no_questions
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, RunningSandbox, running
from scripts.local_airflow import LocalAirflow, local_airflow
from tests.support.airflow_versions import first_of, needs
from tests.support.browser import chromium

pytestmark = [
    pytest.mark.airflow_processes,
    needs(why_no_questions() is None, "a task can ask a person from Airflow 3.1 on"),
]
QUESTION_DAGS = Path(__file__).parent / "question_dags"
# Before, the page has a list for four options.
HAS_BUTTONS = first_of("airflow.sdk.exceptions.TaskAwaitingInput") is not None
# An answer right after the question can overtake the scheduler; see MIN_DEFERRAL_SECONDS.
SECONDS_TO_READ = 5


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def airflow(sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    connection = {"conn_type": "instantly", "host": sandbox.url, "password": "sandbox"}
    environment = {"AIRFLOW_CONN_INSTANTLY_DEFAULT": json.dumps(connection)}
    with local_airflow(tmp_path_factory.mktemp("airflow"), QUESTION_DAGS, environment) as started:
        started.wait_for_dag("questions")
        yield started


def test_gate_asks_twice_and_opens(airflow: LocalAirflow, sandbox: RunningSandbox) -> None:
    codes = ["all_accounts_unhealthy", "campaign_account_suspended", "healthy"]
    sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, codes[:1])
    dag_run = airflow.start_run("questions", {})
    for code, following in pairwise(codes):
        question = airflow.wait_for_question(dag_run, "answered")
        assert airflow.xcom(dag_run, "answered")["code"] == code
        # The question names the page with this verdict.
        assert f"[XComs]({airflow.url}/dags/questions/" in question["body"]
        time.sleep(SECONDS_TO_READ)
        # A retry, after Airflow has failed the task all the same, reports the same code as the answered gate.
        sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, [following])
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


def test_question_can_be_answered_in_the_browser(airflow: LocalAirflow, sandbox: RunningSandbox) -> None:
    sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["all_accounts_unhealthy", "healthy"])
    with chromium() as browser:
        dag_run = airflow.start_run("questions", {})
        airflow.wait_for_question(dag_run, "answered")
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{airflow.url}/auth/token/login")
        page.goto(f"{airflow.url}{airflow.question_path(dag_run, 'answered')}")
        page.get_by_text("Every sending account is in error").wait_for()
        page.wait_for_timeout(SECONDS_TO_READ * 1000)
        if HAS_BUTTONS:
            page.get_by_role("button", name="Look again", exact=True).click()
        else:
            page.get_by_role("combobox").last.click()
            page.get_by_role("option", name="Look again", exact=True).click()
            page.get_by_role("button", name="Respond").click()
        ended = airflow.wait_for_end(dag_run)
    assert airflow.xcom(dag_run, "answered")["open"] is True
    assert ended["state"] == "success"
