"""What all tests share: an Airflow home of their own, a fake server with connections to it, a fake clock."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import ROOT

# Before Airflow is imported: it reads its configuration once.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
EXAMPLE_DAGS = ROOT / "example_dags"
TEST_DAGS = Path(__file__).parent / "dags"
_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ.update(
    {
        "AIRFLOW_HOME": _home.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # With the time that a process waits for another one that writes; 5 s by default.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_home.name}/airflow.db?timeout=60",
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
from tests.support.certificates import Certificates  # noqa: E402
from tests.support.fake_clock import FakeClock, fake_clock  # noqa: E402
from tests.support.fake_server import FakeServer  # noqa: E402
from tests.support.transports import SendCall, asynchronous, blocking  # noqa: E402

KEY = "k3y-that-must-not-leak"
# The same examples in every run, in whatever time they take; EXPLORE=1000 tries others, as many as that.
EXPLORE = int(os.environ.get("EXPLORE", "0"))
settings.register_profile(
    "tests",
    max_examples=EXPLORE or 100,
    derandomize=not EXPLORE,
    database=None,
    deadline=None,  # it is in real time, which other processes use as well
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("tests")
_migrations: list[subprocess.Popen[bytes]] = []
# What users report of the sending status. The two other habits need leads, or the time of a loop.
REPORTED_HABITS = ("old_tracking", "null_estimates", "sparse_out_of_schedule", "refuse_drafts")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave modules out of garbage collections, and start the database."""
    gc.freeze()
    if any("database" in getattr(item, "fixturenames", ()) for item in session.items):
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        _migrations.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))


@pytest.fixture(autouse=True)
def _new_rate_limiters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without rate limiters, as a new process does: an earlier test may have used the same port."""
    monkeypatch.setattr(rate_limit, "_limiters", {})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A local HTTP server that sends the responses of the test, and keeps the requests."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """A fake clock: pauses are skipped."""
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def connections(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """Both default connections, which point to the fake server."""
    for conn_type in ("campaign_cleaner", "instantly"):
        set_connection(monkeypatch, conn_type, host=server.url, extra={"max_requests_per_second": 1000})
    return server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A valid TLS certificate for ``localhost``, and bad ones."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[blocking, asynchronous])
def send_call(request: pytest.FixtureRequest) -> SendCall:
    """Send a call once, with either transport."""
    return request.param


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's own database, in the Airflow home of the tests; it is created while other tests run."""
    (migration,) = _migrations
    output, _ = migration.communicate()
    assert migration.returncode == 0, output.decode()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox that behaves as users report, to which both default connections point."""
    with running(processing_seconds=0.5, habits=REPORTED_HABITS) as started:
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
