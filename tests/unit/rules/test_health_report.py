"""What a report on many campaigns says; the task is in ``tests/unit/operators/test_health_report.py``."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.exceptions import ServiceUnavailableError
from airflow_provider_campaigns.rules.health_report import HealthReport, excluded_status, names_of
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from tests.support.responses import OTHER_UUID, UUID

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


def verdict(disposition: Disposition, code: str | None) -> Verdict:
    return Verdict(disposition is Disposition.OPEN, disposition, code, "A\nmessage.", checked_at=NOW)


OPEN = verdict(Disposition.OPEN, "healthy")
PAUSED = verdict(Disposition.CLOSED, "campaign_paused")
FAILED = ServiceUnavailableError("no\nresponse", status_code=503)


def report_on(**results: Any) -> HealthReport:
    report = HealthReport({each: f"Name of {each}" for each in results})
    for campaign_id, result in results.items():
        report.add(campaign_id, result)
    return report


class TestReport:
    def test_messages_are_those_for_a_person_and_then_the_errors(self) -> None:
        report = report_on(a=FAILED, b=OPEN, c=PAUSED, d=verdict(Disposition.CLOSED, None))
        assert report.needs_person() == ["c", "d"]
        assert report.messages() == [
            "Name of c (c): campaign_paused: A message.",
            "Name of d (d): no status: A message.",
            "Name of a (a): could not be checked: no response",
        ]

    def test_summary_counts_verdicts_and_errors(self) -> None:
        unknown, none = verdict(Disposition.WAIT, "splendid"), verdict(Disposition.WAIT, None)
        report = report_on(a=PAUSED, b=unknown, c=none, d=FAILED, e=OPEN, f=OPEN)
        summary = report.summary()
        assert summary.pop("messages") == report.messages()
        assert summary == {
            "campaigns": 6,
            "needs_person": 1,
            "failed": 1,
            "dispositions": {"wait": 2, "open": 2, "closed": 1},
            "codes": {"healthy": 2, "campaign_paused": 1, "unknown": 1, "none": 1},
        }

    def test_rows_hold_verdicts_and_errors_in_order(self) -> None:
        failed, opened = report_on(b=FAILED, a=OPEN).rows()
        assert failed == {
            "campaign_id": "b",
            "name": "Name of b",
            "error": "ServiceUnavailableError",
            "message": "no\nresponse",
        }
        assert opened == {"campaign_id": "a", "name": "Name of a", "needs_person": False, **OPEN.as_dict()}

    @pytest.mark.parametrize(
        ("results", "line"),
        [
            ({"a": OPEN}, "1 of 1 campaigns: 0 need a person"),
            ({"a": PAUSED, "b": OPEN}, "2 of 2 campaigns: 1 needs a person"),
            ({"a": PAUSED, "b": FAILED}, "2 of 2 campaigns: 1 needs a person, 1 could not be checked"),
        ],
    )
    def test_string_is_the_progress(self, results: dict[str, Any], line: str) -> None:
        assert str(report_on(**results)) == line

    def test_invalid_id_is_a_failure_and_not_checked(self) -> None:
        report = HealthReport({"../x": None, UUID: None})
        assert report.ids() == [UUID]
        assert report.checked == 1
        assert report.messages() == ["../x: could not be checked: Its id in the list is not a UUID."]
        assert str(report) == "1 of 2 campaigns: 0 need a person, 1 could not be checked"


class TestNames:
    LISTED = (
        {"id": UUID.upper(), "name": "Spring", "status": 1},
        {"id": 7, "name": "Odd", "status": 1},
        {"id": OTHER_UUID, "name": " ", "status": 0},
    )

    def test_listed_campaigns_have_names_by_id(self) -> None:
        names = {UUID.upper(): "Spring", "item 2 of the list": "Odd", OTHER_UUID: None}
        assert names_of(self.LISTED) == names
        names.pop(OTHER_UUID)
        assert names_of(self.LISTED, excluded=LifecycleStatus.DRAFT) == names

    def test_wanted_campaigns_keep_their_ids_and_order(self) -> None:
        read = iter(self.LISTED)
        names = names_of(read, wanted=["x", UUID])
        assert list(names.items()) == [("x", None), (UUID, "Spring")]
        assert list(read) == []

    def test_list_is_read_until_all_wanted_are_found(self) -> None:
        read = iter(self.LISTED)
        assert names_of(read, wanted=[UUID]) == {UUID: "Spring"}
        assert len(list(read)) == 2

    @pytest.mark.parametrize("intent", ["send", "add_leads", "activate", "edit"])
    def test_drafts_count_only_where_a_draft_may_be_meant(self, intent: str) -> None:
        expected = None if intent in {"activate", "edit"} else LifecycleStatus.DRAFT
        assert excluded_status(intent) is expected
