"""Fills a local Airflow with something to look at: campaigns, a cleaning report, an open question."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import RunningSandbox, running, seed
from scripts.demo import CHECKOUT
from scripts.local_airflow import LocalAirflow, connections, local_airflow

NEWSLETTER_DAG, CHECK_DAG, LAUNCH_DAG = "spring_newsletter", "morning_check", "spring_launch"
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
    status = LifecycleStatus.COMPLETED if "campaign_completed" in codes else LifecycleStatus.ACTIVE
    state.campaigns[_id(number)] = seed.campaign(_id(number), name, state.clock(), status=status)
    state.play_sending_status(_id(number), codes)


def _id(number: int) -> str:
    return f"5a4db0c5-0000-4000-8000-{1000 + number:012}"


# The campaign whose gate asks.
ASKED_CAMPAIGN_ID = _id([*_CAMPAIGNS].index("Restaurants with a garden"))


@dataclass(frozen=True)
class Filled:
    """What there is to look at.

    :param cleaned: the path of the cleaning report.
    :param question: the path of the open question.
    """

    cleaned: str
    question: str


def fill(airflow: LocalAirflow) -> Filled:
    """Clean a newsletter, check all campaigns some times, and have a gate ask."""
    for dag_id in (NEWSLETTER_DAG, CHECK_DAG, LAUNCH_DAG):
        airflow.wait_for_dag(dag_id)
    newsletter = airflow.start_run(NEWSLETTER_DAG, {})
    airflow.run_dag(CHECK_DAG, {})
    launch = airflow.start_run(LAUNCH_DAG, {"campaign_id": ASKED_CAMPAIGN_ID})
    for _ in range(CHECKS - 1):
        airflow.run_dag(CHECK_DAG, {})
    airflow.wait_for_end(newsletter)
    airflow.wait_for_question(launch, "may_send")
    return Filled(
        cleaned=airflow.xcom(newsletter, "quality_gate", "_link_CleaningReportLink"),
        question=airflow.question_path(launch, "may_send"),
    )
