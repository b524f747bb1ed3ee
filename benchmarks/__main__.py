"""Runs the benchmark and writes its results: `python -m benchmarks [--quick] [--only PART ...]`.

Nothing else should run on the machine meanwhile: one core is for the server, one for what is measured.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import board, events, health, imports, leads, machine, report, system, waits, watchers
from benchmarks.server import RunningServer, running
from benchmarks.waits import Plan

RESULTS = Path(__file__).parent / "results"
_STARTED = time.monotonic()
PARTS = ("waits", "leads", "health", "watchers", "events", "board", "imports", "system")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen parts. Exit code 1 if anything could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short, less exact run")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="only these parts")
    parser.add_argument(
        "--waits", nargs="+", type=int, default=(40, 400), help="on a whole Airflow, so many at once"
    )
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=system.WAYS,
        default=(*system.WAYS,),
        help="on a whole Airflow, only these",
    )
    parser.add_argument(
        "--processing",
        type=float,
        default=50,
        help="on a whole Airflow, seconds until all campaigns complete",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    # SIGTERM to this process stops the processes that it started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = report.Results(quick=options.quick, machine=machine.describe())
    with running() as server:
        if "waits" in options.only:
            _measure_waits(results, server, quick_plans() if options.quick else plans())
            # After each part, so that a part that fails does not lose the others.
            _write(results, options.output)
        if "leads" in options.only:
            say("leads")
            results.uploads = leads.run(server, quick=options.quick)
            _write(results, options.output)
        if "health" in options.only:
            say("health")
            results.checks = health.run(server)
            _write(results, options.output)
        if "watchers" in options.only:
            say("watchers")
            results.watched = watchers.run(server, quick=options.quick)
            _write(results, options.output)
        if "events" in options.only:
            say("events")
            results.readings = events.run(quick=options.quick)
            _write(results, options.output)
        if "board" in options.only:
            say("board")
            results.board = board.run(quick=options.quick)
            _write(results, options.output)
        if "imports" in options.only:
            say("imports")
            results.modules, results.files = imports.run(quick=options.quick)
            _write(results, options.output)
        if "system" in options.only:
            for load in _loads(options):
                results.system.append(system.run(server, load, say))
                _write(results, options.output)
    results.machine["The run took"] = f"{(time.monotonic() - _STARTED) / 60:.1f} minutes"
    _write(results, options.output)
    say(f"Results are in {options.output}.")
    return int(any(isinstance(measured, str) for _, measured in results.waits))


def _loads(options: argparse.Namespace) -> list[system.Load]:
    """Return the work of a whole Airflow, smallest first."""
    if options.quick:
        return [system.Load(waits=6, ways=options.ways, processing=15, idle=5)]
    return [
        system.Load(waits=waits, ways=options.ways, processing=options.processing)
        for waits in sorted(options.waits)
    ]


def quick_plans() -> list[Plan]:
    """Return a few measurements with short windows."""
    return [
        *(Plan(contender, 100, 2, window=2) for contender in ("campaign_cleaner", "http")),
        *(
            Plan(contender, 1000, 3, window=1.5, tls=contender == "dbt_cloud")
            for contender in ("campaign_cleaner", "instantly", "bare", "http", "dbt_cloud")
        ),
    ]


def plans() -> list[Plan]:
    """Return all measurements."""
    contenders = [
        ("campaign_cleaner", False), ("instantly", False), ("bare", False), ("http", False),
        ("campaign_cleaner", True), ("instantly", True), ("bare", True), ("http", True), ("dbt_cloud", True),
    ]  # fmt: skip
    both = ("campaign_cleaner", "instantly")
    return [
        *(Plan(contender, 100, 2, tls=tls) for contender, tls in contenders if contender != "bare"),
        *(Plan(contender, 100, 2, same=True) for contender in both),
        # One request per interval uses less CPU than the monitor, so it is measured for longer.
        *(
            Plan(contender, 1000, 5, tls=tls, window=12 if contender == "campaign_cleaner" else 4)
            for contender, tls in contenders
        ),
        *(Plan(contender, 1000, 5, same=True) for contender in both),
        *(
            Plan(contender, 1000, 5, tls=contender == "dbt_cloud", at_once=True)
            for contender in (*both, "http", "dbt_cloud")
        ),
        *(Plan(contender, 10_000, 10, tls=tls, window=3) for contender in both for tls in (False, True)),
        Plan("instantly", 10_000, 10, same=True, window=3),
        Plan("bare", 10_000, 10, window=3),
        # 10,000 polls of a peer take more than 10 s of CPU.
        *(
            Plan(contender, 10_000, 60, tls=contender == "dbt_cloud", window=0.5)
            for contender in ("http", "dbt_cloud")
        ),
    ]


def _measure_waits(results: report.Results, server: RunningServer, planned: Sequence[Plan]) -> None:
    for position, plan in enumerate(planned, 1):
        say(f"{position:2}/{len(planned)}  {plan.title}")
        measured: waits.Measurements | str
        try:
            measured = waits.in_fresh_process(plan, server)
        except RuntimeError as error:
            measured = str(error).strip().splitlines()[-1]
            print(error, file=sys.stderr, flush=True)
        results.waits.append((plan, measured))


def _write(results: report.Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(results), indent=1, default=str)
    (folder / "latest.json").write_text(text + "\n", encoding="utf-8")
    (folder / "latest.md").write_text(report.markdown(results), encoding="utf-8")
    drawn = report.chart(results)
    if drawn:
        (folder / "waits.svg").write_text(drawn, encoding="utf-8")


def say(text: str) -> None:
    """Print a line without delay, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:5.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
