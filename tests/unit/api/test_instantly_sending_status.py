"""Instantly: the parts of a sending status, each None where it is missing or invalid."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.exceptions import MalformedResponseError

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
MOMENT = datetime(2026, 5, 11, 21, 12, 43, 288000, tzinfo=timezone.utc)
DIAGNOSTICS = {"campaign_id": ID, "last_updated": "2026-05-11T21:12:43.288Z", "status": "healthy"}


@pytest.mark.parametrize(
    ("diagnostics", "summary", "code"),
    [
        ({"status": "healthy"}, {"status": "campaign_paused"}, "healthy"),
        ({"status": None}, {"status": "campaign_paused"}, "campaign_paused"),
        ({}, {"status": "campaign_paused"}, "campaign_paused"),
        (None, {"status": "campaign_draft"}, "campaign_draft"),
        (None, None, None),
        ({"status": 1}, {"status": "healthy"}, None),  # invalid, and the summary must not replace it
        ({"status": ""}, {"status": "healthy"}, None),
        ({"issue_tracking": {"current_status_code": "healthy"}}, None, None),
        ({"status": "campaign_completed", "issue_tracking": {"current_status_code": "healthy"}}, None,
         "campaign_completed"),
        ([], "healthy", None),
    ],
)  # fmt: skip
def test_code_comes_from_diagnostics_then_from_summary(
    diagnostics: Any, summary: Any, code: str | None
) -> None:
    status = api.get_sending_status(ID).parse({"diagnostics": diagnostics, "summary": summary})
    assert status.status == code


def test_code_that_is_too_long_is_none() -> None:
    assert api.get_sending_status(ID).parse({"summary": {"status": "x" * 5000}}).status is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-05-11T21:12:43.288Z", MOMENT),
        ("2026-05-11T23:12:43.288+02:00", MOMENT),
        ("2026-05-11T21:12:43.288", None),  # without an offset, the moment is unknown
        ("2026-05-11", None),
        ("now", None),
        ("2026-13-45T99:99:99Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        (1778533963, None),
        (None, None),
    ],
)
def test_last_updated_is_an_instant_or_none(value: Any, moment: datetime | None) -> None:
    response = {"diagnostics": {**DIAGNOSTICS, "last_updated": value}, "summary": None}
    assert api.get_sending_status(ID).parse(response).last_updated == moment


def test_reason_and_begin_of_the_issue_are_read() -> None:
    response = {
        "diagnostics": {**DIAGNOSTICS, "issue_tracking": {"issue_first_seen_at": "2026-05-11T21:12:43.288Z"}},
        "summary": {"status_message": "Campaign is sending normally", "issue_started_at": None},
    }
    status = api.get_sending_status(ID).parse(response)
    assert (status.reason, status.issue_started_at) == ("Campaign is sending normally", MOMENT)
    assert status.raw == response
    assert status.diagnostic("issue_tracking", "nothing", "at", "all") is None


def test_number_too_large_for_a_float_is_none() -> None:
    status = api.get_sending_status(ID).parse({"diagnostics": {"campaign_daily_limit": {"limit": 10**400}}})
    assert status.diagnostic_number("campaign_daily_limit", "limit") is None


class TestMalformed:
    @pytest.mark.parametrize("response", [None, [], "healthy", 5])
    def test_response_without_an_object_is_malformed(self, response: Any) -> None:
        with pytest.raises(MalformedResponseError):
            api.get_sending_status(ID).parse(response)

    @pytest.mark.parametrize(
        ("error", "message"), [("Not now", "an error: Not now"), (7, "without a message")]
    )
    def test_healthy_status_beside_an_error_is_malformed(self, error: Any, message: str) -> None:
        with pytest.raises(MalformedResponseError, match=message):
            api.get_sending_status(ID).parse({"diagnostics": DIAGNOSTICS, "error": error})

    def test_status_of_another_campaign_is_malformed(self) -> None:
        other = {"diagnostics": {**DIAGNOSTICS, "campaign_id": "019e18e2-9617-78c8-b2bf-2f764ab33d2b"}}
        with pytest.raises(MalformedResponseError, match="another"):
            api.get_sending_status(ID).parse(other)
        subsequence = {"diagnostics": {**DIAGNOSTICS, "campaign_id": "the parent", "subsequence_id": ID}}
        assert api.get_subsequence_sending_status(ID).parse(subsequence).status == "healthy"
