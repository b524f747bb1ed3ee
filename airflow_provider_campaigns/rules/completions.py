"""Which campaigns of Campaign Cleaner have completed since the last poll."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, CampaignStates, CampaignStatus
from airflow_provider_campaigns.api.response import subject_of
from airflow_provider_campaigns.rules.changes import (
    POSITION_VERSION,
    Change,
    forget_missing,
    matches,
    read_position,
    shown_name,
)

# A campaign that is listed this much later than newer ones still counts as a new one.
LATE_LISTING = timedelta(hours=1)
# A date before this, or further ahead of our clock, is not believed.
OLDEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
CLOCK_SKEW = timedelta(days=1)


class Completions:
    """Which campaigns of Campaign Cleaner have completed.

    A campaign is new if it was added after ``floor`` and is not ``recent``. One that is not completed is
    *open*: it is reported when it completes, whatever its date. So a campaign that leaves the list and comes
    back is not reported again, and one that is processed again is.

    :param name_pattern: only report campaigns with such a name; upper and lower case are the same.
    :param fire_existing: report what is completed in the first list.
    :param of: the connection; a position of another one is not used.

    :ivar floor: new campaigns have a later date, or the same.
    :ivar recent: the campaigns since then, with their dates.
    :ivar open: the campaigns that have not completed, each with the number of its next event.
    """

    def __init__(self, *, name_pattern: str | None = None, fire_existing: bool = False, of: str) -> None:
        self._of = [of]
        self._name_pattern = name_pattern
        self._fires = fire_existing
        self._listed: CampaignStates | None = None
        self._unconfirmed: set[str] = set()
        self.floor: datetime | None = None
        self.recent: dict[str, datetime] = {}
        self.open: dict[str, int] = {}

    def load(self, stored: Any, unconfirmed: Collection[str] = ()) -> None:
        """Take over a stored position; None where there is none.

        :param unconfirmed: ids of events after this position that may have been stored.
        :raises ValueError: it cannot be read.
        """
        if stored is None:
            return
        of, floor, recent, opened = read_position(
            stored,
            lambda position: (
                position.get("of"),
                _instant(position["floor"]),
                {each: _instant(added) for each, added in position["recent"].items()},
                {each: int(number) for each, number in position["open"].items()},
            ),
        )
        self._unconfirmed = {each.rpartition(":")[0] for each in unconfirmed}
        if of == self._of:
            self.floor, self.recent, self.open = floor, recent, opened
            self._fires = True

    def as_json(self) -> dict[str, Any]:
        """Return the position as plain JSON."""
        return {
            "v": POSITION_VERSION,
            "of": self._of,
            "floor": self.floor.isoformat() if self.floor else None,
            "recent": {each: added.isoformat() for each, added in self.recent.items()},
            "open": dict(self.open),
        }

    def update(self, listed: CampaignStates, now: datetime) -> list[Change]:
        """Take a list, and return the campaigns that have completed."""
        completed = self._completed_in(listed.changed_since(self._listed), now)
        self._listed = listed
        forget_missing(self.open, listed)
        fires, self._fires = self._fires, True
        return [change for change in completed if fires and matches(change.name, self._name_pattern)]

    def _completed_in(self, changed: Iterable[CampaignStatus], now: datetime) -> list[Change]:
        changes = []
        newest = self.floor
        for campaign in changed:
            campaign_id, is_completed = campaign.id, campaign.state is CampaignState.COMPLETED
            added = campaign.date_added
            if added is not None and not OLDEST <= added <= now + CLOCK_SKEW:
                added = None
            number = self.open.get(campaign_id)
            if number is None and self._is_new(campaign_id, added):
                number = 1
            if not is_completed and (number is None or campaign_id in self._unconfirmed):
                number = int(now.timestamp())  # processed again
            self._unconfirmed.discard(campaign_id)
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

    def _is_new(self, campaign_id: str, added: datetime | None) -> bool:
        if added is None:  # only its state shows it
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
    name = shown_name(campaign.campaign_name)
    return Change(
        event_id=f"{campaign.id}:{number}",
        campaign_id=campaign.id,
        name=name,
        before=CampaignState.PROCESSING.value,
        after=CampaignState.COMPLETED.value,
        at=now.isoformat(timespec="seconds"),
        message=f"{subject_of('Campaign', campaign.id, name)} is completed.",
    )


def _instant(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text).astimezone(timezone.utc)
