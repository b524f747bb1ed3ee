"""Sensors that wait for Campaign Cleaner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import conf
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_campaigns.airflow_compat import TRIGGERER_RENDERS_TEMPLATES
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.rules.statuses import (
    CAMPAIGN_TIMEOUT_ADVICE,
    PAUSED_CHOICES,
    CampaignRule,
    InboxTestRule,
)
from airflow_provider_campaigns.sensors.base import WaitSensor
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    choice,
    opaque_id,
    strict_flag,
    text,
)
from airflow_provider_campaigns.tasks.templates import is_templated
from airflow_provider_campaigns.transport.retry import NO_RETRY
from airflow_provider_campaigns.triggers.campaign_cleaner import (
    CampaignCleanerCampaignTrigger,
    CampaignCleanerInboxTestTrigger,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

# Names in a template whose values are the same in the triggerer and on a worker.
_TRIGGERER_NAMES = frozenset({
    "params", "run_id", "ds", "ds_nodash", "ts", "ts_nodash", "logical_date", "data_interval_start",
    "data_interval_end", "dag_run",
})  # fmt: skip


class CampaignCleanerCampaignSensor(WaitSensor):
    """Waits until Campaign Cleaner has processed a campaign; its XCom is the campaign's id.

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

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign, as ``send_campaign`` gave it (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param start_from_trigger: begin the wait in the triggerer, without starting a worker. Airflow can do that
        for a literal ``campaign_id``, and from 3.3 on for a template such as ``{{ params.id }}``, but not for
        another task's output or for a mapped task. Where it cannot, the wait begins on a worker.
    :param poke_interval: seconds between two polls, or up to a tenth less.
    :param timeout: seconds that the wait may take in all.
    :param max_failures: how many failed polls in a row end the wait.
    """

    template_fields: Sequence[str] = ("campaign_id", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        **WaitSensor.arguments,
        "campaign_id": opaque_id,
        "campaign_cleaner_conn_id": text,
        "paused": choice(*PAUSED_CHOICES),
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#d8f0e3"
    advice = CAMPAIGN_TIMEOUT_ADVICE

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        paused: Literal["fail", "wait"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        poke_interval: timedelta | float | str = 10,
        timeout: timedelta | float | str = 900,
        max_failures: int = MAX_FAILURES,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=strict_flag(start_from_trigger, "start_from_trigger") or deferrable,
            poke_interval=poke_interval,
            timeout=timeout,
            max_failures=max_failures,
            **kwargs,
        )
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = paused
        check_at_parse(self)
        if start_from_trigger:
            self._start_from_trigger()

    @property
    def subject(self) -> str:
        """The campaign."""
        return f"Campaign {self.campaign_id}"

    def hook(self) -> CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def rule(self) -> CampaignRule:
        """Return what each status of the campaign means."""
        return CampaignRule(self.campaign_id, self.paused)

    def fetch(self) -> str:
        """Fetch the campaign's status."""
        return self._hook.get_campaign_status(self.campaign_id, retry=NO_RETRY).status

    def result(self) -> str:
        """Return the campaign's id."""
        return self.campaign_id

    def trigger(self, **polling: Any) -> CampaignCleanerCampaignTrigger:
        """Return the trigger that waits for the campaign."""
        return CampaignCleanerCampaignTrigger(
            campaign_id=self.campaign_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            paused=self.paused,
            **polling,
        )

    def save_link(self, context: Context) -> None:
        """Save the link to Campaign Cleaner."""
        save_campaign_cleaner_link(context)

    def _start_from_trigger(self) -> None:
        """Set what Airflow needs to begin the wait without a worker, where that is possible.

        The deadline is not known when the Dag is parsed, so Airflow keeps it, from the start of the trigger.
        """
        for value in (self.campaign_id, self.campaign_cleaner_conn_id):
            if is_templated(value, self) and not _triggerer_can_render(value, self):
                return
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=CampaignCleanerCampaignTrigger.class_path,
            trigger_kwargs={
                "campaign_id": self.campaign_id,
                "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
                "paused": self.paused,
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


class CampaignCleanerInboxTestSensor(WaitSensor):
    """Waits until the mails of an inbox test have arrived; its XCom is the summary of their placement.

    A test whose mails do not all arrive stays in process for ever, so ``timeout`` is required: it raises
    ``AirflowSensorTimeout``, or skips with ``soft_fail=True``. The XCom holds ``job_id``, ``status``,
    ``test_name`` and the counts and rates of the summary, without the placement of each seed.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :param job_id: the test, as ``create_inbox_test`` gave it (templated).
    :param timeout: seconds that the wait may take in all, or a timedelta.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param poke_interval: seconds between two polls, or up to a tenth less; results arrive over minutes.
    :param max_failures: how many failed polls in a row end the wait.
    """

    template_fields: Sequence[str] = ("job_id", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        **WaitSensor.arguments,
        "job_id": opaque_id,
        "campaign_cleaner_conn_id": text,
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#d8f0e3"
    advice = "A test ends only when all its mails have arrived: were they sent to every address of the test?"

    def __init__(
        self,
        *,
        job_id: str,
        timeout: timedelta | float | str,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float | str = 120,
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
        self.job_id = job_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        check_at_parse(self)

    @property
    def subject(self) -> str:
        """The test."""
        return f"Inbox test {self.job_id}"

    def hook(self) -> CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def rule(self) -> InboxTestRule:
        """Return what each status of the test means."""
        return InboxTestRule(self.job_id)

    def fetch(self) -> str:
        """Fetch the test's status."""
        return self._hook.get_inbox_test_results(self.job_id, retry=NO_RETRY).status

    def result(self) -> dict[str, Any]:
        """Return the summary of the test."""
        results = self._hook.get_inbox_test_results(self.job_id)
        return {
            name: value
            for name, value in vars(results).items()
            if name not in {"results", "raw"} and value is not None
        }

    def trigger(self, **polling: Any) -> CampaignCleanerInboxTestTrigger:
        """Return the trigger that waits for the test."""
        return CampaignCleanerInboxTestTrigger(
            job_id=self.job_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            **polling,
        )

    def save_link(self, context: Context) -> None:
        """Save the link to Campaign Cleaner."""
        save_campaign_cleaner_link(context)

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)


def _triggerer_can_render(value: Any, task: BaseOperator) -> bool:
    """Return whether the triggerer renders a template to the same value as a worker.

    It does so from Airflow 3.3 on, for values of the Dag run. It has no XComs (with one, a trigger of Airflow
    3.3.2 waits for ever), no macros, filters or delimiters of the Dag's own, and no native objects.
    """
    if not isinstance(value, str) or not TRIGGERER_RENDERS_TEMPLATES:
        return False
    dag: Any = task.get_dag()
    own = ("user_defined_macros", "user_defined_filters", "jinja_environment_kwargs")
    if dag is None or dag.render_template_as_native_obj or any(getattr(dag, name) for name in own):
        return False
    from jinja2 import TemplateError, meta
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment()
    try:
        environment.from_string(value)  # raises for a filter of Airflow or of the user
        names = meta.find_undeclared_variables(environment.parse(value))
    except TemplateError:
        return False
    return names <= _TRIGGERER_NAMES
