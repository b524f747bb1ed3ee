"""What every sensor of this provider has in common: one wait, with the same result in every mode."""

from __future__ import annotations

import math
import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_campaigns.airflow_compat import (
    is_deferral_failure,
    is_deferral_timeout,
    process_needs_worker,
    task_needs_worker,
    try_started_at,
)
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, MIN_SLEEP, Polling
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_rendered,
    count,
    duration,
    optional,
    rendered_fields,
    restore,
    strict_flag,
)
from airflow_provider_campaigns.tasks.deferral import deferring_pause
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.task_state import TaskState, is_retry_or_cleared
from airflow_provider_campaigns.tasks.waiting import StatusRule, Wait

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.hooks.base import ServiceHook
    from airflow_provider_campaigns.triggers.base import WaitTrigger


_WAITS_FOR, _FAILURES = "waits_for", "failures"
# When a trigger polls first if the worker has not: an earlier event can overtake a busy scheduler.
_FIRST_POLL_SECONDS = 5.0


class _PollFailedError(Exception):
    """A poll failed, and the next one follows in another process."""

    def __init__(self, seconds: float, failures: int) -> None:
        super().__init__(seconds, failures)
        self.seconds, self.failures = seconds, failures


class WaitSensor(RenderedTask, BaseSensorOperator):
    """Waits for a status.

    :param deferrable: wait in the triggerer, without a worker.
    :param end_from_trigger: end the task there too, where a worker would do nothing more.
    :param poke_interval: how often to poll; a timedelta, seconds or a string.
    :param timeout: how long to wait in all, likewise; None for Airflow's default.
    :param max_failures: how many failed polls in a row end the wait.
    """

    # What to do after a timeout.
    advice: ClassVar[str]
    arguments: ClassVar[Mapping[str, Check]] = {
        "deferrable": strict_flag,
        "max_failures": count,
        "poke_interval": duration,
        "timeout": duration,
    }

    def __init__(
        self,
        *,
        deferrable: bool,
        end_from_trigger: bool = False,
        poke_interval: Any,
        timeout: Any,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            poke_interval=duration(poke_interval, "poke_interval"),
            timeout=optional(duration)(timeout, "timeout"),
            **kwargs,
        )
        if self.exponential_backoff or self.silent_fail:
            raise ValueError(
                "This sensor does not take exponential_backoff and silent_fail: it polls a failing service "
                "less often by itself, and survives failures up to max_failures in a row."
            )
        for name in ("soft_fail", "never_fail"):
            strict_flag(getattr(self, name, False), name)
        # Not the public name: with that, Airflow refuses the whole Dag where it has a listener.
        self._end_from_trigger = strict_flag(end_from_trigger, "end_from_trigger")
        self.deferrable = self._end_from_trigger or deferrable
        self.max_failures = max_failures
        self._deadline = math.inf
        self._pause_after_failure: float | None = None

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the wait is about, as messages name it: ``Campaign 17``."""

    @abstractmethod
    def hook(self) -> ServiceHook:
        """Return the sensor's hook, the same one every time."""

    @abstractmethod
    def rule(self) -> StatusRule:
        """Return what each status means."""

    @abstractmethod
    def fetch(self) -> Any:
        """Fetch the status once."""

    @abstractmethod
    def result(self, status: Any) -> Any:
        """Return the XCom of a wait that ended well, with a status."""

    @abstractmethod
    def trigger(self, **arguments: Any) -> WaitTrigger[Any]:
        """Return the trigger that goes on with the wait.

        :param arguments: the arguments of every :class:`WaitTrigger`.
        """

    @abstractmethod
    def save_link(self, context: Context) -> None:
        """Save the link to the service."""

    def ending(self, **xcoms: Any) -> dict[str, Any] | None:
        """Return what a trigger has to know to end the task; None where a worker ends it in any case.

        :param xcoms: XComs that no worker has pushed.
        """
        if not self._end_from_trigger:
            return None
        needs = task_needs_worker(self) + process_needs_worker()
        is_extended = not type(self).__module__.startswith("airflow_provider_campaigns.")
        changed = (callable(getattr(type(self), name, None)) for name in vars(self))
        if is_extended or "operator_extra_links" in vars(self) or any(changed):
            needs.append("subclass")
        return {"needs_worker": needs, "push_result": bool(self.do_xcom_push), "xcoms": xcoms}

    def execute(self, context: Context) -> Any:
        """Wait, on a worker or in the triggerer."""
        self._fix_target(context)
        check_rendered(self)
        self.save_link(context)
        self._deadline = self._started_at(context) + self.timeout
        if self.deferrable:
            return self._execute_deferrable(context)
        with self.hook().metrics.wait():
            return super().execute(context)

    def _execute_deferrable(self, context: Context) -> Any:
        """Go on in the triggerer, after one poll on the worker if a worker has to end the task."""
        ending = self.ending()
        pause = deferring_pause(self, partial(self.trigger, ending=ending), self._polling)
        if ending is not None and not ending["needs_worker"] and not is_retry_or_cleared(context):
            self.rule()  # raises for arguments that contradict each other
            # A poll here would cost more than the trigger's, which ends the task.
            pause(min(self.poke_interval, _FIRST_POLL_SECONDS))
        with self.hook().metrics.wait(), self._never_failing():
            try:
                status = self._wait.run(pause)
            except AirflowSensorTimeout as timeout:
                if self.soft_fail:
                    raise AirflowSkipException(str(timeout)) from timeout
                raise
            return self.result(status)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> Any:
        """Handle the end of the trigger's wait."""
        restore(self, event["target"], rendered)
        self.save_link(context)
        return self.result(self._wait.result_of(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Apply ``soft_fail`` and ``never_fail`` as in the modes that need no triggerer."""
        with self.hook().metrics.wait(), self._never_failing():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSkipException as skip:
                # soft_fail is for a timeout, not for a trigger that failed.
                if self.soft_fail and is_deferral_failure(skip.__cause__):
                    raise ApiError(f"The wait failed in the triggerer: {skip.__cause__}") from skip.__cause__
                raise
            except AirflowSensorTimeout as timeout:
                if self.soft_fail:  # Airflow 3.0 ignores it where it ends a deferral itself
                    raise AirflowSkipException(str(timeout)) from timeout
                raise
            except Exception as error:
                if is_deferral_timeout(error):  # Airflow 2
                    raise AirflowSensorTimeout(str(error)) from error
                raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once, surviving single failures; mode ``reschedule`` does so without keeping the worker.

        That takes a task state store, which keeps the count of failures.
        """
        wait, state = self._wait, TaskState(context)
        if self.reschedule and state.is_stored:
            failures = state.get(_FAILURES) or 0
            try:
                result = wait.poll(_raise_poll_failed, failures)
            except _PollFailedError as failed:
                state.set(_FAILURES, failed.failures)
                self._pause_after_failure = failed.seconds
                return PokeReturnValue(is_done=False)
            if failures:
                state.delete(_FAILURES)
        else:
            result = wait.poll()
        self.log_status(result.status)
        if result.is_final:
            wait.rule.check(result.status)
            return PokeReturnValue(is_done=True, xcom_value=self.result(result.status))
        if wait.polling.is_over(time.time()):
            wait.time_out(result.status)
        return PokeReturnValue(is_done=False)

    def log_status(self, status: Any) -> None:
        """Log the status of a poll."""
        self.log.info("%s is %s.", self.subject, status)

    def _get_next_poke_interval(
        self,
        started_at: Any,
        run_duration: Callable[[], float],
        poke_count: int,
    ) -> float:
        """Return the pause of the polling rules; Airflow calls this in both of its modes."""
        return self._next_pause()

    def _next_pause(self) -> float:
        """Return the seconds until the next poll."""
        if self._pause_after_failure is not None:
            return self._pause_after_failure
        pause = self._wait.polling.after_response(time.time(), jitter=random.random())
        return MIN_SLEEP if pause is None else pause

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Apply ``never_fail`` to errors that are not Airflow's own, as Airflow does in other modes."""
        try:
            yield
        except Exception as error:
            if self.never_fail and not isinstance(error, AirflowSkipException):
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    @property
    def _polling(self) -> Polling:
        return Polling(self.poke_interval, self._deadline, self.max_failures)

    @property
    def _wait(self) -> Wait:
        return Wait(
            subject=self.subject,
            goal="completed",
            rule=self.rule(),
            fetch=self.fetch,
            polling=self._polling,
            timeout=self.timeout,
            advice=self.advice,
            metrics=self.hook().metrics,
        )

    def _fix_target(self, context: Context) -> None:
        """Wait for the same in all processes of mode ``reschedule``: each renders the templates again."""
        if self.deferrable or not self.reschedule:
            return
        state = TaskState(context)
        if try_started_at(self, context) is None:
            check_rendered(self)
            state.set(_WAITS_FOR, rendered_fields(self))
            state.delete(_FAILURES)
        else:
            restore(self, state.get(_WAITS_FOR))

    def _started_at(self, context: Context) -> float:
        """Return when the wait began; in mode ``reschedule`` that was in another process."""
        first = try_started_at(self, context) if self.reschedule else None
        return time.time() if first is None else first.timestamp()


def _raise_poll_failed(seconds: float, failures: int) -> NoReturn:
    raise _PollFailedError(seconds, failures)
