"""What a watcher reports: something that happened to a campaign.

Each kind of watcher keeps a position. It is stored with the asset, so it is small, plain JSON, and says all
that a later process has to know. A first poll only takes the position.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from airflow_provider_campaigns.api.response import printable

T = TypeVar("T")

# The version of the stored form of a position.
POSITION_VERSION = 1
# How many campaigns a position remembers after they left the list.
MAX_MISSING = 10_000
_MAX_NAME = 200


@dataclass(frozen=True)
class Change:
    """Something that happened to a campaign.

    :param event_id: identifies the change; a repeated event has the same one.
    :param campaign_id: the campaign.
    :param name: its name; None where the service does not say.
    :param before: the state before; None where there was none.
    :param after: the state now.
    :param at: when it was seen, in ISO 8601.
    :param message: the same for a person.
    :param details: further fields of the event.
    """

    event_id: str
    campaign_id: str
    name: str | None
    before: str | None
    after: str
    at: str
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
            "at": self.at,
            "message": self.message,
            "may_repeat": may_repeat,
            **self.details,
        }


def read_position(stored: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    """Return what ``read`` makes of a stored position.

    :raises ValueError: it cannot be read.
    """
    try:
        if stored["v"] != POSITION_VERSION:
            raise ValueError(f"version {stored['v']!r} is not known")
        return read(stored)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def forget_missing(remembered: dict[str, Any], listed: Collection[str]) -> None:
    """Forget the oldest of the campaigns that are not listed any more, where they are very many."""
    missing = [each for each in remembered if each not in listed]
    for campaign_id in missing[: max(0, len(missing) - MAX_MISSING)]:
        del remembered[campaign_id]


def shown_name(name: Any) -> str | None:
    """Return the name of a campaign on one line; None where it has none."""
    return printable(name)[:_MAX_NAME] or None if isinstance(name, str) else None


def matches(name: Any, pattern: str | None) -> bool:
    """Return whether a campaign's name matches a pattern such as ``newsletter-*``, in upper or lower case.

    :param pattern: None for every campaign.
    """
    return pattern is None or fnmatchcase(name.lower() if isinstance(name, str) else "", pattern.lower())
