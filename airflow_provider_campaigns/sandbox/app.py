"""The aiohttp application: what stands between the wire and the services' plain functions.

A request passes, from the outside in: the log, the faults, the translation of errors, the door (who may
come in), and then the function of its route.
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
    Asked,
    Refused,
    Reply,
    Route,
    json_reply,
    phrase_of,
)
from airflow_provider_campaigns.sandbox.instantly import routes as instantly
from airflow_provider_campaigns.sandbox.instantly.errors import refusal as instantly_refusal
from airflow_provider_campaigns.sandbox.instantly.errors import usual_refusal as instantly_usual_refusal
from airflow_provider_campaigns.sandbox.state import Fault, LoggedRequest, SandboxState

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATE = web.AppKey("state", SandboxState)
_ENTRY: ContextVar[LoggedRequest | None] = ContextVar("sandbox_log_entry", default=None)


@dataclass(frozen=True)
class _Api:
    """How one of the three APIs behind this address is entered, and how it says no."""

    name: str
    prefix: str
    routes: tuple[Route, ...]
    check_key: Callable[[SandboxState, Mapping[str, str]], None]
    refuse: Callable[[str], Refused]
    refuse_status: Callable[[int], Refused]
    check_route: Callable[[SandboxState, Route, Asked], None] | None = None
    refuses_empty_json: bool = False


def create_app(state: SandboxState) -> web.Application:
    """Build the application that serves both APIs, and the control API, out of a state."""
    app = web.Application(client_max_size=0, middlewares=[_record, _misbehave, _translate_errors, _guard])
    app[_STATE] = state
    for api in _APIS:
        for route in api.routes:
            app.router.add_route(route.method, route.path, _handler(api, route))
    return app


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _handler(api: _Api, route: Route) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        state = request.app[_STATE]
        entry = _ENTRY.get()
        query = {name: ",".join(request.query.getall(name)) for name in request.query}
        asked = Asked(request.match_info, query, await _body(api, request), entry.noted if entry else {})
        if api.check_route is not None:
            api.check_route(state, route, asked)
        return _on_the_wire(route.answer(state, asked))

    return answer


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
async def _record(request: web.Request, handler: Handler) -> web.StreamResponse:
    api = _api_of(request.path)
    if api is _CONTROL:
        return await handler(request)
    size = len(await request.read())
    name = api.name if api else "none"
    entry = request.app[_STATE].record(name, request.method, request.path, request.query, size)
    token = _ENTRY.set(entry)
    try:
        response = await handler(request)
    finally:
        _ENTRY.reset(token)
    if entry.fault is None or not entry.fault.startswith("drop"):
        entry.status = response.status
    return response


@web.middleware
async def _misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do to a request what a fault demands; control requests never meet one."""
    entry = _ENTRY.get()
    fault = request.app[_STATE].next_fault(request.method, request.path) if entry else None
    if entry is None or fault is None:
        return await handler(request)
    entry.fault = f"drop {fault.drop}" if fault.drop else "answer" if fault.replaces_answer else "delay"
    await asyncio.sleep(fault.delay)
    if fault.drop == "before":
        return _broken_off(request, b"")
    response = _faulty(request, fault) if fault.replaces_answer else await handler(request)
    if fault.drop is None:
        return response
    return _broken_off(request, _part_of(response, fault.drop), reset=fault.drop == "headers")


@web.middleware
async def _translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Word every error as the service does that the request was for."""
    try:
        return await handler(request)
    except Refused as refused:
        return _on_the_wire(refused.reply)
    except web.HTTPException as error:
        return _on_the_wire(_usual_error(request.path, error.status))


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    api = _api_of(request.path)
    if api is not None:
        api.check_key(request.app[_STATE], request.headers)
    return await handler(request)


def _api_of(path: str) -> _Api | None:
    return next((api for api in _APIS if f"{path}/".startswith(api.prefix)), None)


def _usual_error(path: str, status: int) -> Reply:
    api = _api_of(path)
    if api is not None:
        return api.refuse_status(status).reply
    served = ", ".join(f"{each.prefix}..." for each in _APIS)
    return json_reply({"error": f"{phrase_of(status)}. The sandbox serves {served}"}, status)


def _on_the_wire(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type}
    response = web.Response(body=reply.content, status=reply.status, headers=headers)
    response.headers.update(reply.headers)
    return response


def _faulty(request: web.Request, fault: Fault) -> web.Response:
    """Return the answer that a fault puts in the place of the real one."""
    status = fault.status or 200
    if fault.body is None:
        usual = _usual_error(request.path, status).content if status >= 400 else b""  # noqa: PLR2004
        text, content_type = usual.decode(), JSON_TYPE
    else:
        text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
        content_type = JSON_TYPE if text.lstrip()[:1] in {"{", "["} else "text/plain"
    reply = Reply(text.encode(), status, fault.content_type or content_type, fault.headers)
    return _on_the_wire(reply)


def _part_of(response: web.StreamResponse, drop: str) -> bytes:
    """Return the first part of an answer, as it would go over the wire."""
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    head = f"HTTP/1.1 {response.status} {phrase_of(response.status)}\r\nContent-Type: {response.content_type}"
    if drop == "headers":
        return head.encode()
    return f"{head}\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode() + body[: len(body) // 2]


def _broken_off(request: web.Request, sent: bytes, *, reset: bool = False) -> web.Response:
    """Send so much and close the connection; what is returned then has nowhere to go.

    :param reset: close it rudely, since Python's own client takes headers that merely end for complete ones.
    """
    if request.transport is not None:
        request.transport.write(sent)
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.close()
    return web.Response()


def _check_control(state: SandboxState, headers: Mapping[str, str]) -> None:
    """Refuse what a web page of another site could send here through a browser."""
    host = headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if not is_loopback(name) or "Origin" in headers:
        raise control.refusal("The control API answers on loopback only, and to no web page.", 403)


_CONTROL = _Api(
    "control", control.PREFIX, control.ROUTES, _check_control, control.refusal, control.usual_refusal
)
_APIS = (
    _Api(
        "campaign_cleaner",
        campaign_cleaner.PREFIX,
        campaign_cleaner.ROUTES,
        campaign_cleaner.check_key,
        campaign_cleaner.refusal,
        campaign_cleaner.usual_refusal,
    ),
    _Api(
        "instantly",
        instantly.PREFIX,
        instantly.ROUTES,
        instantly.check_key,
        instantly_refusal,
        instantly_usual_refusal,
        check_route=instantly.check_route,
        refuses_empty_json=True,
    ),
    _CONTROL,
)
