"""What every trigger of this provider is.

The rules of this room:

- A trigger only reads. Whatever changes the outside world happens on a worker, after the event.
- Its arguments are ids, numbers and a connection id, since they are stored in Airflow's database. The event
  is plain JSON, and small. Neither holds a key.
- How a wait ends is told by :class:`Ending`, never by the wording of a message. The event also carries the
  deadline, for a task that has to wait on.

How the waits of many triggers become few requests stands in
:mod:`airflow_provider_campaigns.triggers._watching`.
"""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, NoReturn, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks._service import ServiceHook
from airflow_provider_campaigns.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.triggers._watching import Ending, Look, Question, Waiter, join

T = TypeVar("T")

# One for all triggers: each of thousands would else have a logger of its own.
log = logging.getLogger(__name__)

# Airflow's own timeout of a deferral stands this many seconds behind the deadline: it is there for a
# triggerer that is gone, and must not beat a trigger that is about to end its wait in order.
BACKSTOP = 60.0


def is_backstop(error: BaseException | None) -> bool:
    """Tell whether what a deferral was resumed with is Airflow's own timeout of it.

    Airflow 2 has no class for that, only words.
    """
    name = type(error).__name__
    return name == "TaskDeferralTimeout" or (
        name == "TaskDeferralError" and str(error) == "Trigger/execution timeout"
    )


def said_in(event: Mapping[str, Any], time_out: Callable[[Any, str | None], NoReturn]) -> Any:
    """Return what was said at the end of a wait that an event tells of.

    :param event: what the trigger fired.
    :param time_out: raises, where time was up, given what was said last and what went wrong at the last look.
    :raises ApiError: the service could not be asked.
    """
    ending = Ending(event["ending"])
    if ending is Ending.FAILED:
        raise ApiError.from_dict(event["error"])
    if ending is Ending.TIMED_OUT:
        time_out(event["said"], (event["error"] or {}).get("message"))
    return event["said"]


class WaitTrigger(BaseTrigger, Generic[T]):
    """Waits for one thing, together with all that ask the same account the same kind of question.

    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch; None where Airflow keeps the deadline,
        because it started the trigger itself.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self, *, poke_interval: float, deadline: float | None, max_failures: int = MAX_FAILURES
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.max_failures = max_failures

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the arguments that this kind of wait has beyond those of every wait."""

    @abstractmethod
    def hook(self) -> ServiceHook:
        """Return a hook on the connection that the wait uses."""

    @abstractmethod
    def question(self) -> tuple[Question[T], str]:
        """Return the kind of question, and the thing that it is about."""

    @abstractmethod
    def judge(self, answer: T | ApiError) -> Look:
        """Say what an answer means for this wait."""

    def as_json(self, said: Any) -> Any:
        """Return what was said, which may be nothing, as plain JSON for the event."""
        return said

    def first_look(self) -> float | None:
        """Return when to look first, in seconds since the epoch; None for as soon as can be."""
        return None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, as Airflow stores them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            **self.arguments(),
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "max_failures": self.max_failures,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire one event."""
        try:
            event = await self._wait()
        except Exception as error:  # the task has to hear of it in words that soft_fail cannot skip
            log.exception("The triggerer cannot wait.")
            cause = ApiError(f"The triggerer cannot wait: {type(error).__name__}: {error}")
            event = self._event(Ending.FAILED, None, cause)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        question, thing = self.question()
        question.one(thing)  # refuses a thing that cannot be asked for, should a template have made it
        deadline = math.inf if self.deadline is None else self.deadline
        log.info("Waiting for %s, looking every %g s.", thing, self.poke_interval)
        async with join(await self.hook().aaccount(), question) as watch:
            waiter: Waiter[T] = Waiter(
                key=thing,
                polling=Polling(self.poke_interval, deadline, self.max_failures),
                judge=self.judge,
                first_look=self.first_look(),
            )
            ending = await watch.wait(waiter)
        return self._event(ending, self.as_json(waiter.said), waiter.error)

    def _event(self, ending: Ending, said: Any, error: ApiError | None) -> dict[str, Any]:
        return {
            "ending": ending.value,
            "said": said,
            "error": error.as_dict() if error else None,
            "deadline": self.deadline,
        }
