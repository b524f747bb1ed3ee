"""What was to happen, what the sandbox's books say happened, and where the two differ. No I/O."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import SandboxState
from airflow_provider_campaigns.sandbox.seed import FAILING_SENDERS, HEALTHY_SENDERS, campaign

LEADS = 5


@dataclass(frozen=True)
class Kind:
    """How the Instantly campaign of a launch stands.

    :param sends: whether the gate is to open.
    :param lifecycle: what the campaign is before.
    :param codes: what its sending status tells for a while, if not what follows from the rest.
    :param end: what it tells for ever after that.
    :param activates: whether the launch begins with activating it.
    """

    sends: bool
    lifecycle: int = int(LifecycleStatus.ACTIVE)
    senders: tuple[str, ...] = HEALTHY_SENDERS
    codes: tuple[str, ...] = ()
    end: str = "healthy"
    activates: bool = False


_HEALS = ("out_of_schedule", "daily_limit_met")
KINDS = {
    "healthy": Kind(sends=True),
    "heals": Kind(sends=True, codes=_HEALS),
    "draft": Kind(
        sends=True, lifecycle=int(LifecycleStatus.DRAFT), codes=("campaign_draft",), activates=True
    ),
    "senders in error": Kind(sends=False, senders=FAILING_SENDERS),
    "paused": Kind(sends=False, lifecycle=int(LifecycleStatus.PAUSED)),
    "stopped for bounces": Kind(sends=False, lifecycle=int(LifecycleStatus.BOUNCE_PROTECT)),
    "suspended": Kind(sends=False, lifecycle=int(LifecycleStatus.ACCOUNT_SUSPENDED)),
    "worsens": Kind(sends=False, codes=_HEALS, end="campaign_bounce_protect"),
    "draft that fails": Kind(
        sends=False,
        lifecycle=int(LifecycleStatus.DRAFT),
        codes=("campaign_draft",),
        end="campaign_accounts_unhealthy",
        activates=True,
    ),
}
_LONGEST_SCRIPT = 8


@dataclass(frozen=True)
class Launch:
    """One launch, and what is to become of it.

    :param name: of the launch and, in Campaign Cleaner, of its campaign.
    :param campaign_id: the Instantly campaign, which no other launch has.
    :param kind: how that campaign stands.
    :param script: the codes that it tells, the last one for ever.
    """

    name: str
    campaign_id: str
    kind: str
    script: tuple[str, ...]

    @property
    def sends(self) -> bool:
        """Whether its gate is to open."""
        return KINDS[self.kind].sends

    @property
    def dag_id(self) -> str:
        """The Dag that it runs."""
        return "cluster_launch_draft" if KINDS[self.kind].activates else "cluster_launch"

    @property
    def leads(self) -> list[str]:
        """The addresses that its campaign is to have, if it sends."""
        return [f"lead-{number}@{self.name}.example.com" for number in range(LEADS)]

    @property
    def lifecycle(self) -> int:
        """What its campaign is to be at the end."""
        kind = KINDS[self.kind]
        return int(LifecycleStatus.ACTIVE) if kind.activates else kind.lifecycle


@dataclass(frozen=True)
class Books:
    """What the sandbox wrote down.

    :param spent: credits.
    :param submitted: the names under which campaigns were submitted.
    :param leads: for each Instantly campaign, the addresses that it has, each as often as it has it.
    :param lifecycles: what each Instantly campaign is.
    """

    spent: int
    submitted: Sequence[str]
    leads: Mapping[str, Counter[str]]
    lifecycles: Mapping[str, int]


@dataclass
class Verdict:
    """What is not as it should be: for a launch by its name, and beyond."""

    launches: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether all is as it should be."""
        return not self.launches and not self.others


def plan(launches: int, chance: random.Random, unhealthy: float) -> list[Launch]:
    """Draw the launches.

    :param unhealthy: which part of them is to find its gate closed.
    """
    return [_drawn(number, chance, unhealthy) for number in range(1, launches + 1)]


def _drawn(number: int, chance: random.Random, unhealthy: float) -> Launch:
    sends = chance.random() >= unhealthy
    name = chance.choice([name for name, kind in KINDS.items() if kind.sends is sends])
    kind = KINDS[name]
    script: tuple[str, ...] = ()
    if kind.codes:
        script = (*chance.choices(kind.codes, k=chance.randint(1, _LONGEST_SCRIPT)), kind.end)
    return Launch(f"launch-{number:05}", str(uuid.UUID(int=chance.getrandbits(128), version=4)), name, script)


def prepare(state: SandboxState, launches: Iterable[Launch]) -> None:
    """Put the launches' Instantly campaigns into a sandbox."""
    now = state.clock()
    for launch in launches:
        kind = KINDS[launch.kind]
        state.campaigns[launch.campaign_id] = campaign(
            launch.campaign_id, launch.name, now, status=kind.lifecycle, email_list=list(kind.senders)
        )
        if launch.script:
            state.play_sending_status(launch.campaign_id, launch.script)


def books_of(state: SandboxState) -> Books:
    """Read a sandbox's books."""
    leads: dict[str, Counter[str]] = {}
    for lead in list(state.leads.values()):
        leads.setdefault(lead["campaign"], Counter())[lead["email"]] += 1
    return Books(
        spent=state.options.credits - state.credits,
        submitted=[each.name for each in list(state.submitted.values())],
        leads=leads,
        lifecycles={each["id"]: each["status"] for each in list(state.campaigns.values())},
    )


def judge(launches: Sequence[Launch], books: Books, states: Mapping[str, str | None]) -> Verdict:
    """Hold the books against the plan.

    :param states: how each launch's run ended, by the launch's name; None where it has not.
    """
    verdict = Verdict()
    # The submission's name is the launch's, and a word behind it.
    submitted = Counter(name.partition(" ")[0] for name in books.submitted)
    for launch in launches:
        wrong = [
            *_wrong_end(launch, states.get(launch.name)),
            *_wrong_submission(submitted[launch.name]),
            *_wrong_leads(launch, books.leads.get(launch.campaign_id, Counter())),
            *_wrong_lifecycle(launch, books.lifecycles.get(launch.campaign_id)),
        ]
        if wrong:
            verdict.launches[launch.name] = wrong
    if books.spent != len(launches):
        verdict.others.append(f"{books.spent} credits were spent, and not {len(launches)}")
    known = {launch.campaign_id for launch in launches}
    if astray := sum(sum(leads.values()) for target, leads in books.leads.items() if target not in known):
        verdict.others.append(f"{astray} leads are in campaigns of no launch")
    if unasked := set(submitted) - {launch.name for launch in launches}:
        verdict.others.append(f"submitted for no launch: {', '.join(sorted(unasked))}")
    return verdict


def _wrong_end(launch: Launch, state: str | None) -> list[str]:
    expected = "success" if launch.sends else "failed"
    if state in ("success", "failed"):
        return [] if state == expected else [f"its run is {state}, and was to be {expected}"]
    return [f"its run has not ended: {state}"]


def _wrong_submission(times: int) -> list[str]:
    return [] if times == 1 else [f"was submitted {times} times"]


def _wrong_leads(launch: Launch, leads: Counter[str]) -> list[str]:
    if not launch.sends:
        return [f"got {sum(leads.values())} leads, though its campaign is unfit: {launch.kind}"] * bool(leads)
    wrong = []
    if missing := set(launch.leads) - set(leads):
        wrong.append(f"{len(missing)} of its leads did not arrive")
    if twice := [lead for lead, times in leads.items() if times > 1]:
        wrong.append(f"{len(twice)} of its leads arrived more than once")
    if foreign := set(leads) - set(launch.leads):
        wrong.append(f"{len(foreign)} leads arrived that are not its own")
    return wrong


def _wrong_lifecycle(launch: Launch, lifecycle: int | None) -> list[str]:
    if lifecycle == launch.lifecycle:
        return []
    is_, expected = LifecycleStatus.name_of(lifecycle), LifecycleStatus.name_of(launch.lifecycle)
    return [f"its campaign is {is_}, not {expected}"]


def percentiles(seconds: Sequence[float]) -> str:
    """Tell the median, the 99th percentile and the longest of some times."""
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    median, late = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.99))
    return f"p50 {median:.1f} s, p99 {late:.1f} s, longest {ordered[-1]:.1f} s"


def seconds_between(begun: str | None, ended: str | None) -> float | None:
    """Return the time between two of Airflow's timestamps, where both are told."""
    if not begun or not ended:
        return None
    first, last = (datetime.fromisoformat(told.replace("Z", "+00:00")) for told in (begun, ended))
    return (last - first).total_seconds()


def traffic(requests: Sequence[Any], seconds: float) -> list[str]:
    """Tell of each service how many requests came, how fast, and how they were answered."""
    told = []
    for service in sorted({each.service for each in requests}):
        mine = [each for each in requests if each.service == service]
        busiest = max(Counter(each.time[:19] for each in mine).values())
        failed = Counter(each.status for each in mine if each.status is not None and each.status >= 400)  # noqa: PLR2004
        ends = "".join(f", {times} answered {status}" for status, times in sorted(failed.items()))
        paths = Counter(f"{each.method} {_shape(each.path)}" for each in mine)
        told.append(
            f"{service}: {len(mine):,} requests, {len(mine) / seconds:.1f} a second, "
            f"{busiest} in the busiest{ends}"
        )
        told += [f"   {times:>7,} {path}" for path, times in paths.most_common()]
    return told


def _shape(path: str) -> str:
    parts = ("{id}" if len(part) == 36 and part.count("-") == 4 else part for part in path.split("/"))  # noqa: PLR2004
    return "/".join(parts)
