"""The reported habits of the sending status: what the sandbox responds with each of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    SUBSEQUENCE_ID,
    UNHEALTHY_CAMPAIGN_ID,
)
from airflow_provider_campaigns.sandbox.options import LOOP_SECONDS, Options
from airflow_provider_campaigns.sandbox.seed import timestamp

from .conftest import Client, StoppedClock

ALWAYS_PRESENT = {"campaign_id", "last_updated", "status", "issue_tracking"}
DAY = 24 * 3600.0


def status(client: Client, campaign_id: str = HEALTHY_CAMPAIGN_ID, of: str = "campaigns") -> Any:
    response = client.instantly("GET", f"/{of}/{campaign_id}/sending-status")
    assert response.ok, response.text
    return response.json()


def code(client: Client, campaign_id: str = HEALTHY_CAMPAIGN_ID) -> Any:
    return status(client, campaign_id)["summary"]["status"]


def lifecycle(client: Client, campaign_id: str = HEALTHY_CAMPAIGN_ID) -> int:
    return int(client.instantly("GET", f"/campaigns/{campaign_id}").json()["status"])


def set_campaign(client: Client, body: dict[str, Any], campaign_id: str = HEALTHY_CAMPAIGN_ID) -> None:
    client.control("POST", f"/instantly/campaigns/{campaign_id}", body)


def add_lead(client: Client, email: str) -> None:
    body = {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"email": email}]}
    assert client.instantly("POST", "/leads/add", body).json()["leads_uploaded"] == 1


class TestDryCampaigns:
    @pytest.fixture(autouse=True)
    def _on(self, client: Client) -> None:
        client.control("POST", "/habits", ["dry_campaigns_complete"])

    def test_dry_campaign_waits_one_loop_and_completes(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        stopped_clock.advance(LOOP_SECONDS)
        found = status(client)["diagnostics"]
        assert (found["status"], lifecycle(client)) == ("waiting_for_leads", 1)
        assert found["last_updated"] == timestamp(stopped_clock())
        stopped_clock.advance(LOOP_SECONDS - 1)
        assert status(client)["diagnostics"] == found
        stopped_clock.advance(1)
        assert status(client)["diagnostics"] == {**found, "status": "campaign_completed"}
        assert lifecycle(client) == LifecycleStatus.COMPLETED

    def test_completed_campaign_keeps_the_tracking_of_its_last_loop(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        last_loop = timestamp(stopped_clock() + timedelta(seconds=LOOP_SECONDS))
        stopped_clock.advance(DAY)
        response = status(client)
        assert response["diagnostics"]["last_updated"] == last_loop
        assert response["diagnostics"]["issue_tracking"] == {
            "current_status_code": "waiting_for_leads",
            "issue_first_seen_at": last_loop,
            "consecutive_loops_with_issue": 1,
            "last_healthy_send_at": None,
        }
        assert response["summary"]["status"] == "campaign_completed"

    def test_campaign_with_leads_completes_once_they_are_mailed(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        add_lead(client, "a@example.org")
        stopped_clock.advance(DAY)
        assert (code(client), lifecycle(client)) == ("healthy", 1)
        set_campaign(client, {"leads": "mailed"})
        stopped_clock.advance(LOOP_SECONDS)
        assert code(client) == "waiting_for_leads"
        stopped_clock.advance(LOOP_SECONDS)
        assert code(client) == "campaign_completed"

    def test_leads_in_time_keep_the_campaign_active(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        stopped_clock.advance(LOOP_SECONDS)
        assert code(client) == "waiting_for_leads"
        add_lead(client, "a@example.org")
        assert code(client) == "healthy"
        stopped_clock.advance(DAY)
        assert lifecycle(client) == LifecycleStatus.ACTIVE

    def test_leads_do_not_restart_a_completed_campaign(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        stopped_clock.advance(DAY)
        add_lead(client, "a@example.org")
        stopped_clock.advance(DAY)
        assert (code(client), lifecycle(client)) == ("campaign_completed", 3)
        client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/activate")
        stopped_clock.advance(DAY)
        assert (code(client), lifecycle(client)) == ("healthy", 1)

    def test_restarted_campaign_without_leads_waits_one_loop_again(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        stopped_clock.advance(DAY)
        client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/activate")
        stopped_clock.advance(LOOP_SECONDS)
        assert (code(client), lifecycle(client)) == ("waiting_for_leads", 1)
        stopped_clock.advance(LOOP_SECONDS)
        assert lifecycle(client) == LifecycleStatus.COMPLETED

    def test_campaign_whose_status_is_played_stays_active(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        client.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["healthy"])
        stopped_clock.advance(DAY)
        assert (code(client), lifecycle(client)) == ("healthy", 1)

    def test_campaigns_that_send_nothing_do_not_complete(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        stopped_clock.advance(DAY)
        for campaign_id, expected in (
            (PAUSED_CAMPAIGN_ID, "campaign_paused"),
            (DRAFT_CAMPAIGN_ID, "campaign_draft"),
            (UNHEALTHY_CAMPAIGN_ID, "all_accounts_unhealthy"),
        ):
            assert code(client, campaign_id) == expected

    def test_time_between_loops_can_be_set(self, client: Client, stopped_clock: StoppedClock) -> None:
        client.control("POST", "/instantly", {"loop_seconds": 10})
        stopped_clock.advance(10)
        assert code(client) == "waiting_for_leads"
        stopped_clock.advance(10)
        assert code(client) == "campaign_completed"


def test_without_the_habit_no_campaign_completes(client: Client, stopped_clock: StoppedClock) -> None:
    set_campaign(client, {"leads": "mailed"})
    stopped_clock.advance(DAY)
    assert status(client)["diagnostics"]["last_updated"] == timestamp(stopped_clock())
    assert (code(client), lifecycle(client)) == ("healthy", 1)


class TestLaggingSnapshots:
    @pytest.fixture(autouse=True)
    def _on(self, client: Client) -> None:
        client.control("POST", "/habits", ["lagging_snapshots"])

    def test_change_of_senders_shows_with_the_next_loop(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        path = f"/campaigns/{HEALTHY_CAMPAIGN_ID}"
        client.instantly("PATCH", path, {"email_list": ["lost@sender.test"]})
        stopped_clock.advance(LOOP_SECONDS - 1)
        assert code(client) == "healthy"
        stopped_clock.advance(1)
        assert code(client) == "all_accounts_unhealthy"

    def test_added_leads_show_with_the_next_loop(self, client: Client, stopped_clock: StoppedClock) -> None:
        client.control("POST", "/habits", ["lagging_snapshots", "dry_campaigns_complete"])
        stopped_clock.advance(LOOP_SECONDS)
        add_lead(client, "a@example.org")
        assert code(client) == "waiting_for_leads"
        stopped_clock.advance(LOOP_SECONDS)
        assert code(client) == "healthy"

    def test_pause_shows_at_once_and_resume_shows_the_old_snapshot(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        before = status(client)
        client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/pause")
        assert (status(client)["diagnostics"], code(client)) == (None, "campaign_paused")
        stopped_clock.advance(DAY - 1)
        client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/activate")
        assert status(client) == before

    def test_started_draft_has_no_status_before_a_loop(
        self, client: Client, stopped_clock: StoppedClock
    ) -> None:
        client.instantly("POST", f"/campaigns/{DRAFT_CAMPAIGN_ID}/activate")
        assert status(client, DRAFT_CAMPAIGN_ID) == {"diagnostics": None, "summary": None}
        stopped_clock.advance(LOOP_SECONDS)
        assert code(client, DRAFT_CAMPAIGN_ID) == "healthy"


def test_old_tracking_stays_under_a_new_status(client: Client, stopped_clock: StoppedClock) -> None:
    last_loop = timestamp(stopped_clock())
    stopped_clock.advance(60)
    set_campaign(client, {"status": "completed"})
    assert status(client)["diagnostics"]["last_updated"] == timestamp(stopped_clock())
    client.control("POST", "/habits", ["old_tracking"])
    found = status(client)["diagnostics"]
    assert (found["status"], found["last_updated"]) == ("campaign_completed", last_loop)
    assert found["issue_tracking"]["current_status_code"] is None


class TestFields:
    def test_null_estimate_has_a_count_only(self, client: Client) -> None:
        client.control("POST", "/habits", ["null_estimates"])
        waiting = {"diagnostics": {"follow_ups_waiting": {"earliest_wait_time_seconds": 60}}}
        client.state.play_sending_status(
            HEALTHY_CAMPAIGN_ID,
            ["follow_up_delay_not_met", {"status": "follow_up_delay_not_met", **waiting}],
        )
        shown = [status(client)["diagnostics"]["follow_ups_waiting"] for _ in range(2)]
        assert shown == [{"count": 4, "earliest_wait_time_seconds": each} for each in (None, 60)]

    @pytest.mark.parametrize(
        ("of", "subject_id", "members"),
        [
            ("campaigns", HEALTHY_CAMPAIGN_ID, ALWAYS_PRESENT),
            ("subsequences", SUBSEQUENCE_ID, ALWAYS_PRESENT | {"subsequence_id"}),
        ],
    )
    def test_sparse_record_has_the_fields_always_present(
        self, client: Client, stopped_clock: StoppedClock, of: str, subject_id: str, members: set[str]
    ) -> None:
        client.control("POST", "/habits", ["sparse_out_of_schedule"])
        client.state.play_sending_status(
            subject_id, ["out_of_schedule", {"status": "out_of_schedule", "last_updated_age": 60}]
        )
        found = status(client, subject_id, of)["diagnostics"]
        assert found.keys() == members
        assert found["last_updated"] == timestamp(stopped_clock() - timedelta(hours=15))
        newer = status(client, subject_id, of)["diagnostics"]
        assert newer["last_updated"] == timestamp(stopped_clock() - timedelta(seconds=60))

    def test_draft_is_refused_unless_its_status_is_played(self, client: Client) -> None:
        client.control("POST", "/habits", ["refuse_drafts"])
        path = f"/campaigns/{DRAFT_CAMPAIGN_ID}/sending-status"
        assert client.instantly("GET", path).status_code == 400
        client.state.play_sending_status(DRAFT_CAMPAIGN_ID, ["campaign_draft"])
        assert code(client, DRAFT_CAMPAIGN_ID) == "campaign_draft"

    @pytest.mark.parametrize("value", ["False", "TRUE", "0", ""])
    def test_flag_in_another_form_is_refused(self, client: Client, value: str) -> None:
        path = f"/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
        client.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["out_of_schedule", "healthy"])
        response = client.instantly("GET", path, with_ai_summary=value)
        assert response.status_code == 400
        assert response.json()["message"] == "querystring/with_ai_summary must be boolean"
        assert code(client) == "out_of_schedule"


class TestControl:
    @pytest.mark.parametrize(
        ("path", "body", "named"),
        [
            (f"campaigns/{HEALTHY_CAMPAIGN_ID}", {"leads": "gone"}, "body/leads must be mailed"),
            (f"campaigns/{HEALTHY_CAMPAIGN_ID}", {"leads": "mailed", "status": 1}, "exactly one of"),
            (f"subsequences/{SUBSEQUENCE_ID}", {"leads": "mailed"}, "'leads'"),
            ("", {"loop_seconds": 0}, "body/loop_seconds must be 1 to"),
        ],
    )
    def test_invalid_setting_is_refused(
        self, client: Client, path: str, body: dict[str, Any], named: str
    ) -> None:
        response = client.call("POST", f"/_sandbox/instantly/{path}".rstrip("/"), body)
        assert response.status_code == 400
        assert named in response.json()["error"]

    def test_too_short_loop_in_the_options_is_refused(self) -> None:
        with pytest.raises(ValueError, match="loop_seconds must be 1 to"):
            Options(loop_seconds=0)
