"""The provider is upgraded while tasks wait, watchers watch and a gate asks: everything goes on.

One scenario on an Airflow of real processes. All of them stop, and start again with a build of the next
version. The tests read what it left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_campaigns
from airflow_provider_campaigns import __version__
from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.get_provider_info import get_provider_info
from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    UNHEALTHY_CAMPAIGN_ID,
)
from scripts.local_airflow import COMPONENTS, LocalAirflow, connections, local_airflow
from tests.support.airflow_versions import needs
from tests.support.stoppable_service import Service, wait_until

pytestmark = [pytest.mark.airflow_processes, needs(HAS_WATCHERS, "watchers need Airflow 3.3")]

UPGRADE_DAGS = Path(__file__).parent / "upgrade_dags"
DAGS = ("waits", "on_completed", "on_ill", "emit", "on_emitted")
WAITS = ("sensor", "in_triggerer", "get", "inbox_test", "job", "gate", "activate")
NAME = get_provider_info()["package-name"]
LIST = "/v1/get_campaign_list"
WATCHED = UNHEALTHY_CAMPAIGN_ID
STATUS = f"/api/v2/campaigns/{WATCHED}/sending-status"
# Prints the version of the provider as Airflow lists it, and as a process imports it.
VERSIONS = f"""
from airflow.providers_manager import ProvidersManager
import airflow_provider_campaigns
print(ProvidersManager().providers[{NAME!r}].version, airflow_provider_campaigns.__version__)
"""


@dataclass
class Scenario:
    """What Airflow stored at the end.

    :ivar version: the version after the upgrade.
    :ivar seen: this version, as the upgraded Airflow lists and imports it.
    :ivar tasks: the task instances of the waits, by task.
    :ivar versions: the version that ran the task behind the waits.
    :ivar answered: the verdict of the gate that asked.
    :ivar submitted: the campaigns that completed before, during and after the upgrade.
    :ivar handled: for each Dag, which version handled each event; an event that came twice is in it twice.
    """

    version: str
    seen: list[str] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    version_after_waits: str = ""
    answered: dict[str, Any] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    handled: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def install_next_version(folder: Path) -> str:
    """Install this package with the next version number into a folder, as pip would, and return it."""
    major, minor, patch = __version__.split(".")
    version = f"{major}.{minor}.{int(patch) + 1}"
    package = Path(airflow_provider_campaigns.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / package.name / "__init__.py"
    module.write_text(module.read_text().replace(__version__, version))
    metadata = folder / f"{package.name}-{version}.dist-info"
    metadata.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        text = distribution(NAME).read_text(name) or ""
        (metadata / name).write_text(text.replace(f"\nVersion: {__version__}\n", f"\nVersion: {version}\n"))
    return version


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    service = Service()
    environment = connections(service.url) | {
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "4",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
        "AIRFLOW__CORE__PARALLELISM": "8",
    }
    builds = tmp_path_factory.mktemp("builds")
    scenario = Scenario(install_next_version(builds))
    try:
        with local_airflow(tmp_path_factory.mktemp("upgrade"), UPGRADE_DAGS, environment) as airflow:
            yield play(scenario, airflow, service, builds)
            for name in airflow.running:
                airflow.kill(name)
    finally:
        service.stop()


def play(scenario: Scenario, airflow: LocalAirflow, service: Service, builds: Path) -> Scenario:
    state = service.state
    job, test = state.start_job("move-leads", None).id, state.start_inbox_test("Spring").id
    state.set_job_status(job, "in-progress")
    campaign = service.submit()
    ids = {"campaign": campaign, "gated": HEALTHY_CAMPAIGN_ID, "asked": PAUSED_CAMPAIGN_ID}
    ids |= {"draft": DRAFT_CAMPAIGN_ID, "job": job, "test": test}
    state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["daily_limit_met"])
    state.play_sending_status(DRAFT_CAMPAIGN_ID, ["campaign_draft"])
    for dag_id in DAGS:
        airflow.wait_for_dag(dag_id)
    wait_until(lambda: service.requests_to(LIST) and service.requests_to(STATUS), "both watchers poll")
    waits = airflow.start_run("waits", ids)
    wait_until(lambda: all_wait(airflow, waits), "all tasks wait, and the gate asks")

    scenario.submitted = [service.submit() for _ in range(3)]
    before, during, after = scenario.submitted
    service.complete(before)
    airflow.run_dag("emit", {})
    wait_until(lambda: handled_by(airflow, "on_completed"), "an event is handled before the upgrade")
    wait_until(lambda: handled_by(airflow, "on_emitted"), "an emitted event is handled before the upgrade")

    airflow.stop()
    service.complete(during)
    airflow.import_from(builds)
    scenario.seen = airflow.python(VERSIONS).split()[-2:]
    for component in COMPONENTS:
        airflow.start(component)

    service.complete(campaign)
    service.complete(after)
    state.set_job_status(job, "success")
    state.inbox_tests[test] = replace(state.inbox_tests[test], seconds=0)
    for each in (HEALTHY_CAMPAIGN_ID, DRAFT_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID, WATCHED):
        state.play_sending_status(each, ["healthy"])
    wait_until(
        lambda: airflow.question(waits, "ask").get("response_received") is False, "the gate still asks"
    )
    airflow.answer(waits, "ask", "Look again")
    airflow.wait_for_end(waits)
    airflow.run_dag("emit", {})
    for dag_id, number in (("on_completed", 4), ("on_ill", 1), ("on_emitted", 4)):
        wait_until(
            lambda dag_id=dag_id, number=number: len(handled_by(airflow, dag_id)) >= number,
            f"all events of {dag_id} are handled",
        )

    scenario.submitted.append(campaign)
    scenario.tasks = {each["task_id"]: each for each in airflow.task_instances(waits)}
    scenario.version_after_waits = airflow.xcom(waits, "version")
    scenario.answered = airflow.xcom(waits, "ask")
    scenario.handled = {dag_id: handled_by(airflow, dag_id) for dag_id in DAGS if dag_id.startswith("on_")}
    return scenario


def all_wait(airflow: LocalAirflow, run: dict[str, Any]) -> bool:
    states = {each["task_id"]: each["state"] for each in airflow.task_instances(run)}
    asks = airflow.question(run, "ask").get("response_received") is False
    return asks and states["ask"] == "awaiting_input" and all(states[each] == "deferred" for each in WAITS)


def handled_by(airflow: LocalAirflow, dag_id: str) -> list[tuple[str, str]]:
    return [each for run in airflow.runs(dag_id) for each in (airflow.xcom(run, "handle") or {}).items()]


def test_airflow_has_the_next_version_after_the_upgrade(scenario: Scenario) -> None:
    assert scenario.version > __version__
    assert scenario.seen == [scenario.version, scenario.version]
    assert scenario.version_after_waits == scenario.version


def test_waits_of_the_version_before_end_after_the_upgrade(scenario: Scenario) -> None:
    ended = {task: (each["state"], each["try_number"]) for task, each in scenario.tasks.items()}
    assert ended == {
        **dict.fromkeys((*WAITS, "ask", "version"), ("success", 1)),
    }


def test_question_of_the_version_before_can_be_answered(scenario: Scenario) -> None:
    assert (scenario.answered["open"], scenario.answered["code"]) == (True, "healthy")


@pytest.mark.parametrize("dag_id", ["on_completed", "on_emitted"])
def test_completions_around_the_upgrade_are_handled_once(scenario: Scenario, dag_id: str) -> None:
    before, *others = scenario.submitted
    handled = [(event.partition(":")[0], version) for event, version in scenario.handled[dag_id]]
    assert sorted(handled) == sorted([(before, __version__), *((each, scenario.version) for each in others)])


def test_change_of_health_after_the_upgrade_is_handled_once(scenario: Scenario) -> None:
    ((event_id, version),) = scenario.handled["on_ill"]
    assert (event_id.split(":")[0], event_id.split(":")[-1]) == (WATCHED, "open")
    assert version == scenario.version
