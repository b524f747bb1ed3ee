"""What the tests of every call share: a row for each call, and every documented failure."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
from tests.support.fake_server import Reply, Request

# The HTTP libraries set these.
_CONNECTION_HEADERS = {"host", "connection", "accept-encoding", "content-length"}


@dataclass(frozen=True)
class Row:
    """One call: the request that has to arrive, and the value of the response.

    :param name: the name of the hook's method and of the function that builds the call.
    :param arguments: its arguments.
    :param path: with the query, as it arrives.
    :param response: the response of the service.
    :param value: the value that the call returns.
    :param body: the JSON body of the request; None where there is none.
    :param is_read: whether it changes nothing, so that it is sent up to five times.
    """

    name: str
    arguments: Mapping[str, Any]
    method: str
    path: str
    response: Any
    value: Any
    body: Any = None
    is_read: bool = True
    accept: str = "application/json"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"

    @property
    def reply(self) -> Reply:
        """The response, ready for the fake server."""
        return self.response if isinstance(self.response, Reply) else Reply(self.response)

    @property
    def headers(self) -> dict[str, str]:
        """The call's own headers, by their names in lower case."""
        accept = {"accept": self.accept}
        return accept if self.body is None else {**accept, "content-type": "application/json"}


@dataclass(frozen=True)
class Failure:
    """One failure of a call.

    :param message: a part of the error's message.
    :param is_retried: whether a read is sent again.
    """

    reply: Reply
    error: type[ApiError]
    message: str
    is_retried: bool = False
    retry_after: float | None = None


def on_worker(hook: ServiceHook, api: ModuleType, row: Row, **options: Any) -> Any:
    """Make a call as a task does: by the hook's method, where there is one."""
    if hasattr(hook, row.name):
        return _whole(getattr(hook, row.name)(**row.arguments, **options))
    return _whole(hook.send(getattr(api, row.name)(**row.arguments), **options))


def in_triggerer(hook: ServiceHook, api: ModuleType, row: Row) -> Any:
    """Make the same call from an event loop."""
    return _whole(asyncio.run(hook.asend(getattr(api, row.name)(**row.arguments))))


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers that arrived, by their names in lower case, without those of the connection."""
    arrived = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in arrived.items() if name not in _CONNECTION_HEADERS}


def body_of(request: Request) -> Any:
    """Return the decoded body that arrived; None where there was none."""
    return request.json if request.body else None


def calls_of(api: ModuleType) -> set[str]:
    """Return the names of all functions of a service's package that build a call."""
    return {
        name
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if not name.startswith("_") and str(inspect.signature(function).return_annotation).startswith("Call[")
    }


def methods_of(hook: type[ServiceHook]) -> set[str]:
    """Return the names of all public methods that a hook defines itself."""
    return {name for name, member in vars(hook).items() if inspect.isfunction(member) and name[0] != "_"}


def failures(body: Callable[[int, str], Any]) -> dict[str, Failure]:
    """Return every documented failure; most of the responses contain the API key.

    :param body: makes the service's error body from a status and a message.
    """

    def refused(status: int, message: str, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(body(status, f"{message} {KEY}"), status=status, headers=named)

    too_fast = "Rate limit exceeded for"
    scope = "Invalid scope. Required: campaigns:read. Found: none. Key"
    plain = Reply(b"error code: 1010", status=403, headers={"Content-Type": "text/plain"})
    page = f"<html>No idea what {KEY} is".encode()
    return {
        "400": Failure(refused(400, "body must have 'name', not"), BadRequestError, "'name', not ***"),
        "401 key": Failure(refused(401, "Invalid key"), AuthenticationError, "Check the API key"),
        "401 scope": Failure(refused(401, scope), PermissionDeniedError, "Required: campaigns:read"),
        "402": Failure(refused(402, "No active paid plan for"), PaymentRequiredError, "plan for ***"),
        "403 JSON": Failure(refused(403, "Not for"), PermissionDeniedError, "Not for ***"),
        "403 text": Failure(plain, BlockedByProxyError, "user agent"),
        "404": Failure(refused(404, "Resource not found by"), NotFoundError, "Check the id"),
        "404 page": Failure(Reply(page, status=404), NotFoundError, "Check the id"),
        "429": Failure(refused(429, too_fast), RateLimitedError, "exceeded for ***", is_retried=True),
        "429 soon": Failure(
            refused(429, too_fast, Retry_After="0.01"),
            RateLimitedError,
            "",
            is_retried=True,
            retry_after=0.01,
        ),
        "429 later": Failure(
            refused(429, too_fast, Retry_After="120"), RateLimitedError, "", retry_after=120
        ),
        "500": Failure(refused(500, "Oops"), ServiceUnavailableError, "failed on its side", is_retried=True),
        "503 page": Failure(Reply(page, status=503), ServiceUnavailableError, "503", is_retried=True),
        "200 page": Failure(Reply(page), MalformedResponseError, "not JSON"),
        "200 string": Failure(Reply('"healthy"'), MalformedResponseError, "got a string"),
        "200 empty": Failure(Reply(b""), MalformedResponseError, "got nothing"),
    }


def _whole(result: Any) -> Any:
    if isinstance(result, Page):
        return list(result.items)
    return list(result) if isinstance(result, Iterator) else result
