"""Follow an account for ever: what it lists, once an interval, over the poller that its waits share.

Nothing here ends or raises by itself. A single failure is polled again by the rules of every wait. After a
final one, such as a wrong key, the next attempt comes ten minutes later; after one that is not the service's,
such as a connection that Airflow cannot read, a minute later. The log says so once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult
from airflow_provider_campaigns.waits.shared_poller import SharedPoller
from airflow_provider_campaigns.waits.subscription import ALL, Subscription

T = TypeVar("T")

# How long after a final failure the account is polled again, and after one that is not the service's.
PAUSE_AFTER_FINAL_FAILURE = 600.0
PAUSE_AFTER_OTHER_FAILURE = 60.0

log = logging.getLogger(__name__)


async def for_ever(subject: str, follow: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
    """Yield what ``follow`` yields; when it ends or fails, begin again after a pause.

    :param subject: what is followed, for the log.
    """
    logged = ""
    while True:
        pause = PAUSE_AFTER_OTHER_FAILURE
        try:
            async with aclosing(follow()) as items:  # type: ignore[type-var]
                async for item in items:
                    if logged:
                        log.info("%s: responds again.", subject)
                        logged = ""
                    yield item
            problem = "the poller ended"
        except Exception as error:  # noqa: BLE001 - a watcher that raised would begin again every second
            problem = f"{type(error).__name__}: {error}"
            if isinstance(error, ApiError):
                pause = PAUSE_AFTER_FINAL_FAILURE
        if problem != logged:
            log.error("%s: trying again every %g s. %s", subject, pause, problem)
            logged = problem
        await asyncio.sleep(pause)


def endless(interval: float) -> Polling:
    """Return the rules of a wait that only a final error ends."""
    return Polling(interval, math.inf, sys.maxsize)


async def lists(poller: SharedPoller[T], interval: float) -> AsyncIterator[Mapping[str, T]]:
    """Yield each list that a poller fetches; the newest one where they come faster than they are used.

    :raises ApiError: a final failure.
    """
    latest: Latest[Mapping[str, T]] = Latest()

    def judge(response: Any) -> PollResult:
        latest.set(response)
        return PollResult(None, is_final=False)

    subscription: Subscription[Any] = Subscription(ALL, endless(interval), judge)
    poller.add(subscription, lambda: latest.fail(subscription.broken or subscription.error))
    try:
        while True:
            yield await latest.get()
    finally:
        poller.remove(subscription)


class Latest(Generic[T]):
    """The newest of many values, for one who waits for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._value: T | None = None
        self._error: Exception | None = None

    def set(self, value: T) -> None:
        """Replace the value."""
        self._value = value
        self._changed.set()

    def fail(self, error: Exception | None) -> None:
        """End the values with an error."""
        self._error = error or ApiError("The wait ended.")
        self._changed.set()

    async def get(self) -> T:
        """Wait for a value that has not been returned yet."""
        await self._changed.wait()
        self._changed.clear()
        if self._error is not None:
            raise self._error
        assert self._value is not None  # noqa: S101 - set with the event
        return self._value
