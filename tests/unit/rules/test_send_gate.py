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
from airflow_provider_campaigns.rules.gate_rules import FRESHNESS
from airflow_provider_campaigns.rules.send_gate import Disposition, Intent, Policy

NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
MAX_AGE = FRESHNESS[Intent.SEND].max_age
CAMPAIGN = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"

UTC = [{"timezone": "Africa/Abidjan"}]


def status_of(code: str | None, *, age: timedelta = timedelta(0), **details: Any) -> SendingStatus:
    return SendingStatus(
        status=code, last_updated=NOW - age, raw={"diagnostics": {"status": code, **details}, "summary": None}
    )


@pytest.mark.parametrize(
    ("age", "opens"),
    [
        (timedelta(0), True),
        (timedelta(minutes=30), True),
        (timedelta(minutes=30, seconds=1), False),
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


HOPELESS = [
    ("no_accounts_available", {"accounts_summary": {"total_connected": 0}}),
    (
        "no_accounts_available",
        {"accounts_summary": {"total_connected": 3, "unavailable": {"disconnected": 3}}},
    ),
    ("daily_limit_met", {"campaign_daily_limit": {"limit": 0}}),
    ("new_lead_limit_met", {"new_lead_limit": {"limit": 0}}),
]  # fmt: skip


class TestDetails:
    """Details of the response that show that a state will not resolve."""

    @pytest.mark.parametrize("intent", ["send", "add_leads", "activate"])
    @pytest.mark.parametrize(("code", "details"), HOPELESS)
    def test_hopeless_detail_closes_the_gate(self, intent: str, code: str, details: dict) -> None:
        verdict = send_gate.judge(status_of(code, **details), Policy.of(intent=intent), NOW)
        assert verdict.disposition is Disposition.CLOSED

    @pytest.mark.parametrize(("code", "details"), HOPELESS)
    def test_policy_that_names_the_code_opens_only_anyway(self, code: str, details: dict) -> None:
        status = status_of(code, **details)
        assert send_gate.judge(status, Policy.of({code: "open"}), NOW).disposition is Disposition.CLOSED
        assert send_gate.judge(status, Policy.of({code: "wait"}), NOW).disposition is Disposition.WAIT
        has_no_sender = details == HOPELESS[0][1]
        assert send_gate.judge(status, Policy.of({code: "open_anyway"}), NOW).open is not has_no_sender

    @pytest.mark.parametrize("intent", ["send", "add_leads", "activate"])
    @pytest.mark.parametrize("code", ["healthy", "waiting_for_leads", "follow_up_delay_not_met"])
    @pytest.mark.parametrize(("_", "details"), HOPELESS[:2])
    def test_no_code_opens_without_a_connected_sender(
        self, intent: str, code: str, _: str, details: dict
    ) -> None:
        for policy in (None, {code: "open"}):
            verdict = send_gate.judge(status_of(code, **details), Policy.of(policy, intent=intent), NOW)
            assert not verdict.open

    def test_limit_of_zero_is_a_good_time_to_edit(self) -> None:
        status = status_of("daily_limit_met", campaign_daily_limit={"limit": 0})
        assert send_gate.judge(status, Policy.of(intent="edit"), NOW).open

    @pytest.mark.parametrize("policy", [None, {"out_of_schedule": "open"}])
    @pytest.mark.parametrize("intent", ["send", "add_leads", "activate"])
    def test_end_date_in_the_past_closes_the_gate(self, intent: str, policy: dict | None) -> None:
        for end_date, closed in [("2026-05-10", True), ("2026-05-11", False), (None, False), ("soon", False)]:
            campaign = {"status": 1, "campaign_schedule": {"end_date": end_date, "schedules": UTC}}
            status = status_of("out_of_schedule")
            verdict = send_gate.judge(status, Policy.of(policy, intent=intent), NOW, campaign)
            assert (verdict.disposition is Disposition.CLOSED) is closed

    def test_campaign_ends_when_its_day_is_over_in_its_own_zone(self) -> None:
        schedule = {"end_date": "2026-05-11", "schedules": [{"timezone": "Pacific/Auckland"}]}
        campaign = {"status": 1, "campaign_schedule": schedule}
        verdict = send_gate.judge(status_of("out_of_schedule"), Policy.of(), NOW, campaign)
        assert verdict.disposition is Disposition.CLOSED
        assert "end date has passed" in verdict.message

    def test_end_date_does_not_matter_for_an_edit(self) -> None:
        verdict = send_gate.judge(status_of("out_of_schedule"), Policy.of(intent="edit"), NOW)
        assert (verdict.open, verdict.campaign_may) == (True, None)


class TestConfirmation:
    """A code without a fresh time opens only if the campaign itself has the same status."""

    @pytest.mark.parametrize(
        ("campaign", "opens"),
        [
            ({"status": 3}, True),
            ({"status": 3, "not_sending_status": 4}, True),
            ({"status": 3, "not_sending_status": 99}, False),
            ({"status": 1}, False),
            ({"status": "3"}, False),
            ({"status": None}, False),
            ({"status": [3]}, False),
            ({}, False),
        ],
    )
    def test_completed_campaign_is_confirmed_by_its_status(self, campaign: dict, opens: bool) -> None:
        status = SendingStatus("campaign_completed", last_updated=NOW - timedelta(hours=24))
        verdict = send_gate.judge(status, Policy.of(intent="add_leads"), NOW, campaign)
        assert (verdict.open, verdict.disposition.value) == (opens, "open" if opens else "wait")
        is_number = isinstance(campaign.get("status"), int)
        assert verdict.as_dict().get("campaign_status") == (campaign["status"] if is_number else None)
        if opens:
            assert "activate it afterwards" in verdict.message

    def test_policy_opens_a_draft_that_the_campaign_confirms(self) -> None:
        policy = Policy.of({"campaign_draft": "open"}, intent="add_leads")
        assert send_gate.judge(SendingStatus("campaign_draft"), policy, NOW).campaign_may is Disposition.OPEN
        assert send_gate.judge(SendingStatus("campaign_draft"), policy, NOW, {"status": 0}).open

    def test_given_age_applies_to_every_code_with_a_time(self) -> None:
        policy = Policy.of(None, timedelta(minutes=5), "add_leads")
        old = status_of("waiting_for_leads", age=timedelta(minutes=6))
        assert send_gate.judge(old, policy, NOW, {"status": 1}).disposition is Disposition.WAIT

    def test_data_from_the_future_is_never_confirmed(self) -> None:
        future = status_of("waiting_for_leads", age=-timedelta(minutes=6))
        verdict = send_gate.judge(future, Policy.of(intent="add_leads"), NOW, {"status": 1})
        assert (verdict.open, verdict.campaign_may) == (False, None)


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
        assert -send_gate.CLOCK_SKEW <= age <= MAX_AGE


@given(st.sampled_from([code.value for code in SendingCode]), st.timedeltas(timedelta(-400), timedelta(400)))
def test_fresh_healthy_data_does_open(code: str, age: timedelta) -> None:
    """The property above must not hold by never opening."""
    verdict = send_gate.judge(status_of(code, age=age), Policy.of(), NOW)
    assert verdict.open == (code == "healthy" and -send_gate.CLOCK_SKEW <= age <= MAX_AGE)
