"""What has happened since the last poll: campaigns completed, or their health changed.

Each watcher keeps a position. It is stored with the asset, so it is small, plain JSON, and says all that a later
process has to know. A first poll only takes the position. A change has an ``event_id`` that is the same however
often it is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, CampaignStatus
from airflow_provider_campaigns.api.response import printable

# A campaign that is listed this much later than newer ones still counts as a new one.
LATE_LISTING = timedelta(hours=1)
# A date further ahead of our clock is not believed.
CLOCK_SKEW = timedelta(days=1)
# How many campaigns that have not ended a position remembers after they left the list.
MAX_UNLISTED = 10_000
_VERSION = 1
_MAX_NAME = 200


@dataclass(frozen=True)
class Change:
    """Something that happened to a campaign.

    :param event_id: identifies the change; a repeated event has the same one.
    :param campaign_id: the campaign.
    :param name: its name; None where the service does not say.
    :param before: the state before; None where there was none.
    :param after: the state now.
    :param at: when it was seen.
    :param message: the same for a person.
    :param details: further fields of the event.
    """

    event_id: str
    campaign_id: str
    name: str | None
    before: str | None
    after: str
    at: datetime
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_payload(self, *, may_repeat: bool) -> dict[str, Any]:
        """Return the payload of the event: small, and plain JSON.

        :param may_repeat: whether the event may have been reported before.
        """
        return {
            "event_id": self.event_id,
            "campaign_id": self.campaign_id,
            "name": self.name,
            "from": self.before,
            "to": self.after,
            "at": self.at.isoformat(timespec="seconds"),
            "message": self.message,
            "may_repeat": may_repeat,
            **self.details,
        }


class Completions:
    """Which campaigns of Campaign Cleaner have completed.

    A campaign is new if it was added after ``floor`` and is not ``recent``. One that is not completed is *open*:
    it is reported when it completes, whatever its date. So a campaign that leaves the list and comes back is not
    reported again, and one that is processed again is.

    :ivar floor: new campaigns have a later date, or the same.
    :ivar recent: the campaigns since then, with their dates.
    :ivar open: the campaigns that have not completed, each with the number of its next event.
    """

    def __init__(self) -> None:
        self.floor: datetime | None = None
        self.recent: dict[str, datetime] = {}
        self.open: dict[str, int] = {}

    @classmethod
    def from_json(cls, stored: Any) -> Completions | None:
        """Return a stored position; None where there is none.

        :raises ValueError: it cannot be read.
        """
        if stored is None:
            return None
        try:
            if stored["v"] != _VERSION:
                raise ValueError(f"version {stored['v']!r} is not known")
            position = cls()
            position.floor = _instant(stored["floor"])
            position.recent = {each: _instant(added) for each, added in stored["recent"].items()}
            position.open = {each: int(number) for each, number in stored["open"].items()}
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        return position

    def as_json(self) -> dict[str, Any]:
        """Return the position as plain JSON."""
        return {
            "v": _VERSION,
            "floor": self.floor.isoformat() if self.floor else None,
            "recent": {each: added.isoformat() for each, added in self.recent.items()},
            "open": dict(self.open),
        }

    def update(self, changed: Iterable[CampaignStatus], now: datetime) -> list[Change]:
        """Take campaigns that are new in the list or have changed, and return those that have completed."""
        changes = []
        newest = self.floor
        for campaign in changed:
            campaign_id, is_completed = campaign.id, campaign.state is CampaignState.COMPLETED
            added = campaign.date_added
            if added is not None and added > now + CLOCK_SKEW:
                added = None
            number = self.open.get(campaign_id)
            if number is None and self._is_new(campaign_id, added):
                number = 1
            if number is None and not is_completed:
                number = int(now.timestamp())  # processed again
            if number is not None and is_completed:
                changes.append(_completed(campaign, number, now))
                self.open.pop(campaign_id, None)
            elif number is not None:
                self.open[campaign_id] = number
            if added is not None and (self.floor is None or added >= self.floor):
                self.recent[campaign_id] = added
                newest = added if newest is None else max(newest, added)
        self._advance(newest, now)
        return changes

    def forget_unlisted(self, listed: Mapping[str, Any]) -> None:
        """Forget the oldest of the open campaigns that are not listed any more, where they are very many."""
        unlisted = [each for each in self.open if each not in listed]
        for campaign_id in unlisted[: max(0, len(unlisted) - MAX_UNLISTED)]:
            del self.open[campaign_id]

    def _is_new(self, campaign_id: str, added: datetime | None) -> bool:
        if added is None:  # only its state tells
            return False
        return campaign_id not in self.recent and (self.floor is None or added >= self.floor)

    def _advance(self, newest: datetime | None, now: datetime) -> None:
        if newest is None:
            newest = now
        floor = min(newest, now) - LATE_LISTING
        if self.floor is None or floor > self.floor:
            self.floor = floor
            self.recent = {each: added for each, added in self.recent.items() if added >= floor}


def _completed(campaign: CampaignStatus, number: int, now: datetime) -> Change:
    name = _shown(campaign.campaign_name)
    return Change(
        event_id=f"{campaign.id}:{number}",
        campaign_id=campaign.id,
        name=name,
        before=CampaignState.PROCESSING.value,
        after=CampaignState.COMPLETED.value,
        at=now,
        message=f"Campaign {campaign.id}{f' ({name})' if name else ''} is completed.",
    )


def _shown(name: str | None) -> str | None:
    return printable(name)[:_MAX_NAME] if name else None


def _instant(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text).astimezone(timezone.utc)
