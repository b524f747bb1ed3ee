"""Share one poll among all waits on an account.

- A *shared poller* serves all waits in one event loop that send one account the same kind of query. It starts
  with the first wait and stops with the last.
- A wait only gets responses to requests that were sent after the wait began.
- Waits for the same target share its requests; the shortest interval among them counts.
- Where the service has a call that lists all targets, and more than one target is waited for, the poller
  fetches the list: one request an interval for any number of waits. It fetches a target that is missing from
  the list individually. If the list call fails, it fetches one target individually (and a second one, where
  the first may be the cause) to find out whether only the list call fails. If so, it fetches all targets
  individually for a while; otherwise the failure counts for all waits.
- A failure that may pass counts only for the waits that were due, so that each wait survives as many failures
  as it allows, at its own interval.
- The target that has been due longest is fetched first. With a limit of b requests a second, each of n
  targets is polled about every max(interval, n / b) seconds.
- A wait ends at most a second after its deadline, by its own timer. A wait that starts after its deadline
  still gets one poll.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_campaigns import metrics
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    MalformedResponseError,
    NotFoundError,
    RejectedError,
)
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS, Account
from airflow_provider_campaigns.transport.rate_limit import rate_limiter_for
from airflow_provider_campaigns.transport.retry import NO_RETRY
from airflow_provider_campaigns.waits.due_queue import DueQueue
from airflow_provider_campaigns.waits.events import WaitOutcome
from airflow_provider_campaigns.waits.health_log import HealthLog
from airflow_provider_campaigns.waits.subscription import ALL, StatusQuery, Subscription, Target

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)

# How many individual calls run at once: one for each connection of an account.
MAX_IN_FLIGHT = MAX_CONNECTIONS
# New waits are collected for up to this long before the list is fetched, so that a triggerer that starts with
# thousands of waits does not fetch it once for each.
COLLECT_SECONDS = 1.0
# A target may be fetched this much later than it is due, so that several requests leave together: waking up
# costs as much CPU as parsing a response.
BATCH_SECONDS = 0.05
# How long targets are fetched individually after the list call has failed: with an error that a retry does
# not fix, and with another one.
INDIVIDUAL_SECONDS = 600.0
INDIVIDUAL_RETRY_SECONDS = 15.0
# How long after its deadline a wait may still get the response to a request sent before it.
LAST_POLL_SECONDS = 1.0
# Errors that concern the target and not the service, and errors that may concern either.
_ABOUT_TARGET = (NotFoundError, BadRequestError)
_ABOUT_EITHER = (RejectedError, MalformedResponseError)
# How many waits get a result before other tasks may use the event loop.
_PUBLISH_BATCH = 200


class SharedPoller(Generic[T]):
    """Sends one account one kind of query, for all waits. Use :func:`shared_poller` to get one.

    :param query: the kind of query.
    :param account: the account.
    """

    def __init__(self, query: StatusQuery[T], account: Account) -> None:
        self._query = query
        self._account = account
        self._metrics = metrics.in_triggerer(account.service.name, account.conn_id)
        self._loop = asyncio.get_running_loop()
        self._users = 0
        self._targets: dict[str, Target[T]] = {}
        self._queue: DueQueue[Target[T]] = DueQueue()
        self._wake_up = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._requests: set[asyncio.Task[ApiError | None]] = set()
        self._sent = 0
        self._individually_until = -math.inf
        self._listed_at = -math.inf
        self._health = HealthLog(query.kind, account)

    # Methods instead of @asynccontextmanager, whose generator would double the memory of a wait.
    async def __aenter__(self) -> SharedPoller[T]:
        """Become a user of the poller; the first one starts it."""
        self._users += 1
        try:
            if self._users == 1:
                await self._start()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the poller; the last user stops it."""
        self._leave()
        if not self._users:
            await self._stop()

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._deregister()

    def _deregister(self) -> None:
        """Accept no further waits; the next one starts a new poller."""
        pollers, name = _pollers[self._loop], (self._account.identity, self._query.kind)
        if pollers.get(name) is self:
            del pollers[name]

    async def _start(self) -> None:
        # Imported here, because Dag parsing imports this module and needs no HTTP library.
        from airflow_provider_campaigns.transport import aio

        self._client_context = aio.client(self._account, observer=self._metrics)
        self._client = await self._client_context.__aenter__()
        # In a new context: Airflow sends log lines to the wait that its context variable names.
        self._poll_task = Context().run(self._loop.create_task, self._poll_forever())
        self._poll_task.add_done_callback(self._abort_all)

    async def _stop(self) -> None:
        tasks = (self._poll_task, *self._requests)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:  # also where the last user is cancelled meanwhile
            await self._client_context.__aexit__(None, None, None)

    def _abort_all(self, poll_task: asyncio.Task[None]) -> None:
        """End all waits if the polling itself fails, because no result would reach them."""
        if poll_task.cancelled() or (error := poll_task.exception()) is None:
            return
        self._deregister()
        for subscription in [each for target in self._targets.values() for each in target.subscriptions]:
            subscription.abort(error)

    async def wait(self, subscription: Subscription[T]) -> WaitOutcome:
        """Wait until a wait ends."""
        ended: asyncio.Future[None] = self._loop.create_future()
        self.add(subscription, partial(_finish, ended))
        # A task that started in the triggerer has no deadline here: Airflow times it out.
        left = self.time_left(subscription)
        timer = self._loop.call_later(left, subscription.expire) if left < math.inf else None
        try:
            await ended
        finally:
            if timer is not None:
                timer.cancel()
            self.remove(subscription)
        if subscription.broken is not None:
            raise subscription.broken
        assert subscription.outcome is not None  # noqa: S101 - the wait has ended
        return subscription.outcome

    def add(self, subscription: Subscription[T], on_end: Callable[[], None]) -> None:
        """Poll for a wait from now on.

        :param on_end: called once, when the wait ends.
        """
        subscription.on_end, subscription.requests_before = on_end, self._sent
        target = self._targets.get(subscription.key)
        if target is None:
            target = self._targets[subscription.key] = Target(subscription.key)
        target.subscriptions.add(subscription)
        subscription.due = self._first_due(subscription, target)
        if subscription.due < self._queue.due_of(target):
            self._schedule(target, subscription.due)

    def remove(self, subscription: Subscription[T]) -> None:
        """Poll no more for a wait."""
        target = self._targets.get(subscription.key)
        if target is None:
            return
        target.subscriptions.discard(subscription)
        if not target.subscriptions:
            del self._targets[target.key]
            self._queue.remove(target)

    def _first_due(self, subscription: Subscription[T], target: Target[T]) -> float:
        """Return when to poll first: at once for a single wait, a little later for one of many."""
        now = self._loop.time()
        if subscription.first_poll_at is not None:
            return now + max(0.0, subscription.first_poll_at - time.time())
        if len(self._targets) == 1 and len(target.subscriptions) == 1:
            return now
        window = min(COLLECT_SECONDS, subscription.polling.interval / 5)
        if self._uses_list():
            return max(now, self._listed_at + window)
        return now + window * random.random()

    def time_left(self, subscription: Subscription[T]) -> float:
        """Return the seconds until a wait must end, with time for the response to a last request."""
        left = subscription.polling.deadline - time.time()
        return left + LAST_POLL_SECONDS if left > 0 else self._account.timeout

    def _schedule(self, target: Target[T], due: float) -> None:
        if target.in_flight:
            return
        self._queue.schedule(target, due)
        if self._queue.next_due() == due:
            self._wake_up.set()

    def _uses_list(self) -> bool:
        return (
            self._query.fetch_all is not None
            and len(self._targets) > 1
            and self._loop.time() >= self._individually_until
        )

    async def _poll_forever(self) -> None:
        while True:
            target = await self._next_due()
            if target.key == ALL or (self._uses_list() and not target.missing_from_list):
                await self._fetch_list(target)
            else:
                target.in_flight = True
                await self._slots.acquire()
                request = self._loop.create_task(self._fetch_one(target))
                self._requests.add(request)
                request.add_done_callback(self._requests.discard)

    async def _next_due(self) -> Target[T]:
        """Wait until a target is due, and return the one that has been due longest."""
        while True:
            target = self._queue.pop_due(self._loop.time())
            if target is not None:
                return target
            self._wake_up.clear()
            due = self._queue.next_due()
            delay = 0.0 if self._uses_list() else BATCH_SECONDS
            timer = self._loop.call_at(due + delay, self._wake_up.set) if due < math.inf else None
            await self._wake_up.wait()
            if timer is not None:
                timer.cancel()

    async def _fetch_one(self, target: Target[T]) -> ApiError | None:
        """Fetch one target, publish the result, and return the error if the fetch failed."""
        request = self._count_request()
        target.call = target.call or self._query.fetch_one(target.key)
        result = await self._send(target.call)
        self._slots.release()
        self._log_health(result)
        await self._publish(target, request, result, jitter=random.random())
        return result if isinstance(result, ApiError) and self._query.is_failure(result) else None

    async def _fetch_list(self, due: Target[T]) -> None:
        """Fetch all targets in one call, and publish the results to the waits that existed before."""
        fetch = self._query.fetch_details if ALL in self._targets else self._query.fetch_all
        assert fetch is not None  # noqa: S101 - a query that has no list is not fetched as a list
        waiting = [target for target in self._targets.values() if not target.in_flight]
        request = self._count_request()
        self._listed_at = self._loop.time()
        result = await self._send(fetch())
        if isinstance(result, ApiError):
            await self._publish_list_error(due, waiting, request, result)
            return
        self._log_health(result)
        for number, target in enumerate(waiting, 1):
            response: Any = result if target.key == ALL else result.get(target.key.lower())
            target.missing_from_list = response is None
            if response is not None:
                await self._publish(target, request, response, jitter=0.0)
            elif target is due:
                self._schedule(target, _earliest_due(target))
            if not number % _PUBLISH_BATCH:
                await asyncio.sleep(0)

    async def _publish_list_error(
        self, due: Target[T], waiting: list[Target[T]], request: int, error: ApiError
    ) -> None:
        """Publish the failure of the list itself, and find out what it means for single targets."""
        for target in waiting:
            if target.key == ALL:
                await self._publish(target, request, error, jitter=random.random())
        single = [each for each in waiting if each.key != ALL and not each.in_flight]
        if single:
            await self._diagnose_list_error(due if due.key != ALL else single[0], single, request, error)
        else:
            self._log_health(error)

    async def _diagnose_list_error(
        self, due: Target[T], waiting: list[Target[T]], request: int, error: ApiError
    ) -> None:
        """Find out, by fetching one target, whether only the list call fails or the whole service."""
        failure = await self._probe(due)
        if isinstance(failure, _ABOUT_EITHER):
            another = next((each for each in waiting if each is not due and not each.in_flight), None)
            failure = await self._probe(another) if another else failure
        if failure is None or isinstance(failure, _ABOUT_TARGET):
            pause = INDIVIDUAL_RETRY_SECONDS if error.retryable else INDIVIDUAL_SECONDS
            self._individually_until = self._loop.time() + pause
            log.warning(
                "Listing %s failed; polling each one individually for %g s: %s",
                self._query.kind,
                pause,
                error,
            )
            return
        for number, target in enumerate(waiting, 1):
            if target is not due:
                await self._publish(target, request, failure, jitter=0.0)
            if not number % _PUBLISH_BATCH:
                await asyncio.sleep(0)

    async def _probe(self, target: Target[T]) -> ApiError | None:
        target.in_flight = True
        self._queue.remove(target)
        await self._slots.acquire()
        return await self._fetch_one(target)

    def _count_request(self) -> int:
        self._sent += 1
        return self._sent

    async def _send(self, call: Call[R]) -> R | ApiError:
        self._metrics.poll()
        try:
            return await self._client.send(call, NO_RETRY)
        except ApiError as error:
            if not error.final:
                self._metrics.retry()
            return error
        except Exception as error:
            # No code awaits the request's task, so an unexpected error has to reach the waits as a result.
            log.exception("Polling %s raised an unexpected error.", self._query.kind)
            reason = self._account.redact(f"{type(error).__name__}: {error}")
            return ApiError(f"{call} failed unexpectedly: {reason}")

    def _log_health(self, result: object) -> None:
        self._health.add(result, now=self._loop.time(), waits=self._users)

    async def _publish(self, target: Target[T], request: int, result: T | ApiError, *, jitter: float) -> None:
        """Pass a result to the waits that existed when the request was sent, and schedule the next poll.

        :param request: the number of the request.
        """
        now = self._loop.time()
        failed = self._query.is_failure(result)
        may_pass = isinstance(result, ApiError) and failed and not result.final
        existed = [each for each in target.subscriptions if each.requests_before < request]
        for number, subscription in enumerate(existed, 1):
            if not may_pass or subscription.due <= now:
                pause = subscription.on_result(result, failed=failed, now=time.time(), jitter=jitter)
                subscription.due = now + pause
            if not number % _PUBLISH_BATCH:
                await asyncio.sleep(0)
        target.in_flight = False
        self._schedule(target, _earliest_due(target))


def _finish(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _earliest_due(target: Target[Any]) -> float:
    return min((each.due for each in target.subscriptions), default=math.inf)


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], SharedPoller[Any]]] = (
    WeakKeyDictionary()
)


def shared_poller(account: Account, query: StatusQuery[T]) -> SharedPoller[T]:
    """Return the poller of an account and a kind of query; enter it at once as a context manager."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    name = (account.identity, query.kind)
    if name not in pollers:
        pollers[name] = SharedPoller(query, account)
    rate_limiter_for(account)  # applies the limit of this connection, which may differ
    return pollers[name]
