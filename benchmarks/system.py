"""Measures waits on a whole Airflow: scheduler, triggerer, Dag processor, API server and LocalExecutor.

Two runs on one Airflow, one after the other: this provider's sensor in the triggerer, and
`HttpSensor(mode="reschedule")`, for the same campaigns. CPU is that of all of Airflow's processes. Worker
slots are counted in Airflow's database, because Airflow does not sum up the running times of a rescheduled
task.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import connections
from benchmarks.control import control
from benchmarks.server import RunningServer
from scripts.local_airflow import LocalAirflow, local_airflow

DAGS = Path(__file__).parent / "dags"
_TICKS = os.sysconf("SC_CLK_TCK")
_TITLES = {"ours": "ours, deferred", "http_reschedule": 'HttpSensor(mode="reschedule")'}
_SAMPLE_SECONDS = 0.2
# The work of components after a run, such as heartbeats, happens in this pause.
_PAUSE = 3.0


@dataclass(frozen=True)
class Load:
    """The work of a run.

    :param tasks: the number of waiting tasks.
    :param interval: seconds between two polls of one task.
    :param processing: seconds from the start of the run until the campaigns are completed.
    :param slots: LocalExecutor's parallelism.
    :param idle: seconds for which the idle Airflow is measured.
    :param limit: the maximum seconds of a run.
    """

    tasks: int = 40
    interval: float = 10.0
    processing: float = 60.0
    slots: int = 4
    idle: float = 15.0
    limit: float = 600.0


@dataclass(frozen=True)
class Cost:
    """The measurements of a run.

    :param title: the contender.
    :param succeeded: tasks that succeeded.
    :param tries: tries of all tasks; one each, unless Airflow failed a task by mistake.
    :param slot_seconds: seconds for which tasks ran on a worker, summed up.
    :param cpu_seconds: CPU seconds of all of Airflow's processes.
    :param requests: requests to the service.
    :param wall_seconds: from the start of the run to its end.
    :param late_seconds: from the completion of the campaigns to the end of the run.
    """

    title: str
    succeeded: int
    tries: int
    slot_seconds: float
    cpu_seconds: float
    requests: int
    wall_seconds: float
    late_seconds: float


def run(server: RunningServer, load: Load) -> tuple[float, list[Cost]]:
    """Return the CPU seconds per second of the idle Airflow, and the measurements of each run."""
    environment = {
        **connections(server, tls=False),
        "AIRFLOW__CORE__PARALLELISM": str(load.slots),
        "BENCH_TASKS": str(load.tasks),
        "BENCH_INTERVAL": str(load.interval),
    }
    with tempfile.TemporaryDirectory(prefix="bench-airflow-") as folder:
        home = Path(folder)
        with local_airflow(home, DAGS, environment) as airflow:
            for dag_id in _TITLES:
                airflow.wait_for_dag(dag_id)
            time.sleep(_PAUSE)
            before = cpu_of_children()
            time.sleep(load.idle)
            idle = (cpu_of_children() - before) / load.idle
            costs = [_run_one(airflow, home / "airflow.db", server, load, dag_id) for dag_id in _TITLES]
    return idle, costs


def _run_one(airflow: LocalAirflow, database: Path, server: RunningServer, load: Load, dag_id: str) -> Cost:
    port = server.ports["control"]
    control(port, "/reset", waits=load.tasks, history=0)
    cpu, begun = cpu_of_children(), time.monotonic()
    completed = begun + load.processing
    control(port, "/complete", at=completed, spread=0)
    with _counting_slots(database) as slots:
        ended = airflow.run_dag(dag_id, {}, timeout=load.limit)
    now = time.monotonic()
    cpu = cpu_of_children() - cpu
    tasks = airflow.task_instances(ended)
    cost = Cost(
        title=_TITLES[dag_id],
        succeeded=sum(task["state"] == "success" for task in tasks),
        tries=sum(task["try_number"] for task in tasks),
        slot_seconds=slots[0],
        cpu_seconds=cpu,
        requests=sum(control(port, "/counts")["requests"].values()),
        wall_seconds=now - begun,
        late_seconds=now - completed,
    )
    time.sleep(_PAUSE)
    return cost


@contextmanager
def _counting_slots(database: Path) -> Iterator[list[float]]:
    """Sum up the seconds that tasks spend in the state `running`, in a list of one number."""
    total = [0.0]
    stopping = threading.Event()

    def sample() -> None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            last = time.monotonic()
            while not stopping.wait(_SAMPLE_SECONDS):
                query = "SELECT count(*) FROM task_instance WHERE state = 'running'"
                (running,) = connection.execute(query).fetchone()
                now = time.monotonic()
                total[0] += running * (now - last)
                last = now

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield total
    finally:
        stopping.set()
        sampler.join()


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes in the sessions that this process's children lead.

    Airflow's components lead their own sessions. A process that has ended counts with the parent that waited
    for it.
    """
    processes = list(_processes())
    sessions = {session for parent, session, _ in processes if parent == os.getpid()} - {os.getsid(0)}
    return sum(ticks for _, session, ticks in processes if session in sessions) / _TICKS


def _processes() -> Iterator[tuple[int, int, int]]:
    """Yield parent, session and CPU ticks, its ended children's included, of every process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name is in brackets and can contain any character.
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(fields[1]), int(fields[3]), sum(int(ticks) for ticks in fields[11:15])
