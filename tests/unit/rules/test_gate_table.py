"""Every code for every intent, as one table: what opens a gate, by the age of the data and the campaign."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import SendingCode, SendingStatus
from airflow_provider_campaigns.rules.gate_rules import Intent, expected_lifecycle
from airflow_provider_campaigns.rules.send_gate import Policy, judge

NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
TABLE = Path(__file__).with_name("gate_table.txt")

# Each column: the age of the data, and whether the campaign itself was read and what it says.
EVIDENCE = {
    "fresh": (timedelta(minutes=1), None),
    "old": (timedelta(hours=20), None),
    "undated": (None, None),
    "fresh+same": (timedelta(minutes=1), "same"),
    "old+same": (timedelta(hours=20), "same"),
    "undated+same": (None, "same"),
    "fresh+other": (timedelta(minutes=1), "other"),
    "old+other": (timedelta(hours=20), "other"),
}


def rows() -> list[tuple[str, str, dict[str, str]]]:
    """Return the rows of the table: intent, code and what each kind of evidence leads to."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    heads = lines[0][2:]
    return [(intent, code, dict(zip(heads, cells, strict=True))) for intent, code, *cells in lines[1:]]


def outcome(intent: str, code: str, evidence: str) -> str:
    age, says = EVIDENCE[evidence]
    campaign: dict[str, Any] | None = None
    if says is not None:
        status = int(expected_lifecycle(SendingCode(code)))
        campaign = {"status": status if says == "same" else 7, "not_sending_status": 4}
    status = SendingStatus(code, last_updated=None if age is None else NOW - age)
    verdict = judge(status, Policy.of(intent=intent), NOW, campaign)
    return "ask" if verdict.campaign_may == "open" else verdict.disposition.value


def test_table_has_every_code_and_intent_once() -> None:
    found = [(intent, code) for intent, code, _ in rows()]
    assert sorted(found) == sorted((intent.value, code.value) for intent in Intent for code in SendingCode)


@pytest.mark.parametrize(("intent", "code", "expected"), rows())
def test_gate_decides_as_the_table_says(intent: str, code: str, expected: dict[str, str]) -> None:
    assert {evidence: outcome(intent, code, evidence) for evidence in EVIDENCE} == expected


def test_only_healthy_opens_for_send() -> None:
    opening = {code for intent, code, cells in rows() if intent == "send" and "open" in cells.values()}
    assert opening == {"healthy"}


@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize("code", [None, "", "HEALTHY", " healthy", "very_healthy", "open", "0"])
def test_null_and_unknown_codes_wait_for_every_intent(intent: Intent, code: str | None) -> None:
    for campaign in (None, {"status": 1}):
        verdict = judge(SendingStatus(code, last_updated=NOW), Policy.of(intent=intent), NOW, campaign)
        assert (verdict.open, verdict.disposition.value, verdict.campaign_may) == (False, "wait", None)
