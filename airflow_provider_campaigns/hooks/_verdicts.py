"""Fetch what a send gate needs, in as few requests as possible, and return its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingStatus
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
)
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.gate_rules import Disposition
from airflow_provider_campaigns.rules.send_gate import REFUSED_DRAFT_INTENTS, Verdict, gone, judge
from airflow_provider_campaigns.rules.senders import addresses_of, tags_of, with_senders
from airflow_provider_campaigns.transport.retry import Retry

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.instantly import InstantlyHook


class VerdictSource:
    """The sending status of one campaign or subsequence, and what else its verdict depends on.

    :param campaign_id: the campaign; None for a subsequence.
    :param retry: how often each request is sent.
    """

    def __init__(
        self, hook: InstantlyHook, campaign_id: str | None, subsequence_id: str | None, retry: Retry | None
    ) -> None:
        self._hook = hook
        self._campaign_id = campaign_id
        self._subsequence_id = str(subsequence_id)
        self._retry = retry

    def verdict(self, policy: Policy, *, check_senders: bool) -> Verdict:
        """Return the verdict; the campaign and its senders are read only if it depends on them."""
        response = self._sending_status(policy)
        verdict = judge(response, policy, _now())
        if verdict.campaign_may is None and not (verdict.open and check_senders):
            return verdict
        try:
            campaign = self._campaign()
        except ApiError as error:
            if verdict.campaign_may is Disposition.CLOSED:
                return verdict
            if isinstance(error, NotFoundError):
                return gone(verdict, policy, str(error))
            if isinstance(error, MalformedResponseError):
                return judge(error, policy, _now())
            raise
        if isinstance(response, BadRequestError) and campaign.get("status") != LifecycleStatus.DRAFT:
            raise response
        verdict = judge(response, policy, _now(), campaign)
        if verdict.open and check_senders:
            # A list, so that the rules send no request.
            return with_senders(verdict, policy, addresses_of(campaign), list(self._accounts(campaign)))
        return verdict

    def _sending_status(self, policy: Policy) -> SendingStatus | ApiError:
        """Return the sending status, or an error that is not the end: the response of a draft may be 400."""
        hook, campaign_id, retry = self._hook, self._campaign_id, self._retry
        try:
            if campaign_id is None:
                return hook.get_subsequence_sending_status(self._subsequence_id, retry=retry)
            return hook.get_sending_status(campaign_id, retry=retry)
        except MalformedResponseError as error:
            return error
        except BadRequestError as error:
            if policy.intent not in REFUSED_DRAFT_INTENTS:
                raise
            return error

    def _campaign(self) -> Mapping[str, Any]:
        """Return the campaign or subsequence.

        :raises MalformedResponseError: the response is about another one.
        """
        hook, requested = self._hook, self._campaign_id or self._subsequence_id
        fetch = hook.get_subsequence if self._campaign_id is None else hook.get_campaign
        found = fetch(requested, retry=self._retry)
        if str(found.get("id")).lower() != requested.lower():
            raise MalformedResponseError(f"Requested {requested}, got a response about another id.")
        return found

    def _accounts(self, campaign: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the accounts of the campaign's senders.

        :raises PermissionDeniedError: the key lacks the scope.
        """
        wanted = {address.lower() for address in addresses_of(campaign)}
        try:
            if tags := tags_of(campaign):
                yield from self._hook.list_accounts(tag_ids=",".join(tags), retry=self._retry)
            for account in self._hook.list_accounts(retry=self._retry) if wanted else ():
                address = str(account.get("email")).lower()
                if address in wanted:
                    wanted.remove(address)
                    yield account
                    if not wanted:
                        return
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"check_senders needs an API key with the scope accounts:read. {error}",
                status_code=error.status_code,
            ) from error


def _now() -> datetime:
    return datetime.now(timezone.utc)
