"""A simulated network: the HTTP libraries write bytes to it, and read bytes or errors at simulated times.

It replaces the socket below ``requests`` (:class:`FakeSocket`) and the transport below ``aiohttp``
(:class:`FakeTransport`). Each connection carries one request.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.fake_server import Reply, Request

if TYPE_CHECKING:
    from tests.support.simulation import Loop, Simulation, Worker


@dataclass(eq=False)
class Exchange:
    """One connection with its request and response.

    :param client: the worker or the event loop that sends the request.
    :param started_at: when it connected, on the steady clock.
    :ivar arrivals: what still arrives, and when: bytes, or an error.
    :ivar aborted: the client closed the connection before the end of the response.
    :ivar result: what the service recorded.
    """

    port: int
    client: Any
    started_at: float
    request: Request | None = None
    arrivals: list[tuple[float, bytes | OSError]] = field(default_factory=list)
    ended_at: float | None = None
    aborted: bool = False
    result: Any = None


class Service(Protocol):
    """The services at the other end of the network."""

    def on_connect(self, exchange: Exchange) -> None:
        """Accept a connection, or raise an error of connecting."""

    def respond(self, exchange: Exchange) -> Reply:
        """Return the response to the request."""

    def on_end(self, exchange: Exchange) -> None:
        """Handle the end of a response, or of a connection that the client closed."""


def parse_request(sent: bytearray) -> Request | None:
    """Return the request; None where it is not complete."""
    head, end, body = bytes(sent).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    if len(body) < int(headers.get("content-length", 0)):
        return None
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, body)


def _start_response(exchange: Exchange, simulation: Simulation) -> None:
    """Get the response to a request, and plan when its parts arrive."""
    assert exchange.request is not None
    reply = simulation.service.respond(exchange)
    at, reset = exchange.started_at + reply.delay, ConnectionResetError(104, "Connection reset by peer")
    body = reply.encoded(exchange.request)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"{name}: {value}\r\n" for name, value in {**headers, **reply.headers}.items()]
    head = (f"HTTP/1.1 {reply.status} Prepared\r\n" + "".join(lines)).encode()
    if reply.drop == "before":
        exchange.arrivals = [(at, reset)]
    elif reply.drop == "headers":
        exchange.arrivals = [(at, head), (at, reset)]
    elif reply.drop == "body":
        exchange.arrivals = [(at, head + b"\r\n" + body[: len(body) // 2]), (at, reset)]
    elif reply.byte_interval:
        bytes_ = [(at + reply.byte_interval * (n + 1), body[n : n + 1]) for n in range(len(body))]
        exchange.arrivals = [(at, head + b"\r\n"), *bytes_]
    else:
        exchange.arrivals = [(at, head + b"\r\n" + body)]


def _end_if_complete(exchange: Exchange, simulation: Simulation) -> None:
    if not exchange.arrivals and exchange.ended_at is None:
        exchange.ended_at = simulation.clock.now
        simulation.service.on_end(exchange)


def _abort(exchange: Exchange, simulation: Simulation) -> None:
    if exchange.ended_at is None:
        exchange.aborted, exchange.ended_at, exchange.arrivals = True, simulation.clock.now, []
        simulation.service.on_end(exchange)


class FakeSocket:
    """The part of a socket that http.client uses."""

    def __init__(self, exchange: Exchange, worker: Worker) -> None:
        self._exchange, self._worker = exchange, worker
        self._sent = bytearray()
        self._timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def sendall(self, data: Any) -> None:
        self._sent += bytes(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._exchange.request = parse_request(self._sent)
        _start_response(self._exchange, self._worker.simulation)
        return io.BufferedReader(_ResponseFile(self._exchange, self._worker, lambda: self._timeout))

    def dup(self) -> FakeSocket:
        return self

    def shutdown(self, _: int) -> None:
        pass

    def close(self) -> None:
        pass


class _ResponseFile(io.RawIOBase):
    def __init__(self, exchange: Exchange, worker: Worker, timeout: Callable[[], float | None]) -> None:
        self._exchange, self._worker, self._timeout = exchange, worker, timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        simulation, arrivals, timeout = self._worker.simulation, self._exchange.arrivals, self._timeout()
        if not arrivals:
            return 0
        pause = arrivals[0][0] - simulation.clock.now
        if timeout is not None and pause > timeout:
            self._worker.sleep(timeout)
            _abort(self._exchange, simulation)
            raise TimeoutError("timed out")
        if pause > 0:
            self._worker.sleep(pause)
        at, part = arrivals.pop(0)
        if isinstance(part, OSError):
            _end_if_complete(self._exchange, simulation)
            raise part
        count = min(len(part), len(buffer))
        buffer[:count] = part[:count]
        if count < len(part):
            arrivals.insert(0, (at, part[count:]))
        _end_if_complete(self._exchange, simulation)
        return count

    def close(self) -> None:
        _abort(self._exchange, self._worker.simulation)
        super().close()


class FakeTransport(asyncio.Transport):
    """The part of a transport that aiohttp uses."""

    def __init__(self, loop: Loop, exchange: Exchange, protocol: Any) -> None:
        super().__init__()
        self._loop, self._exchange, self._protocol = loop, exchange, protocol
        self._sent = bytearray()
        self._closing = False

    def write(self, data: Any) -> None:
        self._sent += bytes(data)
        request = parse_request(self._sent)
        if request is not None and self._exchange.request is None:
            self._exchange.request = request
            _start_response(self._exchange, self._loop.simulation)
            self._schedule_arrival()

    def _schedule_arrival(self) -> None:
        if self._closing:
            return
        if not self._exchange.arrivals:
            self._lose(None)
            return
        self._loop.call_at(max(self._exchange.arrivals[0][0], self._loop.time()), self._arrive)

    def _arrive(self) -> None:
        if self._closing:
            return
        _, part = self._exchange.arrivals.pop(0)
        _end_if_complete(self._exchange, self._loop.simulation)
        if isinstance(part, OSError):
            self._lose(part)
        else:
            self._protocol.data_received(part)
            self._schedule_arrival()

    def _lose(self, error: OSError | None) -> None:
        self._closing = True
        self._loop.call_soon(self._protocol.connection_lost, error)

    def close(self) -> None:
        if not self._closing:
            if not self._loop.killed:
                _abort(self._exchange, self._loop.simulation)
            self._lose(None)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
