"""Wait until Campaign Cleaner has processed a campaign, or many."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import PokeReturnValue, conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.links import (
    CAMPAIGN_CLEANER_APP,
    CampaignCleanerLink,
    save_campaign_cleaner_link,
)
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import (
    CAMPAIGN_TIMEOUT_ADVICE,
    PAUSED_CHOICES,
    CampaignRule,
)
from airflow_provider_campaigns.rules.many_campaigns import (
    ON_FAILURE_CHOICES,
    CampaignsRule,
    Progress,
    refuse_collecting_one,
)
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.sensors.base import WaitSensor
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    choice,
    strict_flag,
    text,
)
from airflow_provider_campaigns.tasks.many_campaigns import ManyCampaigns, one_or_many_ids
from airflow_provider_campaigns.tasks.task_state import TaskState
from airflow_provider_campaigns.tasks.templates import is_templated, triggerer_can_render
from airflow_provider_campaigns.tasks.waiting import StatusRule
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs


class _StartTriggerArgs:
    """Reads a sensor when Airflow serializes its Dag, because what is set after ``__init__`` counts, too."""

    def __get__(self, sensor: CampaignCleanerCampaignSensor | None, _: Any) -> StartTriggerArgs | None:
        return sensor.start_args() if sensor is not None and sensor.start_from_trigger else None


class CampaignCleanerCampaignSensor(WaitSensor):
    """Waits until Campaign Cleaner has processed a campaign, or many; its XCom is the id, or the list of ids.

    The result is the same in the modes ``poke`` and ``reschedule`` and with ``deferrable=True``:

    - ``completed`` ends the wait well.
    - ``paused`` raises :class:`~airflow_provider_campaigns.exceptions.CampaignPausedError`, or the wait goes
      on.
    - An undocumented status raises :class:`~airflow_provider_campaigns.exceptions.UnknownStatusError`.
    - Campaign Cleaner has no failed status, so only ``timeout`` ends the wait for a campaign that failed:
      ``AirflowSensorTimeout``.
    - An error that waiting cannot resolve (a bad key, a missing plan, a 404) raises an
      :class:`~airflow_provider_campaigns.exceptions.ApiError` after one request. Other errors do so after
      ``max_failures`` in a row. ``soft_fail`` skips none of these.
    - One of many campaigns that is paused, gone or of an undocumented status raises
      :class:`~airflow_provider_campaigns.exceptions.CampaignsFailedError`, which names the first 100 such
      campaigns; or the wait goes on for the others.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign, as ``send_campaign`` gave it, or a list of up to 10,000 (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    :param on_failure: what a failed one of many campaigns does to the wait: ``"fail"`` ends it, ``"collect"``
        goes on, and the task succeeds with an XCom that has the lists ``completed`` and ``failed``.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param start_from_trigger: begin the wait in the triggerer, without starting a worker. Airflow can do that
        for a literal ``campaign_id``, and from 3.3 on for a template such as ``{{ params.id }}``, but not for
        another task's output or for a mapped task. Where it cannot, the wait begins on a worker.
    :param end_from_trigger: end the task in the triggerer, without starting a worker again, where a worker
        would do nothing more; implies ``deferrable=True``.
    :param poke_interval: seconds between two polls, or up to a tenth less.
    :param timeout: seconds that the wait may take in all.
    :param max_failures: how many failed polls in a row end the wait.
    """

    template_fields: Sequence[str] = ("campaign_id", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        **WaitSensor.arguments,
        "campaign_id": one_or_many_ids,
        "campaign_cleaner_conn_id": text,
        "paused": choice(*PAUSED_CHOICES),
        "on_failure": choice(*ON_FAILURE_CHOICES),
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#d8f0e3"
    advice = CAMPAIGN_TIMEOUT_ADVICE
    start_trigger_args: Any = _StartTriggerArgs()

    def __init__(
        self,
        *,
        campaign_id: str | Sequence[str],
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        paused: Literal["fail", "wait"] = "fail",
        on_failure: Literal["fail", "collect"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        poke_interval: timedelta | float | str = 10,
        timeout: timedelta | float | str = 900,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=strict_flag(start_from_trigger, "start_from_trigger") or deferrable,
            end_from_trigger=end_from_trigger,
            poke_interval=poke_interval,
            timeout=timeout,
            max_failures=max_failures,
            **kwargs,
        )
        self.campaign_id: Any = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = paused
        self.on_failure = on_failure
        check_at_parse(self)
        if not is_templated(self.campaign_id, self):
            self.rule()
        self.start_from_trigger = start_from_trigger and all(
            not is_templated(value, self) or triggerer_can_render(value, self)
            for value in (self.campaign_id, self.campaign_cleaner_conn_id)
        )

    @property
    def subject(self) -> str:
        """The campaign, or the wait for many."""
        is_one = isinstance(self.campaign_id, str)
        return (
            f"Campaign {self.campaign_id}" if is_one else f"The wait for {len(self.campaign_id):,} campaigns"
        )

    def hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def rule(self) -> StatusRule:
        """Return what each status of the campaign means, or the progress of many."""
        if not isinstance(self.campaign_id, str):
            return CampaignsRule(self.on_failure)
        refuse_collecting_one(self.on_failure)
        return CampaignRule(self.campaign_id, self.paused)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; mode ``reschedule`` hands on to the next process which of many campaigns have ended.

        Without a task state store, it stays until no campaign is refused, because refusals are counted.
        """
        if isinstance(self.campaign_id, str) or not self.reschedule:
            return super().poke(context)
        # A later try is another wait.
        state, key = TaskState(context), f"campaigns_of_try_{context['ti'].try_number}"
        self._many.load(stored := state.get(key) or {})
        result = super().poke(context)
        while self._many.has_refusals and not (result.is_done or state.is_stored):
            time.sleep(self._next_pause())
            result = super().poke(context)
        if not result.is_done and (found := self._many.as_json()) != stored:
            state.set(key, found)
        return result

    def fetch(self) -> str | Progress:
        """Fetch the campaign's status, or the progress of many."""
        if isinstance(self.campaign_id, str):
            return self._hook.get_campaign_status(self.campaign_id, retry=NO_RETRY).status
        return self._many.poll(self._hook, self._deadline)

    def result(self, status: Any) -> Any:
        """Return the campaign's id, or the result of many."""
        if isinstance(self.campaign_id, str):
            return self.campaign_id
        return CampaignsRule(self.on_failure).result(self.campaign_id, status)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> Any:
        """Handle the end of the trigger's wait."""
        if isinstance(status := event["status"], Mapping):
            event = {**event, "status": Progress(**status)}
        return super().execute_complete(context, event, rendered)

    def log_status(self, status: Any) -> None:
        """Log the status of one campaign; the progress of many is logged when it changes."""
        if isinstance(self.campaign_id, str):
            super().log_status(status)

    def trigger(self, **arguments: Any) -> triggers.campaign_cleaner.CampaignCleanerCampaignTrigger:
        """Return the trigger that waits for the campaign, or for those of many that have not ended."""
        many: ManyCampaigns | None = vars(self).get("_many")
        return triggers.campaign_cleaner.CampaignCleanerCampaignTrigger(
            campaign_id=self.campaign_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            paused=self.paused,
            on_failure=self.on_failure,
            ended=many.ended() if many is not None else None,
            **arguments,
        )

    def save_link(self, context: Context) -> None:
        """Save the link to Campaign Cleaner."""
        save_campaign_cleaner_link(context)

    def start_args(self) -> StartTriggerArgs:
        """Return what Airflow needs to begin the wait without a worker.

        The deadline is not known when the Dag is parsed, so Airflow keeps it, from the start of the trigger.
        """
        # Imported here, because few sensors start in the triggerer, and it takes long.
        from airflow.triggers.base import StartTriggerArgs

        ending = self.ending(**{CampaignCleanerLink().xcom_key: CAMPAIGN_CLEANER_APP})
        trigger = self.trigger(
            poke_interval=self.poke_interval, deadline=None, max_failures=self.max_failures, ending=ending
        )
        class_path, arguments = trigger.serialize()
        return StartTriggerArgs(
            trigger_cls=class_path,
            trigger_kwargs=arguments,
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    @cached_property
    def _many(self) -> ManyCampaigns:
        return ManyCampaigns(
            self.campaign_id,
            CampaignsRule(self.on_failure),
            paused=self.paused,
            max_failures=self.max_failures,
            polls_individually=not self.deferrable,
        )

    @cached_property
    def _hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
