"""Record which campaigns have an event in an asset, so that no event is added twice.

The record is limited in size; if it is lost, it is rebuilt from the events.

A *ledger* holds the recorded state of each campaign: that of its last event, or where it has no event, the
one in which it was first seen. Only a stored event becomes part of it, so that a task that dies before its
events are stored cannot make it wrong.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.api.values import parse_instant

# How many campaigns a ledger holds, unless the service lists more. Campaigns that are no longer listed stay
# until then, because a list may be incomplete once.
MAX_KNOWN = 20_000
_VERSION = 1
# As many bytes of a hash as make two campaigns of one account with the same one impossible in practice.
_DIGEST_SIZE = 8
_KEY_TIME = "%Y%m%dT%H%M%SZ"

_KNOWN_CODES = frozenset(code.value for code in SendingCode)


@dataclass
class Ledger:
    """The recorded state of each campaign.

    :param since: an unknown campaign that was added before this time is not new; None: each is new.
    :param until: when the newest event that is part of this ledger was stored.
    :param is_behind: whether there may be newer events.
    :param added_by: the Dag run whose task was about to add the newest events.
    """

    since: datetime | None = None
    until: datetime | None = None
    is_behind: bool = False
    added_by: str | None = None
    _states: dict[bytes, str] = field(default_factory=dict)
    _added: dict[bytes, str] = field(default_factory=dict)

    def state(self, campaign_id: str) -> str | None:
        """Return the recorded state of a campaign; None where there is none."""
        return self._states.get(_digest(campaign_id))

    def record(self, campaign_id: str, state: str) -> None:
        """Record the state of a campaign."""
        self._states[_digest(campaign_id)] = state

    def expect(self, run_id: str, states: Iterable[tuple[str, str]]) -> None:
        """Store the states that the events of a Dag run record, if its task succeeds."""
        self.added_by = run_id
        self._added = {_digest(campaign_id): state for campaign_id, state in states}

    def record_added(self) -> None:
        """Record what the Dag run added: its task has succeeded, so its events are stored."""
        self._states |= self._added

    @property
    def is_empty(self) -> bool:
        """Whether no campaign is recorded."""
        return not self._states

    def is_new(self, added_at: datetime | None) -> bool:
        """Return whether a campaign without a recorded state was added after the ledger began."""
        return self.since is None or added_at is None or added_at >= self.since

    def trim(self, listed: Collection[str]) -> None:
        """Drop campaigns that the service no longer lists, if the ledger is too large."""
        if len(self._states) > MAX_KNOWN:
            kept = {_digest(each) for each in listed}
            dropped = [each for each in self._states if each not in kept]
            for each in dropped[: len(self._states) - MAX_KNOWN]:
                del self._states[each]

    def as_json(self) -> dict[str, Any]:
        """Return the ledger as JSON: 11 bytes a campaign."""
        return {
            "version": _VERSION,
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "is_behind": self.is_behind,
            "added_by": self.added_by,
            "added": _packed(self._added),
            "states": _packed(self._states),
        }

    @classmethod
    def from_json(cls, stored: Any) -> Ledger | None:
        """Return a stored ledger; None where there is none that this version can read."""
        if not isinstance(stored, Mapping) or stored.get("version") != _VERSION:
            return None
        return cls(
            parse_instant(stored["since"]),
            parse_instant(stored["until"]),
            stored["is_behind"],
            stored.get("added_by"),
            _unpacked(stored["states"]),
            _unpacked(stored.get("added") or {}),
        )


def _packed(states: Mapping[bytes, str]) -> dict[str, str]:
    groups: dict[str, list[bytes]] = defaultdict(list)
    for digest, state in states.items():
        groups[state].append(digest)
    return {state: b64encode(b"".join(sorted(digests))).decode() for state, digests in sorted(groups.items())}


def _unpacked(packed: Mapping[str, str]) -> dict[bytes, str]:
    states: dict[bytes, str] = {}
    for state, text in packed.items():
        digests = b64decode(text)
        for start in range(0, len(digests), _DIGEST_SIZE):
            states[digests[start : start + _DIGEST_SIZE]] = state
    return states


def _digest(campaign_id: str) -> bytes:
    return sha256(campaign_id.lower().encode()).digest()[:_DIGEST_SIZE]


def health_key(campaign_id: str, code: str, began_at: datetime) -> str:
    """Return the partition key of a change of a campaign's health: ``<campaign id>:<code>:<UTC time>``."""
    return f"{campaign_id}:{code}:{began_at.strftime(_KEY_TIME)}"


def health_in_key(key: str) -> tuple[str, str] | None:
    """Return the campaign and the code of a key; None for a key of another form."""
    campaign_id, _, rest = key.partition(":")
    code = rest.partition(":")[0]
    return (campaign_id, code) if code in _KNOWN_CODES else None


def began_at(issue_started_at: datetime | None, newest_event: datetime | None, now: datetime) -> datetime:
    """Return when a change began: as the service reports it, or now where that cannot be.

    The service may report no start, as for ``healthy``, or still that of an earlier issue. A start after the
    newest event differs from the time in every key before.
    """
    if issue_started_at is None or issue_started_at > now:
        return now
    return issue_started_at if newest_event is None or issue_started_at > newest_event else now
