"""The loops in which Instantly checks its active campaigns: each takes a snapshot of the sending status.

Only habits make them visible: without a habit, the sending status is always that of the present.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.instantly.sending import Snapshot, lifecycle_code

if TYPE_CHECKING:
    from airflow_provider_campaigns.sandbox.state import SandboxState

_WITH_OLD_TRACKING = {"old_tracking", "dry_campaigns_complete"}


class Loops:
    """When the loops run, and what the last one found.

    :ivar snapshots: by the id of a campaign or subsequence; one that is paused or has ended keeps its last.
    """

    def __init__(self, seconds: float, now: datetime) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self._count = 0
        self._length = timedelta(seconds=seconds)
        self._next_at = now

    @property
    def seconds(self) -> float:
        """The time from one loop to the next."""
        return self._length.total_seconds()

    def restart(self, seconds: float, now: datetime) -> None:
        """Set the time from one loop to the next; the next one is as long from now."""
        self._length = timedelta(seconds=seconds)
        self._next_at = now + self._length

    def take_due(self, now: datetime) -> list[tuple[int, datetime]]:
        """Return the number and time of each loop since the last call that matters: the first two, the last.

        Between two calls only the loops themselves change something, and only the first two of them.
        """
        due = (now - self._next_at) // self._length + 1
        if due < 1:
            return []
        start, first = self._next_at, self._count
        self._count += due
        self._next_at += due * self._length
        numbers = sorted({0, min(1, due - 1), due - 1})
        return [(first + each, start + each * self._length) for each in numbers]


def run_loops(state: SandboxState) -> None:
    """Run the loops that are due. They leave out campaigns whose sending status is played."""
    for number, moment in state.loops.take_due(state.clock()):
        for subject in (*state.campaigns.values(), *state.subsequences.values()):
            if subject["status"] == LifecycleStatus.ACTIVE and not state.scripts.get(subject["id"]):
                _run_loop(state, subject, number, moment)


def present_snapshot(state: SandboxState, subject: Mapping[str, Any], now: datetime) -> Snapshot:
    """Return a snapshot of now: its code follows from the lifecycle and the senders."""
    # A subsequence has the senders of its campaign.
    sender_of = state.campaigns.get(subject.get("parent_campaign", subject["id"]), {})
    known = [state.accounts[email] for email in sender_of.get("email_list", ()) if email in state.accounts]
    code = lifecycle_code(subject["status"], [account["status"] > 0 for account in known])
    return Snapshot(code, code, now, len(known) or 1)


def reported_snapshot(state: SandboxState, subject: Mapping[str, Any]) -> Snapshot | None:
    """Return the snapshot that Instantly reports: of now or of the last loop; None before the first loop."""
    present = present_snapshot(state, subject, state.clock())
    last = state.loops.snapshots.get(subject["id"])
    if subject["status"] != LifecycleStatus.ACTIVE:
        is_old = not _WITH_OLD_TRACKING.isdisjoint(state.habits)
        return replace(last, code=present.code) if last is not None and is_old else present
    if "lagging_snapshots" in state.habits:
        return last
    found_dry = last is not None and last.found == SendingCode.WAITING_FOR_LEADS
    return last if found_dry and _is_dry(state, subject) else present


def _run_loop(state: SandboxState, subject: dict[str, Any], number: int, moment: datetime) -> None:
    """Take a snapshot, or complete a campaign for which the loop before found no lead to mail either."""
    snapshot = replace(present_snapshot(state, subject, moment), loop=number)
    if snapshot.found == SendingCode.HEALTHY and _is_dry(state, subject):
        code = SendingCode.WAITING_FOR_LEADS.value
        last = state.loops.snapshots.get(subject["id"])
        if last is not None and (last.found, last.loop) == (code, number - 1):
            completed = int(LifecycleStatus.COMPLETED)
            subject.update(status=completed, timestamp_updated=seed.timestamp(moment))
            return
        snapshot = replace(snapshot, code=code, found=code)
    state.loops.snapshots[subject["id"]] = snapshot


def _is_dry(state: SandboxState, subject: Mapping[str, Any]) -> bool:
    """Return whether a campaign has no lead to mail, and the habit is on that this completes it."""
    if "dry_campaigns_complete" not in state.habits or subject["id"] not in state.campaigns:
        return False
    return all(lead["status"] != seed.ACTIVE_LEAD for lead in state.leads_in(subject["id"]))
