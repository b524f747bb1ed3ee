"""Sessions in the triggerer: shared by the clients of one account, and closed by the last of them."""

from __future__ import annotations

import asyncio
import gzip
import os

import pytest

from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import IncompleteResponseError, MalformedResponseError
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.retry import NO_RETRY
from tests.support.fake_server import FakeServer, Reply

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()


class TestSharedSession:
    async def test_clients_of_an_account_share_one_session(self, server: FakeServer) -> None:
        server.respond({"credits": 3})
        account = account_at(server.url)
        async with aio.client(account) as first, aio.client(account) as second:
            await asyncio.gather(*[client.send(CREDITS) for client in (first, second) * 25])
            assert len(aio._sessions[asyncio.get_running_loop()]) == 1
        assert server.connections <= aio.MAX_CONNECTIONS
        assert not aio._sessions[asyncio.get_running_loop()]

    async def test_clients_with_different_keys_share_nothing(self, server: FakeServer) -> None:
        ours = account_at(server.url)
        theirs = Account(campaign_cleaner.SERVICE, "my_conn", "another-key", "test/1", server.url)
        async with aio.client(ours), aio.client(theirs):
            assert len(aio._sessions[asyncio.get_running_loop()]) == 2

    async def test_clients_of_a_session_keep_their_timeouts(self, server: FakeServer) -> None:
        server.respond(Reply({"credits": 3}, delay=0.5))
        short, long = (account_at(server.url, timeout=seconds) for seconds in (0.1, 20.0))
        async with aio.client(short) as first, aio.client(long) as second:
            with pytest.raises(IncompleteResponseError, match=r"within 0\.1 s"):
                await first.send(CREDITS, NO_RETRY)
            assert await second.send(CREDITS, NO_RETRY) == 3

    async def test_cancelled_clients_leave_no_task_or_session(self, server: FakeServer) -> None:
        server.respond(Reply({"credits": 3}, delay=5))

        async def wait() -> None:
            async with aio.client(account_at(server.url)) as client:
                await client.send(CREDITS)

        tasks = [asyncio.create_task(wait()) for _ in range(10)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not aio._sessions[asyncio.get_running_loop()]
        assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("length", [60_000, 100_000, 200_000, 300_000])
async def test_unread_response_does_not_block_the_next_call(server: FakeServer, length: int) -> None:
    """All of it may have arrived when the client stops reading, and its connection is free then."""
    call = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", len, max_bytes=50_000)
    async with aio.client(account_at(server.url)) as client:
        server.respond(Reply(gzip.compress(os.urandom(length)), headers={"Content-Encoding": "gzip"}))
        with pytest.raises(MalformedResponseError, match="50,000 bytes"):
            await client.send(call, NO_RETRY)
        server.respond({"credits": 3})
        assert await client.send(CREDITS, NO_RETRY) == 3
