"""What a user may set about a send gate: the intent, a policy for single codes, and the age of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.api.values import shown
from airflow_provider_campaigns.rules.gate_rules import (
    FRESHNESS,
    RULES,
    Disposition,
    Intent,
)

# In a policy: open, even if a detail of the response shows that the state will not resolve.
OPEN_ANYWAY = "open_anyway"
POLICY_CHOICES = (*(disposition.value for disposition in Disposition), OPEN_ANYWAY)


@dataclass(frozen=True)
class Policy:
    """The disposition of every code, and how old the data may be.

    :param intent: what the downstream tasks do.
    :param dispositions: one for each of the 18 codes.
    :param max_status_age: the oldest data that may open the gate.
    :param campaign_confirms: whether the campaign's own status may stand in for a missing or old time.
    :param overridden: the codes that the user decided.
    :param opened_anyway: those of them that open whatever the details of a response are.
    """

    intent: Intent
    dispositions: Mapping[SendingCode, Disposition]
    max_status_age: timedelta
    campaign_confirms: bool
    overridden: frozenset[SendingCode] = frozenset()
    opened_anyway: frozenset[SendingCode] = frozenset()

    @classmethod
    def of(
        cls,
        overrides: Mapping[str, str] | None = None,
        max_status_age: timedelta | None = None,
        intent: str = Intent.SEND,
    ) -> Policy:
        """Return the policy of an intent with a user's overrides.

        :param overrides: code to disposition, each as a string or an enum member; ``"open_anyway"`` opens
            although a detail of the response shows that the state will not resolve.
        :param max_status_age: the oldest data that may open the gate; None for the intent's own.
        :raises ValueError: the intent, a code or a disposition is unknown, or the age is negative.
        """
        if overrides is not None and not isinstance(overrides, Mapping):
            raise ValueError(f"policy must be a mapping of codes to dispositions, got {shown(overrides)}.")
        if max_status_age is not None and max_status_age < timedelta(0):
            raise ValueError(f"max_status_age must not be negative, got {max_status_age}.")
        chosen_intent = _intent(intent)
        chosen = {_code(code): _choice(code, wanted) for code, wanted in (overrides or {}).items()}
        freshness = FRESHNESS[chosen_intent]
        dispositions = {code: rule.dispositions[chosen_intent] for code, rule in RULES.items()}
        for code, wanted in chosen.items():
            dispositions[code] = Disposition.OPEN if wanted == OPEN_ANYWAY else Disposition(wanted)
        return cls(
            intent=chosen_intent,
            dispositions=dispositions,
            max_status_age=freshness.max_age if max_status_age is None else max_status_age,
            campaign_confirms=freshness.campaign_confirms and max_status_age is None,
            overridden=frozenset(chosen),
            opened_anyway=frozenset(code for code, wanted in chosen.items() if wanted == OPEN_ANYWAY),
        )

    @cached_property
    def what_opens(self) -> str:
        """What opens the gate, as a sentence."""
        codes = [code.value for code, wanted in self.dispositions.items() if wanted is Disposition.OPEN]
        return f"Intent {self.intent.value!r}: the gate opens on {', '.join(codes) or 'no code'}."


def policy_as_json(policy: Mapping[str, str]) -> dict[str, str]:
    """Return a policy as plain strings, so that Airflow can store it.

    :raises ValueError: a code or disposition is unknown.
    """
    return {_code(code).value: _choice(code, wanted) for code, wanted in policy.items()}


def _intent(intent: str) -> Intent:
    try:
        return Intent(intent)
    except ValueError:
        known = ", ".join(each.value for each in Intent)
        raise ValueError(f"intent must be one of {known}, got {shown(intent)}.") from None


def _code(code: str) -> SendingCode:
    try:
        return SendingCode(code)
    except ValueError:
        known = ", ".join(known.value for known in SendingCode)
        raise ValueError(f"policy: unknown sending code {shown(code)}. The codes are: {known}.") from None


def _choice(code: str, wanted: str) -> str:
    value = getattr(wanted, "value", wanted)
    if not isinstance(value, str) or value not in POLICY_CHOICES:
        raise ValueError(f"policy: {code!r} must be one of {', '.join(POLICY_CHOICES)}, got {shown(wanted)}.")
    return value
