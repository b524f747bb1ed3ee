"""What all tests stand on: an Airflow home of their own, a scripted server, connections to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

# Before anything imports Airflow, which reads its configuration once.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
EXAMPLE_DAGS = ROOT / "example_dags"
TEST_DAGS = Path(__file__).parent / "dags"
_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ.update(
    {
        "AIRFLOW_HOME": _home.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": f"campaigns-{folder.name}",
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": str(folder)},
                }
                for folder in (EXAMPLE_DAGS, TEST_DAGS)
            ]
        ),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "127.0.0.1,localhost",
    }
)

from airflow_provider_campaigns.sandbox import RunningSandbox, running  # noqa: E402
from airflow_provider_campaigns.transport import rate_limit  # noqa: E402
from tests.support.fake_server import ScriptedServer  # noqa: E402
from tests.support.transports import Carry, asynchronous, blocking  # noqa: E402

KEY = "k3y-that-must-not-leak"


@pytest.fixture(autouse=True)
def _a_pace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process: a port may have been another test's, whose budget or pause would still hold."""
    monkeypatch.setattr(rate_limit, "_limiters", {})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A local HTTP server that answers what a test tells it to, and counts."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def connections(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """Both default connections, pointing at the scripted server."""
    for conn_type in ("campaign_cleaner", "instantly"):
        set_connection(monkeypatch, conn_type, host=server.url, extra={"max_requests_per_second": 1000})
    return server


@pytest.fixture(params=[blocking, asynchronous])
def carry(request: pytest.FixtureRequest) -> Carry:
    """Send a call once, with either transport."""
    return request.param


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's own database, made once in the tests' Airflow home."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox with both default connections pointing at it."""
    with running(processing_seconds=0.5) as started:
        for conn_type in ("campaign_cleaner", "instantly"):
            set_connection(monkeypatch, conn_type, host=started.url, password="sandbox")
        yield started


def set_connection(
    monkeypatch: pytest.MonkeyPatch,
    conn_type: str,
    *,
    host: str | None,
    password: str | None = KEY,
    extra: dict | None = None,
    conn_id: str | None = None,
) -> None:
    """Define a connection in the environment, where Airflow looks for it first."""
    connection = {"conn_type": conn_type, "host": host, "password": password, "extra": extra or {}}
    name = f"AIRFLOW_CONN_{(conn_id or f'{conn_type}_default').upper()}"
    monkeypatch.setenv(name, json.dumps(connection))
