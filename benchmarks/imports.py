"""Measures Dag parsing: time and memory of each public module in addition to `airflow.sdk`, and of 200 tasks.

Measured in two ways, each a median over several processes. *Fresh*: a new process imports what every Dag file
imports, then the measurement starts. *Forked*: a fork of a process with those imports, as Airflow's Dag
processor does it. A fresh process takes seconds to start, so only modules that Dag files import are measured
in both ways. Memory is that of anonymous pages, which the process does not share.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.waits import clean_environment

# The modules that users import; deeper ones are imported by these.
PUBLIC = ("exceptions", "hooks", "links", "operators", "retries", "sensors", "triggers")
PACKAGE = Path(__file__).resolve().parent.parent / "airflow_provider_campaigns"
PEERS = (
    "airflow.providers.http.sensors.http",
    "airflow.providers.http.operators.http",
    "airflow.providers.http.triggers.http",
    "airflow.providers.dbt.cloud.sensors.dbt",
    "airflow.providers.dbt.cloud.operators.dbt",
    "airflow.providers.dbt.cloud.triggers.dbt",
)
_TASKS = 200

_PROBE = """
import gc, json, os, sys, time
from importlib import import_module, util
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

def load(what):
    memory, clock = anonymous(), time.perf_counter()
    if what.endswith(".py"):
        spec = util.spec_from_file_location("parsed", what)
        spec.loader.exec_module(util.module_from_spec(spec))
    else:
        import_module(what)
    return 1000 * (time.perf_counter() - clock), (anonymous() - memory) / 1024

def in_a_fork(what):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(load(what)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as found:
        result = found.read()
    os.waitpid(child, 0)
    return json.loads(result)

targets, repeats = json.loads(sys.argv[1]), int(sys.argv[2])
if not repeats:
    print(json.dumps(load(targets[0])), flush=True)
    os._exit(0)
gc.collect()
gc.freeze()
for what in targets:
    in_a_fork(what)  # writes the byte code
print(json.dumps([[in_a_fork(what) for what in targets] for _ in range(repeats)]))
"""

_OURS_DAG = f"""
from airflow.sdk import DAG
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

with DAG("parsed", schedule=None):
    for number in range({_TASKS // 2}):
        sensor = CampaignCleanerCampaignSensor(task_id=f"wait_{{number}}", campaign_id=f"campaign-{{number}}")
        sensor >> InstantlySendGateOperator(
            task_id=f"gate_{{number}}", campaign_id=f"019e18e2-a52f-78e7-96f2-{{number:012d}}"
        )
"""
_PEERS_DAG = f"""
from airflow.sdk import DAG
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.providers.http.sensors.http import HttpSensor

with DAG("parsed", schedule=None):
    for number in range({_TASKS // 2}):
        sensor = HttpSensor(task_id=f"wait_{{number}}", endpoint=f"wait/{{number}}")
        sensor >> DbtCloudJobRunSensor(task_id=f"gate_{{number}}", run_id=number)
"""


@dataclass(frozen=True)
class Import:
    """The import of a module or of a Dag file.

    :param name: the module, or a description of the Dag file.
    :param ours: whether it belongs to this provider.
    :param fresh: milliseconds in a fresh process; None if not measured.
    :param forked: milliseconds in a forked process.
    :param mebibytes: growth of the forked process's own memory.
    """

    name: str
    ours: bool
    fresh: float | None
    forked: float
    mebibytes: float


def public_modules() -> list[str]:
    """Return the names of this provider's modules that users import."""
    names = []
    for name in PUBLIC:
        services = [
            path for path in (PACKAGE / name).glob("*") if path.stem in ("campaign_cleaner", "instantly")
        ]
        # A package of operators or sensors imports each of them at its first use.
        if name in ("operators", "sensors"):
            services = [each for path in services for each in (list(path.glob("[!_]*.py")) or [path])]
        paths = [path.relative_to(PACKAGE).with_suffix("").parts for path in services]
        names += [".".join((PACKAGE.name, *parts)) for parts in paths or [(name,)]]
    return sorted(names)


def run(*, quick: bool) -> tuple[list[Import], list[Import]]:
    """Measure the modules, and Dag files with 200 tasks."""
    repeats = 3 if quick else 7
    with (
        clean_environment({}) as environment,
        tempfile.TemporaryDirectory(prefix="bench-dags-") as folder,
    ):
        files = {}
        for name, text in (("ours", _OURS_DAG), ("peers", _PEERS_DAG)):
            path = Path(folder) / f"{name}.py"
            path.write_text(text, encoding="utf-8")
            files[str(path)] = f"Dag file with {_TASKS} tasks, {name}"
        ours = [name for name in public_modules() if is_in_dags(name) or not quick]
        peers = PEERS[::3] if quick else PEERS
        forked = _forked([*ours, *peers, *files], repeats, environment)
        found = []
        for target, (milliseconds, mebibytes) in forked.items():
            fresh = None
            if is_in_dags(target) or (target in files and not quick):
                fresh = statistics.median(_fresh(target, environment) for _ in range(repeats))
            own = target in ours or files.get(target, "").endswith("ours")
            found.append(Import(files.get(target, target), own, fresh, milliseconds, mebibytes))
    return found[: -len(files)], found[-len(files) :]


def is_in_dags(module: str) -> bool:
    """Return whether Dag files import a module directly."""
    return bool({"operators", "sensors"} & set(module.split(".")))


def _forked(
    targets: Sequence[str], repeats: int, environment: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Return the median milliseconds and mebibytes of each target in a fork."""
    rounds = _probe(targets, repeats, environment)
    return {
        target: (
            statistics.median(found[position][0] for found in rounds),
            statistics.median(found[position][1] for found in rounds),
        )
        for position, target in enumerate(targets)
    }


def _fresh(target: str, environment: Mapping[str, str]) -> float:
    """Return the milliseconds of a target in a process of its own."""
    return float(_probe([target], 0, environment)[0])


def _probe(targets: Sequence[str], repeats: int, environment: Mapping[str, str]) -> Any:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _PROBE, json.dumps(targets), str(repeats)],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"An import failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
