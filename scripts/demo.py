"""Takes the example Dag through a real Airflow twice: with a healthy campaign, and with an unhealthy one.

Both services are played by the sandbox. Exit code 0 only if the first run sent and the second did not.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from local_airflow import LocalAirflow, local_airflow

from airflow_provider_campaigns.sandbox import (
    HEALTHY_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
    RunningSandbox,
    running,
)

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".airflow" / "demo"
OUTPUT = HOME / "cleaned"
DAG_ID = "campaign_launch"


def main() -> int:
    """Run the demo, and say how it went."""
    begun = time.monotonic()
    with running(processing_seconds=8) as sandbox:
        say(f"Both services are played by the sandbox at {sandbox.url}.")
        say(f"Starting Airflow (scheduler, triggerer, Dag processor, API server) in {shown(HOME)} ...")
        with local_airflow(HOME, CHECKOUT / "example_dags", connections(sandbox.url)) as airflow:
            airflow.wait_for_dag(DAG_ID)
            say(f"Airflow is up at {airflow.url} and knows the Dag {DAG_ID}.")
            sent = launch(airflow, sandbox, HEALTHY_CAMPAIGN_ID, "1. A campaign that is healthy")
            stopped = launch(airflow, sandbox, UNHEALTHY_CAMPAIGN_ID, "2. Its senders are in error")
    went_well = all(
        [
            sent == Outcome("success", gate_open=True, code="healthy", leads=2),
            stopped == Outcome("failed", gate_open=False, code="all_accounts_unhealthy", leads=0),
        ]
    )
    say()
    if went_well:
        say(
            f"As it should be: the healthy campaign got its leads, the other got none. {seconds_since(begun)}"
        )
    else:
        say(f"Not as it should be. The logs of Airflow's components are in {shown(HOME)}.")
    return 0 if went_well else 1


@dataclass(frozen=True)
class Outcome:
    """What counts about a run: its state, the gate's verdict, and the leads that the campaign has."""

    state: str
    gate_open: bool | None
    code: str | None
    leads: int


def launch(airflow: LocalAirflow, sandbox: RunningSandbox, campaign_id: str, title: str) -> Outcome:
    """Run the Dag for one Instantly campaign, and tell what happened."""
    say()
    say(title)
    run = airflow.run_dag(DAG_ID, {"instantly_campaign_id": campaign_id, "output_folder": str(OUTPUT)})
    for task in airflow.task_instances(run):
        say(f"   {task['task_id']:<22} {task['state']:<16} {task['duration'] or 0:6.1f} s")
    analysis = airflow.xcom(run, "get_campaign") or {}
    verdict = airflow.xcom(run, "send_gate") or {}
    added = airflow.xcom(run, "add_leads") or {}
    leads = len(sandbox.state.leads_in(campaign_id))
    say(f"   Campaign Cleaner said   {', '.join(states_seen(sandbox, airflow.xcom(run, 'submit_campaign')))}")
    say(f"   cleaned HTML            {described(analysis.get('html_path'))}")
    say(f"   the gate                {'open' if verdict.get('open') else 'closed'}: {verdict.get('code')}")
    say(f"                           {verdict.get('message')}")
    say(f"   leads added             {added.get('leads_uploaded', 0)} (the campaign has {leads})")
    say(f"   the run                 {run['state']}")
    return Outcome(run["state"], gate_open=verdict.get("open"), code=verdict.get("code"), leads=leads)


def states_seen(sandbox: RunningSandbox, campaign_id: str) -> list[str]:
    """Return the states that Campaign Cleaner reported of a campaign, one a look."""
    log = requests.get(f"{sandbox.url}/_sandbox/requests?path=/v1/get_campaign_status", timeout=10).json()
    return [request["state"] for request in log if request["campaign_id"] == campaign_id]


def connections(url: str) -> dict[str, str]:
    """Define both default connections in the environment."""
    return {
        f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
            {"conn_type": conn_type, "host": url, "password": "sandbox"}
        )
        for conn_type in ("campaign_cleaner", "instantly")
    }


def described(html_path: str | None) -> str:
    """Say where a file is, and how long."""
    if html_path is None:
        return "none"
    path = Path(html_path.removeprefix("file://"))
    return f"{shown(path)} ({path.stat().st_size} bytes)"


def shown(path: Path) -> str:
    """Return a path as seen from here."""
    return os.path.relpath(path)


def seconds_since(begun: float) -> str:
    """Say how long something took."""
    return f"({time.monotonic() - begun:.0f} s)"


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
