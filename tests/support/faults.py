"""The faults, one as data each: what it is called, what kind of outcome it is, and how it is played."""

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
from enum import Enum
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    ServiceUnavailableError,
)
from tests.integration.faults.components import ID, LIST, SEND, Component, key_in
from tests.support.certificates import Certificates
from tests.support.fake_clock import Clock
from tests.support.fake_server import Reply, Request, ScriptedServer

# Real seconds: what is stalled is given up after this long, and everything else has ample time.
SHORT_TIMEOUT = 0.25
TIMEOUT = 20.0
HOUR = 3600.0


class Kind(Enum):
    """What a fault means to whoever meets it."""

    HARMLESS = "is read all the same"
    FINAL = "ends everything at once: no time heals it"
    RETRIED = "a moment may heal it; the service may have acted"
    NOT_CONNECTED = "a moment may heal it; nothing was sent"
    RATE_LIMITED = "a moment may heal it; the service has not acted"
    LONG_REST = "heals, but not soon"
    REJECTED = "the service says no and does not say why; a wait survives it"
    UNREADABLE = "nobody knows what the answer means"
    NO_STATUS = "an answer without the code that would open a gate"
    CLOCK = "the service is not ready, and the clock jumps"
    CLOCK_THEN_READY = "the clock jumps, and the service is ready"


@dataclass
class Stage:
    """Where a fault is played.

    :param component: what it meets.
    :param server: the service.
    :param elsewhere: another server, which no key may reach.
    :param clock: the time.
    :param times: how often the fault is met before it is over.
    """

    component: Component
    server: ScriptedServer
    elsewhere: ScriptedServer
    clock: Clock
    monkeypatch: pytest.MonkeyPatch
    certificates: Certificates
    times: float = math.inf
    host: str = ""
    timeout: float = TIMEOUT
    # For faults that the service does not see: how often it was met.
    met: int = 0

    def __post_init__(self) -> None:
        self.host = self.server.url

    @property
    def quiet(self) -> int:
        """How many looks come before the fault."""
        return int(self.component.begins_on_worker)

    def strikes(self) -> bool:
        """Tell whether the fault is met by what happens now."""
        self.met += 1
        return self.quiet < self.met <= self.quiet + self.times

    def play(self, faulty: Reply | None, each: int = 1) -> None:
        """Set the service's script: what comes before the fault, the fault, and what comes after.

        :param each: how many requests it takes to meet the fault once.
        """
        good = self.component.good(self.clock)
        before = [self.component.waiting(self.clock)] if self.quiet else []
        if faulty is None:
            script = [*before, good]
        elif self.times == math.inf:
            script = [*before, faulty]
        else:
            script = [*before, *[faulty] * int(self.times) * each, good]
        self.server.play(*script, path=self.component.path)

    def list_submissions(self, *, taken: bool) -> None:
        """Let the service list what was submitted, or nothing."""

        def listing(request: Request) -> Any:
            names = [
                sent.json["send_campaign"]["campaign_name"]
                for sent in self.server.requests
                if sent.path == SEND
            ]
            return {
                "campaign_list": [
                    {"id": ID, "campaign_name": name, "status": "processing"} for name in names if taken
                ],
                "asked_with": key_in(request),
            }

        self.server.play(Reply(listing), path=LIST)


Play = Callable[[Stage], None]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    :param name: as a row of the matrix calls it.
    :param kind: what it means.
    :param play: sets the stage.
    :param error: what it is raised as, where it is an error.
    :param of_instantly: its kind and its error for Instantly's calls, where they are others.
    :param rest: seconds that the service asks to be left alone.
    :param vague: seconds by which a rest may be shorter.
    :param slow: it is noticed by waiting for it.
    :param unseen: the service never sees it.
    :param breaks_before_answer: the connection breaks before the headers are complete.
    """

    name: str
    kind: Kind
    play: Play
    error: type[ApiError] | None = None
    of_instantly: tuple[Kind, type[ApiError]] | None = None
    rest: float = 0.0
    vague: float = 0.0
    slow: bool = False
    unseen: bool = False
    breaks_before_answer: bool = False

    def __str__(self) -> str:
        return self.name

    def kind_for(self, component: Component) -> Kind:
        return self._meaning(component)[0]

    def error_for(self, component: Component) -> type[ApiError] | None:
        return self._meaning(component)[1]

    def _meaning(self, component: Component) -> tuple[Kind, type[ApiError] | None]:
        if self.of_instantly is not None and component.conn_type == "instantly":
            return self.of_instantly
        return self.kind, self.error

    def requests_to_meet(self, component: Component) -> int:
        """How many requests the service sees each time that the fault is met."""
        if self.unseen:
            return 0
        return 2 if self.breaks_before_answer and component.is_get_of_aiohttp else 1


def _answered(make: Callable[[Stage, Reply], Reply], *, breaks_before_answer: bool = False) -> Play:
    """A service that answers wrongly, made out of what it would answer rightly."""

    def play(stage: Stage) -> None:
        twice = breaks_before_answer and stage.component.is_get_of_aiohttp
        stage.play(make(stage, stage.component.good(stage.clock)), each=2 if twice else 1)

    return play


def _status(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Play:
    """A service that answers with a status, and quotes the key."""

    def told(request: Request) -> Any:
        if body is None:
            return {"error": "Refused", "message": f"Refused for {key_in(request)}"}
        return body.replace("KEY", key_in(request))

    return _answered(lambda *_: Reply(told, status=status, headers=headers or {}))


def _with_body(make: Callable[[bytes, Request], Any], headers: dict[str, str] | None = None) -> Play:
    """A service whose right answer is spoilt on the way."""
    return _answered(
        lambda _, good: Reply(lambda request: make(good.encoded(request), request), headers=headers or {})
    )


def _broken(**how: Any) -> Play:
    """A connection that breaks; some of the answer has arrived by then, or none."""
    before = how.get("drop") in {"before", "headers"}
    return _answered(lambda _, good: replace(good, **how), breaks_before_answer=before)


def _slow(**how: Any) -> Play:
    def play(stage: Stage) -> None:
        stage.timeout = SHORT_TIMEOUT
        _answered(lambda _, good: replace(good, **how))(stage)

    return play


def _said(error: Any) -> Play:
    return _with_body(lambda _, request: json.loads(json.dumps(error).replace("KEY", key_in(request))))


@cache
def _packed_space() -> tuple[bytes, Any]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return packer.compress(b" " * (64 << 20)), packer


def _bomb(body: bytes, _: Request) -> bytes:
    """Sixty kilobytes that unpack to the right answer, behind 64 MiB of white space."""
    packed, packer = _packed_space()
    rest = packer.copy()
    return packed + rest.compress(body) + rest.flush()


def _too_long(body: bytes, _: Request) -> bytes:
    return body + b" " * (16 << 20)


def _in_latin_1(body: bytes, _: Request) -> bytes:
    return json.dumps({**json.loads(body), "note": "Grüße"}, ensure_ascii=False).encode("latin-1")


def _redirected(stage: Stage, to: str) -> Reply:
    return Reply(b"", status=307, headers={"Location": f"{to}{stage.component.path}"})


def _resting_until(seconds: float) -> Play:
    """A service that wants to be left alone until a certain time."""

    def make(stage: Stage, _: Reply) -> Reply:
        def date() -> str:
            return format_datetime(stage.clock.true_now() + timedelta(seconds=seconds), usegmt=True)

        return Reply(lambda request: {"error": key_in(request)}, status=429, headers={"Retry-After": date})

    return _answered(make)


def _refuse_connections(stage: Stage) -> None:
    """Nobody listens at the service's port, for as many connections as it takes."""
    stage.play(None)
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    service, connect = urlsplit(stage.server.url).port, socket.socket.connect

    def redirected(sock: socket.socket, address: Any) -> None:
        if address[:2] == ("127.0.0.1", service) and stage.strikes():
            address = nobody.getsockname()
        connect(sock, address)

    stage.monkeypatch.setattr(socket.socket, "connect", redirected)


def _know_no_host(stage: Stage) -> None:
    """The name of the host cannot be resolved, for as many times as it takes."""
    stage.play(None)
    stage.host = stage.server.url.replace("127.0.0.1", "localhost")
    resolve = socket.getaddrinfo

    def fail(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in {"localhost", b"localhost"}:
            if stage.strikes():
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return resolve(host, *args, **kwargs)

    stage.monkeypatch.setattr(socket, "getaddrinfo", fail)


def _distrusted(which: Callable[[Certificates], ssl.SSLContext]) -> Play:
    """A server that shows a bad certificate, for as many handshakes as it takes, and then the right one."""

    def play(stage: Stage) -> None:
        stage.play(None)
        stage.host = stage.server.url.replace("http://127.0.0.1", "https://localhost")
        stage.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stage.certificates.bundle))
        right, wrong = stage.certificates.right, which(stage.certificates)
        listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = wrong if stage.strikes() else right

        listening.sni_callback = choose
        stage.server.wrap(listening)

    return play


def _jumps(seconds: float, *, ready: bool) -> Play:
    """The clock is put forward or back in the first pause; the service is not ready, or ready after it."""

    def play(stage: Stage) -> None:
        component, clock = stage.component, stage.clock
        clock.jump_in_next_pause = seconds
        waits = component.not_yet is not None
        not_ready = component.waiting(clock) if waits else Reply({}, status=503)
        stage.times = 1 if ready else math.inf
        if component.begins_on_worker:
            # It pauses before it looks again, so that look is the first of which the clock is wrong.
            stage.times = 0 if ready else math.inf
        stage.play(not_ready)

    return play


ANY_CASE = ("error", "Error", "ERROR")
_LATIN = {"Content-Type": "application/json; charset=utf-8"}

FAULTS: tuple[Fault, ...] = (
    Fault("400", Kind.FINAL, _status(400), BadRequestError),
    Fault("401, bad key", Kind.FINAL, _status(401), AuthenticationError),
    Fault(
        "401, missing scope",
        Kind.FINAL,
        _status(401, '{"error": "Unauthorized", "message": "Invalid scope. Required: all:all. KEY"}'),
        PermissionDeniedError,
    ),
    Fault("402", Kind.FINAL, _status(402), PaymentRequiredError),
    Fault("403, JSON", Kind.FINAL, _status(403), PermissionDeniedError),
    Fault(
        "403, plain text of an edge",
        Kind.FINAL,
        _status(403, "error code: 1010 KEY", {"Content-Type": "text/plain"}),
        BlockedByProxyError,
    ),
    Fault("404", Kind.FINAL, _status(404), NotFoundError),
    Fault("409", Kind.FINAL, _status(409), BadRequestError),
    Fault("413", Kind.FINAL, _status(413), BadRequestError),
    Fault("408", Kind.RETRIED, _status(408), ServiceUnavailableError),
    Fault("500", Kind.RETRIED, _status(500), ServiceUnavailableError),
    Fault("502, HTML", Kind.RETRIED, _status(502, "<html>KEY</html>"), ServiceUnavailableError),
    Fault("503", Kind.RETRIED, _status(503), ServiceUnavailableError),
    Fault("504", Kind.RETRIED, _status(504), ServiceUnavailableError),
    Fault("429", Kind.RATE_LIMITED, _status(429), RateLimitedError),
    Fault(
        "429, in 17 s",
        Kind.RATE_LIMITED,
        _status(429, headers={"Retry-After": "17"}),
        RateLimitedError,
        rest=17,
    ),
    Fault(
        "429, at a time 45 s later",
        Kind.RATE_LIMITED,
        _resting_until(45),
        RateLimitedError,
        rest=45,
        vague=1,
    ),
    Fault(
        "429, in a year",
        Kind.LONG_REST,
        _status(429, headers={"Retry-After": "31536000"}),
        RateLimitedError,
    ),
    Fault(
        "429, 5 s ago",
        Kind.RATE_LIMITED,
        _status(429, headers={"Retry-After": "-5"}),
        RateLimitedError,
    ),
    Fault("connection refused", Kind.NOT_CONNECTED, _refuse_connections, ConnectError, unseen=True),
    Fault("no such host", Kind.NOT_CONNECTED, _know_no_host, ConnectError, unseen=True),
    Fault(
        "reset before the headers",
        Kind.RETRIED,
        _broken(drop="before"),
        IncompleteResponseError,
        breaks_before_answer=True,
    ),
    Fault(
        "reset within the headers",
        Kind.RETRIED,
        _broken(drop="headers"),
        IncompleteResponseError,
        breaks_before_answer=True,
    ),
    Fault("reset within the body", Kind.RETRIED, _broken(drop="body"), IncompleteResponseError),
    Fault("closed within the body", Kind.RETRIED, _broken(drop="end"), IncompleteResponseError),
    Fault("stalled before the headers", Kind.RETRIED, _slow(delay=60.0), IncompleteResponseError, slow=True),
    Fault("a body that drips", Kind.RETRIED, _slow(drip=SHORT_TIMEOUT / 3), IncompleteResponseError, slow=True),
    Fault("truncated JSON", Kind.UNREADABLE, _with_body(lambda body, _: body[:-5]), MalformedResponseError),
    Fault(
        "not JSON",
        Kind.UNREADABLE,
        _with_body(lambda _, request: f"<html>{key_in(request)}</html>"),
        MalformedResponseError,
    ),
    Fault("a list", Kind.UNREADABLE, _said(["KEY"]), MalformedResponseError),
    Fault(
        "another object",
        Kind.UNREADABLE,
        _said({"hello": {"world": "KEY"}}),
        MalformedResponseError,
        of_instantly=(Kind.NO_STATUS, MalformedResponseError),
    ),
    *(
        Fault(
            f"200 with `{name}`",
            Kind.REJECTED,
            _said({name: {"message": "Refused for KEY"}}),
            RejectedError,
            of_instantly=(Kind.UNREADABLE, MalformedResponseError),
        )
        for name in ANY_CASE
    ),
    Fault("bytes of another charset", Kind.UNREADABLE, _with_body(_in_latin_1, _LATIN), MalformedResponseError),
    Fault(
        "compressed bomb",
        Kind.UNREADABLE,
        _with_body(_bomb, {"Content-Encoding": "gzip"}),
        MalformedResponseError,
    ),
    Fault("body over the limit", Kind.UNREADABLE, _with_body(_too_long), MalformedResponseError),
    Fault(
        "wrong content type",
        Kind.HARMLESS,
        _with_body(lambda body, _: body, {"Content-Type": "text/html"}),
    ),
    Fault(
        "wrong name of the charset",
        Kind.HARMLESS,
        _with_body(lambda body, _: body, {"Content-Type": "application/json; charset=utf-16"}),
    ),
    Fault(
        "redirect to the same host",
        Kind.FINAL,
        _answered(lambda stage, _: _redirected(stage, "/elsewhere")),
        RedirectRefusedError,
    ),
    Fault(
        "redirect to another host",
        Kind.FINAL,
        _answered(lambda stage, _: _redirected(stage, stage.elsewhere.url)),
        RedirectRefusedError,
    ),
    Fault(
        "TLS: expired",
        Kind.FINAL,
        _distrusted(lambda made: made.expired),
        CertificateError,
        unseen=True,
    ),
    Fault(
        "TLS: another host's",
        Kind.FINAL,
        _distrusted(lambda made: made.for_another_host),
        CertificateError,
        unseen=True,
    ),
    Fault(
        "TLS: unknown authority",
        Kind.FINAL,
        _distrusted(lambda made: made.of_an_unknown_authority),
        CertificateError,
        unseen=True,
    ),
    Fault("clock an hour forward", Kind.CLOCK, _jumps(HOUR, ready=False), ServiceUnavailableError),
    Fault("clock an hour back", Kind.CLOCK, _jumps(-HOUR, ready=False), ServiceUnavailableError),
    Fault(
        "clock an hour forward, then ready",
        Kind.CLOCK_THEN_READY,
        _jumps(HOUR, ready=True),
        ServiceUnavailableError,
    ),
    Fault(
        "clock an hour back, then ready",
        Kind.CLOCK_THEN_READY,
        _jumps(-HOUR, ready=True),
        ServiceUnavailableError,
    ),
)
