"""A distributed Airflow: hundreds of launches at once, while processes are killed. Each has to send once.

Starts PostgreSQL, Redis, and an Airflow with the Celery executor, two workers, two triggerers, a scheduler,
a Dag processor and an API server; all on 127.0.0.1, as an ordinary user. Both services are played by the
sandbox, and its books decide. Exit code 0 only if every launch ended as it should.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psutil
import requests
from cluster_airflow import Cluster, cluster, connections, cpu_of
from cluster_books import (
    Launch,
    Verdict,
    books_of,
    judge,
    percentiles,
    plan,
    prepare,
    seconds_between,
    traffic,
)
from cluster_kills import Killer
from cluster_services import MissingError, check_programs, forget, postgres, redis, size_of

from airflow_provider_campaigns.sandbox import RunningSandbox, running
from airflow_provider_campaigns.sandbox.state import Fault

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".airflow" / "cluster"
DAGS = CHECKOUT / "scripts" / "cluster_dags"
_FINAL = {"success", "failed"}
_NAMED = 20
_LOOK_EVERY = 5.0
_SAY_EVERY = 30.0
_STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run it, and say how it went."""
    given = _arguments()
    for number in _STOPPED_BY:
        signal.signal(number, _stop)
    try:
        check_programs(postgres=given.postgres is None, redis=given.redis is None)
        with _alone():
            return _run(given)
    except MissingError as error:
        say(str(error))
        return 2
    except SystemExit:
        say("Stopped; all processes are ended.")
        raise


def _stop(number: int, _: Any) -> NoReturn:
    """End by way of all that ends processes, and let nothing stop that."""
    let_nothing_stop_this()
    sys.exit(128 + number)


def let_nothing_stop_this() -> None:
    """Ignore what would stop this, so that what ends processes comes to its own end."""
    for each in _STOPPED_BY:
        signal.signal(each, signal.SIG_IGN)


def _run(given: argparse.Namespace) -> int:
    begun = time.monotonic()
    launches = plan(given.launches, random.Random(f"{given.seed} launches"), given.unhealthy)
    with (
        running(processing_seconds=given.processing, credits=2 * given.launches + 100) as sandbox,
        postgres(FOLDER, given.postgres) as database,
        redis(FOLDER, given.redis) as broker,
    ):
        state = sandbox.state
        state.requests = deque()  # all of them are counted at the end
        state.faults.append(Fault("/", times=None, delay=given.latency))
        prepare(state, launches)
        write_leads(launches)
        say(f"PostgreSQL and Redis are up; both services are played by the sandbox. {since(begun)}")
        prefix = f"{database.rpartition('/')[2]}:"
        try:
            with cluster(
                FOLDER,
                DAGS,
                database=database,
                broker=broker,
                prefix=prefix,
                slots=given.slots,
                runs=given.launches + 10,
                connections=connections(sandbox.url),
            ) as airflow:
                for dag_id in sorted({launch.dag_id for launch in launches}):
                    airflow.wait_for_dag(dag_id)
                airflow.wait_for_all()
                say(f"Airflow is up: {', '.join(airflow.components)}. {since(begun)}")
                try:
                    return _launch_all(given, launches, airflow, sandbox, database)
                finally:
                    let_nothing_stop_this()
        finally:
            forget(broker, prefix)


def _launch_all(
    given: argparse.Namespace,
    launches: list[Launch],
    airflow: Cluster,
    sandbox: RunningSandbox,
    database: str,
) -> int:
    sends = sum(launch.sends for launch in launches)
    say(
        f"Launching {len(launches)}: {sends} are to send, {len(launches) - sends} are not. "
        f"Seed {given.seed}, up to {given.kills} kills, one in about {given.kill_every:g} s."
    )
    killer = Killer(
        airflow,
        random.Random(f"{given.seed} kills"),
        kills=given.kills,
        every=given.kill_every,
        port=urlsplit(sandbox.url).port or 0,
    )
    memory = Memory(airflow)
    memory.start()
    cpu, size = cpu_by_component(airflow), size_of(database)
    begun = time.monotonic()
    try:
        with ThreadPoolExecutor(2) as starters:
            list(
                starters.map(
                    lambda launch: airflow.launch(launch.dag_id, launch.name, conf(launch)), launches
                )
            )
        say(f"All are launched. {since(begun)}")
        killer.start()
        states = _wait(airflow, len(launches), killer, deadline=begun + given.seconds)
    finally:
        killer.stop()
        memory.stop()
    took = time.monotonic() - begun
    verdict = judge(launches, books_of(sandbox.state), states)
    if given.kills and not killer.done:
        verdict.others.append("nothing was killed")
    say()
    _tell(airflow, sandbox, killer, memory, took)
    spent = {name: seconds - cpu.get(name, 0.0) for name, seconds in cpu_by_component(airflow).items()}
    told = ", ".join(f"{name} {seconds / len(launches):.2f}" for name, seconds in sorted(spent.items()))
    say(f"CPU seconds a launch: {told}; {sum(spent.values()) / len(launches):.2f} in all")
    say(f"The database grew by {(size_of(database) - size) / len(launches) / 1024:.0f} KiB a launch")
    say()
    return _conclude(verdict, launches, killer, took)


def _wait(airflow: Cluster, launches: int, killer: Killer, deadline: float) -> dict[str, str | None]:
    """Wait until all runs have ended, or the time is up; return their states by name."""
    said = time.monotonic()
    runs: list[dict[str, Any]] = []
    while True:
        with suppress(requests.RequestException):  # an API server that is busy is asked again
            runs = airflow.runs()
        counts = Counter(run["state"] for run in runs)
        if sum(counts[state] for state in _FINAL) >= launches or time.monotonic() > deadline:
            return {run["dag_run_id"]: run["state"] for run in runs}
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            told = ", ".join(f"{times} {state}" for state, times in sorted(counts.items()))
            say(f"   {told}; {killer.done.total()} kills")
        time.sleep(_LOOK_EVERY)


def _tell(airflow: Cluster, sandbox: RunningSandbox, killer: Killer, memory: Memory, took: float) -> None:
    runs = airflow.runs()
    tasks = airflow.task_instances()
    times = [seconds_between(run["start_date"], run["end_date"]) for run in runs]
    say(f"Time per launch: {percentiles([each for each in times if each is not None])}")
    by_task: dict[str, list[float]] = defaultdict(list)
    tries: Counter[int] = Counter()
    for task in tasks:
        taken = seconds_between(task["start_date"], task["end_date"])
        if taken is not None and task["state"] in _FINAL:
            by_task[task["task_id"]].append(taken)
        tries[task["try_number"]] += 1
    for task_id, seconds in by_task.items():
        say(f"   {task_id:<10} {percentiles(seconds)}")
    told = ", ".join(f"{times} at try {number}" for number, times in sorted(tries.items()) if number)
    say(f"Tasks that ended: {told}")
    say(f"Launches a minute: {len(runs) / took * 60:.1f}")
    for line in traffic(list(sandbox.state.requests), took):
        say(line)
    kills = ", ".join(f"{times} {kind}" for kind, times in sorted(killer.done.items())) or "none"
    say(f"Kills: {killer.done.total()} ({kills}), of {killer.processes} processes")
    peaks = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sorted(memory.peaks.items()))
    say(f"Peak memory, MiB: {peaks}")


def _conclude(verdict: Verdict, launches: list[Launch], killer: Killer, took: float) -> int:
    if verdict.well:
        sends = sum(launch.sends for launch in launches)
        say(
            f"As it should be: {len(launches)} launches, {sends} sent each lead once, "
            f"{len(launches) - sends} sent none, a credit each, {killer.done.total()} kills, {took:.0f} s."
        )
        return 0
    for problem in verdict.others:
        say(f"   {problem}")
    for name, wrong in list(verdict.launches.items())[:_NAMED]:
        say(f"   {name}: {'; '.join(wrong)}")
    if len(verdict.launches) > _NAMED:
        say(f"   and {len(verdict.launches) - _NAMED} more")
    say(
        f"Not as it should be: {len(verdict.launches)} of {len(launches)} launches, "
        f"{len(verdict.others)} other findings. Logs are in {os.path.relpath(FOLDER)}."
    )
    return 1


def cpu_by_component(airflow: Cluster) -> dict[str, float]:
    """Return the seconds of CPU that each component has taken, and each service that was started here."""
    taken = {name: component.cpu() for name, component in airflow.components.items()}
    ours = {each.process.pid for each in airflow.components.values() if each.process is not None}
    for process in psutil.Process().children():
        if process.pid not in ours:
            taken[process.name()] = cpu_of([process, *process.children(recursive=True)])
    return taken


class Memory(threading.Thread):
    """Looks now and then how much memory each component has."""

    def __init__(self, airflow: Cluster, every: float = 10.0) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, int] = {}
        self._airflow = airflow
        self._every = every
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look, until told to stop."""
        while not self._stop_asked.wait(self._every):
            for name, component in self._airflow.components.items():
                self.peaks[name] = max(self.peaks.get(name, 0), component.memory())

    def stop(self) -> None:
        """Look no more."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()


def conf(launch: Launch) -> dict[str, Any]:
    """Return what a run is given."""
    return {"launch": launch.name, "campaign_id": launch.campaign_id, "folder": str(FOLDER / "files")}


def write_leads(launches: list[Launch]) -> None:
    """Write each launch's file of leads."""
    (FOLDER / "files").mkdir()
    for launch in launches:
        (FOLDER / "files" / f"{launch.name}.csv").write_text("\n".join(["email", *launch.leads, ""]))


@contextmanager
def _alone() -> Iterator[None]:
    """Empty the folder, unless another run is using it."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MissingError(f"Another cluster runs in {os.path.relpath(FOLDER)}.") from None
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cluster.py",
        description=__doc__.partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--launches", type=int, default=500, help="how many launches run at once")
    add("--unhealthy", type=float, default=0.3, help="which part of them finds an unfit campaign")
    add("--kills", type=int, default=None, help="kills at most; a tenth of the launches if not given")
    add("--kill-every", type=float, default=12.0, help="seconds between two kills, on average")
    add("--seed", default="1", help="decides which campaigns are unfit, and what is killed when")
    add("--slots", type=int, default=6, help="how many tasks each of the two workers runs at a time")
    add("--processing", type=float, default=30.0, help="seconds that Campaign Cleaner takes for a campaign")
    add("--latency", type=float, default=0.3, help="seconds that each answer of a service takes")
    add("--seconds", type=float, default=7200.0, help="give up after this long")
    # No defaults from the environment: --help would print them, with their passwords.
    add("--postgres", help="a PostgreSQL that runs, whose user may create databases; or CLUSTER_POSTGRES")
    add("--redis", help="URL of a Redis that runs; or CLUSTER_REDIS")
    given = parser.parse_args()
    given.postgres = given.postgres or os.environ.get("CLUSTER_POSTGRES")
    given.redis = given.redis or os.environ.get("CLUSTER_REDIS")
    if given.kills is None:
        given.kills = max(given.launches // 10, 5)
    return given


def since(begun: float) -> str:
    """Say how long something took."""
    return f"({time.monotonic() - begun:.0f} s)"


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
