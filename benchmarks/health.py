"""Measures a health report on a workspace: this provider's operator, and a plain task.

The plain task is what a user would write in a `@task`: list the campaigns, and fetch one sending status after
another with `requests`, without a check. Each row of the table is a fresh process, which first reports on a
small workspace so that everything is imported.

`python -m benchmarks.health` takes a contender, a URL and the control port, and prints a :class:`Check` as
JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.contenders import KEY, connections
from benchmarks.control import control
from benchmarks.server import RunningServer
from benchmarks.waits import clean_environment

CAMPAIGNS = 1000
TITLES = {"ours": "ours: InstantlyHealthReportOperator", "plain": "requests, one campaign after another"}


@dataclass(frozen=True)
class Check:
    """The measurements of a report.

    :param contender: a key of :data:`TITLES`.
    :param campaigns: campaigns with a sending status.
    :param requests: requests that the server counted.
    :param connections: connections at the same time.
    :param cpu_seconds: CPU seconds of the process.
    :param wall_seconds: duration of the report.
    """

    contender: str
    campaigns: int
    requests: int
    connections: int
    cpu_seconds: float
    wall_seconds: float


def run(server: RunningServer) -> list[Check]:
    """Measure both."""
    return [_in_fresh_process(contender, server) for contender in TITLES]


def _in_fresh_process(contender: str, server: RunningServer) -> Check:
    command = [sys.executable, "-m", "benchmarks.health", contender]
    address = [server.url(tls=False), str(server.ports["control"])]
    with clean_environment(connections(server, tls=False)) as environment:
        done = subprocess.run(  # noqa: S603
            [*command, *address], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{TITLES[contender]}: {done.stderr[-2000:]}")
    return Check(**json.loads(done.stdout.splitlines()[-1]))


def _ours(_: str) -> Callable[[], int]:
    from airflow_provider_campaigns.operators.instantly import InstantlyHealthReportOperator

    class Task:
        codes = 0

        def xcom_push(self, key: str, value: dict[str, dict[str, int]]) -> None:
            if key == "summary":
                self.codes = sum(value["codes"].values())

    def check() -> int:
        task = Task()
        InstantlyHealthReportOperator(task_id="report").execute({"ti": task})  # type: ignore[typeddict-item]
        return task.codes

    return check


def _plain(url: str) -> Callable[[], int]:
    import requests

    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {KEY}"
    root = f"{url}/api/v2/campaigns"

    def check() -> int:
        ids: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = session.get(root, params={"limit": "100", "starting_after": cursor}, timeout=30).json()
            ids += [each["id"] for each in page["items"]]
            cursor = page.get("next_starting_after")
        statuses = [session.get(f"{root}/{each}/sending-status", timeout=30).json() for each in ids]
        return len([each["diagnostics"]["status"] for each in statuses])

    return check


def main(arguments: Sequence[str]) -> None:
    """Measure one contender, and print the result."""
    contender, url, port = arguments
    check = {"ours": _ours, "plain": _plain}[contender](url)
    control(int(port), "/reset", waits=10, history=0)
    check()
    control(int(port), "/reset", waits=CAMPAIGNS, history=0)
    clock, cpu = time.perf_counter(), time.process_time()
    checked = check()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - clock
    counts = control(int(port), "/counts")
    measured = Check(
        contender=contender,
        campaigns=checked,
        requests=sum(counts["requests"].values()),
        connections=counts["open_at_most"],
        cpu_seconds=cpu,
        wall_seconds=wall,
    )
    print(json.dumps(asdict(measured)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
