"""Requests, replies and routes of the services, and the entries of the request log.

Each service is a set of plain functions from a :class:`Request` to a :class:`Reply`, without sockets and
without an HTTP library; only ``app.py`` uses aiohttp.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_campaigns.sandbox.state import SandboxState

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """One parsed request.

    :param params: the variable parts of the path, decoded.
    :param query: the query parameters; several of one name are joined by commas.
    :param body: the decoded JSON body, or None.
    :param log_fields: fields that the service adds to the request log.
    """

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    log_fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A response: its body, status and headers."""

    content: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class LoggedRequest:
    """An entry of the request log; without headers, because these contain the key."""

    time: str
    service: str
    method: str
    path: str
    query: Mapping[str, str]
    body_size: int
    status: int | None = None
    fault: str | None = None
    log_fields: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as a flat JSON object."""
        fields = asdict(self)
        del fields["log_fields"]
        return {**fields, **self.log_fields}


class RefusedError(Exception):
    """Ends a request with an error of the service."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class Route:
    """One endpoint.

    :param handler: returns the reply.
    :param scope: the scope that the key must have.
    :param uuids: whether an ``{id}`` in the path must be a UUID.
    """

    method: str
    path: str
    handler: Callable[[SandboxState, Request], Reply]
    scope: str | None = None
    uuids: bool = True


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(json.dumps(value).encode(), status)


def reason_phrase(status: int) -> str:
    """Return the reason phrase of an HTTP status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
