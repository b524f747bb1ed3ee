"""One Airflow of real processes for all tests that do not kill or restart its components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_campaigns.sandbox import Options, RunningSandbox, SandboxState, running
from scripts.local_airflow import LocalAirflow, connections, local_airflow

SHARED_DAGS = Path(__file__).parent / "shared_dags"


@dataclass(frozen=True)
class SharedAirflow:
    """An Airflow, and the sandbox to which its connections point.

    :ivar kills: the folder in which a worker that is killed leaves a file.
    """

    airflow: LocalAirflow
    sandbox: RunningSandbox
    kills: Path

    def start(self, *dag_ids: str, **options: object) -> SandboxState:
        """Wait for the Dags of a test, and return the sandbox's data, which are new."""
        state = self.sandbox.state
        state.options = Options(**options)
        state.reset()
        for dag_id in dag_ids:
            self.airflow.wait_for_dag(dag_id)
        return state


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedAirflow]:
    home = tmp_path_factory.mktemp("shared")
    kills = tmp_path_factory.mktemp("kills")
    with running() as sandbox:
        environment = connections(sandbox.url) | {"KILLS_FOLDER": str(kills)}
        with local_airflow(home, SHARED_DAGS, environment) as airflow:
            yield SharedAirflow(airflow, sandbox, kills)
            for name in airflow.running:
                airflow.kill(name)  # faster than SIGTERM


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests on the shared Airflow last, so that no other test runs beside it."""
    items.sort(key=lambda item: "shared" in getattr(item, "fixturenames", ()))
