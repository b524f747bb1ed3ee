"""Trigger that waits for Campaign Cleaner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.polling import MAX_FAILURES
from airflow_provider_campaigns.transport.retry import ONCE
from airflow_provider_campaigns.triggers._waiting import Look, WaitTrigger


class CampaignCleanerCampaignTrigger(WaitTrigger):
    """Waits until a campaign is no longer being processed.

    The event's ``said`` is the state that ended the wait, or the last one seen; what it means is for the
    sensor to decide.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param waiting_states: the states that mean: look again.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str,
        waiting_states: list[str],
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.waiting_states = waiting_states
        self._hook = CampaignCleanerHook(campaign_cleaner_conn_id)

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for."""
        return {
            "campaign_id": self.campaign_id,
            "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
            "waiting_states": self.waiting_states,
        }

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Hold the connection to Campaign Cleaner open."""
        async with self._hook.aclient():
            yield

    async def look(self) -> Look:
        """Ask for the campaign's state."""
        status = await self._hook.aget_campaign_status(self.campaign_id, retry=ONCE)
        return Look(said=status.status, ends=status.status not in self.waiting_states)
