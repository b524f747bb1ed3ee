"""Runs an Airflow with the example Dags and the sandbox, to try in a browser. Ctrl+C stops it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID
from scripts.demo import CHECKOUT, DAG_ID, say
from scripts.showcase import ASKED_CAMPAIGN_ID, fill, showcase

HOME: Path = CHECKOUT / ".airflow" / "playground"


def main() -> None:
    """Start everything, print the addresses, and wait."""
    say("Starting ...")
    with showcase(HOME) as (airflow, sandbox):
        airflow.wait_for_dag(DAG_ID)
        say(f"Airflow:  {airflow.url}/dags/{DAG_ID}  (no login)")
        say(f"Sandbox:  {sandbox.url}/_sandbox/state")
        filled = fill(airflow)
        say(f"Board:    {airflow.url}/campaigns/")
        say(f"Report:   {airflow.url}{filled.cleaned}")
        say(f"Question: {airflow.url}{filled.question}")
        say("To repair the campaign of the question, before you choose 'Look again':")
        path = f"/_sandbox/instantly/campaigns/{ASKED_CAMPAIGN_ID}/sending-status"
        say(f"  curl --json '[\"healthy\"]' {sandbox.url}{path}")
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
