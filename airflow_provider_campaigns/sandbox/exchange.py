"""What passes between the server and a service: a request taken apart, and a reply not yet on the wire.

The rule of this room: each service is a set of plain functions from an :class:`Asked` to a :class:`Reply`.
They hold no socket and no HTTP library; only ``app.py`` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_campaigns.sandbox.state import SandboxState

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Asked:
    """One request, as far as a service looks at it.

    :param params: the parts of the path that vary, decode_json.
    :param query: the query parameters; those of one name are joined by commas.
    :param body: the decode_json JSON body; None where there is none.
    :param noted: what the service wants the request log to say beside the usual.
    """

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    noted: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """An answer: its bytes, and how they are to be labelled."""

    content: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - an answer on its way out, not a fault of the sandbox
    """A service's way to end a request with an error of its own making."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class Route:
    """One endpoint.

    :param answer: the function that answers.
    :param scope: what a key needs to be let in.
    :param uuids: whether an ``{id}`` in the path has to be a UUID.
    """

    method: str
    path: str
    answer: Callable[[SandboxState, Asked], Reply]
    scope: str | None = None
    uuids: bool = True


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return a reply that carries a JSON value."""
    return Reply(json.dumps(value).encode(), status)


def phrase_of(status: int) -> str:
    """Return the standard words for an HTTP status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
