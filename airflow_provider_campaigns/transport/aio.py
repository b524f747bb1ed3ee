"""Carries calls in the triggerer, where nothing may block.

One session serves all that speak for the same account in the same event loop. It lives from its first user
to its last, and is closed by the last, however that one ends.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import certifi
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from yarl import URL

from airflow_provider_campaigns.api._call import Answer, Call, read
from airflow_provider_campaigns.exceptions import ApiError, RateLimitedError
from airflow_provider_campaigns.transport._body import CHUNK, read_body
from airflow_provider_campaigns.transport._outcome import (
    log_retry,
    no_answer,
    not_connected,
    told_of,
    too_large,
    too_slow,
)
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS, Account
from airflow_provider_campaigns.transport.observing import NOBODY, Observer
from airflow_provider_campaigns.transport.pacing import pace_of
from airflow_provider_campaigns.transport.retry import Retry

T = TypeVar("T")


# A call that has waited out this many pauses of its account goes, and hears for itself.
_LONGEST_QUEUE_OF_PAUSES = 3


@dataclass
class _SharedSession:
    session: aiohttp.ClientSession
    proxy: str | None
    users: int = 0


_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _SharedSession]] = WeakKeyDictionary()


class AioClient:
    """Sends calls for one account, over a session that others may use too.

    :param account: whom to speak for.
    :param session: the session; :func:`client` opens and closes it.
    :param proxy: the proxy to go through.
    :param observer: who keeps count of the requests.
    :param sleep: how to pause; a test passes its own.
    """

    def __init__(
        self,
        account: Account,
        session: aiohttp.ClientSession,
        proxy: str | None = None,
        *,
        observer: Observer = NOBODY,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._account = account
        self._session = session
        self._proxy = proxy
        self._observer = observer
        self._sleep = sleep
        self._pace = pace_of(account)
        # Not the session's either: who shares it may have set another.
        self._timeout = aiohttp.ClientTimeout(total=account.timeout)
        # Not the session's own headers: those aiohttp would tell a proxy too.
        self._headers = account.headers()

    async def send(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call, again if it may be repeated and a moment may help, and return what came of it.

        :raises ApiError: it failed.
        """
        retry = retry or Retry()
        attempt = 0
        while True:
            attempt += 1
            try:
                result = await self._attempt(call)
            except ApiError as error:
                told = told_of(error, self._account)
                if isinstance(error, RateLimitedError) and error.retry_after:
                    self._pace.hold(time.monotonic(), error.retry_after)
            else:
                self._observer.request(None)
                return result
            self._observer.request(told)
            pause = retry.after_failure(call, told, attempt, spread=random.random())
            if pause is None:
                raise told
            log_retry(told, attempt, pause)
            self._observer.retry()
            await self._sleep(pause)

    async def _attempt(self, call: Call[T]) -> T:
        url, body = URL(self._account.url(call), encoded=True), call.encoded_body()
        await self._wait_for_its_turn()
        try:
            async with self._session.request(
                call.method,
                url,
                data=body,
                headers={**call.headers, **self._headers},
                allow_redirects=False,
                proxy=self._proxy,
                timeout=self._timeout,
            ) as response:
                answer = Answer(
                    response.status,
                    response.headers,
                    self._account.scrub(await self._body_of(response, call)),
                )
        except aiohttp.ClientConnectorCertificateError as cause:
            raise no_answer(call, self._account, cause) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.InvalidURL) as cause:
            raise not_connected(call, self._account, cause) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise too_slow(call, self._account) from None
        except (aiohttp.ClientError, HTTPError, OSError, ValueError, LookupError) as cause:
            raise no_answer(call, self._account, cause) from None
        return read(call, answer, now=datetime.now(timezone.utc))

    async def _wait_for_its_turn(self) -> None:
        """Keep the account's pace, and a pause that the service asks somebody for while this call waits."""
        if pause := self._pace.reserve(time.monotonic()):
            await self._sleep(pause)
        for _ in range(_LONGEST_QUEUE_OF_PAUSES):
            held = self._pace.held_for(time.monotonic())
            if not held:
                return
            await self._sleep(held)
            # All that were held leave one after another again.
            if pause := self._pace.reserve(time.monotonic()):
                await self._sleep(pause)

    async def _body_of(self, response: aiohttp.ClientResponse, call: Call[Any]) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_chunked(CHUNK):
            body += piece
            if len(body) > call.max_bytes:
                if response.content.is_eof():
                    # All of it has arrived and the connection is free for the next call, which with aiohttp
                    # 3.10 would hear nothing there until this answer is out of the way.
                    response.content.read_nowait()
                raise too_large(call)
        packing = ", ".join(response.headers.getall("Content-Encoding", ()))
        if not packing:
            return bytes(body)
        arrived = HTTPResponse(io.BytesIO(body), headers={"Content-Encoding": packing}, preload_content=False)
        return read_body(arrived, call)


@asynccontextmanager
async def client(
    account: Account,
    *,
    observer: Observer = NOBODY,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[AioClient]:
    """Give a client on the session that the account has in this event loop; the last user closes it."""
    sessions = _sessions.setdefault(asyncio.get_running_loop(), {})
    shared = sessions.get(account.identity)
    if shared is None:
        shared = sessions[account.identity] = _SharedSession(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=_authorities(account)),
                # What is compressed is unpacked as on a worker, and no further than it may be long.
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
            ),
            _proxy_for(account),
        )
    shared.users += 1
    try:
        yield AioClient(account, shared.session, shared.proxy, observer=observer, sleep=sleep)
    finally:
        shared.users -= 1
        if not shared.users:
            del sessions[account.identity]
            await shared.session.close()


def _proxy_for(account: Account) -> str | None:
    """Return the proxy that the environment names, as requests would use it on a worker.

    Not aiohttp's own ``trust_env``, which would also let a .netrc replace the key.
    """
    parts = urlsplit(account.base_url)
    if not account.may_use_proxy or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


@cache
def _trusted(bundle: str) -> ssl.SSLContext:
    if Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _authorities(account: Account) -> ssl.SSLContext | bool:
    """Return whom to trust: whom requests would on a worker, so that both sides of Airflow agree."""
    if account.base_url.startswith("http://"):
        return True
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return _trusted(named or certifi.where())
