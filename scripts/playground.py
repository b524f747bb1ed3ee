"""Runs an Airflow with the example Dags and the sandbox, to try in a browser. Ctrl+C stops it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID, running
from scripts.demo import CHECKOUT, DAG_ID, connections, say
from scripts.local_airflow import local_airflow

HOME: Path = CHECKOUT / ".airflow" / "playground"


def main() -> None:
    """Start everything, print the addresses, and wait."""
    with (
        running() as sandbox,
        local_airflow(HOME, CHECKOUT / "example_dags", connections(sandbox.url)) as airflow,
    ):
        say("Starting ...")
        airflow.wait_for_dag(DAG_ID)
        say(f"Airflow:  {airflow.url}/dags/{DAG_ID}  (no login)")
        say(f"Sandbox:  {sandbox.url}/_sandbox/state")
        say("Trigger the Dag with one of these as instantly_campaign_id:")
        say(f"  {HEALTHY_CAMPAIGN_ID}  healthy")
        say(f"  {UNHEALTHY_CAMPAIGN_ID}  senders in error")
        say("With Airflow 3.3, newsletter_ready and campaign_fell_ill start by themselves: unpause them.")
        say("Ctrl+C stops both.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
