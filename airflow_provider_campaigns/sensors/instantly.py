"""Sensor that waits for Instantly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.api.instantly import JOB_COUNTS
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.instantly_statuses import BackgroundJobRule
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.sensors.base import WaitSensor
from airflow_provider_campaigns.tasks.arguments import Check, check_at_parse, path_id, text
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow.sdk import Context


class InstantlyBackgroundJobSensor(WaitSensor):
    """Waits until a background job of Instantly has succeeded, such as a move of leads.

    ``success`` ends the wait well; ``failed`` and ``cancelled`` raise
    :class:`~airflow_provider_campaigns.exceptions.BackgroundJobFailedError`. A paused job waits for a quota,
    for example, so the wait goes on until ``timeout``. The XCom holds ``job_id``, ``type``, ``status`` and
    the counts of the job.

    https://developer.instantly.ai/api-reference/schemas/background-job

    :param job_id: the job (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param end_from_trigger: end the task in the triggerer, without starting a worker again, where a worker
        would do nothing more; implies ``deferrable=True``.
    :param poke_interval: seconds between two polls, or up to a tenth less.
    :param timeout: seconds that the wait may take in all.
    :param max_failures: how many failed polls in a row end the wait.
    """

    template_fields: Sequence[str] = ("job_id", "instantly_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        **WaitSensor.arguments,
        "job_id": path_id,
        "instantly_conn_id": text,
    }
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#e2ecfc"
    advice = "Look at the job in Instantly, or raise the sensor's timeout."

    def __init__(
        self,
        *,
        job_id: str,
        instantly_conn_id: str = "instantly_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = False,
        poke_interval: timedelta | float | str = 10,
        timeout: timedelta | float | str = 3600,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=deferrable,
            end_from_trigger=end_from_trigger,
            poke_interval=poke_interval,
            timeout=timeout,
            max_failures=max_failures,
            **kwargs,
        )
        self.job_id = job_id
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    @property
    def subject(self) -> str:
        """The job."""
        return f"Background job {self.job_id}"

    def hook(self) -> hooks.instantly.InstantlyHook:
        """Return the hook."""
        return self._hook

    def rule(self) -> BackgroundJobRule:
        """Return what each status of the job means."""
        return BackgroundJobRule(self.job_id)

    def fetch(self) -> str:
        """Fetch the job's status."""
        return self._hook.get_background_job(self.job_id, data_fields=JOB_COUNTS, retry=NO_RETRY).status

    def result(self, status: str) -> dict[str, Any]:
        """Return the job's counts."""
        return self._hook.get_background_job(self.job_id, data_fields=JOB_COUNTS).summary

    def trigger(self, **arguments: Any) -> triggers.instantly.InstantlyBackgroundJobTrigger:
        """Return the trigger that waits for the job."""
        return triggers.instantly.InstantlyBackgroundJobTrigger(
            job_id=self.job_id,
            instantly_conn_id=self.instantly_conn_id,
            **arguments,
        )

    def save_link(self, context: Context) -> None:
        """Save the link to Instantly's campaigns."""
        save_instantly_link(context, None)

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)
