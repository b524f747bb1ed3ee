"""Both transports, without what stands above them: every test of a call runs with either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.blocking import BlockingClient
from airflow_provider_campaigns.transport.retry import NO_RETRY

Carry = Callable[[Account, Call[Any]], Any]


def blocking(account: Account, call: Call[Any]) -> Any:
    client = BlockingClient(account)
    try:
        return client.send(call, NO_RETRY)
    finally:
        client.close()


def asynchronous(account: Account, call: Call[Any]) -> Any:
    async def send() -> Any:
        async with aio.client(account) as client:
            return await client.send(call, NO_RETRY)

    return asyncio.run(send())
