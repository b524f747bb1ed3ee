"""``@task.send_gate`` in a real Airflow: ``tests/dags/decorated.py``."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, RunningSandbox
from tests.support.airflow_runs import dag, run


@pytest.mark.usefixtures("database")
def test_function_sends_after_a_deferred_wait_once_and_mapped(sandbox: RunningSandbox) -> None:
    sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["daily_limit_met", "healthy"])
    state, _, returned = run(dag("decorated_gate"))
    assert state == "success"
    assert returned["send"]["leads"] == ["a@example.com", "b@example.com"]
    assert returned["send"]["run_id"]
    assert [returned[f"mapped[{at}]"]["leads"] for at in (0, 1)] == ["a@example.com", "b@example.com"]
