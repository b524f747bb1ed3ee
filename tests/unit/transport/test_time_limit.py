"""The timeout of a connection ends a request wherever the server is slow."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.exceptions import IncompleteResponseError
from tests.support.certificates import Certificates
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall, asynchronous, blocking

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
COMPRESSED = OK + b"Content-Encoding: gzip\r\nContent-Length: 90000\r\n\r\n"
# What the server sends at once, and what it repeats.
DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"a"),
    "header": (OK + b"X-A: ", b"a"),
    "headers": (OK, b"X-A: a\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 900\r\n\r\n", b" "),
    "body without length": (OK + b"Connection: close\r\n\r\n", b" "),
    "chunk length": (CHUNKED + b"2;", b"a"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: b\r\n"),
    "empty gzip blocks": (COMPRESSED + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
    "gzip file name": (COMPRESSED + b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"n"),
}
# requests needs the package's own time limit at each of these places; aiohttp has one of its own.
CASES = [
    *[(blocking, where) for where in DRIPS],
    *[(asynchronous, where) for where in ("header", "body", "empty gzip blocks")],
]


@contextlib.contextmanager
def dripping(at_once: bytes, again: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that never completes the response to its one request, and its port."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) if context else connection as line:
                line.recv(65536)
                line.sendall(at_once)
                while not over.wait(0.03):
                    line.sendall(again)

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            server.join()


@pytest.mark.parametrize(
    "slow",
    [Reply({"credits": 3}, delay=600), Reply({"credits": 3, "padding": "x" * 5000}, byte_interval=0.05)],
)
def test_slow_response_times_out(send_call: SendCall, server: FakeServer, slow: Reply) -> None:
    server.respond(slow)
    begun = time.monotonic()
    with pytest.raises(IncompleteResponseError, match=r"within 0\.2 s"):
        send_call(account_at(server.url, timeout=0.2), CREDITS)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(("send", "where"), CASES)
def test_dripping_response_times_out_at_every_place(send: SendCall, where: str) -> None:
    begun = time.monotonic()
    with (
        dripping(*DRIPS[where]) as port,
        pytest.raises(IncompleteResponseError, match=r"within 0\.2 s, the timeout"),
    ):
        send(account_at(f"http://127.0.0.1:{port}", timeout=0.2), CREDITS)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("send", "where"),
    [
        (blocking, "header"),
        (blocking, "body without length"),
        (blocking, "trailers"),
        (asynchronous, "header"),
    ],
)
def test_dripping_response_times_out_over_tls(
    send: SendCall, certificates: Certificates, trusted: Path, where: str
) -> None:
    with (
        dripping(*DRIPS[where], certificates.valid) as port,
        pytest.raises(IncompleteResponseError, match=r"within 0\.4 s, the timeout"),
    ):
        send(account_at(f"https://localhost:{port}", timeout=0.4), CREDITS)
