"""A distributed Airflow: each component a process group of its own, which can be killed and comes back."""

from __future__ import annotations

import json
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
from local_airflow import airflow_environment, free_port, kill_session, lives, session_of

_START_UP = 180.0
_PAGE = 100


@dataclass
class Component:
    """One of Airflow's processes, with all that it starts.

    A component leads a session, by which its descendants are found: also those whose parent has died.
    """

    name: str
    arguments: list[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    spent: float = 0.0

    def start(self) -> None:
        """Start it, also anew."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *self.arguments],
                env=dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def members(self) -> list[psutil.Process]:
        """Return its processes that live."""
        return [] if self.process is None else session_of(self.process.pid)

    def kill(self) -> int:
        """End all of it with SIGKILL; return how many processes that were."""
        if self.process is None:
            return 0
        self.spent = self.cpu()
        killed = kill_session(self.process.pid)
        self.process.wait()
        self.process = None  # its number may be another's from now on
        return killed

    def tasks(self) -> list[tuple[psutil.Process, psutil.Process]]:
        """Return what a Celery worker runs: the process that looks after a task, and the task itself."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for supervisor in psutil.Process(self.process.pid).children() if self.process else ():
                with suppress(psutil.NoSuchProcess):
                    found += [(supervisor, task) for task in supervisor.children() if lives(task)]
        return found

    def cpu(self) -> float:
        """Return the seconds of CPU that it has taken, also before it was killed."""
        return self.spent + cpu_of(self.members())

    def memory(self) -> int:
        """Return the bytes of memory that it has, with what its processes share counted once."""
        return sum(_proportional_size(member.pid) for member in self.members())


class Cluster:
    """A running cluster, and what is asked of it.

    :param components: by name.
    :param url: where the API server answers.
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
        """Wait until a Dag is known, and switch it on."""
        self._until(lambda: self._ask("PATCH", f"/dags/{dag_id}", json={"is_paused": False}).ok, "its Dag")

    def wait_for_all(self) -> None:
        """Wait until the scheduler and both triggerers have reported, and both workers take tasks."""

        def alive() -> bool:
            jobs = self._ask("GET", "/jobs?is_alive=true&limit=100").json().get("jobs", [])
            kinds = [job["job_type"] for job in jobs]
            return kinds.count("SchedulerJob") >= 1 and kinds.count("TriggererJob") >= 2  # noqa: PLR2004

        self._until(alive, "the scheduler and the triggerers")
        self._until(
            lambda: all(" ready." in worker.log.read_text(errors="replace") for worker in self.workers()),
            "the workers",
        )

    def launch(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a run; once, also where the answer was lost and it is asked for again."""
        body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
        deadline = time.monotonic() + _START_UP
        while True:
            try:
                answer = self._ask("POST", f"/dags/{dag_id}/dagRuns", json=body)
                if answer.status_code != requests.codes.conflict:
                    answer.raise_for_status()
            except requests.RequestException:  # noqa: PERF203
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
            answer = self._ask("GET", f"{path}?limit={_PAGE}&offset={offset}&order_by=id")
            answer.raise_for_status()
            page = answer.json()[name]
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
                        f"Airflow's {component.name} has ended. {component.log} says:\n"
                        f"{component.log.read_text(errors='replace')[-2000:]}"
                    )
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow did not show {what} within {_START_UP:g} s.")
            time.sleep(0.5)

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
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
    """Start all components, and end them afterwards.

    :param folder: where homes and logs go.
    :param database: URL of an empty PostgreSQL database.
    :param broker: URL of a Redis.
    :param prefix: of all its keys there.
    :param slots: of each of the two workers.
    :param runs: how many may be active at a time.
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
        end(components.values())


def end(components: Iterable[Component]) -> None:
    """End components the polite way, and then all that is left of them."""
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
    """Return settings with which a dead process is missed within a minute or so."""
    sqlalchemy = f"postgresql+psycopg2://{database.partition('://')[2]}"
    return airflow_environment(folder, dags, free_port()) | {
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{sqlalchemy}",
        "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        # What a dead worker had taken is delivered again after this; Airflow ignores it where it is late.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "300",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": prefix,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": str(runs),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(runs),
        # More than the workers have slots, so that those that a dead worker held do not count for long.
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
        # Else the titles of processes are written over what /proc tells of them.
        "SPT_NOENV": "1",
    }


def _migrate(environment: Mapping[str, str], log: Path) -> None:
    with log.open("w") as written:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=dict(environment),
            check=False,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        raise RuntimeError(f"airflow db migrate failed. {log} says:\n{log.read_text()[-2000:]}")


def connections(url: str) -> dict[str, str]:
    """Define both default connections in the environment."""
    return {
        f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
            {"conn_type": conn_type, "host": url, "password": "sandbox"}
        )
        for conn_type in ("campaign_cleaner", "instantly")
    }


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """Return the seconds of CPU that processes have taken, and those of their children that have ended."""
    taken = 0.0
    for process in processes:
        with suppress(psutil.Error):
            taken += sum(process.cpu_times()[:4])
    return taken


def _proportional_size(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
