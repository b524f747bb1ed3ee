"""A real Airflow in a folder: scheduler, triggerer, Dag processor and API server, on SQLite.

It listens on 127.0.0.1 on a free port, and stops with the process that started it. The demo and the system
tests use it.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# Airflow 2 has other components and another API.
AIRFLOW_2 = version("apache-airflow").startswith("2.")
COMPONENTS = (
    ("webserver", "scheduler", "triggerer")
    if AIRFLOW_2
    else ("api-server", "scheduler", "dag-processor", "triggerer")
)
_NO_DATE: dict[str, Any] = {} if AIRFLOW_2 else {"logical_date": None}
# The API of Airflow 3.0 returns XComs as JSON only with stringify=false.
_XCOM_AS_JSON = (
    "stringify=false" if version("apache-airflow").startswith(("2.", "3.0.")) else "deserialize=true"
)
# How long to wait at most, in seconds, for what Airflow does and for a response: a busy machine is slow.
MAX_WAIT = 600.0
_MAX_RESPONSE = 120.0
# How long a process of Airflow waits for others that write to the database.
_DATABASE_TIMEOUT = 60
_TERMINAL = {"success", "failed"}
# A task that asks; before Airflow 3.3, its trigger waits for the answer.
_ASKING = {"awaiting_input", "deferred"}


class LocalAirflow:
    """A running Airflow, and what a demo or a test needs of its API.

    :param home: its folder, with a log of each component.
    :param environment: the environment of all its components.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.url = environment["AIRFLOW__API__BASE_URL"]
        self._home = home
        self._environment = dict(environment)
        self._folder: Path | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: set[Path] = set()
        self._session = requests.Session()
        self._session.trust_env = False
        # Airflow may fail to read a database that others write to.
        again = Retry(None, connect=0, read=0, status=3, status_forcelist=[500], allowed_methods=["GET"])
        self._session.mount(
            "http://", HTTPAdapter(max_retries=again.new(backoff_factor=1, raise_on_status=False))
        )

    @property
    def running(self) -> set[str]:
        """The names of the components that were started and not killed."""
        return set(self._processes)

    @property
    def leaders(self) -> dict[str, int]:
        """The process of each of these components; it leads the session of all its children."""
        return {name: process.pid for name, process in self._processes.items()}

    def import_from(self, folder: Path) -> None:
        """Import packages from a folder before all others, in the processes that start from now on."""
        # `python -m` looks in the working directory first. PYTHONPATH is for its children.
        self._folder = folder
        self._environment["PYTHONPATH"] = str(folder)

    def start(self, component: str, name: str | None = None) -> None:
        """Start a component; ``name`` is for a second one of its kind."""
        name = name or component
        # Only one component of a kind can have the port of the log server.
        options = ["--skip-serve-logs"] if name != component else []
        path = self._home / f"{name}.log"
        with path.open("a" if path in self._logs else "w") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", component, *options],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._logs.add(path)

    def kill(self, name: str) -> None:
        """Kill a component with all its children, as a power failure would."""
        process = self._processes.pop(name)
        kill_session(process.pid)
        process.wait()

    def terminate(self, name: str) -> None:
        """Stop a component as an orderly shutdown does, and wait for its end."""
        stop([self._processes.pop(name)])

    def stop(self) -> None:
        """Stop all components."""
        stop(self._processes.values())

    def python(self, code: str) -> str:
        """Run code in this Airflow's environment, and return its output."""
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, cwd=self._folder, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the Dag has been parsed, and unpause it."""
        deadline = time.monotonic() + MAX_WAIT
        while True:
            try:
                if self.pause(dag_id, paused=False):
                    return
            except (requests.RequestException, KeyError):
                self._check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow did not show the Dag {dag_id} within {MAX_WAIT:g} s.")
            time.sleep(0.5)

    def pause(self, dag_id: str, *, paused: bool = True) -> bool:
        """Pause or unpause a Dag, and return whether it has been parsed."""
        return self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": paused}).ok

    def live_triggerers(self) -> int:
        """Return how many triggerers Airflow takes for alive."""
        return len(self._request("GET", "/jobs?job_type=TriggererJob&is_alive=true").json()["jobs"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a Dag, the oldest first."""
        return self._all(f"/dags/{dag_id}/dagRuns?order_by=id", "dag_runs")

    def asset_events(self, asset: str) -> list[dict[str, Any]]:
        """Return the events of an asset, the oldest first.

        :raises requests.HTTPError: a Dag run of an event has not started; Airflow cannot show it before.
        """
        events = self._all("/assets/events?order_by=timestamp", "asset_events")
        return [event for event in events if event["name"] == asset]

    def run_dag(self, dag_id: str, conf: Mapping[str, Any], *, timeout: float = MAX_WAIT) -> dict[str, Any]:
        """Start a run, wait for its end, and return it as Airflow's API describes it."""
        return self.wait_for_end(self.start_run(dag_id, conf), timeout=timeout)

    def start_run(self, dag_id: str, conf: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run, and return it as Airflow's API describes it."""
        started = self._request("POST", f"/dags/{dag_id}/dagRuns", json=_NO_DATE | {"conf": conf})
        started.raise_for_status()
        run: dict[str, Any] = started.json()
        return run

    def wait_for_end(self, run: Mapping[str, Any], *, timeout: float = MAX_WAIT) -> dict[str, Any]:
        """Wait for the end of a run, and return it as Airflow's API describes it."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
        deadline = time.monotonic() + timeout
        while True:
            response = self._request("GET", path)
            response.raise_for_status()
            now: dict[str, Any] = response.json()
            if now["state"] in _TERMINAL:
                return now
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run of {run['dag_id']} is still {now['state']} after {timeout:g} s.")
            time.sleep(0.5)

    def dag_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a Dag, as Airflow's API describes them."""
        runs: list[dict[str, Any]] = self._request("GET", f"/dags/{dag_id}/dagRuns").json()["dag_runs"]
        return runs

    def fail_run(self, run: Mapping[str, Any]) -> None:
        """Fail a run with all its tasks that have not ended."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
        self._request("PATCH", path, json={"state": "failed"}).raise_for_status()

    def task_instances(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a run's task instances in the order in which they started."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=100"
        instances: list[dict[str, Any]] = self._request("GET", path).json()["task_instances"]
        return sorted(instances, key=lambda instance: instance["start_date"] or "9999")

    def xcom(self, run: Mapping[str, Any], task_id: str, key: str = "return_value") -> Any:
        """Return what a task pushed, or None."""
        path = (
            f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}"
            f"/taskInstances/{task_id}/xcomEntries/{key}?{_XCOM_AS_JSON}"
        )
        response = self._request("GET", path)
        return response.json()["value"] if response.ok else None

    def question(self, run: Mapping[str, Any], task_id: str) -> dict[str, Any]:
        """Return what a task asks, as Airflow's API describes it; empty if it does not ask."""
        response = self._request("GET", self._question_endpoint(run, task_id))
        return dict(response.json()) if response.ok else {}

    def wait_for_question(
        self, run: Mapping[str, Any], task_id: str, *, timeout: float = MAX_WAIT
    ) -> dict[str, Any]:
        """Wait until a task asks and Airflow takes an answer, and return the question as above."""
        deadline = time.monotonic() + timeout
        while True:
            question = self.question(run, task_id)
            states = {each["task_id"]: each["state"] for each in self.task_instances(run)}
            if not question.get("response_received", True) and states[task_id] in _ASKING:
                return question
            if time.monotonic() > deadline:
                raise TimeoutError(f"The task {task_id} does not ask; it is {states[task_id]}.")
            time.sleep(0.5)

    def answer(self, run: Mapping[str, Any], task_id: str, choice: str, **params: Any) -> None:
        """Answer what a task asks."""
        answer = {"chosen_options": [choice], "params_input": params}
        self._request("PATCH", self._question_endpoint(run, task_id), json=answer).raise_for_status()

    @staticmethod
    def question_path(run: Mapping[str, Any], task_id: str) -> str:
        """Return the path of the page on which a person answers what a task asks."""
        run_id = quote(run["dag_run_id"], safe="")
        return f"/dags/{run['dag_id']}/runs/{run_id}/tasks/{task_id}/required_actions"

    @staticmethod
    def _question_endpoint(run: Mapping[str, Any], task_id: str) -> str:
        return f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/-1/hitlDetails"

    def log_of(self, run: Mapping[str, Any], task_id: str, try_number: int = 1) -> str:
        """Return the log of one try of a task as one string; the first try by default."""
        lines = self.log_lines(run, task_id, try_number)
        return "\n".join(json.dumps(line) if isinstance(line, dict) else str(line) for line in lines)

    def log_lines(self, run: Mapping[str, Any], task_id: str, try_number: int = 1) -> list[Any]:
        """Return the lines of the log of one try of a task, as Airflow's API describes them."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/logs/{try_number}"
        log = self._request("GET", path, headers={"Accept": "application/json"}).json()
        lines: list[Any] | str = log.get("content", [])
        return lines.splitlines() if isinstance(lines, str) else lines

    def _all(self, path: str, field: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            response = self._request("GET", f"{path}&limit=100&offset={len(found)}")
            response.raise_for_status()
            page = response.json()
            found += page[field]
            if len(found) >= page["total_entries"]:
                return found

    def _check_alive(self) -> None:
        for component, process in self._processes.items():
            if process.poll() is not None:
                log = self._home / f"{component}.log"
                raise RuntimeError(f"Airflow's {component} has ended. {log}:\n{log.read_text()[-2000:]}")

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        if AIRFLOW_2:
            return self._session.request(method, f"{self.url}/api/v1{path}", timeout=_MAX_RESPONSE, **options)
        if "Authorization" not in self._session.headers:
            token = self._session.get(f"{self.url}/auth/token", timeout=_MAX_RESPONSE).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        return self._session.request(method, f"{self.url}/api/v2{path}", timeout=_MAX_RESPONSE, **options)


@contextmanager
def local_airflow(
    home: Path, dags_folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[LocalAirflow]:
    """Start an Airflow in a folder, and stop it afterwards.

    :param home: its ``AIRFLOW_HOME``; created if it does not exist.
    :param dags_folder: the folder of its Dags.
    :param environment: further environment variables, such as connections.
    """
    # SIGTERM to this process stops the components too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home.mkdir(parents=True, exist_ok=True)
    full = airflow_environment(home, dags_folder, free_port()) | dict(environment or {})
    if AIRFLOW_2:
        full |= _environment_of_2(full)
        (home / "webserver_config.py").write_text('AUTH_ROLE_PUBLIC = "Admin"\n')
    airflow = LocalAirflow(home, full)
    try:
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=full,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for component in COMPONENTS:
            airflow.start(component)
        yield airflow
    finally:
        airflow.stop()


def airflow_environment(home: Path, dags_folder: Path, port: int) -> dict[str, str]:
    """Return the environment of an Airflow on SQLite in a folder, with its API server on a port."""
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
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.resolve()}/airflow.db?timeout={_DATABASE_TIMEOUT}",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONWARNINGS": "ignore",
    }


def connections(url: str) -> dict[str, str]:
    """Return both default connections, for a server with both APIs, as environment variables."""
    return {
        f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
            {"conn_type": conn_type, "host": url, "password": "sandbox"}
        )
        for conn_type in ("campaign_cleaner", "instantly")
    }


def _environment_of_2(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Airflow 2 needs in addition; on SQLite it runs one task at a time."""
    return {
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "5",
        "AIRFLOW__WEBSERVER__BASE_URL": environment["AIRFLOW__API__BASE_URL"],
        "AIRFLOW__WEBSERVER__SECRET_KEY": environment["AIRFLOW__API__SECRET_KEY"],
        "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": environment["AIRFLOW__API__HOST"],
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": environment["AIRFLOW__API__PORT"],
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        # Its executor runs the command airflow from the PATH.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
    }


def free_port() -> int:
    """Return a free port of 127.0.0.1, outside the range that outgoing connections use."""
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
            return int(listener.getsockname()[1])


def stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Stop processes that lead their own sessions, and their children."""
    processes = list(processes)
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        kill_session(process.pid)
        process.wait()


def kill_session(leader: int) -> int:
    """Kill all processes of a session with SIGKILL, its leader first, and return their number.

    A session includes Airflow's tasks; a process group does not, because each task has its own.
    """
    killed = 0
    while members := session_of(leader):
        members.sort(key=lambda member: member.pid != leader)
        killed += sum(kill(member.pid) for member in members)
        time.sleep(0.05)
    return killed


def session_of(leader: int) -> list[psutil.Process]:
    """Return the processes of a session that are alive, also those whose parent is dead."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(pid) == leader and is_alive(process := psutil.Process(pid)):
                found.append(process)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process exists and is not a zombie."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def kill(pid: int) -> bool:
    """Kill a process, and return whether it existed."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
