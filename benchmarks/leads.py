"""Measures the upload of a file of leads: this provider's operator, and a plain task.

The plain task is what a user would write in a `@task`: read the file with `csv`, post the rows in batches
with `requests`. Each row of the table is a fresh process, which first adds a small file so that everything is
imported. Memory is the largest growth of the resident set.

`python -m benchmarks.leads` takes a contender, a URL, two files and the number of leads in the second one,
and prints an :class:`Upload` as JSON.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.contenders import KEY, connections
from benchmarks.server import RunningServer, instantly_id
from benchmarks.waits import clean_environment

CAMPAIGN = instantly_id(1)
BATCH = 1000
_WARM_UP = 2 * BATCH
TITLES = {"ours": "ours: InstantlyAddLeadsOperator", "plain": "csv and requests, all rows in a list"}
PLANS = (("ours", 10_000), ("plain", 10_000), ("ours", 100_000), ("plain", 100_000), ("ours", 1_000_000))


@dataclass(frozen=True)
class Upload:
    """The measurements of an upload.

    :param contender: a key of :data:`TITLES`.
    :param leads: leads in the file.
    :param uploaded: leads that the server counted.
    :param mebibytes: the largest growth of the resident set.
    :param cpu_seconds: CPU seconds of the process.
    :param wall_seconds: duration of the upload.
    """

    contender: str
    leads: int
    uploaded: int
    mebibytes: float
    cpu_seconds: float
    wall_seconds: float


def run(server: RunningServer, *, quick: bool) -> list[Upload]:
    """Measure all uploads; in a quick run only those of up to 10,000 leads."""
    with tempfile.TemporaryDirectory(prefix="bench-leads-") as folder:
        return [
            _in_fresh_process(contender, leads, server, Path(folder))
            for contender, leads in PLANS
            if not quick or leads <= 10 * BATCH
        ]


def write_leads(path: Path, number: int) -> Path:
    """Write a CSV file of leads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("email", "first_name", "last_name", "company_name", "favourite_colour"))
        rows.writerows(
            (f"lead{each}@example.com", f"First{each}", f"Last{each}", f"Company {each % 977}", "green")
            for each in range(number)
        )
    return path


def _in_fresh_process(contender: str, leads: int, server: RunningServer, folder: Path) -> Upload:
    small = write_leads(folder / "small.csv", _WARM_UP)
    large = write_leads(folder / "large.csv", leads)
    with clean_environment(connections(server, tls=False)) as environment:
        done = subprocess.run(  # noqa: S603
            [
                sys.executable,
                "-m",
                "benchmarks.leads",
                contender,
                server.url(tls=False),
                small,
                large,
                str(leads),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{TITLES[contender]}: {done.stderr[-2000:]}")
    return Upload(**json.loads(done.stdout.splitlines()[-1]))


def _ours(url: str) -> Callable[[str], int]:
    from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator

    def add(path: str) -> int:
        operator = InstantlyAddLeadsOperator(task_id="add", campaign_id=CAMPAIGN, leads_path=path)
        return int(operator.execute({})["leads_uploaded"])

    return add


def _plain(url: str) -> Callable[[str], int]:
    import requests

    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {KEY}"

    def add(path: str) -> int:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        uploaded = 0
        for start in range(0, len(rows), BATCH):
            body = {"campaign_id": CAMPAIGN, "leads": [_lead(row) for row in rows[start : start + BATCH]]}
            response = session.post(f"{url}/api/v2/leads/add", json=body, timeout=30)
            response.raise_for_status()
            uploaded += response.json()["leads_uploaded"]
        return uploaded

    return add


def _lead(row: Mapping[str, str]) -> dict[str, object]:
    fields = {name: row[name] for name in ("email", "first_name", "last_name", "company_name")}
    return {**fields, "custom_variables": {"favourite_colour": row["favourite_colour"]}}


def _memory(name: str) -> int:
    """Return a value of the process's status in KiB."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))


def main(arguments: Sequence[str]) -> None:
    """Measure one contender, and print the result."""
    contender, url, small, large, leads = arguments
    add = {"ours": _ours, "plain": _plain}[contender](url)
    add(small)
    # Reset the peak of the resident set.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, clock, cpu = _memory("VmRSS"), time.perf_counter(), time.process_time()
    uploaded = add(large)
    upload = Upload(
        contender=contender,
        leads=int(leads),
        uploaded=uploaded,
        mebibytes=(_memory("VmHWM") - before) / 1024,
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.perf_counter() - clock,
    )
    print(json.dumps(asdict(upload)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
