"""The links are XComs: what a task leaves behind, and what Airflow then shows beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance as StoredTaskInstance
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_campaigns.exceptions import AuthenticationError
from airflow_provider_campaigns.links import CampaignCleanerLink, InstantlyCampaignLink
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlySendGateOperator,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from tests.support.airflow_runs import dag
from tests.support.airflow_versions import MODES, DagSerialization
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.triggerer import Driven

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CLEANER = {"_link_CampaignCleanerLink": "https://members.campaigncleaner.com"}
INSTANTLY = {
    "_link_InstantlyCampaignLink": f"https://app.instantly.ai/app/campaign/{UUID}/analytics",
}
WAITING: dict[str, Any] = {"deferrable": True, "poke_interval": 0.02}


@pytest.fixture(autouse=True)
def _links_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the API server; where Airflow clears a task, it stops loading them for the whole process."""
    monkeypatch.setattr(DagSerialization, "_load_operator_extra_links", True)


def left(driven: Driven) -> dict[str, Any]:
    return {key: value for key, value in driven.ti.xcoms.items() if key.startswith("_link_")}


@pytest.mark.parametrize(
    "task",
    [
        CampaignCleanerSubmitCampaignOperator(task_id="t", campaign_html="<p>", campaign_name="Spring"),
        CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=ID),
        CampaignCleanerGetPdfAnalysisOperator(task_id="t", campaign_id=ID, output_path="/no/such/folder/x"),
        CampaignCleanerDeleteCampaignOperator(task_id="t", campaign_id=ID),
        CampaignCleanerCampaignSensor(task_id="t", campaign_id=ID),
        CampaignCleanerCampaignSensor(task_id="t", campaign_id=ID, **WAITING),
        CampaignCleanerInboxTestSensor(task_id="t", job_id=ID, timeout=20),
        CampaignCleanerInboxTestSensor(task_id="t", job_id=ID, timeout=20, **WAITING),
    ],
    ids=lambda task: type(task).__name__,
)
def test_a_task_that_fails_has_left_its_link(connections: ScriptedServer, task: BaseOperator) -> None:
    """That is when somebody wants it."""
    connections.play(Reply({"error": "no"}, status=401))
    driven = Driven()
    with pytest.raises(AuthenticationError):
        driven.run(task)
    assert left(driven) == CLEANER


def cleaner_says(status: str) -> dict[str, Any]:
    return {"campaign_status": {"id": ID, "status": status}}


def gate_says(code: str) -> dict[str, Any]:
    return {"diagnostics": None, "summary": {"status": code, "last_updated": "2999-01-01T00:00:00Z"}}


WAITS: dict[str, tuple[BaseOperator, list[Any], dict[str, Any]]] = {
    "campaign sensor": (
        CampaignCleanerCampaignSensor(task_id="t", campaign_id=ID, **WAITING),
        [cleaner_says("processing"), cleaner_says("completed")],
        CLEANER,
    ),
    "inbox test sensor": (
        CampaignCleanerInboxTestSensor(task_id="t", job_id=ID, timeout=20, **WAITING),
        [{"job_id": ID, "status": "Processing"}, {"job_id": ID, "status": "Completed"}],
        CLEANER,
    ),
    "get campaign": (
        CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=ID, wait_for_completion=True, **WAITING),
        [cleaner_says("processing"), cleaner_says("completed"), {"campaign": {"campaign_html": "<p>"}}],
        CLEANER,
    ),
    "activation": (
        InstantlyActivateCampaignOperator(task_id="t", campaign_id=UUID, wait_timeout=20, **WAITING),
        [
            {"id": UUID, "status": 1},
            gate_says("campaign_draft"),
            gate_says("healthy"),
            {"id": UUID, "status": 1},
        ],
        INSTANTLY,
    ),
}


@pytest.mark.parametrize("name", WAITS)
def test_a_task_that_waits_in_the_triggerer_has_its_link_meanwhile_and_keeps_it(
    connections: ScriptedServer, name: str
) -> None:
    task, answers, link = WAITS[name]
    connections.play(*answers)
    driven = Driven()
    seen: list[dict[str, Any]] = []
    driven.before_trigger = lambda: seen.append(left(driven))
    driven.run(task)
    assert seen == [link]
    assert left(driven) == link


def test_a_gate_has_its_link_while_it_is_deferred(connections: ScriptedServer) -> None:
    connections.play(gate_says("out_of_schedule"))
    driven = Driven()
    seen: list[dict[str, Any]] = []
    driven.before_trigger = lambda: seen.append(left(driven))
    gate = InstantlySendGateOperator(
        task_id="t", campaign_id=UUID, wait_timeout=0.4, **{**WAITING, "poke_interval": 0.2}
    )
    with pytest.raises(SendGateTimeoutError):
        driven.run(gate)
    assert seen
    assert all(each == INSTANTLY for each in [*seen, left(driven)])


def test_what_is_tried_by_hand_needs_nowhere_to_leave_a_link(connections: ScriptedServer) -> None:
    connections.play({"campaign": {"campaign_html": "<p>"}})
    assert CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=ID).execute({}) == {
        "campaign_html": "<p>"
    }


@pytest.mark.parametrize("link", [CampaignCleanerLink(), InstantlyCampaignLink()])
def test_airflow_looks_where_the_task_leaves_the_link(link: Any) -> None:
    with DAG("has_links", schedule=None) as built:
        CampaignCleanerDeleteCampaignOperator(task_id="cleaner", campaign_id=ID)
        InstantlyActivateCampaignOperator(task_id="instantly", campaign_id=UUID)
    stored = json.loads(json.dumps(DagSerialization.serialize_dag(built)))
    tasks = DagSerialization.deserialize_dag(stored).tasks
    shown = {each.name: each.xcom_key for task in tasks for each in task.operator_extra_links}
    assert shown[link.name] == link.xcom_key == f"_link_{type(link).__name__}"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("mode", MODES)
def test_airflow_shows_it_while_the_task_waits_and_after_but_not_before(
    connections: ScriptedServer, mode: str
) -> None:
    built = dag(f"wait_{mode}")
    (task,) = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(built)).tasks

    def shown(instance: Any) -> str | None:
        """What the page of the task asks for."""
        return task.get_extra_links(instance, "Campaign Cleaner")

    seen: list[str | None] = []

    def look(_: Request) -> dict[str, Any]:
        with create_session() as session:
            latest = select(StoredTaskInstance).where(StoredTaskInstance.dag_id == built.dag_id)
            instance = session.scalars(latest.order_by(StoredTaskInstance.start_date.desc())).first()
            seen.append(shown(instance))
        return cleaner_says("completed" if len(seen) > 2 else "processing")

    connections.play(Reply(look))
    (instance,) = built.test(run_conf={"id": ID}).get_task_instances()
    assert len(seen) >= 3
    assert set(seen) == {CLEANER["_link_CampaignCleanerLink"]}
    assert shown(instance) == CLEANER["_link_CampaignCleanerLink"]

    (failed,) = built.test(run_conf={"id": "no id"}).get_task_instances()
    assert shown(failed) == ""  # it never knew a campaign
    failed.run_id = "a run that has not begun"
    assert shown(failed) == ""
