"""What is promised of a wait, as a machine of a few states.

Written from ``docs/develop/guarantees.md`` and from the pages that it names, not from the code: nothing of the
package is imported here, and nothing asks a service, sleeps or reads a clock. ``test_model.py`` holds sensors
and gates against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

NEVER = math.inf
A_MOMENT = 1e-3  # clocks and floating point

WAITS = "waits"
DONE, OPENED, SHUT, PAUSED, UNKNOWN = "done", "open", "shut", "CampaignPausedError", "UnknownStatusError"
TIMED_OUT = "timed out"
BY_ANSWER = {DONE, OPENED, SHUT, PAUSED, UNKNOWN}

REQUEST_TIMEOUT = 4.3  # of the connections, here
DEFERRAL_GRACE = 60.0  # Airflow's own timeout of a deferral stands this much behind the deadline
LATE = 0.06  # a look in the triggerer may leave this much late, so that several leave together

OPEN = {"healthy"}
CLOSED = {
    "campaign_draft", "campaign_paused", "campaign_bounce_protect", "campaign_accounts_unhealthy",
    "campaign_account_suspended", "all_accounts_unhealthy", "campaign_completed",
}  # fmt: skip
HEALS = {
    "campaign_running_subsequences", "out_of_schedule", "waiting_for_leads", "daily_limit_met",
    "account_daily_limit_met", "new_lead_limit_met", "waiting_for_esp_match", "domain_limit_reached",
    "follow_up_delay_not_met", "no_accounts_available",
}  # fmt: skip

CODES = sorted(OPEN | CLOSED | HEALS)


def what_a_state_means(state: str, *, paused: str) -> str:
    """Say what Campaign Cleaner's word does to a sensor."""
    known = {"processing": WAITS, "completed": DONE, "paused": WAITS if paused == "wait" else PAUSED}
    return known.get(state, UNKNOWN)


def what_a_code_means(code: Any, age: float | None, *, policy: dict[str, str] | None, oldest: float) -> str:
    """Say what Instantly's word does to a gate."""
    if not isinstance(code, str) or code not in OPEN | CLOSED | HEALS:
        return WAITS
    default = "open" if code in OPEN else "closed" if code in CLOSED else "wait"
    meaning = (policy or {}).get(code, default)
    if meaning == "open":
        return OPENED if age is not None and -300 <= age <= oldest else WAITS
    return WAITS if meaning == "wait" else SHUT


@dataclass
class Promise:
    """What is promised of a wait: told what it hears and when, it says how the wait has to be.

    :param deadline: on the wall clock, like all times here.
    :param patience: so many failures in a row end it.
    :param must: how it has to be now: waiting, or at an end, and at which.
    :param earliest: the next look may leave from then on, and has to by ``latest``.
    :param its_timer: in a triggerer, it ends by then whatever happens.
    """

    interval: float
    deadline: float
    patience: int
    must: str = WAITS
    failures: int = 0
    earliest: float = 0.0
    latest: float = 0.0
    its_timer: float = NEVER

    def goes_on(self, now: float, *, in_triggerer: bool) -> None:
        """Begin, or go on in another process, which may look at once and counts failures anew."""
        self.must, self.failures, self.its_timer = WAITS, 0, NEVER
        self.earliest, self.latest = now, max(now, 0.0 if self.latest == NEVER else self.latest)
        if in_triggerer:
            self.its_timer = self.deadline + 1 if now < self.deadline else now + REQUEST_TIMEOUT

    def asks(self, now: float) -> None:
        assert self.must == WAITS, f"a look, although all is said: {self.must}"
        assert now >= self.earliest - A_MOMENT, f"a look {self.earliest - now} s too soon"
        self.earliest = self.latest = NEVER  # until something is heard

    def is_answered(self, meaning: str, now: float, *, better_moment: float = 0.0) -> None:
        self.failures, self.must = 0, meaning
        rest = min(better_moment - now, 3600.0)
        self._looks_again(now, max(0.9 * self.interval, rest), max(self.interval, rest))

    def fails(self, error: str, now: float, *, final: bool, rest: float = 0.0) -> None:
        self.failures += 1
        if final or self.failures >= self.patience:
            self.must = error
        pause = min(self.interval * 2 ** (self.failures - 1), max(self.interval, 300.0))
        self._looks_again(now, max(0.9 * pause, rest), max(pause, 1.1 * rest))
        if self.its_timer < NEVER:  # in a triggerer, nobody looks during a rest that was asked for
            self.latest = max(self.latest, now + min(rest, 300.0))

    def _looks_again(self, now: float, shortest: float, longest: float) -> None:
        left = self.deadline - now
        if left < -A_MOMENT and self.must == WAITS:
            self.must = TIMED_OUT
        self.earliest, self.latest = (now + min(max(pause, 0.1), left) for pause in (shortest, longest))

    def may_end(self, how: str, now: float) -> bool:
        in_time = self.must == WAITS and now >= self.deadline - A_MOMENT
        return how == self.must or (how == TIMED_OUT and (in_time or now >= self.its_timer - A_MOMENT))

    def broken(self, now: float, *, late: float) -> str | None:
        """Say what is wrong with it, once nobody has anything to do at present."""
        if self.must != WAITS:
            return f"goes on, and had to be: {self.must}"
        if now > self.its_timer + A_MOMENT:
            return "was not ended by its timer"
        return None if now <= self.latest + late + A_MOMENT else f"looks {now - self.latest} s too late"


class OneLook(Promise):
    """What is promised of a gate without a wait: its one look is attempted up to five times."""

    def fails(self, error: str, now: float, *, final: bool, rest: float = 0.0) -> None:
        self.failures += 1
        if final or self.failures >= 5 or rest > 60:
            self.must = error
        pause = 2.0 ** (self.failures - 1)
        self.earliest, self.latest = now + max(pause / 2, rest), now + max(pause, rest)
