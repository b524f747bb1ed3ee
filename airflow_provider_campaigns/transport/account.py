"""Whom a transport speaks for: an address, a key, and how hard the service may be asked.

The key is handed out by :meth:`Account.headers` alone, to be sent to the account's own address; it stands
in no repr, and :meth:`Account.redact` takes it out of whatever a service may have echoed.
"""

from __future__ import annotations

import hashlib
import html
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_campaigns.api._call import Call, Service

DEFAULT_TIMEOUT = 30.0
# How many connections one account may have open at once in the triggerer, however many wait.
MAX_CONNECTIONS = 20
# A tenth of what Instantly allows a workspace, and within what every known client of it gets along with.
DEFAULT_MAX_REQUESTS_PER_SECOND = 10.0

_SHORTEST_REAL_KEY = 12
_USER_INFO = re.compile(r"//[^/@\s]+@")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Account:
    """One account of one service.

    :param service: which service.
    :param conn_id: the Airflow connection, to name in errors.
    :param key: the API key.
    :param user_agent: what the requests say they come from.
    :param base_url: where the service answers, without a trailing slash.
    :param timeout: seconds to wait for the answer to one request.
    :param max_requests_per_second: how often this process may ask.
    :param extra_headers: headers that go with every request.
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
        """Return the address of a call."""
        return f"{self.base_url}{call.target}"

    def headers(self) -> dict[str, str]:
        """Return the headers of every request beyond a call's own, the key among them. They hold a secret."""
        return {
            "User-Agent": self.user_agent,
            **self.extra_headers,
            self.service.key_header: f"{self.service.key_prefix}{self.key}",
        }

    def redact(self, text: str) -> str:
        """Return a text without the key, and without what a URL in it may hold before its ``@``."""
        return _USER_INFO.sub("//***@", re.sub(self._echoed, "***", text))

    def scrub(self, body: bytes) -> bytes:
        """Return an answer without the key, should the service echo it, before anything is made of it.

        A key that is too short to be told from an ordinary word is left to :meth:`redact`.
        """
        if len(self.key) < _SHORTEST_REAL_KEY or self._core not in body:
            return body
        return self._echoed_bytes.sub(b"***", body)

    @cached_property
    def _core(self) -> bytes:
        """The longest part of the key that nobody writes otherwise; an answer without it needs no search."""
        parts: list[str] = re.findall("[0-9A-Za-z]*", self.key)
        return max(parts, key=len).encode()

    @cached_property
    def _echoed(self) -> str:
        """The key as a service may repeat it: to the letter, or as JSON, Python, a URL or HTML write it."""
        return "".join(
            each if each.isalnum() else _as_written(each) for each in re.findall(r"\\+|.", self.key)
        )

    @cached_property
    def _echoed_bytes(self) -> re.Pattern[bytes]:
        return re.compile(self._echoed.encode())

    @property
    def may_use_proxy(self) -> bool:
        """Whether requests may go through a proxy: plain http is for this machine, and stays on it."""
        return not self.base_url.startswith("http://")

    @cached_property
    def identity(self) -> str:
        """What accounts have in common exactly if they are the same: a digest that betrays no key."""
        parts = (
            self.base_url,
            self.key,
            *sorted(f"{name}:{value}" for name, value in self.extra_headers.items()),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _as_written(mark: str) -> str:
    """Return a pattern of the ways to write a mark, or a run of backslashes, that somebody may escape."""
    code = ord(mark[0])
    escaped = rf"(?i:\\{{1,8}}(?:u00|x){code:02x}|%(?:25){{0,3}}{code:02x}|&#0{{0,4}}(?:{code}|x{code:x});)"
    if mark[0] == "\\":
        return rf"(?:\\{{{len(mark)},{4 * len(mark)}}}|{escaped}{{{len(mark)}}})"
    ways = [rf"\\{{0,8}}{re.escape(mark)}", escaped]
    if html.escape(mark) != mark:  # two ways to read one mark would double the time that a search may take
        ways.append(re.escape(html.escape(mark)))
    return f"(?:{'|'.join(ways)})"


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
            f"Connection {conn_id!r}: the password is not an API key of {service.title}, since it holds "
            f"a space or another character that no key can hold."
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
