"""What a verdict shows: its message, its text in a log or an error, and its values in the XCom."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import SendingStatus
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError
from airflow_provider_campaigns.rules import send_gate
from airflow_provider_campaigns.rules.send_gate import Policy, Verdict

NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def judge(response: SendingStatus | ApiError) -> Verdict:
    return send_gate.judge(response, Policy.of(), NOW)


def verdict(code: str | None, *, age: float = 0, **details: Any) -> Verdict:
    return judge(SendingStatus(code, **{"last_updated": ago(age), **details}))


OPENS = "Intent 'send': the gate opens on healthy."
FOLLOW_UP_IN_TEN_MINUTES = {"diagnostics": {"follow_ups_waiting": {"earliest_wait_time_seconds": 600}}}


class TestMessage:
    def test_message_is_the_advice_for_the_code(self) -> None:
        assert verdict("healthy").message == "The campaign sends normally."

    def test_message_quotes_the_reason_in_one_line(self) -> None:
        message = verdict("campaign_draft", reason="Not\nstarted").message
        assert message == f'The campaign was never activated. {OPENS} Instantly: "Not started"'

    def test_message_without_a_status(self) -> None:
        assert verdict(None).message == f"Instantly reports no status for this campaign. {OPENS}"

    def test_message_for_an_unknown_code(self) -> None:
        assert verdict("splendid").message == (f"This provider does not know the code. {OPENS}")

    def test_message_for_a_malformed_response(self) -> None:
        assert judge(MalformedResponseError("not JSON")).message == f"Malformed response: not JSON {OPENS}"

    @pytest.mark.parametrize(
        ("last_updated", "message"),
        [
            (None, "last_updated is missing or invalid, so freshness cannot be checked."),
            (ago(-600), "last_updated is 10 min in the future."),
            (ago(9000), "The data is 2.5 h old; at most 30 min are allowed."),
        ],
    )
    def test_message_for_data_that_is_not_fresh(self, last_updated: datetime | None, message: str) -> None:
        assert judge(SendingStatus("healthy", last_updated=last_updated)).message == f"{message} {OPENS}"


class TestText:
    def test_text_of_an_open_gate(self) -> None:
        assert str(verdict("healthy")) == (
            "gate open: healthy | The campaign sends normally. | Data is 0 s old."
        )

    def test_text_of_a_closed_gate(self) -> None:
        closed = verdict("campaign_draft", age=12, issue_started_at=ago(5400), reason="Not\nstarted")
        assert str(closed) == (
            f"gate not open: campaign_draft | The campaign was never activated. {OPENS} "
            'Instantly: "Not started" | Data is 12 s old. | The issue has lasted for at least 90 min.'
        )

    def test_text_without_a_status(self) -> None:
        assert str(verdict(None, last_updated=None)) == (
            f"gate not open: no status | Instantly reports no status for this campaign. {OPENS}"
        )

    def test_text_names_the_next_poll(self) -> None:
        assert str(verdict("follow_up_delay_not_met", raw=FOLLOW_UP_IN_TEN_MINUTES)) == (
            f"gate not open: follow_up_delay_not_met | Follow-ups exist and none is due yet. {OPENS} | "
            "Data is 0 s old. | Next poll is worthwhile at 2026-05-11 21:22:43 UTC."
        )

    def test_text_of_an_open_gate_names_no_issue(self) -> None:
        assert "issue" not in str(verdict("healthy", issue_started_at=ago(60)))

    def test_text_shows_no_age_for_data_from_the_future(self) -> None:
        assert "Data is" not in str(verdict("healthy", age=-60))

    @pytest.mark.parametrize(
        ("age", "shown"),
        [
            (0.4, "0 s"),
            (0.6, "1 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7140, "119 min"),
            (7200, "2.0 h"),
            (9000, "2.5 h"),
        ],
    )
    def test_age_is_shown_in_a_unit_of_its_size(self, age: float, shown: str) -> None:
        assert f"| Data is {shown} old." in str(verdict("campaign_draft", age=age))


class TestPlainValues:
    def test_closed_gate_has_all_values(self) -> None:
        closed = verdict("all_accounts_unhealthy", age=12, issue_started_at=ago(5400))
        assert json.loads(json.dumps(closed.as_dict())) == {
            "open": False,
            "intent": "send",
            "disposition": "closed",
            "code": "all_accounts_unhealthy",
            "message": f"Every sending account is in error: repair or replace them. {OPENS}",
            "checked_at": "2026-05-11T21:12:43+00:00",
            "last_updated": "2026-05-11T21:12:31+00:00",
            "next_poll_at": None,
            "issue_seconds": 5400.0,
        }

    def test_next_poll_is_an_iso_time(self) -> None:
        waiting = verdict("follow_up_delay_not_met", raw=FOLLOW_UP_IN_TEN_MINUTES)
        assert waiting.as_dict()["next_poll_at"] == "2026-05-11T21:22:43+00:00"

    def test_malformed_response_is_checked_now(self) -> None:
        assert judge(MalformedResponseError("not JSON")).as_dict() == {
            "open": False,
            "intent": "send",
            "disposition": "wait",
            "code": None,
            "message": f"Malformed response: not JSON {OPENS}",
            "checked_at": "2026-05-11T21:12:43+00:00",
            "last_updated": None,
            "next_poll_at": None,
            "issue_seconds": None,
        }

    @pytest.mark.parametrize(
        ("started", "seconds"), [(90, 90.0), (0, 0.0), (1.234567, 1.235), (-1, None), (None, None)]
    )
    def test_issue_seconds_count_from_the_start(self, started: float | None, seconds: float | None) -> None:
        issue = verdict("campaign_draft", issue_started_at=None if started is None else ago(started))
        assert issue.issue_seconds == seconds
