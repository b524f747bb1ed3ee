"""The machine of the measurements, and the versions of the packages."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "airflow-provider-campaigns",
    "apache-airflow",
    "apache-airflow-providers-http",
    "apache-airflow-providers-dbt-cloud",
    "aiohttp",
    "requests",
)


def describe() -> dict[str, str]:
    """Return the description as names and values."""
    values = {
        "Measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{_after_colon('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores usable",
        "Memory": f"{int(_after_colon('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB",
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
        "System": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
    return values | {package: version(package) for package in _PACKAGES}


def _after_colon(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown 0"
