"""The table of the send gate: what each of the 18 codes means for each intent, and how fresh it has to be.

- An *intent* is what the downstream tasks do. Mail goes out now (``send``), leads are added (``add_leads``),
  the campaign is started (``activate``), or its copy is changed while no mail goes out (``edit``).
- *open*: the run goes on. *wait*: the state ends without a person. *closed*: a person has to act.
  *finished*: no lead is left.
- The codes in :data:`LIFECYCLE_CODES` repeat the campaign's own status, without a time or with an old one.
  They open a gate only if the campaign, read at that moment, has the same status.
- Every other code has the time of the last update, and opens a gate only while it is fresh. For the intents
  that send no mail by themselves, the campaign's own status may stand in for a missing or old time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode


class Intent(str, Enum):
    """What the downstream tasks of a gate do."""

    SEND = "send"
    ADD_LEADS = "add_leads"
    ACTIVATE = "activate"
    EDIT = "edit"


class Disposition(str, Enum):
    """What a code means for the gate."""

    OPEN = "open"
    WAIT = "wait"
    CLOSED = "closed"
    FINISHED = "finished"


@dataclass(frozen=True)
class Rule:
    """The disposition of a code for each intent, and advice for a person."""

    dispositions: Mapping[Intent, Disposition]
    advice: str


@dataclass(frozen=True)
class Freshness:
    """How fresh a code with a time has to be to open the gate.

    :param max_age: the oldest data that opens the gate.
    :param campaign_confirms: whether data without a time, or with an older one, opens the gate if the
        campaign itself is active.
    """

    max_age: timedelta
    campaign_confirms: bool


def _rule(send: str, add_leads: str, activate: str, edit: str, advice: str) -> Rule:
    row = zip(Intent, map(Disposition, (send, add_leads, activate, edit)), strict=True)
    return Rule(MappingProxyType(dict(row)), advice)


RULES: Mapping[SendingCode, Rule] = MappingProxyType({
    SendingCode.HEALTHY: _rule(
        "open", "open", "open", "wait",
        "The campaign sends normally."),
    SendingCode.FOLLOW_UP_DELAY_NOT_MET: _rule(
        "wait", "open", "open", "wait",
        "Follow-ups exist and none is due yet."),
    SendingCode.OUT_OF_SCHEDULE: _rule(
        "wait", "open", "open", "open",
        "The campaign is outside its sending hours."),
    SendingCode.DAILY_LIMIT_MET: _rule(
        "wait", "open", "open", "open",
        "The campaign has reached its own limit for today."),
    SendingCode.ACCOUNT_DAILY_LIMIT_MET: _rule(
        "wait", "open", "open", "open",
        "The sending accounts have reached their limits for today."),
    SendingCode.NEW_LEAD_LIMIT_MET: _rule(
        "wait", "open", "open", "wait",
        "The limit of new leads for today is reached."),
    SendingCode.DOMAIN_LIMIT_REACHED: _rule(
        "wait", "open", "open", "wait",
        "The limit per recipient domain is reached for today."),
    SendingCode.WAITING_FOR_ESP_MATCH: _rule(
        "wait", "open", "open", "wait",
        "Waiting for a sender at the recipient's provider; add one, or relax routing."),
    SendingCode.WAITING_FOR_LEADS: _rule(
        "wait", "open", "open", "open",
        "No lead is ready: add leads. If that does not help, check the sending accounts."),
    SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES: _rule(
        "wait", "wait", "wait", "wait",
        "The main steps are done and subsequences still run."),
    SendingCode.NO_ACCOUNTS_AVAILABLE: _rule(
        "wait", "open", "open", "wait",
        "No sending account is free at the moment."),
    SendingCode.CAMPAIGN_DRAFT: _rule(
        "closed", "closed", "open", "open",
        "The campaign was never activated."),
    SendingCode.CAMPAIGN_PAUSED: _rule(
        "closed", "closed", "open", "open",
        "Somebody paused the campaign; resume it in Instantly."),
    SendingCode.CAMPAIGN_BOUNCE_PROTECT: _rule(
        "closed", "closed", "closed", "open",
        "Paused because too many mails bounced: clean the list, then resume by hand."),
    SendingCode.CAMPAIGN_ACCOUNTS_UNHEALTHY: _rule(
        "closed", "closed", "closed", "open",
        "Paused because its senders are in error: repair them, then resume by hand."),
    SendingCode.CAMPAIGN_ACCOUNT_SUSPENDED: _rule(
        "closed", "closed", "closed", "open",
        "A sending account is suspended: remove it, or ask Instantly's support."),
    SendingCode.ALL_ACCOUNTS_UNHEALTHY: _rule(
        "closed", "closed", "closed", "wait",
        "Every sending account is in error: repair or replace them."),
    SendingCode.CAMPAIGN_COMPLETED: _rule(
        "finished", "open", "finished", "open",
        "Every lead has been mailed: add leads and activate the campaign, or copy it."),
})  # fmt: skip

FRESHNESS: Mapping[Intent, Freshness] = MappingProxyType({
    Intent.SEND: Freshness(timedelta(minutes=30), campaign_confirms=False),
    Intent.ADD_LEADS: Freshness(timedelta(minutes=30), campaign_confirms=True),
    Intent.ACTIVATE: Freshness(timedelta(minutes=30), campaign_confirms=True),
    Intent.EDIT: Freshness(timedelta(minutes=15), campaign_confirms=False),
})  # fmt: skip

# The codes that repeat the campaign's own status.
LIFECYCLE_CODES: Mapping[SendingCode, LifecycleStatus] = MappingProxyType({
    SendingCode.CAMPAIGN_DRAFT: LifecycleStatus.DRAFT,
    SendingCode.CAMPAIGN_PAUSED: LifecycleStatus.PAUSED,
    SendingCode.CAMPAIGN_COMPLETED: LifecycleStatus.COMPLETED,
    SendingCode.CAMPAIGN_BOUNCE_PROTECT: LifecycleStatus.BOUNCE_PROTECT,
    SendingCode.CAMPAIGN_ACCOUNTS_UNHEALTHY: LifecycleStatus.ACCOUNTS_UNHEALTHY,
    SendingCode.CAMPAIGN_ACCOUNT_SUSPENDED: LifecycleStatus.ACCOUNT_SUSPENDED,
})  # fmt: skip


def expected_lifecycle(code: SendingCode) -> LifecycleStatus:
    """Return the status that a campaign has while it reports a code."""
    if code is SendingCode.CAMPAIGN_RUNNING_SUBSEQUENCES:
        return LifecycleStatus.RUNNING_SUBSEQUENCES
    return LIFECYCLE_CODES.get(code, LifecycleStatus.ACTIVE)
