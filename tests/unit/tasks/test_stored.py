"""What an earlier version stored beside its triggers is still read: questions, state of tasks and assets.

``serialized/`` holds a file for each version that stores something new; released files do not change.
``tests/unit/triggers/test_serialized.py`` does the same for triggers and their events.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.rules.ledger import Ledger
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID, RunningSandbox
from tests.support.asked_gate import AskedGate, Parked
from tests.support.fake_airflow import Store, TaskRunner
from tests.unit.tasks.test_new_events import Airflow

RECORDS = [
    pytest.param(json.loads(file.read_text()), id=file.stem)
    for file in sorted(
        (Path(__file__).parent / "serialized").glob("*.json"),
        key=lambda file: [int(number) for number in file.stem.split(".")],
    )
]
NEWEST: dict[str, Any] = RECORDS[-1].values[0]
LEADS = [{"email": "ada@example.com"}, {"email": "bob@example.com"}]
each_version = pytest.mark.parametrize("record", RECORDS)


def gate() -> InstantlySendGateOperator:
    return InstantlySendGateOperator(task_id="gate", campaign_id=PAUSED_CAMPAIGN_ID, on_closed="ask")


class TestQuestion:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> AskedGate:
        return AskedGate(monkeypatch)

    @each_version
    def test_open_question_can_be_answered(
        self, record: dict[str, Any], asked: AskedGate, sandbox: RunningSandbox
    ) -> None:
        sandbox.state.play_sending_status(PAUSED_CAMPAIGN_ID, ["healthy"])
        asked.task, asked.asked = gate(), Parked({"question": None, **record["question"]})
        assert asked.answer("Look again")["open"] is True

    def test_question_of_this_version_is_recorded(self, asked: AskedGate, sandbox: RunningSandbox) -> None:
        asked.run(gate())
        assert asked.asked is not None
        assert asked.asked.arguments["method_name"] == NEWEST["question"]["method_name"]
        for part, stored in asked.asked.arguments["kwargs"].items():
            assert stored.keys() == NEWEST["question"]["kwargs"][part].keys()


class TestTaskState:
    def submit(self) -> CampaignCleanerSubmitCampaignOperator:
        return CampaignCleanerSubmitCampaignOperator(
            task_id="submit", campaign_html="<p>Spring</p>", campaign_name="Spring"
        )

    def add(self) -> InstantlyAddLeadsOperator:
        return InstantlyAddLeadsOperator(task_id="add", campaign_id=HEALTHY_CAMPAIGN_ID, leads=LEADS)

    @each_version
    def test_submission_is_found(self, record: dict[str, Any], sandbox: RunningSandbox) -> None:
        stored = dict(record["submission"])
        assert TaskRunner(store=stored).run(self.submit()) == stored["submitted"]["campaign_id"]
        assert not sandbox.state.requests

    @each_version
    def test_upload_continues(self, record: dict[str, Any], sandbox: RunningSandbox) -> None:
        result = TaskRunner(store=dict(record["upload"])).run(self.add())
        assert result["total_sent"] == 2
        assert [lead["email"] for lead in sandbox.state.leads.values()] == ["bob@example.com"]

    def test_state_of_this_version_is_recorded(self, sandbox: RunningSandbox) -> None:
        submission: dict[str, Any] = {}
        TaskRunner(store=submission).run(self.submit())
        assert {key: value.keys() for key, value in submission.items()} == {
            key: value.keys() for key, value in NEWEST["submission"].items()
        }
        upload: dict[str, Any] = {}
        runner = TaskRunner(store=upload)
        with pytest.MonkeyPatch.context() as patch:  # after its success an upload deletes its state
            patch.setattr(Store, "delete", lambda *_: None)
            runner.run(self.add())
        assert upload["lead_upload"].keys() == NEWEST["upload"]["lead_upload"].keys()


class TestAssetState:
    @each_version
    def test_handled_event_is_handled(self, record: dict[str, Any]) -> None:
        airflow = Airflow()
        airflow.state = Store(dict(record["handled"]))
        airflow.fire(1, "later")
        airflow.fire(2, "later")
        assert airflow.handle("later") == ["c2:1"]
        assert airflow.state.stored.keys() == NEWEST["handled"].keys()

    @each_version
    def test_recorded_campaign_is_not_new(self, record: dict[str, Any]) -> None:
        ledger = Ledger.from_json(record["ledger"])
        assert ledger is not None
        states = [ledger.state(each) for each in ("c1", "c2", "c3")]
        assert states == ["completed", "processing", None]

    def test_ledger_of_this_version_is_recorded(self) -> None:
        ledger = Ledger.from_json(NEWEST["ledger"])
        assert ledger is not None
        assert ledger.as_json() == NEWEST["ledger"]
