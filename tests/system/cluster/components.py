"""A distributed Airflow: each component runs in a session of its own, and can be killed and restarted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from scripts.local_airflow import airflow_environment, free_port, is_alive, kill_session, session_of

_START_UP = 600.0
_PAGE = 100


@dataclass
class Component:
    """One of Airflow's processes, with all that it starts.

    A component leads a session. The session finds all its descendants, also those whose parent is dead.
    """

    name: str
    arguments: list[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    spent: float = 0.0

    def start(self) -> None:
        """Start or restart it."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *self.arguments],
                env=dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def members(self) -> list[psutil.Process]:
        """Return its processes that are alive."""
        return [] if self.process is None else session_of(self.process.pid)

    def kill(self) -> int:
        """Kill all its processes with SIGKILL, and return their number."""
        if self.process is None:
            return 0
        self.spent = self.cpu()
        killed = kill_session(self.process.pid)
        self.process.wait()
        self.process = None  # another process may get its pid now
        return killed

    def tasks(self) -> list[tuple[psutil.Process, psutil.Process]]:
        """Return the tasks of a Celery worker: each task's supervisor process, and its own process."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for supervisor in psutil.Process(self.process.pid).children() if self.process else ():
                with suppress(psutil.NoSuchProcess):
                    found += [(supervisor, task) for task in supervisor.children() if is_alive(task)]
        return found

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, including those before it was killed."""
        return self.spent + cpu_of(self.members())

    def memory(self) -> int:
        """Return its memory in bytes; pages that its processes share count once."""
        return sum(_proportional_size(member.pid) for member in self.members())


class Cluster:
    """A running cluster.

    :param components: by name.
    :param url: the URL of the API server.
    """

    def __init__(self, components: Mapping[str, Component], url: str) -> None:
        self.components = components
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def workers(self) -> list[Component]:
        """Return the Celery workers."""
        return [each for name, each in self.components.items() if name.startswith("worker")]

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until a Dag has been parsed, and unpause it."""
        path, unpaused = f"/dags/{dag_id}", {"is_paused": False}
        self._until(lambda: self._request("PATCH", path, json=unpaused).ok, f"the Dag {dag_id}")

    def wait_for_all(self) -> None:
        """Wait until the scheduler and both triggerers are healthy and both workers are ready."""

        def are_healthy() -> bool:
            jobs = self._request("GET", "/jobs?is_alive=true&limit=100").json().get("jobs", [])
            kinds = [job["job_type"] for job in jobs]
            return kinds.count("SchedulerJob") >= 1 and kinds.count("TriggererJob") >= 2

        self._until(are_healthy, "the scheduler and the triggerers")
        self._until(
            lambda: all(" ready." in worker.log.read_text(errors="replace") for worker in self.workers()),
            "the workers",
        )

    def launch(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a run, once: the id makes it safe to retry a request whose response was lost."""
        body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
        deadline = time.monotonic() + _START_UP
        while True:
            try:
                response = self._request("POST", f"/dags/{dag_id}/dagRuns", json=body)
                if response.status_code != requests.codes.conflict:
                    response.raise_for_status()
            except requests.RequestException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, as Airflow's API describes them."""
        return list(self._all("/dags/~/dagRuns", "dag_runs"))

    def task_instances(self) -> list[dict[str, Any]]:
        """Return the latest try of each task of all runs."""
        return list(self._all("/dags/~/dagRuns/~/taskInstances", "task_instances"))

    def _all(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            response = self._request("GET", f"{path}?limit={_PAGE}&offset={offset}&order_by=id")
            response.raise_for_status()
            page = response.json()[name]
            yield from page
            if len(page) < _PAGE:
                return
            offset += _PAGE

    def _until(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_UP
        while True:
            with suppress(requests.RequestException):
                if ready():
                    return
            for component in self.components.values():
                if component.process is None or component.process.poll() is not None:
                    raise RuntimeError(
                        f"Airflow's {component.name} has ended. {component.log}:\n"
                        f"{component.log.read_text(errors='replace')[-2000:]}"
                    )
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow did not show {what} within {_START_UP:g} s.")
            time.sleep(0.5)

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        if "Authorization" not in self._session.headers:
            token = self._session.get(f"{self._url}/auth/token", timeout=60).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        return self._session.request(method, f"{self._url}/api/v2{path}", timeout=60, **options)


@contextmanager
def cluster(
    folder: Path,
    dags: Path,
    *,
    database: str,
    broker: str,
    prefix: str,
    slots: int,
    runs: int,
    connections: Mapping[str, str],
) -> Iterator[Cluster]:
    """Start all components, and stop them afterwards.

    :param folder: the folder of all homes and logs.
    :param database: URL of an empty PostgreSQL database.
    :param broker: URL of a Redis.
    :param prefix: the prefix of all its keys in Redis.
    :param slots: task slots per worker.
    :param runs: the maximum number of active runs.
    :param connections: further environment variables.
    """
    environment = _environment(
        folder, dags, database=database, broker=broker, prefix=prefix, slots=slots, runs=runs
    ) | dict(connections)
    components = {
        name: Component(name, arguments, environment, folder / f"{name}.log")
        for name, arguments in _arguments(slots).items()
    }
    try:
        _migrate(environment, folder / "migrate.log")
        for component in components.values():
            component.start()
        yield Cluster(components, environment["AIRFLOW__API__BASE_URL"])
    finally:
        stop(components.values())


def stop(components: Iterable[Component]) -> None:
    """Stop components with SIGTERM, and kill what is left of them."""
    started = [component for component in components if component.process is not None]
    for component in started:
        for member in component.members():
            if component.process is not None and member.pid == component.process.pid:
                member.terminate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(component.members() for component in started):
        time.sleep(0.2)
    for component in started:
        component.kill()


def _arguments(slots: int) -> dict[str, list[str]]:
    celery = ["celery", "worker", "--skip-serve-logs", "--queues", "default", "--concurrency", str(slots)]
    celery += ["--without-gossip", "--without-mingle"]
    workers = {f"worker-{number}": [*celery, "--celery-hostname", f"worker-{number}"] for number in (1, 2)}
    triggerers = {f"triggerer-{number}": ["triggerer", "--skip-serve-logs"] for number in (1, 2)}
    others = {name: [name] for name in ("api-server", "dag-processor", "scheduler")}
    return others | workers | triggerers


def _environment(
    folder: Path, dags: Path, *, database: str, broker: str, prefix: str, slots: int, runs: int
) -> dict[str, str]:
    """Return settings with which Airflow detects a dead process within about a minute."""
    sqlalchemy = f"postgresql+psycopg2://{database.partition('://')[2]}"
    return airflow_environment(folder, dags, free_port()) | {
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{sqlalchemy}",
        "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        # After this time Redis delivers the messages of a dead worker again; Airflow ignores late ones.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "300",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": prefix,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": str(runs),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(runs),
        # More than the workers have slots: tasks of a dead worker count as running for a while.
        "AIRFLOW__CORE__PARALLELISM": str(slots * 4),
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": str(runs),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlalchemy,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{database.partition('://')[2]}",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__OPERATORS__DEFAULT_QUEUE": "default",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "50",
        "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "100",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
        # Without this, process titles overwrite the environment that /proc shows.
        "SPT_NOENV": "1",
    }


def _migrate(environment: Mapping[str, str], log: Path) -> None:
    with log.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=dict(environment),
            check=False,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        raise RuntimeError(f"airflow db migrate failed. {log}:\n{log.read_text()[-2000:]}")


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds that processes and their ended children have used."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.Error):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def _proportional_size(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
