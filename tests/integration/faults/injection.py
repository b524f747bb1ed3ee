"""How a fault is injected: by the fake server's responses, or below the HTTP libraries."""

from __future__ import annotations

import json
import math
import socket
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from tests.integration.faults.components import ID, LIST, SEND, Component, key_in
from tests.support.certificates import Certificates
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply, Request

# Timeouts in real seconds: one that a slow response exceeds, one that the response after it does not, and one
# that no response exceeds, also on a busy machine.
SHORT_TIMEOUT = 0.25
TIMEOUT_AFTER_A_FAULT = 1.0
TIMEOUT = 60.0


@dataclass
class Scenario:
    """One component, the servers, and a fault that happens some times.

    :param server: the service.
    :param other_server: a server that must not get a request.
    :param times: how often the fault happens before it is over.
    :ivar host: the host of the connection.
    :ivar timeout: the timeout of the connection, in seconds.
    :ivar attempts: how often the component has sent a request, or tried to.
    """

    component: Component
    server: FakeServer
    other_server: FakeServer
    clock: FakeClock
    monkeypatch: pytest.MonkeyPatch
    certificates: Certificates
    times: float = math.inf
    host: str = ""
    timeout: float = TIMEOUT
    attempts: int = 0

    def __post_init__(self) -> None:
        self.host = self.server.url

    @property
    def polls_before(self) -> int:
        """How many polls come before the fault."""
        return int(self.component.polls_before_deferral)

    def happens_now(self) -> bool:
        """Count an attempt, and return whether the fault happens to it."""
        self.attempts += 1
        return self.polls_before < self.attempts <= self.polls_before + self.times

    def respond(self, faulty: Reply | None, requests_per_occurrence: int = 1) -> None:
        """Prepare the responses: those before the fault, the faulty ones, and a successful one."""
        success = self.component.success(self.clock)
        before = [self.component.pending(self.clock)] if self.polls_before else []
        if faulty is None:
            replies = [*before, success]
        elif self.times == math.inf:
            replies = [*before, faulty]
        else:
            replies = [*before, *[faulty] * int(self.times) * requests_per_occurrence, success]
        self.server.respond(*replies, path=self.component.path)

    def list_submissions(self, *, accepted: bool) -> None:
        """Let the service list the submitted campaigns, or no campaign."""

        def listing(request: Request) -> Any:
            names = [
                sent.json["send_campaign"]["campaign_name"]
                for sent in self.server.requests
                if sent.path == SEND
            ]
            return {
                "campaign_list": [
                    {"id": ID, "campaign_name": name, "status": "processing"} for name in names if accepted
                ],
                "echoed_key": key_in(request),
            }

        self.server.respond(Reply(listing), path=LIST)


Inject = Callable[[Scenario], None]


def response(make: Callable[[Scenario, Reply], Reply], *, before_response: bool = False) -> Inject:
    """Send a faulty response.

    :param make: makes it from the successful one.
    """

    def inject(scenario: Scenario) -> None:
        twice = before_response and scenario.component.uses_aiohttp_get
        scenario.respond(make(scenario, scenario.component.success(scenario.clock)), 2 if twice else 1)

    return inject


def status(code: int, body: str | None = None, headers: dict[str, str] | None = None) -> Inject:
    """Send an HTTP status, with a body that contains the key."""

    def echo(request: Request) -> Any:
        if body is None:
            return {"error": "Refused", "message": f"Refused for {key_in(request)}"}
        return body.replace("KEY", key_in(request))

    return response(lambda *_: Reply(echo, status=code, headers=headers or {}))


def changed_body(make: Callable[[bytes, Request], Any], headers: dict[str, str] | None = None) -> Inject:
    """Change the body of the successful response."""
    return response(
        lambda _, good: Reply(lambda request: make(good.encoded(request), request), headers=headers or {})
    )


def json_body(value: Any) -> Inject:
    """Send a value as JSON; the word ``KEY`` in it becomes the key."""
    return changed_body(lambda _, request: json.loads(json.dumps(value).replace("KEY", key_in(request))))


def broken_connection(drop: Any) -> Inject:
    """Break the connection before the response is complete."""
    return response(lambda _, good: replace(good, drop=drop), before_response=drop in {"before", "headers"})


def no_response(scenario: Scenario) -> None:
    """Send no response to requests that have a short timeout; the others keep that of the connection."""
    response(lambda _, good: replace(good, delay=3600.0))(scenario)

    def patch(session: Any, short: Any) -> None:
        request = session.request

        def sent(self: Any, method: str, url: Any, **options: Any) -> Any:
            if urlsplit(str(url)).path.startswith(scenario.component.path) and scenario.happens_now():
                options["timeout"] = short
            return request(self, method, url, **options)

        scenario.monkeypatch.setattr(session, "request", sent)

    patch(requests.Session, SHORT_TIMEOUT)
    patch(aiohttp.ClientSession, aiohttp.ClientTimeout(total=SHORT_TIMEOUT))


def slow_body(scenario: Scenario) -> None:
    """Send the successful response too slowly, byte by byte."""
    scenario.timeout = SHORT_TIMEOUT if scenario.times == math.inf else TIMEOUT_AFTER_A_FAULT
    response(lambda _, good: replace(good, byte_interval=scenario.timeout / 30))(scenario)


@cache
def _compressed_spaces() -> tuple[bytes, Any]:
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return compressor.compress(b" " * (32 << 20)), compressor


def compression_bomb(body: bytes, _: Request) -> bytes:
    """Return 30 kB that decompress to 32 MiB of spaces and the successful response."""
    compressed, compressor = _compressed_spaces()
    rest = compressor.copy()
    return compressed + rest.compress(body) + rest.flush()


def too_large(body: bytes, _: Request) -> bytes:
    return body + b" " * (16 << 20)


def in_latin_1(body: bytes, _: Request) -> bytes:
    return json.dumps({**json.loads(body), "note": "Grüße"}, ensure_ascii=False).encode("latin-1")


def redirect(base: Callable[[Scenario], str]) -> Inject:
    """Redirect to the same path below another URL."""
    return response(
        lambda scenario, _: Reply(
            b"", status=307, headers={"Location": f"{base(scenario)}{scenario.component.path}"}
        )
    )


def retry_after_date(seconds: float) -> Inject:
    """Send a 429 with a ``Retry-After`` that is a date."""

    def make(scenario: Scenario, _: Reply) -> Reply:
        def date() -> str:
            return format_datetime(scenario.clock.correct_now() + timedelta(seconds=seconds), usegmt=True)

        return Reply(lambda request: {"error": key_in(request)}, status=429, headers={"Retry-After": date})

    return response(make)


def refuse_connections(scenario: Scenario) -> None:
    """Connect to a port on which no server listens."""
    scenario.respond(None)
    unused = socket.socket()
    unused.bind(("127.0.0.1", 0))
    service, connect = urlsplit(scenario.server.url).port, socket.socket.connect

    def redirected(sock: socket.socket, address: Any) -> None:
        if address[:2] == ("127.0.0.1", service) and scenario.happens_now():
            address = unused.getsockname()
        connect(sock, address)

    scenario.monkeypatch.setattr(socket.socket, "connect", redirected)


def unknown_host(scenario: Scenario) -> None:
    """Fail to resolve the name of the host."""
    scenario.respond(None)
    scenario.host = scenario.server.url.replace("127.0.0.1", "localhost")
    resolve = socket.getaddrinfo

    def fail(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in {"localhost", b"localhost"}:
            if scenario.happens_now():
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return resolve(host, *args, **kwargs)

    scenario.monkeypatch.setattr(socket, "getaddrinfo", fail)


def bad_certificate(which: Callable[[Certificates], ssl.SSLContext]) -> Inject:
    """Present a bad certificate while the fault lasts, and then the valid one."""

    def inject(scenario: Scenario) -> None:
        scenario.respond(None)
        scenario.host = scenario.server.url.replace("http://127.0.0.1", "https://localhost")
        scenario.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(scenario.certificates.bundle))
        valid, bad = scenario.certificates.valid, which(scenario.certificates)
        listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = bad if scenario.happens_now() else valid

        listening.sni_callback = choose
        scenario.server.use_tls(listening)

    return inject


def clock_jump(seconds: float, *, ready: bool) -> Inject:
    """Let the wall clock jump in the first pause.

    :param ready: whether the service is ready after it.
    """

    def inject(scenario: Scenario) -> None:
        component, clock = scenario.component, scenario.clock
        clock.jump_in_next_pause = seconds
        waits = component.pending_response is not None
        not_ready = component.pending(clock) if waits else Reply({}, status=503)
        scenario.times = 1 if ready else math.inf
        if component.polls_before_deferral:
            # There is a pause before the trigger's first poll, which is the first after the jump.
            scenario.times = 0 if ready else math.inf
        scenario.respond(not_ready)

    return inject
