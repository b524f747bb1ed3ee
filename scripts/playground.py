"""An Airflow to click through, with this provider, the example Dags and the sandbox. Ends with Ctrl+C."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from demo import CHECKOUT, DAG_ID, connections, say
from local_airflow import local_airflow

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID, running

HOME: Path = CHECKOUT / ".airflow" / "playground"


def main() -> None:
    """Start it all, say where it is, and wait."""
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
        say(f"  {UNHEALTHY_CAMPAIGN_ID}  its senders are in error")
        say("Ctrl+C ends both.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
