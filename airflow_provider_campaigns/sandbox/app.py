"""The aiohttp application around the services' plain functions.

The middlewares in order: log the request, apply a fault, answer at the edge, translate errors, check the
key; then the function of the route runs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_campaigns.sandbox import control
from airflow_provider_campaigns.sandbox.campaign_cleaner import routes as campaign_cleaner
from airflow_provider_campaigns.sandbox.exchange import (
    JSON_TYPE,
    LoggedRequest,
    RefusedError,
    Reply,
    Request,
    Route,
    json_reply,
    reason_phrase,
)
from airflow_provider_campaigns.sandbox.habits import edge_error, edge_reply
from airflow_provider_campaigns.sandbox.instantly import routes as instantly
from airflow_provider_campaigns.sandbox.instantly.responses import (
    default_refusal as instantly_default_refusal,
)
from airflow_provider_campaigns.sandbox.instantly.responses import refusal as instantly_refusal
from airflow_provider_campaigns.sandbox.state import Fault, SandboxState

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATE = web.AppKey("state", SandboxState)
_LOG_ENTRY: ContextVar[LoggedRequest | None] = ContextVar("sandbox_log_entry", default=None)


@dataclass(frozen=True)
class _Api:
    """One of the three APIs: its routes, its key check, and its errors."""

    name: str
    prefix: str
    routes: tuple[Route, ...]
    check_key: Callable[[SandboxState, Mapping[str, str]], None]
    refuse: Callable[[str], RefusedError]
    refuse_status: Callable[[int], RefusedError]
    check_route: Callable[[SandboxState, Route, Request], None] | None = None
    refuses_empty_json: bool = False


def create_app(state: SandboxState) -> web.Application:
    """Return the application that serves both APIs and the control API from a state."""
    app = web.Application(
        client_max_size=0,
        middlewares=[_log_request, _apply_fault, _answer_at_edge, _translate_errors, _check_key],
    )
    app[_STATE] = state
    for api in _APIS:
        for route in api.routes:
            app.router.add_route(route.method, route.path, _handler(api, route))
    return app


def is_loopback(host: str) -> bool:
    """Return whether a host name is this machine; without DNS."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _handler(api: _Api, route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        state = request.app[_STATE]
        entry = _LOG_ENTRY.get()
        query = {name: ",".join(request.query.getall(name)) for name in request.query}
        parsed = Request(
            request.match_info, query, await _body(api, request), entry.log_fields if entry else {}
        )
        state.run_loops()
        if api.check_route is not None:
            api.check_route(state, route, parsed)
        return _to_response(route.handler(state, parsed))

    return handle


async def _body(api: _Api, request: web.Request) -> object:
    raw = await request.read()
    if not raw:
        if api.refuses_empty_json and request.content_type == JSON_TYPE:
            raise api.refuse(f"Body cannot be empty when content-type is set to '{JSON_TYPE}'")
        return None
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise api.refuse("The body is not valid JSON.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@web.middleware
async def _log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    api = _api_of(request.path)
    if api is _CONTROL:
        return await handler(request)
    size = len(await request.read())
    name = api.name if api else "none"
    entry = request.app[_STATE].record(name, request.method, request.path, request.query, size)
    token = _LOG_ENTRY.set(entry)
    try:
        response = await handler(request)
    finally:
        _LOG_ENTRY.reset(token)
    if entry.fault is None or not entry.fault.startswith("drop"):
        entry.status = response.status
    return response


@web.middleware
async def _apply_fault(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the fault that matches a request; the control API has none."""
    entry = _LOG_ENTRY.get()
    fault = request.app[_STATE].next_fault(request.method, request.path) if entry else None
    if entry is None or fault is None:
        return await handler(request)
    entry.fault = f"drop {fault.drop}" if fault.drop else "answer" if fault.replaces_response else "delay"
    await asyncio.sleep(fault.delay)
    if fault.drop == "before":
        return _drop_connection(request, b"")
    response = _fault_response(request, fault) if fault.replaces_response else await handler(request)
    if fault.drop is None:
        return response
    return _drop_connection(request, _partial_response(response, fault.drop), reset=fault.drop == "headers")


@web.middleware
async def _answer_at_edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer as the proxy in front of Instantly, if such a habit is on."""
    state, api = request.app[_STATE], _api_of(request.path)
    if api is None or api.name != "instantly":
        return await handler(request)
    state.edge_requests += 1
    code = edge_error(state.habits, state.edge_requests)
    return await handler(request) if code is None else _to_response(edge_reply(code))


@web.middleware
async def _translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return every error in the form of the service."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return _to_response(refused.reply)
    except web.HTTPException as error:
        return _to_response(_default_error(request.path, error.status))


@web.middleware
async def _check_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    api = _api_of(request.path)
    if api is not None:
        api.check_key(request.app[_STATE], request.headers)
    return await handler(request)


def _api_of(path: str) -> _Api | None:
    return next((api for api in _APIS if f"{path}/".startswith(api.prefix)), None)


def _default_error(path: str, status: int) -> Reply:
    api = _api_of(path)
    if api is not None:
        return api.refuse_status(status).reply
    served = ", ".join(f"{each.prefix}..." for each in _APIS)
    return json_reply({"error": f"{reason_phrase(status)}. The sandbox serves {served}"}, status)


def _to_response(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type}
    response = web.Response(body=reply.content, status=reply.status, headers=headers)
    response.headers.update(reply.headers)
    return response


def _fault_response(request: web.Request, fault: Fault) -> web.Response:
    """Return the response that a fault defines."""
    status = fault.status or 200
    if fault.body is None:
        default = _default_error(request.path, status).content if status >= 400 else b""  # noqa: PLR2004
        text, content_type = default.decode(), JSON_TYPE
    else:
        text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
        content_type = JSON_TYPE if text.lstrip()[:1] in {"{", "["} else "text/plain"
    reply = Reply(text.encode(), status, fault.content_type or content_type, fault.headers)
    return _to_response(reply)


def _partial_response(response: web.StreamResponse, drop: str) -> bytes:
    """Return the first bytes of a response."""
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    status = f"{response.status} {reason_phrase(response.status)}"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {response.content_type}"
    if drop == "headers":
        return head.encode()
    return f"{head}\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode() + body[: len(body) // 2]


def _drop_connection(request: web.Request, sent: bytes, *, reset: bool = False) -> web.Response:
    """Send some bytes and close the connection; the returned response is not sent.

    :param reset: reset the connection: Python's own client accepts headers that end too early as complete.
    """
    if request.transport is not None:
        request.transport.write(sent)
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.close()
    return web.Response()


def _check_control(state: SandboxState, headers: Mapping[str, str]) -> None:
    """Refuse requests that a web page could send through a browser."""
    host = headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if not is_loopback(name) or "Origin" in headers:
        raise control.refusal("The control API serves loopback only, and no web page.", 403)


_CONTROL = _Api(
    "control", control.PREFIX, control.ROUTES, _check_control, control.refusal, control.default_refusal
)
_APIS = (
    _Api(
        "campaign_cleaner",
        campaign_cleaner.PREFIX,
        campaign_cleaner.ROUTES,
        campaign_cleaner.check_key,
        campaign_cleaner.refusal,
        campaign_cleaner.default_refusal,
    ),
    _Api(
        "instantly",
        instantly.PREFIX,
        instantly.ROUTES,
        instantly.check_key,
        instantly_refusal,
        instantly_default_refusal,
        check_route=instantly.check_route,
        refuses_empty_json=True,
    ),
    _CONTROL,
)
