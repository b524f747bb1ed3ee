"""The check of a campaign that gates make: the same for every task that gates."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules.send_gate import Policy, Verdict
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
        return self.hook.get_verdict(
            self.campaign_id, subsequence_id=self.subsequence_id, policy=self.policy, retry=retry
        )
