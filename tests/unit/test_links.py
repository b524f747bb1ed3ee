"""A link is an XCom that the task saves, and that Airflow shows beside the task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance as StoredTaskInstance
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_campaigns.airflow_compat import shows_pages
from airflow_provider_campaigns.exceptions import AuthenticationError
from airflow_provider_campaigns.links import CampaignCleanerLink, InstantlyCampaignLink, save_report_links
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlyHealthReportOperator,
    InstantlyPauseCampaignOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from tests.support.airflow_runs import dag, start
from tests.support.airflow_versions import DagSerialization, needs_pages
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import (
    CLEANER_ID,
    CLEANER_LINK,
    INSTANTLY_LINK,
    UUID,
    campaign_status,
    sending_status,
)

REPORT_LINK = {
    "_link_CleaningReportLink": "/campaigns/report/?dag_id=dag&run_id=run&task_id=task&map_index=-1"
}
REPORT_LINKS = CLEANER_LINK | (REPORT_LINK if shows_pages() else {})
LIST_LINK = {"_link_InstantlyCampaignLink": "https://app.instantly.ai/app/campaigns"}


def links(runner: TaskRunner) -> dict[str, Any]:
    return {key: value for key, value in runner.ti.xcoms.items() if key.startswith("_link_")}


class TestSaving:
    @pytest.fixture(autouse=True)
    def _fake_time(self, clock: FakeClock) -> None:
        pass

    @pytest.mark.parametrize(
        ("task", "link"),
        [
            (
                CampaignCleanerSubmitCampaignOperator(
                    task_id="t", campaign_html="<p>", campaign_name="Spring"
                ),
                CLEANER_LINK,
            ),
            (CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=CLEANER_ID), REPORT_LINKS),
            (
                CampaignCleanerGetPdfAnalysisOperator(task_id="t", campaign_id=CLEANER_ID, output_path="x"),
                CLEANER_LINK,
            ),
            (CampaignCleanerDeleteCampaignOperator(task_id="t", campaign_id=CLEANER_ID), CLEANER_LINK),
            (CampaignCleanerCampaignSensor(task_id="t", campaign_id=CLEANER_ID), CLEANER_LINK),
            (CampaignCleanerInboxTestSensor(task_id="t", job_id=CLEANER_ID, timeout=20), CLEANER_LINK),
            (InstantlySendGateOperator(task_id="t", campaign_id=UUID), INSTANTLY_LINK),
            (InstantlySendGateOperator(task_id="t", subsequence_id=UUID), LIST_LINK),
            (InstantlyActivateCampaignOperator(task_id="t", campaign_id=UUID), INSTANTLY_LINK),
            (InstantlyPauseCampaignOperator(task_id="t", campaign_id=UUID), INSTANTLY_LINK),
            (InstantlyUpdateCampaignOperator(task_id="t", campaign_id=UUID, subject="x"), INSTANTLY_LINK),
            (
                InstantlyAddLeadsOperator(task_id="t", campaign_id=UUID, leads=[{"email": "a@b.c"}]),
                INSTANTLY_LINK,
            ),
            (InstantlyHealthReportOperator(task_id="t"), LIST_LINK),
            (InstantlyBackgroundJobSensor(task_id="t", job_id=UUID), LIST_LINK),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseOperator) else "",
    )
    def test_failed_task_has_saved_its_link(
        self, connections: FakeServer, task: BaseOperator, link: dict[str, str]
    ) -> None:
        connections.respond(Reply({"error": "no"}, status=401))
        runner = TaskRunner()
        with pytest.raises(AuthenticationError):
            runner.run(task)
        assert links(runner) == link

    @pytest.mark.parametrize(
        ("task", "responses", "link"),
        [
            pytest.param(
                CampaignCleanerCampaignSensor(task_id="t", campaign_id=CLEANER_ID, deferrable=True),
                [campaign_status("processing"), campaign_status("completed")],
                CLEANER_LINK,
                id="campaign sensor",
            ),
            pytest.param(
                CampaignCleanerInboxTestSensor(task_id="t", job_id=CLEANER_ID, timeout=600, deferrable=True),
                [{"job_id": CLEANER_ID, "status": each} for each in ("Processing", "Completed")],
                CLEANER_LINK,
                id="inbox test sensor",
            ),
            pytest.param(
                CampaignCleanerGetCampaignOperator(
                    task_id="t", campaign_id=CLEANER_ID, wait_for_completion=True, deferrable=True
                ),
                [
                    campaign_status("processing"),
                    campaign_status("completed"),
                    {"campaign": {"campaign_html": "<p>Hi"}},
                ],
                REPORT_LINKS,
                id="get campaign",
            ),
            pytest.param(
                InstantlyActivateCampaignOperator(
                    task_id="t", campaign_id=UUID, wait_timeout=600, deferrable=True
                ),
                [
                    {"id": UUID, "status": 1},
                    sending_status("campaign_draft"),
                    sending_status("healthy"),
                    {"id": UUID, "status": 1},
                ],
                INSTANTLY_LINK,
                id="activate campaign",
            ),
        ],
    )
    def test_deferred_task_has_its_link_and_keeps_it(
        self, connections: FakeServer, task: BaseOperator, responses: list[Any], link: dict[str, str]
    ) -> None:
        connections.respond(*responses)
        runner = TaskRunner()
        while_deferred: list[dict[str, Any]] = []
        runner.before_trigger = lambda: while_deferred.append(links(runner))
        runner.run(task)
        assert while_deferred == [link]
        assert links(runner) == link

    def test_deferred_gate_has_its_link(self, connections: FakeServer) -> None:
        connections.respond(sending_status("daily_limit_met"))
        runner = TaskRunner()
        while_deferred: list[dict[str, Any]] = []
        runner.before_trigger = lambda: while_deferred.append(links(runner))
        gate = InstantlySendGateOperator(task_id="t", campaign_id=UUID, wait_timeout=600, deferrable=True)
        with pytest.raises(SendGateTimeoutError):
            runner.run(gate)
        assert while_deferred
        assert all(each == INSTANTLY_LINK for each in [*while_deferred, links(runner)])

    def test_task_run_by_hand_saves_no_link(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"campaign_html": "<p>Hi"}})
        task = CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=CLEANER_ID)
        assert task.execute({}) == {"campaign_html": "<p>Hi"}


@needs_pages
def test_report_link_has_the_path_of_airflows_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://data.example.com/airflow/")
    runner = TaskRunner()
    runner.ti.map_index, runner.ti.run_id = 3, "manual__2026-11-30T11:00:00+00:00"
    save_report_links({"ti": runner.ti})
    assert links(runner)["_link_CleaningReportLink"] == (
        "/airflow/campaigns/report/?dag_id=dag&run_id=manual__2026-11-30T11%3A00%3A00%2B00%3A00"
        "&task_id=task&map_index=3"
    )


class TestInAirflow:
    @pytest.fixture(autouse=True)
    def _links_are_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Load links as the API server does; a clear in an earlier test may have stopped that."""
        monkeypatch.setattr(DagSerialization, "_load_operator_extra_links", True)

    @pytest.mark.parametrize("link", [CampaignCleanerLink(), InstantlyCampaignLink()])
    def test_airflow_reads_the_xcom_that_the_task_saves(self, link: Any) -> None:
        with DAG("has_links", schedule=None) as built:
            CampaignCleanerDeleteCampaignOperator(task_id="cleaner", campaign_id=CLEANER_ID)
            InstantlyActivateCampaignOperator(task_id="instantly", campaign_id=UUID)
        stored = json.loads(json.dumps(DagSerialization.serialize_dag(built)))
        tasks = DagSerialization.deserialize_dag(stored).tasks
        keys = {each.name: each.xcom_key for task in tasks for each in task.operator_extra_links}
        assert keys[link.name] == link.xcom_key == f"_link_{type(link).__name__}"

    @pytest.mark.usefixtures("database")
    def test_airflow_shows_the_link_during_and_after_the_task(self, connections: FakeServer) -> None:
        built = dag("wait_deferrable")
        (task,) = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(built)).tasks

        def shown(instance: Any) -> str | None:
            """Return what Airflow's page of the task shows."""
            return task.get_extra_links(instance, "Campaign Cleaner")

        during: list[str | None] = []

        def poll(_: Request) -> dict[str, Any]:
            with create_session() as session:
                latest = select(StoredTaskInstance).where(StoredTaskInstance.dag_id == built.dag_id)
                instance = session.scalars(latest.order_by(StoredTaskInstance.start_date.desc())).first()
                during.append(shown(instance))
            return campaign_status("completed" if len(during) > 2 else "processing")

        connections.respond(Reply(poll))
        (instance,) = start(built, id=CLEANER_ID).get_task_instances()
        assert len(during) >= 3
        assert set(during) == {CLEANER_LINK["_link_CampaignCleanerLink"]}
        assert shown(instance) == CLEANER_LINK["_link_CampaignCleanerLink"]

        instance.run_id = "a run that has not started"
        assert shown(instance) == ""
