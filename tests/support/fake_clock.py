"""A clock that nobody has to wait for, on a worker and in an event loop alike.

It runs on with the real one. A pause is skipped: the clock is simply later then. Only while an event loop
has a request under way does time pass as it does, since what answers is a real server.

``time.time`` and ``datetime.now`` show the wall clock, which can also be put forward or back;
``time.monotonic`` and ``loop.time`` do not see that.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
import time_machine

from airflow_provider_campaigns.transport.blocking import BlockingClient

_monotonic = time.monotonic


class Clock:
    """Time in a test.

    :param wall: moves what the wall clock shows.
    """

    def __init__(self, wall: Any) -> None:
        self._wall = wall
        self._began = _monotonic()
        self.under_way = 0
        self.skipped = 0.0
        self.longest_pause = 0.0
        self.jumped = 0.0
        self.jump_in_next_pause = 0.0

    def monotonic(self) -> float:
        return _monotonic() + self.skipped

    def really_passed(self) -> float:
        """Seconds that the test has taken of our lives."""
        return _monotonic() - self._began

    def true_now(self) -> datetime:
        """What a clock shows that nobody has put forward or back."""
        return datetime.now(timezone.utc) - timedelta(seconds=self.jumped)

    def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self.skipped += seconds
        self.longest_pause = max(self.longest_pause, seconds)
        jump = 0.0
        if seconds > _SHORTEST_PAUSE:
            jump, self.jump_in_next_pause = self.jump_in_next_pause, 0.0
        self.jumped += jump
        self._wall.shift(timedelta(seconds=seconds + jump))


# What is shorter is not a pause between two requests, but the spacing of them.
_SHORTEST_PAUSE = 0.1


class _Selector(selectors.DefaultSelector):
    """Waits for the network where a request is under way, and for nothing else."""

    clock: Clock

    def select(self, timeout: float | None = None) -> Any:
        if self.clock.under_way or timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.clock.sleep(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        selector = _Selector()
        selector.clock = clock
        self._clock = clock
        super().__init__(selector)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._clock.under_way += 1  # threads end in real time
        try:
            await super().shutdown_default_executor()
        finally:
            self._clock.under_way -= 1


def wind_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything in this process go by a clock, and leave nothing to chance."""
    request = aiohttp.ClientSession.request

    @asynccontextmanager
    async def watched(session: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        clock.under_way += 1
        try:
            async with request(session, *args, **kwargs) as response:
                yield response
        finally:
            clock.under_way -= 1

    monkeypatch.setattr(aiohttp.ClientSession, "request", watched)
    monkeypatch.setattr(random, "random", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setitem(BlockingClient.__init__.__kwdefaults__, "sleep", clock.sleep)
    monkeypatch.setattr(asyncio.events, "new_event_loop", lambda: _Loop(clock))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    with time_machine.travel(datetime.now(timezone.utc), tick=True) as wall:
        made = Clock(wall)
        with monkeypatch.context() as patched:
            wind_up(made, patched)
            yield made
