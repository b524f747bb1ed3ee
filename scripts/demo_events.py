"""Starts two Dags by what happens: a campaign completes, and another one falls ill.

Both run on a new, real Airflow against the sandbox. Exit code 0 only if each event started its Dag once, and
the Dags did their work.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, RunningSandbox, running
from scripts.demo import CHECKOUT, relative, say, seconds_since
from scripts.local_airflow import MAX_WAIT, LocalAirflow, connections, local_airflow

HOME = CHECKOUT / ".airflow" / "demo-events"
READY, ILL = "newsletter_ready", "campaign_fell_ill"
LIST, STATUS = "/v1/get_campaign_list", f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
CODE = "all_accounts_unhealthy"


def main() -> int:
    """Run the demo, and print what it saw."""
    begun = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)  # so that the watchers have no position
    dags = HOME / "dags"
    dags.mkdir(parents=True)
    for dag_id in (READY, ILL):
        shutil.copy(CHECKOUT / "example_dags" / f"{dag_id}.py", dags)
    with running(processing_seconds=5) as sandbox:
        environment = connections(sandbox.url) | {
            "AIRFLOW_VAR_NEWSLETTER_FOLDER": f"file://{HOME}/newsletters",
            # A watcher starts when the file of its Dag is parsed after the Dag is unpaused.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        }
        say(f"The sandbox serves both APIs. Starting Airflow in {relative(HOME)} ...")
        with local_airflow(HOME, dags, environment) as airflow:
            passed = show(airflow, sandbox)
    if passed:
        say(f"Passed: each event started its Dag once. {seconds_since(begun)}")
    else:
        say(f"Failed. The logs of Airflow's components are in {relative(HOME)}.")
    return 0 if passed else 1


def show(airflow: LocalAirflow, sandbox: RunningSandbox) -> bool:
    """Let both happen, and return whether each Dag ran once and did its work."""
    for dag_id in (READY, ILL):
        airflow.wait_for_dag(dag_id)
    before = {dag_id: len(airflow.runs(dag_id)) for dag_id in (READY, ILL)}
    wait_until(lambda: {LIST, STATUS} <= {request.path for request in list(sandbox.state.requests)})
    time.sleep(1)  # until the response is stored
    say("The watchers have polled both accounts, and take what they saw as the beginning.")
    say()
    campaign = sandbox.state.submit("Newsletter 5", "<p>Hi {{firstName}}, spring is here.</p>", {})
    say(f"{campaign.name} is submitted, by somebody else. It completes 5 s later.")
    sandbox.state.play_sending_status(HEALTHY_CAMPAIGN_ID, [CODE])
    say(f"The senders of campaign {HEALTHY_CAMPAIGN_ID} are in error.")

    runs = {
        dag_id: wait_until(lambda dag_id=dag_id: ended(airflow, dag_id, before)) for dag_id in (READY, ILL)
    }
    time.sleep(12)  # one more poll, in which an event could come twice
    for dag_id in (READY, ILL):
        say()
        say(f"{dag_id}: {len(airflow.runs(dag_id)) - before[dag_id]} run, {runs[dag_id]['state']}")
        for task in airflow.task_instances(runs[dag_id]):
            say(f"   {task['task_id']:<24} {task['state']}")
    stored = HOME / "newsletters" / "ready" / f"{campaign.id}.html"
    is_paused = sandbox.state.campaigns[HEALTHY_CAMPAIGN_ID]["status"] == LifecycleStatus.PAUSED
    say()
    say(f"Stored:   {relative(stored) if stored.exists() else 'nothing'}")
    say(f"Campaign: {'paused' if is_paused else 'still sending'}")
    say()
    return (
        stored.exists()
        and is_paused
        and all(run["state"] == "success" for run in runs.values())
        and all(len(airflow.runs(dag_id)) == before[dag_id] + 1 for dag_id in (READY, ILL))
    )


def ended(airflow: LocalAirflow, dag_id: str, before: dict[str, int]) -> dict[str, Any] | None:
    """Return the first new run of a Dag once it has ended."""
    new = airflow.runs(dag_id)[before[dag_id] :]
    return new[0] if new and new[0]["state"] in {"success", "failed"} else None


def wait_until(condition: Callable[[], Any]) -> Any:
    """Wait for a result that is true, and return it."""
    deadline = time.monotonic() + MAX_WAIT
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {MAX_WAIT:g} s.")
        time.sleep(0.5)
    return result


if __name__ == "__main__":
    sys.exit(main())
