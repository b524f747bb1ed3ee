"""Measures what a wait costs a whole Airflow: scheduler, triggerer, Dag processor, API server, LocalExecutor.

One run after the other on one Airflow, each with another way to wait for the same campaigns, which all
complete at one moment. CPU is that of all of Airflow's processes, until some seconds after the run; what the
idle Airflow uses is measured before and after and subtracted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import connections
from benchmarks.control import control
from benchmarks.processes import cpu_by_component
from benchmarks.runs import Run
from benchmarks.server import HOST, RunningServer
from scripts.local_airflow import LocalAirflow, local_airflow

DAGS = Path(__file__).parent / "dags"
_SAMPLE_SECONDS = 0.1
# The work of components after a run, such as callbacks and the end of processes, happens in this pause.
_PAUSE = 4.0
# The worker slots of a run that was given up become free in this time.
_STOPPING = 20.0
_WARM_UP = "warm_up"
_LONG_LIST = "list_of_1000"


@dataclass(frozen=True)
class Way:
    """A way to wait.

    :param title: its name in the tables.
    :param file: its file in ``dags``.
    :param tasks: returns the number of tasks for a number of waits.
    """

    title: str
    file: str
    tasks: Callable[[int], int] = int


def _one_task(_: int) -> int:
    return 1


WAYS: dict[str, Way] = {
    "http_reschedule": Way('http: HttpSensor(mode="reschedule")', "http_reschedule"),
    "dbt_cloud": Way("dbt-cloud: DbtCloudJobRunSensor(deferrable=True)", "dbt_cloud"),
    "deferred": Way("ours: deferrable", "ours"),
    "ends": Way("ours: end_from_trigger", "ours"),
    "starts_and_ends": Way("ours: start_from_trigger, end_from_trigger", "ours"),
    "list": Way("ours: one task for all, deferrable", "ours", _one_task),
    _LONG_LIST: Way("ours: one task for 1,000, deferrable", "ours", _one_task),
}


@dataclass(frozen=True)
class Load:
    """The work of the runs on one Airflow.

    :param waits: the number of campaigns that are waited for.
    :param ways: keys of :data:`WAYS`.
    :param interval: seconds between two polls of one task.
    :param processing: seconds from the start of a run until the campaigns are completed; longer if not all
        waits have begun by then.
    :param slots: LocalExecutor's parallelism.
    :param idle: seconds for which the idle Airflow is measured, before the runs and after them.
    :param limit: the maximum seconds of a run.
    """

    waits: int = 40
    ways: Sequence[str] = tuple(WAYS)
    interval: float = 10.0
    processing: float = 50.0
    slots: int = 4
    idle: float = 30.0
    limit: float = 300.0


@dataclass(frozen=True)
class Cost:
    """The measurements of a run.

    :param way: a key of :data:`WAYS`.
    :param waits: the number of campaigns that were waited for.
    :param tasks: the number of tasks.
    :param succeeded: tasks that succeeded.
    :param tries: tries of all tasks; one each, unless Airflow failed a task by mistake.
    :param worker_starts: how often a worker started or resumed a task.
    :param slot_seconds: seconds for which tasks ran on a worker, summed up.
    :param cpu: CPU seconds of each component above idle.
    :param requests: requests to the service.
    :param begun_seconds: from the start of the run until all tasks waited.
    :param begun_cpu: CPU seconds of the triggerer above idle until then.
    :param wall_seconds: from the start of the run to its end.
    :param late_seconds: from the completion of the campaigns to the end of the run.
    """

    way: str
    waits: int
    tasks: int
    succeeded: int
    tries: int
    worker_starts: int
    slot_seconds: float
    cpu: dict[str, float]
    requests: int
    begun_seconds: float
    begun_cpu: float
    wall_seconds: float
    late_seconds: float

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all components above idle."""
        return sum(self.cpu.values())


@dataclass
class Measured:
    """The measurements on one Airflow.

    :param load: the work.
    :param idle: CPU seconds per second of the idle Airflow, before the runs and after them.
    :param costs: the cost of each run that ended, and why the others were given up, by way.
    """

    load: Load
    idle: tuple[float, float]
    costs: dict[str, Cost | str]

    def cost(self, way: str) -> Cost | None:
        """Return the cost of a run that ended."""
        cost = self.costs.get(way)
        return cost if isinstance(cost, Cost) else None


def run(server: RunningServer, load: Load, say: Callable[[str], None]) -> Measured:
    """Measure all runs of a load, on one Airflow."""
    certificate = str(server.certificate)
    environment = {
        **connections(server, tls=False),
        "AIRFLOW__CORE__PARALLELISM": str(load.slots),
        # Reading the Dag files again would be work in some runs and not in others.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3600",
        "BENCH_TASKS": str(load.waits),
        "BENCH_INTERVAL": str(load.interval),
        "NO_PROXY": HOST,
        # The dbt Cloud hook always uses https://.
        "REQUESTS_CA_BUNDLE": certificate,
        "SSL_CERT_FILE": certificate,
    }
    with tempfile.TemporaryDirectory(prefix="bench-airflow-") as folder:
        home = Path(folder)
        dags = _copy_dags(home / "dags", load.ways)
        with local_airflow(home, dags, environment) as airflow:
            for way in (_WARM_UP, *load.ways):
                airflow.wait_for_dag(way)
            # The components import what the runs need.
            _Measurement(airflow, home, server, _warm_up(load)).run(_WARM_UP, 4, Counter())
            before = _idle_cpu(airflow, load.idle)
            costs: dict[str, Cost | str] = {}
            for way in load.ways:
                say(f"{load.waits:,} waits, {WAYS[way].title}")
                measurement = _Measurement(airflow, home, server, load)
                try:
                    costs[way] = measurement.run(way, WAYS[way].tasks(load.waits), before)
                except TimeoutError as error:
                    costs[way] = str(error)
            after = _idle_cpu(airflow, load.idle)
    return Measured(load, (sum(before.values()), sum(after.values())), costs)


def _copy_dags(folder: Path, ways: Sequence[str]) -> Path:
    folder.mkdir()
    for way in ways:
        shutil.copy(DAGS / f"{WAYS[way].file}.py", folder / f"{way}.py")
    shutil.copy(DAGS / "ours.py", folder / f"{_WARM_UP}.py")
    return folder


def _warm_up(load: Load) -> Load:
    return replace(load, processing=0.0)


def _idle_cpu(airflow: LocalAirflow, seconds: float) -> Counter[str]:
    """Return the CPU seconds per second of each component of the idle Airflow."""
    time.sleep(_PAUSE)
    before = cpu_by_component(airflow.leaders)
    time.sleep(seconds)
    after = cpu_by_component(airflow.leaders)
    return Counter({name: (after[name] - before[name]) / seconds for name in after})


@dataclass(frozen=True)
class _Measurement:
    """How to measure one run."""

    airflow: LocalAirflow
    home: Path
    server: RunningServer
    load: Load

    def run(self, way: str, tasks: int, idle: Counter[str]) -> Cost:
        """Run a Dag, complete its campaigns, and measure both.

        :param idle: CPU seconds per second of each component without work.
        :raises TimeoutError: the run did not end in time.
        """
        port = self.server.ports["control"]
        waits = 1000 if way == _LONG_LIST else self.load.waits
        control(port, "/reset", waits=waits, history=0)
        cpu = cpu_by_component(self.airflow.leaders)
        begun, started_at = time.monotonic(), time.time()
        deadline = begun + self.load.limit
        started = self.airflow.start_run(way, {})
        run = Run(self.home, way, started["dag_run_id"])
        try:
            _wait_until(lambda: run.waits_begun() >= tasks, deadline, f"not all of {tasks} tasks waited")
            all_begun, when_begun = time.monotonic() - begun, cpu_by_component(self.airflow.leaders)
            time.sleep(max(0.0, self.load.processing - all_begun))
            completed_at = time.time()
            control(port, "/complete", at=time.monotonic(), spread=0)
            _wait_until(lambda: run.ended_at() is not None, deadline, "the run did not end")
        except TimeoutError:
            # Its tasks would go on in the next run.
            self.airflow.fail_run(started)
            time.sleep(_STOPPING)
            raise
        ended_at = run.ended_at() or completed_at
        time.sleep(_PAUSE)

        measured = time.monotonic() - begun
        used = cpu_by_component(self.airflow.leaders)
        succeeded, tries = run.succeeded()
        return Cost(
            way=way,
            waits=waits,
            tasks=tasks,
            succeeded=succeeded,
            tries=tries,
            worker_starts=run.worker_starts(),
            slot_seconds=run.slot_seconds(),
            cpu={name: used[name] - cpu[name] - idle[name] * measured for name in used},
            requests=sum(control(port, "/counts")["requests"].values()),
            begun_seconds=all_begun,
            begun_cpu=when_begun["triggerer"] - cpu["triggerer"] - idle["triggerer"] * all_begun,
            wall_seconds=ended_at - started_at,
            late_seconds=ended_at - completed_at,
        )


def _wait_until(holds: Callable[[], bool], deadline: float, otherwise: str) -> None:
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"given up: {otherwise} in time")
        time.sleep(_SAMPLE_SECONDS)
