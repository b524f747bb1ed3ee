"""What the tests of every call share: a row for each call, and every way in which a service refuses one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import ModuleType
from typing import Any

from airflow_provider_campaigns.api.instantly import Page
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.hooks.base import ServiceHook
from tests.conftest import KEY
from tests.support.fake_server import Reply, Request, ScriptedServer

# What HTTP itself needs, which is for the libraries to say.
_OF_HTTP = {"host", "connection", "accept-encoding", "content-length"}


@dataclass(frozen=True)
class Row:
    """One call, as it has to arrive, and what has to come of the answer.

    :param name: the name of the hook's method and of the function that describes the call.
    :param path: with the query, as it arrives.
    :param body: the JSON body; None where there is none.
    :param read: whether it changes nothing, so that it is attempted up to five times.
    """

    name: str
    arguments: Mapping[str, Any]
    method: str
    path: str
    answer: Any
    returned: Any
    body: Any = None
    read: bool = True
    accept: str = "application/json"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"

    @property
    def own_headers(self) -> dict[str, str]:
        """The headers that the call has to say itself, by their names in lower case."""
        accepted = {"accept": self.accept}
        return accepted if self.body is None else {**accepted, "content-type": "application/json"}


@dataclass(frozen=True)
class Failure:
    """One way to refuse a call.

    :param told: what the error has to say.
    :param heals: whether a moment may help, so that a read is attempted again.
    """

    reply: Reply
    error: type[ApiError]
    told: str
    heals: bool = False
    retry_after: float | None = None


class PromptServer(ScriptedServer):
    """A server that sends an answer's body right after its head, for tests that are many."""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        handler = super()._handler()
        handler.disable_nagle_algorithm = True
        return handler


def on_a_worker(hook: ServiceHook, api: ModuleType, row: Row) -> Any:
    """Make a call as a task does: by the hook's method, where there is one."""
    if not hasattr(hook, row.name):
        return _all_of(hook.send(getattr(api, row.name)(**row.arguments)))
    return _all_of(getattr(hook, row.name)(**row.arguments))


def in_the_triggerer(hook: ServiceHook, api: ModuleType, row: Row) -> Any:
    """Make the same call from an event loop."""
    return _all_of(asyncio.run(hook.asend(getattr(api, row.name)(**row.arguments))))


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers that arrived, by their names in lower case, without those of HTTP itself."""
    arrived = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in arrived.items() if name not in _OF_HTTP}


def body_of(request: Request) -> Any:
    """Return the decode_json body that arrived; None where there was none."""
    return request.json if request.body else None


def calls_of(api: ModuleType) -> set[str]:
    """Return the names of all functions of a service's module that describe a call."""
    return {
        name
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if not name.startswith("_") and str(inspect.signature(function).return_annotation).startswith("Call[")
    }


def methods_of(hook: type[ServiceHook]) -> set[str]:
    """Return the names of all methods that a hook has of its own."""
    return {name for name, member in vars(hook).items() if inspect.isfunction(member) and name[0] != "_"}


def failures(body: Callable[[int, str], Any]) -> dict[str, Failure]:
    """Return every way in which a service refuses a call by a status; each of them echoes the key.

    :param body: makes the service's body of a status and a message.
    """

    def refused(status: int, said: str, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(body(status, f"{said} {KEY}"), status=status, headers=named)

    too_fast = "Rate limit exceeded for"
    scope = "Invalid scope. Required: campaigns:read. Found: none. Key"
    plain = Reply(b"error code: 1010", status=403, headers={"Content-Type": "text/plain"})
    page = Reply(f"<html>No idea what {KEY} is".encode(), headers={"Content-Type": "text/html"})
    return {
        "400": Failure(refused(400, "body must have 'name', not"), BadRequestError, "'name', not ***"),
        "401 key": Failure(refused(401, "Invalid key"), AuthenticationError, "Check the API key"),
        "401 scope": Failure(refused(401, scope), PermissionDeniedError, "Required: campaigns:read"),
        "402": Failure(refused(402, "No active paid plan for"), PaymentRequiredError, "plan for ***"),
        "403 JSON": Failure(refused(403, "Not for"), PermissionDeniedError, "Not for ***"),
        "403 text": Failure(plain, BlockedByProxyError, "user agent"),
        "404": Failure(refused(404, "Resource not found by"), NotFoundError, "Check the id"),
        "429": Failure(refused(429, too_fast), RateLimitedError, "exceeded for ***", heals=True),
        "429 soon": Failure(
            refused(429, too_fast, Retry_After="0.01"), RateLimitedError, "", heals=True, retry_after=0.01
        ),
        "429 later": Failure(
            refused(429, too_fast, Retry_After="120"), RateLimitedError, "", retry_after=120
        ),
        "500": Failure(refused(500, "Oops"), ServiceUnavailableError, "failed on its side", heals=True),
        "503 page": Failure(Reply(page.body, status=503), ServiceUnavailableError, "503", heals=True),
        "200 page": Failure(page, MalformedResponseError, ""),
    }


def _all_of(result: Any) -> Any:
    if isinstance(result, Page):
        return list(result.items)
    return list(result) if isinstance(result, Iterator) else result
