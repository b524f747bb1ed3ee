"""The gate and the operators against a sandbox whose sending status behaves as reported."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.exceptions import BadRequestError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sandbox import DRAFT_CAMPAIGN_ID, HEALTHY_CAMPAIGN_ID, RunningSandbox
from airflow_provider_campaigns.sandbox.options import LOOP_SECONDS
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock

DAY = 24 * 3600.0


@pytest.fixture
def reported(sandbox: RunningSandbox, clock: FakeClock) -> RunningSandbox:
    """A sandbox with all habits of the sending status."""
    sandbox.state.habits |= {"dry_campaigns_complete", "lagging_snapshots"}
    return sandbox


def gate(campaign_id: str = HEALTHY_CAMPAIGN_ID, **arguments: Any) -> Any:
    return TaskRunner().run(
        InstantlySendGateOperator(task_id="gate", campaign_id=campaign_id, poke_interval=30, **arguments)
    )


def activate(campaign_id: str = HEALTHY_CAMPAIGN_ID, **arguments: Any) -> Any:
    return TaskRunner().run(
        InstantlyActivateCampaignOperator(task_id="activate", campaign_id=campaign_id, **arguments)
    )


class TestOperators:
    def test_nightly_refill_goes_on_after_the_campaign_ran_dry(
        self, reported: RunningSandbox, clock: FakeClock
    ) -> None:
        codes = []
        for night in range(3):
            verdict = gate(intent="add_leads")
            codes.append(verdict["code"])
            leads = [{"email": f"lead{night}@example.org"}]
            add = InstantlyAddLeadsOperator(
                task_id="add", campaign_id=HEALTHY_CAMPAIGN_ID, leads=leads, check_gate=True
            )
            assert TaskRunner().run(add)["leads_uploaded"] == 1
            assert activate(restart_completed=True)["status"] == LifecycleStatus.ACTIVE
            clock.sleep(3600)
            assert gate()["code"] == "healthy"
            reported.state.mark_leads_mailed(HEALTHY_CAMPAIGN_ID)
            clock.sleep(DAY - 3600)
        assert codes == ["healthy", "campaign_completed", "campaign_completed"]
        assert len(reported.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 3

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_send_gate_waits_for_the_loop_after_a_refill(
        self, reported: RunningSandbox, clock: FakeClock, *, deferrable: bool
    ) -> None:
        clock.sleep(LOOP_SECONDS)
        hook = InstantlyHook()
        assert hook.get_verdict(HEALTHY_CAMPAIGN_ID).code == "waiting_for_leads"
        hook.add_leads(HEALTHY_CAMPAIGN_ID, [{"email": "a@example.org"}])
        verdict = gate(wait_timeout=timedelta(minutes=15), deferrable=deferrable)
        assert (verdict["open"], verdict["code"]) == (True, "healthy")
        assert LOOP_SECONDS < clock.slept <= 2 * LOOP_SECONDS + 60

    def test_started_draft_opens_the_send_gate_with_the_next_loop(
        self, reported: RunningSandbox, clock: FakeClock
    ) -> None:
        with pytest.raises(BadRequestError):
            gate(DRAFT_CAMPAIGN_ID)
        assert gate(DRAFT_CAMPAIGN_ID, intent="activate")["code"] == "campaign_draft"
        InstantlyHook().add_leads(DRAFT_CAMPAIGN_ID, [{"email": "a@example.org"}])
        result = activate(DRAFT_CAMPAIGN_ID, wait_timeout=timedelta(minutes=15), poke_interval=30)
        assert (result["status"], result["sending_status"]) == (LifecycleStatus.ACTIVE, "healthy")
        assert gate(DRAFT_CAMPAIGN_ID)["open"] is True

    @pytest.mark.parametrize(
        ("intent", "opens"), [("send", False), ("add_leads", True), ("activate", True), ("edit", False)]
    )
    def test_old_out_of_schedule_opens_if_the_campaign_confirms(
        self, reported: RunningSandbox, intent: str, *, opens: bool
    ) -> None:
        reported.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["out_of_schedule"])
        verdict = InstantlyHook().get_verdict(HEALTHY_CAMPAIGN_ID, intent=intent)
        assert (verdict.open, verdict.code) == (opens, "out_of_schedule")

    def test_null_estimate_gives_no_next_poll(self, reported: RunningSandbox) -> None:
        reported.state.play_sending_status(HEALTHY_CAMPAIGN_ID, ["follow_up_delay_not_met"])
        verdict = InstantlyHook().get_verdict(HEALTHY_CAMPAIGN_ID)
        assert (verdict.disposition.value, verdict.next_poll_at) == ("wait", None)

    def test_pause_closes_a_gate_whose_last_snapshot_is_healthy(self, reported: RunningSandbox) -> None:
        hook = InstantlyHook()
        assert hook.get_verdict(HEALTHY_CAMPAIGN_ID).open
        hook.pause_campaign(HEALTHY_CAMPAIGN_ID)
        verdict = hook.get_verdict(HEALTHY_CAMPAIGN_ID)
        assert (verdict.open, verdict.code) == (False, "campaign_paused")
