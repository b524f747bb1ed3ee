"""A fake service: a real HTTP server on 127.0.0.1 that sends prepared responses and keeps all requests."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal


@dataclass(frozen=True)
class Reply:
    """One prepared response.

    :param body: bytes or a string as they are, a function of the request that is called before the delay, or
        any other value, sent as JSON.
    :param headers: strings, or functions that are called when the response is sent.
    :param delay: seconds before the response.
    :param byte_interval: seconds between the bytes of the body.
    :param drop: reset the connection before the response, within its headers or within its body; or close it
        within the body (``end``).
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    delay: float = 0.0
    byte_interval: float = 0.0
    drop: Literal["before", "headers", "body", "end"] | None = None

    def encoded(self, request: Request) -> bytes:
        body = self.body(request) if callable(self.body) else self.body
        if isinstance(body, bytes):
            return body
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, the sixth connection at a time may take a second


class FakeServer:
    """Sends the responses prepared for a path, one after another; the last one is sent again and again."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.001})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def respond(self, *replies: Reply | Mapping[str, Any] | list, path: str = "") -> None:
        """Prepare responses for paths that start with ``path``; a mapping or list is the body of a 200."""
        self._replies[path] = [reply if isinstance(reply, Reply) else Reply(body=reply) for reply in replies]

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Use TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            matching = [path for path in self._replies if request.path.startswith(path)]
            if not matching:
                return Reply({"error": "no response is prepared for this path"}, status=404)
            replies = self._replies[max(matching, key=len)]
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # otherwise each response on a kept connection takes 40 ms

            def setup(self) -> None:
                with outer._lock:
                    outer.connections += 1
                super().setup()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, dict(self.headers), body)
                reply = outer._next(request)
                encoded = b"" if reply.drop == "before" else reply.encoded(request)
                if reply.delay:
                    outer._stopping.wait(reply.delay)
                if reply.drop == "before":
                    self._reset()
                    return
                head = self._head(reply, len(encoded))
                if reply.drop == "headers":
                    self.wfile.write(head)
                    self._reset()
                    return
                self.wfile.write(head + b"\r\n")
                if reply.drop:
                    self.wfile.write(encoded[: len(encoded) // 2])
                    self.close_connection = True
                    if reply.drop == "body":
                        self._reset()
                elif reply.byte_interval:
                    for byte in encoded:
                        self.wfile.write(bytes([byte]))
                        if outer._stopping.wait(reply.byte_interval):
                            return
                else:
                    self.wfile.write(encoded)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_CONNECT = respond  # noqa: N815

            def _head(self, reply: Reply, length: int) -> bytes:
                headers = {"Content-Type": "application/json", "Content-Length": str(length), **reply.headers}
                lines = [
                    f"{name}: {value() if callable(value) else value}\r\n" for name, value in headers.items()
                ]
                return (f"HTTP/1.1 {reply.status} Prepared\r\n" + "".join(lines)).encode()

            def _reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
