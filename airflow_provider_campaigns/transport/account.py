"""Base URL, API key and rate limit of one account.

Only :meth:`Account.headers` returns the key, to be sent to the account's own address. No repr shows it, and
:meth:`Account.redact` removes it from whatever a service may have echoed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_campaigns.api.call import Call, Service
from airflow_provider_campaigns.transport.redaction import Redaction

DEFAULT_TIMEOUT = 30.0
# How many connections to one account the triggerer opens at most.
MAX_CONNECTIONS = 20
# A tenth of Instantly's limit for a workspace.
DEFAULT_MAX_REQUESTS_PER_SECOND = 10.0

_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Account:
    """One account of one service.

    :param service: the service.
    :param conn_id: the Airflow connection, named in errors.
    :param key: the API key.
    :param user_agent: the ``User-Agent`` header.
    :param base_url: the address of the service, without a trailing slash.
    :param timeout: seconds to wait for the response to one request.
    :param max_requests_per_second: the rate limit of this process.
    :param extra_headers: further headers of every request.
    """

    service: Service
    conn_id: str
    key: str = field(repr=False)
    user_agent: str
    base_url: str
    timeout: float = DEFAULT_TIMEOUT
    max_requests_per_second: float = DEFAULT_MAX_REQUESTS_PER_SECOND
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url(self, call: Call[Any]) -> str:
        """Return the URL of a call."""
        return f"{self.base_url}{call.target}"

    def headers(self) -> dict[str, str]:
        """Return the headers of every request besides the call's own. They hold the API key."""
        return {
            "User-Agent": self.user_agent,
            **self.extra_headers,
            self.service.key_header: f"{self.service.key_prefix}{self.key}",
        }

    def redact(self, text: str) -> str:
        """Return a string without the API key and without the user info of URLs."""
        return self._redaction.text(text)

    def scrub(self, body: bytes) -> bytes:
        """Return a response body without the API key, in case the service echoes it."""
        return self._redaction.body(body)

    @cached_property
    def _redaction(self) -> Redaction:
        return Redaction(self.key)

    @property
    def may_use_proxy(self) -> bool:
        """Whether requests may use a proxy; plain http is for this machine only and never does."""
        return not self.base_url.startswith("http://")

    @cached_property
    def identity(self) -> str:
        """A digest that is equal for equal accounts and does not reveal the key."""
        parts = (
            self.base_url,
            self.key,
            *sorted(f"{name}:{value}" for name, value in self.extra_headers.items()),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def check_key(key: str | None, service: Service, conn_id: str) -> str:
    """Return a key that can stand in a header.

    :raises ValueError: there is none, or it holds a character that no header may hold.
    """
    key = (key or "").strip()
    if not key:
        raise ValueError(
            f"Connection {conn_id!r} has no API key: put the key of {service.title} into its password."
        )
    if not _HEADER_VALUE.fullmatch(key):
        raise ValueError(
            f"Connection {conn_id!r}: the password is not an API key of {service.title}, because it "
            f"holds a space or another character that no key contains."
        )
    return key


def check_base_url(url: str, conn_id: str) -> str:
    """Return a base URL without its trailing slash.

    :raises ValueError: it is not an absolute http(s) URL, carries credentials, a query or a fragment, or is
        plain http to a host other than this machine.
    """
    if not _HEADER_VALUE.fullmatch(url):
        raise ValueError(f"Connection {conn_id!r}: the host is not a URL: it holds a space or the like.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError as error:
        raise ValueError(f"Connection {conn_id!r}: the host is not a URL ({error}).") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"Connection {conn_id!r}: the host must not carry credentials; the key is the password."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"Connection {conn_id!r}: the host must be a base URL such as "
            f"https://proxy.example.com, got {url!r}."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(
            f"Connection {conn_id!r}: plain http would send the API key in clear to {parts.hostname}. "
            f"Use https; http is accepted for this machine only (127.0.0.1, ::1, localhost)."
        )
    return parts.geturl().rstrip("/")


def _is_loopback(hostname: str) -> bool:
    if hostname.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
