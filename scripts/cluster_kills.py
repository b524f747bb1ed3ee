"""Kills processes of a cluster with SIGKILL, in an order that a seed tells, and starts them again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress

import psutil
from cluster_airflow import Cluster, Component

_ASKING = "task that asks"
# One round: what is killed, and how often. Their order is drawn anew for each round. A task that asks has a
# connection to a service: its request is on its way, or the answer is.
ROUND = {_ASKING: 3, "task": 1, "task's supervisor": 2, "worker": 2, "triggerer": 2, "scheduler": 1}
_AWAY = (2.0, 8.0)
_LOOK_EVERY = 0.05


class Killer(threading.Thread):
    """Kills now and then until it is told to stop, or has killed often enough.

    :param kills: how often, at most.
    :param every: seconds between two kills, on average.
    :param port: where the services listen.
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
        self._stop_asked = threading.Event()
        self._returns: list[threading.Timer] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Kill, until told to stop."""
        kinds: list[str] = []
        while self.done.total() < self._kills and not self._pause(
            self._every * self._chance.uniform(0.5, 1.5)
        ):
            if not kinds:
                kinds = list(Counter(ROUND).elements())
                self._chance.shuffle(kinds)
            kind = kinds.pop()
            while not self._kill(kind):
                if self._pause(_LOOK_EVERY):
                    return

    def stop(self) -> None:
        """Kill no more; once this returns, nothing that was killed is started again."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()
        with self._lock:
            for timer in self._returns:
                timer.cancel()

    def _pause(self, seconds: float) -> bool:
        return self._stop_asked.wait(seconds)

    def _kill(self, kind: str) -> bool:
        """Kill one of a kind; return whether there was one."""
        if "task" in kind:
            return self._kill_task(kind)
        running = [
            component
            for name, component in self._cluster.components.items()
            if name.startswith(kind) and component.process is not None and component.process.poll() is None
        ]
        if kind == "worker":  # one that has nothing to lose proves nothing
            running = [worker for worker in running if worker.tasks()]
        if not running:
            return False
        self._kill_component(self._chance.choice(running), kind)
        return True

    def _kill_task(self, kind: str) -> bool:
        tasks = [pair for worker in self._cluster.workers() for pair in worker.tasks()]
        if kind == _ASKING:
            tasks = [(supervisor, task) for supervisor, task in tasks if self._asks(task)]
        if not tasks:
            return False
        supervisor, task = self._chance.choice(tasks)
        with suppress(psutil.NoSuchProcess):
            (supervisor if kind == "task's supervisor" else task).kill()
            self.done[kind] += 1
            self.processes += 1
            return True
        return False

    def _asks(self, task: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(each.raddr and each.raddr.port == self._port for each in task.net_connections("tcp"))
        return False

    def _kill_component(self, component: Component, kind: str) -> None:
        self.processes += component.kill()
        self.done[kind] += 1
        with self._lock:
            timer = threading.Timer(self._chance.uniform(*_AWAY), self._start_again, [component])
            self._returns.append(timer)
            timer.start()

    def _start_again(self, component: Component) -> None:
        with self._lock:
            if not self._stop_asked.is_set():
                component.start()
