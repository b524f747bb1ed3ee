"""A real Airflow of one's own: scheduler, triggerer, Dag processor and API server, on SQLite.

It lives in a folder, listens on 127.0.0.1 on a free port, and ends with the process that started it. The demo
runs on it, and so do the tests that need a scheduler and a triggerer.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_START_UP = 120.0
_TERMINAL = {"success", "failed"}


class LocalAirflow:
    """A running Airflow, and the few questions that a demo or a test has for it.

    :param url: where its API server answers.
    :param processes: its components, by name.
    :param home: its folder, which holds a log of each component.
    """

    def __init__(self, url: str, processes: Mapping[str, subprocess.Popen[bytes]], home: Path) -> None:
        self.url = url
        self._processes = processes
        self._home = home
        self._session = requests.Session()
        self._session.trust_env = False

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the Dag has been parsed, and switch it on."""
        deadline = time.monotonic() + _START_UP
        while True:
            try:
                if self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False}).ok:
                    return
            except requests.ConnectionError:
                self._check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow did not show the Dag {dag_id} within {_START_UP:g} s.")
            time.sleep(0.5)

    def run_dag(self, dag_id: str, conf: Mapping[str, Any], *, timeout: float = 120.0) -> dict[str, Any]:
        """Start a run, wait for its end, and return it as Airflow's API describes it."""
        started = self._request("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        started.raise_for_status()
        path = f"/dags/{dag_id}/dagRuns/{started.json()['dag_run_id']}"
        deadline = time.monotonic() + timeout
        while True:
            run: dict[str, Any] = self._request("GET", path).json()
            if run["state"] in _TERMINAL:
                return run
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run of {dag_id} is still {run['state']} after {timeout:g} s.")
            time.sleep(0.5)

    def task_instances(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a run's task instances in the order in which they started."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=100"
        instances: list[dict[str, Any]] = self._request("GET", path).json()["task_instances"]
        return sorted(instances, key=lambda instance: instance["start_date"] or "9999")

    def xcom(self, run: Mapping[str, Any], task_id: str, key: str = "return_value") -> Any:
        """Return what a task pushed, or None."""
        path = (
            f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
            f"/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true"
        )
        answer = self._request("GET", path)
        return answer.json()["value"] if answer.ok else None

    def log_of(self, run: Mapping[str, Any], task_id: str) -> str:
        """Return the log of a task's first try as one text."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/logs/1"
        content = self._request("GET", path, headers={"Accept": "application/json"}).json().get("content", [])
        return "\n".join(json.dumps(line) if isinstance(line, dict) else str(line) for line in content)

    def _check_alive(self) -> None:
        for component, process in self._processes.items():
            if process.poll() is not None:
                log = self._home / f"{component}.log"
                raise RuntimeError(f"Airflow's {component} has ended. {log} says:\n{log.read_text()[-2000:]}")

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        if "Authorization" not in self._session.headers:
            token = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        return self._session.request(method, f"{self.url}/api/v2{path}", timeout=30, **options)


@contextmanager
def local_airflow(
    home: Path, dags_folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[LocalAirflow]:
    """Start an Airflow in a folder of its own, and end it afterwards.

    :param home: its ``AIRFLOW_HOME``; made if need be, and used again if it is there.
    :param dags_folder: where its Dags are.
    :param environment: further environment variables, such as connections.
    """
    # So that whoever ends this process the ordinary way ends the components too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home.mkdir(parents=True, exist_ok=True)
    full = airflow_environment(home, dags_folder, free_port()) | dict(environment or {})
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=full,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for component in COMPONENTS:
            with (home / f"{component}.log").open("w") as log:
                processes[component] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", component],
                    env=full,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        yield LocalAirflow(full["AIRFLOW__API__BASE_URL"], processes, home)
    finally:
        end(processes.values())


def airflow_environment(home: Path, dags_folder: Path, port: int) -> dict[str, str]:
    """Return the environment of an Airflow that needs nothing but a folder and a port."""
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONWARNINGS": "ignore",
    }


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End processes that were started as leaders of their own groups, and their children."""
    processes = list(processes)
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
