"""Fetch what a send gate needs, in as few requests as possible, and return its verdict."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.call import Call
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

T = TypeVar("T")


class Send(Protocol):
    """Sends a call and returns its value."""

    async def __call__(self, call: Call[T], /) -> T:
        """Send the call."""


@dataclass(frozen=True)
class VerdictSource:
    """The sending status of one campaign or subsequence, and what else its verdict depends on.

    :param send: sends each request, from a worker or from an event loop.
    :param campaign_id: the campaign; None for a subsequence.
    """

    send: Send
    campaign_id: str | None
    subsequence_id: str | None = None

    async def read(
        self, policy: Policy, *, campaign_if_open: bool = False
    ) -> tuple[Verdict, Mapping[str, Any] | None]:
        """Return the verdict, and the campaign if it was read.

        :param campaign_if_open: read the campaign also if the verdict is open without it.
        """
        response = await self._sending_status(policy)
        verdict = judge(response, policy, _now())
        if verdict.campaign_may is None and not (verdict.open and campaign_if_open):
            return verdict, None
        try:
            campaign = await self._campaign()
        except ApiError as error:
            if verdict.campaign_may is Disposition.CLOSED:
                return verdict, None
            if isinstance(error, NotFoundError):
                return gone(verdict, policy, str(error)), None
            if isinstance(error, MalformedResponseError):
                return judge(error, policy, _now()), None
            raise
        if isinstance(response, BadRequestError) and campaign.get("status") != LifecycleStatus.DRAFT:
            raise response
        return judge(response, policy, _now(), campaign), campaign

    async def _sending_status(self, policy: Policy) -> SendingStatus | ApiError:
        """Return the sending status, or an error that is not the end: the response of a draft may be 400."""
        if self.campaign_id is None:
            call = api.get_subsequence_sending_status(str(self.subsequence_id))
        else:
            call = api.get_sending_status(self.campaign_id)
        try:
            return await self.send(call)
        except MalformedResponseError as error:
            return error
        except BadRequestError as error:
            if policy.intent not in REFUSED_DRAFT_INTENTS:
                raise
            return error

    async def _campaign(self) -> Mapping[str, Any]:
        """Return the campaign or subsequence.

        :raises MalformedResponseError: the response is about another one.
        """
        requested = str(self.campaign_id or self.subsequence_id)
        get = api.get_subsequence if self.campaign_id is None else api.get_campaign
        found = await self.send(get(requested))
        if str(found.get("id")).lower() != requested.lower():
            raise MalformedResponseError(f"Requested {requested}, got a response about another id.")
        return found


def verdict_on(
    hook: InstantlyHook,
    campaign_id: str | None,
    subsequence_id: str | None,
    policy: Policy,
    *,
    check_senders: bool,
    retry: Retry | None,
) -> Verdict:
    """Return the verdict on one campaign or subsequence, from a worker.

    The campaign and its senders are read only if the verdict depends on them.
    """

    async def send(call: Call[T], /) -> T:
        return hook.send(call, retry)

    source = VerdictSource(send, campaign_id, subsequence_id)
    verdict, campaign = _result_of(source.read(policy, campaign_if_open=check_senders))
    if verdict.open and check_senders and campaign is not None:
        # A list, so that the rules send no request.
        accounts = list(_accounts(hook, campaign, retry))
        return with_senders(verdict, policy, addresses_of(campaign), accounts)
    return verdict


def _result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits for an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise RuntimeError("The coroutine waits for an event loop.")


def _accounts(
    hook: InstantlyHook, campaign: Mapping[str, Any], retry: Retry | None
) -> Iterator[Mapping[str, Any]]:
    """Yield the accounts of the campaign's senders.

    :raises PermissionDeniedError: the key lacks the scope.
    """
    wanted = {address.lower() for address in addresses_of(campaign)}
    try:
        if tags := tags_of(campaign):
            yield from hook.list_accounts(tag_ids=",".join(tags), retry=retry)
        for account in hook.list_accounts(retry=retry) if wanted else ():
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
