from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import ApiError, UnknownStatusError
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from tests.support.airflow_versions import BAD_ARGUMENT, import_string, needs_rendering_in_the_triggerer
from tests.support.fake_airflow import TaskRunner, event_of
from tests.support.fake_server import FakeServer
from tests.support.responses import CLEANER_ID, campaign_status

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def runner() -> TaskRunner:
    return TaskRunner()


def campaign_sensor(**arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(**{"task_id": "wait", "campaign_id": CLEANER_ID, **arguments})


class TestCampaignSensor:
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_paused_campaign_is_waited_for_if_wanted(
        self, runner: TaskRunner, connections: FakeServer, deferrable: bool
    ) -> None:
        statuses = ("paused", "processing", "paused", "completed")
        connections.respond(*map(campaign_status, statuses))
        assert runner.run(campaign_sensor(paused="wait", deferrable=deferrable)) == CLEANER_ID
        assert len(connections.requests) == 4

    def test_timeout_names_campaign_and_advice(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(campaign_status("processing"))
        with pytest.raises(AirflowSensorTimeout, match=f"Campaign {CLEANER_ID} .*has no failed status"):
            runner.run(campaign_sensor())

    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ({"campaign_id": ""}, "campaign_id"),
            ({"campaign_id": None}, "campaign_id"),
            ({"campaign_id": "two words"}, "campaign_id"),
            ({"paused": "ignore"}, "paused"),
        ],
    )
    def test_invalid_argument_is_refused_when_the_dag_is_parsed(
        self, arguments: dict[str, Any], name: str
    ) -> None:
        with pytest.raises(BAD_ARGUMENT, match=name):
            campaign_sensor(**arguments)

    def test_defaults(self) -> None:
        task = campaign_sensor()
        assert (task.poke_interval, task.timeout, task.deferrable) == (10, 900, False)
        assert set(task.template_fields) == {"campaign_id", "campaign_cleaner_conn_id"}


class TestStartFromTrigger:
    def test_literal_id_starts_in_the_triggerer(self) -> None:
        task = campaign_sensor(start_from_trigger=True, timeout=60)
        assert task.start_from_trigger
        start = task.start_trigger_args
        assert start.timeout == timedelta(seconds=60)
        trigger = import_string(start.trigger_cls)(**start.trigger_kwargs)
        assert (trigger.campaign_id, trigger.deadline) == (CLEANER_ID, None)
        assert CampaignCleanerCampaignSensor.start_trigger_args is None  # set for the task, not for the class

    @needs_rendering_in_the_triggerer
    def test_template_starts_in_the_triggerer(self) -> None:
        with DAG("plain"):
            task = campaign_sensor(start_from_trigger=True, campaign_id="{{ params.id }}")
        assert task.start_from_trigger

    @pytest.mark.parametrize(
        ("template", "own"),
        [
            ("{{ params.id }}", {"user_defined_macros": {"params": {"id": "b"}}}),
            ("{{ chosen() }}", {"user_defined_macros": {"chosen": str}}),
            ("{{ params.id | strip_it }}", {"user_defined_filters": {"strip_it": str}}),
            ("[[ params.id ]]", {"jinja_environment_kwargs": {"variable_start_string": "[["}}),
            ("{{ params.id }}", {"render_template_as_native_obj": True}),
            ("{{ var.value.id }}", {}),
            ("{{ conn.a.login }}", {}),
            ("{{ logical_date | ds }}", {}),
            ("{{ macros.uuid.uuid4() }}", {}),
            ("c-{{ params.id }}", {}),
            ("['a', '{{ params.id }}']", {}),
            ("{% include 'ids.json' %}", {}),
            ("{% for each in params.ids %}{{ each }}{% endfor %}", {}),
        ],
    )
    def test_what_only_a_worker_renders_starts_on_a_worker(self, template: str, own: dict[str, Any]) -> None:
        with DAG("own", **own):
            assert not campaign_sensor(start_from_trigger=True, campaign_id=template).start_from_trigger

    @pytest.mark.parametrize(
        "arguments",
        [
            {"campaign_id": "{{ ti.xcom_pull('other') }}"},
            {"campaign_cleaner_conn_id": "{{ ti.xcom_pull('other') }}"},
        ],
    )
    def test_template_with_an_xcom_starts_on_a_worker(
        self, runner: TaskRunner, connections: FakeServer, arguments: dict[str, Any]
    ) -> None:
        connections.respond(campaign_status("processing"), campaign_status("completed"))
        task = campaign_sensor(start_from_trigger=True, **arguments)
        assert not task.start_from_trigger
        task.campaign_id, task.campaign_cleaner_conn_id = CLEANER_ID, "campaign_cleaner_default"
        assert runner.run(task) == CLEANER_ID
        assert len(runner.deferrals) == 1

    def test_output_of_a_task_starts_on_a_worker(self) -> None:
        with DAG("output_of_a_task"):
            other = campaign_sensor(task_id="other")
            assert not campaign_sensor(start_from_trigger=True, campaign_id=other.output).start_from_trigger

    @needs_rendering_in_the_triggerer
    def test_id_rendered_to_none_fails_the_wait(self, connections: FakeServer) -> None:
        with DAG("plain"):
            task = campaign_sensor(start_from_trigger=True, campaign_id="{{ params.id }}")
        arguments = {**task.start_trigger_args.trigger_kwargs, "campaign_id": "None"}
        trigger = import_string(task.start_trigger_args.trigger_cls)(**arguments)
        event = asyncio.run(event_of(trigger))
        with pytest.raises(ApiError, match="campaign_id must be"):
            task.resume_execution("execute_complete", {"event": event}, {})
        assert connections.requests == []


JOB_ID = "5f1c7a7e-inbox-test"


def results(status: str, **summary: Any) -> dict[str, Any]:
    return {
        "job_id": JOB_ID,
        "test_name": "Spring",
        "status": status,
        "summary": summary,
        "results": [{"provider": "Gmail", "seed_address": "seed@example.com", "placement": "Inbox"}],
    }


def inbox_test_sensor(**arguments: Any) -> CampaignCleanerInboxTestSensor:
    return CampaignCleanerInboxTestSensor(
        **{"task_id": "wait", "job_id": JOB_ID, "timeout": 3600, **arguments}
    )


class TestInboxTestSensor:
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_result_is_the_summary_without_the_seeds(
        self, runner: TaskRunner, connections: FakeServer, deferrable: bool
    ) -> None:
        completed = results(
            "Completed", total_seeds=5, received=5, inbox="4", spam=1, inbox_rate="80%", pending=None
        )
        connections.respond(results("Processing", received=1), results("Processing", received=3), completed)
        assert runner.run(inbox_test_sensor(deferrable=deferrable)) == {
            "job_id": JOB_ID,
            "status": "completed",
            "test_name": "Spring",
            "total_seeds": 5,
            "received": 5,
            "inbox": 4,
            "spam": 1,
            "inbox_rate": 80,
        }
        # The last request fetches the summary.
        requests = [(request.path, request.json) for request in connections.requests]
        assert requests == [("/v1/get_inbox_test_results", {"job_id": JOB_ID})] * 4
        assert len(runner.deferrals) == int(deferrable)

    def test_completed_test_without_a_summary_succeeds(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        connections.respond({"status": "Completed"})
        assert runner.run(inbox_test_sensor()) == {"job_id": JOB_ID, "status": "completed"}

    def test_timeout_names_test_and_advice(self, runner: TaskRunner, connections: FakeServer) -> None:
        connections.respond(results("Processing", received=4, pending=1))
        with pytest.raises(
            AirflowSensorTimeout, match=f"Inbox test {JOB_ID} .*processing.*sent to every address"
        ):
            runner.run(inbox_test_sensor())

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_unknown_status_fails_the_wait(
        self, runner: TaskRunner, connections: FakeServer, deferrable: bool
    ) -> None:
        connections.respond(results("Processing"), results("Cancelled"))
        with pytest.raises(UnknownStatusError, match=f"{JOB_ID} as 'cancelled'"):
            runner.run(inbox_test_sensor(deferrable=deferrable, soft_fail=True))
        assert len(connections.requests) == 2

    def test_rendered_id_is_checked_before_a_request(
        self, runner: TaskRunner, connections: FakeServer
    ) -> None:
        task = inbox_test_sensor(job_id="{{ ti.xcom_pull('create') }}")
        task.job_id = "None"
        with pytest.raises(ValueError, match="job_id"):
            runner.run(task)
        assert connections.requests == []

    @pytest.mark.parametrize("job_id", ["", None, "two words"])
    def test_invalid_id_is_refused_when_the_dag_is_parsed(self, job_id: Any) -> None:
        with pytest.raises(BAD_ARGUMENT, match="job_id"):
            inbox_test_sensor(job_id=job_id)

    def test_timeout_is_required(self) -> None:
        with pytest.raises(BAD_ARGUMENT, match="timeout"):
            CampaignCleanerInboxTestSensor(task_id="wait", job_id=JOB_ID)

    def test_defaults(self) -> None:
        task = inbox_test_sensor(timeout=timedelta(hours=2))
        assert (task.timeout, task.poke_interval, task.deferrable) == (7200, 120, False)
        assert set(task.template_fields) == {"job_id", "campaign_cleaner_conn_id"}
