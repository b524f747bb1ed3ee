"""Sensor that waits for Campaign Cleaner."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow.triggers.base import BaseTrigger, StartTriggerArgs

from airflow_provider_campaigns.api._values import check_opaque_id
from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.arguments import (
    check_choice,
    check_count,
    check_if_literal,
    is_rendered_later,
)
from airflow_provider_campaigns.exceptions import (
    ApiError,
    CampaignPausedError,
    DeadlinePassedError,
    UnknownStatusError,
)
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.patience import look_patiently
from airflow_provider_campaigns.polling import MAX_FAILURES, SHORTEST_SLEEP, Polling
from airflow_provider_campaigns.transport.retry import ONCE
from airflow_provider_campaigns.triggers._waiting import BACKSTOP
from airflow_provider_campaigns.triggers._watching import Ending
from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class CampaignCleanerCampaignSensor(BaseSensorOperator):
    """Waits until Campaign Cleaner has processed a campaign; its XCom is the campaign's id.

    The result is the same in the modes ``poke`` and ``reschedule`` and with ``deferrable=True``:

    - ``completed`` ends the wait well.
    - ``paused`` raises :class:`~airflow_provider_campaigns.exceptions.CampaignPausedError`, or is waited out.
    - A state that is not documented raises
      :class:`~airflow_provider_campaigns.exceptions.UnknownStatusError`.
    - Campaign Cleaner knows no failed state, so ``timeout`` carries that burden: ``AirflowSensorTimeout``.
    - What waiting cannot heal (a bad key, a missing plan, a 404) raises an
      :class:`~airflow_provider_campaigns.exceptions.ApiError` after one request; other failures, an error
      described in a 200 among them, do so after ``max_failures`` in a row. ``soft_fail`` skips none of these.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign, as ``send_campaign`` gave it (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param start_from_trigger: begin the wait in the triggerer, without the seconds that a worker takes to
        start a task. Airflow can do that for a literal ``campaign_id``, and from 3.3 on for a template such
        as ``{{ params.id }}``; not for another task's output, nor for a mapped task. Where it cannot, the
        wait begins on a worker and moves to the triggerer.
    :param poke_interval: seconds between two looks, or up to a tenth less.
    :param timeout: seconds that the wait may take in all.
    :param max_failures: how many failed looks in a row end the wait.
    """

    template_fields: Sequence[str] = ("campaign_id", "campaign_cleaner_conn_id")
    ui_color = "#d8f0e3"

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        paused: Literal["fail", "wait"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        poke_interval: timedelta | float = 10,
        timeout: timedelta | float = 900,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        check_choice(paused, ("fail", "wait"), "paused")
        if self.exponential_backoff or self.silent_fail:
            raise ValueError(
                "exponential_backoff and silent_fail are not for this sensor: it looks less often by itself "
                "while the service fails, and survives failures up to max_failures in a row."
            )
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = paused
        self.deferrable = deferrable
        self.max_failures = check_count(max_failures, "max_failures")
        self._deadline = math.inf
        if start_from_trigger:
            self.deferrable = True
            self._start_from_trigger()

    def execute(self, context: Context) -> Any:
        """Wait, on a worker or in the triggerer."""
        check_opaque_id(self.campaign_id, "campaign_id")
        self._deadline = self._started_at(context) + self.timeout
        if not self.deferrable:
            return super().execute(context)
        with self._never_failing():
            # A connection that cannot work is better told here than by the triggerer.
            _ = self._hook.account
        self.log.info(
            "Waiting for campaign %s in the triggerer, every %g s for up to %g s.",
            self.campaign_id,
            self.poke_interval,
            self.timeout,
        )
        return self.defer(
            trigger=CampaignCleanerCampaignTrigger(
                campaign_id=self.campaign_id,
                campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
                waiting_states=self._waiting_states,
                poke_interval=self.poke_interval,
                deadline=self._deadline,
                max_failures=self.max_failures,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + BACKSTOP),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> str:
        """Act on how the trigger's wait ended."""
        ending = Ending(event["ending"])
        if ending is Ending.FAILED:
            raise ApiError.from_dict(event["error"])
        if ending is Ending.TIMED_OUT:
            self._time_out(event["said"], (event["error"] or {}).get("message"))
        self._check_is_done(event["said"])
        return self.campaign_id

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Let neither flag of a sensor do more, or less, than in the modes that need no triggerer."""
        with self._never_failing():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSkipException as skip:
                # soft_fail is for a wait that ran out. A trigger that broke is not one.
                if self.soft_fail and type(skip.__cause__).__name__ == "TaskDeferralError":
                    raise ApiError(f"The triggerer cannot wait: {skip.__cause__}") from skip.__cause__
                raise

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """Honour ``never_fail`` for errors that are not Airflow's own, as Airflow does in other modes."""
        try:
            yield
        except Exception as error:
            if self.never_fail and not isinstance(error, AirflowSkipException):
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, surviving single failures."""
        polling = self._polling
        try:
            status = look_patiently(
                lambda: self._hook.get_campaign_status(self.campaign_id, retry=ONCE), polling
            )
        except DeadlinePassedError as error:
            self._time_out(None, str(error))
        self.log.info("Campaign %s is %s.", self.campaign_id, status.status)
        if self._check_is_done(status.status):
            return PokeReturnValue(is_done=True, xcom_value=self.campaign_id)
        if polling.is_over(time.time()):
            self._time_out(status.status)
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

    def _start_from_trigger(self) -> None:
        """Tell Airflow how to begin the wait without a worker, if it can; on this task alone, not the class.

        The deadline is not known when the Dag is parsed, so Airflow keeps it: a fixed moment, set when the
        scheduler starts the trigger.
        """
        for value in (self.campaign_id, self.campaign_cleaner_conn_id):
            if is_rendered_later(value) and not _can_be_rendered_by_the_triggerer(value):
                return
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{CampaignCleanerCampaignTrigger.__module__}.{CampaignCleanerCampaignTrigger.__name__}",
            trigger_kwargs={
                "campaign_id": self.campaign_id,
                "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
                "waiting_states": self._waiting_states,
                "poke_interval": self.poke_interval,
                "deadline": None,
                "max_failures": self.max_failures,
            },
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    @property
    def _polling(self) -> Polling:
        return Polling(self.poke_interval, self._deadline, self.max_failures)

    @property
    def _waiting_states(self) -> list[str]:
        waiting = [CampaignState.PROCESSING.value]
        return [*waiting, CampaignState.PAUSED.value] if self.paused == "wait" else waiting

    def _started_at(self, context: Context) -> float:
        """Return when the wait began, which in mode ``reschedule`` was in another process."""
        if self.reschedule and hasattr(context["ti"], "get_first_reschedule_date"):
            first = context["ti"].get_first_reschedule_date(context)
            if first is not None:
                return float(first.timestamp())
        return time.time()

    def _check_is_done(self, status: str) -> bool:
        """Tell whether a state ends the wait well.

        :raises CampaignPausedError: it is paused, and the sensor does not wait that out.
        :raises UnknownStatusError: nobody has described this state.
        """
        if status == CampaignState.COMPLETED.value:
            return True
        if status in self._waiting_states:
            return False
        if status == CampaignState.PAUSED.value:
            raise CampaignPausedError(
                f"Campaign Cleaner has paused campaign {self.campaign_id}. Look at it in Campaign Cleaner, "
                f"or give the sensor paused='wait' to wait until somebody resumes it."
            )
        raise UnknownStatusError(
            f"Campaign Cleaner reports campaign {self.campaign_id} as {status!r}, which is none of its "
            f"documented states ({', '.join(state.value for state in CampaignState)})."
        )

    def _time_out(self, status: str | None, trouble: str | None = None) -> NoReturn:
        last = f"it was last seen as {status!r}" if status else "it was never seen"
        raise AirflowSensorTimeout(
            f"Campaign {self.campaign_id} was not completed within {self.timeout:g} s: {last}."
            + (f" The last look failed: {trouble}" if trouble else "")
            + " Campaign Cleaner reports no failures, so it may have failed there; look at it in Campaign "
            "Cleaner, or raise the sensor's timeout."
        )


def _can_be_rendered_by_the_triggerer(value: Any) -> bool:
    """Tell whether the triggerer can render a template: from Airflow 3.3 on, unless it pulls an XCom.

    Airflow 3.3.2 leaves a trigger whose template pulls an XCom waiting for an answer that never comes.
    """
    return isinstance(value, str) and "xcom" not in value and hasattr(BaseTrigger, "render_template_fields")
