"""What each status means, for each kind of wait. The API packages put the service's words into lower case."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, InboxTestState
from airflow_provider_campaigns.api.instantly import JobStatus, SendingCode
from airflow_provider_campaigns.exceptions import (
    BackgroundJobFailedError,
    CampaignPausedError,
    CampaignsError,
    UnknownStatusError,
)
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import CampaignRule, InboxTestRule
from airflow_provider_campaigns.rules.instantly_statuses import ActivationRule, BackgroundJobRule
from airflow_provider_campaigns.tasks.waiting import StatusRule

ID = "an-id"
WAITS, DONE = "waits", "done"
UNDOCUMENTED = ["failed", "", "Completed", "completed ", "none", None]


def meaning(rule: StatusRule, status: str | None) -> object:
    """Return what a status does to a wait: it goes on, it is done, or the class of the error that ends it."""
    if rule.keeps_waiting(status):
        return WAITS
    try:
        rule.check(status)
    except CampaignsError as error:
        return type(error) if error.final and ID in str(error) else error
    return DONE


def error_of(rule: StatusRule, status: str) -> str:
    """Return the message of the error that ends a wait."""
    with pytest.raises(CampaignsError) as raised:
        rule.check(status)
    return str(raised.value)


class TestCampaignRule:
    @pytest.mark.parametrize(
        ("status", "paused", "expected"),
        [
            ("completed", "fail", DONE),
            ("completed", "wait", DONE),
            ("processing", "fail", WAITS),
            ("processing", "wait", WAITS),
            ("paused", "fail", CampaignPausedError),
            ("paused", "wait", WAITS),
        ],
    )
    def test_documented_statuses(self, status: str, paused: str, expected: object) -> None:
        assert meaning(CampaignRule(ID, paused), status) == expected

    def test_every_documented_status_has_a_meaning(self) -> None:
        found = {meaning(CampaignRule(ID, "fail"), each.value) for each in CampaignState}
        assert found == {DONE, WAITS, CampaignPausedError}

    @pytest.mark.parametrize("paused", ["fail", "wait"])
    @pytest.mark.parametrize("status", UNDOCUMENTED)
    def test_undocumented_status_ends_the_wait_badly(self, status: str | None, paused: str) -> None:
        assert meaning(CampaignRule(ID, paused), status) == UnknownStatusError

    def test_paused_error_names_the_argument(self) -> None:
        assert error_of(CampaignRule(ID, "fail"), "paused") == (
            "Campaign Cleaner paused campaign an-id. Resume it in Campaign Cleaner, or set paused='wait' to "
            "wait until somebody resumes it."
        )

    def test_paused_campaign_is_never_accepted(self) -> None:
        with pytest.raises(CampaignPausedError):
            CampaignRule(ID, "wait").check("paused")

    def test_unknown_status_error_names_the_documented_ones(self) -> None:
        assert error_of(CampaignRule(ID, "fail"), "failed") == (
            "Campaign Cleaner reports campaign an-id as 'failed', which is not one of its documented "
            f"statuses ({', '.join(each.value for each in CampaignState)})."
        )


class TestInboxTestRule:
    def test_every_documented_status_has_a_meaning(self) -> None:
        found = {each.value: meaning(InboxTestRule(ID), each.value) for each in InboxTestState}
        assert found == {"processing": WAITS, "completed": DONE}

    @pytest.mark.parametrize("status", ["cancelled", *UNDOCUMENTED])
    def test_undocumented_status_ends_the_wait_badly(self, status: str | None) -> None:
        assert meaning(InboxTestRule(ID), status) == UnknownStatusError

    def test_unknown_status_error_names_the_documented_ones(self) -> None:
        assert error_of(InboxTestRule(ID), "cancelled") == (
            "Campaign Cleaner reports inbox test an-id as 'cancelled', which is not one of its documented "
            "statuses (processing, completed)."
        )


class TestBackgroundJobRule:
    def test_every_documented_status_has_a_meaning(self) -> None:
        found = {each.value: meaning(BackgroundJobRule(ID), each.value) for each in JobStatus}
        assert found == {
            "pending": WAITS,
            "in-progress": WAITS,
            "draining": WAITS,
            "paused": WAITS,
            "success": DONE,
            "failed": BackgroundJobFailedError,
            "cancelled": BackgroundJobFailedError,
        }

    @pytest.mark.parametrize("status", ["exploded", "completed", "", None])
    def test_undocumented_status_ends_the_wait_badly(self, status: str | None) -> None:
        assert meaning(BackgroundJobRule(ID), status) == UnknownStatusError

    def test_failed_job_error_names_job_and_status(self) -> None:
        assert error_of(BackgroundJobRule(ID), "cancelled") == (
            "Background job an-id is cancelled. Look at it in Instantly, then start it again."
        )

    def test_unknown_status_error_names_the_documented_ones(self) -> None:
        assert error_of(BackgroundJobRule(ID), "exploded") == (
            "Instantly reports background job an-id as 'exploded', which is not one of its documented "
            f"statuses ({', '.join(each.value for each in JobStatus)})."
        )


class TestActivationRule:
    @pytest.mark.parametrize("status", [None, "campaign_draft", "campaign_paused"])
    def test_campaign_that_has_not_started_keeps_waiting(self, status: str | None) -> None:
        assert meaning(ActivationRule(), status) == WAITS

    def test_every_other_code_ends_the_wait_well(self) -> None:
        started = {each.value for each in SendingCode} - {"campaign_draft", "campaign_paused"}
        assert {meaning(ActivationRule(), code) for code in (*started, "a_new_code")} == {DONE}
