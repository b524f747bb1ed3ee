"""One result for all who ask for the same within a time, so that they cost one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class SharedResults(Generic[T]):
    """Results by name, each for one event loop; a failure is not kept."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Hashable, tuple[asyncio.Task[T], float]]
        ] = WeakKeyDictionary()

    async def get(
        self,
        name: Hashable,
        fetch: Callable[[], Coroutine[Any, Any, T]],
        *,
        max_age: float,
        rejected: T | None = None,
    ) -> T:
        """Return a result that was asked for at most ``max_age`` seconds ago.

        :param fetch: fetches the result. It runs in a task of its own, so that nobody's end cancels it.
        :param rejected: a result that this method returned and that is not wanted any more.
        """
        loop = asyncio.get_running_loop()
        results = self._loops.setdefault(loop, {})
        task, asked_at = results.get(name, (None, 0.0))
        if task is None or (
            task.done() and (loop.time() - asked_at > max_age or _is_useless(task, rejected))
        ):
            task = loop.create_task(fetch())
            results[name] = task, loop.time()
        return await asyncio.shield(task)


def _is_useless(task: asyncio.Task[T], rejected: T | None) -> bool:
    return task.cancelled() or task.exception() is not None or task.result() is rejected
