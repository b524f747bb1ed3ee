"""Triggerers, the scheduler and the service die in the middle of waits: each ends once, at its own deadline.

Each class tells one story, which is played once, on one Airflow of real processes for all. What came of it is
read from the sandbox's own books, from the states that Airflow tells and from the logs that it shows.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from local_airflow import AIRFLOW_2, COMPONENTS, LocalAirflow, local_airflow

from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    Options,
    RunningSandbox,
    SandboxState,
)
from airflow_provider_campaigns.sandbox.state import Fault
from tests.support import ROOT
from tests.support.airflow_versions import RENDERS_IN_THE_TRIGGERER, needs, needs_rendering_in_the_triggerer

pytestmark = [
    pytest.mark.airflow_processes,
    needs(not AIRFLOW_2, "here Airflow 2 runs one task at a time, on SQLite; some of these run together"),
]

RESTART_DAGS = Path(__file__).parent / "restart_dags"
RECORD = ROOT / "tests" / "unit" / "triggers" / "serialized" / "0.1.0.json"
# As in the Dags: the seconds that a wait takes which runs out in the middle of a disturbance, or behind it.
EARLY, LATE = 25.0, 40.0
# How late a wait may end on a busy machine, in the triggerer and on a worker. A wait whose time began anew
# with whoever takes it over would end later than that.
TOLERANCE, TOLERANCE_ON_A_WORKER = 15.0, 25.0
# How long anything may take that should be done at once.
PATIENCE = 180.0
NOT_FIT = "daily_limit_met"
LOOKS_AT_JOBS = "/api/v2/background-jobs/"

# What an earlier version may have stored: without the arguments that have a default.
TO_THE_OLD_FORM = f"""
import json
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session

record = json.load(open({str(RECORD)!r}))
with create_session() as session:
    rows = session.query(Trigger).all()
    for row in rows:
        now, old = row.kwargs, record[row.classpath]["arguments"][1]
        assert old.keys() < now.keys()
        row.kwargs = {{name: now[name] for name in old}}
print(len(rows))
"""


class Service:
    """A sandbox that can go away, and come back with all that it knew."""

    def __init__(self) -> None:
        self.state = SandboxState(Options(processing_seconds=3600))
        self._port = quiet_port()
        self.come_back()

    @property
    def url(self) -> str:
        return self._server.url

    def come_back(self) -> None:
        self._server = RunningSandbox(self.state, "127.0.0.1", self._port)

    def go_away(self) -> None:
        self._server.close()

    def asked(self, path: str, since: float = 0.0) -> list[float]:
        """Return when something was asked that begins with a path."""
        times = [moment(entry.time) for entry in list(self.state.requests) if entry.path.startswith(path)]
        return [each for each in times if each >= since]

    def asked_exactly(self, method: str, path: str) -> int:
        asked = [(entry.method, entry.path) for entry in list(self.state.requests)]
        return asked.count((method, path))

    def submit(self) -> str:
        return self.state.submit("Spring", "<p>Spring</p>", {}).id

    def complete(self, campaign_id: str) -> None:
        self.state.set_processing_seconds(campaign_id, 0)


def quiet_port() -> int:
    """Return a free port that no outgoing connection is given while nobody listens on it."""
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
            return int(listener.getsockname()[1])


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_until(is_so: Callable[[], Any], what: str) -> Any:
    deadline, trouble = time.monotonic() + PATIENCE, ""
    while True:
        try:
            if answer := is_so():
                return answer
        except (requests.RequestException, KeyError) as error:  # Airflow is being disturbed
            trouble = f" ({error!r})"
        assert time.monotonic() < deadline, f"Not within {PATIENCE:g} s: {what}{trouble}"
        time.sleep(0.3)


@dataclass
class Story:
    """One run of a Dag, and who was away when.

    :ivar absences: from when to when nobody was there to go on with the waits.
    :ivar tasks: the task instances at the end, by task.
    """

    airflow: LocalAirflow
    run: dict[str, Any]
    absences: list[tuple[float, float]]
    tasks: dict[str, dict[str, Any]]

    @classmethod
    def begin(cls, airflow: LocalAirflow, dag_id: str, conf: dict[str, str]) -> Story:
        return cls(airflow, airflow.start_run(dag_id, conf), [], {})

    def states(self) -> dict[str, str | None]:
        return {each["task_id"]: each["state"] for each in self.airflow.task_instances(self.run)}

    def are(self, state: str, *tasks: str) -> bool:
        now = self.states()
        return all(now[task] == state for task in tasks)

    def have_deferred(self, *tasks: str) -> bool:
        """Tell whether tasks wait in the triggerer, unless they have ended."""
        now = self.states()
        return all(now[task] in {"deferred", "success", "failed"} for task in tasks)

    def finish(self) -> None:
        self.airflow.wait_for_end(self.run, timeout=PATIENCE)
        self.tasks = {each["task_id"]: each for each in self.airflow.task_instances(self.run)}

    def told(self, task: str, event: str) -> list[float]:
        """Return when a task's log said something that begins with some words."""
        lines = self.airflow.log_lines(self.run, task)
        return [moment(line["timestamp"]) for line in lines if line["event"].startswith(event)]

    def executions(self, task: str) -> list[float]:
        """Return when a task was begun, and begun again behind its deferral."""
        # In the words of Airflow 3.2 and later, and in those before.
        return self.told(task, "::group::Pre Execute") or self.told(task, "DAG bundles loaded")

    def log(self, task: str) -> str:
        return self.airflow.log_of(self.run, task)

    def went_to_the_triggerer(self, task: str) -> float:
        """Return when a wait began, at the latest."""
        return self.told(task, "Pausing task as DEFERRED")[0]

    def fired(self, task: str) -> float:
        """Return when a wait in the triggerer ended.

        An event that its triggerer took with it into death is fired again by the next one.
        """
        return self.told(task, "Trigger fired event")[-1]

    def first_chance(self, time_is_up: float) -> float:
        """Return when somebody was there to end a wait whose time was up then."""
        for gone, back in self.absences:
            if gone - TOLERANCE / 2 < time_is_up < back:
                return back
        return time_is_up


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.go_away()


@pytest.fixture(scope="module")
def started(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    environment = {
        f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
            {"conn_type": conn_type, "host": service.url, "password": "sandbox"}
        )
        for conn_type in ("campaign_cleaner", "instantly")
    } | {
        # After so many seconds without a sign of life Airflow takes somebody for dead; 30 by default.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
        "AIRFLOW__CORE__PARALLELISM": "6",
    }
    with local_airflow(tmp_path_factory.mktemp("restarts"), RESTART_DAGS, environment) as airflow:
        for dag_id in ("triggerers_die", "scheduler_dies", "service_goes_away"):
            airflow.wait_for_dag(dag_id)
        yield airflow
        for name in airflow.running:
            airflow.kill(name)  # which is quicker than to ask them to end


@pytest.fixture(scope="class")
def airflow(started: LocalAirflow, service: Service) -> LocalAirflow:
    """The Airflow, whole again whatever the story before did to it, and a sandbox that knows nothing."""
    for name in started.running - set(COMPONENTS):
        started.kill(name)
    for name in set(COMPONENTS) - started.running:
        started.start(name)
    service.state.reset()
    return started


class TestTriggerersDie:
    """The triggerer is killed and another one takes over; that one is killed, and for a while there is none.

    While there is none the provider is upgraded: what is stored of the waits is of an earlier version.
    """

    ANSWERED_AFTER_THE_FIRST = ("campaign", "gate")
    ANSWERED_AFTER_THE_SECOND = ("begun_there", "fetch_3", "activate", "job", "test")
    DONE = (*ANSWERED_AFTER_THE_FIRST, *ANSWERED_AFTER_THE_SECOND)
    RUNNING_OUT = ("early", "late", "late_gate", "late_begun_there")

    @pytest.fixture(scope="class")
    @classmethod
    def story(cls, airflow: LocalAirflow, service: Service) -> Story:
        state = service.state
        ids = {name: service.submit() for name in ("campaign", "campaign_2", "campaign_3", "never", "go")}
        ids |= {"gated": HEALTHY_CAMPAIGN_ID, "shut": PAUSED_CAMPAIGN_ID, "draft": DRAFT_CAMPAIGN_ID}
        ids |= {"job": state.start_job("move-leads", None).id, "test": state.start_inbox_test("Spring").id}
        state.set_job_status(ids["job"], "in-progress")
        for name, code in {"gated": NOT_FIT, "shut": NOT_FIT, "draft": "campaign_draft"}.items():
            state.play_sending_status(ids[name], [code])
        story = Story.begin(airflow, "triggerers_die", ids)
        wait_until(lambda: story.have_deferred(*cls.DONE, "go"), "all that have time are deferred")
        for task in cls.DONE:
            wait_until(lambda task=task: story.told(task, "Waiting for "), f"{task} waits")
        service.complete(ids["go"])
        wait_until(lambda: story.have_deferred(*cls.RUNNING_OUT), "all are deferred")

        airflow.kill("triggerer")
        killed = time.time()
        service.complete(ids["campaign"])
        state.play_sending_status(ids["gated"], ["healthy"])
        airflow.start("triggerer", "another triggerer")
        story.absences.append((killed, cls.taken_over(service, killed)))
        wait_until(
            lambda: story.are("success", *cls.ANSWERED_AFTER_THE_FIRST, "fetch", "send"),
            "the answers of the time without a triggerer are heard",
        )

        airflow.kill("another triggerer")
        killed = time.time()
        waiting = [task for task, state in story.states().items() if state == "deferred"]
        assert airflow.python(TO_THE_OLD_FORM).split()[-1:] == [str(len(waiting))]
        for name in ("campaign_2", "campaign_3"):
            service.complete(ids[name])
        state.set_job_status(ids["job"], "success")
        state.inbox_tests[ids["test"]] = replace(state.inbox_tests[ids["test"]], seconds=0)
        state.play_sending_status(ids["draft"], ["healthy"])
        time.sleep(max(0.0, story.went_to_the_triggerer("early") + EARLY + 1 - time.time()))
        airflow.start("triggerer", "a third triggerer")
        story.absences.append((killed, cls.taken_over(service, killed)))
        story.finish()
        return story

    @staticmethod
    def taken_over(service: Service, killed: float) -> float:
        return wait_until(lambda: service.asked(LOOKS_AT_JOBS, since=killed), "another triggerer looks")[0]

    def test_each_wait_goes_on_elsewhere_and_ends_once(self, story: Story) -> None:
        for task in (*self.DONE, *self.RUNNING_OUT):
            ending = "success" if task in self.DONE else "failed"
            assert (story.tasks[task]["state"], story.tasks[task]["try_number"]) == (ending, 1)
            taken_up = story.told(task, "Waiting for ")
            if task in self.DONE:
                assert len(taken_up) == (2 if task in self.ANSWERED_AFTER_THE_FIRST else 3)
            begun_there = task.endswith("begun_there") and RENDERS_IN_THE_TRIGGERER
            assert len(story.executions(task)) == (1 if begun_there else 2)
            if task != "late_begun_there":  # which Airflow itself ends
                assert story.fired(task) > taken_up[-1]

    def test_what_stands_behind_a_wait_runs_once_or_not_at_all(self, story: Story, service: Service) -> None:
        assert service.asked_exactly("POST", "/v1/get_campaign") == 3
        assert service.asked_exactly("POST", "/api/v2/leads/add") == 1
        assert [lead["email"] for lead in service.state.leads.values()] == ["send@example.com"]
        assert service.asked_exactly("POST", f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}/activate") == 1
        for task in ("never_fetch", "never_send"):
            assert story.tasks[task]["state"] == "upstream_failed"

    def test_what_happened_while_no_triggerer_ran_is_heard_of_by_the_next(self, story: Story) -> None:
        (_, first), (_, second) = story.absences
        for task in self.ANSWERED_AFTER_THE_FIRST:
            assert story.fired(task) < first + TOLERANCE
        for task in self.ANSWERED_AFTER_THE_SECOND:
            assert second - 1 < story.fired(task) < second + TOLERANCE

    def test_a_wait_runs_out_at_its_own_deadline_whoever_waits(self, story: Story) -> None:
        for task, seconds in {"early": EARLY, "late": LATE, "late_gate": LATE}.items():
            assert story.fired(task) > moment(story.tasks[task]["start_date"]) + seconds
            time_is_up = story.went_to_the_triggerer(task) + seconds
            assert story.fired(task) < story.first_chance(time_is_up) + TOLERANCE
        for task in ("early", "late"):
            assert "AirflowSensorTimeout" in story.log(task)
            assert "it was last seen as 'processing'" in story.log(task)
        assert "SendGateTimeoutError" in story.log("late_gate")

    @needs_rendering_in_the_triggerer
    def test_a_wait_that_began_in_the_triggerer_runs_out_at_the_deadline_that_airflow_keeps(
        self, story: Story
    ) -> None:
        (resumed,) = story.executions("late_begun_there")
        time_is_up = moment(story.tasks["late_begun_there"]["start_date"]) + LATE
        assert time_is_up < resumed < time_is_up + TOLERANCE_ON_A_WORKER
        assert "AirflowSensorTimeout" in story.log("late_begun_there")

    def test_waits_stored_by_an_earlier_version_go_on_after_an_upgrade(self, story: Story) -> None:
        (_, upgraded) = story.absences[1]
        for task in self.ANSWERED_AFTER_THE_SECOND:
            assert story.tasks[task]["state"] == "success"
            assert story.fired(task) > upgraded - 1


class TestTheSchedulerDies:
    """The scheduler is killed with all its workers, and started again later."""

    @pytest.fixture(scope="class")
    @classmethod
    def story(cls, airflow: LocalAirflow, service: Service) -> Story:
        state = service.state
        ids = {name: service.submit() for name in ("campaign", "never", "go")}
        ids |= {"gated": HEALTHY_CAMPAIGN_ID}
        state.play_sending_status(ids["gated"], [NOT_FIT])
        # The service takes its time with the submission, and has not answered when the worker dies.
        state.faults.append(Fault("/v1/send_campaign", delay=30, times=1))
        story = Story.begin(airflow, "scheduler_dies", ids)
        wait_until(lambda: story.are("deferred", "campaign", "gate", "go"), "those with time wait")
        service.complete(ids["go"])
        wait_until(
            lambda: (
                story.have_deferred("early")
                and story.are("up_for_reschedule", "rescheduled", "late_rescheduled")
                and story.told("poked", "Campaign ")
                and service.asked("/v1/send_campaign")
            ),
            "all wait, and a submission is under way",
        )
        airflow.kill("scheduler")
        killed = time.time()
        service.complete(ids["campaign"])
        state.play_sending_status(ids["gated"], ["healthy"])
        wait_until(lambda: story.told("early", "Trigger fired event"), "a wait runs out without a scheduler")
        wait_until(lambda: len(state.submitted) == 4, "the service takes the submission")
        story.absences.append((killed, time.time()))
        airflow.start("scheduler")
        story.finish()
        return story

    def test_waits_in_the_triggerer_need_no_scheduler_to_end(self, story: Story) -> None:
        ((killed, back),) = story.absences
        for task in ("campaign", "gate", "early"):
            assert killed < story.fired(task) < back
        assert story.fired("early") > moment(story.tasks["early"]["start_date"]) + EARLY
        assert story.fired("early") < story.went_to_the_triggerer("early") + EARLY + TOLERANCE

    def test_each_wait_ends_once_and_what_stands_behind_it_runs_once(
        self, story: Story, service: Service
    ) -> None:
        for task in ("campaign", "fetch", "gate", "send", "rescheduled"):
            assert (story.tasks[task]["state"], story.tasks[task]["try_number"]) == ("success", 1)
        for task in ("early", "late_rescheduled"):
            assert (story.tasks[task]["state"], story.tasks[task]["try_number"]) == ("failed", 1)
            assert "AirflowSensorTimeout" in story.log(task)
        assert service.asked_exactly("POST", "/v1/get_campaign") == 1
        assert service.asked_exactly("POST", "/api/v2/leads/add") == 1

    def test_a_rescheduled_wait_runs_out_at_its_own_deadline(self, story: Story) -> None:
        ended = moment(story.tasks["late_rescheduled"]["end_date"])
        time_is_up = story.executions("late_rescheduled")[0] + LATE
        # Airflow counts from the moment at which the task was started, a little before its log begins.
        assert time_is_up - 5 < ended < story.first_chance(time_is_up) + TOLERANCE_ON_A_WORKER

    def test_a_submission_under_way_is_found_again_and_costs_one_credit(
        self, story: Story, service: Service
    ) -> None:
        assert (story.tasks["submit"]["state"], story.tasks["submit"]["try_number"]) == ("success", 2)
        assert service.asked_exactly("POST", "/v1/send_campaign") == 1
        assert story.airflow.xcom(story.run, "submit") == list(service.state.submitted)[-1]

    def test_a_wait_on_a_worker_begins_anew_as_another_try(self, story: Story) -> None:
        assert (story.tasks["poked"]["state"], story.tasks["poked"]["try_number"]) == ("success", 2)


class TestTheServiceGoesAway:
    """Nobody listens where the service was, for several looks of every wait; then it is there again."""

    SECONDS = 60.0
    PATIENT = ("deferred", "poked", "rescheduled", "gate")
    IMPATIENT = ("impatient", "impatient_poked", "impatient_gate")

    @pytest.fixture(scope="class")
    @classmethod
    def story(cls, airflow: LocalAirflow, service: Service) -> Story:
        ids = {"campaign": service.submit(), "gated": HEALTHY_CAMPAIGN_ID}
        service.state.play_sending_status(ids["gated"], [NOT_FIT])
        story = Story.begin(airflow, "service_goes_away", ids)
        wait_until(
            lambda: (
                story.are("deferred", "deferred", "gate", "impatient", "impatient_gate")
                and all(
                    story.told(task, f"Campaign {ids['campaign']} is") for task in ("poked", "rescheduled")
                )
                and story.told("impatient_poked", f"Campaign {ids['campaign']} is")
            ),
            "all wait",
        )
        service.go_away()
        gone = time.time()
        try:
            wait_until(lambda: story.are("failed", *cls.IMPATIENT), "the impatient give up")
            wait_until(lambda: len(story.told("poked", "Look ")) > 2, "several looks are refused")
            time.sleep(max(0.0, gone + cls.SECONDS - time.time()))
        finally:
            service.complete(ids["campaign"])
            service.state.play_sending_status(ids["gated"], ["healthy"])
            service.come_back()
        story.absences.append((gone, time.time()))
        story.finish()
        return story

    def test_a_wait_survives_it_and_hears_what_happened_meanwhile(
        self, story: Story, service: Service
    ) -> None:
        for task in (*self.PATIENT, "fetch", "send"):
            assert (story.tasks[task]["state"], story.tasks[task]["try_number"]) == ("success", 1)
        for task in ("deferred", "gate"):
            assert story.fired(task) > story.absences[0][1]
        assert service.asked_exactly("POST", "/v1/get_campaign") == 1
        assert service.asked_exactly("POST", "/api/v2/leads/add") == 1

    def test_one_that_outlasts_the_patience_of_a_wait_fails_it_and_skips_nothing(self, story: Story) -> None:
        for task in self.IMPATIENT:
            assert (story.tasks[task]["state"], story.tasks[task]["try_number"]) == ("failed", 1)
            assert "ConnectError" in story.log(task)
            assert "cannot connect to" in story.log(task)
            assert "Check the network" in story.log(task)
        assert story.tasks["never_send"]["state"] == "upstream_failed"
