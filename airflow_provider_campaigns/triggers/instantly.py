"""Trigger that waits for Instantly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_campaigns import gate
from airflow_provider_campaigns.exceptions import MalformedAnswerError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.polling import MAX_FAILURES
from airflow_provider_campaigns.transport.retry import ONCE
from airflow_provider_campaigns.triggers._waiting import Look, WaitTrigger


class InstantlySendGateTrigger(WaitTrigger):
    """Waits until a verdict on a campaign is anything but *wait*.

    It opens nothing: the event sends the gate to look again, and the gate decides.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign, or None.
    :param subsequence_id: the subsequence, or None.
    :param instantly_conn_id: connection of type ``instantly``.
    :param policy: dispositions that differ from the default, by code.
    :param max_status_age: seconds that the data may be old.
    :param first_look: when to look for the first time, in seconds since the epoch; None for at once.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        campaign_id: str | None = None,
        subsequence_id: str | None = None,
        instantly_conn_id: str,
        policy: Mapping[str, str] | None = None,
        max_status_age: float,
        first_look: float | None = None,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.campaign_id = campaign_id
        self.subsequence_id = subsequence_id
        self.instantly_conn_id = instantly_conn_id
        self.policy = policy
        self.max_status_age = max_status_age
        self.first_look = first_look
        self._hook = InstantlyHook(instantly_conn_id)
        self._policy = gate.Policy.of(policy, timedelta(seconds=max_status_age))

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for, and what counts as an end."""
        return {
            "campaign_id": self.campaign_id,
            "subsequence_id": self.subsequence_id,
            "instantly_conn_id": self.instantly_conn_id,
            "policy": self.policy,
            "max_status_age": self.max_status_age,
            "first_look": self.first_look,
        }

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Hold the connection to Instantly open."""
        async with self._hook.aclient():
            yield

    async def look(self) -> Look:
        """Ask for the sending status, and judge it."""
        verdict = await self._judge()
        return Look(
            said=verdict.as_dict(),
            ends=verdict.disposition is not gate.Disposition.WAIT,
            next_look=verdict.next_look.timestamp() if verdict.next_look else None,
        )

    async def _judge(self) -> gate.Verdict:
        try:
            if self.campaign_id is not None:
                status = await self._hook.aget_sending_status(self.campaign_id, retry=ONCE)
            else:
                status = await self._hook.aget_subsequence_sending_status(
                    str(self.subsequence_id), retry=ONCE
                )
        except MalformedAnswerError as error:
            return gate.unreadable(error, datetime.now(timezone.utc))
        return gate.judge(status, self._policy, datetime.now(timezone.utc))

    def first_pause(self) -> float:
        """Sleep until the moment that the gate thought worth a look."""
        return max(0.0, (self.first_look or 0.0) - time.time())
