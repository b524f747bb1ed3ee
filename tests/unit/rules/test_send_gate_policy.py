"""What a user may set in the policy of a gate, and what an error about it names."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import SendingCode, SendingStatus
from airflow_provider_campaigns.rules import send_gate
from airflow_provider_campaigns.rules.send_gate import Disposition, Policy

NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)


def disposition(code: str, policy: Policy) -> Disposition:
    return send_gate.judge(SendingStatus(code, last_updated=NOW), policy, NOW).disposition


class TestOverrides:
    def test_policy_overrides_single_codes(self) -> None:
        policy = Policy.of({"waiting_for_leads": "open", "healthy": "closed", "campaign_draft": "wait"})
        assert disposition("waiting_for_leads", policy) is Disposition.OPEN
        assert disposition("healthy", policy) is Disposition.CLOSED
        assert disposition("campaign_draft", policy) is Disposition.WAIT
        assert disposition("daily_limit_met", policy) is Disposition.WAIT

    def test_policy_remembers_what_the_user_decided(self) -> None:
        policy = Policy.of({SendingCode.DAILY_LIMIT_MET: Disposition.WAIT})
        assert policy.overridden == {SendingCode.DAILY_LIMIT_MET}
        assert Policy.of().overridden == frozenset()


class TestInvalidPolicy:
    @pytest.mark.parametrize("code", ["healty", "unknown", "HEALTHY", None])
    def test_unknown_code_is_refused_with_the_known_ones(self, code: Any) -> None:
        with pytest.raises(ValueError, match="policy") as refused:
            Policy.of({code: "open"})
        known = ", ".join(each.value for each in SendingCode)
        assert str(refused.value) == f"policy: unknown sending code {code!r}. The codes are: {known}."

    @pytest.mark.parametrize("wanted", ["opened", "OPEN", True, None])
    def test_unknown_disposition_is_refused_with_the_known_ones(self, wanted: Any) -> None:
        with pytest.raises(ValueError, match="policy") as refused:
            Policy.of({"healthy": wanted})
        assert str(refused.value) == (
            f"policy: 'healthy' must be one of open, wait, closed, finished, open_anyway, got {wanted!r}."
        )

    @pytest.mark.parametrize("policy", ["healthy", ["healthy"], 5])
    def test_policy_that_is_not_a_mapping_is_refused(self, policy: Any) -> None:
        with pytest.raises(ValueError, match="policy") as refused:
            Policy.of(policy)
        assert str(refused.value) == (f"policy must be a mapping of codes to dispositions, got {policy!r}.")


class TestIntent:
    @pytest.mark.parametrize("intent", ["sending", "SEND", "", None, 1])
    def test_unknown_intent_is_refused_with_the_known_ones(self, intent: Any) -> None:
        with pytest.raises(ValueError, match="intent") as refused:
            Policy.of(intent=intent)
        assert str(refused.value) == f"intent must be one of send, add_leads, activate, edit, got {intent!r}."

    def test_policy_wins_over_the_intent(self) -> None:
        policy = Policy.of({"healthy": "wait", "campaign_paused": "closed"}, intent="activate")
        assert disposition("healthy", policy) is Disposition.WAIT
        assert disposition("campaign_paused", policy) is Disposition.CLOSED

    def test_what_opens_the_gate_is_a_sentence(self) -> None:
        assert Policy.of().what_opens == "Intent 'send': the gate opens on healthy."
        assert Policy.of({"healthy": "wait"}).what_opens == "Intent 'send': the gate opens on no code."


class TestMaxStatusAge:
    @pytest.mark.parametrize(
        ("intent", "minutes"), [("send", 30), ("add_leads", 30), ("activate", 30), ("edit", 15)]
    )
    def test_max_status_age_is_that_of_the_intent(self, intent: str, minutes: int) -> None:
        assert Policy.of(intent=intent).max_status_age == timedelta(minutes=minutes)
        assert Policy.of(None, timedelta(hours=2), intent).max_status_age == timedelta(hours=2)

    def test_max_status_age_of_zero_is_accepted(self) -> None:
        assert Policy.of(max_status_age=timedelta(0)).max_status_age == timedelta(0)

    def test_negative_max_status_age_is_refused(self) -> None:
        with pytest.raises(ValueError, match="max_status_age must not be negative, got -1 day"):
            Policy.of(max_status_age=timedelta(seconds=-1))
