"""What waits cost a triggerer: many waits of one contender, on one event loop, in one fresh process.

`python -m benchmarks.waits` takes a :class:`Plan` as JSON and prints a :class:`Figures` as JSON. The process
logs as a triggerer's does, at INFO, to nowhere. Its life:

1. One wait from beginning to end, so that everything is imported; then a pause, whose CPU is what the gauge
   of loop lag takes by itself. It is subtracted from what follows.
2. The waits arrive, evenly over one interval, or all at once, as when a triggerer starts.
3. Half an interval, 5 s at most, to settle, then the steady window: CPU, requests, connections, memory, lag.
4. The server completes the waits over one interval, 10 s at most, each at a moment known to both; the
   events are timed.
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
from benchmarks.control import atell
from benchmarks.server import WARM_UP, Completion, RunningServer, allow_many_files

_GAUGE_PERIOD = 0.01
_IDLE_SECONDS = 2.0
_WARM_UP_INTERVAL = 0.2
_LONGEST_SETTLING = 5.0
_LONGEST_COMPLETING = 10.0
_PAGE = resource.getpagesize()
# Of one core: less than this cannot be told from the gauge's own work.
_LEAST_CPU = 0.0005
# Old campaigns that stand in Campaign Cleaner's list beside those that are waited for.
HISTORY = 1000


@dataclass(frozen=True)
class Plan:
    """One measurement.

    :param contender: a key of :data:`benchmarks.contenders.CONTENDERS`.
    :param waits: how many.
    :param interval: seconds between two looks of one wait.
    :param tls: speak TLS.
    :param same: all waits are about the same campaign.
    :param at_once: all waits arrive at once.
    :param window: how many intervals the steady window lasts.
    :param limit: seconds that it all may take; what is not done by then is given up.
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
        """Return what the wait at a position is about."""
        return 0 if self.same else position

    @property
    def title(self) -> str:
        """The measurement in words."""
        how = [name for name, holds in (("same campaign", self.same), ("at once", self.at_once)) if holds]
        return ", ".join(
            [CONTENDERS[self.contender].title, f"{self.waits:,} waits", "TLS" if self.tls else "plain", *how]
        )


@dataclass(frozen=True)
class Figures:
    """What came of a measurement. CPU in milliseconds, memory in KiB, other times in seconds.

    :param requests: in the window, per interval.
    :param connections: open at the same time, at most, in the whole run.
    :param opened: connections opened in the window, per interval.
    :param cpu_per_wait: CPU per wait and interval.
    :param cpu_per_request: CPU in the window divided by its requests; None where there were none.
    :param memory_per_wait: growth of the resident set up to its highest in the window, per wait.
    :param lag_p99: how late a timer due at any moment of the window fired.
    :param lag_worst: likewise, the latest.
    :param lag_worst_ever: likewise, arrival and completion included.
    :param event_p50: from a wait's completion to its event.
    :param event_p99: likewise.
    :param ended_well: how many waits ended as they should.
    :param busy: the part of one core that was in use in the window.
    :param by_kind: requests in the window, by what was asked.
    """

    requests: float
    connections: int
    opened: float
    cpu_per_wait: float
    cpu_per_request: float | None
    memory_per_wait: float
    lag_p99: float
    lag_worst: float
    lag_worst_ever: float
    event_p50: float | None
    event_p99: float | None
    ended_well: int
    busy: float
    by_kind: dict[str, int]


class Gauge:
    """Watches how late the loop wakes a timer, and how much memory the process has."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.highest_resident = 0
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def mark(self) -> int:
        """Begin anew with the memory, and return where the lags stand."""
        self.highest_resident = resident()
        return len(self.lags)

    def stop(self) -> None:
        """Stop watching."""
        self._task.cancel()

    async def _watch(self) -> None:
        turn = 0
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_GAUGE_PERIOD)
            self.lags.append(max(0.0, time.perf_counter() - before - _GAUGE_PERIOD))
            turn += 1
            if turn % 10 == 0:
                self.highest_resident = max(self.highest_resident, resident())


async def measure(plan: Plan, url: str, control: int) -> Figures:
    """Carry a plan out in this process."""
    deadline = time.monotonic() + plan.limit
    wait = CONTENDERS[plan.contender].make(plan.interval, url)
    await atell(control, "/reset", waits=1, history=0)
    warm_up = CONTENDERS[plan.contender].make(_WARM_UP_INTERVAL, url)
    if not await asyncio.wait_for(warm_up(WARM_UP), 60):
        raise RuntimeError(f"{plan.title}: the first wait did not end as it should.")
    await atell(control, "/reset", waits=1 if plan.same else plan.waits, history=HISTORY)
    gc.collect()
    gauge = Gauge()
    idle = await _idle_cpu()
    before = resident()

    begun = gauge.mark()
    waiting = await _arrive(plan, wait)
    await asyncio.sleep(min(plan.interval / 2, _LONGEST_SETTLING))

    window_begun = gauge.mark()
    asked = await atell(control, "/counts")
    clock, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(plan.interval * plan.window)
    cpu, lasted = time.process_time() - cpu, time.monotonic() - clock
    now_asked = await atell(control, "/counts")
    lags = gauge.lags[window_begun:]
    grown = gauge.highest_resident - before

    completion = Completion(
        time.monotonic() + 0.2, 0.0 if plan.same else min(plan.interval, _LONGEST_COMPLETING)
    )
    await atell(control, "/complete", at=completion.at, spread=completion.spread)
    latencies = await _finish(plan, waiting, completion, deadline)
    gauge.stop()
    counts = await atell(control, "/counts")

    cpu = max(cpu - idle * lasted, _LEAST_CPU * lasted)
    intervals = lasted / plan.interval
    by_kind = {
        kind: number - asked["requests"].get(kind, 0) for kind, number in now_asked["requests"].items()
    }
    requests = sum(by_kind.values())
    return Figures(
        requests=requests / intervals,
        connections=counts["open_at_most"],
        opened=(now_asked["opened"] - asked["opened"]) / intervals,
        cpu_per_wait=1000 * cpu / plan.waits / intervals,
        cpu_per_request=1000 * cpu / requests if requests else None,
        memory_per_wait=grown / 1024 / plan.waits,
        lag_p99=_quantile(lateness(lags), 0.99) or 0.0,
        lag_worst=max(lags),
        lag_worst_ever=max(gauge.lags[begun:]),
        event_p50=_quantile(latencies, 0.5),
        event_p99=_quantile(latencies, 0.99),
        ended_well=len(latencies),
        busy=cpu / lasted,
        by_kind={kind: number for kind, number in by_kind.items() if number},
    )


async def _idle_cpu() -> float:
    """Return the CPU seconds a second that the gauge takes."""
    clock, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(_IDLE_SECONDS)
    return (time.process_time() - cpu) / (time.monotonic() - clock)


async def _arrive(plan: Plan, wait: Wait) -> list[asyncio.Task[tuple[bool, float]]]:
    """Start all waits."""
    begun = time.monotonic()
    tasks = []
    for position in range(plan.waits):
        due = 0.0 if plan.at_once else position / plan.waits * plan.interval
        # A triggerer gives way before each trigger too.
        await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
        tasks.append(asyncio.create_task(_timed(wait, plan.number(position))))
    return tasks


async def _timed(wait: Wait, number: int) -> tuple[bool, float]:
    well = await wait(number)
    return well, time.monotonic()


async def _finish(
    plan: Plan,
    waiting: Sequence[asyncio.Task[tuple[bool, float]]],
    completion: Completion,
    deadline: float,
) -> list[float]:
    """Return how long after its completion each wait had its event, of those that ended as they should."""
    await asyncio.wait(waiting, timeout=max(1.0, deadline - time.monotonic()))
    latencies = []
    for position, task in enumerate(waiting):
        if task.done() and not task.cancelled() and task.exception() is None:
            well, moment = task.result()
            late = moment - completion.of(plan.number(position))
            if well and late >= 0:
                latencies.append(late)
    return latencies


def lateness(lags: Sequence[float]) -> list[float]:
    """Return how late a timer would have been at moments one period apart.

    The gauge itself is held up by the loop, so it would see a long halt once, where in truth every timer that
    fell due during the halt was late.
    """
    late = []
    for lag in lags:
        rest = lag
        while rest > 0:
            late.append(rest)
            rest -= _GAUGE_PERIOD
    return late


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def _quantile(values: Sequence[float], part: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def in_fresh_process(plan: Plan, server: RunningServer) -> Figures:
    """Carry a plan out in a process of its own.

    :raises RuntimeError: it came to no end, or to a bad one.
    """
    with clean_environment(connections(server, tls=plan.tls)) as environment:
        trust = {name: str(server.certificate) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        command = [sys.executable, "-m", "benchmarks.waits", json.dumps(asdict(plan))]
        where = [server.url(tls=plan.tls), str(server.ports["control"])]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, *where],
                env=environment | trust,
                capture_output=True,
                text=True,
                timeout=plan.limit + 90,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{plan.title}: given up after {plan.limit + 90:g} s.") from None
    if done.returncode:
        raise RuntimeError(f"{plan.title}: {done.stderr[-2000:]}")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def clean_environment(more: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment of a process that knows of no Airflow and no proxy, with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and not name.lower().endswith("_proxy")
    }
    with tempfile.TemporaryDirectory(prefix="bench-home-") as home:
        yield kept | {"AIRFLOW_HOME": home, "PYTHONWARNINGS": "ignore"} | more


def _log_like_a_triggerer() -> None:
    from airflow.sdk.log import configure_logging

    nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0)
    configure_logging(json_output=True, output=nowhere, sending_to_supervisor=True)


def main(arguments: Sequence[str]) -> None:
    """Measure one plan, and print what came of it."""
    allow_many_files()
    _log_like_a_triggerer()
    description: dict[str, Any] = json.loads(arguments[0])
    figures = asyncio.new_event_loop().run_until_complete(
        measure(Plan(**description), arguments[1], int(arguments[2]))
    )
    print(json.dumps(asdict(figures)), flush=True)
    # Thousands of waits that were given up need no burial.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
