"""What every sensor of this provider is: one wait, the same on a worker and in the triggerer.

A sensor says what it asks for, what the answer means and what to say when time is up. When to look next, and
when failures end the wait, is decided in :mod:`airflow_provider_campaigns.polling`, in every mode.
"""

from __future__ import annotations

import math
import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_campaigns.arguments import check_count
from airflow_provider_campaigns.exceptions import ApiError, DeadlinePassedError
from airflow_provider_campaigns.hooks._service import ServiceHook
from airflow_provider_campaigns.patience import look_patiently
from airflow_provider_campaigns.polling import MAX_FAILURES, SHORTEST_SLEEP, Polling
from airflow_provider_campaigns.triggers._waiting import BACKSTOP, WaitTrigger, is_backstop, said_in

if TYPE_CHECKING:
    from airflow.sdk import Context


class WaitSensor(BaseSensorOperator):
    """Waits until something is in a state that ends the wait.

    :param deferrable: wait in the triggerer, without a worker.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(self, *, deferrable: bool, max_failures: int = MAX_FAILURES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.exponential_backoff or self.silent_fail:
            raise ValueError(
                "exponential_backoff and silent_fail are not for this sensor: it looks less often by itself "
                "while the service fails, and survives failures up to max_failures in a row."
            )
        self.deferrable = deferrable
        self.max_failures = check_count(max_failures, "max_failures")
        self._deadline = math.inf

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is waited for, in words: "Campaign 17"."""

    @abstractmethod
    def check_arguments(self) -> None:
        """Refuse rendered arguments that cannot be asked for."""

    @abstractmethod
    def hook(self) -> ServiceHook:
        """Return the hook that asks, the same one every time."""

    @abstractmethod
    def look(self) -> str:
        """Ask once for the state."""

    @abstractmethod
    def check_is_done(self, state: str) -> bool:
        """Tell whether a state ends the wait well, or raise where it ends it badly."""

    @abstractmethod
    def result(self) -> Any:
        """Return the XCom of a wait that ended well."""

    @abstractmethod
    def trigger(self, deadline: float) -> WaitTrigger[Any]:
        """Return the trigger that waits in the triggerer."""

    @property
    @abstractmethod
    def when_late(self) -> str:
        """What to do once time is up, in words."""

    def keep_link(self, context: Context) -> None:
        """Leave a link to what is waited for behind."""

    def execute(self, context: Context) -> Any:
        """Wait, on a worker or in the triggerer."""
        self.check_arguments()
        self.keep_link(context)
        self._deadline = self._started_at(context) + self.timeout
        if not self.deferrable:
            with self.hook().metrics.wait():
                return super().execute(context)
        with self._never_failing():
            # A connection that cannot work is better told here than by the triggerer.
            _ = self.hook().account
        self.log.info(
            "%s: waiting in the triggerer, every %g s for up to %g s.",
            self.subject,
            self.poke_interval,
            self.timeout,
        )
        return self.defer(
            trigger=self.trigger(self._deadline),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + BACKSTOP),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Act on how the trigger's wait ended."""
        self.keep_link(context)
        self.check_is_done(said_in(event, self._time_out))
        return self.result()

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Let neither flag of a sensor do more, or less, than in the modes that need no triggerer."""
        with self.hook().metrics.wait(), self._never_failing():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSkipException as skip:
                # soft_fail is for a wait that ran out. A trigger that broke is not one.
                cause = skip.__cause__
                broke = type(cause).__name__ == "TaskDeferralError" and not is_backstop(cause)
                if self.soft_fail and broke:
                    raise ApiError(f"The triggerer cannot wait: {cause}") from cause
                raise
            except AirflowSensorTimeout as timeout:
                if self.soft_fail:  # Airflow 3.0 does not think of it where it ends a deferral itself
                    raise AirflowSkipException(str(timeout)) from timeout
                raise
            except Exception as error:
                if is_backstop(error):  # Airflow 2 does not call it a sensor's timeout
                    raise AirflowSensorTimeout(str(error)) from error
                raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, surviving single failures."""
        polling = self._polling
        try:
            state = look_patiently(self.look, polling, self.hook().metrics)
        except DeadlinePassedError as error:
            self._time_out(None, str(error))
        self.log.info("%s is %s.", self.subject, state)
        if self.check_is_done(state):
            return PokeReturnValue(is_done=True, xcom_value=self.result())
        if polling.is_over(time.time()):
            self._time_out(state)
        return PokeReturnValue(is_done=False)

    def _get_next_poke_interval(
        self,
        started_at: Any,
        run_duration: Callable[[], float],
        poke_count: int,
    ) -> float:
        """Sleep by the rules that every wait follows; Airflow asks this in both of its modes."""
        pause = self._polling.after_answer(time.time(), spread=random.random())
        return SHORTEST_SLEEP if pause is None else pause

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Honour ``never_fail`` for errors that are not Airflow's own, as Airflow does in other modes."""
        try:
            yield
        except Exception as error:
            if self.never_fail and not isinstance(error, AirflowSkipException):
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    @property
    def _polling(self) -> Polling:
        return Polling(self.poke_interval, self._deadline, self.max_failures)

    def _started_at(self, context: Context) -> float:
        """Return when the wait began, which in mode ``reschedule`` was in another process."""
        first = self._first_try_at(context) if self.reschedule else None
        return time.time() if first is None else first.timestamp()

    def _first_try_at(self, context: Context) -> datetime | None:
        """Return when the first of the stretches between reschedules began; None in that one itself."""
        ti: Any = context["ti"]
        if hasattr(ti, "get_first_reschedule_date"):
            return cast("datetime | None", ti.get_first_reschedule_date(context))
        # Airflow 2, where the base class asks the database just so.
        from airflow.sensors.base import _orig_start_date

        first_try = (ti.max_tries or 0) - (self.retries or 0) + 1
        return cast(
            "datetime | None", _orig_start_date(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, first_try)
        )

    def _time_out(self, state: str | None, trouble: str | None = None) -> NoReturn:
        last = f"it was last seen as {state!r}" if state else "it could not be seen"
        raise AirflowSensorTimeout(
            f"{self.subject} was not completed within {self.timeout:g} s: {last}."
            + (f" The last look failed: {trouble}" if trouble else "")
            + f" {self.when_late}"
        )
