"""Decide whether the senders of a campaign can send, by the status of each; no warm-up or other score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.gate_rules import Disposition
from airflow_provider_campaigns.rules.send_gate import Verdict

_ACTIVE = 1
_MAINTENANCE = 3
_STATES: Mapping[float, str] = {
    2: "paused",
    _MAINTENANCE: "in maintenance, which ends by itself",
    -1: "connection error",
    -2: "soft bounce error",
    -3: "sending error",
}
_MISSING = object()
_MAX_NAMED = 100
_MAX_ADDRESS = 100


def addresses_of(campaign: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the senders that a campaign names individually."""
    return _strings(campaign.get("email_list"))


def tags_of(campaign: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the tags by which a campaign names senders."""
    return _strings(campaign.get("email_tag_list"))


def with_senders(
    verdict: Verdict, policy: Policy, named: Iterable[str], accounts: Iterable[Mapping[str, Any]]
) -> Verdict:
    """Return the verdict of an open gate after a check of the senders.

    :param named: the addresses that the campaign names.
    :param accounts: the accounts of these addresses and of the campaign's tags, as Instantly returned them.
    """
    states: dict[str, Any] = {address.lower(): _MISSING for address in named}
    states |= {str(account.get("email")).lower(): account.get("status") for account in accounts}
    unusable = {address: status for address, status in states.items() if not _can_send(status)}
    if not states:
        return _not_open(
            verdict, policy, Disposition.CLOSED, "The campaign has no sender: attach a sending account."
        )
    if len(unusable) == len(states):
        heals = _MAINTENANCE in unusable.values()
        reason = f"No sender of the campaign can send: {_listed(unusable)}."
        return _not_open(verdict, policy, Disposition.WAIT if heals else Disposition.CLOSED, reason)
    if not unusable:
        return verdict
    problem = f"{len(states) - len(unusable)} of {len(states)} senders can send, but not {_listed(unusable)}."
    return replace(verdict, message=f"{verdict.message} {problem}")


def _can_send(status: Any) -> bool:
    return status == _ACTIVE and not isinstance(status, bool)


def _not_open(verdict: Verdict, policy: Policy, disposition: Disposition, reason: str) -> Verdict:
    message = f"{reason} {policy.what_opens}"
    return replace(verdict, open=False, disposition=disposition, message=message)


def _listed(states: Mapping[str, Any]) -> str:
    """Return addresses with their states, the first ones of many."""
    first = list(states.items())[:_MAX_NAMED]
    shown = [f"{printable(address):.{_MAX_ADDRESS}}: {_state(status)}" for address, status in first]
    rest = len(states) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _state(status: Any) -> str:
    if status is _MISSING:
        return "not in the workspace"
    known = _STATES.get(status) if isinstance(status, (int, float)) else None
    return f"{known} ({status:g})" if known else f"unknown status {status!r:.40}"


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str) and each) if isinstance(value, list) else ()
