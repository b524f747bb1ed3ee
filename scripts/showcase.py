"""Fills a local Airflow with something to look at: campaigns in many states, and a cleaning report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import RunningSandbox, running, seed
from scripts.demo import CHECKOUT, connections
from scripts.local_airflow import LocalAirflow, local_airflow

NEWSLETTER_DAG, CHECK_DAG = "spring_newsletter", "morning_check"
# The sending codes of each campaign, one for each check.
_CAMPAIGNS = {
    "Seed shops, Germany": ["healthy", "healthy", "all_accounts_unhealthy"],
    "Garden centres, France": ["healthy", "daily_limit_met", "healthy"],
    "Spring: loyal customers": ["daily_limit_met", "daily_limit_met", "daily_limit_met"],
    "Florists, Benelux": ["out_of_schedule", "healthy", "out_of_schedule"],
    "Farm shops, Austria": ["healthy", "healthy", "healthy"],
    "Restaurants with a garden": ["healthy", "all_accounts_unhealthy", "all_accounts_unhealthy"],
    "Allotment clubs": ["healthy", "follow_up_delay_not_met", "follow_up_delay_not_met"],
    "Botanical gardens": ["healthy", "healthy", "campaign_completed"],
}
CHECKS = 3


@contextmanager
def showcase(home: Path) -> Iterator[tuple[LocalAirflow, RunningSandbox]]:
    """Start the sandbox and an Airflow with the example Dags and those of the showcase.

    :param home: the folder of this Airflow.
    """
    folder = home / "dags"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(CHECKOUT / "example_dags", folder)
    shutil.copytree(CHECKOUT / "scripts" / "showcase_dags", folder, dirs_exist_ok=True)
    with running(processing_seconds=2) as sandbox:
        for number, (name, codes) in enumerate(_CAMPAIGNS.items()):
            add_campaign(sandbox, number, name, codes)
        with local_airflow(home, folder, connections(sandbox.url)) as airflow:
            yield airflow, sandbox


def add_campaign(sandbox: RunningSandbox, number: int, name: str, codes: list[str]) -> None:
    """Add a campaign to the sandbox that reports these sending codes, one after the other."""
    state = sandbox.state
    campaign_id = f"5a4db0c5-0000-4000-8000-{1000 + number:012}"
    status = LifecycleStatus.COMPLETED if "campaign_completed" in codes else LifecycleStatus.ACTIVE
    state.campaigns[campaign_id] = seed.campaign(campaign_id, name, state.clock(), status=status)
    state.play_sending_status(campaign_id, codes)


def fill(airflow: LocalAirflow) -> dict[str, Any]:
    """Check all campaigns some times, clean a newsletter, and return its run."""
    for dag_id in (NEWSLETTER_DAG, CHECK_DAG):
        airflow.wait_for_dag(dag_id)
    run = airflow.start_run(NEWSLETTER_DAG, {})
    for _ in range(CHECKS):
        airflow.run_dag(CHECK_DAG, {})
    return airflow.wait_for_end(run)
