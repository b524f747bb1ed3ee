"""Compares what the sandbox recorded with the plan. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import SandboxState
from tests.system.cluster.plan import Launch


@dataclass(frozen=True)
class Records:
    """What the sandbox recorded.

    :param spent: credits.
    :param submitted: the names of the submitted campaigns.
    :param leads: for each Instantly campaign, how often it has each address.
    :param lifecycles: the lifecycle status of each Instantly campaign.
    """

    spent: int
    submitted: Sequence[str]
    leads: Mapping[str, Counter[str]]
    lifecycles: Mapping[str, int]


@dataclass
class Findings:
    """What differs from the plan.

    :ivar launches: the findings of each wrong launch, by its name.
    :ivar others: findings that belong to no launch.
    """

    launches: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        return not self.launches and not self.others


def read_records(state: SandboxState) -> Records:
    """Read what a sandbox recorded."""
    leads: dict[str, Counter[str]] = {}
    for lead in list(state.leads.values()):
        leads.setdefault(lead["campaign"], Counter())[lead["email"]] += 1
    return Records(
        spent=state.options.credits - state.credits,
        submitted=[each.name for each in list(state.submitted.values())],
        leads=leads,
        lifecycles={each["id"]: each["status"] for each in list(state.campaigns.values())},
    )


def compare(launches: Sequence[Launch], records: Records, states: Mapping[str, str | None]) -> Findings:
    """Compare the records with the plan.

    :param states: the state of each launch's Dag run, by the launch's name.
    """
    findings = Findings()
    # The operator submits under the launch's name and a marker after it.
    submitted = Counter(name.partition(" ")[0] for name in records.submitted)
    for launch in launches:
        wrong = [
            *_wrong_state(launch, states.get(launch.name)),
            *_wrong_submission(submitted[launch.name]),
            *_wrong_leads(launch, records.leads.get(launch.campaign_id, Counter())),
            *_wrong_lifecycle(launch, records.lifecycles.get(launch.campaign_id)),
        ]
        if wrong:
            findings.launches[launch.name] = wrong
    if records.spent != len(launches):
        findings.others.append(f"{records.spent} credits were spent, not {len(launches)}")
    known = {launch.campaign_id for launch in launches}
    if foreign := sum(sum(leads.values()) for target, leads in records.leads.items() if target not in known):
        findings.others.append(f"{foreign} leads are in campaigns of no launch")
    if unplanned := set(submitted) - {launch.name for launch in launches}:
        findings.others.append(f"submitted for no launch: {', '.join(sorted(unplanned))}")
    return findings


def _wrong_state(launch: Launch, state: str | None) -> list[str]:
    expected = "success" if launch.sends else "failed"
    if state in ("success", "failed"):
        return [] if state == expected else [f"its run is {state}, not {expected}"]
    return [f"its run has not ended: {state}"]


def _wrong_submission(times: int) -> list[str]:
    return [] if times == 1 else [f"was submitted {times} times"]


def _wrong_leads(launch: Launch, leads: Counter[str]) -> list[str]:
    if not launch.sends:
        return [f"got {sum(leads.values())} leads, though its campaign is unfit: {launch.kind}"] * bool(leads)
    wrong = []
    if missing := set(launch.leads) - set(leads):
        wrong.append(f"{len(missing)} of its leads are missing")
    if twice := [lead for lead, times in leads.items() if times > 1]:
        wrong.append(f"{len(twice)} of its leads were added more than once")
    if foreign := set(leads) - set(launch.leads):
        wrong.append(f"{len(foreign)} leads of other launches were added")
    return wrong


def _wrong_lifecycle(launch: Launch, lifecycle: int | None) -> list[str]:
    if lifecycle == launch.lifecycle:
        return []
    found, expected = LifecycleStatus.name_of(lifecycle), LifecycleStatus.name_of(launch.lifecycle)
    return [f"its campaign is {found}, not {expected}"]
