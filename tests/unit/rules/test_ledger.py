"""The ledger of an asset's events: what it stores, and which campaigns are new to it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.rules import ledger
from airflow_provider_campaigns.rules.ledger import Ledger, began_at, health_in_key, health_key

NOW = datetime(2026, 11, 30, 12, 5, 9, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
STORED = {
    "version": 1,
    "since": "2026-11-30T12:04:09+00:00",
    "until": "2026-11-30T12:05:09+00:00",
    "is_behind": False,
    "added_by": "run",
    "added": {"campaign_paused": "ypeBEsobvco="},
    "states": {"healthy": "PiPoFgA5WUrKl4ESyhu9yg=="},
}


def states(ledger: Ledger, campaign_ids: str) -> list[str | None]:
    return [ledger.state(each) for each in campaign_ids]


class TestLedger:
    def test_stored_ledger_is_the_same(self) -> None:
        ledger = Ledger(since=NOW - MINUTE, until=NOW, is_behind=True)
        ledger.record("A", "healthy")
        ledger.record("b", "campaign_paused")
        ledger.expect("run", [("B", "healthy")])
        stored = Ledger.from_json(json.loads(json.dumps(ledger.as_json())))
        assert stored == ledger
        assert states(stored, "aBc") == ["healthy", "campaign_paused", None]

    def test_stored_form_stays_readable(self) -> None:
        ledger = Ledger(since=NOW - MINUTE, until=NOW)
        for campaign_id in "ba":
            ledger.record(campaign_id, "healthy")
        ledger.expect("run", [("a", "campaign_paused")])
        assert ledger.as_json() == STORED
        assert Ledger.from_json(STORED) == ledger

    def test_new_ledger_is_empty(self) -> None:
        ledger = Ledger()
        assert ledger.as_json().items() >= {"since": None, "until": None, "is_behind": False}.items()
        assert ledger.is_empty
        ledger.record("a", "completed")
        assert not ledger.is_empty

    def test_what_a_run_added_counts_once_it_is_stored(self) -> None:
        ledger = Ledger(is_behind=True)
        ledger.record("b", "paused")
        ledger.expect("run", [("A", "completed")])
        stored = Ledger.from_json(ledger.as_json())
        assert stored == ledger
        assert states(stored, "ab") == [None, "paused"]
        stored.record_added()
        assert states(stored, "ab") == ["completed", "paused"]

    @pytest.mark.parametrize("stored", [None, "x", {}, {"version": 0}])
    def test_another_version_counts_as_none(self, stored: Any) -> None:
        assert Ledger.from_json(stored) is None

    @pytest.mark.parametrize(("added_at", "is_new"), [(NOW, True), (NOW - MINUTE, False), (None, True)])
    def test_unknown_campaign_is_new_from_the_start_of_the_ledger(
        self, added_at: datetime | None, is_new: bool
    ) -> None:
        assert Ledger(since=NOW).is_new(added_at) is is_new
        assert Ledger().is_new(added_at)

    def test_large_ledger_drops_only_what_is_not_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger, "MAX_KNOWN", 3)
        known = Ledger()
        for campaign_id in "abcde":
            known.record(campaign_id, "completed")
        known.trim("BCD")
        assert [each for each in "abcde" if known.state(each)] == ["b", "c", "d"]
        known.trim("")  # a list may be incomplete
        assert [each for each in "abcde" if known.state(each)] == ["b", "c", "d"]
        known.record("f", "completed")
        known.trim("bcdf")
        assert [each for each in "abcdf" if known.state(each)] == ["b", "c", "d", "f"]
        known.trim("f")  # as few as make it small enough, the oldest first
        assert [each for each in "abcdf" if known.state(each)] == ["c", "d", "f"]


class TestHealthKey:
    def test_key_names_campaign_code_and_time(self) -> None:
        key = health_key("17", "healthy", NOW)
        assert key == "17:healthy:20261130T120509Z"
        assert health_in_key(key) == ("17", "healthy")

    @pytest.mark.parametrize("key", ["", "17", "17:", "17:completed", "healthy", "17:a:healthy"])
    def test_key_of_another_form_names_none(self, key: str) -> None:
        assert health_in_key(key) is None


@pytest.mark.parametrize(
    ("issue_started_at", "newest_event", "expected"),
    [
        (None, None, NOW),
        (NOW - MINUTE, None, NOW - MINUTE),
        (NOW, None, NOW),
        (NOW + MINUTE, None, NOW),
        (NOW - MINUTE, NOW - 2 * MINUTE, NOW - MINUTE),
        # An earlier key may have this time.
        (NOW - MINUTE, NOW - MINUTE, NOW),
        (NOW - 2 * MINUTE, NOW - MINUTE, NOW),
    ],
)
def test_change_begins_as_reported_if_after_the_newest_event(
    issue_started_at: datetime | None, newest_event: datetime | None, expected: datetime
) -> None:
    assert began_at(issue_started_at, newest_event, NOW) == expected
