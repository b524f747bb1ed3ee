"""The service that all contenders poll, in its own process, so that its work is not measured.

It serves Campaign Cleaner's status and list, Instantly's campaigns and sending status, a dbt Cloud job run,
and a path that is 404 until it is 200. Each wait has a number, which is part of its id. The measuring process
sets the time at which waits are done, over a second port whose requests are not counted. A third port uses
TLS with a certificate that this process creates.

`python -m benchmarks.server` prints its ports as one line of JSON, and stops at the end of its standard
input.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_campaigns.sandbox.instantly.sending import Snapshot, sending_status

HOST = "127.0.0.1"
# The wait with which a contender warms up: not done at the first poll, done at the second.
WARM_UP = 99_999_999
# Instantly's, of a list.
PAGE_SIZE = 100
_GOLDEN = 0.6180339887498949

_UUID_HEAD = "00000000-0000-4000-8000-"
_UUID_PLACEHOLDER = f"{_UUID_HEAD}{WARM_UP:012d}"
_TIME_PLACEHOLDER = "2001-02-03T04:05:06.000Z"
_NUMBER = re.compile(rb"(\d+)\D*$")


def cleaner_id(number: int) -> str:
    """Return the id of a wait's campaign in Campaign Cleaner."""
    return f"e8c8af95-c033-11ed-9848-{number:012d}"


def instantly_id(number: int) -> str:
    """Return the id of a wait's campaign in Instantly."""
    return f"{_UUID_HEAD}{number:012d}"


@dataclass(frozen=True)
class Completion:
    """When waits are done: one after another, in an order that does not depend on their numbers.

    :param at: when the first wait can be done, on the machine's monotonic clock; infinity for never.
    :param spread: seconds from the first wait to the last.
    """

    at: float = float("inf")
    spread: float = 0.0

    def of(self, number: int) -> float:
        """Return the time at which a wait is done."""
        return self.at + self.spread * (number * _GOLDEN % 1.0)

    def is_done(self, number: int) -> bool:
        """Return whether a wait is done now."""
        return time.monotonic() >= self.of(number)


@dataclass
class Counts:
    """Requests and connections since the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    open_now: int = 0
    open_at_most: int = 0


class Service:
    """The responses, and the counts.

    :ivar waits: the number of waits in Campaign Cleaner's list.
    :ivar history: the number of older campaigns in that list.
    """

    def __init__(self) -> None:
        self.waits = 0
        self.history = 0
        self.completion = Completion()
        self.counts = Counts()
        self._waiting = _sending_template("account_daily_limit_met")
        self._healthy = _sending_template("healthy")
        self._older: bytes = b""
        self._warm_ups = 0

    def answer(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:  # noqa: PLR0911
        """Return status and body of the response to a request."""
        path, _, query = path.partition(b"?")
        if path == b"/api/v2/campaigns":
            return self._campaigns(query)
        if path.startswith(b"/api/v2/campaigns/"):
            return self._sending_status(path)
        if path == b"/api/v2/leads/add":
            return self._add_leads(body)
        if path == b"/v1/get_campaign_status":
            return self._campaign_status(body)
        if path == b"/v1/get_campaign_list":
            return self._campaign_list()
        if path.startswith(b"/api/v2/accounts/"):
            return self._job_run(path)
        if path.startswith(b"/wait/"):
            return self._plain(path)
        self.counts.requests["unknown"] += 1
        return 404, json.dumps({"error": f"Not found: {method.decode()} {path.decode()}"}).encode()

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Execute a command of the measuring process, and return the counts."""
        if path == "/reset":
            self.waits, self.history = int(body["waits"]), int(body["history"])
            self.completion = Completion()
            self._warm_ups = 0
            self.counts = Counts(open_now=self.counts.open_now, open_at_most=self.counts.open_now)
            self._older = b", ".join(
                _campaign(cleaner_id(10_000_000 + number), "completed") for number in range(self.history)
            )
        elif path == "/complete":
            self.completion = Completion(float(body["at"]), float(body["spread"]))
        elif path != "/counts":
            raise ValueError(f"Unknown command: {path}.")
        return {
            "requests": dict(self.counts.requests),
            "opened": self.counts.opened,
            "open_now": self.counts.open_now,
            "open_at_most": self.counts.open_at_most,
        }

    def _is_done(self, number: int) -> bool:
        if number == WARM_UP:
            self._warm_ups += 1
            return self._warm_ups > 1
        return self.completion.is_done(number)

    def _campaign_status(self, body: bytes) -> tuple[int, bytes]:
        self.counts.requests["campaign_cleaner.status"] += 1
        campaign_id = str(json.loads(body)["campaign"]["id"])
        return 200, b'{"campaign_status": %s}' % self._cleaner(int(campaign_id[-12:]))

    def _campaign_list(self) -> tuple[int, bytes]:
        self.counts.requests["campaign_cleaner.list"] += 1
        parts = [self._cleaner(number) for number in range(self.waits)]
        return 200, b'{"campaign_list": [%s]}' % b", ".join([*parts, self._older] if self._older else parts)

    def _cleaner(self, number: int) -> bytes:
        return _campaign(cleaner_id(number), "completed" if self._is_done(number) else "processing")

    def _sending_status(self, path: bytes) -> tuple[int, bytes]:
        self.counts.requests["instantly.sending_status"] += 1
        campaign_id = path.split(b"/", 5)[4]
        template = self._healthy if self._is_done(int(campaign_id[-12:])) else self._waiting
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
        return 200, template.replace(_UUID_PLACEHOLDER.encode(), campaign_id).replace(
            _TIME_PLACEHOLDER.encode(), now
        )

    def _campaigns(self, query: bytes) -> tuple[int, bytes]:
        """Return the page of Instantly's campaigns after the cursor in the query."""
        self.counts.requests["instantly.campaigns"] += 1
        cursor = parse_qs(query.decode()).get("starting_after", [""])[0]
        first = int(cursor[-12:]) + 1 if cursor else 0
        numbers = range(first, min(first + PAGE_SIZE, self.waits))
        body = "<p>" + 2000 * "x"
        items = [
            {"id": instantly_id(each), "name": f"Campaign {each}", "status": 1, "sequences": [body]}
            for each in numbers
        ]
        more = {"next_starting_after": instantly_id(numbers[-1])} if len(items) == PAGE_SIZE else {}
        return 200, json.dumps({"items": items, **more}).encode()

    def _add_leads(self, body: bytes) -> tuple[int, bytes]:
        self.counts.requests["instantly.add_leads"] += 1
        added = len(json.loads(body)["leads"])
        counts = dict.fromkeys(
            ("duplicated_leads", "skipped_count", "in_blocklist", "invalid_email_count"), 0
        )
        return 200, json.dumps({"total_sent": added, "leads_uploaded": added, **counts}).encode()

    def _job_run(self, path: bytes) -> tuple[int, bytes]:
        self.counts.requests["dbt_cloud.run"] += 1
        number = _number_in(path)
        run = {"id": number, "account_id": 1, "status": 10 if self._is_done(number) else 3}
        return 200, json.dumps({"status": {"code": 200, "is_success": True}, "data": run}).encode()

    def _plain(self, path: bytes) -> tuple[int, bytes]:
        self.counts.requests["http.get"] += 1
        return (200, b'{"done": true}') if self._is_done(_number_in(path)) else (404, b"{}")


def _campaign(campaign_id: str, status: str) -> bytes:
    days, minutes = divmod(int(campaign_id[-12:]) % 40_320, 1440)  # one campaign a minute, in four weeks
    return (
        f'{{"id": "{campaign_id}", "campaign_name": "Newsletter", "status": "{status}", '
        f'"date_added": "2026-02-{days + 1:02}T{minutes // 60:02}:{minutes % 60:02}:46-05:00"}}'
    ).encode()


def _sending_template(code: str) -> bytes:
    """Return the sandbox's response for a code, with placeholders for the id and the time."""
    moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    snapshot = Snapshot(code, code, moment, senders=1)
    response = sending_status({"campaign_id": _UUID_PLACEHOLDER}, snapshot, (), {}, with_ai_summary=False)
    response["diagnostics"]["last_updated"] = _TIME_PLACEHOLDER
    return json.dumps(response).encode()


def _number_in(path: bytes) -> int:
    found = _NUMBER.search(path)
    return int(found[1]) if found else 0


class _Http(asyncio.Protocol):
    """A minimal HTTP/1.1 server: requests with a Content-Length, keep-alive connections."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        counts = self._service.counts
        counts.opened += 1
        counts.open_now += 1
        counts.open_at_most = max(counts.open_at_most, counts.open_now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.counts.open_now -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            method, path, _ = head.split(b" ", 2)
            self._transport.write(_response(*self._answer(method, path, body)))

    def _answer(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:
        return self._service.answer(method, path, body)


class _Control(_Http):
    """The control port, which is not counted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def _answer(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:
        return 200, json.dumps(self._service.control(path.decode(), json.loads(body or b"{}"))).encode()


_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_REASONS = {200: b"OK", 404: b"Not Found"}


def _content_length(head: bytes) -> int:
    found = _CONTENT_LENGTH.search(head)
    return int(found[1]) if found else 0


def _response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        _REASONS[status],
        len(body),
        body,
    )


def make_certificate(folder: Path) -> Path:
    """Create a self-signed certificate for this machine; clients trust only this one."""
    certificate = folder / "certificate.pem"
    subprocess.run(  # noqa: S603
        [  # noqa: S607
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=benchmark", "-addext", f"subjectAltName=IP:{HOST}",
            "-keyout", str(folder / "key.pem"), "-out", str(certificate),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate


async def serve(certificate: Path) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    service = Service()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    backlog = 4096
    servers = {
        "plain": await loop.create_server(lambda: _Http(service), HOST, 0, backlog=backlog),
        "tls": await loop.create_server(lambda: _Http(service), HOST, 0, backlog=backlog, ssl=context),
        "control": await loop.create_server(lambda: _Control(service), HOST, 0),
    }
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    print(json.dumps(ports), flush=True)
    ended = asyncio.Event()
    threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    ).start()
    await ended.wait()


@dataclass(frozen=True)
class RunningServer:
    """The addresses of a server.

    :param ports: by name: ``plain``, ``tls``, ``control``.
    :param certificate: the file that its clients must trust.
    """

    ports: dict[str, int]
    certificate: Path

    def url(self, *, tls: bool) -> str:
        """Return the base URL of the service."""
        return f"https://{HOST}:{self.ports['tls']}" if tls else f"http://{HOST}:{self.ports['plain']}"


@contextmanager
def running() -> Iterator[RunningServer]:
    """Run a server in its own process."""
    with tempfile.TemporaryDirectory(prefix="bench-server-") as folder:
        certificate = make_certificate(Path(folder))
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "benchmarks.server", str(certificate)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield RunningServer(json.loads(process.stdout.readline()), certificate)  # type: ignore[union-attr]
        finally:
            process.terminate()
            process.communicate(timeout=15)


def allow_many_files() -> None:
    """Raise the limit of open files to the maximum that the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    allow_many_files()
    asyncio.run(serve(Path(sys.argv[1])))
