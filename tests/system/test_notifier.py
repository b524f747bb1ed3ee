"""Airflow itself calls the notifier: after a failed run, and in the triggerer after a deadline."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID
from tests.support.airflow_versions import first_of
from tests.support.stoppable_service import wait_until
from tests.system.conftest import SharedAirflow

HAS_DEADLINES = first_of("airflow.sdk.definitions.deadline.AsyncCallback")


@pytest.mark.airflow_processes
def test_failed_and_late_runs_pause_their_campaigns(shared: SharedAirflow) -> None:
    runs = {"fails": UNHEALTHY_CAMPAIGN_ID}
    if HAS_DEADLINES:  # from Airflow 3.1 on
        runs["is_late"] = HEALTHY_CAMPAIGN_ID
    campaigns = shared.start(*runs).campaigns
    before = {each: campaigns[each]["status"] for each in runs.values()}
    for dag_id in runs:
        shared.airflow.start_run(dag_id, {})
    assert set(before.values()) == {LifecycleStatus.ACTIVE}
    for each in before:
        wait_until(lambda each=each: campaigns[each]["status"] == LifecycleStatus.PAUSED, f"{each} is paused")
