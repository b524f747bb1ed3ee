"""How the health of Instantly's campaigns has changed since the last poll."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode, SendingStatus
from airflow_provider_campaigns.api.response import subject_of
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.changes import (
    POSITION_VERSION,
    Change,
    forget_missing,
    read_position,
    shown_name,
)
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.gate_rules import LIFECYCLE_CODES, Disposition
from airflow_provider_campaigns.rules.send_gate import judge, staleness

ON_CHOICES = ("disposition", "code")
_CODES: Mapping[Any, SendingCode] = {
    LifecycleStatus.RUNNING_SUBSEQUENCES: SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES,
    **{status: code for code, status in LIFECYCLE_CODES.items()},
}


class Reading(NamedTuple):
    """What is known about a campaign's health at a moment.

    :param code: its sending code.
    :param disposition: what the code means to the policy.
    :param message: the same for a person.
    """

    code: str
    disposition: str
    message: str


def has_sending_status(campaign: Mapping[str, Any]) -> bool:
    """Return whether a campaign's health is in its sending status; else its own status says it."""
    return campaign.get("status") == LifecycleStatus.ACTIVE


def read_health(
    campaign: Mapping[str, Any], response: SendingStatus | ApiError | None, policy: Policy, now: datetime
) -> Reading | None:
    """Return a campaign's health; None where nothing is known for certain.

    An active campaign needs a fresh sending status with a code that does not contradict it.

    :param campaign: the campaign as Instantly lists it.
    :param response: its sending status, for an active campaign.
    """
    if has_sending_status(campaign):
        if not isinstance(response, SendingStatus) or staleness(response.last_updated, policy, now):
            return None
        if response.status in LIFECYCLE_CODES:
            return None
    else:
        status = campaign.get("status")
        code = _CODES.get(status) if isinstance(status, int) else None
        if code is None:
            return None
        response = SendingStatus(code.value)
    verdict = judge(response, policy, now, campaign)
    try:
        code = SendingCode(verdict.code)
    except ValueError:
        return None
    return Reading(code.value, verdict.disposition.value, verdict.message)


@dataclass(frozen=True)
class Known:
    """The health of a campaign as it was last reported; a code of None is not known yet.

    :param since: when it was seen first, in ISO 8601.
    :param number: that of its last change. It begins with the time of a first poll, so that no number is used
        again after the position is lost.
    """

    code: str | None
    disposition: str | None
    since: str
    number: int = 0

    @classmethod
    def from_json(cls, code: str | None, disposition: str | None, since: str, number: Any) -> Known:
        """Read what :meth:`Health.as_json` wrote of a campaign."""
        return cls(code, disposition, since, int(number))


class Workspace(NamedTuple):
    """The campaigns of a workspace at a moment.

    :param campaigns: the campaigns as Instantly lists them, by id in lower case.
    :param statuses: the sending status of each active campaign that has responded since the last poll.
    """

    campaigns: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[str, SendingStatus | ApiError]


class Health:
    """The health of all campaigns of a workspace.

    A campaign that appears after the first poll counts as a draft, as every campaign begins.

    :param policy: what each code means.
    :param on: what has to change: the ``"disposition"`` or the ``"code"``.
    :param stable_for: how many polls in a row a change has to last.
    :param of: the connection, and the ids of the campaigns; None for all.

    :ivar is_first: whether an unknown campaign is only recorded: the first list that has campaigns, or the
        first one of another connection or selection.
    """

    def __init__(
        self, policy: Policy, *, on: str, stable_for: int, of: tuple[str, Sequence[str] | None]
    ) -> None:
        self._of = [of[0], None if of[1] is None else sorted(of[1])]
        self._policy = policy
        self._on = on
        self._stable_for = stable_for
        self._dispositions = {code.value: each.value for code, each in policy.dispositions.items()}
        self._pending: dict[str, tuple[str, int]] = {}
        self._unconfirmed: dict[str, list[tuple[int, str]]] = {}
        self.known: dict[str, Known] = {}
        self.is_first = True

    def load(self, stored: Any, unconfirmed: Collection[str] = ()) -> None:
        """Take over a stored position; None where there is none.

        :param unconfirmed: ids of events after this position that may have been stored.
        :raises ValueError: it cannot be read.
        """
        for event_id in unconfirmed:
            campaign_id, _, rest = event_id.partition(":")
            number, _, state = rest.partition(":")
            # Before an edit, `on` may have been another.
            if number.isdecimal() and (state in self._dispositions) == (self._on == "code"):
                self._unconfirmed.setdefault(campaign_id, []).append((int(number), state))
        if stored is None:
            return
        of, policy, known = read_position(
            stored,
            lambda position: (
                position.get("of"),
                dict(position.get("policy", {})),
                {each: Known.from_json(*fields) for each, fields in position["campaigns"].items()},
            ),
        )
        self.known = {each: self._by_policy(it, policy) for each, it in known.items()}
        self.is_first = of != self._of or not self.known

    def as_json(self) -> dict[str, Any]:
        """Return the position as plain JSON."""
        known = self.known.items()
        return {
            "v": POSITION_VERSION,
            "of": self._of,
            "policy": self._dispositions,
            "campaigns": {each: [it.code, it.disposition, it.since, it.number] for each, it in known},
        }

    def update(self, found: Workspace, now: datetime) -> list[Change]:
        """Take the campaigns and their statuses, and return whose health has changed."""
        changes = []
        for campaign_id, campaign in found.campaigns.items():
            known = self.known.get(campaign_id)
            latest = known or self._new(now)
            reading = read_health(campaign, found.statuses.get(campaign_id), self._policy, now)
            if reading is not None:
                before = self._before(campaign_id, latest, reading)
                after = self._after(campaign_id, before, reading, now)
                if after.number > before.number:
                    changes.append(self._change(campaign, known and before, after, reading))
                    self._unconfirmed.pop(campaign_id, None)
                if campaign_id not in self._unconfirmed:
                    latest = after
            self.known[campaign_id] = latest
        self.is_first = self.is_first and not found.campaigns
        forget_missing(self.known, found.campaigns)
        return changes

    def _new(self, now: datetime) -> Known:
        since = now.isoformat(timespec="seconds")
        if self.is_first:
            return Known(None, None, since, int(now.timestamp()))
        return Known(SendingCode.CAMPAIGN_DRAFT.value, None, since)

    def _by_policy(self, known: Known, policy: Mapping[str, str]) -> Known:
        """Return what is known by the policy of today, so that an edit of it is no change of health.

        What differs from its own policy was decided by a detail of the campaign.
        """
        if known.code is not None and policy.get(known.code, "") == known.disposition:
            return replace(known, disposition=self._dispositions.get(known.code, known.disposition))
        return known

    def _before(self, campaign_id: str, known: Known, reading: Reading) -> Known:
        """Return what a reading is compared with, after a start until the next event.

        An event that may have been stored is repeated with its number if the campaign is still in that state.
        If not, it has left a state that may have been reported.
        """
        fired = sorted(each for each in self._unconfirmed.get(campaign_id, ()) if each[0] > known.number)
        if not fired:
            self._unconfirmed.pop(campaign_id, None)
            return known
        number, state = fired[-1]
        if state == getattr(reading, self._on):
            number, state = number - 1, fired[-2][1] if len(fired) > 1 else getattr(known, self._on)
        return replace(known, number=number, **{self._on: state})

    def _after(self, campaign_id: str, known: Known, reading: Reading, now: datetime) -> Known:
        """Return what is known after a reading; a higher number makes it a change."""
        value = getattr(reading, self._on)
        same = replace(known, code=reading.code, disposition=reading.disposition)
        still_draft = known.code == reading.code == SendingCode.CAMPAIGN_DRAFT
        if known.code is None or still_draft or value == getattr(known, self._on):
            self._pending.pop(campaign_id, None)
            return same
        pending, polls = self._pending.get(campaign_id, (value, 0))
        polls = polls + 1 if pending == value else 1
        if polls < self._stable_for:
            self._pending[campaign_id] = value, polls
            return known
        self._pending.pop(campaign_id, None)
        return replace(same, since=now.isoformat(timespec="seconds"), number=known.number + 1)

    def _change(
        self, campaign: Mapping[str, Any], before: Known | None, latest: Known, reading: Reading
    ) -> Change:
        name = shown_name(campaign.get("name"))
        campaign_id, after = str(campaign["id"]).lower(), getattr(latest, self._on)
        return Change(
            # Without the state, another change that follows a lost one would have its id.
            event_id=f"{campaign_id}:{latest.number}:{after}",
            campaign_id=campaign_id,
            name=name,
            before=getattr(before, self._on) if before else None,
            after=after,
            at=latest.since,
            message=f"{subject_of('Campaign', campaign_id, name)}: {reading.code}. {reading.message}",
            details={
                "code": reading.code,
                "needs_person": reading.disposition == Disposition.CLOSED.value,
            },
        )
