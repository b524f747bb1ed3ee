"""Send calls in the triggerer, where no code may block.

All clients of the same account in the same event loop share one session. The last of them closes it.
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

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import Response, parse_response
from airflow_provider_campaigns.exceptions import ApiError, RateLimitedError
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS, Account
from airflow_provider_campaigns.transport.body import CHUNK, read_body
from airflow_provider_campaigns.transport.errors import (
    connect_error,
    incomplete_response,
    log_retry,
    timed_out,
    too_large,
    with_connection,
)
from airflow_provider_campaigns.transport.observer import NULL_OBSERVER, Observer
from airflow_provider_campaigns.transport.rate_limit import rate_limiter_for
from airflow_provider_campaigns.transport.retry import Retry

T = TypeVar("T")


# A call is sent after it has waited for this many pauses of its account, even if another one has begun.
_MAX_PAUSES = 3


@dataclass
class _SharedSession:
    session: aiohttp.ClientSession
    proxy: str | None
    users: int = 0


_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _SharedSession]] = WeakKeyDictionary()


class AioClient:
    """Sends calls for one account, over a shared session.

    :param account: the account.
    :param session: the session; :func:`client` opens and closes it.
    :param proxy: the URL of the proxy to use.
    :param observer: counts the requests.
    :param sleep: pauses between attempts.
    """

    def __init__(
        self,
        account: Account,
        session: aiohttp.ClientSession,
        proxy: str | None = None,
        *,
        observer: Observer = NULL_OBSERVER,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._account = account
        self._session = session
        self._proxy = proxy
        self._observer = observer
        self._sleep = sleep
        self._rate_limiter = rate_limiter_for(account)
        # Not the session's timeout: another connection to the account may have another.
        self._timeout = aiohttp.ClientTimeout(total=account.timeout)
        # Not the session's headers: aiohttp would send those to a proxy too.
        self._headers = account.headers()

    async def send(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call, retry it if that is safe, and return its value.

        :param retry: how often to send it; by default up to five times.
        :raises ApiError: it failed.
        """
        retry = retry or Retry()
        attempt = 0
        while True:
            attempt += 1
            try:
                result = await self._attempt(call)
            except ApiError as error:
                failure = with_connection(error, self._account)
                if isinstance(error, RateLimitedError) and error.retry_after:
                    self._rate_limiter.pause(time.monotonic(), error.retry_after)
            else:
                self._observer.request(None)
                return result
            self._observer.request(failure)
            pause = retry.after_failure(failure, attempt, idempotent=call.idempotent, jitter=random.random())
            if pause is None:
                raise failure
            log_retry(failure, attempt, pause)
            self._observer.retry()
            await self._sleep(pause)

    async def _attempt(self, call: Call[T]) -> T:
        url, body = URL(self._account.url(call), encoded=True), call.encoded_body()
        await self._wait_for_turn()
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
                complete = Response(
                    response.status,
                    response.headers,
                    self._account.scrub(await self._body_of(response, call)),
                )
        except aiohttp.ClientConnectorCertificateError as cause:
            raise incomplete_response(call, self._account, cause) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as cause:
            raise connect_error(call, self._account, cause) from None
        except aiohttp.InvalidURL as cause:  # the URL of a proxy
            raise connect_error(call, self._account, cause, is_url_error=True) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise timed_out(call, self._account) from None
        except (aiohttp.ClientError, HTTPError, OSError, ValueError, LookupError) as cause:
            raise incomplete_response(call, self._account, cause) from None
        return parse_response(call, complete, now=datetime.now(timezone.utc))

    async def _wait_for_turn(self) -> None:
        """Keep the account's rate limit, and wait while the service asks for a pause."""
        if pause := self._rate_limiter.reserve(time.monotonic()):
            await self._sleep(pause)
        for _ in range(_MAX_PAUSES):
            left = self._rate_limiter.pause_left(time.monotonic())
            if not left:
                return
            await self._sleep(left)
            # After the pause, requests are spaced again.
            if pause := self._rate_limiter.reserve(time.monotonic()):
                await self._sleep(pause)

    async def _body_of(self, response: aiohttp.ClientResponse, call: Call[Any]) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_chunked(CHUNK):
            body += piece
            if len(body) > call.max_bytes:
                if response.content.is_eof():
                    # The connection is free for the next call; aiohttp 3.10 needs the rest to be read first.
                    response.content.read_nowait()
                raise too_large(call)
        encoding = ", ".join(response.headers.getall("Content-Encoding", ()))
        if not encoding:
            return bytes(body)
        compressed = HTTPResponse(
            io.BytesIO(body), headers={"Content-Encoding": encoding}, preload_content=False
        )
        return read_body(compressed, call)


@asynccontextmanager
async def client(
    account: Account,
    *,
    observer: Observer = NULL_OBSERVER,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[AioClient]:
    """Yield a client on the account's session in this event loop; the last user closes the session."""
    sessions = _sessions.setdefault(asyncio.get_running_loop(), {})
    shared = sessions.get(account.identity)
    if shared is None:
        shared = sessions[account.identity] = _SharedSession(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=_authorities(account)),
                # read_body decompresses, up to the length that the call allows.
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
    """Return the proxy that requests would use on a worker.

    aiohttp's own ``trust_env`` would also replace the key with an entry of a .netrc file.
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
    """Return the certificate authorities that requests would trust on a worker."""
    if account.base_url.startswith("http://"):
        return True
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return _trusted(named or certifi.where())
