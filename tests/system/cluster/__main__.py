"""Hundreds of launches at once on a distributed Airflow whose processes are killed. Each must send once.

Starts PostgreSQL, Redis, and an Airflow with the Celery executor, two workers, two triggerers, a scheduler,
a Dag processor and an API server: all on 127.0.0.1, without root. The sandbox serves both APIs, and its
records decide. Exit code 0 only if every launch ended as planned.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests

from airflow_provider_campaigns.sandbox import RunningSandbox, running
from airflow_provider_campaigns.sandbox.state import Fault
from scripts.local_airflow import connections
from tests.support import ROOT
from tests.system.cluster.check import Findings, compare, read_records
from tests.system.cluster.components import Cluster, cluster
from tests.system.cluster.kills import Killer
from tests.system.cluster.measurements import (
    MemoryMonitor,
    cpu_by_component,
    describe_requests,
    percentiles,
    seconds_between,
)
from tests.system.cluster.plan import Launch, plan_launches, prepare_sandbox
from tests.system.cluster.servers import MissingError, check_programs, delete_keys, postgres, redis, size_of

FOLDER = ROOT / ".airflow" / "cluster"
DAGS = Path(__file__).parent / "dags"
_TERMINAL = {"success", "failed"}
_MAX_NAMED = 20
_POLL_SECONDS = 5.0
_PROGRESS_SECONDS = 30.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the launches, and print the result."""
    options = _options()
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        check_programs(postgres=options.postgres is None, redis=options.redis is None)
        with _locked_folder():
            return _run(options)
    except MissingError as error:
        say(str(error))
        return 2
    except SystemExit:
        say("Stopped; all processes have ended.")
        raise


def _stop(number: int, _: Any) -> NoReturn:
    """Exit through the code that ends all processes."""
    ignore_stop_signals()
    sys.exit(128 + number)


def ignore_stop_signals() -> None:
    """Ignore further signals, so that the code that ends all processes runs to its end."""
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _run(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    launches = plan_launches(options.launches, random.Random(f"{options.seed} launches"), options.unhealthy)
    with (
        running(processing_seconds=options.processing, credits=2 * options.launches + 100) as sandbox,
        postgres(FOLDER, options.postgres) as database,
        redis(FOLDER, options.redis) as broker,
    ):
        state = sandbox.state
        state.requests = deque()  # without a limit: all of them are counted at the end
        state.faults.append(Fault("/", times=None, delay=options.latency))
        prepare_sandbox(state, launches)
        write_leads(launches)
        say(f"PostgreSQL, Redis and the sandbox are running. {since(begun)}")
        prefix = f"{database.rpartition('/')[2]}:"
        try:
            with cluster(
                FOLDER,
                DAGS,
                database=database,
                broker=broker,
                prefix=prefix,
                slots=options.slots,
                runs=options.launches + 10,
                connections=connections(sandbox.url),
            ) as airflow:
                for dag_id in sorted({launch.dag_id for launch in launches}):
                    airflow.wait_for_dag(dag_id)
                airflow.wait_for_all()
                say(f"Airflow is running: {', '.join(airflow.components)}. {since(begun)}")
                try:
                    return _launch_all(options, launches, airflow, sandbox, database)
                finally:
                    ignore_stop_signals()
        finally:
            delete_keys(broker, prefix)


def _launch_all(
    options: argparse.Namespace,
    launches: list[Launch],
    airflow: Cluster,
    sandbox: RunningSandbox,
    database: str,
) -> int:
    sends = sum(launch.sends for launch in launches)
    say(
        f"Starting {len(launches)} launches: {sends} must send, {len(launches) - sends} must not. "
        f"Seed {options.seed}, up to {options.kills} kills, one every {options.kill_every:g} s on average."
    )
    killer = Killer(
        airflow,
        random.Random(f"{options.seed} kills"),
        kills=options.kills,
        every=options.kill_every,
        port=urlsplit(sandbox.url).port or 0,
    )
    memory = MemoryMonitor(airflow)
    memory.start()
    cpu_before, size_before = cpu_by_component(airflow), size_of(database)
    begun = time.monotonic()
    try:
        with ThreadPoolExecutor(2) as starters:
            list(
                starters.map(
                    lambda launch: airflow.launch(launch.dag_id, launch.name, conf(launch)), launches
                )
            )
        say(f"All launches are started. {since(begun)}")
        killer.start()
        states = _wait(airflow, len(launches), killer, deadline=begun + options.seconds)
    finally:
        killer.stop()
        memory.stop()
    seconds = time.monotonic() - begun
    findings = compare(launches, read_records(sandbox.state), states)
    if options.kills and not killer.done:
        findings.others.append("nothing was killed")
    say()
    _print_measurements(airflow, sandbox, killer, memory, seconds)
    cpu = {name: used - cpu_before.get(name, 0.0) for name, used in cpu_by_component(airflow).items()}
    shares = ", ".join(f"{name} {used / len(launches):.2f}" for name, used in sorted(cpu.items()))
    say(f"CPU seconds per launch: {shares}; {sum(cpu.values()) / len(launches):.2f} in all")
    say(f"The database grew by {(size_of(database) - size_before) / len(launches) / 1024:.0f} KiB per launch")
    say()
    return _print_result(findings, launches, killer, seconds)


def _wait(airflow: Cluster, launches: int, killer: Killer, deadline: float) -> dict[str, str | None]:
    """Wait until all runs have ended or the deadline is over, and return their states by name."""
    printed = time.monotonic()
    runs: list[dict[str, Any]] = []
    while True:
        with suppress(requests.RequestException):  # the API server may be busy
            runs = airflow.runs()
        counts = Counter(run["state"] for run in runs)
        if sum(counts[state] for state in _TERMINAL) >= launches or time.monotonic() > deadline:
            return {run["dag_run_id"]: run["state"] for run in runs}
        if time.monotonic() - printed > _PROGRESS_SECONDS:
            printed = time.monotonic()
            progress = ", ".join(f"{times} {state}" for state, times in sorted(counts.items()))
            say(f"   {progress}; {killer.done.total()} kills")
        time.sleep(_POLL_SECONDS)


def _print_measurements(
    airflow: Cluster, sandbox: RunningSandbox, killer: Killer, memory: MemoryMonitor, seconds: float
) -> None:
    runs = airflow.runs()
    tasks = airflow.task_instances()
    times = [seconds_between(run["start_date"], run["end_date"]) for run in runs]
    say(f"Time per launch: {percentiles([each for each in times if each is not None])}")
    by_task: dict[str, list[float]] = defaultdict(list)
    tries: Counter[int] = Counter()
    for task in tasks:
        duration = seconds_between(task["start_date"], task["end_date"])
        if duration is not None and task["state"] in _TERMINAL:
            by_task[task["task_id"]].append(duration)
        tries[task["try_number"]] += 1
    for task_id, durations in by_task.items():
        say(f"   {task_id:<10} {percentiles(durations)}")
    by_try = ", ".join(f"{count} in try {number}" for number, count in sorted(tries.items()) if number)
    say(f"Tasks that ended: {by_try}")
    say(f"Launches per minute: {len(runs) / seconds * 60:.1f}")
    for line in describe_requests(list(sandbox.state.requests), seconds):
        say(line)
    kills = ", ".join(f"{count} {kind}" for kind, count in sorted(killer.done.items())) or "none"
    say(f"Kills: {killer.done.total()} ({kills}), {killer.processes} processes")
    peaks = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sorted(memory.peaks.items()))
    say(f"Maximum memory in MiB: {peaks}")


def _print_result(findings: Findings, launches: list[Launch], killer: Killer, seconds: float) -> int:
    if findings.none:
        sends = sum(launch.sends for launch in launches)
        say(
            f"Passed: {len(launches)} launches, {sends} sent each lead once, {len(launches) - sends} sent "
            f"none, one credit each, {killer.done.total()} kills, {seconds:.0f} s."
        )
        return 0
    for finding in findings.others:
        say(f"   {finding}")
    for name, wrong in list(findings.launches.items())[:_MAX_NAMED]:
        say(f"   {name}: {'; '.join(wrong)}")
    if len(findings.launches) > _MAX_NAMED:
        say(f"   and {len(findings.launches) - _MAX_NAMED} more")
    say(
        f"Failed: {len(findings.launches)} of {len(launches)} launches, "
        f"{len(findings.others)} other findings. Logs are in {os.path.relpath(FOLDER)}."
    )
    return 1


def conf(launch: Launch) -> dict[str, Any]:
    """Return the configuration of a launch's Dag run."""
    return {"launch": launch.name, "campaign_id": launch.campaign_id, "folder": str(FOLDER / "files")}


def write_leads(launches: list[Launch]) -> None:
    """Write a file of leads for each launch."""
    (FOLDER / "files").mkdir()
    for launch in launches:
        (FOLDER / "files" / f"{launch.name}.csv").write_text("\n".join(["email", *launch.leads, ""]))


@contextmanager
def _locked_folder() -> Iterator[None]:
    """Empty the folder and keep other runs out of it.

    :raises MissingError: another run uses it.
    """
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MissingError(f"Another cluster runs in {os.path.relpath(FOLDER)}.") from None
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        yield


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.system.cluster",
        description=__doc__.partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--launches", type=int, default=500, help="number of launches")
    add("--unhealthy", type=float, default=0.3, help="share of campaigns that are unfit to send")
    add("--kills", type=int, default=None, help="maximum number of kills; default: a tenth of the launches")
    add("--kill-every", type=float, default=12.0, help="seconds between two kills, on average")
    add("--seed", default="1", help="decides which campaigns are unfit, and what is killed when")
    add("--slots", type=int, default=6, help="task slots per worker")
    add("--processing", type=float, default=30.0, help="seconds that Campaign Cleaner takes per campaign")
    add("--latency", type=float, default=0.3, help="seconds per response of a service")
    add("--seconds", type=float, default=7200.0, help="give up after this time")
    # No defaults from the environment: --help would print them with their passwords.
    add("--postgres", help="URL of a running PostgreSQL, its user may create databases; or CLUSTER_POSTGRES")
    add("--redis", help="URL of a running Redis; or CLUSTER_REDIS")
    options = parser.parse_args()
    options.postgres = options.postgres or os.environ.get("CLUSTER_POSTGRES")
    options.redis = options.redis or os.environ.get("CLUSTER_REDIS")
    if options.kills is None:
        options.kills = max(options.launches // 10, 5)
    return options


def since(begun: float) -> str:
    """Return the seconds since a moment, in brackets."""
    return f"({time.monotonic() - begun:.0f} s)"


def say(text: str = "") -> None:
    """Print a line without delay."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
