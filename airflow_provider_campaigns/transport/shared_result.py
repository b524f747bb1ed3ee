"""Share one request among all callers that want the same result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

# How long those whose result was rejected share the request for another one.
SAME_REJECTION_SECONDS = 5.0


@dataclass(frozen=True)
class _Request(Generic[T]):
    """A request for a result.

    :param sent_at: on the clock of the event loop.
    :param instead_of: the identity of the result that was rejected before; None where none was.
    """

    task: asyncio.Task[T]
    sent_at: float
    instead_of: Hashable


class SharedResults(Generic[T]):
    """Results by name, each for one event loop; a failure is not kept.

    :param identity: returns what is equal for results of which each is as good as the other.
    """

    def __init__(self, identity: Callable[[T], Hashable] = id) -> None:
        self._identity = identity
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Request[T]]] = (
            WeakKeyDictionary()
        )

    async def get(
        self,
        name: Hashable,
        fetch: Callable[[], Coroutine[Any, Any, T]],
        *,
        max_age: float,
        rejected: T | None = None,
    ) -> T:
        """Return a result that was asked for at most ``max_age`` seconds ago.

        :param fetch: fetches the result. It runs in a task of its own, so that no caller's end cancels it.
        :param rejected: a result that this method returned and that is not wanted any more. It is returned
            again only if a request that was sent for this reason gets it.
        """
        loop = asyncio.get_running_loop()
        requests = self._loops.setdefault(loop, {})
        unwanted = None if rejected is None else self._identity(rejected)
        while True:
            request = requests.get(name)
            if request is None or (request.task.done() and not self._serves(request, max_age, unwanted)):
                request = requests[name] = _Request(loop.create_task(fetch()), loop.time(), unwanted)
            result = await asyncio.shield(request.task)
            if self._identity(result) != unwanted or request.instead_of == unwanted:
                return result

    def _serves(self, request: _Request[T], max_age: float, unwanted: Hashable) -> bool:
        """Return whether the result of a request that has ended is wanted."""
        if request.task.cancelled() or request.task.exception() is not None:
            return False
        age = asyncio.get_running_loop().time() - request.sent_at
        if self._identity(request.task.result()) != unwanted:
            return age <= max_age
        return request.instead_of == unwanted and age <= SAME_REJECTION_SECONDS
