"""The loop that every trigger of this provider runs.

The rules of this room:

- A trigger only reads. Whatever changes the outside world happens on a worker, after the event.
- Its arguments are ids, numbers and a connection id, since they are stored in Airflow's database. The event
  is plain JSON, and small. Neither holds a key.
- How a wait ends is told by :class:`Ending`, never by the wording of a message. The event also carries the
  deadline, for a task that has to wait on.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.polling import MAX_FAILURES, Polling

# Airflow's own timeout of a deferral stands this many seconds behind the deadline: it is there for a
# triggerer that is gone, and must not beat a trigger that is about to end its wait in order.
BACKSTOP = 60.0


class Ending(str, Enum):
    """How a wait ended."""

    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


@dataclass(frozen=True)
class Look:
    """What one look at the service gave.

    :param said: what the service said, as plain JSON, for the event.
    :param ends: the wait is over.
    :param next_look: when looking again is worth while, in seconds since the epoch; None where unknown.
    """

    said: Any
    ends: bool
    next_look: float | None = None


class WaitTrigger(BaseTrigger):
    """Looks again and again, until a look ends the wait or the wait ends otherwise.

    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(self, *, poke_interval: float, deadline: float, max_failures: int = MAX_FAILURES) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.max_failures = max_failures

    @abstractmethod
    def session(self) -> AbstractAsyncContextManager[Any]:
        """Hold the connection to the service open for as long as the wait lasts."""

    @abstractmethod
    async def look(self) -> Look:
        """Ask the service once.

        :raises ApiError: the look failed.
        """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, as Airflow stores them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            **self.arguments(),
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "max_failures": self.max_failures,
        }

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the arguments that this kind of wait has beyond those of every wait."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire one event."""
        try:
            async with self.session():
                event = await self._wait()
        except Exception as error:  # the task has to hear of it in words that soft_fail cannot skip
            self.log.exception("The triggerer cannot wait.")
            cause = ApiError(f"The triggerer cannot wait: {type(error).__name__}: {error}")
            event = self._event(Ending.FAILED, None, cause)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        polling = Polling(self.poke_interval, self.deadline, self.max_failures)
        pause = self.first_pause()
        failures, said = 0, None
        while True:
            await asyncio.sleep(pause)
            try:
                look = await self.look()
            except ApiError as error:
                failures += 1
                again = polling.after_failure(error, failures, time.time(), spread=random.random())
                if again is None:
                    fatal = polling.is_fatal(error, failures)
                    return self._event(Ending.FAILED if fatal else Ending.TIMED_OUT, said, error)
                self.log.warning("Look %d in a row failed, next one in %.1f s: %s", failures, again, error)
            else:
                failures, said = 0, look.said
                if look.ends:
                    return self._event(Ending.ANSWERED, said)
                again = polling.after_answer(
                    time.time(),
                    spread=random.random(),
                    next_look=look.next_look,
                )
                if again is None:
                    return self._event(Ending.TIMED_OUT, said)
                self.log.info("Not yet. Next look in %.1f s.", again)
            pause = again

    def first_pause(self) -> float:
        """Return the seconds to sleep before the first look."""
        return 0.0

    def _event(self, ending: Ending, said: Any, error: ApiError | None = None) -> dict[str, Any]:
        return {
            "ending": ending.value,
            "said": said,
            "error": error.as_dict() if error else None,
            "deadline": self.deadline,
        }
