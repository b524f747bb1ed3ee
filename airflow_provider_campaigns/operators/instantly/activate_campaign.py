"""Start or resume a campaign in Instantly."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.exceptions import MalformedResponseError, NotActivatedError
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.instantly_statuses import ActivationRule
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    count,
    duration,
    flag,
    restore,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.campaign_change import (
    SENDING,
    CampaignState,
    campaign_state,
    send_and_verify,
)
from airflow_provider_campaigns.tasks.deferral import deferral_errors, deferring_pause
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.waiting import Wait
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow.sdk import Context

_NOT_STARTED = (LifecycleStatus.DRAFT, LifecycleStatus.PAUSED)
_ADVICE = "A send gate shows the reason; activating again will not help."


class InstantlyActivateCampaignOperator(RenderedTask):
    """Starts or resumes a campaign, unless it is active; its XCom is the campaign's status afterwards.

    Instantly may accept an activation without activating the campaign. So the operator reads the campaign
    before and after, and raises :class:`~airflow_provider_campaigns.exceptions.NotActivatedError` unless it
    is active. It sends an activation once; if the response is lost, a campaign that is then active counts as
    activated. Sending starts 10 to 15 minutes after an activation; until then the sending status may still be
    that of a draft or a paused campaign. With ``wait_timeout`` the task waits for that, and raises
    ``AirflowSensorTimeout`` when it times out.

    A draft or paused campaign is activated. A completed campaign is activated with ``restart_completed``. One
    that Instantly stopped (bounces, accounts in error or suspended) is activated with ``restart_stopped``
    only: a person decides about it.

    The XCom holds ``campaign_id``, ``status`` (a number) and, after a wait, ``sending_status``.

    https://developer.instantly.ai/api-reference/campaign/activatestart-or-resume-a-campaign

    :param campaign_id: the campaign (templated).
    :param restart_completed: also activate a campaign that is completed, for example after leads were added
        (templated).
    :param restart_stopped: also activate a campaign that Instantly stopped (templated). Instantly then does
        not stop it again for seven days, however many mails bounce.
    :param wait_timeout: how long to wait until the sending status leaves draft and paused; a timedelta or
        seconds (templated). By default the task does not wait.
    :param poke_interval: how often to poll during the wait; a timedelta or seconds (templated).
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` is the
        default.
    :param max_failures: how many failed polls in a row end the wait.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_id",
        "restart_completed",
        "restart_stopped",
        "wait_timeout",
        "poke_interval",
        "instantly_conn_id",
    )
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": uuid,
        "restart_completed": flag,
        "restart_stopped": flag,
        "wait_timeout": duration,
        "poke_interval": duration,
        "deferrable": strict_flag,
        "max_failures": count,
        "instantly_conn_id": text,
    }
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        restart_completed: bool = False,
        restart_stopped: bool = False,
        wait_timeout: timedelta | float | str = timedelta(0),
        poke_interval: timedelta | float | str = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = MAX_FAILURES,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.restart_completed = restart_completed
        self.restart_stopped = restart_stopped
        self.wait_timeout: Any = wait_timeout
        self.poke_interval: Any = poke_interval
        self.deferrable = deferrable
        self.max_failures = max_failures
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Activate the campaign, and wait if asked to."""
        check_rendered(self)
        save_instantly_link(context, self.campaign_id)
        state = self._activate()
        if not self.wait_timeout:
            return {"campaign_id": self.campaign_id, "status": state.status}
        wait = self._wait(time.time() + self.wait_timeout)
        with self._hook.metrics.wait():
            code = wait.run(deferring_pause(self, self._trigger, wait.polling) if self.deferrable else None)
        return self._result(code)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Handle the end of the trigger's wait."""
        restore(self, event["target"], rendered)
        save_instantly_link(context, self.campaign_id)
        with self._hook.metrics.wait():
            code = self._wait(event["deadline"]).result_of(event)
        return self._result(code)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Turn a deferral timeout into ``AirflowSensorTimeout``."""
        with deferral_errors(self._subject, count_end=self._hook.metrics.wait_ended):
            return super().resume_execution(next_method, next_kwargs, context)

    def _activate(self) -> CampaignState:
        """Activate the campaign unless it is active, and return it."""
        state = campaign_state(self._hook, self.campaign_id)
        if state.status in SENDING:
            self.log.info("%s is already %s.", state.subject, state)
            return state
        self._check_may_start(state)
        self.log.info("%s is %s; activating.", state.subject, state)
        state = send_and_verify(
            lambda: self._hook.activate_campaign(self.campaign_id),
            lambda: campaign_state(self._hook, self.campaign_id),
            lambda found: found.status in SENDING,
        )
        if state.status not in SENDING:
            raise NotActivatedError(
                f"{state.subject} is {state}, although Instantly accepted the activation. {_ADVICE}"
            )
        return state

    def _check_may_start(self, state: CampaignState) -> None:
        """Refuse to start a campaign that ended, unless the user wants it."""
        if state.status in _NOT_STARTED:
            return
        refusal = f"{state.subject} is {state} and was not activated"
        if state.status == LifecycleStatus.COMPLETED:
            if not self.restart_completed:
                raise NotActivatedError(
                    f"{refusal}: every lead has been mailed. Add leads first; restart_completed=True "
                    f"activates it."
                )
        elif not self.restart_stopped:
            raise NotActivatedError(
                f"{refusal}: a person who knows why it stopped has to decide. restart_stopped=True activates "
                f"it, and Instantly then does not stop it again for seven days."
            )

    def _wait(self, deadline: float) -> Wait:
        return Wait(
            subject=f"The sending status of campaign {self.campaign_id}",
            goal="that of a started campaign",
            rule=ActivationRule(),
            fetch=self._code,
            polling=Polling(self.poke_interval, deadline, self.max_failures),
            timeout=self.wait_timeout,
            advice="Set a longer wait_timeout, or look at the campaign in Instantly.",
            metrics=self._hook.metrics,
        )

    def _trigger(self, **polling: Any) -> triggers.instantly.InstantlyActivationTrigger:
        return triggers.instantly.InstantlyActivationTrigger(
            campaign_id=self.campaign_id,
            instantly_conn_id=self.instantly_conn_id,
            **polling,
        )

    def _code(self) -> str | None:
        try:
            return self._hook.get_sending_status(self.campaign_id, retry=NO_RETRY).status
        except MalformedResponseError as error:
            self.log.warning("%s", error)
            return None

    def _result(self, code: str | None) -> dict[str, Any]:
        """Return the campaign's status at the end of the wait, unless Instantly stopped it meanwhile."""
        state = campaign_state(self._hook, self.campaign_id)
        if state.status not in (*SENDING, LifecycleStatus.COMPLETED):
            raise NotActivatedError(f"{state.subject} was activated, and is now {state} ({code}). {_ADVICE}")
        return {"campaign_id": self.campaign_id, "status": state.status, "sending_status": code}

    @property
    def _subject(self) -> str:
        return f"Campaign {self.campaign_id}"

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)
