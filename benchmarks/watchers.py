"""Measures watchers of an account with 5,000 campaigns, of which 1 % change a minute.

Each row is a fresh process with one watcher on Airflow's own shared streams, and a state in memory. Events
count as stored when they are fired.

`python -m benchmarks.watchers` takes the name of a watcher, the seconds and the control port, and prints a
:class:`Watched` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contenders import connections
from benchmarks.control import acontrol
from benchmarks.server import RunningServer
from benchmarks.waits import Monitor, clean_environment

CAMPAIGNS = 5000
CHANGES_A_MINUTE = 50
# In Campaign Cleaner, most campaigns of an account are completed.
_OPEN = 500
_MAX_START = 60.0
# Seconds between two polls: shorter than the defaults, which only lowers the number of polls in the window.
INTERVALS = {"campaign_cleaner_completed": 5.0, "instantly_health_changed": 20.0}


@dataclass(frozen=True)
class Watched:
    """The measurements of a watcher in a window.

    :param watcher: its name.
    :param polls: polls in the window.
    :param requests: requests per poll.
    :param events: the events that it fired.
    :param cpu_seconds: CPU per poll.
    :param lag_worst: the largest delay of a timer, in seconds.
    :param state_bytes: the size of its state at the end.
    :param writes: how often it stored its state.
    """

    watcher: str
    polls: float
    requests: float
    events: int
    cpu_seconds: float
    lag_worst: float
    state_bytes: int
    writes: int


class State:
    """The state of an asset, in memory."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0

    async def aget(self, key: str) -> Any:
        """Return a value."""
        return json.loads(self.values[key]) if key in self.values else None

    async def aset(self, key: str, value: Any) -> None:
        """Store a value."""
        self.values[key] = json.dumps(value)
        self.writes += 1


def run(server: RunningServer, *, quick: bool) -> list[Watched]:
    """Measure both watchers."""
    return [_in_fresh_process(name, 20 if quick else 60, server) for name in INTERVALS]


def _in_fresh_process(name: str, seconds: float, server: RunningServer) -> Watched:
    command = [sys.executable, "-m", "benchmarks.watchers", name, str(seconds), str(server.ports["control"])]
    with clean_environment(connections(server, tls=False)) as environment:
        done = subprocess.run(  # noqa: S603
            command, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    return Watched(**json.loads(done.stdout.splitlines()[-1]))


async def measure(name: str, seconds: float, port: int) -> Watched:
    """Run a watcher in this process."""
    from airflow_provider_campaigns import watchers

    interval = INTERVALS[name]
    watched = _OPEN if name == "campaign_cleaner_completed" else CAMPAIGNS
    extra = {} if name == "campaign_cleaner_completed" else {"on": "code"}
    await acontrol(port, "/reset", waits=watched, history=CAMPAIGNS - _OPEN)
    trigger: Any = getattr(watchers, name)("benchmark", poke_interval=interval, **extra).watchers[0].trigger
    trigger.asset_state_store = state = State()
    fired: list[Any] = []
    watching = asyncio.create_task(_watch(trigger, fired))
    begun = time.monotonic()
    while not state.values:
        if time.monotonic() - begun > _MAX_START:
            raise RuntimeError("The first poll took too long.")
        await asyncio.sleep(0.1)

    monitor = Monitor()
    await acontrol(port, "/complete", at=time.monotonic(), spread=60.0 * watched / CHANGES_A_MINUTE)
    before, writes, clock, cpu = (
        await acontrol(port, "/counts"),
        state.writes,
        time.monotonic(),
        time.process_time(),
    )
    await asyncio.sleep(seconds)
    cpu, polls = time.process_time() - cpu, (time.monotonic() - clock) / interval
    after = await acontrol(port, "/counts")
    watching.cancel()
    return Watched(
        watcher=name,
        polls=polls,
        requests=(sum(after["requests"].values()) - sum(before["requests"].values())) / polls,
        events=len(fired),
        cpu_seconds=cpu / polls,
        lag_worst=max(monitor.lags),
        state_bytes=sum(map(len, state.values.values())),
        writes=state.writes - writes,
    )


async def _watch(trigger: Any, fired: list[Any]) -> None:
    """Run a trigger as Airflow does, and confirm each event at once."""
    from airflow.triggers.shared_stream import SharedStreamManager

    manager, key = SharedStreamManager(), trigger.shared_stream_key()
    stream = manager.subscribe(trigger_id=1, trigger=trigger, key=key)
    async for event in trigger.filter_shared_stream(stream):
        seq = manager.bind_pending_event(trigger_id=1, key=key)
        fired.append(event.payload)
        manager.confirm_persisted([seq] if seq is not None else [])


def main(arguments: Sequence[str]) -> None:
    """Measure one watcher, and print the result."""
    name, seconds, port = arguments
    print(json.dumps(asdict(asyncio.run(measure(name, float(seconds), int(port))))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
