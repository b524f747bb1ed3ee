"""What every trigger of this provider has in common.

- A trigger only reads. Whatever changes a service happens on a worker, after the event.
- Its arguments are ids, numbers and a connection id, because Airflow stores them in its database. Its event
  is small and plain JSON. Neither holds a key.
- The event says how the wait ended with a :class:`~airflow_provider_campaigns.waits.events.WaitOutcome`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_campaigns.exceptions import ApiError, AuthenticationError, CampaignsError
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.triggers._task_end import end_task
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome, event
from airflow_provider_campaigns.waits.subscription import StatusQuery, Subscription

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.base import ServiceHook
    from airflow_provider_campaigns.transport.account import Account

T = TypeVar("T")

# One logger for all triggers: one for each of thousands would take memory.
log = logging.getLogger(__name__)

# How long at most an event is delayed, in seconds; see MIN_DEFERRAL_SECONDS.
MAX_EVENT_DELAY = 5.0

# Airflow sends the triggerer the whole Dag with each wait that begins there. From this many waits times tasks
# on, starting the waits of one run takes it several seconds of CPU.
COSTLY_WAITS = 10_000
_checked_dags: set[tuple[str, int]] = set()


class WaitTrigger(BaseTrigger, Generic[T]):
    """Waits for one status, over the poller that all waits on the account share.

    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch; None where Airflow keeps the deadline,
        because it started the trigger itself.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    :param ending: what ``WaitSensor.ending`` returned; None where a worker ends the task.
    """

    # The import path, written out: users' databases hold it, so moving the code must not change it.
    class_path: ClassVar[str]

    def __init__(
        self,
        *,
        poke_interval: float,
        deadline: float | None,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
        ending: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.max_failures = max_failures
        self.first_poll_at = first_poll_at
        self.failures = failures
        self.ending = ending
        self._last: Any = None

    @abstractmethod
    def target(self) -> dict[str, Any]:
        """Return what the wait is about: the ids and the connection id."""

    def settings(self) -> dict[str, Any]:
        """Return the other arguments that this trigger has besides those of every trigger.

        Those that were added later are left out at their defaults, so that an older triggerer accepts them.
        """
        return {}

    @abstractmethod
    def hook(self) -> ServiceHook:
        """Return a hook of the connection."""

    @abstractmethod
    def query(self) -> tuple[StatusQuery[T], str]:
        """Return the kind of query, and the id of the target."""

    @abstractmethod
    def judge(self, response: T | ApiError) -> PollResult:
        """Return what a response means for this wait."""

    def result(self, last: Any) -> Any:
        """Return the XCom of a wait that ended well; for the triggers of sensors.

        :param last: the last response.
        :raises CampaignsError: the wait did not end well.
        """
        raise NotImplementedError

    def status_as_json(self, status: Any) -> Any:
        """Return the last status as plain JSON for the event; None where there is none."""
        return status

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, as Airflow stores them."""
        return self.class_path, {
            **self.target(),
            **self.settings(),
            **({} if self.ending is None else {"ending": self.ending}),
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "max_failures": self.max_failures,
            "first_poll_at": self.first_poll_at,
            "failures": self.failures,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire one event."""
        if self.deadline is None:
            _warn_about_large_dag(getattr(self, "task", None))  # Airflow 3.3 and later
        no_event_before = self._no_event_before()
        try:
            payload = await self._wait()
        except Exception as error:  # reported as an ApiError, which soft_fail does not skip
            log.exception("The wait failed in the triggerer.")
            cause = ApiError(f"The wait failed in the triggerer: {type(error).__name__}: {error}")
            payload = self._event(WaitOutcome.FAILED, status=None, error=cause)
        await asyncio.sleep(no_event_before - time.monotonic())
        yield await self._task_end(payload) or TriggerEvent(payload)  # type: ignore[no-untyped-call]

    def _no_event_before(self) -> float:
        """Return when the event may be fired at the earliest, on the monotonic clock: at its own first poll.

        The response to another wait's request can end this one sooner.
        """
        until_first_poll = 0.0 if self.first_poll_at is None else self.first_poll_at - time.time()
        return time.monotonic() + min(until_first_poll, MAX_EVENT_DELAY)

    async def _task_end(self, payload: Mapping[str, Any]) -> TriggerEvent | None:
        """Return the event that ends the task; None where a worker has to end it."""
        if self.ending is None or payload["outcome"] != WaitOutcome.DONE:
            return None
        try:
            result = self.result(self._last)
        except CampaignsError:  # a worker raises it
            return None
        ended = await end_task(self, self.ending, result, started_here=self.deadline is None)
        if ended is not None:
            self.hook().triggerer_metrics.wait_ended("done")
        return ended

    async def _wait(self) -> dict[str, Any]:
        """Wait, also with another key where the connection got one, and return the event's payload."""
        account, rejected = await self.hook().shared_account(), None
        while rejected is None or account.identity != rejected.identity:
            payload = await self._wait_on(account)
            if (payload["error"] or {}).get("class") != AuthenticationError.__name__:
                return payload
            rejected, account = account, await self.hook().shared_account(rejected=account)
        return payload

    async def _wait_on(self, account: Account) -> dict[str, Any]:
        # Imported here, because a worker only serializes a trigger.
        from airflow_provider_campaigns.waits.shared_poller import shared_poller

        query, key = self.query()
        query.fetch_one(key)  # raises for an invalid id, which a template may have rendered
        log.info("Waiting for %s, polling every %g s.", key, self.poke_interval)
        async with shared_poller(account, query) as poller:
            subscription = self.subscription(key)
            outcome = await poller.wait(subscription)
        return self._event(outcome, status=self.status_as_json(subscription.status), error=subscription.error)

    def _event(self, outcome: WaitOutcome, *, status: Any, error: ApiError | None) -> dict[str, Any]:
        return event(
            outcome,
            target=self.target(),
            status=status,
            error=error,
            deadline=self.deadline,
            failures=self.failures,
        )

    def subscription(self, key: str) -> Subscription[T]:
        """Return the wait for one target."""
        deadline = math.inf if self.deadline is None else self.deadline
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        return Subscription(
            key, polling, self._judge, first_poll_at=self.first_poll_at, failures=self.failures
        )

    def _judge(self, response: T | ApiError) -> PollResult:
        if self.ending is not None:
            self._last = response
        return self.judge(response)


def _warn_about_large_dag(task: Any) -> None:
    """Warn, once for each Dag and size in this process, if its waits are expensive to start in the triggerer.

    :param task: a task that started in the triggerer, with its Dag; None where Airflow did not send the Dag.
    """
    dag = None if task is None else task.get_dag()
    if dag is None or (dag.dag_id, tasks := len(dag.task_dict)) in _checked_dags:
        return
    _checked_dags.add((dag.dag_id, tasks))
    waits = sum(bool(getattr(each, "start_from_trigger", False)) for each in dag.task_dict.values())
    if waits * tasks < COSTLY_WAITS:
        return
    # In a new context: the line belongs in the triggerer's log, not in that of the one wait that came first.
    Context().run(
        log.warning,
        "Dag %s has %d tasks, and %d of them start in the triggerer, which reads the whole Dag for each. Use "
        "start_from_trigger=False there, or one sensor for many campaigns.",
        dag.dag_id,
        tasks,
        waits,
    )
