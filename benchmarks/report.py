"""The figures as Markdown and as a chart, with what they were taken on and what they have to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.chart import Bar, Panel, draw
from benchmarks.contenders import CONTENDERS, REQUESTS_PER_SECOND
from benchmarks.imports import Import
from benchmarks.leads import TITLES, Upload
from benchmarks.system import Cost, Load
from benchmarks.waits import HISTORY, Figures, Plan

SHOWN = 1000


@dataclass
class Results:
    """Everything that a run found.

    :param quick: it was a short one, whose figures are rough.
    :param machine: what it ran on.
    :param waits: each plan with its figures, or with the reason why there are none.
    :param uploads: what files of leads cost.
    :param modules: import costs.
    :param files: parse costs.
    :param load: what the whole Airflow was given to do; None where it was left out.
    :param idle: CPU seconds a second of that Airflow without work.
    :param system: what its runs cost.
    """

    quick: bool
    machine: dict[str, str]
    waits: list[tuple[Plan, Figures | str]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    modules: list[Import] = field(default_factory=list)
    files: list[Import] = field(default_factory=list)
    load: Load | None = None
    idle: float = 0.0
    system: list[Cost] = field(default_factory=list)

    def find(
        self, contender: str, waits: int, *, tls: bool, at_once: bool = False
    ) -> tuple[Plan, Figures] | None:
        """Return a measurement of distinct campaigns, which arrived one by one unless told otherwise."""
        for plan, figures in self.waits:
            wanted = (plan.contender, plan.waits, plan.tls, plan.same, plan.at_once)
            if wanted == (contender, waits, tls, False, at_once) and isinstance(figures, Figures):
                return plan, figures
        return None


def markdown(results: Results) -> str:
    """Return the whole report."""
    parts = [
        "# Benchmark\n",
        "A short run: its figures are rough.\n" if results.quick else "",
        _table(("", ""), list(results.machine.items())),
        _goals(results) if results.waits or results.modules else "",
        _waits(results.waits) if results.waits else "",
        _system(results) if results.load else "",
        _uploads(results.uploads) if results.uploads else "",
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

    def panel(title: str, value: Callable[[Figures], float], form: str) -> Panel:
        return Panel(
            title,
            [
                Bar(name, value(figures), form.format(value(figures)), ours)
                for name, ours, _, figures in found
            ],
        )

    return draw(
        f"{SHOWN:,} waits for distinct campaigns in one triggerer process",
        f"One look every {found[0][2].interval:g} s. Logarithmic scales; shorter is better. "
        f"{results.machine['CPU']}, Python {results.machine['Python']}.",
        [
            panel("Requests per interval", lambda figures: figures.requests, "{:,.1f}"),
            panel("CPU per wait and interval", lambda figures: figures.cpu_per_wait, "{:.3f} ms"),
            panel("Memory per wait", lambda figures: figures.memory_per_wait, "{:.1f} KiB"),
            panel("Connections at the same time", lambda figures: float(figures.connections), "{:,.0f}"),
        ],
    )


# What it has to reach.


@dataclass(frozen=True)
class Goal:
    """A bound, and what was found."""

    what: str
    bound: str
    found: str
    met: bool

    @classmethod
    def at_most(cls, what: str, bound: float, found: float, unit: str = "") -> Goal:
        """Describe something that has to be small."""
        return cls(what, f"at most {bound:,g}{unit}", f"{found:,.4g}{unit}", found <= bound)

    @classmethod
    def at_least(cls, what: str, bound: float, found: float) -> Goal:
        """Describe something that has to be a multiple."""
        return cls(what, f"at least {bound:,g} times", f"{found:,.4g} times", found >= bound)


def _goals(results: Results) -> str:
    goals = [*_cleaner_goals(results), *_instantly_goals(results), *_other_goals(results)]
    rows = [(goal.what, goal.bound, goal.found, "yes" if goal.met else "**no**") for goal in goals]
    return "## What it has to reach\n\n" + _table(("", "bound", "found", "met"), rows)


def _cleaner_goals(results: Results) -> list[Goal]:
    ours = results.find("campaign_cleaner", SHOWN, tls=False)
    if not ours:
        return []
    name, figures = f"Campaign Cleaner, {SHOWN:,} waits", ours[1]
    goals = [
        Goal.at_most(f"{name}: requests per interval", 1, figures.requests),
        Goal.at_most(f"{name}: connections", 20, figures.connections),
        _punctual(name, ours),
    ]
    for peer, tls in (("http", False), ("dbt_cloud", True)):
        theirs = results.find(peer, SHOWN, tls=tls)
        # Like with like where both were measured; plain HTTP is the cheaper of the two.
        mine = results.find("campaign_cleaner", SHOWN, tls=tls) or ours
        if theirs:
            against = f"{name}, against {CONTENDERS[peer].title}"
            left, right = theirs[1], mine[1]
            goals += [
                Goal.at_least(f"{against}: requests", 100, _ratio(left.requests, right.requests)),
                Goal.at_least(f"{against}: CPU", 20, _ratio(left.cpu_per_wait, right.cpu_per_wait)),
                Goal.at_least(f"{against}: memory", 3, _ratio(left.memory_per_wait, right.memory_per_wait)),
            ]
        ours_then = results.find("campaign_cleaner", SHOWN, tls=False, at_once=True)
        theirs_then = results.find(peer, SHOWN, tls=tls, at_once=True)
        if ours_then and theirs_then:
            times = _ratio(theirs_then[1].memory_per_wait, ours_then[1].memory_per_wait)
            goals.append(Goal.at_least(f"{name} at once, against {CONTENDERS[peer].title}: memory", 3, times))
    return goals


def _instantly_goals(results: Results) -> list[Goal]:
    ours = results.find("instantly", SHOWN, tls=False)
    if not ours:
        return []
    name, figures = f"Instantly, {SHOWN:,} distinct campaigns", ours[1]
    goals = [
        Goal.at_most(f"{name}: connections", 20, figures.connections),
        _punctual(name, ours),
    ]
    # CPU against the better peer of those that spoke the same.
    for tls in (False, True):
        mine = results.find("instantly", SHOWN, tls=tls)
        peers = [
            theirs[1].cpu_per_request or 0.0
            for peer in ("http", "dbt_cloud")
            if (theirs := results.find(peer, SHOWN, tls=tls))
        ]
        over = "TLS" if tls else "plain"
        if mine and peers:
            part = 100 * _ratio(mine[1].cpu_per_request or 0.0, min(peers))
            goals.append(Goal.at_most(f"{name}, {over}: CPU per poll, of the better peer's", 40, part, " %"))
        bare = results.find("bare", SHOWN, tls=tls)
        if mine and bare:
            times = _ratio(mine[1].cpu_per_request or 0.0, bare[1].cpu_per_request or 0.0)
            goals.append(
                Goal.at_most(f"{name}, {over}: CPU per poll, of a bare aiohttp loop's", 1.5, times, " times")
            )
    return goals


def _punctual(name: str, measured: tuple[Plan, Figures]) -> Goal:
    plan, figures = measured
    complete = figures.event_p99 is not None and figures.ended_well == plan.waits
    late = figures.event_p99 if complete and figures.event_p99 is not None else float("inf")
    return Goal.at_most(f"{name}: completion to event, p99", plan.interval + 0.5, late, " s")


def _other_goals(results: Results) -> list[Goal]:
    goals = []
    if many := results.find("campaign_cleaner", 10_000, tls=False):
        lag = 1000 * many[1].lag_worst_ever
        goals.append(Goal.at_most("Campaign Cleaner, 10,000 waits: worst loop lag", 200, lag, " ms"))
    parsed = [module.fresh for module in results.modules if module.ours and module.fresh is not None]
    if parsed:
        goals.append(Goal.at_most("Import of a sensor or operator module, slowest", 60, max(parsed), " ms"))
    return goals


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else float("inf")


# The tables.


def _waits(waits: Sequence[tuple[Plan, Figures | str]]) -> str:
    heads = (
        "waits", "every", "contender", "campaigns", "over", "requests per interval",
        "connections: at once / opened per interval", "CPU per wait and interval", "CPU per request",
        "memory per wait", "loop lag: p99 / worst / worst ever", "completion to event: p50 / p99",
        "ended well", "of one core",
    )  # fmt: skip
    rows = [_wait_row(plan, figures) for plan, figures in waits]
    return "\n".join(
        [
            "## Waits in one triggerer process\n",
            f"""Each row is a fresh process with one event loop, logging as a triggerer does, at INFO. The
server is another process. Waits arrive evenly over one interval unless the row says *at once*. CPU, requests,
memory and lag are those of a steady window; *worst ever* counts arrival and completion too. Loop lag is how
late a timer fires that falls due at any moment. The waits complete over one interval, 10 s at most, each at
a moment of its own. The budget of our accounts is set to {REQUESTS_PER_SECOND:,} requests a second, so that
it is not what is measured. Campaign Cleaner's list holds {HISTORY:,} older campaigns too. The dbt Cloud hook
speaks TLS only. The bare loop does what our Instantly waits ask, over 20 connections, and nothing else: no
checks, no log.\n""",
            _table(heads, rows),
        ]
    )


def _wait_row(plan: Plan, figures: Figures | str) -> tuple[str, ...]:
    first = (
        f"{plan.waits:,}",
        f"{plan.interval:g} s",
        CONTENDERS[plan.contender].title,
        ("same" if plan.same else "distinct") + (", at once" if plan.at_once else ""),
        "TLS" if plan.tls else "plain",
    )
    if isinstance(figures, str):
        return (*first, figures, *[""] * 8)
    per_request = "" if figures.cpu_per_request is None else f"{figures.cpu_per_request:.2f} ms"
    lags = (figures.lag_p99, figures.lag_worst, figures.lag_worst_ever)
    late = (figures.event_p50, figures.event_p99)
    return (
        *first,
        f"{figures.requests:,.1f}",
        f"{figures.connections:,} / {figures.opened:,.1f}",
        f"{figures.cpu_per_wait:.3f} ms",
        per_request,
        f"{figures.memory_per_wait:.1f} KiB",
        " / ".join(f"{1000 * lag:,.0f}" for lag in lags) + " ms",
        " / ".join("-" if moment is None else f"{moment:.2f}" for moment in late) + " s",
        f"{figures.ended_well:,}",
        f"{100 * figures.busy:.0f} %",
    )


def _system(results: Results) -> str:
    load = results.load
    if load is None:
        return ""
    heads = ("", "tasks succeeded", "tries", "worker slot seconds", "CPU seconds", "of these, above idle",
             "requests", "wall time", "after completion")  # fmt: skip
    rows = [
        (
            cost.title,
            f"{cost.succeeded}",
            f"{cost.tries}",
            f"{cost.slot_seconds:.0f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.cpu_seconds - results.idle * cost.wall_seconds:.1f}",
            f"{cost.requests}",
            f"{cost.wall_seconds:.0f} s",
            f"{cost.late_seconds:.0f} s",
        )
        for cost in results.system
    ]
    return "\n".join(
        [
            "## A whole Airflow\n",
            f"""{load.tasks} tasks of one run wait for campaigns that are completed {load.processing:g} s
after the run starts. They look every {load.interval:g} s, on one Airflow with {load.slots} worker slots
(LocalExecutor, SQLite). Tasks may be tried again: Airflow's scheduler fails a task that it finds rescheduled
and queued anew before it has heard of its last run. CPU is that of all of Airflow's processes; without work
they take {results.idle:.3f} s a second.\n""",
            _table(heads, rows),
        ]
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
            """A CSV file with five columns, sent in batches of 1,000. Each row is a fresh process; memory is
how far its resident set grows at its highest. Ours goes through the file twice, so that nothing is sent
before every row is checked.\n""",
            _table(heads, rows),
        ]
    )


def _imports(results: Results) -> str:
    rows = [
        (
            f"`{cost.name}`" if "." in cost.name else cost.name,
            "" if cost.fresh is None else f"{cost.fresh:.0f}",
            f"{cost.forked:.0f}",
            f"{cost.mebibytes:.1f}",
        )
        for cost in (*results.modules, *results.files)
    ]
    return "\n".join(
        [
            "## Parsing a Dag\n",
            """Over `from airflow.sdk import DAG, BaseOperator, BaseSensorOperator`, medians over
processes that start afresh, or are forked as Airflow's Dag processor does it. Memory is the fork's.\n""",
            _table(("", "fresh, ms", "forked, ms", "MiB"), rows),
        ]
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
