"""The Dag of the quick start, in a real Airflow against the sandbox.

``tests/integration/test_example_dags.py`` has the other example Dags and the runs that fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, RunningSandbox
from tests.support.airflow_runs import dag, run


@pytest.mark.usefixtures("database")
def test_launch_of_a_healthy_campaign_adds_the_leads(sandbox: RunningSandbox, tmp_path: Path) -> None:
    launch = dag("campaign_launch")
    launch.get_task("wait_until_completed").poke_interval = 0.2
    state, states, returned = run(
        launch, instantly_campaign_id=HEALTHY_CAMPAIGN_ID, output_folder=str(tmp_path)
    )
    assert (state, set(states.values())) == ("success", {"success"})
    html = Path(returned["get_campaign"]["html_path"].removeprefix("file://")).read_text()
    assert "{{firstName}}" in html
    assert "onload" not in html
    assert "campaign_html" not in returned["get_campaign"]
    assert returned["send_gate"]["open"] is True
    assert returned["add_leads"]["leads_uploaded"] == 2
    assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 2
