"""A fake clock for code that waits and talks to a real server: it does not show how fast the machine is.

A pause, on a worker or in an event loop, moves the clock forward at once. While an event loop has a request
in flight it does not, because the server that responds is a real one: the loop waits for the response or for
its next timer. Of the time until something arrives, the clock counts little. All else takes a fixed time, or
none.
:mod:`tests.support.simulation` has another clock, for tests where no time passes that the test does not ask
for: there is no server and no thread that runs by itself.

``time.time`` and ``datetime.now`` show the wall clock, which can also jump; ``time.monotonic`` and
``loop.time`` do not jump. ``random.random`` returns 0, so that each pause has its length without jitter.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
import requests
import time_machine

from airflow_provider_campaigns.transport.blocking import BlockingClient

_real_monotonic = time.monotonic
# How much of the time until something arrives counts at most: more is the time of a busy machine.
_MAX_WAIT = 0.05
# How long a request of a worker takes, and how much longer a pause takes than it should.
_REQUEST, _OVERSLEPT = 0.005, 0.0001
# A shorter pause is the rate limiter's, not a pause between two polls or attempts.
_MIN_PAUSE = 0.1


class FakeClock:
    """The time in a test.

    :param traveller: moves the wall clock.
    :ivar slept: the sum of all pauses, in seconds.
    :ivar waited: the time that passed otherwise.
    :ivar longest_pause: the longest of them.
    :ivar jump_in_next_pause: how far the wall clock jumps in the next pause.
    :ivar requests_in_flight: how many requests the event loop waits for.
    """

    def __init__(self, traveller: time_machine.Coordinates) -> None:
        self._traveller = traveller
        self._began = time.time(), time.monotonic()
        self._jumped = 0.0
        self.slept = 0.0
        self.waited = 0.0
        self.longest_pause = 0.0
        self.jump_in_next_pause = 0.0
        self.requests_in_flight = 0

    @property
    def passed(self) -> float:
        """The seconds since the test began."""
        return self.slept + self.waited

    def monotonic(self) -> float:
        return self._began[1] + self.passed

    def correct_now(self) -> datetime:
        """Return what a wall clock that has not jumped shows, as a service's does."""
        return datetime.now(timezone.utc) - timedelta(seconds=self._jumped)

    def sleep(self, seconds: float) -> None:
        """Move the clock forward."""
        if seconds <= 0:
            return
        self.slept += seconds
        self.longest_pause = max(self.longest_pause, seconds)
        if seconds > _MIN_PAUSE:
            self._jumped += self.jump_in_next_pause
            self.jump_in_next_pause = 0.0
        self.wait(_OVERSLEPT)

    def wait(self, seconds: float) -> None:
        """Move the clock forward, but not for a pause."""
        self.waited += seconds
        self._move()

    def _move(self) -> None:
        self._traveller.move_to(self._began[0] + self.passed + self._jumped)


class _Selector(selectors.DefaultSelector):
    """Waits for the network while a request is in flight; otherwise moves the clock to the next timer."""

    clock: FakeClock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.clock.requests_in_flight:
            began = _real_monotonic()
            ready = super().select(timeout)
            self.clock.wait(min(timeout, _real_monotonic() - began, _MAX_WAIT) if ready else timeout)
            return ready
        ready = super().select(0)
        if not ready:
            self.clock.sleep(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        selector = _Selector()
        selector.clock = clock
        self._clock = clock
        super().__init__(selector)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self._clock.requests_in_flight += 1  # a thread takes real time too
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self._clock.requests_in_flight -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._clock.requests_in_flight += 1  # threads end in real time
        try:
            await super().shutdown_default_executor()
        finally:
            self._clock.requests_in_flight -= 1


@contextmanager
def fake_clock() -> Iterator[FakeClock]:
    """Use a fake clock for everything in this process."""
    with (
        time_machine.travel(datetime.now(timezone.utc), tick=False) as traveller,
        pytest.MonkeyPatch.context() as patch,
    ):
        clock = FakeClock(traveller)
        request = aiohttp.ClientSession.request

        @asynccontextmanager
        async def counted(session: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            clock.requests_in_flight += 1
            try:
                async with request(session, *args, **kwargs) as response:
                    yield response
            finally:
                clock.requests_in_flight -= 1

        send = requests.Session.send

        def sent(*args: Any, **kwargs: Any) -> Any:
            try:
                return send(*args, **kwargs)
            finally:
                clock.wait(_REQUEST)

        patch.setattr(aiohttp.ClientSession, "request", counted)
        patch.setattr(requests.Session, "send", sent)
        patch.setattr(random, "random", lambda: 0.0)
        patch.setattr(time, "monotonic", clock.monotonic)
        patch.setattr(time, "sleep", clock.sleep)
        # Its default was looked up when it was imported.
        patch.setitem(BlockingClient.__init__.__kwdefaults__, "sleep", clock.sleep)
        patch.setattr(asyncio.events, "new_event_loop", lambda: _Loop(clock))
        yield clock
