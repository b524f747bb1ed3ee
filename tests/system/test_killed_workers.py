"""A worker is killed at every point of a submission and of an upload: no credit twice, no lead lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import requests

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID
from tests.support.airflow_versions import needs_task_state_store
from tests.system.conftest import SharedAirflow

LEADS = 2500
# How many leads are sent twice, by the point at which the worker is killed.
SENT_TWICE = {
    "before_request": 0,
    "after_acceptance": 1000,
    "after_response": 1000,
    "before_store": 1000,
    "after_store": 0,
}


@needs_task_state_store
@pytest.mark.airflow_processes
def test_killed_worker_spends_nothing_twice_and_loses_nothing(shared: SharedAirflow, tmp_path: Path) -> None:
    leads = tmp_path / "leads.csv"
    leads.write_text("email\n" + "".join(f"lead{number}@example.com\n" for number in range(LEADS)))
    airflow, state = shared.airflow, shared.start("killed")
    credits_before = state.credits
    campaign_ids = [copy_of(HEALTHY_CAMPAIGN_ID, shared.sandbox.url) for _ in SENT_TWICE]
    dag_run = airflow.run_dag("killed", {"campaign_ids": campaign_ids, "leads_path": str(leads)})
    instances = {each["task_id"]: each for each in airflow.task_instances(dag_run)}
    # Each task's worker was killed once, and each task succeeded in its second try.
    assert {path.name for path in shared.kills.iterdir()} == set(instances)
    assert {each["state"] for each in instances.values()} == {"success"}
    assert {each["try_number"] for each in instances.values()} == {2}
    submitted = {airflow.xcom(dag_run, f"submit_{point}") for point in SENT_TWICE}
    summaries = {point: airflow.xcom(dag_run, f"leads_{point}") for point in SENT_TWICE}

    # One campaign and one credit per task, and each task returned its own campaign.
    assert submitted == set(state.submitted)
    assert len(submitted) == len(SENT_TWICE) == credits_before - state.credits

    # Each lead once; at most the batch that was being sent was sent twice.
    for campaign_id in campaign_ids:
        emails = Counter(lead["email"] for lead in state.leads_in(campaign_id))
        assert len(emails) == LEADS
        assert set(emails.values()) == {1}
    assert {point: summary["duplicated_leads"] for point, summary in summaries.items()} == SENT_TWICE
    assert all(summary["complete"] for summary in summaries.values())


def copy_of(campaign_id: str, url: str) -> str:
    response = requests.post(
        f"{url}/api/v2/campaigns/{campaign_id}/duplicate",
        headers={"Authorization": "Bearer sandbox", "User-Agent": "tests"},
        timeout=60,
    )
    response.raise_for_status()
    return str(response.json()["id"])
