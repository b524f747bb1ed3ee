"""A real HTTP server on 127.0.0.1 that plays a script, and remembers all that reached it."""

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
    """One answer of the script.

    :param body: bytes or text verbatim, a function of the request, or anything else, sent as JSON.
    :param headers: texts, or functions that are asked when the answer is sent.
    :param delay: seconds before the answer.
    :param drip: seconds between the single bytes of the body.
    :param drop: break the connection before the answer, within its headers, or within its body; or end it
        within the body as if that were all.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
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


class ScriptedServer:
    """Plays a script of replies per path, or one for all; the last reply of a script stays."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._scripts: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def play(self, *replies: Reply | Mapping[str, Any] | list, path: str = "") -> None:
        """Set the script of all paths that start with ``path``; a mapping or list is a 200 with that body."""
        self._scripts[path] = [reply if isinstance(reply, Reply) else Reply(body=reply) for reply in replies]

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> ScriptedServer:
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
            matching = [path for path in self._scripts if request.path.startswith(path)]
            if not matching:
                return Reply({"error": "the script has nothing for this path"}, status=404)
            script = self._scripts[max(matching, key=len)]
            return script.pop(0) if len(script) > 1 else script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # or each answer on a kept connection would take 40 ms

            def setup(self) -> None:
                with outer._lock:
                    outer.connections += 1
                super().setup()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                request = Request(self.command, self.path, dict(self.headers), body)
                reply = outer._next(request)
                if reply.delay:
                    outer._stopping.wait(reply.delay)
                if reply.drop == "before":
                    self._reset()
                    return
                encoded = reply.encoded(request)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(encoded))}
                head = f"HTTP/1.1 {reply.status} Scripted\r\n" + "".join(
                    f"{name}: {value() if callable(value) else value}\r\n"
                    for name, value in {**headers, **reply.headers}.items()
                )
                if reply.drop == "headers":
                    self.wfile.write(head.encode())
                    self._reset()
                    return
                self.wfile.write(f"{head}\r\n".encode())
                if reply.drop == "body":
                    self.wfile.write(encoded[: len(encoded) // 2])
                    self._reset()
                    return
                if reply.drop == "end":
                    self.wfile.write(encoded[: len(encoded) // 2])
                    self.close_connection = True
                    return
                if reply.drip:
                    for byte in encoded:
                        self.wfile.write(bytes([byte]))
                        if outer._stopping.wait(reply.drip):
                            return
                else:
                    self.wfile.write(encoded)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_CONNECT = answer  # noqa: N815

            def _reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
