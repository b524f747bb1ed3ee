"""Triggerers and the scheduler are killed during waits, and the service stops: each wait ends once, in time.

Each class runs one scenario once, all of them on the same Airflow of real processes. The tests read the
result from the sandbox's records, from Airflow's task states and from its logs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
)
from airflow_provider_campaigns.sandbox.state import Fault
from scripts.local_airflow import AIRFLOW_2, COMPONENTS, LocalAirflow, connections, local_airflow
from tests.support import ROOT
from tests.support.airflow_versions import RENDERS_IN_THE_TRIGGERER, needs, needs_rendering_in_the_triggerer
from tests.support.stoppable_service import Service, parse_time, wait_until

pytestmark = [
    pytest.mark.airflow_processes,
    needs(not AIRFLOW_2, "Airflow 2 runs one task at a time on SQLite; some of these must run together"),
]

RESTART_DAGS = Path(__file__).parent / "restart_dags"
RECORD = ROOT / "tests" / "unit" / "triggers" / "serialized" / "0.1.0.json"
# As in the Dags: the timeouts of waits that time out during an outage, and after it.
EARLY, LATE = 25.0, 40.0
ALONE, LATE_RESCHEDULED = 60.0, 80.0
# How late a wait may end on a busy machine.
TOLERANCE = 60.0
UNFIT = "daily_limit_met"
JOB_POLLS = "/api/v2/background-jobs/"

# Stores the triggers as an earlier version did: without the arguments that have a default.
TO_OLD_FORM = f"""
import json
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session

record = json.load(open({str(RECORD)!r}))
with create_session() as session:
    rows = session.query(Trigger).all()
    for row in rows:
        now, old = row.kwargs, min(record[row.classpath]["arguments"], key=len)
        assert old.keys() < now.keys()
        row.kwargs = {{name: now[name] for name in old}}
print(len(rows))
"""


@dataclass
class Scenario:
    """One run of a Dag, and the outages during it.

    :ivar outages: when each outage began and ended.
    :ivar tasks: the task instances at the end, by task.
    """

    airflow: LocalAirflow
    run: dict[str, Any]
    outages: list[tuple[float, float]]
    tasks: dict[str, dict[str, Any]]

    @classmethod
    def begin(cls, airflow: LocalAirflow, dag_id: str, conf: dict[str, str]) -> Scenario:
        return cls(airflow, airflow.start_run(dag_id, conf), [], {})

    def states(self) -> dict[str, str | None]:
        return {each["task_id"]: each["state"] for each in self.airflow.task_instances(self.run)}

    def have_state(self, state: str, *tasks: str) -> bool:
        now = self.states()
        return all(now[task] == state for task in tasks)

    def have_deferred(self, *tasks: str) -> bool:
        """Return whether all tasks have deferred; some may have ended since."""
        now = self.states()
        return all(now[task] in {"deferred", "success", "failed"} for task in tasks)

    def finish(self) -> None:
        self.airflow.wait_for_end(self.run)
        self.tasks = {each["task_id"]: each for each in self.airflow.task_instances(self.run)}

    def logged(self, task: str, message: str) -> list[float]:
        """Return the times of the log lines of a task that begin with a message."""
        lines = self.airflow.log_lines(self.run, task)
        return [parse_time(line["timestamp"]) for line in lines if line["event"].startswith(message)]

    def executions(self, task: str) -> list[float]:
        """Return when a task started, and started again after a deferral."""
        # Airflow 3.2 and later log the first message, earlier versions the second.
        return self.logged(task, "::group::Pre Execute") or self.logged(task, "DAG bundles loaded")

    def log(self, task: str) -> str:
        return self.airflow.log_of(self.run, task)

    def deferred_at(self, task: str) -> float:
        """Return when a task deferred; its wait began before."""
        return self.logged(task, "Pausing task as DEFERRED")[0]

    def fired_at(self, task: str) -> float:
        """Return when the trigger of a task fired.

        If a triggerer dies before Airflow stores the event, the next triggerer fires it again.
        """
        return self.logged(task, "Trigger fired event")[-1]

    def earliest_end(self, deadline: float) -> float:
        """Return when a wait can end: at its deadline, or after the outage at that time."""
        for begun, ended in self.outages:
            if begun - 10 < deadline < ended:
                return ended
        return deadline


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def started(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    environment = connections(service.url) | {
        # Airflow considers a component without heartbeat dead after this many seconds; 30 by default.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
        "AIRFLOW__CORE__PARALLELISM": "6",
    }
    with local_airflow(tmp_path_factory.mktemp("restarts"), RESTART_DAGS, environment) as airflow:
        for dag_id in ("triggerers_killed", "scheduler_killed", "service_unreachable"):
            airflow.wait_for_dag(dag_id)
        yield airflow
        for name in airflow.running:
            airflow.kill(name)  # faster than SIGTERM


@pytest.fixture(scope="class")
def airflow(started: LocalAirflow, service: Service) -> LocalAirflow:
    """The Airflow with all its components running, and a sandbox without data."""
    for name in started.running - set(COMPONENTS):
        started.kill(name)
    for name in set(COMPONENTS) - started.running:
        started.start(name)
    service.state.reset()
    return started


class TestTriggererKilled:
    """The triggerer is killed and a second one takes over; it is killed too, and a third one starts later.

    Before the third one starts, the provider is upgraded: the stored triggers are of an earlier version.
    """

    DONE_IN_SECOND = ("campaign", "gate")
    DONE_IN_THIRD = ("started_in_triggerer", "fetch_3", "activate", "job", "test")
    DONE = (*DONE_IN_SECOND, *DONE_IN_THIRD)
    TIMING_OUT = ("early", "late", "late_gate", "late_in_triggerer")

    @pytest.fixture(scope="class")
    @classmethod
    def scenario(cls, airflow: LocalAirflow, service: Service) -> Scenario:
        state = service.state
        ids = {name: service.submit() for name in ("campaign", "campaign_2", "campaign_3", "never", "go")}
        ids |= {"gated": HEALTHY_CAMPAIGN_ID, "shut": PAUSED_CAMPAIGN_ID, "draft": DRAFT_CAMPAIGN_ID}
        ids |= {"job": state.start_job("move-leads", None).id, "test": state.start_inbox_test("Spring").id}
        state.set_job_status(ids["job"], "in-progress")
        for name, code in {"gated": UNFIT, "shut": UNFIT, "draft": "campaign_draft"}.items():
            state.play_sending_status(ids[name], [code])
        scenario = Scenario.begin(airflow, "triggerers_killed", ids)
        wait_until(
            lambda: scenario.have_deferred(*cls.DONE, "go"), "the waits without a short timeout are deferred"
        )
        for task in cls.DONE:
            wait_until(lambda task=task: scenario.logged(task, "Waiting for "), f"{task} waits")
        service.complete(ids["go"])
        wait_until(lambda: scenario.have_deferred(*cls.TIMING_OUT), "all are deferred")

        airflow.kill("triggerer")
        killed = time.time()
        service.complete(ids["campaign"])
        state.play_sending_status(ids["gated"], ["healthy"])
        airflow.start("triggerer", "triggerer-2")
        scenario.outages.append((killed, cls.taken_over(service, killed)))
        wait_until(
            lambda: scenario.have_state("success", *cls.DONE_IN_SECOND, "fetch", "send"),
            "the second triggerer sees the changes",
        )

        airflow.kill("triggerer-2")
        killed = time.time()
        waiting = [task for task, state in scenario.states().items() if state == "deferred"]
        assert airflow.python(TO_OLD_FORM).split()[-1:] == [str(len(waiting))]
        for name in ("campaign_2", "campaign_3"):
            service.complete(ids[name])
        state.set_job_status(ids["job"], "success")
        state.inbox_tests[ids["test"]] = replace(state.inbox_tests[ids["test"]], seconds=0)
        state.play_sending_status(ids["draft"], ["healthy"])
        time.sleep(max(0.0, scenario.deferred_at("early") + EARLY + 1 - time.time()))
        airflow.start("triggerer", "triggerer-3")
        scenario.outages.append((killed, cls.taken_over(service, killed)))
        scenario.finish()
        return scenario

    @staticmethod
    def taken_over(service: Service, killed: float) -> float:
        return wait_until(lambda: service.requests_to(JOB_POLLS, since=killed), "the next triggerer polls")[0]

    def test_waits_continue_in_the_next_triggerer_and_end_once(self, scenario: Scenario) -> None:
        for task in (*self.DONE, *self.TIMING_OUT):
            ending = "success" if task in self.DONE else "failed"
            assert (scenario.tasks[task]["state"], scenario.tasks[task]["try_number"]) == (ending, 1)
            started = scenario.logged(task, "Waiting for ")
            if task in self.DONE:
                assert len(started) == (2 if task in self.DONE_IN_SECOND else 3)
            in_triggerer = task.endswith("in_triggerer") and RENDERS_IN_THE_TRIGGERER
            assert len(scenario.executions(task)) == (1 if in_triggerer else 2)
            if task != "late_in_triggerer":  # Airflow itself times this one out
                assert scenario.fired_at(task) > started[-1]

    def test_downstream_tasks_run_once_or_not_at_all(self, scenario: Scenario, service: Service) -> None:
        assert service.count("POST", "/v1/get_campaign") == 3
        assert service.count("POST", "/api/v2/leads/add") == 1
        assert [lead["email"] for lead in service.state.leads.values()] == ["send@example.com"]
        assert service.count("POST", f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}/activate") == 1
        for task in ("never_fetch", "never_send"):
            assert scenario.tasks[task]["state"] == "upstream_failed"

    def test_changes_without_a_triggerer_are_seen_by_the_next(self, scenario: Scenario) -> None:
        (_, first), (_, second) = scenario.outages
        for task in self.DONE_IN_SECOND:
            assert scenario.fired_at(task) < first + TOLERANCE
        for task in self.DONE_IN_THIRD:
            assert second - 1 < scenario.fired_at(task) < second + TOLERANCE

    def test_waits_time_out_at_their_deadline_after_a_takeover(self, scenario: Scenario) -> None:
        (_, taken_over) = scenario.outages[1]
        for task, seconds in {"early": EARLY, "late": LATE, "late_gate": LATE}.items():
            assert scenario.fired_at(task) > parse_time(scenario.tasks[task]["start_date"]) + seconds
            # A wait whose timeout started again with each takeover would end later.
            assert scenario.fired_at(task) < taken_over + seconds - 2
        for task in ("early", "late"):
            assert "AirflowSensorTimeout" in scenario.log(task)
            assert "Last status: processing." in scenario.log(task)
        assert "SendGateTimeoutError" in scenario.log("late_gate")

    @needs_rendering_in_the_triggerer
    def test_wait_started_in_the_triggerer_times_out(self, scenario: Scenario) -> None:
        (resumed,) = scenario.executions("late_in_triggerer")
        deadline = parse_time(scenario.tasks["late_in_triggerer"]["start_date"]) + LATE
        (_, taken_over) = scenario.outages[1]
        assert deadline < resumed < taken_over + LATE
        assert "AirflowSensorTimeout" in scenario.log("late_in_triggerer")

    def test_waits_stored_by_an_earlier_version_continue(self, scenario: Scenario) -> None:
        (_, upgraded) = scenario.outages[1]
        for task in self.DONE_IN_THIRD:
            assert scenario.tasks[task]["state"] == "success"
            assert scenario.fired_at(task) > upgraded - 1


class TestSchedulerKilled:
    """The scheduler is killed with all its workers, and restarted later."""

    @pytest.fixture(scope="class")
    @classmethod
    def scenario(cls, airflow: LocalAirflow, service: Service) -> Scenario:
        state = service.state
        ids = {name: service.submit() for name in ("campaign", "never", "go")}
        ids |= {"gated": HEALTHY_CAMPAIGN_ID}
        state.play_sending_status(ids["gated"], [UNFIT])
        # The service is slow: the worker dies before the response to the submission.
        state.faults.append(Fault("/v1/send_campaign", delay=30, times=1))
        scenario = Scenario.begin(airflow, "scheduler_killed", ids)
        wait_until(
            lambda: scenario.have_state("deferred", "campaign", "gate", "go"),
            "the waits without a short timeout are deferred",
        )
        service.complete(ids["go"])
        wait_until(
            lambda: (
                scenario.have_deferred("early")
                and scenario.have_state("up_for_reschedule", "rescheduled", "late_rescheduled")
                and scenario.logged("poked", "Campaign ")
                and service.requests_to("/v1/send_campaign")
            ),
            "all tasks wait, and the submission is sent",
        )
        airflow.kill("scheduler")
        killed = time.time()
        service.complete(ids["campaign"])
        state.play_sending_status(ids["gated"], ["healthy"])
        for task in ("campaign", "gate", "early"):
            wait_until(
                lambda task=task: scenario.logged(task, "Trigger fired event"),
                f"{task} ends without a scheduler",
            )
        wait_until(lambda: len(state.submitted) == 4, "the service accepts the submission")
        scenario.outages.append((killed, time.time()))
        airflow.start("scheduler")
        scenario.finish()
        return scenario

    def test_deferred_waits_end_without_a_scheduler(self, scenario: Scenario) -> None:
        ((killed, back),) = scenario.outages
        for task in ("campaign", "gate", "early"):
            assert killed < scenario.fired_at(task) < back
        assert scenario.fired_at("early") > parse_time(scenario.tasks["early"]["start_date"]) + ALONE
        assert scenario.fired_at("early") < scenario.deferred_at("early") + ALONE + TOLERANCE

    def test_waits_end_once_and_downstream_tasks_run_once(self, scenario: Scenario, service: Service) -> None:
        for task in ("campaign", "fetch", "gate", "send", "rescheduled"):
            assert (scenario.tasks[task]["state"], scenario.tasks[task]["try_number"]) == ("success", 1)
        for task in ("early", "late_rescheduled"):
            assert (scenario.tasks[task]["state"], scenario.tasks[task]["try_number"]) == ("failed", 1)
            assert "AirflowSensorTimeout" in scenario.log(task)
        assert service.count("POST", "/v1/get_campaign") == 1
        assert service.count("POST", "/api/v2/leads/add") == 1

    def test_rescheduled_wait_times_out_at_its_deadline(self, scenario: Scenario) -> None:
        ended = parse_time(scenario.tasks["late_rescheduled"]["end_date"])
        deadline = scenario.executions("late_rescheduled")[0] + LATE_RESCHEDULED
        # Airflow counts from the start of the task, which is a little before its first log line.
        assert deadline - 5 < ended < scenario.earliest_end(deadline) + TOLERANCE

    def test_interrupted_submission_is_found_and_costs_one_credit(
        self, scenario: Scenario, service: Service
    ) -> None:
        assert (scenario.tasks["submit"]["state"], scenario.tasks["submit"]["try_number"]) == ("success", 2)
        assert service.count("POST", "/v1/send_campaign") == 1
        assert scenario.airflow.xcom(scenario.run, "submit") == list(service.state.submitted)[-1]

    def test_wait_on_a_killed_worker_restarts_as_another_try(self, scenario: Scenario) -> None:
        assert (scenario.tasks["poked"]["state"], scenario.tasks["poked"]["try_number"]) == ("success", 2)


class TestServiceUnreachable:
    """The service refuses connections for several polls of every wait, then it is back."""

    SECONDS = 60.0
    PATIENT = ("deferred", "poked", "rescheduled", "gate")
    IMPATIENT = ("impatient", "impatient_poked", "impatient_gate")

    @pytest.fixture(scope="class")
    @classmethod
    def scenario(cls, airflow: LocalAirflow, service: Service) -> Scenario:
        ids = {"campaign": service.submit(), "gated": HEALTHY_CAMPAIGN_ID}
        service.state.play_sending_status(ids["gated"], [UNFIT])
        scenario = Scenario.begin(airflow, "service_unreachable", ids)
        wait_until(
            lambda: (
                scenario.have_state("deferred", "deferred", "gate", "impatient", "impatient_gate")
                and all(
                    scenario.logged(task, f"Campaign {ids['campaign']} is")
                    for task in ("poked", "rescheduled")
                )
                and scenario.logged("impatient_poked", f"Campaign {ids['campaign']} is")
            ),
            "all tasks wait",
        )
        service.stop()
        stopped = time.time()
        try:
            wait_until(lambda: scenario.have_state("failed", *cls.IMPATIENT), "the impatient waits fail")
            wait_until(lambda: len(scenario.logged("poked", "Poll failed")) > 2, "several polls fail")
            time.sleep(max(0.0, stopped + cls.SECONDS - time.time()))
        finally:
            service.complete(ids["campaign"])
            service.state.play_sending_status(ids["gated"], ["healthy"])
            service.start()
        scenario.outages.append((stopped, time.time()))
        scenario.finish()
        return scenario

    def test_patient_waits_survive_and_see_later_changes(self, scenario: Scenario, service: Service) -> None:
        for task in (*self.PATIENT, "fetch", "send"):
            assert (scenario.tasks[task]["state"], scenario.tasks[task]["try_number"]) == ("success", 1)
        for task in ("deferred", "gate"):
            assert scenario.fired_at(task) > scenario.outages[0][1]
        assert service.count("POST", "/v1/get_campaign") == 1
        assert service.count("POST", "/api/v2/leads/add") == 1

    def test_waits_beyond_max_failures_fail_and_skip_nothing(self, scenario: Scenario) -> None:
        for task in self.IMPATIENT:
            assert (scenario.tasks[task]["state"], scenario.tasks[task]["try_number"]) == ("failed", 1)
            assert "ConnectError" in scenario.log(task)
            assert "cannot connect to" in scenario.log(task)
            assert "Check the network" in scenario.log(task)
        assert scenario.tasks["never_send"]["state"] == "upstream_failed"
