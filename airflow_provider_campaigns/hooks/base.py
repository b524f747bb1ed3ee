"""What both hooks have in common: an account made from a connection, and two ways to send a call for it."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_campaigns import __version__, metrics
from airflow_provider_campaigns.api.call import Call, Service
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.get_provider_info import get_provider_info
from airflow_provider_campaigns.metrics import Metrics
from airflow_provider_campaigns.transport.account import (
    DEFAULT_MAX_REQUESTS_PER_SECOND,
    DEFAULT_TIMEOUT,
    Account,
    check_base_url,
    check_key,
)
from airflow_provider_campaigns.transport.observer import Observer
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry
from airflow_provider_campaigns.transport.shared_result import SharedResults

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_campaigns.transport.aio import AioClient
    from airflow_provider_campaigns.transport.blocking import BlockingClient

T = TypeVar("T")

CONNECTION_TEST_TIMEOUT = 10.0
# How long a wait may begin with an account that another wait looked up. A changed connection counts after it.
ACCOUNT_MAX_AGE = 60.0
_MIN_SETTING = 0.001
_accounts: SharedResults[Account] = SharedResults(lambda account: account.identity)


class ServiceHook(BaseHook):
    """Base of the hooks of both services.

    :param conn_id: the Airflow connection; its password is the API key.
    """

    service: ClassVar[Service]
    conn_type: ClassVar[str]

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._account: Account | None = None
        self._client: BlockingClient | None = None

    @property
    def account(self) -> Account:
        """The account of the connection.

        :raises ValueError: the connection is not valid; says what to change.
        """
        if self._account is None:
            self._account = self._account_of(self.get_connection(self.conn_id))
        return self._account

    @property
    def metrics(self) -> Metrics:
        """The metrics of this hook's connection in a task."""
        return metrics.on_worker(self.conn_type, self.conn_id)

    @property
    def triggerer_metrics(self) -> Metrics:
        """The metrics of this hook's connection in the triggerer."""
        return metrics.in_triggerer(self.conn_type, self.conn_id)

    def get_conn(self) -> BlockingClient:
        """Return the client that sends this hook's calls, over one kept-alive session."""
        if self._client is None:
            from airflow_provider_campaigns.transport.blocking import BlockingClient

            self._client = BlockingClient(self.account, observer=self.metrics)
        return self._client

    def close(self) -> None:
        """Close the session; the next call opens another one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @asynccontextmanager
    async def aclient(self, observer: Observer | None = None) -> AsyncIterator[AioClient]:
        """Yield the asynchronous client, with one session for several calls from an event loop.

        :param observer: counts the requests; by default as the triggerer's.
        """
        from airflow_provider_campaigns.transport import aio

        observer = self.triggerer_metrics if observer is None else observer
        async with aio.client(await self.aaccount(), observer=observer) as client:
            yield client

    def send(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call from a worker.

        :param retry: how often to send it; by default up to five times, where repeating is safe.
        :raises ApiError: it failed.
        """
        return self.get_conn().send(call, retry)

    async def asend(self, call: Call[T], retry: Retry | None = None) -> T:
        """Send a call from an event loop; see :meth:`send`."""
        async with self.aclient() as client:
            return await client.send(call, retry)

    def _probe(self, call: Call[T], describe: Callable[[T], str]) -> tuple[bool, str]:
        """Send a call once, with a short timeout, and return whether it succeeded and a message."""
        from airflow_provider_campaigns.transport.blocking import BlockingClient

        try:
            account = replace(self.account, timeout=min(self.account.timeout, CONNECTION_TEST_TIMEOUT))
            with closing(BlockingClient(account)) as client:
                return True, describe(client.send(call, NO_RETRY))
        except (ApiError, ValueError) as error:
            message = str(error)
            if _is_throw_away(self.conn_id):
                message = message.replace(f"onnection {self.conn_id!r}", "onnection under test")
            return False, message

    async def aaccount(self) -> Account:
        """Return the account of the connection, from an event loop; see :attr:`account`."""
        if self._account is None:
            self._account = self._account_of(await get_async_connection(self.conn_id, hook=self))
        return self._account

    async def shared_account(self, rejected: Account | None = None) -> Account:
        """Return the account of the connection, looked up at most a minute ago by any wait of the loop.

        :param rejected: an account that this method returned, and whose key the service does not accept any
            more: look the connection up again, unless another wait has just done so for this reason.
        """
        name = (self.conn_type, self.conn_id)
        return await _accounts.get(name, self.aaccount, max_age=ACCOUNT_MAX_AGE, rejected=rejected)

    def _account_of(self, connection: Connection) -> Account:
        extra = self._extra_of(connection)
        return Account(
            service=self.service,
            conn_id=self.conn_id,
            key=check_key(connection.password, self.service, self.conn_id),
            user_agent=user_agent(),
            base_url=check_base_url(_address(connection) or self.service.base_url, self.conn_id),
            timeout=self._positive(extra, "timeout", DEFAULT_TIMEOUT),
            max_requests_per_second=self._positive(
                extra, "max_requests_per_second", DEFAULT_MAX_REQUESTS_PER_SECOND
            ),
            extra_headers=self._extra_headers(extra),
        )

    def _extra_of(self, connection: Connection) -> Mapping[str, Any]:
        """Return the extra. Airflow's own accessor may block an event loop."""
        try:
            extra = json.loads(connection.extra or "{}")
        except ValueError:
            extra = None
        if not isinstance(extra, Mapping):
            raise ValueError(f"Connection {self.conn_id!r}: the extra must be a JSON object.")
        return extra

    def _extra_headers(self, extra: Mapping[str, Any]) -> dict[str, str]:
        return {}

    def _positive(self, extra: Mapping[str, Any], name: str, default: float) -> float:
        value = extra.get(name)
        if value is None or value == "":
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not _MIN_SETTING <= number < math.inf:
            raise ValueError(
                f"Connection {self.conn_id!r}: the extra {name!r} must be a number from 0.001 up, got "
                f"{value!r}."
            )
        return number


def form_behaviour(conn_type: str) -> dict[str, Any]:
    """Return the standard fields of a connection form, for a hook's ``get_ui_field_behaviour``."""
    behaviour = _connection_type(conn_type)["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}


def form_widgets(conn_type: str) -> dict[str, Any]:
    """Return the further fields of a connection form, for a hook's ``get_connection_form_widgets``."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import StringField

    return {
        name: StringField(field["label"], description=field["description"], widget=BS3TextFieldWidget())
        for name, field in _connection_type(conn_type)["conn-fields"].items()
    }


@cache
def user_agent() -> str:
    """Return the ``User-Agent`` header; Instantly's proxy refuses the default ones of HTTP libraries."""
    from airflow import __version__ as airflow_version

    return (
        f"airflow-provider-campaigns/{__version__} "
        f"apache-airflow/{airflow_version} Python/{platform.python_version()}"
    )


def _is_throw_away(conn_id: str) -> bool:
    """Return whether Airflow made this id, of random characters, for a connection test through its API."""
    return bool(re.fullmatch(r"[A-Za-z0-9]{8}", conn_id)) and f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ


def _address(connection: Connection) -> str | None:
    """Return the base URL of a connection: its host if that is a URL, else one made of its parts."""
    host = (connection.host or "").strip()
    if not host:
        return None
    if host.count(":") > 1 and "[" not in host and "://" not in host:
        host = f"[{host}]"  # an IPv6 address, from which Airflow removes the brackets
    url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # check_base_url raises the error
    if connection.port and not re.search(r":\d+$", parts.netloc):
        return parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
    return url


def _connection_type(conn_type: str) -> dict[str, Any]:
    kinds = get_provider_info()["connection-types"]
    return next(kind for kind in kinds if kind["connection-type"] == conn_type)
