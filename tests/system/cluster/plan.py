"""The plan of a run: which launches there are, and how each must end. No I/O."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import SandboxState
from airflow_provider_campaigns.sandbox.seed import FAILING_SENDERS, HEALTHY_SENDERS, campaign

LEADS = 5
_MAX_SCRIPT = 8


@dataclass(frozen=True)
class Kind:
    """A kind of Instantly campaign.

    :param sends: whether the gate must open.
    :param lifecycle: the lifecycle status before the launch.
    :param codes: the sending status codes that the campaign reports at first; empty for those that follow
        from its lifecycle and senders.
    :param last_code: the code that it reports after those, and from then on.
    :param activates: whether the launch activates the campaign first.
    """

    sends: bool
    lifecycle: int = int(LifecycleStatus.ACTIVE)
    senders: tuple[str, ...] = HEALTHY_SENDERS
    codes: tuple[str, ...] = ()
    last_code: str = "healthy"
    activates: bool = False


_TEMPORARY = ("out_of_schedule", "daily_limit_met")
KINDS = {
    "healthy": Kind(sends=True),
    "healthy later": Kind(sends=True, codes=_TEMPORARY),
    "draft": Kind(
        sends=True, lifecycle=int(LifecycleStatus.DRAFT), codes=("campaign_draft",), activates=True
    ),
    "senders in error": Kind(sends=False, senders=FAILING_SENDERS),
    "paused": Kind(sends=False, lifecycle=int(LifecycleStatus.PAUSED)),
    "stopped for bounces": Kind(sends=False, lifecycle=int(LifecycleStatus.BOUNCE_PROTECT)),
    "suspended": Kind(sends=False, lifecycle=int(LifecycleStatus.ACCOUNT_SUSPENDED)),
    "stopped for bounces later": Kind(sends=False, codes=_TEMPORARY, last_code="campaign_bounce_protect"),
    "draft that fails": Kind(
        sends=False,
        lifecycle=int(LifecycleStatus.DRAFT),
        codes=("campaign_draft",),
        last_code="campaign_accounts_unhealthy",
        activates=True,
    ),
}


@dataclass(frozen=True)
class Launch:
    """One launch, and how it must end.

    :param name: the name of the launch, and of its campaign in Campaign Cleaner.
    :param campaign_id: the Instantly campaign, which belongs to this launch only.
    :param kind: a key of :data:`KINDS`.
    :param script: the codes that the campaign reports in turn; the last one stays.
    """

    name: str
    campaign_id: str
    kind: str
    script: tuple[str, ...]

    @property
    def sends(self) -> bool:
        """Whether the gate must open."""
        return KINDS[self.kind].sends

    @property
    def dag_id(self) -> str:
        """The Dag that the launch runs."""
        return "cluster_launch_draft" if KINDS[self.kind].activates else "cluster_launch"

    @property
    def leads(self) -> list[str]:
        """The addresses that the campaign must have at the end, if it sends."""
        return [f"lead-{number}@{self.name}.example.com" for number in range(LEADS)]

    @property
    def lifecycle(self) -> int:
        """The lifecycle status that the campaign must have at the end."""
        kind = KINDS[self.kind]
        return int(LifecycleStatus.ACTIVE) if kind.activates else kind.lifecycle


def plan_launches(launches: int, chance: random.Random, unhealthy: float) -> list[Launch]:
    """Draw the launches.

    :param unhealthy: the share of campaigns for which the gate must stay closed, 0 to 1.
    """
    return [_drawn(number, chance, unhealthy) for number in range(1, launches + 1)]


def _drawn(number: int, chance: random.Random, unhealthy: float) -> Launch:
    sends = chance.random() >= unhealthy
    name = chance.choice([name for name, kind in KINDS.items() if kind.sends is sends])
    kind = KINDS[name]
    script: tuple[str, ...] = ()
    if kind.codes:
        script = (*chance.choices(kind.codes, k=chance.randint(1, _MAX_SCRIPT)), kind.last_code)
    return Launch(f"launch-{number:05}", str(uuid.UUID(int=chance.getrandbits(128), version=4)), name, script)


def prepare_sandbox(state: SandboxState, launches: Iterable[Launch]) -> None:
    """Put the Instantly campaigns of the launches into a sandbox."""
    now = state.clock()
    for launch in launches:
        kind = KINDS[launch.kind]
        state.campaigns[launch.campaign_id] = campaign(
            launch.campaign_id, launch.name, now, status=kind.lifecycle, email_list=list(kind.senders)
        )
        if launch.script:
            state.play_sending_status(launch.campaign_id, launch.script)
