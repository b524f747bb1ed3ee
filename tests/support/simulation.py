"""A world in which time passes only while nobody has anything to do.

It runs the package's own code, with requests and aiohttp below it, without a socket and without a pause:

- :class:`Clock` is what ``time`` and ``datetime`` say.
- :class:`Loop` is a real asyncio event loop that jumps to its next timer where others would sleep.
- :class:`Worker` is a thread that sleeps by the clock. One thread runs at a time, so that all is idempotent.
- The network ends where a socket would begin: both HTTP libraries write their bytes to a :class:`Vendor`,
  and get bytes back, or an error, after as long as the vendor says.
"""

from __future__ import annotations

import asyncio
import io
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from unittest.mock import patch

import time_machine

from airflow_provider_campaigns.transport.blocking import BlockingClient
from tests.support.fake_server import Reply, Request

EPOCH = 1_800_000_000.0
MOST_STEPS = 20_000  # that it may take to let some time pass


class Clock:
    """What time it is: steadily since the world began, and on the wall."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._traveller: Any = None

    @property
    def wall(self) -> float:
        """Seconds since the epoch."""
        return self.wall_at(self.now)

    def wall_at(self, now: float) -> float:
        return EPOCH + now

    def set(self, now: float) -> None:
        self.now = max(self.now, now)
        self._traveller.move_to(self.wall)

    @contextmanager
    def ruling(self) -> Iterator[None]:
        with ExitStack() as patches:
            self._traveller = patches.enter_context(time_machine.travel(self.wall, tick=False))
            patches.enter_context(patch.object(time, "monotonic", lambda: self.now))
            patches.enter_context(patch.object(time, "sleep", _sleep))
            # What it has by default was looked up when it was imported.
            defaults = BlockingClient.__init__.__kwdefaults__
            patches.enter_context(patch.dict(defaults, {"sleep": _sleep}))
            patches.enter_context(patch("urllib3.util.connection.create_connection", _connect))
            yield


@dataclass(eq=False)
class Exchange:
    """One connection, and the one request that it carries.

    :param side: the worker or the loop that asks.
    :param given_up: whoever asked hung up before the end of the answer.
    """

    port: int
    side: Any
    at: float
    request: Request | None = None
    plan: list[tuple[float, bytes | OSError]] = field(default_factory=list)
    ended_at: float | None = None
    given_up: bool = False
    told: Any = None


class Vendor(Protocol):
    """Whoever is at the other end of the network."""

    def connected(self, exchange: Exchange) -> None:
        """Take a connection, or raise what connecting to it raises."""

    def answer(self, exchange: Exchange) -> Reply:
        """Answer its request."""

    def ended(self, exchange: Exchange) -> None:
        """Hear that all was delivered, or that whoever asked has hung up."""


class World:
    """The clock, the one loop, the workers and the vendor; and what is to happen at a time on the wall."""

    def __init__(self, vendor: Vendor) -> None:
        self.clock = Clock()
        self.vendor = vendor
        self.loop: Loop | None = None
        self.workers: list[Worker] = []
        self.alarms: list[tuple[float, Callable[[], None]]] = []
        self.between: Callable[[], bool] = lambda: False

    def work(self, do: Callable[[], None], owner: Any = None) -> None:
        """Let a worker do something, up to its first pause."""
        worker = Worker(self, do, owner)
        self.workers.append(worker)
        worker.go_on()

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody, and let everybody do what is to be done by then."""
        until = self.clock.now + seconds
        for _ in range(MOST_STEPS):
            if self.between():
                continue
            if self._next_due() <= self.clock.now:
                self._do_what_is_due()
                continue
            target = min(self._next_due(), until)
            if self.loop is None:
                self.clock.set(target)
            elif not self.loop.run_until(target):
                continue  # somebody stopped it, since there is something to do in between
            if self.clock.now >= until and not self.between() and self._next_due() > self.clock.now:
                return
        raise AssertionError(f"time stands still at {self.clock.now}")

    def _next_due(self) -> float:
        steady = [wall - EPOCH for wall, _ in self.alarms]
        return min([worker.wakes_at for worker in self.workers] + steady, default=float("inf"))

    def _do_what_is_due(self) -> None:
        for worker in [worker for worker in self.workers if worker.wakes_at <= self.clock.now]:
            worker.go_on()
        due = [alarm for alarm in self.alarms if alarm[0] - EPOCH <= self.clock.now]
        self.alarms = [alarm for alarm in self.alarms if alarm not in due]
        for _, do in due:
            do()

    def end(self) -> None:
        """Leave no thread and no loop behind, however it came out."""
        for worker in list(self.workers):
            worker.kill()
        if self.loop is not None:
            self.loop.kill()


_here = threading.local()
_NEVER_AGAIN = float("-inf")


class _Killed(BaseException):
    """Ends a worker."""


class Worker:
    """A thread that does one thing and sleeps by the world's clock."""

    def __init__(self, world: World, do: Callable[[], None], owner: Any) -> None:
        self.world, self.owner = world, owner
        self.wakes_at = world.clock.now
        self._do = do
        self._killed = False
        self._error: BaseException | None = None
        self._turn, self._pause = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Let it run to its next pause, or to its end."""
        self._turn.release()
        self._pause.acquire()
        if self.wakes_at == _NEVER_AGAIN:
            self._thread.join()
            self.world.workers.remove(self)
            if self._error is not None and not self._killed:
                raise self._error

    def sleep(self, seconds: float) -> None:
        self.wakes_at = self.world.clock.now + max(seconds, 0.0)
        self._pause.release()
        self._turn.acquire()
        if self._killed:
            raise _Killed

    def kill(self) -> None:
        self._killed = True
        self.go_on()

    def _run(self) -> None:
        _here.worker = self
        self._turn.acquire()
        try:
            if not self._killed:
                self._do()
        except BaseException as error:  # noqa: BLE001 - go_on raises it, where the test can see it
            self._error = error
        self.wakes_at = _NEVER_AGAIN
        self._pause.release()


_really_sleep = time.sleep


def _sleep(seconds: float) -> None:
    worker = getattr(_here, "worker", None)
    if worker is None:
        _really_sleep(seconds)
    else:
        worker.sleep(seconds)


# The edge of the network, blocking.


def _connect(address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any) -> Any:
    worker: Worker = _here.worker
    exchange = Exchange(address[1], worker, worker.world.clock.now)
    worker.world.vendor.connected(exchange)
    return _Socket(exchange, worker)


class _Socket:
    """As much of a socket as http.client needs."""

    def __init__(self, exchange: Exchange, worker: Worker) -> None:
        self._exchange, self._worker = exchange, worker
        self._sent = bytearray()
        self._timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def sendall(self, data: Any) -> None:
        self._sent += bytes(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._exchange.request = _parsed(self._sent)
        assert self._exchange.request is not None
        reply = self._worker.world.vendor.answer(self._exchange)
        self._exchange.plan = _plan(reply, self._exchange)
        return io.BufferedReader(_Answer(self._exchange, self._worker, lambda: self._timeout))

    def dup(self) -> _Socket:
        return self

    def shutdown(self, _: int) -> None:
        pass

    def close(self) -> None:
        pass


class _Answer(io.RawIOBase):
    def __init__(self, exchange: Exchange, worker: Worker, timeout: Callable[[], float | None]) -> None:
        self._exchange, self._worker, self._timeout = exchange, worker, timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        plan, clock, timeout = self._exchange.plan, self._worker.world.clock, self._timeout()
        if not plan:
            return 0
        pause = plan[0][0] - clock.now
        if timeout is not None and pause > timeout:
            self._worker.sleep(timeout)
            _hang_up(self._exchange, self._worker.world)
            raise TimeoutError("timed out")
        if pause > 0:
            self._worker.sleep(pause)
        at, piece = plan.pop(0)
        if isinstance(piece, OSError):
            _deliver(self._exchange, self._worker.world)
            raise piece
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        if count < len(piece):
            plan.insert(0, (at, piece[count:]))
        _deliver(self._exchange, self._worker.world)
        return count

    def close(self) -> None:
        _hang_up(self._exchange, self._worker.world)
        super().close()


# The edge of the network, in an event loop.


class _Selector(selectors.SelectSelector):
    """Jumps to the time that others would wait for."""

    loop: Loop

    def select(self, timeout: float | None = None) -> list[Any]:
        clock, until = self.loop.world.clock, self.loop.until
        if timeout is None or clock.now + timeout > until + 1e-9:
            clock.set(until)
            self.loop.idle = True
            self.loop.stop()
        elif timeout > 0:
            clock.set(clock.now + timeout)
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop that lives by the world's clock and reaches nobody but the vendor."""

    def __init__(self, world: World) -> None:
        selector = _Selector()
        selector.loop = self
        self.world = world
        self.until = world.clock.now
        self.idle = False
        self.dead = False
        self._connecting: dict[socket.socket, Exchange] = {}
        super().__init__(selector)

    def time(self) -> float:
        return self.world.clock.now

    def run_until(self, until: float) -> bool:
        """Run up to a time, all that is to be done at that time included; False if stopped before."""
        self.until, self.idle = until, False
        self.run_forever()
        return self.idle

    def kill(self) -> None:
        """End at once: whatever it does from now on reaches nobody."""
        self.dead = True
        for task in asyncio.all_tasks(self):
            task.cancel()
        while asyncio.all_tasks(self):
            self.run_until(self.world.clock.now)
        self.close()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Do at once what would be done in a thread, where time would pass."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits
            done.set_exception(error)
        return done

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        assert not self.dead
        exchange = Exchange(address[1], self, self.time())
        self.world.vendor.connected(exchange)
        self._connecting[sock] = exchange

    async def create_connection(self, protocol_factory: Any, *_: Any, **given: Any) -> Any:
        exchange = self._connecting.pop(given["sock"])
        given["sock"].close()
        protocol = protocol_factory()
        transport = _Transport(self, exchange, protocol)
        protocol.connection_made(transport)
        return transport, protocol


class _Transport(asyncio.Transport):
    def __init__(self, loop: Loop, exchange: Exchange, protocol: Any) -> None:
        super().__init__()
        self._loop, self._exchange, self._protocol = loop, exchange, protocol
        self._sent = bytearray()
        self._closing = False

    def write(self, data: Any) -> None:
        self._sent += bytes(data)
        request = _parsed(self._sent)
        if request is not None and self._exchange.request is None:
            self._exchange.request = request
            self._exchange.plan = _plan(self._loop.world.vendor.answer(self._exchange), self._exchange)
            self._next()

    def _next(self) -> None:
        if self._closing:
            return
        if not self._exchange.plan:
            self._lose(None)
            return
        self._loop.call_at(max(self._exchange.plan[0][0], self._loop.time()), self._arrive)

    def _arrive(self) -> None:
        if self._closing:
            return
        _, piece = self._exchange.plan.pop(0)
        _deliver(self._exchange, self._loop.world)
        if isinstance(piece, OSError):
            self._lose(piece)
        else:
            self._protocol.data_received(piece)
            self._next()

    def _lose(self, error: OSError | None) -> None:
        self._closing = True
        self._loop.call_soon(self._protocol.connection_lost, error)

    def close(self) -> None:
        if not self._closing:
            if not self._loop.dead:
                _hang_up(self._exchange, self._loop.world)
            self._lose(None)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _parsed(sent: bytearray) -> Request | None:
    """Return a request once it is complete."""
    head, end, body = bytes(sent).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    if len(body) < int(headers.get("content-length", 0)):
        return None
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, body)


def _plan(reply: Reply, exchange: Exchange) -> list[tuple[float, bytes | OSError]]:
    """Say what arrives when."""
    assert exchange.request is not None
    at, broken = exchange.at + reply.delay, ConnectionResetError(104, "Connection reset by peer")
    body = reply.encoded(exchange.request)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"{name}: {value}\r\n" for name, value in {**headers, **reply.headers}.items()]
    head = (f"HTTP/1.1 {reply.status} Said\r\n" + "".join(lines)).encode()
    if reply.drop == "before":
        return [(at, broken)]
    if reply.drop == "headers":
        return [(at, head), (at, broken)]
    if reply.drop == "body":
        return [(at, head + b"\r\n" + body[: len(body) // 2]), (at, broken)]
    if reply.drip:
        single = [(at + reply.drip * (n + 1), body[n : n + 1]) for n in range(len(body))]
        return [(at, head + b"\r\n"), *single]
    return [(at, head + b"\r\n" + body)]


def _deliver(exchange: Exchange, world: World) -> None:
    if not exchange.plan and exchange.ended_at is None:
        exchange.ended_at = world.clock.now
        world.vendor.ended(exchange)


def _hang_up(exchange: Exchange, world: World) -> None:
    if exchange.ended_at is None:
        exchange.given_up, exchange.ended_at, exchange.plan = True, world.clock.now, []
        world.vendor.ended(exchange)
