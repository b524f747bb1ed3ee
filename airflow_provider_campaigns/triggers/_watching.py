"""One voice for all the waits of an account: what many triggers want to know is asked once.

The rules of this room:

- A *watch* serves all waits in one event loop that ask one account the same kind of question. It lives from
  its first wait to its last, and ends with it, however that one ends.
- A wait gets only answers whose request left after the wait began.
- An answer goes to everybody who waits for it. Equal waits cost one request, and the tightest interval among
  them sets the rhythm, so nobody hears later than asked for.
- Where the service answers for all things in one call, and more than one thing is waited for, it is asked
  for all: one request an interval, however many wait. A thing that is missing from that answer is asked for
  singly. If the call fails, one thing is asked for singly, to tell a broken call from a broken service (and
  a second one, where the first may be what is broken): in the first case all are asked for singly for a
  while, in the second the failure is everybody's.
- A failure that may pass counts for the waits that were due, and for no other: each wait survives as many
  as it was told to, at its own rhythm.
- What has been due longest is asked for first. Under a budget of b requests a second, n things are looked
  at about every max(interval, n / b) seconds each, and none starves.
- Whatever the service does, a wait ends at its deadline, by a timer of its own. One that is taken up after
  its deadline still gets the time for a look.

When to look again and when to give up is decided in :mod:`airflow_provider_campaigns.polling`; how a call
travels, in :mod:`airflow_provider_campaigns.transport`. A third kind of wait needs a :class:`Question`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_campaigns import metrics
from airflow_provider_campaigns.api._call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    MalformedAnswerError,
    NotFoundError,
    RejectedError,
)
from airflow_provider_campaigns.polling import Polling
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS, Account
from airflow_provider_campaigns.transport.pacing import pace_of
from airflow_provider_campaigns.transport.retry import ONCE

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)

# How many single calls are under way at once, one to each connection of an account.
MAX_IN_FLIGHT = MAX_CONNECTIONS
# Newcomers to a watch that asks for all are gathered for up to this long, so that a triggerer that starts
# with thousands of waits does not ask once for each.
GATHER_SECONDS = 1.0
# A look at one thing may come this much later than it is due, so that several leave together: waking up for
# each costs as much as reading an answer.
TOGETHER_SECONDS = 0.05
# For how long a call for all that does not work is left alone.
SINGLY_SECONDS = 600.0
# The same for one that failed in a way that passes.
SINGLY_FOR_NOW_SECONDS = 15.0
# A service that fails is told of this often at most, however many waits it fails.
TELL_SECONDS = 60.0
# How long after its deadline a wait may still hear the answer to a look that left in time.
LAST_LOOK_SECONDS = 1.0
# Failures that say something about the thing that was asked for, and nothing about the service.
_ABOUT_ONE_THING = (NotFoundError, BadRequestError)
# Failures that may say either.
_ABOUT_EITHER = (RejectedError, MalformedAnswerError)
# How many waits are told of an answer before others may use the event loop.
_TOLD_AT_ONCE = 200


class Ending(str, Enum):
    """How a wait ended."""

    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


class Look(NamedTuple):
    """What one look at the service means for a wait.

    :param said: what the service said, for the event.
    :param ends: the wait is over.
    :param next_look: when looking again is worth while, in seconds since the epoch; None where unknown.
    """

    said: Any
    ends: bool
    next_look: float | None = None


@dataclass(frozen=True)
class Question(Generic[T]):
    """A kind of question to a service.

    :param kind: tells it from other kinds.
    :param one: the call that asks about one thing.
    :param many: the call that asks about all things, where the service has one; its keys are in lower case.
    :param answers: errors that are an answer to this question rather than a failure to ask it.
    """

    kind: str
    one: Callable[[str], Call[T]]
    many: Callable[[], Call[Mapping[str, T]]] | None = None
    answers: tuple[type[ApiError], ...] = ()


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """One wait for one thing.

    :param key: the thing.
    :param polling: the rhythm, the deadline and how many failures are survived.
    :param judge: says what an answer means.
    :param first_look: when to look first, in seconds since the epoch; None for as soon as can be.
    """

    key: str
    polling: Polling
    judge: Callable[[T | ApiError], Look]
    first_look: float | None = None
    due: float = 0.0
    failures: int = 0
    said: Any = None
    error: ApiError | None = None
    ended: asyncio.Future[Ending] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def hear(self, outcome: T | ApiError, *, failed: bool, spread: float) -> float:
        """Take the outcome of a look in; return the seconds until the next, infinite where the wait ended."""
        if self.ended.done():
            return math.inf
        try:
            return self._heed(outcome, failed=failed, spread=spread)
        except Exception as error:  # noqa: BLE001 - whoever awaits the wait is the one to hear of it
            self.break_off(error)
            return math.inf

    def break_off(self, error: BaseException) -> None:
        """End the wait because something broke that nobody foresaw."""
        if not self.ended.done():
            # Not the error itself: a future refuses a StopIteration.
            self.ended.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))

    def run_out(self) -> None:
        """End the wait because its time is up."""
        self._end(Ending.TIMED_OUT)

    def _heed(self, outcome: Any, *, failed: bool, spread: float) -> float:
        now = time.time()
        if failed:
            self.failures += 1
            self.error = outcome
            pause = self.polling.after_failure(outcome, self.failures, now, spread=spread)
            if pause is None:
                fatal = self.polling.is_fatal(outcome, self.failures)
                return self._end(Ending.FAILED if fatal else Ending.TIMED_OUT)
            return pause
        look = self.judge(outcome)
        self.failures, self.error, self.said = 0, None, look.said
        if look.ends:
            return self._end(Ending.ANSWERED)
        pause = self.polling.after_answer(now, spread=spread, next_look=look.next_look)
        return self._end(Ending.TIMED_OUT) if pause is None else pause

    def _end(self, ending: Ending) -> float:
        if not self.ended.done():
            self.ended.set_result(ending)
        return math.inf


@dataclass(eq=False, slots=True)
class _Thing(Generic[T]):
    """Something that is waited for, with all who wait for it."""

    key: str
    waiters: set[Waiter[T]] = field(default_factory=set)
    call: Call[T] | None = None
    due: float = math.inf
    asking: bool = False
    unlisted: bool = False


class Watch(Generic[T]):
    """Asks one account one kind of question, for all who wait. :func:`join` one, do not make one.

    :param question: the kind of question.
    :param account: whom to ask.
    """

    def __init__(self, question: Question[T], account: Account) -> None:
        self._question = question
        self._account = account
        self._metrics = metrics.in_triggerer(account.service.name, account.conn_id)
        self._loop = asyncio.get_running_loop()
        self._users = 0
        self._things: dict[str, _Thing[T]] = {}
        self._queue: list[tuple[float, int, _Thing[T]]] = []
        self._number = itertools.count()
        self._news = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._asks: set[asyncio.Task[ApiError | None]] = set()
        self._singly_until = -math.inf
        self._told_at = -math.inf
        self._in_trouble = False
        self._asked_all_at = -math.inf

    # Not a generator, which would take as much memory as the rest of a wait.
    async def __aenter__(self) -> Watch[T]:
        """Be one of its users; the first one starts it."""
        self._users += 1
        try:
            if self._users == 1:
                await self._open()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Be no longer one of its users; the last one stops it."""
        self._leave()
        if not self._users:
            await self._close()

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._retire()

    def _retire(self) -> None:
        """Take no further waits; whoever comes next begins a new watch."""
        watches, name = _watches[self._loop], (self._account.identity, self._question.kind)
        if watches.get(name) is self:
            del watches[name]

    def _end_with(self, pump: asyncio.Task[None]) -> None:
        """End all waits should the asking break, since nobody would ask for them any more."""
        if pump.cancelled() or (error := pump.exception()) is None:
            return
        self._retire()
        for waiter in [waiter for thing in self._things.values() for waiter in thing.waiters]:
            waiter.break_off(error)

    async def _open(self) -> None:
        # Only now, since whoever parses a Dag imports this module too and needs no HTTP library.
        from airflow_provider_campaigns.transport import aio

        self._opened = aio.client(self._account, observer=self._metrics)
        self._client = await self._opened.__aenter__()
        # In a context of its own: what is asked for many belongs in the triggerer's log, not in that of the
        # wait that happened to come first.
        self._pump = Context().run(self._loop.create_task, self._ask_what_is_due())
        self._pump.add_done_callback(self._end_with)

    async def _close(self) -> None:
        tasks = (self._pump, *self._asks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._opened.__aexit__(None, None, None)

    async def wait(self, waiter: Waiter[T]) -> Ending:
        """Wait for the end of a wait."""
        thing = self._things.get(waiter.key)
        if thing is None:
            thing = self._things[waiter.key] = _Thing(waiter.key)
        thing.waiters.add(waiter)
        waiter.due = self._first_due(waiter, thing)
        if waiter.due < thing.due:
            self._schedule(thing, waiter.due)
        # A wait without a deadline of its own has one that Airflow keeps.
        left = self._time_left(waiter)
        timer = self._loop.call_later(left, waiter.run_out) if left < math.inf else None
        try:
            return await waiter.ended
        finally:
            if timer is not None:
                timer.cancel()
            thing.waiters.discard(waiter)
            if not thing.waiters and self._things.get(thing.key) is thing:
                del self._things[thing.key]

    # When.

    def _first_due(self, waiter: Waiter[T], thing: _Thing[T]) -> float:
        """Say when to look first: at once for a wait that is alone, a little later for one of many."""
        now = self._loop.time()
        if waiter.first_look is not None:
            return now + max(0.0, waiter.first_look - time.time())
        if len(self._things) == 1 and len(thing.waiters) == 1:
            return now
        window = min(GATHER_SECONDS, waiter.polling.interval / 5)
        if self._may_ask_all():
            return max(now, self._asked_all_at + window)
        return now + window * random.random()

    def _time_left(self, waiter: Waiter[T]) -> float:
        """Return the seconds until a wait has to end; a look that leaves at the deadline may come back."""
        left = waiter.polling.deadline - time.time()
        return left + LAST_LOOK_SECONDS if left > 0 else self._account.timeout

    def _schedule(self, thing: _Thing[T], due: float) -> None:
        thing.due = due
        if not thing.asking and due < math.inf:
            heapq.heappush(self._queue, (due, next(self._number), thing))
            if self._queue[0][2] is thing:
                self._news.set()

    async def _next_due(self) -> _Thing[T]:
        """Return the thing that has been due longest, once one is due."""
        while True:
            while self._queue and self._is_outdated(*self._queue[0]):
                heapq.heappop(self._queue)
            if self._queue and self._queue[0][0] <= self._loop.time():
                return heapq.heappop(self._queue)[2]
            self._news.clear()
            late = 0.0 if self._may_ask_all() else TOGETHER_SECONDS
            alarm = self._loop.call_at(self._queue[0][0] + late, self._news.set) if self._queue else None
            await self._news.wait()
            if alarm is not None:
                alarm.cancel()

    @staticmethod
    def _is_outdated(due: float, _: int, thing: _Thing[Any]) -> bool:
        return thing.asking or not thing.waiters or thing.due != due

    # Whom.

    async def _ask_what_is_due(self) -> None:
        while True:
            thing = await self._next_due()
            if self._may_ask_all() and not thing.unlisted:
                await self._ask_all(thing)
            else:
                thing.asking = True
                await self._slots.acquire()
                task = self._loop.create_task(self._ask_one(thing))
                self._asks.add(task)
                task.add_done_callback(self._asks.discard)

    def _may_ask_all(self) -> bool:
        return (
            self._question.many is not None
            and len(self._things) > 1
            and self._loop.time() >= self._singly_until
        )

    # Asking.

    async def _ask_one(self, thing: _Thing[T]) -> ApiError | None:
        """Ask about one thing, tell those who waited for it by then, and return what failed."""
        waiters = list(thing.waiters)
        thing.call = thing.call or self._question.one(thing.key)
        outcome = await self._send(thing.call)
        self._slots.release()
        self._take_note(outcome)
        await self._tell(thing, waiters, outcome, spread=random.random())
        return outcome if isinstance(outcome, ApiError) and self._is_failure(outcome) else None

    async def _ask_all(self, due: _Thing[T]) -> None:
        """Ask about all things at once, and tell everybody who waited by then."""
        assert self._question.many is not None  # noqa: S101 - _may_ask_all has looked
        asked = [(thing, list(thing.waiters)) for thing in self._things.values() if not thing.asking]
        self._asked_all_at = self._loop.time()
        outcome = await self._send(self._question.many())
        if isinstance(outcome, ApiError):
            await self._fall_back(due, asked, outcome)
            return
        self._take_note(outcome)
        for number, (thing, waiters) in enumerate(asked, 1):
            answer = outcome.get(thing.key.lower())
            thing.unlisted = answer is None
            if answer is not None:
                await self._tell(thing, waiters, answer, spread=0.0)
            elif thing is due:
                self._schedule(thing, thing.due)
            if not number % _TOLD_AT_ONCE:
                await asyncio.sleep(0)

    async def _fall_back(
        self, due: _Thing[T], asked: list[tuple[_Thing[T], list[Waiter[T]]]], error: ApiError
    ) -> None:
        """Find out, by asking about one thing, whether the call for all is broken or the service is."""
        failure = await self._probe(due)
        if isinstance(failure, _ABOUT_EITHER):
            another = next((thing for thing, _ in asked if thing is not due and not thing.asking), None)
            failure = await self._probe(another) if another else failure
        if failure is None or isinstance(failure, _ABOUT_ONE_THING):
            pause = SINGLY_FOR_NOW_SECONDS if error.retryable else SINGLY_SECONDS
            self._singly_until = self._loop.time() + pause
            log.warning(
                "Asking for all %s at once does not work; asking for each singly for %g s: %s",
                self._question.kind,
                pause,
                error,
            )
            return
        for number, (thing, waiters) in enumerate(asked, 1):
            if thing is not due:
                await self._tell(thing, waiters, failure, spread=0.0)
            if not number % _TOLD_AT_ONCE:
                await asyncio.sleep(0)

    async def _probe(self, thing: _Thing[T]) -> ApiError | None:
        thing.asking = True
        await self._slots.acquire()
        return await self._ask_one(thing)

    async def _send(self, call: Call[R]) -> R | ApiError:
        self._metrics.poll()
        try:
            return await self._client.send(call, ONCE)
        except ApiError as error:
            if not error.final:
                self._metrics.retry()
            return error
        except Exception as error:
            # Nobody awaits the task that asks, so whatever breaks has to reach those who wait as an answer.
            log.exception("Asking about %s broke.", self._question.kind)
            reason = self._account.redact(f"{type(error).__name__}: {error}")
            return ApiError(f"{call} broke: {reason}")

    def _take_note(self, outcome: object) -> None:
        """Tell the triggerer's log that the service fails, now and then, and that it answers again."""
        if isinstance(outcome, ApiError) and outcome.retryable:
            if self._loop.time() >= self._told_at + TELL_SECONDS:
                self._told_at, self._in_trouble = self._loop.time(), True
                log.warning(
                    "Asking about %s fails; %d waits go on meanwhile. %s",
                    self._question.kind,
                    self._users,
                    outcome,
                )
        elif self._in_trouble:
            self._in_trouble = False
            log.info("%s, connection %r: answers again.", self._account.service.title, self._account.conn_id)

    def _is_failure(self, outcome: T | ApiError) -> bool:
        return isinstance(outcome, ApiError) and not isinstance(outcome, self._question.answers)

    async def _tell(
        self, thing: _Thing[T], waiters: list[Waiter[T]], outcome: T | ApiError, *, spread: float
    ) -> None:
        """Tell those who waited what came of it, and queue the thing again if anybody waits on."""
        now = self._loop.time()
        failed = self._is_failure(outcome)
        may_pass = isinstance(outcome, ApiError) and failed and not outcome.final
        for number, waiter in enumerate(waiters, 1):
            if not may_pass or waiter.due <= now:
                waiter.due = now + waiter.hear(outcome, failed=failed, spread=spread)
            if not number % _TOLD_AT_ONCE:
                await asyncio.sleep(0)
        thing.asking = False
        self._schedule(thing, min((waiter.due for waiter in thing.waiters), default=math.inf))


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Watch[Any]]] = (
    WeakKeyDictionary()
)


def join(account: Account, question: Question[T]) -> Watch[T]:
    """Return the watch that asks an account a kind of question, to be used at once as a context manager."""
    watches = _watches.setdefault(asyncio.get_running_loop(), {})
    name = (account.identity, question.kind)
    if name not in watches:
        watches[name] = Watch(question, account)
    pace_of(account)  # a connection that joins may name another budget
    return watches[name]
