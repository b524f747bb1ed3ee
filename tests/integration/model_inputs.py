"""What Hypothesis draws for the model tests: waits, statuses and faults."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.support.airflow_versions import AIRFLOW
from tests.support.checked_tasks import MAX_TASKS
from tests.support.fake_services import Sending
from tests.support.gate_model import AS_REPORTED, CODES, INTENTS, OWN_STATUSES, Campaign
from tests.support.service_faults import FAULTS, IDS

# Timeouts with poke intervals, in seconds.
WAITS = [(900, 60), (200, 10), (3600, 400), (60, 10), (10, 1), (2, 0)]
INVALID_CODES = [None, "", "HEALTHY", "healthy ", "healthy_or_not", "splendid", 1, ["healthy"]]
POLICIES = [
    None,
    None,
    {"waiting_for_leads": "open", "follow_up_delay_not_met": "open", "campaign_paused": "wait"},
    {"campaign_draft": "open", "healthy": "wait", "out_of_schedule": "closed", "daily_limit_met": "finished"},
    {"campaign_running_subsequences": "open", "out_of_schedule": "open_anyway", "campaign_completed": "wait"},
]
# Airflow 2 keeps the dates of reschedules in its database.
MODES = ["deferrable", "deferrable", "deferrable", "poke", *["reschedule"] * (AIRFLOW.major > 2)]
TASK_NUMBERS = st.integers(0, MAX_TASKS - 1)
CAMPAIGN_NUMBERS = st.integers(0, len(IDS) - 1)
SOME_FAULTS = st.lists(st.sampled_from(FAULTS), max_size=3)
# One fault of each kind.
_KINDS = {
    "AuthenticationError", "NotFoundError", "ServiceUnavailableError", "RateLimitedError",
    "MalformedResponseError", "RejectedError",
}  # fmt: skip
CAMPAIGN_FAULTS = list({each.error: each for each in FAULTS if each.error in _KINDS}.values())
SECONDS = st.sampled_from([11.0, 0.0, 0.05, 0.9, 5.0, 35.0, 130.0])
STATUSES = st.sampled_from(["processing", "completed", "paused", "exploded"])
CAMPAIGNS = st.builds(
    Campaign,
    status=st.sampled_from([*[AS_REPORTED] * 8, 1, 0, 2, 3, 4, -1, -2, -99, 7, None, True, "1"]),
    not_sending=st.sampled_from([None, 1, 4, 99]),
    has_ended=st.booleans(),
)


def sendings(codes: st.SearchStrategy[Any]) -> st.SearchStrategy[Sending]:
    return st.builds(
        Sending,
        code=codes,
        age=st.sampled_from([0.0, 59.0, 61.0, 890.0, 910.0, 1790.0, 1810.0, 86400.0, -290.0, -400.0, None]),
        place=st.sampled_from(["diagnostics", "summary"]),
        due=st.sampled_from([None, 5.0, 100.0, 5000.0, -1.0]),
        campaign=CAMPAIGNS,
        campaign_fault=st.sampled_from([*[None] * 6, *CAMPAIGN_FAULTS]),
    )


SENDINGS = sendings(
    st.one_of(
        st.just("healthy"),
        st.just("follow_up_delay_not_met"),
        st.sampled_from(INVALID_CODES),
        st.sampled_from(CODES),
    )
)
# With these, a gate often depends on the campaign itself.
DEPENDENT_SENDINGS = sendings(
    st.one_of(
        st.sampled_from(["out_of_schedule", "healthy"]),
        st.sampled_from(sorted(OWN_STATUSES)),
        st.sampled_from(CODES),
    )
)


@st.composite
def waits(draw: st.DrawFn, *, alone: bool) -> tuple[bool, Any, dict[str, Any]]:
    """Return whether it is a gate, the first status, and the arguments of a wait."""
    is_gate, has_other_status = draw(st.booleans()), draw(st.booleans())
    timeout, interval = draw(st.sampled_from(WAITS))
    arguments = {
        "timeout": timeout,
        "poke_interval": interval,
        "max_failures": draw(st.sampled_from([5, 1, 2])),
    }
    mode = draw(st.sampled_from(MODES)) if alone else "deferrable"  # workers share no requests
    arguments["deferrable"] = mode == "deferrable"
    if is_gate:
        arguments |= draw(gate_arguments(timeout))
        return True, draw(SENDINGS) if has_other_status else Sending(), arguments
    arguments["paused"] = draw(st.sampled_from(["fail", "wait"]))
    if mode != "deferrable":
        arguments["mode"] = mode
    return False, draw(STATUSES) if has_other_status else "processing", arguments


def gate_arguments(timeout: float) -> st.SearchStrategy[dict[str, Any]]:
    """Return the arguments that only a gate has, and its timeout, which may be zero."""
    return st.fixed_dictionaries(
        {
            "timeout": st.sampled_from([timeout, timeout, 0]),
            "intent": st.sampled_from(INTENTS),
            "policy": st.sampled_from(POLICIES),
            "max_status_age": st.sampled_from([None, None, 3600, 60]),
        }
    )
