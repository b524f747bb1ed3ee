"""Requests, replies and routes of the services, and the entries of the request log.

Each service is a set of plain functions from a :class:`Request` to a :class:`Reply`, without sockets and
without an HTTP library; only ``app.py`` uses aiohttp. Types of JSON values have their JSON names, as in
``"string|null"``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_campaigns.sandbox.state import SandboxState

JSON_TYPE = "application/json"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


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


def has_type(value: Any, types: str) -> bool:
    """Return whether a JSON value has one of the types, which are separated by bars."""
    names = types.split("|")
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def first_problem(
    value: Any,
    fields: Mapping[str, str],
    *,
    required: Collection[str] = (),
    where: str = "body",
    closed: bool = True,
) -> str | None:
    """Return the first problem of an object, in the words of a JSON validator; None if there is none.

    :param fields: the known fields with their types.
    :param closed: whether an unknown field is a problem.
    """
    if not isinstance(value, dict):
        return f"{where} must be object"
    for name in required:
        if name not in value:
            return f"{where} must have required property '{name}'"
    for name, found in value.items():
        if name in fields:
            if not has_type(found, fields[name]):
                return f"{where}/{name} must be {fields[name].replace('|', ',')}"
        elif closed:
            return f"{where} must NOT have additional properties: '{name}' (known: {', '.join(fields)})"
    return None
