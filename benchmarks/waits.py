"""Measures waits in a triggerer: many waits of one contender on one event loop in one fresh process.

`python -m benchmarks.waits` takes a :class:`Plan` as JSON and prints :class:`Measurements` as JSON. The
process logs like a triggerer, at INFO, to /dev/null. Its steps:

1. One complete wait, so that everything is imported; then a pause, in which only the monitor of the event
   loop uses CPU. That CPU is subtracted later.
2. The waits start, evenly over one interval, or all at once as when a triggerer starts.
3. A pause of half an interval, 5 s at most, then the steady window: CPU, requests, connections, memory, lag.
4. The server completes the waits over one interval, 10 s at most, each at a known time; the delays of the
   events are measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS, Wait, connections
from benchmarks.control import acontrol
from benchmarks.server import WARM_UP, Completion, RunningServer, allow_many_files

_MONITOR_PERIOD = 0.01
_IDLE_SECONDS = 8.0
_WARM_UP_INTERVAL = 0.2
_MAX_SETTLING = 5.0
_MAX_COMPLETING = 10.0
_PAGE = resource.getpagesize()
# Share of one core: less cannot be distinguished from the monitor's own work.
_MIN_CPU = 0.0005
# Older campaigns in Campaign Cleaner's list, beside those of the waits.
HISTORY = 1000


@dataclass(frozen=True)
class Plan:
    """One measurement.

    :param contender: a key of :data:`benchmarks.contenders.CONTENDERS`.
    :param waits: the number of waits.
    :param interval: seconds between two polls of one wait.
    :param tls: use TLS.
    :param same: all waits are for the same campaign.
    :param at_once: all waits start at once.
    :param window: length of the steady window, in intervals.
    :param limit: the maximum seconds of the measurement; waits that are not done by then are given up.
    """

    contender: str
    waits: int
    interval: float
    tls: bool = False
    same: bool = False
    at_once: bool = False
    window: float = 4.0
    limit: float = 240.0

    def number(self, position: int) -> int:
        """Return the number of the wait at a position."""
        return 0 if self.same else position

    @property
    def title(self) -> str:
        """A description of the measurement."""
        how = [name for name, holds in (("same campaign", self.same), ("at once", self.at_once)) if holds]
        return ", ".join(
            [CONTENDERS[self.contender].title, f"{self.waits:,} waits", "TLS" if self.tls else "plain", *how]
        )


@dataclass(frozen=True)
class Measurements:
    """The result of a plan. CPU is in milliseconds, memory in KiB, other times are in seconds.

    :param requests: requests per interval in the window.
    :param connections: the maximum of connections at the same time, in the whole run.
    :param opened: new connections per interval in the window.
    :param cpu_per_wait: CPU per wait and interval.
    :param cpu_per_request: CPU per request in the window; None without requests.
    :param memory_per_wait: the largest growth of the resident set in the window, per wait.
    :param cpu_to_start: CPU seconds until all waits have begun and polled for the first time.
    :param lag_p99: the delay of a timer in the window, 99th percentile.
    :param lag_worst: the same, maximum.
    :param lag_worst_ever: the same, with the start and the completion of the waits.
    :param event_p50: from a wait's completion to its event, median.
    :param event_p99: the same, 99th percentile.
    :param succeeded: waits that ended correctly.
    :param busy: the share of one core that was used in the window.
    :param by_kind: requests in the window, by endpoint.
    """

    requests: float
    connections: int
    opened: float
    cpu_per_wait: float
    cpu_per_request: float | None
    memory_per_wait: float
    cpu_to_start: float
    lag_p99: float
    lag_worst: float
    lag_worst_ever: float
    event_p50: float | None
    event_p99: float | None
    succeeded: int
    busy: float
    by_kind: dict[str, int]


class Monitor:
    """Measures the delay of the event loop's timers, and the memory of the process."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.peak_resident = 0
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def mark(self) -> int:
        """Reset the memory's peak, and return the number of delays so far."""
        self.peak_resident = resident()
        return len(self.lags)

    def stop(self) -> None:
        """Stop measuring."""
        self._task.cancel()

    async def _watch(self) -> None:
        turn = 0
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_MONITOR_PERIOD)
            self.lags.append(max(0.0, time.perf_counter() - before - _MONITOR_PERIOD))
            turn += 1
            if turn % 10 == 0:
                self.peak_resident = max(self.peak_resident, resident())


async def measure(plan: Plan, url: str, control: int) -> Measurements:
    """Execute a plan in this process."""
    deadline = time.monotonic() + plan.limit
    wait = CONTENDERS[plan.contender].make(plan.interval, url)
    await acontrol(control, "/reset", waits=1, history=0)
    warm_up = CONTENDERS[plan.contender].make(_WARM_UP_INTERVAL, url)
    if not await asyncio.wait_for(warm_up(WARM_UP), 60):
        raise RuntimeError(f"{plan.title}: the first wait failed.")
    await acontrol(control, "/reset", waits=1 if plan.same else plan.waits, history=HISTORY)
    gc.collect()
    monitor = Monitor()
    idle = await _idle_cpu()
    before = resident()

    begun = monitor.mark()
    clock, cpu = time.monotonic(), time.process_time()
    waiting = await _start(plan, wait)
    await asyncio.sleep(min(plan.interval / 2, _MAX_SETTLING))
    to_start = time.process_time() - cpu - idle * (time.monotonic() - clock)

    window_begun = monitor.mark()
    before_window = await acontrol(control, "/counts")
    clock, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(plan.interval * plan.window)
    cpu, seconds = time.process_time() - cpu, time.monotonic() - clock
    after_window = await acontrol(control, "/counts")
    lags = monitor.lags[window_begun:]
    grown = monitor.peak_resident - before

    completion = Completion(time.monotonic() + 0.2, 0.0 if plan.same else min(plan.interval, _MAX_COMPLETING))
    await acontrol(control, "/complete", at=completion.at, spread=completion.spread)
    latencies = await _finish(plan, waiting, completion, deadline)
    monitor.stop()
    counts = await acontrol(control, "/counts")

    cpu = max(cpu - idle * seconds, _MIN_CPU * seconds)
    intervals = seconds / plan.interval
    by_kind = {
        kind: number - before_window["requests"].get(kind, 0)
        for kind, number in after_window["requests"].items()
    }
    requests = sum(by_kind.values())
    return Measurements(
        requests=requests / intervals,
        connections=counts["open_at_most"],
        opened=(after_window["opened"] - before_window["opened"]) / intervals,
        cpu_per_wait=1000 * cpu / plan.waits / intervals,
        cpu_per_request=1000 * cpu / requests if requests else None,
        memory_per_wait=grown / 1024 / plan.waits,
        cpu_to_start=to_start,
        lag_p99=_quantile(lateness(lags), 0.99) or 0.0,
        lag_worst=max(lags),
        lag_worst_ever=max(monitor.lags[begun:]),
        event_p50=_quantile(latencies, 0.5),
        event_p99=_quantile(latencies, 0.99),
        succeeded=len(latencies),
        busy=cpu / seconds,
        by_kind={kind: number for kind, number in by_kind.items() if number},
    )


async def _idle_cpu() -> float:
    """Return the CPU seconds per second that the monitor uses."""
    clock, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(_IDLE_SECONDS)
    return (time.process_time() - cpu) / (time.monotonic() - clock)


async def _start(plan: Plan, wait: Wait) -> list[asyncio.Task[tuple[bool, float]]]:
    """Start all waits."""
    begun = time.monotonic()
    tasks = []
    for position in range(plan.waits):
        due = 0.0 if plan.at_once else position / plan.waits * plan.interval
        # A triggerer also yields to the event loop before each trigger.
        await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
        tasks.append(asyncio.create_task(_timed(wait, plan.number(position))))
    return tasks


async def _timed(wait: Wait, number: int) -> tuple[bool, float]:
    succeeded = await wait(number)
    return succeeded, time.monotonic()


async def _finish(
    plan: Plan,
    waiting: Sequence[asyncio.Task[tuple[bool, float]]],
    completion: Completion,
    deadline: float,
) -> list[float]:
    """Return the delay from completion to event, for each wait that ended correctly."""
    await asyncio.wait(waiting, timeout=max(1.0, deadline - time.monotonic()))
    latencies = []
    for position, task in enumerate(waiting):
        if task.done() and not task.cancelled() and task.exception() is None:
            succeeded, ended = task.result()
            late = ended - completion.of(plan.number(position))
            if succeeded and late >= 0:
                latencies.append(late)
    return latencies


def lateness(lags: Sequence[float]) -> list[float]:
    """Return the delays of timers that are due one period apart.

    The loop delays the monitor too: it measures a long pause once, but each timer that was due in that pause
    is late.
    """
    late = []
    for lag in lags:
        rest = lag
        while rest > 0:
            late.append(rest)
            rest -= _MONITOR_PERIOD
    return late


def resident() -> int:
    """Return the resident set of this process in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def _quantile(values: Sequence[float], part: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def in_fresh_process(plan: Plan, server: RunningServer) -> Measurements:
    """Execute a plan in its own process.

    :raises RuntimeError: it failed, or did not end in time.
    """
    with clean_environment(connections(server, tls=plan.tls)) as environment:
        certificates = {name: str(server.certificate) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        command = [sys.executable, "-m", "benchmarks.waits", json.dumps(asdict(plan))]
        addresses = [server.url(tls=plan.tls), str(server.ports["control"])]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, *addresses],
                env=environment | certificates,
                capture_output=True,
                text=True,
                timeout=plan.limit + 90,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{plan.title}: given up after {plan.limit + 90:g} s.") from None
    if done.returncode:
        raise RuntimeError(f"{plan.title}: {done.stderr[-2000:]}")
    return Measurements(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def clean_environment(more: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield an environment without Airflow's variables and proxies, with a new home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and not name.lower().endswith("_proxy")
    }
    with tempfile.TemporaryDirectory(prefix="bench-home-") as home:
        yield kept | {"AIRFLOW_HOME": home, "PYTHONWARNINGS": "ignore"} | more


def _log_like_a_triggerer() -> None:
    from airflow.sdk.log import configure_logging

    devnull = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0)
    configure_logging(json_output=True, output=devnull, sending_to_supervisor=True)


def main(arguments: Sequence[str]) -> None:
    """Execute one plan, and print the result."""
    allow_many_files()
    _log_like_a_triggerer()
    description: dict[str, Any] = json.loads(arguments[0])
    measured = asyncio.new_event_loop().run_until_complete(
        measure(Plan(**description), arguments[1], int(arguments[2]))
    )
    print(json.dumps(asdict(measured)), flush=True)
    # Do not cancel thousands of waits that were given up.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
