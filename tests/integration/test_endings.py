"""The page "Tell somebody" against a real Airflow: what each task leaves behind that does not do its work.

``tests/dags/endings.py`` has a task for each; here is the row of each task.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.tasks import asking, deferral
from tests.conftest import set_connection
from tests.dags.endings import campaign
from tests.support import ROOT
from tests.support.airflow_runs import dag, run
from tests.support.airflow_versions import AIRFLOW, DEFERRAL_TIMEOUT_MESSAGE, first_of, needs
from tests.support.answers import answering
from tests.support.callbacks import ENDS
from tests.support.fake_airflow import TaskInstance
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import sending_status_body

pytestmark = pytest.mark.usefixtures("database")

ASKS = first_of("airflow.sdk.exceptions.TaskAwaitingInput")
PAGE = (ROOT / "docs" / "use" / "tell.md").read_text()
# The tasks of each row of the page.
ROWS: Mapping[str, tuple[str, ...]] = {
    "send gate: *closed* or *finished*": ("closed", "finished"),
    "send gate: *wait* until the timeout": ("not_yet", "waited", "waited_deferred"),
    "quality gate: a threshold fails": ("bad",),
    '`on_closed="skip"`': ("closed_skips", "waited_skips", "waited_skips_deferred", "bad_skips"),
    '`"skip"`, but Airflow cannot skip a downstream task': ("cannot_skip", "bad_cannot_skip"),
    "send gate: polls still fail at the timeout": ("down", "down_skips", "down_deferred"),
    "send gate: a final error, or `max_failures` failed polls": ("refused", "failing"),
    "quality gate: the analysis is invalid or unreadable": ("no_file", "no_analysis"),
    "sensor: the same with `soft_fail`": ("late_soft", "late_soft_deferred"),
    "sensor: a paused, failed or undocumented state": ("paused", "one_failed", "job_failed", "odd"),
    'sensor: one of many failed, with `on_failure="collect"`': ("collected",),
    "sensor: a final error, or `max_failures` failed polls": ("sensor_refused", "sensor_failing"),
    "sensor: an invalid connection or id": ("wrong_connection", "wrong_id"),
    "sensor: all of these but an invalid id, with `never_fail`": (
        "never_late",
        "never_paused",
        "never_refused",
        "never_connected",
    ),
    "*submit*, `durable=False`: perhaps submitted": ("perhaps_submitted",),
    "*get*: cleaning lost a merge tag or the body": ("damaged",),
    "*activate*: the campaign ended, or does not start": ("ended",),
    "*add leads*, *update*, `check_gate`: *closed* or *finished*": ("add_paused", "update_healthy"),
    "the same: *wait*": ("add_waiting", "update_odd"),
    "*add leads*: Instantly does not account for a lead": ("unaccounted",),
    "*add leads*: a bad row": ("bad_row",),
}
# Rows with tasks that end by themselves, and tasks that Airflow resumes with an error.
WITH_DEFERRAL_ERRORS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "send gate: no triggerer until 60 s after the timeout": (
        (),
        ("waited_deferred", "waited_skips_deferred"),
        DEFERRAL_TIMEOUT_MESSAGE,
    ),
    "send gate: the triggerer cannot run the wait": (
        ("no_connection",),
        ("waited_skips_deferred",),
        "Trigger failure",
    ),
    "sensor, *get*, *activate*: timed out, or no triggerer until 60 s later": (
        ("late", "late_deferred", "get_late", "activate_late"),
        ("late_deferred", "get_late", "activate_late"),
        DEFERRAL_TIMEOUT_MESSAGE,
    ),
    "sensor: the triggerer cannot run the wait": (
        ("sensor_no_connection",),
        ("late_deferred",),
        "Trigger failure",
    ),
}
ASKED: Mapping[str, tuple[str, ...]] = {
    "*Fail* is chosen, or nothing in time": ("fail_closed", "fail_bad", "fail_not_yet", "unanswered"),
    '*Skip the send* is chosen, or nothing in time with `ask_timeout_action="skip"`': (
        "skip_closed",
        "skip_bad",
        "unanswered_skips",
    ),
    "*Send anyway* is chosen": ("anyway_closed", "anyway_bad"),
}
ASKING = '`on_closed="ask"`'

KINDS = {"disposition": "verdict", "passed": "report", "complete": "summary", "failed": "with `failed`"}
# What the page says of a row, and what was found: the state, the classes of exceptions, the kinds of XComs.
Ending = tuple[str, frozenset[str], frozenset[str]]
# How one task ended: the state, the exception, the XCom.
End = tuple[str, BaseException | None, Any]


def rows_of_the_page() -> dict[str, Ending]:
    """Return the rows of the page, without their links."""
    section = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", PAGE.partition("## Hear of a skip")[0])
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\| (.+) \|$", section, re.MULTILINE)
    return {
        row: (
            state.partition(";")[0],
            frozenset(re.findall(r"`(\w+)`", errors)),
            frozenset(kind for kind in (*KINDS.values(), "none") if kind in xcom),
        )
        for row, state, errors, xcom in rows
        if state != "State"
    }


SAID = rows_of_the_page()
CODES = {
    "paused": "campaign_paused",
    "completed": "campaign_completed",
    "waiting": "campaign_running_subsequences",
    "starting": "campaign_draft",
    "healthy": "healthy",
    "odd": "unheard_of",
    "lost": "daily_limit_met",
}
JOB = {"id": campaign("job"), "type": "move-leads", "status": "failed", "data": {}}


@pytest.fixture
def services(connections: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Both services, as the tasks need them."""
    url = connections.url
    for name, code in CODES.items():
        connections.respond({"id": campaign(name), "status": 1}, path=f"/api/v2/campaigns/{campaign(name)}")
        body = json.dumps(sending_status_body(code, campaign_id=campaign(name)))
        connections.respond(Reply(body), path=f"/api/v2/campaigns/{campaign(name)}/sending-status")
    connections.respond(
        {"id": campaign("completed"), "status": 3}, path=f"/api/v2/campaigns/{campaign('completed')}"
    )
    connections.respond(Reply({}, status=503), path=f"/api/v2/campaigns/{campaign('down')}")
    connections.respond(Reply({}, status=401), path=f"/api/v2/campaigns/{campaign('refused')}")
    connections.respond(JOB, path="/api/v2/background-jobs")
    connections.respond({"status": "success", "total_sent": 1, "leads_uploaded": 0}, path="/api/v2/leads/add")
    set_connection(monkeypatch, "instantly", conn_id="lost", host=url)
    set_connection(monkeypatch, "campaign_cleaner", conn_id="lost_cleaner", host=url)
    set_connection(monkeypatch, "campaign_cleaner", conn_id="keyless", host=url, password=None)

    def status(request: Request) -> str:
        campaign_id = request.json["campaign"]["id"]
        if campaign_id == "failing":
            return json.dumps({"error": "busy"})
        found = "processing" if campaign_id == "lost" else campaign_id
        return json.dumps({"campaign_status": {"id": campaign_id, "status": found}})

    connections.respond(Reply(status), path="/v1/get_campaign_status")
    listed = [{"id": each, "status": each} for each in ("completed", "paused")]
    connections.respond({"campaign_list": listed}, path="/v1/get_campaign_list")
    connections.respond(
        {"campaign": {"id": "damaged", "campaign_html": "<p>Hi</p>"}}, path="/v1/get_campaign"
    )
    with FakeServer() as refusing, FakeServer() as silent:
        refusing.respond(Reply({}, status=401))
        silent.respond(Reply(drop="before"))
        for conn_id, server in (("refusing", refusing), ("silent", silent)):
            set_connection(monkeypatch, "campaign_cleaner", conn_id=conn_id, host=server.url)
        monkeypatch.setattr(deferral, "MIN_DEFERRAL_SECONDS", 0.05)
        monkeypatch.setattr(asking, "MIN_QUESTION_SECONDS", 0.05)
        monkeypatch.setattr(DAG_MODULE, "_run_inline_trigger", without_lost_connections)
        yield connections


# Where Airflow has dag.test().
DAG_MODULE: Any = first_of("airflow.sdk.definitions.dag", "airflow.models.dag")
run_trigger = DAG_MODULE._run_inline_trigger


def without_lost_connections(*arguments: Any) -> Any:
    """Run a trigger in a triggerer that lacks two connections."""
    with pytest.MonkeyPatch.context() as patch:
        for conn_id in ("lost", "lost_cleaner"):
            patch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}")
        return run_trigger(*arguments)


def end_of(task_id: str, states: Mapping[str, str], xcoms: Mapping[str, Any]) -> End:
    """Return how a task ended, by its state and by what Airflow passed to its callbacks."""
    calls = ENDS[task_id]
    if not calls:
        return states[task_id], None, xcoms[task_id]
    called = [each for each, _ in calls]
    assert called in (["failed"], ["skipped"], ["retried", "failed"]), (task_id, called)
    assert states[task_id] == called[-1]
    return called[0], calls[-1][1], xcoms[task_id]


def ending(ends: list[End]) -> Ending:
    """Return what the tasks of a row have in common, in the words of the page."""
    errors = [error for _, error, _ in ends if error is not None]
    return (
        " and ".join({state for state, _, _ in ends}),
        frozenset("ApiError" if isinstance(each, ApiError) else type(each).__name__ for each in errors),
        frozenset(kind_of(xcom) for _, _, xcom in ends),
    )


def kind_of(xcom: Any) -> str:
    if not isinstance(xcom, dict):
        return "none"
    return next(kind for key, kind in KINDS.items() if key in xcom)


def resumed_with_error(task_id: str, message: str) -> End:
    """Resume a task of the Dag as Airflow does after a deferral without an event."""
    ti, task = TaskInstance(), dag("endings").get_task(task_id)
    try:
        task.resume_execution("__fail__", {"error": message}, {"ti": ti, "task": task})
    except Exception as error:  # noqa: BLE001 - every one is compared
        not_retried = isinstance(error, (AirflowFailException, AirflowSensorTimeout))
        return "failed" if not_retried else "retried", error, ti.xcoms.get("return_value")
    raise AssertionError("no error")


@needs(ASKS or AIRFLOW.major < 3, "dag.test() of Airflow 3.0 to 3.2 needs seconds for each of 80 tasks")
@pytest.mark.usefixtures("services")
def test_each_task_ends_as_the_page_says() -> None:
    ENDS.clear()
    _, states, xcoms = run(dag("endings"))
    found = {row: [end_of(each, states, xcoms) for each in tasks] for row, tasks in ROWS.items()}
    for row, (tasks, resumed, message) in WITH_DEFERRAL_ERRORS.items():
        found[row] = [end_of(each, states, xcoms) for each in tasks]
        found[row] += [resumed_with_error(each, message) for each in resumed]
    asked = {ASKING, *ASKED}
    assert {row: ending(ends) for row, ends in found.items()} == {
        row: said for row, said in SAID.items() if row not in asked
    }


@needs(ASKS, "dag.test() waits for answers from 3.3 on")
@pytest.mark.usefixtures("services")
def test_each_question_ends_as_the_page_says() -> None:
    asked: list[End] = []
    choices = {"fail": "Fail", "skip": "Skip the send", "anyway": "Send anyway"}

    def answer(question: Any) -> tuple[str, dict[str, Any]] | None:
        ti = question["task_instance"]
        asked.append((ti["state"], None, xcom_of(ti)))
        choice = choices.get(ti["task_id"].partition("_")[0])
        if choice is None:
            end_questions()
            return None
        return choice, {"reason": "we know"} if choice == "Send anyway" else {}

    ENDS.clear()
    with answering("endings_of_questions", answer):
        _, states, xcoms = run(dag("endings_of_questions"))
    found = {row: [end_of(each, states, xcoms) for each in tasks] for row, tasks in ASKED.items()}
    found[ASKING] = asked
    assert {row: ending(ends) for row, ends in found.items()} == {row: SAID[row] for row in found}
    for task_id in ASKED["*Send anyway* is chosen"]:
        fields = {"open": True, "overridden_by": "jane (jane)", "reason": "we know"}
        assert fields.items() <= xcoms[task_id].items()


def xcom_of(ti: Mapping[str, Any]) -> Any:
    """Return the XCom of a task that has not ended."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        row = XComModel.get_many(
            key="return_value", task_ids=ti["task_id"], dag_ids=ti["dag_id"], run_id=ti["dag_run_id"]
        )
        return XComModel.deserialize_value(session.execute(row).scalars().first())


def end_questions() -> None:
    """Do what the scheduler does with questions whose time has passed."""
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    SchedulerJobRunner.check_awaiting_input_timeouts(SimpleNamespace(log=logging.getLogger(__name__)))


def test_every_row_of_the_page_has_a_task() -> None:
    assert set(SAID) == {*ROWS, *WITH_DEFERRAL_ERRORS, *ASKED, ASKING}
