"""What a watcher reports: something that happened to a campaign.

Each kind of watcher keeps a position. It is stored with the asset, so it is small, plain JSON, and says all
that a later process has to know. A first poll only takes the position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_campaigns.api.response import printable

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


def shown_name(name: Any) -> str | None:
    """Return the name of a campaign on one line; None where it has none."""
    return printable(name)[:_MAX_NAME] or None if isinstance(name, str) else None


def matches(name: Any, pattern: str | None) -> bool:
    """Return whether a campaign's name matches a pattern such as ``newsletter-*``, in upper or lower case.

    :param pattern: None for every campaign.
    """
    return pattern is None or fnmatchcase(name.lower() if isinstance(name, str) else "", pattern.lower())
