"""Carries calls from a worker, over one kept-alive ``requests`` session."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from urllib3.exceptions import (
    HeaderParsingError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from airflow_provider_campaigns.api._call import Answer, Call, read
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.transport._body import read_body
from airflow_provider_campaigns.transport._outcome import (
    log_retry,
    no_answer,
    not_connected,
    told_of,
    too_slow,
)
from airflow_provider_campaigns.transport._time_limit import Adapter, TimeLimit
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.observing import NOBODY, Observer
from airflow_provider_campaigns.transport.pacing import pace_of
from airflow_provider_campaigns.transport.retry import Retry

T = TypeVar("T")

_asking: ContextVar[bool] = ContextVar("asking", default=False)


def _quotes_no_headers(record: logging.LogRecord) -> bool:
    """Tell whether urllib3 may say what it wants to: of our answers, it shall not quote broken headers.

    A service may repeat the key in them.
    """
    return not (_asking.get() and record.exc_info and isinstance(record.exc_info[1], HeaderParsingError))


logging.getLogger("urllib3.connection").addFilter(_quotes_no_headers)


@contextmanager
def _quietly() -> Iterator[None]:
    token = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(token)


class _Session(requests.Session):
    """A session that looks at no redirect, since even one that is not followed would be read and parsed."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._headers_of = account.headers
        # An explicit auth keeps requests from replacing the key by what a .netrc says about the host.
        self.auth = self._authorise
        self.trust_env = account.may_use_proxy
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.mount(scheme, Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none."""

    def _authorise(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers.update(self._headers_of())
        return prepared


class BlockingClient:
    """Sends calls for one account.

    :param account: whom to speak for.
    :param observer: who keeps count of the requests.
    :param sleep: how to pause; a test passes its own.
    """

    def __init__(
        self,
        account: Account,
        *,
        observer: Observer = NOBODY,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account = account
        self._observer = observer
        self._sleep = sleep
        self._session = _Session(account)
        self._pace = pace_of(account)

    def send(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call, again if it may be repeated and a moment may help, and return what came of it.

        :raises ApiError: it failed.
        """
        retry = retry or Retry()
        attempt = 0
        while True:
            attempt += 1
            try:
                result = self._attempt(call)
            except ApiError as error:
                told = told_of(error, self._account)
            else:
                self._observer.request(None)
                return result
            self._observer.request(told)
            pause = retry.after_failure(call, told, attempt, spread=random.random())
            if pause is None:
                raise told
            log_retry(told, attempt, pause)
            self._observer.retry()
            self._sleep(pause)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _attempt(self, call: Call[T]) -> T:
        url, body = self._account.url(call), call.encoded_body()
        if pause := self._pace.reserve(time.monotonic()):
            self._sleep(pause)
        give_up, limit = time.monotonic() + self._account.timeout, TimeLimit(self._account.timeout)

        def check_the_time() -> None:
            if limit.over or time.monotonic() > give_up:
                raise too_slow(call, self._account)

        try:
            with (
                _quietly(),
                limit,
                self._session.request(
                    call.method,
                    url,
                    data=body,
                    headers=call.headers,
                    timeout=self._account.timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                answer = Answer(
                    response.status_code,
                    response.headers,
                    self._account.scrub(read_body(response.raw, call, check_the_time)),
                )
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL) as cause:
            # The latter: a proxy's URL that is none.
            raise not_connected(call, self._account, cause) from None
        except (requests.Timeout, ReadTimeoutError):
            raise too_slow(call, self._account) from None
        except (requests.RequestException, HTTPError, OSError, ValueError, LookupError, TypeError) as cause:
            # A TypeError: a proxy's URL without a host, at which requests does not look.
            if limit.over:
                raise too_slow(call, self._account) from None
            if _found_nobody(cause):
                raise not_connected(call, self._account, cause) from None
            raise no_answer(call, self._account, cause) from None
        if limit.over:  # perhaps within the headers, and what came before them looks like an answer
            raise too_slow(call, self._account)
        return read(call, answer, now=datetime.now(timezone.utc))


def _found_nobody(cause: BaseException) -> bool:
    """Tell whether a failure happened before there was a connection."""
    wrapped = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    reason = wrapped.reason if isinstance(wrapped, MaxRetryError) else None
    if isinstance(reason, ProxyError):
        # urllib3 calls it a ProxyError too when the tunnel stood and the connection broke later.
        reason = reason.original_error
        return isinstance(reason, NewConnectionError) or str(reason).startswith("Tunnel connection failed")
    return isinstance(reason, NewConnectionError)
