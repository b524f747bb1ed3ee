"""Send calls from a worker, over one kept-alive ``requests`` session."""

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

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import Response, parse_response
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.body import read_body
from airflow_provider_campaigns.transport.errors import (
    connect_error,
    incomplete_response,
    log_retry,
    timed_out,
    with_connection,
)
from airflow_provider_campaigns.transport.observer import NULL_OBSERVER, Observer
from airflow_provider_campaigns.transport.rate_limit import rate_limiter_for
from airflow_provider_campaigns.transport.retry import Retry
from airflow_provider_campaigns.transport.time_limit import Adapter, TimeLimit

T = TypeVar("T")

_in_request: ContextVar[bool] = ContextVar("in_request", default=False)


def _may_log(record: logging.LogRecord) -> bool:
    """Return False for urllib3's warning about invalid headers of our responses, which quotes them.

    A service may echo the key in them.
    """
    return not (_in_request.get() and record.exc_info and isinstance(record.exc_info[1], HeaderParsingError))


@contextmanager
def _without_header_warnings() -> Iterator[None]:
    token = _in_request.set(True)
    try:
        yield
    finally:
        _in_request.reset(token)


class _Session(requests.Session):
    """A session that ignores redirects; requests would parse even one that it does not follow."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        # Adding it again changes nothing.
        logging.getLogger("urllib3.connection").addFilter(_may_log)
        self._headers_of = account.headers
        # An explicit auth keeps requests from replacing the key with an entry of a .netrc file.
        self.auth = self._add_headers
        self.trust_env = account.may_use_proxy
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.mount(scheme, Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: there is no redirect to follow."""

    def _add_headers(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers.update(self._headers_of())
        return prepared


class BlockingClient:
    """Sends calls for one account.

    :param account: the account.
    :param observer: counts the requests.
    :param sleep: pauses between attempts.
    """

    def __init__(
        self,
        account: Account,
        *,
        observer: Observer = NULL_OBSERVER,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account = account
        self._observer = observer
        self._sleep = sleep
        self._session = _Session(account)
        self._rate_limiter = rate_limiter_for(account)

    def send(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call, retry it if that is safe, and return its value.

        :param retry: how often to send it; by default up to five times.
        :raises ApiError: it failed.
        """
        retry = retry or Retry()
        attempt = 0
        while True:
            attempt += 1
            try:
                result = self._attempt(call)
            except ApiError as error:
                failure = with_connection(error, self._account)
            else:
                self._observer.request(None)
                return result
            self._observer.request(failure)
            pause = retry.after_failure(failure, attempt, idempotent=call.idempotent, jitter=random.random())
            if pause is None:
                raise failure
            log_retry(failure, attempt, pause)
            self._observer.retry()
            self._sleep(pause)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _attempt(self, call: Call[T]) -> T:
        url, body = self._account.url(call), call.encoded_body()
        if pause := self._rate_limiter.reserve(time.monotonic()):
            self._sleep(pause)
        give_up, limit = time.monotonic() + self._account.timeout, TimeLimit(self._account.timeout)

        def check_time() -> None:
            if limit.over or time.monotonic() > give_up:
                raise timed_out(call, self._account)

        try:
            with (
                _without_header_warnings(),
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
                complete = Response(
                    response.status_code,
                    response.headers,
                    self._account.scrub(read_body(response.raw, call, check_time)),
                )
        except (requests.RequestException, HTTPError, OSError, ValueError, LookupError, TypeError) as cause:
            raise self._failure(call, cause, is_over=limit.over) from None
        if limit.over:  # headers that were cut off by the timeout look like a complete response
            raise timed_out(call, self._account)
        return parse_response(call, complete, now=datetime.now(timezone.utc))

    def _failure(self, call: Call[T], cause: Exception, *, is_over: bool) -> ApiError:
        """Convert an exception of requests or urllib3 to an ApiError."""
        if isinstance(cause, requests.ConnectTimeout):
            return connect_error(call, self._account, cause)
        if isinstance(cause, requests.exceptions.InvalidURL):  # the URL of a proxy
            return connect_error(call, self._account, cause, is_url_error=True)
        if is_over or isinstance(cause, (requests.Timeout, ReadTimeoutError)):
            return timed_out(call, self._account)
        if _before_connection(cause):
            return connect_error(call, self._account, cause)
        # A TypeError means a proxy's URL without a host, which requests does not check.
        return incomplete_response(call, self._account, cause, is_url_error=isinstance(cause, TypeError))


def _before_connection(cause: BaseException) -> bool:
    """Return whether a failure happened before there was a connection."""
    wrapped = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    reason = wrapped.reason if isinstance(wrapped, MaxRetryError) else None
    if isinstance(reason, ProxyError):
        # urllib3 raises a ProxyError also where the tunnel existed and the connection broke later.
        reason = reason.original_error
        return isinstance(reason, NewConnectionError) or str(reason).startswith("Tunnel connection failed")
    return isinstance(reason, NewConnectionError)
