"""The reference model of a gate's decision: what each code means for each intent, and what opens the gate.

It is written from the documentation, not from the code: nothing here imports the package.
:mod:`tests.support.reference_model` is the model of the wait around the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WAITING, OPENED, CLOSED = "waiting", "opened", "closed"
# The campaign itself has to be read: it may confirm the code and open the gate, or its end has passed.
MAY_OPEN, MAY_CLOSE = "may open", "may close"

INTENTS = ("send", "add_leads", "activate", "edit")
DISPOSITIONS = {
    code: dict(zip(INTENTS, dispositions, strict=True))
    for code, *dispositions in map(
        str.split,
        """
        healthy                        open      open    open      wait
        follow_up_delay_not_met        wait      open    open      wait
        out_of_schedule                wait      open    open      open
        daily_limit_met                wait      open    open      open
        account_daily_limit_met        wait      open    open      open
        new_lead_limit_met             wait      open    open      wait
        domain_limit_reached           wait      open    open      wait
        waiting_for_esp_match          wait      open    open      wait
        waiting_for_leads              wait      open    open      open
        no_accounts_available          wait      open    open      wait
        campaign_running_subsequences  wait      wait    wait      wait
        all_accounts_unhealthy         closed    closed  closed    wait
        campaign_draft                 closed    closed  open      open
        campaign_paused                closed    closed  open      open
        campaign_completed             finished  open    finished  open
        campaign_bounce_protect        closed    closed  closed    open
        campaign_accounts_unhealthy    closed    closed  closed    open
        campaign_account_suspended     closed    closed  closed    open
        """.strip().splitlines(),
    )
}
CODES = sorted(DISPOSITIONS)
# How old the data may be, in seconds, and the intents for which the campaign may stand in for its time.
MAX_AGES = {"send": 1800.0, "add_leads": 1800.0, "activate": 1800.0, "edit": 900.0}
CLOCK_SKEW = 300.0
CAMPAIGN_STANDS_IN = {"add_leads", "activate"}
# The codes that repeat the campaign's own status, which else is ACTIVE.
DRAFT, ACTIVE = 0, 1
OWN_STATUSES = {
    "campaign_draft": DRAFT, "campaign_paused": 2, "campaign_completed": 3, "campaign_bounce_protect": -2,
    "campaign_accounts_unhealthy": -1, "campaign_account_suspended": -99,
}  # fmt: skip
RUNNING_SUBSEQUENCES = 4
VENDOR_ERROR = 99
AS_REPORTED = "as reported"


def own_status(code: Any) -> int:
    """Return the status of a campaign that reports a code."""
    if code == "campaign_running_subsequences":
        return RUNNING_SUBSEQUENCES
    return OWN_STATUSES.get(code, ACTIVE) if isinstance(code, str) else ACTIVE


@dataclass(frozen=True)
class Campaign:
    """A campaign as it is when it is read.

    :param status: its own status; :data:`AS_REPORTED` for one that agrees with the code.
    :param not_sending: its ``not_sending_status``.
    :param has_ended: whether its end date has passed.
    """

    status: Any = AS_REPORTED
    not_sending: Any = None
    has_ended: bool = False

    def confirms(self, code: str) -> bool:
        """Return whether the campaign agrees with a code."""
        agrees = self.status == own_status(code) and not isinstance(self.status, bool)
        return agrees and self.not_sending != VENDOR_ERROR


AGREES = Campaign()


@dataclass(frozen=True)
class Gate:
    """A send gate.

    :param max_age: how old the data may be, in seconds; None for the intent's own.
    """

    intent: str = "send"
    policy: Mapping[str, str] | None = None
    max_age: float | None = None

    def outcome(self, code: Any, age: float | None, campaign: Campaign | None = None) -> str:
        """Return what a code means.

        :param age: the age of the data, in seconds; None where it has no time.
        :param campaign: the campaign itself; None where it was not read.
        """
        if not isinstance(code, str) or code not in CODES:
            return WAITING
        wanted = self._disposition(code)
        end_matters = code == "out_of_schedule" and self.details_matter(code)
        if campaign is not None and campaign.has_ended and self.details_matter(code):
            return CLOSED
        if wanted in {"open", "open_anyway"}:
            return self._accepted(code, age, campaign, end_matters=end_matters)
        if wanted == "wait":
            return MAY_CLOSE if end_matters and campaign is None else WAITING
        return CLOSED

    def _accepted(self, code: str, age: float | None, campaign: Campaign | None, *, end_matters: bool) -> str:
        """Return what a code means that opens the gate if it is fresh or confirmed."""
        max_age = MAX_AGES[self.intent] if self.max_age is None else self.max_age
        is_fresh = age is not None and -CLOCK_SKEW <= age <= max_age
        stands_in = self.intent in CAMPAIGN_STANDS_IN and self.max_age is None and (age is None or age >= 0)
        if code not in OWN_STATUSES and not is_fresh and not stands_in:
            return WAITING
        if is_fresh and code not in OWN_STATUSES and not end_matters:
            return OPENED
        if campaign is None:
            return MAY_OPEN
        return OPENED if campaign.confirms(code) or self._runs_subsequences(code, campaign) else WAITING

    def _runs_subsequences(self, code: str, campaign: Campaign) -> bool:
        """Return whether the policy opens the gate for a campaign of which only subsequences run."""
        accepted = self._disposition("campaign_running_subsequences").startswith("open")
        is_running = campaign.status == RUNNING_SUBSEQUENCES and campaign.not_sending != VENDOR_ERROR
        return accepted and is_running and own_status(code) == ACTIVE

    def details_matter(self, code: str) -> bool:
        """Return whether details that show that a state will not resolve keep the gate from opening."""
        decided = code in (self.policy or {}) and self._disposition(code) != "open"
        return self.intent != "edit" and not decided

    @property
    def reads_refused_drafts(self) -> bool:
        """Whether a refused sending status is worth a request for the campaign: it may be a draft."""
        return self.intent in {"activate", "edit"}

    def _disposition(self, code: str) -> str:
        return (self.policy or {}).get(code, DISPOSITIONS[code][self.intent])
