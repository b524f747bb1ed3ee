"""Wait until the mails of an inbox test have arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import InboxTestRule
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.sensors.base import WaitSensor
from airflow_provider_campaigns.tasks.arguments import Check, check_at_parse, opaque_id, text
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow.sdk import Context


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
    :param end_from_trigger: end the task in the triggerer, without starting a worker again, where a worker
        would do nothing more; implies ``deferrable=True``.
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
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = False,
        poke_interval: timedelta | float | str = 120,
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
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        check_at_parse(self)

    @property
    def subject(self) -> str:
        """The test."""
        return f"Inbox test {self.job_id}"

    def hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        """Return the hook."""
        return self._hook

    def rule(self) -> InboxTestRule:
        """Return what each status of the test means."""
        return InboxTestRule(self.job_id)

    def fetch(self) -> str:
        """Fetch the test's status."""
        return self._hook.get_inbox_test_results(self.job_id, retry=NO_RETRY).status

    def result(self, status: str) -> dict[str, Any]:
        """Return the summary of the test."""
        return self._hook.get_inbox_test_results(self.job_id).summary

    def trigger(self, **arguments: Any) -> triggers.campaign_cleaner.CampaignCleanerInboxTestTrigger:
        """Return the trigger that waits for the test."""
        return triggers.campaign_cleaner.CampaignCleanerInboxTestTrigger(
            job_id=self.job_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            **arguments,
        )

    def save_link(self, context: Context) -> None:
        """Save the link to Campaign Cleaner."""
        save_campaign_cleaner_link(context)

    @cached_property
    def _hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
