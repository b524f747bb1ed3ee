"""Times, requests, CPU and memory of a run, in words."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psutil

from tests.system.cluster.components import Cluster, cpu_of


def percentiles(seconds: Sequence[float]) -> str:
    """Describe times by their median, their 99th percentile and their maximum."""
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    median, late = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.99))
    return f"p50 {median:.1f} s, p99 {late:.1f} s, maximum {ordered[-1]:.1f} s"


def seconds_between(begun: str | None, ended: str | None) -> float | None:
    """Return the seconds between two of Airflow's timestamps; None where one is missing."""
    if not begun or not ended:
        return None
    first, last = (datetime.fromisoformat(each.replace("Z", "+00:00")) for each in (begun, ended))
    return (last - first).total_seconds()


def describe_requests(requests: Sequence[Any], seconds: float) -> list[str]:
    """Describe the requests to each service: how many, the rate, the errors, and the endpoints."""
    lines = []
    for service in sorted({each.service for each in requests}):
        own = [each for each in requests if each.service == service]
        busiest = max(Counter(each.time[:19] for each in own).values())
        failed = Counter(each.status for each in own if each.status is not None and each.status >= 400)
        errors = "".join(f", {times} with status {status}" for status, times in sorted(failed.items()))
        paths = Counter(f"{each.method} {_without_ids(each.path)}" for each in own)
        lines.append(
            f"{service}: {len(own):,} requests, {len(own) / seconds:.1f} per second, "
            f"{busiest} in the busiest second{errors}"
        )
        lines += [f"   {times:>7,} {path}" for path, times in paths.most_common()]
    return lines


def _without_ids(path: str) -> str:
    parts = ("{id}" if len(part) == 36 and part.count("-") == 4 else part for part in path.split("/"))
    return "/".join(parts)


def cpu_by_component(airflow: Cluster) -> dict[str, float]:
    """Return the CPU seconds of each component, and of PostgreSQL and Redis where this process runs them."""
    seconds = {name: component.cpu() for name, component in airflow.components.items()}
    components = {each.process.pid for each in airflow.components.values() if each.process is not None}
    for process in psutil.Process().children():
        if process.pid not in components:
            seconds[process.name()] = cpu_of([process, *process.children(recursive=True)])
    return seconds


class MemoryMonitor(threading.Thread):
    """Measures every few seconds how much memory each component has."""

    def __init__(self, airflow: Cluster, every: float = 10.0) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, int] = {}
        self._airflow = airflow
        self._every = every
        self._stopping = threading.Event()

    def run(self) -> None:
        """Measure until :meth:`stop` is called."""
        while not self._stopping.wait(self._every):
            for name, component in self._airflow.components.items():
                self.peaks[name] = max(self.peaks.get(name, 0), component.memory())

    def stop(self) -> None:
        """Stop measuring."""
        self._stopping.set()
        if self.is_alive():
            self.join()
