"""Sensors that wait for Campaign Cleaner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import conf
from airflow.triggers.base import BaseTrigger, StartTriggerArgs

from airflow_provider_campaigns.api._values import check_opaque_id
from airflow_provider_campaigns.api.campaign_cleaner import InboxTestState
from airflow_provider_campaigns.arguments import check_choice, check_if_literal, is_rendered_later
from airflow_provider_campaigns.completion import PAUSED_CHOICES, WHEN_LATE, Completion
from airflow_provider_campaigns.exceptions import UnknownStatusError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.links import CampaignCleanerLink, keep_campaign_cleaner_link
from airflow_provider_campaigns.polling import MAX_FAILURES
from airflow_provider_campaigns.sensors._waiting import WaitSensor
from airflow_provider_campaigns.transport.retry import ONCE
from airflow_provider_campaigns.triggers.campaign_cleaner import (
    CampaignCleanerCampaignTrigger,
    CampaignCleanerInboxTestTrigger,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class CampaignCleanerCampaignSensor(WaitSensor):
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
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#d8f0e3"
    when_late = WHEN_LATE

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
        super().__init__(
            deferrable=deferrable or start_from_trigger,
            poke_interval=poke_interval,
            timeout=timeout,
            max_failures=max_failures,
            **kwargs,
        )
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = check_choice(paused, PAUSED_CHOICES, "paused")
        if start_from_trigger:
            self._start_from_trigger()

    @property
    def subject(self) -> str:
        """The campaign."""
        return f"Campaign {self.campaign_id}"

    def check_arguments(self) -> None:
        """Refuse what cannot be an id."""
        check_opaque_id(self.campaign_id, "campaign_id")

    def hook(self) -> CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def look(self) -> str:
        """Ask how far the campaign is."""
        return self._hook.get_campaign_status(self.campaign_id, retry=ONCE).status

    def check_is_done(self, state: str) -> bool:
        """Tell whether the campaign is completed."""
        return self._completion.is_reached(state)

    def result(self) -> str:
        """Return the campaign's id."""
        return self.campaign_id

    def trigger(self, deadline: float) -> CampaignCleanerCampaignTrigger:
        """Return the trigger that waits for the campaign."""
        return CampaignCleanerCampaignTrigger(
            campaign_id=self.campaign_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            waiting_states=self._completion.waiting_states,
            poke_interval=self.poke_interval,
            deadline=deadline,
            max_failures=self.max_failures,
        )

    def keep_link(self, context: Context) -> None:
        """Leave a link to Campaign Cleaner behind."""
        keep_campaign_cleaner_link(context)

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
                "waiting_states": self._completion.waiting_states,
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
    def _completion(self) -> Completion:
        return Completion(self.campaign_id, self.paused)


class CampaignCleanerInboxTestSensor(WaitSensor):
    """Waits until the mails of an inbox test have landed; its XCom is where.

    A test whose mails do not all arrive stays in processing for ever, so ``timeout`` has to be given: it
    raises ``AirflowSensorTimeout``, or skips with ``soft_fail=True``. The XCom holds ``job_id``, ``status``,
    ``test_name`` and the counts and rates of the summary; the placement of each seed is not in it.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :param job_id: the test, as ``create_inbox_test`` gave it (templated).
    :param timeout: seconds that the wait may take in all, or a timedelta.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param poke_interval: seconds between two looks, or up to a tenth less; results come in over minutes.
    :param max_failures: how many failed looks in a row end the wait.
    """

    template_fields: Sequence[str] = ("job_id", "campaign_cleaner_conn_id")
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#d8f0e3"
    when_late = (
        "A test never ends unless all its mails arrive: were they sent to all addresses that the test named?"
    )

    def __init__(
        self,
        *,
        job_id: str,
        timeout: timedelta | float,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 120,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            max_failures=max_failures,
            **kwargs,
        )
        check_if_literal(check_opaque_id, job_id, "job_id")
        self.job_id = job_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    @property
    def subject(self) -> str:
        """The test."""
        return f"Inbox test {self.job_id}"

    def check_arguments(self) -> None:
        """Refuse what cannot be an id."""
        check_opaque_id(self.job_id, "job_id")

    def hook(self) -> CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def look(self) -> str:
        """Ask how far the test is."""
        return self._hook.get_inbox_test_results(self.job_id, retry=ONCE).status

    def check_is_done(self, state: str) -> bool:
        """Tell whether all mails have landed.

        :raises UnknownStatusError: nobody has described this state.
        """
        if state not in {each.value for each in InboxTestState}:
            raise UnknownStatusError(
                f"Campaign Cleaner reports inbox test {self.job_id} as {state!r}, which is none of its "
                f"documented states ({', '.join(each.value for each in InboxTestState)})."
            )
        return state == InboxTestState.COMPLETED.value

    def result(self) -> dict[str, Any]:
        """Return the summary of the test."""
        results = self._hook.get_inbox_test_results(self.job_id)
        return {
            name: value
            for name, value in vars(results).items()
            if name not in {"results", "raw"} and value is not None
        }

    def trigger(self, deadline: float) -> CampaignCleanerInboxTestTrigger:
        """Return the trigger that waits for the test."""
        return CampaignCleanerInboxTestTrigger(
            job_id=self.job_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            poke_interval=self.poke_interval,
            deadline=deadline,
            max_failures=self.max_failures,
        )

    def keep_link(self, context: Context) -> None:
        """Leave a link to Campaign Cleaner behind."""
        keep_campaign_cleaner_link(context)

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)


def _can_be_rendered_by_the_triggerer(value: Any) -> bool:
    """Tell whether the triggerer can render a template: from Airflow 3.3 on, unless it pulls an XCom.

    Airflow 3.3.2 leaves a trigger whose template pulls an XCom waiting for an answer that never comes.
    """
    return isinstance(value, str) and "xcom" not in value and hasattr(BaseTrigger, "render_template_fields")
