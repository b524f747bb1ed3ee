"""What each sending status means for the gate: only fresh and accepted data opens it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.api import instantly
from airflow_provider_campaigns.api.instantly import SendingCode, SendingStatus
from airflow_provider_campaigns.exceptions import MalformedResponseError
from airflow_provider_campaigns.rules import send_gate
from airflow_provider_campaigns.rules.send_gate import Disposition, Policy

NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
CAMPAIGN = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"

DISPOSITIONS = {
    "healthy": "open",
    "follow_up_delay_not_met": "wait",
    "out_of_schedule": "wait",
    "daily_limit_met": "wait",
    "account_daily_limit_met": "wait",
    "new_lead_limit_met": "wait",
    "domain_limit_reached": "wait",
    "waiting_for_esp_match": "wait",
    "waiting_for_leads": "wait",
    "campaign_running_subsequences": "wait",
    "no_accounts_available": "wait",
    "campaign_draft": "closed",
    "campaign_paused": "closed",
    "campaign_bounce_protect": "closed",
    "campaign_accounts_unhealthy": "closed",
    "campaign_account_suspended": "closed",
    "all_accounts_unhealthy": "closed",
    "campaign_completed": "finished",
}


def status_of(code: str | None, *, age: timedelta = timedelta(0), **details: Any) -> SendingStatus:
    return SendingStatus(
        status=code, last_updated=NOW - age, raw={"diagnostics": {"status": code, **details}, "summary": None}
    )


def test_every_code_has_a_rule_and_only_healthy_opens() -> None:
    assert {code.value: rule.disposition.value for code, rule in send_gate.RULES.items()} == DISPOSITIONS
    assert len(DISPOSITIONS) == 18 == len(SendingCode)


@pytest.mark.parametrize(("code", "disposition"), DISPOSITIONS.items())
def test_verdict_follows_the_rule_of_the_code(code: str, disposition: str) -> None:
    verdict = send_gate.judge(status_of(code), Policy.of(), NOW)
    assert (verdict.open, verdict.disposition.value) == (code == "healthy", disposition)
    assert verdict.code == code


@pytest.mark.parametrize("code", [None, "", "HEALTHY", " healthy", "healthy ", "very_healthy", "open", "0"])
def test_unknown_code_waits(code: str | None) -> None:
    verdict = send_gate.judge(status_of(code), Policy.of(), NOW)
    assert (verdict.open, verdict.disposition) == (False, Disposition.WAIT)


@pytest.mark.parametrize(
    ("age", "opens"),
    [
        (timedelta(0), True),
        (timedelta(hours=1), True),
        (timedelta(hours=1, seconds=1), False),
        (timedelta(days=400), False),
        (-send_gate.CLOCK_SKEW, True),
        (-send_gate.CLOCK_SKEW - timedelta(seconds=1), False),
    ],
)
def test_only_fresh_data_opens(age: timedelta, opens: bool) -> None:
    verdict = send_gate.judge(status_of("healthy", age=age), Policy.of(), NOW)
    assert verdict.open is opens
    assert verdict.disposition is (Disposition.OPEN if opens else Disposition.WAIT)


@pytest.mark.parametrize(("age", "opens"), [(0, True), (1, False)])
def test_max_status_age_of_zero_opens_for_new_data_only(age: int, opens: bool) -> None:
    policy = Policy.of(max_status_age=timedelta(0))
    assert send_gate.judge(status_of("healthy", age=timedelta(seconds=age)), policy, NOW).open is opens


def test_data_without_a_time_can_close_but_not_open() -> None:
    assert send_gate.judge(SendingStatus("healthy"), Policy.of(), NOW).disposition is Disposition.WAIT
    assert (
        send_gate.judge(SendingStatus("campaign_paused"), Policy.of(), NOW).disposition is Disposition.CLOSED
    )


def test_code_accepted_by_policy_must_be_fresh() -> None:
    policy = Policy.of({"waiting_for_leads": "open"}, timedelta(minutes=5))
    stale = status_of("waiting_for_leads", age=timedelta(minutes=6))
    assert send_gate.judge(stale, policy, NOW).disposition is Disposition.WAIT


@pytest.mark.parametrize(
    ("code", "details"),
    [
        ("no_accounts_available", {"accounts_summary": {"total_connected": 0}}),
        (
            "no_accounts_available",
            {"accounts_summary": {"total_connected": 1, "unavailable": {"disconnected": 1}}},
        ),
        (
            "no_accounts_available",
            {"accounts_summary": {"total_connected": 3, "unavailable": {"disconnected": 3}}},
        ),
        ("daily_limit_met", {"campaign_daily_limit": {"limit": 0}}),
        ("new_lead_limit_met", {"new_lead_limit": {"limit": 0}}),
    ],
)  # fmt: skip
def test_details_that_will_not_resolve_close_the_gate(code: str, details: dict) -> None:
    assert send_gate.judge(status_of(code, **details), Policy.of(), NOW).disposition is Disposition.CLOSED
    decided = Policy.of({code: "wait"})
    assert send_gate.judge(status_of(code, **details), decided, NOW).disposition is Disposition.WAIT


@pytest.mark.parametrize(
    "details",
    [
        {"accounts_summary": {"total_connected": 3, "unavailable": {"disconnected": 2}}},
        {"accounts_summary": {"total_connected": 3, "unavailable": {"global_gap_not_met": 3}}},
        {"accounts_summary": None},
        {"accounts_summary": {"total_connected": "0"}},
        {},
    ],
)
def test_accounts_that_become_free_again_are_waited_for(details: dict) -> None:
    verdict = send_gate.judge(status_of("no_accounts_available", **details), Policy.of(), NOW)
    assert verdict.disposition is Disposition.WAIT


@pytest.mark.parametrize(
    ("seconds", "age", "due"),
    [
        (600, 0, 600),
        (600, 60, 540),
        (600, 600, None),  # is due now
        (600, 700, None),  # should have been due already: poll
        (0.5, 0, 0.5),
        (None, 0, None),
        (0, 0, None),
        (-5, 0, None),
        ("600", 0, None),
        (1e300, 0, 30 * 24 * 3600),
        (float("nan"), 0, None),
    ],
)
def test_next_follow_up_is_the_next_poll(seconds: Any, age: float, due: float | None) -> None:
    status = status_of(
        "follow_up_delay_not_met",
        age=timedelta(seconds=age),
        follow_ups_waiting={"count": 4, "earliest_wait_time_seconds": seconds},
    )
    verdict = send_gate.judge(status, Policy.of(), NOW)
    assert verdict.next_poll_at == (None if due is None else NOW + timedelta(seconds=due))
    assert not verdict.open


def test_next_poll_is_named_only_while_the_gate_waits() -> None:
    status = status_of("follow_up_delay_not_met", follow_ups_waiting={"earliest_wait_time_seconds": 600})
    assert send_gate.judge(status, Policy.of(), NOW).next_poll_at == NOW + timedelta(minutes=10)
    closed = Policy.of({"follow_up_delay_not_met": "closed"})
    assert send_gate.judge(status, closed, NOW).next_poll_at is None


def test_malformed_response_waits() -> None:
    verdict = send_gate.judge(MalformedResponseError("not JSON"), Policy.of(), NOW)
    assert (verdict.open, verdict.disposition, verdict.code) == (False, Disposition.WAIT, None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.one_of(
    ANYTHING,
    st.sampled_from(["now", "today", "2026-05-11", "2026-05-11T21:12:43", "2026-05-11T21:12:43.288Z", "P1D"]),
    st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat),
)
CODES = st.one_of(ANYTHING, st.sampled_from([code.value for code in SendingCode]))
PAYLOADS = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            "diagnostics": ANYTHING
            | st.fixed_dictionaries(
                {},
                optional={
                    "campaign_id": st.just(CAMPAIGN) | ANYTHING,
                    "status": CODES,
                    "last_updated": TIMES,
                    "issue_tracking": ANYTHING
                    | st.fixed_dictionaries({"current_status_code": CODES, "issue_first_seen_at": TIMES}),
                    "follow_ups_waiting": ANYTHING
                    | st.fixed_dictionaries({"earliest_wait_time_seconds": ANYTHING}),
                    "accounts_summary": ANYTHING,
                },
            ),
            "summary": ANYTHING
            | st.fixed_dictionaries({}, optional={"status": CODES, "status_message": ANYTHING}),
        },
    ),
)
POLICIES = st.dictionaries(
    st.sampled_from([code.value for code in SendingCode]),
    st.sampled_from([disposition.value for disposition in Disposition]),
)


@given(PAYLOADS, POLICIES)
def test_only_a_fresh_and_accepted_code_opens(payload: Any, overrides: dict) -> None:
    call = instantly.get_sending_status(CAMPAIGN)
    try:
        status = call.parse(payload)
    except MalformedResponseError:
        return
    verdict = send_gate.judge(status, Policy.of(overrides), NOW)
    json.dumps(verdict.as_dict(), allow_nan=False)
    assert str(verdict)
    if verdict.open:
        diagnostics = payload["diagnostics"]
        code = diagnostics.get("status")
        if code is None:
            code = payload["summary"]["status"]
        assert overrides.get(code, "open" if code == "healthy" else "closed") == "open"
        age = NOW - datetime.fromisoformat(diagnostics["last_updated"].replace("Z", "+00:00"))
        assert -send_gate.CLOCK_SKEW <= age <= send_gate.MAX_STATUS_AGE


@given(st.sampled_from([code.value for code in SendingCode]), st.timedeltas(timedelta(-400), timedelta(400)))
def test_fresh_healthy_data_does_open(code: str, age: timedelta) -> None:
    """The property above must not hold by never opening."""
    verdict = send_gate.judge(status_of(code, age=age), Policy.of(), NOW)
    assert verdict.open == (code == "healthy" and -send_gate.CLOCK_SKEW <= age <= send_gate.MAX_STATUS_AGE)
