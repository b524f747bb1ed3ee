"""The results of the runs on a whole Airflow as Markdown, with their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.system import WAYS, Cost, Measured
from benchmarks.tables import Limit, ratio, table

_COMPONENTS = ("workers", "scheduler", "api-server", "triggerer", "dag-processor")
# The number of waits for which there are limits.
_LIMITED = 40


def system_limits(measured: Measured) -> Iterator[Limit]:
    """Yield the limits of the ways to wait, as ratios within one run."""
    load = measured.load
    if load.waits != _LIMITED:
        return
    reschedule, deferred = measured.cost("http_reschedule"), measured.cost("deferred")
    name = f"A whole Airflow, {load.waits:,} waits"
    if ends := measured.cost("ends"):
        title = f"{name}, end_from_trigger"
        yield Limit.at_most(f"{title}: worker starts per wait", 1, ends.worker_starts / ends.waits)
        if deferred:
            yield _part(f"{title}: CPU, of a deferred wait's", 60, ends, deferred)
        if reschedule:
            yield _part(f"{title}: CPU, of HttpSensor's", 45, ends, reschedule)
        yield _end(title, load.interval + 5, ends)
    if both := measured.cost("starts_and_ends"):
        title = f"{name}, start_from_trigger and end_from_trigger"
        yield Limit.at_most(f"{title}: worker starts", 0, both.worker_starts)
        if reschedule:
            yield _part(f"{title}: CPU, of HttpSensor's", 8, both, reschedule)
        yield _end(title, load.interval + 3, both)
    if one_task := measured.cost("list_of_1000"):
        title = "A whole Airflow, one task for 1,000 campaigns: CPU in all"
        yield Limit.at_most(title, 5, one_task.cpu_seconds, " s")


def _part(what: str, limit: float, one: Cost, other: Cost) -> Limit:
    return Limit.at_most(what, limit, 100 * ratio(one.cpu_seconds, other.cpu_seconds), " %")


def _end(title: str, limit: float, cost: Cost) -> Limit:
    late = cost.late_seconds if cost.succeeded == cost.tasks else float("inf")
    return Limit.at_most(f"{title}: completion to end of the run", limit, late, " s")


def system_section(system: Sequence[Measured]) -> str:
    """Return the tables, one for each number of waits."""
    return "\n".join(["## A whole Airflow\n", *map(_table_of, system)])


def _table_of(measured: Measured) -> str:
    load = measured.load
    heads = (
        "", "campaigns", "tasks", "succeeded", "tries", "worker starts per wait", "slot seconds per wait",
        "CPU seconds per wait", "requests per wait", "CPU seconds in all", *_COMPONENTS,
        "all waits begun after", "triggerer's CPU until then", "run ends after completion by",
    )  # fmt: skip
    rows = [_row(WAYS[way].title, cost, len(heads)) for way, cost in measured.costs.items()]
    before, after = measured.idle
    return "\n".join(
        [
            f"""One run after the other on one Airflow with {load.slots} worker slots (LocalExecutor, SQLite).
One poll every {load.interval:g} s. All campaigns complete at one moment, {load.processing:g} s after the
start of the run, or when all waits have begun if that is later. CPU seconds are above those of the idle
Airflow, {before:.3f} s per second before the runs and {after:.3f} after them. *Workers* are LocalExecutor's
processes and the tasks. For each task that ends in the triggerer, Airflow sends a callback request, for
which the Dag processor imports the Dag's file. Tasks may have several tries: the scheduler fails a
rescheduled task that is queued again before the scheduler has seen the end of its last run.\n""",
            table(heads, rows),
        ]
    )


def _row(title: str, cost: Cost | str, columns: int) -> tuple[str, ...]:
    if isinstance(cost, str):
        return (title, cost, *[""] * (columns - 2))
    per_wait = (cost.worker_starts, cost.slot_seconds, cost.cpu_seconds, cost.requests)
    return (
        title,
        f"{cost.waits:,}",
        f"{cost.tasks:,}",
        f"{cost.succeeded:,}",
        f"{cost.tries:,}",
        *(f"{total / cost.waits:.3g}" for total in per_wait),
        f"{cost.cpu_seconds:.1f}",
        *(f"{cost.cpu.get(name, 0.0):.1f}" for name in _COMPONENTS),
        f"{cost.begun_seconds:.0f} s",
        f"{cost.begun_cpu:.1f} s",
        f"{cost.late_seconds:.1f} s",
    )
