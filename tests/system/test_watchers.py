"""Triggerers die while campaigns complete: no event is lost, and each Dag handles each event once.

One scenario on an Airflow of real processes; the tests read what it left. ``make storm`` runs it with more
kills.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID
from scripts.local_airflow import LocalAirflow, connections, local_airflow
from tests.support.airflow_versions import needs
from tests.support.stoppable_service import Service, wait_until

pytestmark = [pytest.mark.airflow_processes, needs(HAS_WATCHERS, "watchers need Airflow 3.3")]

WATCH_DAGS = Path(__file__).parent / "watch_dags"
DAGS = ("on_completed", "on_completed_too", "on_ill")
LIST, STATUS = "/v1/get_campaign_list", f"/api/v2/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
KILLS, STOPS = int(os.environ.get("WATCHER_KILLS", "1")), int(os.environ.get("WATCHER_STOPS", "1"))
# How long before a triggerer dies a campaign completes, in seconds.
SHORTEST, LONGEST = 0.2, 2.2


@dataclass
class Scenario:
    """What happened, and what Airflow stored of it.

    :ivar storm: the campaigns that completed shortly before a triggerer died.
    :ivar later: the campaigns that completed at the same time, with two triggerers and no Dag paused.
    :ivar completed: the payloads of the asset of completed campaigns.
    :ivar changed: those of the asset of health.
    :ivar handled: the event ids that the tasks of each Dag got.
    """

    storm: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    completed: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    handled: dict[str, list[str]] = field(default_factory=dict)


def payloads(airflow: LocalAirflow, asset: str) -> list[dict[str, Any]]:
    return [event["extra"]["payload"] for event in airflow.asset_events(asset)]


def wait_for_events(airflow: LocalAirflow, asset: str, campaign_ids: list[str], number: int = 1) -> None:
    def are_there() -> bool:
        found = Counter(payload["campaign_id"] for payload in payloads(airflow, asset))
        return all(found[each] >= number for each in campaign_ids)

    wait_until(are_there, f"events of the asset {asset}")


def all_runs_end(airflow: LocalAirflow) -> bool:
    return all(run["state"] in {"success", "failed"} for dag_id in DAGS for run in airflow.runs(dag_id))


def handled_by(airflow: LocalAirflow, dag_id: str) -> list[str]:
    return [each for run in airflow.runs(dag_id) for each in airflow.xcom(run, "handle") or []]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    service = Service()
    environment = connections(service.url) | {
        # More than a busy machine delays a heartbeat: the second triggerer would take the watchers over.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        # A watcher starts when the file of its Dag is parsed.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
    }
    try:
        with local_airflow(tmp_path_factory.mktemp("watchers"), WATCH_DAGS, environment) as airflow:
            yield play(airflow, service)
            for name in airflow.running:
                airflow.kill(name)
    finally:
        service.stop()


def play(airflow: LocalAirflow, service: Service) -> Scenario:
    scenario, health = Scenario(), service.state.play_sending_status
    for dag_id in DAGS:
        airflow.wait_for_dag(dag_id)
    wait_until(lambda: service.requests_to(LIST) and service.requests_to(STATUS), "both watchers poll")
    time.sleep(2)
    health(HEALTHY_CAMPAIGN_ID, ["all_accounts_unhealthy"])
    wait_for_events(airflow, "ill", [HEALTHY_CAMPAIGN_ID])
    # The run of a paused Dag stays queued, and Airflow cannot show the events meanwhile.
    wait_until(lambda: airflow.runs("on_ill") and all_runs_end(airflow), "the run of on_ill ends")

    for dag_id in ("on_ill", "on_completed_too"):
        airflow.pause(dag_id)
    wait_until(lambda: not service.requests_to(STATUS, since=time.time() - 10), "the health is not polled")
    scenario.storm = storm(airflow, service)
    health(HEALTHY_CAMPAIGN_ID, ["healthy"])
    paused = time.time()
    wait_for_events(airflow, "completed", scenario.storm)

    assert not service.requests_to(STATUS, since=paused), "no Dag is left, so nothing is polled"
    for dag_id in DAGS:
        airflow.pause(dag_id, paused=False)
    wait_for_events(airflow, "ill", [HEALTHY_CAMPAIGN_ID], number=2)
    # Two that look for watchers at one moment may both take one up: SQLite has no row locks.
    airflow.start("triggerer", "second")
    wait_until(lambda: airflow.live_triggerers() == 2, "the second triggerer runs")
    scenario.later = [service.submit() for _ in range(3)]
    for each in scenario.later:
        service.complete(each)
    wait_for_events(airflow, "completed", scenario.later)
    wait_until(lambda: handled_by(airflow, "on_completed_too") and all_runs_end(airflow), "all runs end")
    time.sleep(5)  # in which an event could come twice
    wait_until(lambda: all_runs_end(airflow), "all runs end")
    scenario.completed, scenario.changed = payloads(airflow, "completed"), payloads(airflow, "ill")
    scenario.handled = {dag_id: handled_by(airflow, dag_id) for dag_id in DAGS}
    return scenario


def storm(airflow: LocalAirflow, service: Service) -> list[str]:
    """End the triggerer again and again, shortly after campaigns have completed, and return their ids."""
    completed = []
    rounds = KILLS + STOPS
    for number in range(rounds):
        ids = [service.submit() for _ in range(2)]
        time.sleep(2)
        before = SHORTEST + (LONGEST - SHORTEST) * number / max(1, rounds - 1)
        service.complete(ids[0])
        time.sleep(before / 2)
        service.complete(ids[1])
        time.sleep(before / 2)
        end = airflow.kill if number < KILLS else airflow.terminate
        end("triggerer")
        ended = time.time()
        completed += ids
        airflow.start("triggerer")
        wait_until(lambda ended=ended: service.requests_to(LIST, since=ended), "the next triggerer polls")
    return completed


def test_completion_before_a_kill_is_never_lost(scenario: Scenario) -> None:
    times = Counter(payload["campaign_id"] for payload in scenario.completed)
    expected = [*scenario.storm, *scenario.later]
    print(f"{len(expected)} campaigns, {KILLS} kills, {STOPS} stops:", end=" ")
    print(f"{sum(each not in times for each in expected)} lost, {times.total() - len(times)} repeated.")
    assert set(times) == set(expected)


def test_repeated_event_has_the_id_of_the_first(scenario: Scenario) -> None:
    ids = {(payload["campaign_id"], payload["event_id"]) for payload in scenario.completed}
    assert len(ids) == len(scenario.storm) + len(scenario.later)
    first = set()
    for payload in scenario.completed:
        assert payload["may_repeat"] or payload["event_id"] not in first
        first.add(payload["event_id"])


def test_each_dag_handles_each_event_once(scenario: Scenario) -> None:
    """Also the one that was paused during the storm, and events that Airflow gave to no run."""
    expected = sorted(f"{each}:1" for each in (*scenario.storm, *scenario.later))
    for dag_id in ("on_completed", "on_completed_too"):
        assert sorted(scenario.handled[dag_id]) == expected


def test_two_triggerers_fire_each_event_once(scenario: Scenario) -> None:
    times = Counter(payload["campaign_id"] for payload in scenario.completed)
    assert [times[each] for each in scenario.later] == [1, 1, 1]


def test_change_while_its_dag_is_paused_fires_after_unpausing(scenario: Scenario) -> None:
    changes = [(each["campaign_id"], each["from"], each["to"]) for each in scenario.changed]
    ill = "all_accounts_unhealthy"
    assert changes == [
        (HEALTHY_CAMPAIGN_ID, "healthy", ill),
        (HEALTHY_CAMPAIGN_ID, ill, "healthy"),
    ]
    assert scenario.handled["on_ill"] == [each["event_id"] for each in scenario.changed]
