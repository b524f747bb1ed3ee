"""Send calls over either transport, without a hook: every test of a call runs with both."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.blocking import BlockingClient
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry


class SendCall(Protocol):
    """Sends calls one after the other over one client, and returns the value of the last.

    :param retry: how often to send each; None for the default of the package.
    :param pauses: receives the pauses, which are then not made.
    """

    def __call__(
        self,
        account: Account,
        *calls: Call[Any],
        retry: Retry | None = NO_RETRY,
        pauses: list[float] | None = None,
    ) -> Any: ...


def blocking(
    account: Account,
    *calls: Call[Any],
    retry: Retry | None = NO_RETRY,
    pauses: list[float] | None = None,
) -> Any:
    """Send calls as on a worker."""
    options = {} if pauses is None else {"sleep": pauses.append}
    client = BlockingClient(account, **options)
    try:
        return [client.send(call, retry) for call in calls][-1]
    finally:
        client.close()


def asynchronous(
    account: Account,
    *calls: Call[Any],
    retry: Retry | None = NO_RETRY,
    pauses: list[float] | None = None,
) -> Any:
    """Send calls as in the triggerer."""

    async def note(seconds: float) -> None:
        assert pauses is not None
        pauses.append(seconds)

    async def send_all() -> Any:
        options: dict[str, Any] = {} if pauses is None else {"sleep": note}
        async with aio.client(account, **options) as client:
            return [await client.send(call, retry) for call in calls][-1]

    return asyncio.run(send_all())
