"""Campaign Cleaner: the forms in which an inbox test and its results may come."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import InboxTest, InboxTestResults, InboxTestState
from airflow_provider_campaigns.exceptions import MalformedResponseError

RESULTS = {"job_id": "test-7", "status": "Processing", "summary": {"inbox": 3}, "results": []}


class TestCreation:
    @pytest.mark.parametrize(
        ("response", "job_id", "send_to"),
        [
            ({"job_id": 7, "send_to": ["a@s.test"]}, "7", ("a@s.test",)),
            ({"inbox_test": {"job_id": "x", "send_to": ["a@s.test"]}}, "x", ("a@s.test",)),
            ({"job_id": "x", "send_to": "a@s.test, b@s.test;c@s.test\nd@s.test"}, "x",
             ("a@s.test", "b@s.test", "c@s.test", "d@s.test")),
            ({"job_id": "x", "send_to": [{"provider": "Gmail", "seed_address": "a@s.test"}]}, "x",
             ("a@s.test",)),
            ({"job_id": "x", "send_to": ["a@s.test", "none", None, 5, {"provider": "Gmail"}]}, "x",
             ("a@s.test",)),
            ({"job_id": "x"}, "x", ()),
            ({"job_id": "x", "send_to": {"gmail": "a@s.test"}}, "x", ()),
            ({"job_id": None, "test": {"job_id": "x"}}, "x", ()),
        ],
    )  # fmt: skip
    def test_every_plausible_form_is_read(self, response: dict, job_id: str, send_to: tuple) -> None:
        assert api.create_inbox_test("Spring").parse(response) == InboxTest(job_id, send_to, raw=response)

    @pytest.mark.parametrize(
        "response",
        [{}, {"job_id": ""}, {"job_id": None}, {"id": "x"}, {"job_id": "two words"}, {"a": {"b": 1}}],
    )
    def test_missing_id_is_malformed(self, response: dict) -> None:
        with pytest.raises(MalformedResponseError, match="no job_id"):
            api.create_inbox_test().parse(response)


class TestResults:
    def results(self, **fields: Any) -> InboxTestResults:
        return api.get_inbox_test_results("test-7").parse({**RESULTS, **fields})

    @pytest.mark.parametrize(
        ("written", "rate"),
        [
            ("30%", 30), (" 12.5 % ", 12.5), ("30", 30), (30, 30), (0, 0), ("0%", 0), ("n/a", None),
            ("", None), ("%", None), (None, None), (True, None), ("nan%", None), ([30], None),
        ],
    )  # fmt: skip
    def test_rate_is_a_number_or_a_string(self, written: Any, rate: float | None) -> None:
        found = self.results(summary={"inbox_rate": written, "inbox": written})
        assert (found.inbox_rate, found.inbox, found.spam_rate) == (rate, rate, None)

    @pytest.mark.parametrize("status", ["Completed", "completed", " COMPLETED "])
    def test_status_is_read_in_any_case(self, status: str) -> None:
        assert self.results(status=status).status == InboxTestState.COMPLETED

    @pytest.mark.parametrize("summary", [None, [], "none yet", {}])
    def test_missing_counts_are_none_and_not_zero(self, summary: Any) -> None:
        found = self.results(summary=summary, results=None)
        assert (found.total_seeds, found.received, found.pending, found.results) == (None, None, None, ())

    @pytest.mark.parametrize("status", [None, "", 1, "x" * 101])
    def test_missing_status_is_malformed(self, status: Any) -> None:
        with pytest.raises(MalformedResponseError, match="no status"):
            self.results(status=status)

    def test_results_of_another_test_are_malformed(self) -> None:
        with pytest.raises(MalformedResponseError, match="got test another"):
            self.results(job_id="another")
        assert self.results(job_id="TEST-7").job_id == "test-7"
        assert self.results(job_id=None).job_id == "test-7"
