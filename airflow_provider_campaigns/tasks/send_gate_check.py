"""Fetch a sending status, judge it and count the verdict: the same for every task that gates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_campaigns.api.instantly import SendingStatus
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules.send_gate import Policy, Verdict, judge
from airflow_provider_campaigns.transport.retry import Retry


@dataclass(frozen=True)
class SendGateCheck:
    """A check of one campaign or one subsequence.

    :param hook: the hook of the account.
    :param policy: what opens the gate.
    :param campaign_id: the campaign, or None.
    :param subsequence_id: the subsequence, or None.
    """

    hook: InstantlyHook
    policy: Policy
    campaign_id: str | None
    subsequence_id: str | None = None

    def verdict(self, retry: Retry | None = None) -> Verdict:
        """Return a verdict on a fresh response.

        :param retry: how often to send the request.
        :raises ApiError: the service did not respond; a malformed response is a verdict.
        """
        response: SendingStatus | ApiError
        try:
            response = self._sending_status(retry)
        except MalformedResponseError as error:
            response = error
        verdict = judge(response, self.policy, datetime.now(timezone.utc))
        self.hook.metrics.verdict(verdict)
        return verdict

    def _sending_status(self, retry: Retry | None) -> SendingStatus:
        if self.campaign_id is not None:
            return self.hook.get_sending_status(self.campaign_id, retry=retry)
        return self.hook.get_subsequence_sending_status(str(self.subsequence_id), retry=retry)
