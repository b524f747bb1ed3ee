"""Kills processes of a cluster with SIGKILL in an order that a seed decides, and restarts them."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress

import psutil

from tests.system.cluster.components import Cluster, Component

_CONNECTED_TASK = "task with a connection"
# One round: what is killed, and how often. The order is shuffled for each round. A task with a connection to
# a service has sent a request and does not have the response yet, or not all of it.
ROUND = {
    _CONNECTED_TASK: 3,
    "task": 1,
    "task's supervisor": 2,
    "worker": 2,
    "triggerer": 2,
    "scheduler": 1,
}
_RESTART_DELAY = (2.0, 8.0)
_RETRY_PAUSE = 0.05


class Killer(threading.Thread):
    """Kills processes until it is stopped or has killed often enough.

    :param kills: the maximum number of kills.
    :param every: seconds between two kills, on average.
    :param port: the port of the services.
    """

    def __init__(
        self, cluster: Cluster, chance: random.Random, *, kills: int, every: float, port: int
    ) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self.processes = 0
        self._cluster = cluster
        self._chance = chance
        self._kills = kills
        self._every = every
        self._port = port
        self._stopping = threading.Event()
        self._restarts: list[threading.Timer] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Kill until :meth:`stop` is called."""
        kinds: list[str] = []
        while self.done.total() < self._kills and not self._pause(
            self._every * self._chance.uniform(0.5, 1.5)
        ):
            if not kinds:
                kinds = list(Counter(ROUND).elements())
                self._chance.shuffle(kinds)
            kind = kinds.pop()
            while not self._kill(kind):
                if self._pause(_RETRY_PAUSE):
                    return

    def stop(self) -> None:
        """Stop killing; after this returns, no killed process is restarted."""
        self._stopping.set()
        if self.is_alive():
            self.join()
        with self._lock:
            for timer in self._restarts:
                timer.cancel()

    def _pause(self, seconds: float) -> bool:
        """Wait, and return whether to stop."""
        return self._stopping.wait(seconds)

    def _kill(self, kind: str) -> bool:
        """Kill one process of a kind, and return whether there was one."""
        if "task" in kind:
            return self._kill_task(kind)
        running = [
            component
            for name, component in self._cluster.components.items()
            if name.startswith(kind) and component.process is not None and component.process.poll() is None
        ]
        if kind == "worker":  # killing an idle worker tests nothing
            running = [worker for worker in running if worker.tasks()]
        if not running:
            return False
        self._kill_component(self._chance.choice(running), kind)
        return True

    def _kill_task(self, kind: str) -> bool:
        tasks = [pair for worker in self._cluster.workers() for pair in worker.tasks()]
        if kind == _CONNECTED_TASK:
            tasks = [(supervisor, task) for supervisor, task in tasks if self._has_connection(task)]
        if not tasks:
            return False
        supervisor, task = self._chance.choice(tasks)
        with suppress(psutil.NoSuchProcess):
            (supervisor if kind == "task's supervisor" else task).kill()
            self.done[kind] += 1
            self.processes += 1
            return True
        return False

    def _has_connection(self, task: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(each.raddr and each.raddr.port == self._port for each in task.net_connections("tcp"))
        return False

    def _kill_component(self, component: Component, kind: str) -> None:
        self.processes += component.kill()
        self.done[kind] += 1
        with self._lock:
            timer = threading.Timer(self._chance.uniform(*_RESTART_DELAY), self._restart, [component])
            self._restarts.append(timer)
            timer.start()

    def _restart(self, component: Component) -> None:
        with self._lock:
            if not self._stopping.is_set():
                component.start()
