"""One request to a service as data: what to send, and how to parse the response."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from airflow_provider_campaigns.api.field_types import json_form

T = TypeVar("T")

MAX_JSON_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Service:
    """One of the two services.

    :param title: its name in messages.
    :param base_url: its address where the connection has no host.
    :param key_header: the header that carries the API key.
    :param key_prefix: what precedes the key in that header.
    """

    title: str
    base_url: str
    key_header: str
    key_prefix: str = ""

    @property
    def name(self) -> str:
        """Its name in identifiers: ``campaign_cleaner``."""
        return self.title.lower().replace(" ", "_")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to a service, and how to parse the response.

    :param service: the service.
    :param method: HTTP method.
    :param path: path below the base URL, starting with a slash; ids in it are already checked.
    :param parse: turns the decoded JSON body, or the whole response of a binary call, into a value, or
        raises.
    :param params: query parameters; those that are None are left out.
    :param body: JSON body; None sends neither a body nor a content type.
    :param idempotent: whether sending it twice has the same effect as sending it once.
    :param max_bytes: the longest response body that is read.
    :param binary: the response is a PDF, and ``parse`` gets the whole response.
    :param object_hook: converts each JSON object during decoding, so that a long response is never in memory
        as a whole; None keeps the objects.
    :param reject_duplicate_keys: refuse a response in which a JSON object contains a key twice.
    """

    service: Service
    method: str
    path: str
    parse: Callable[[Any], T]
    params: Mapping[str, Any] | None = None
    body: Any = field(default=None, repr=False)
    idempotent: bool = False
    max_bytes: int = MAX_JSON_BYTES
    binary: bool = False
    object_hook: Callable[[dict[str, Any]], Any] | None = None
    reject_duplicate_keys: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """The path with its query: booleans in lower case, a list as a repeated parameter."""
        query = [
            (name, _query_value(each))
            for name, value in (self.params or {}).items()
            for each in _query_values(value)
            if each is not None
        ]
        return f"{self.path}?{urlencode(query)}" if query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """The call's own headers; a content type only where there is a body."""
        headers = {
            "Accept": "application/pdf, application/json" if self.binary else "application/json",
            "Accept-Encoding": "gzip",
        }
        return headers if self.body is None else {**headers, "Content-Type": "application/json"}

    def encoded_body(self) -> bytes | None:
        """Return the body as JSON.

        :raises ValueError: the body cannot be encoded as JSON.
        """
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, default=json_form, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{self}: the body cannot be sent as JSON: {error}") from None


def _query_values(value: Any) -> Sequence[Any]:
    """Return the values of a parameter, which a list, tuple or set repeats."""
    value = _as_query(value)
    return value if isinstance(value, list) else (value,)


def _query_value(value: Any) -> str:
    value = _as_query(value.value if isinstance(value, Enum) else value)
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"A query parameter must be a string, a number or a boolean, got {value!r}.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_query(value: Any) -> Any:
    try:
        return value if isinstance(value, (str, Enum)) else json_form(value)
    except TypeError:
        return value
