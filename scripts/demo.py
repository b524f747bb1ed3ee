"""Runs the example Dag twice on a real Airflow: with a healthy campaign, and with an unhealthy one.

The sandbox serves both APIs. Exit code 0 only if the first run sent and the second did not.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from airflow_provider_campaigns.sandbox import (
    HEALTHY_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
    RunningSandbox,
    running,
)
from scripts.local_airflow import LocalAirflow, connections, local_airflow

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".airflow" / "demo"
OUTPUT = HOME / "cleaned"
DAG_ID = "campaign_launch"


def main() -> int:
    """Run the demo, and print the result."""
    begun = time.monotonic()
    with running(processing_seconds=8) as sandbox:
        say(f"The sandbox serves both APIs at {sandbox.url}.")
        say(f"Starting Airflow (scheduler, triggerer, Dag processor, API server) in {relative(HOME)} ...")
        with local_airflow(HOME, CHECKOUT / "example_dags", connections(sandbox.url)) as airflow:
            airflow.wait_for_dag(DAG_ID)
            say(f"Airflow runs at {airflow.url} and has parsed the Dag {DAG_ID}.")
            sent = launch(airflow, sandbox, HEALTHY_CAMPAIGN_ID, "1. A healthy campaign")
            stopped = launch(airflow, sandbox, UNHEALTHY_CAMPAIGN_ID, "2. Its senders are in error")
    passed = all(
        [
            sent == Outcome("success", gate_open=True, code="healthy", leads=2),
            stopped == Outcome("failed", gate_open=False, code="all_accounts_unhealthy", leads=0),
        ]
    )
    say()
    if passed:
        say(f"Passed: the healthy campaign got its leads, the other got none. {seconds_since(begun)}")
    else:
        say(f"Failed. The logs of Airflow's components are in {relative(HOME)}.")
    return 0 if passed else 1


@dataclass(frozen=True)
class Outcome:
    """The result of a run: its state, the gate's verdict, and the number of leads in the campaign."""

    state: str
    gate_open: bool | None
    code: str | None
    leads: int


def launch(airflow: LocalAirflow, sandbox: RunningSandbox, campaign_id: str, title: str) -> Outcome:
    """Run the Dag for one Instantly campaign, and print what happened."""
    say()
    say(title)
    run = airflow.run_dag(DAG_ID, {"instantly_campaign_id": campaign_id, "output_folder": str(OUTPUT)})
    for task in airflow.task_instances(run):
        say(f"   {task['task_id']:<22} {task['state']:<16} {task['duration'] or 0:6.1f} s")
    analysis = airflow.xcom(run, "get_campaign") or {}
    verdict = airflow.xcom(run, "send_gate") or {}
    added = airflow.xcom(run, "add_leads") or {}
    leads = len(sandbox.state.leads_in(campaign_id))
    polled = statuses_returned(sandbox, airflow.xcom(run, "submit_campaign"))
    say(f"   Campaign Cleaner        {', '.join(polled)}")
    say(f"   cleaned HTML            {describe_file(analysis.get('html_path'))}")
    say(f"   the gate                {'open' if verdict.get('open') else 'closed'}: {verdict.get('code')}")
    say(f"                           {verdict.get('message')}")
    say(f"   leads added             {added.get('leads_uploaded', 0)} (the campaign has {leads})")
    for lead in sandbox.state.leads_in(campaign_id):
        say(f"                           from Apollo's headers: {', '.join(sorted(lead['payload']))}")
    say(f"   the run                 {run['state']}")
    return Outcome(run["state"], gate_open=verdict.get("open"), code=verdict.get("code"), leads=leads)


def statuses_returned(sandbox: RunningSandbox, campaign_id: str) -> list[str]:
    """Return the status of a campaign in Campaign Cleaner, as each poll returned it."""
    log = requests.get(f"{sandbox.url}/_sandbox/requests?path=/v1/get_campaign_status", timeout=10).json()
    return [request["state"] for request in log if request["campaign_id"] == campaign_id]


def describe_file(html_path: str | None) -> str:
    """Return the path and the size of a file, in words."""
    if html_path is None:
        return "none"
    path = Path(html_path.removeprefix("file://"))
    return f"{relative(path)} ({path.stat().st_size} bytes)"


def relative(path: Path) -> str:
    """Return a path relative to the working directory."""
    return os.path.relpath(path)


def seconds_since(begun: float) -> str:
    """Return the seconds since a moment, in brackets."""
    return f"({time.monotonic() - begun:.0f} s)"


def say(text: str = "") -> None:
    """Print a line without delay."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
