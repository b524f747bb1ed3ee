"""A deterministic simulation: time passes only when a test asks for it, and nothing runs by itself.

It runs the package's code with the real ``requests`` and ``aiohttp``, without sockets and without pauses:

- :class:`SimulatedClock` replaces ``time`` and ``datetime``.
- :class:`Loop` is an asyncio event loop that moves the clock to its next timer instead of sleeping.
- :class:`Worker` is a thread that sleeps on the clock. One thread runs at a time, so every run is the same.
- The network is :mod:`tests.support.simulated_network`.

:mod:`tests.support.fake_clock` is the other clock, for tests with a real server: its time also passes while
the server works, so two runs differ by some milliseconds. The model test checks each moment, so it needs this
one.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import time_machine

from airflow_provider_campaigns.transport.blocking import BlockingClient
from tests.support.simulated_network import Exchange, FakeSocket, FakeTransport, Service

EPOCH = 1_800_000_000.0
# How many steps one call of `advance` may take.
MAX_STEPS = 20_000


class SimulatedClock:
    """The time, on a steady clock and on the wall clock."""

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
    def installed(self) -> Iterator[None]:
        """Use the clock, and the simulated network, for everything in this process."""
        with ExitStack() as patches:
            self._traveller = patches.enter_context(time_machine.travel(self.wall, tick=False))
            patches.enter_context(patch.object(time, "monotonic", lambda: self.now))
            patches.enter_context(patch.object(time, "sleep", _sleep))
            # Its default was looked up when it was imported.
            defaults = BlockingClient.__init__.__kwdefaults__
            patches.enter_context(patch.dict(defaults, {"sleep": _sleep}))
            patches.enter_context(patch("urllib3.util.connection.create_connection", _connect))
            yield


class Simulation:
    """The clock, one event loop, the workers, the services, and functions to call at a time.

    :ivar timers: wall clock times, and what to do then.
    :ivar before_advance: called before time passes; returns whether it did something.
    """

    def __init__(self, service: Service) -> None:
        self.clock = SimulatedClock()
        self.service = service
        self.loop: Loop | None = None
        self.workers: list[Worker] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.before_advance: Callable[[], bool] = lambda: False

    def start_worker(self, do: Callable[[], None], owner: Any = None) -> None:
        """Run a function in a worker, up to its first pause."""
        worker = Worker(self, do, owner)
        self.workers.append(worker)
        worker.resume()

    def advance(self, seconds: float) -> None:
        """Let time pass, and do everything that is due by then."""
        until = self.clock.now + seconds
        for _ in range(MAX_STEPS):
            if self.before_advance():
                continue
            if self._next_due() <= self.clock.now:
                self._do_what_is_due()
                continue
            target = min(self._next_due(), until)
            if self.loop is None:
                self.clock.set(target)
            elif not self.loop.run_until(target):
                continue  # stopped, because a trigger fired
            if self.clock.now >= until and not self.before_advance() and self._next_due() > self.clock.now:
                return
        raise AssertionError(f"time does not pass at {self.clock.now}")

    def _next_due(self) -> float:
        timers = [wall - EPOCH for wall, _ in self.timers]
        return min([worker.wakes_at for worker in self.workers] + timers, default=float("inf"))

    def _do_what_is_due(self) -> None:
        for worker in [worker for worker in self.workers if worker.wakes_at <= self.clock.now]:
            worker.resume()
        due = [timer for timer in self.timers if timer[0] - EPOCH <= self.clock.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for _, do in due:
            do()

    def stop(self) -> None:
        """End all threads and the event loop."""
        for worker in list(self.workers):
            worker.kill()
        if self.loop is not None:
            self.loop.kill()


_thread = threading.local()
_ENDED = float("-inf")


class _Killed(BaseException):
    """Ends a worker."""


class Worker:
    """A thread that runs one function, and sleeps on the simulated clock."""

    def __init__(self, simulation: Simulation, do: Callable[[], None], owner: Any) -> None:
        self.simulation, self.owner = simulation, owner
        self.wakes_at = simulation.clock.now
        self._do = do
        self._killed = False
        self._error: BaseException | None = None
        self._may_run, self._has_paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Run up to the next pause, or to the end."""
        self._may_run.release()
        self._has_paused.acquire()
        if self.wakes_at == _ENDED:
            self._thread.join()
            self.simulation.workers.remove(self)
            if self._error is not None and not self._killed:
                raise self._error

    def sleep(self, seconds: float) -> None:
        self.wakes_at = self.simulation.clock.now + max(seconds, 0.0)
        self._has_paused.release()
        self._may_run.acquire()
        if self._killed:
            raise _Killed

    def kill(self) -> None:
        self._killed = True
        self.resume()

    def _run(self) -> None:
        _thread.worker = self
        self._may_run.acquire()
        try:
            if not self._killed:
                self._do()
        except BaseException as error:  # noqa: BLE001 - resume() raises it, in the test's thread
            self._error = error
        self.wakes_at = _ENDED
        self._has_paused.release()


_real_sleep = time.sleep


def _sleep(seconds: float) -> None:
    worker = getattr(_thread, "worker", None)
    if worker is None:
        _real_sleep(seconds)
    else:
        worker.sleep(seconds)


def _connect(address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any) -> Any:
    worker: Worker = _thread.worker
    exchange = Exchange(address[1], worker, worker.simulation.clock.now)
    worker.simulation.service.on_connect(exchange)
    return FakeSocket(exchange, worker)


class _Selector(selectors.SelectSelector):
    """Moves the clock to the next timer, or stops the loop where that is too late."""

    loop: Loop

    def select(self, timeout: float | None = None) -> list[Any]:
        clock, until = self.loop.simulation.clock, self.loop.until
        if timeout is None or clock.now + timeout > until + 1e-9:
            clock.set(until)
            self.loop.idle = True
            self.loop.stop()
        elif timeout > 0:
            clock.set(clock.now + timeout)
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop on the simulated clock and network.

    :ivar until: where the present run ends.
    :ivar idle: whether nothing is left to do until then.
    """

    def __init__(self, simulation: Simulation) -> None:
        selector = _Selector()
        selector.loop = self
        self.simulation = simulation
        self.until = simulation.clock.now
        self.idle = False
        self.killed = False
        self._connecting: dict[socket.socket, Exchange] = {}
        super().__init__(selector)

    def time(self) -> float:
        return self.simulation.clock.now

    def run_until(self, until: float) -> bool:
        """Run up to a time, and do what is due at that time too; False if it was stopped earlier."""
        self.until, self.idle = until, False
        self.run_forever()
        return self.idle

    def kill(self) -> None:
        """End at once; what it sends from now on is lost."""
        self.killed = True
        for task in asyncio.all_tasks(self):
            task.cancel()
        while asyncio.all_tasks(self):
            self.run_until(self.simulation.clock.now)
        self.close()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function at once, not in a thread."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - for the code that awaits it
            done.set_exception(error)
        return done

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        assert not self.killed
        exchange = Exchange(address[1], self, self.time())
        self.simulation.service.on_connect(exchange)
        self._connecting[sock] = exchange

    async def create_connection(self, protocol_factory: Any, *_: Any, **given: Any) -> Any:
        exchange = self._connecting.pop(given["sock"])
        given["sock"].close()
        protocol = protocol_factory()
        transport = FakeTransport(self, exchange, protocol)
        protocol.connection_made(transport)
        return transport, protocol
