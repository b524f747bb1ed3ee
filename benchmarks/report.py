"""The results as Markdown and as a chart, with the machine and the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.board import CAMPAIGNS as ON_BOARD
from benchmarks.board import Opening
from benchmarks.chart import Bar, Panel, draw
from benchmarks.contenders import CONTENDERS, REQUESTS_PER_SECOND
from benchmarks.events import Reading
from benchmarks.events import section as events_section
from benchmarks.health import TITLES as CHECK_TITLES
from benchmarks.health import Check
from benchmarks.imports import Import
from benchmarks.leads import TITLES, Upload
from benchmarks.system import Measured
from benchmarks.system_report import system_limits, system_section
from benchmarks.tables import Limit, ratio, table
from benchmarks.waits import HISTORY, Measurements, Plan
from benchmarks.watchers import CAMPAIGNS, CHANGES_A_MINUTE, INTERVALS, Watched

SHOWN = 1000


@dataclass
class Results:
    """The results of a run.

    :param quick: whether it was a short run, which is less exact.
    :param machine: the description of the machine.
    :param waits: each plan with its measurements, or with the error.
    :param uploads: files of leads.
    :param checks: reports on a workspace.
    :param watched: watchers.
    :param readings: past events of an asset.
    :param board: the health board.
    :param modules: imports of modules.
    :param files: Dag files.
    :param system: the runs on a whole Airflow, by number of waits.
    """

    quick: bool
    machine: dict[str, str]
    waits: list[tuple[Plan, Measurements | str]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    board: list[Opening] = field(default_factory=list)
    modules: list[Import] = field(default_factory=list)
    files: list[Import] = field(default_factory=list)
    system: list[Measured] = field(default_factory=list)

    def find(
        self, contender: str, waits: int, *, tls: bool, at_once: bool = False
    ) -> tuple[Plan, Measurements] | None:
        """Return the measurements of distinct campaigns, started one by one or ``at_once``."""
        for plan, measured in self.waits:
            wanted = (plan.contender, plan.waits, plan.tls, plan.same, plan.at_once)
            if wanted == (contender, waits, tls, False, at_once) and isinstance(measured, Measurements):
                return plan, measured
        return None


def markdown(results: Results) -> str:
    """Return the whole report."""
    parts = [
        "# Benchmark\n",
        "A short run: its values are not exact.\n" if results.quick else "",
        table(("", ""), list(results.machine.items())),
        _limits(results),
        _waits(results.waits) if results.waits else "",
        system_section(results.system) if results.system else "",
        _uploads(results.uploads) if results.uploads else "",
        _checks(results.checks) if results.checks else "",
        _watched(results.watched) if results.watched else "",
        events_section(results.readings) if results.readings else "",
        _board(results.board) if results.board else "",
        _imports(results) if results.modules else "",
    ]
    return "\n".join(part for part in parts if part)


def chart(results: Results) -> str | None:
    """Return the chart of 1,000 waits, or None where they were not measured."""
    found = [
        (CONTENDERS[contender].title + (" (TLS)" if tls else ""), CONTENDERS[contender].ours, *measured)
        for contender in CONTENDERS
        for tls in (False, True)
        if (measured := results.find(contender, SHOWN, tls=tls))
    ]
    if not found:
        return None

    def panel(title: str, value: Callable[[Measurements], float], form: str) -> Panel:
        return Panel(
            title,
            [
                Bar(name, value(measured), form.format(value(measured)), ours)
                for name, ours, _, measured in found
            ],
        )

    return draw(
        f"{SHOWN:,} waits for distinct campaigns in one triggerer process",
        f"One poll every {found[0][2].interval:g} s. Logarithmic scales; shorter is better. "
        f"{results.machine['CPU']}, Python {results.machine['Python']}.",
        [
            panel("Requests per interval", lambda measured: measured.requests, "{:,.1f}"),
            panel("CPU per wait and interval", lambda measured: measured.cpu_per_wait, "{:.3f} ms"),
            panel("Memory per wait", lambda measured: measured.memory_per_wait, "{:.1f} KiB"),
            panel("Connections at the same time", lambda measured: float(measured.connections), "{:,.0f}"),
        ],
    )


# The limits.


def _limits(results: Results) -> str:
    limits = [
        *_cleaner_limits(results),
        *_instantly_limits(results),
        *_other_limits(results),
        *(limit for measured in results.system for limit in system_limits(measured)),
    ]
    if not limits:
        return ""
    rows = [(limit.what, limit.limit, limit.measured, "yes" if limit.met else "**no**") for limit in limits]
    return "## Limits\n\n" + table(("", "limit", "measured", "met"), rows)


def _cleaner_limits(results: Results) -> list[Limit]:
    ours = results.find("campaign_cleaner", SHOWN, tls=False)
    if not ours:
        return []
    name, measured = f"Campaign Cleaner, {SHOWN:,} waits", ours[1]
    limits = [
        Limit.at_most(f"{name}: requests per interval", 1, measured.requests),
        Limit.at_most(f"{name}: connections", 20, measured.connections),
        _event_delay(name, ours),
    ]
    if at_once := results.find("campaign_cleaner", SHOWN, tls=False, at_once=True):
        limits.append(Limit.at_most(f"{name} at once: CPU of the start", 0.3, at_once[1].cpu_to_start, " s"))
    for peer, tls in (("http", False), ("dbt_cloud", True)):
        theirs = results.find(peer, SHOWN, tls=tls)
        # Compare TLS with TLS if both were measured; plain HTTP is the cheaper one.
        mine = results.find("campaign_cleaner", SHOWN, tls=tls) or ours
        if theirs:
            against = f"{name}, compared with {CONTENDERS[peer].title}"
            left, right = theirs[1], mine[1]
            limits += [
                Limit.at_least(f"{against}: requests", 100, ratio(left.requests, right.requests)),
                Limit.at_least(f"{against}: CPU", 20, ratio(left.cpu_per_wait, right.cpu_per_wait)),
                Limit.at_least(f"{against}: memory", 3, ratio(left.memory_per_wait, right.memory_per_wait)),
            ]
        ours_then = results.find("campaign_cleaner", SHOWN, tls=False, at_once=True)
        theirs_then = results.find(peer, SHOWN, tls=tls, at_once=True)
        if ours_then and theirs_then:
            times = ratio(theirs_then[1].memory_per_wait, ours_then[1].memory_per_wait)
            limits.append(
                Limit.at_least(f"{name} at once, compared with {CONTENDERS[peer].title}: memory", 3, times)
            )
    return limits


def _instantly_limits(results: Results) -> list[Limit]:
    ours = results.find("instantly", SHOWN, tls=False)
    if not ours:
        return []
    name, measured = f"Instantly, {SHOWN:,} distinct campaigns", ours[1]
    limits = [
        Limit.at_most(f"{name}: connections", 20, measured.connections),
        _event_delay(name, ours),
    ]
    # CPU compared with the better peer, TLS with TLS and plain HTTP with plain HTTP.
    for tls in (False, True):
        mine = results.find("instantly", SHOWN, tls=tls)
        peers = [
            theirs[1].cpu_per_request or 0.0
            for peer in ("http", "dbt_cloud")
            if (theirs := results.find(peer, SHOWN, tls=tls))
        ]
        over = "TLS" if tls else "plain"
        if mine and peers:
            part = 100 * ratio(mine[1].cpu_per_request or 0.0, min(peers))
            limits.append(
                Limit.at_most(f"{name}, {over}: CPU per poll, of the better peer's", 40, part, " %")
            )
        bare = results.find("bare", SHOWN, tls=tls)
        if mine and bare:
            times = ratio(mine[1].cpu_per_request or 0.0, bare[1].cpu_per_request or 0.0)
            limits.append(
                Limit.at_most(f"{name}, {over}: CPU per poll, of a bare aiohttp loop's", 1.5, times, " times")
            )
    return limits


def _event_delay(name: str, measured: tuple[Plan, Measurements]) -> Limit:
    plan, found = measured
    complete = found.event_p99 is not None and found.succeeded == plan.waits
    late = found.event_p99 if complete and found.event_p99 is not None else float("inf")
    return Limit.at_most(f"{name}: completion to event, p99", plan.interval + 0.5, late, " s")


def _other_limits(results: Results) -> list[Limit]:
    limits = []
    if many := results.find("campaign_cleaner", 10_000, tls=False):
        lag = 1000 * many[1].lag_worst_ever
        limits.append(Limit.at_most("Campaign Cleaner, 10,000 waits: worst loop lag", 200, lag, " ms"))
    if results.checks:
        ours, plain = results.checks
        name = f"Health report, {ours.campaigns:,} campaigns"
        percent = 100 * ratio(ours.cpu_seconds, plain.cpu_seconds)
        limits += [
            Limit.at_most(f"{name}: connections", 20, ours.connections),
            Limit.at_most(f"{name}: CPU, of the plain task's", 75, percent, " %"),
            Limit.at_most(f"{name}: CPU", 8, ours.cpu_seconds, " s"),
        ]
    limits += [
        Limit.at_most(
            f"Health board, {ON_BOARD:,} campaigns, {each.reports} reports: campaigns shown",
            1,
            each.first / 1000,
            " s",
        )
        for each in results.board
    ]
    parsed = [module.fresh for module in results.modules if module.ours and module.fresh is not None]
    if parsed:
        limits.append(Limit.at_most("Import of a sensor or operator module, slowest", 60, max(parsed), " ms"))
    return limits


# The tables.


def _waits(waits: Sequence[tuple[Plan, Measurements | str]]) -> str:
    heads = (
        "waits", "every", "contender", "campaigns", "over", "requests per interval",
        "connections: at once / opened per interval", "CPU per wait and interval", "CPU per request",
        "memory per wait", "CPU of the start", "loop lag: p99 / worst / worst ever",
        "completion to event: p50 / p99", "succeeded", "of one core",
    )  # fmt: skip
    rows = [_wait_row(plan, measured) for plan, measured in waits]
    return "\n".join(
        [
            "## Waits in one triggerer process\n",
            f"""Each row is a fresh process with one event loop that logs like a triggerer, at INFO. The
server is another process. Waits start evenly over one interval unless the row has *at once*. CPU,
requests, memory and lag are measured in a steady window. The *CPU of the start* is that of all waits
until half an interval after the last has begun, with their first polls; *worst ever* includes the start
and the completion of the waits. Loop lag is the delay of a timer. The waits complete over one interval,
10 s at most, one after another. The rate limit of our accounts is set to {REQUESTS_PER_SECOND:,} requests
per second, so that it does not limit the result. Campaign Cleaner's list also contains {HISTORY:,} older
campaigns. The dbt Cloud hook supports TLS only. The bare loop sends the requests of our Instantly waits
over 20 connections and does nothing else: no checks, no log.\n""",
            table(heads, rows),
        ]
    )


def _wait_row(plan: Plan, measured: Measurements | str) -> tuple[str, ...]:
    first = (
        f"{plan.waits:,}",
        f"{plan.interval:g} s",
        CONTENDERS[plan.contender].title,
        ("same" if plan.same else "distinct") + (", at once" if plan.at_once else ""),
        "TLS" if plan.tls else "plain",
    )
    if isinstance(measured, str):
        return (*first, measured, *[""] * 9)
    per_request = "" if measured.cpu_per_request is None else f"{measured.cpu_per_request:.2f} ms"
    lags = (measured.lag_p99, measured.lag_worst, measured.lag_worst_ever)
    late = (measured.event_p50, measured.event_p99)
    return (
        *first,
        f"{measured.requests:,.1f}",
        f"{measured.connections:,} / {measured.opened:,.1f}",
        f"{measured.cpu_per_wait:.3f} ms",
        per_request,
        f"{measured.memory_per_wait:.1f} KiB",
        f"{measured.cpu_to_start:.2f} s",
        " / ".join(f"{1000 * lag:,.0f}" for lag in lags) + " ms",
        " / ".join("-" if delay is None else f"{delay:.2f}" for delay in late) + " s",
        f"{measured.succeeded:,}",
        f"{100 * measured.busy:.0f} %",
    )


def _uploads(uploads: Sequence[Upload]) -> str:
    heads = ("leads in the file", "", "added", "memory", "CPU", "wall time")
    rows = [
        (
            f"{upload.leads:,}",
            TITLES[upload.contender],
            f"{upload.uploaded:,}",
            f"{upload.mebibytes:.1f} MiB",
            f"{upload.cpu_seconds:.1f} s",
            f"{upload.wall_seconds:.1f} s",
        )
        for upload in uploads
    ]
    return "\n".join(
        [
            "## A file of leads\n",
            """A CSV file with five columns, sent in batches of 1,000. Each row is a fresh process; memory
is the largest growth of its resident set. Our operator reads the file twice: every row is checked before
the first one is sent.\n""",
            table(heads, rows),
        ]
    )


def _checks(checks: Sequence[Check]) -> str:
    heads = ("campaigns", "", "requests", "connections", "CPU", "wall time")
    rows = [
        (
            f"{check.campaigns:,}",
            CHECK_TITLES[check.contender],
            f"{check.requests:,}",
            f"{check.connections}",
            f"{check.cpu_seconds:.1f} s",
            f"{check.wall_seconds:.1f} s",
        )
        for check in checks
    ]
    return "\n".join(
        [
            "## A report on a workspace\n",
            f"""All campaigns are listed, and the sending status of each is fetched. Each row is a fresh
process. The rate limit of our account is set to {REQUESTS_PER_SECOND:,} requests per second, so that it does
not limit the result.\n""",
            table(heads, rows),
        ]
    )


def _board(board: Sequence[Opening]) -> str:
    heads = ("reports", "first paint", "campaigns shown", "all reports read")
    rows = [
        (f"{each.reports}", *(f"{value:,.0f} ms" for value in (each.painted, each.first, each.complete)))
        for each in board
    ]
    return "\n".join(
        [
            "## The health board\n",
            f"""A real Airflow has reported on {ON_BOARD:,} campaigns of the sandbox, and a browser opens the
board with an empty cache. Medians.\n""",
            table(heads, rows),
        ]
    )


def _watched(watched: Sequence[Watched]) -> str:
    heads = ("watcher", "every", "requests per poll", "CPU per poll", "worst loop lag", "state", "events")
    rows = [
        (
            f"`{each.watcher}`",
            f"{INTERVALS[each.watcher]:g} s",
            f"{each.requests:,.0f}",
            f"{1000 * each.cpu_seconds:,.0f} ms",
            f"{1000 * each.lag_worst:.0f} ms",
            f"{each.state_bytes / 1024:,.0f} KiB",
            f"{each.events} in {each.polls:.0f} polls, state written {each.writes} times",
        )
        for each in watched
    ]
    return "\n".join(
        [
            "## Watchers\n",
            f"""An account with {CAMPAIGNS:,} campaigns, of which {CHANGES_A_MINUTE} change a minute. Each row
is a fresh process with one watcher. Loop lag is the delay of a timer.\n""",
            table(heads, rows),
        ]
    )


def _imports(results: Results) -> str:
    rows = [
        (
            f"`{each.name}`" if "." in each.name else each.name,
            "" if each.fresh is None else f"{each.fresh:.0f}",
            f"{each.forked:.0f}",
            f"{each.mebibytes:.1f}",
        )
        for each in (*results.modules, *results.files)
    ]
    return "\n".join(
        [
            "## Parsing a Dag\n",
            """In addition to `from airflow.sdk import DAG, BaseOperator, BaseSensorOperator`. Medians over
fresh processes, and over forked ones as in Airflow's Dag processor. Memory is that of the fork.\n""",
            table(("", "fresh, ms", "forked, ms", "MiB"), rows),
        ]
    )
