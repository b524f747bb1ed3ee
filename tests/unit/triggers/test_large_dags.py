"""A large Dag whose waits start in the triggerer is named once, in the triggerer's log."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.triggers import base
from tests.support.airflow_versions import DagSerialization, needs_rendering_in_the_triggerer
from tests.support.fake_airflow import restored_trigger
from tests.support.fake_server import FakeServer
from tests.support.fake_triggerer import Triggerer
from tests.support.responses import CLEANER_ID, campaign_status

pytestmark = [pytest.mark.usefixtures("clock"), needs_rendering_in_the_triggerer]


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_checked_dags", set())
    monkeypatch.setattr(base, "COSTLY_WAITS", 9)


def serialized(waits: int, others: int = 0) -> Any:
    """Return a Dag with tasks that start in the triggerer and others, as the triggerer gets it."""
    with DAG("large") as dag:
        for number in range(waits + others):
            CampaignCleanerCampaignSensor(
                task_id=f"wait_{number}", campaign_id=CLEANER_ID, start_from_trigger=number < waits
            )
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def start_all(dag: Any) -> None:
    for task in dag.task_dict.values():
        if task.start_from_trigger:
            start = task.start_trigger_args
            trigger = restored_trigger(start.trigger_cls, json.dumps(start.trigger_kwargs))
            Triggerer(task=task).event_of(trigger)


@pytest.mark.parametrize(("waits", "others", "warned"), [(3, 0, 1), (2, 3, 1), (2, 2, 0), (1, 7, 0)], ids=str)
def test_large_dag_is_named_once(
    connections: FakeServer, caplog: pytest.LogCaptureFixture, waits: int, others: int, warned: int
) -> None:
    connections.respond(*[campaign_status("completed")] * waits)
    caplog.set_level(logging.WARNING)
    start_all(serialized(waits, others))
    warnings = [message for message in caplog.messages if "whole Dag" in message]
    assert len(warnings) == warned
    assert all(
        f"Dag large has {waits + others} tasks, and {waits} of them" in message for message in warnings
    )
