"""Get a completed campaign from Campaign Cleaner."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.exceptions import MalformedResponseError
from airflow_provider_campaigns.links import REPORT_LINKS, save_report_links
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import (
    CAMPAIGN_TIMEOUT_ADVICE,
    PAUSED_CHOICES,
    CampaignRule,
)
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.tasks import storage
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    choice,
    count,
    duration,
    flag,
    html_text,
    opaque_id,
    optional,
    path,
    restore,
    shown,
    strict_flag,
    text,
)
from airflow_provider_campaigns.tasks.deferral import deferral_errors, deferring_pause
from airflow_provider_campaigns.tasks.lineage import read_campaign, wrote_file
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.waiting import Wait
from airflow_provider_campaigns.transport.retry import NO_RETRY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.rules.html_losses import Loss

# The XCom with the HTML before and after, for the cleaning report.
PREVIEW_KEY = "html_preview"
ON_DAMAGE_CHOICES = ("fail", "report")
# Fields of this task's result that the service must not set.
_OWN_FIELDS = ("analysis_path", "html_path", "damage")
_MAX_NAMED = 5
_MAX_REPORTED = 100


class DamagedHtmlError(AirflowFailException):
    """Cleaning lost a merge tag or the whole body; retrying cannot help."""


class CampaignCleanerGetCampaignOperator(RenderedTask):
    """Gets a completed campaign: short values as XCom, the HTML and the lists in files.

    The XCom is the analysis as the service returned it. With ``output_path`` the cleaned HTML is written
    there, and the XCom holds ``html_path`` instead of ``campaign_html``. With ``analysis_path`` the whole
    analysis is written there as JSON, and the XCom holds ``analysis_path`` and only the fields that are
    neither lists nor objects. An XCom of more than 256 KiB is refused: set the paths.

    With ``wait_for_completion`` this task also waits, by the rules of
    :class:`~airflow_provider_campaigns.sensors.campaign_cleaner.CampaignCleanerCampaignSensor`.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param campaign_id: the campaign (templated).
    :param output_path: where to write the HTML: a file path, or any URL that Airflow's ``ObjectStoragePath``
        can write, such as ``s3://aws_default@bucket/clean/{{ run_id }}.html`` (templated).
    :param analysis_path: where to write the whole analysis, likewise (templated).
    :param minimize_html: have the service remove white space from the HTML (templated).
    :param original_html: the HTML that was submitted, to compare with the cleaned one (templated). What
        cleaning lost (merge tags, links, images, text) is in the XCom under ``damage``. Without it, only an
        empty body is found.
    :param on_damage: what a lost merge tag or an empty body does: ``"fail"`` the task
        (:class:`DamagedHtmlError`), or only ``"report"`` it.
    :param keep_preview: push the XCom ``html_preview``, with which the cleaning report shows the HTML before
        (if ``original_html`` is set) and after; at most 100 KiB of each.
    :param wait_for_completion: wait until the campaign is completed.
    :param paused: for the wait: what a paused campaign does to it, ``"fail"`` or ``"wait"``.
    :param deferrable: for the wait: wait in the triggerer, without a worker; ``[operators]
        default_deferrable`` is the default.
    :param poke_interval: for the wait: how often to poll; a timedelta or seconds (templated).
    :param timeout: for the wait: how long it may take in all; a timedelta or seconds (templated). A timeout
        raises ``AirflowSensorTimeout``.
    :param max_failures: for the wait: how many failed polls in a row end it.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    unrendered_if_mapped = ("original_html",)
    without_comment = ("original_html",)
    template_fields: Sequence[str] = (
        "campaign_id",
        "output_path",
        "analysis_path",
        "minimize_html",
        "original_html",
        "poke_interval",
        "timeout",
        "campaign_cleaner_conn_id",
    )
    template_fields_renderers = {"original_html": "html"}  # noqa: RUF012
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": opaque_id,
        "output_path": optional(path),
        "analysis_path": optional(path),
        "minimize_html": flag,
        "original_html": optional(html_text),
        "on_damage": choice(*ON_DAMAGE_CHOICES),
        "keep_preview": strict_flag,
        "wait_for_completion": strict_flag,
        "paused": choice(*PAUSED_CHOICES),
        "deferrable": strict_flag,
        "poke_interval": duration,
        "timeout": duration,
        "max_failures": count,
        "campaign_cleaner_conn_id": text,
    }
    operator_extra_links = REPORT_LINKS
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        output_path: str | None = None,
        analysis_path: str | None = None,
        minimize_html: bool = True,
        original_html: str | None = None,
        on_damage: Literal["fail", "report"] = "fail",
        keep_preview: bool = False,
        wait_for_completion: bool = False,
        paused: Literal["fail", "wait"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float | str = 10,
        timeout: timedelta | float | str = 900,
        max_failures: int = MAX_FAILURES,
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.output_path = output_path
        self.analysis_path = analysis_path
        self.minimize_html = minimize_html
        self.wait_for_completion = wait_for_completion
        self.original_html = original_html
        self.on_damage = on_damage
        self.keep_preview = keep_preview
        self.paused = paused
        self.deferrable = deferrable
        self.poke_interval: Any = poke_interval
        self.timeout: Any = timeout
        self.max_failures = max_failures
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.check_no_comment()
        check_at_parse(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait if asked to, then get the campaign."""
        check_rendered(self)
        save_report_links(context)
        if self.wait_for_completion:
            wait = self._wait(time.time() + self.timeout)
            with self._hook.metrics.wait():
                wait.run(deferring_pause(self, self._trigger, wait.polling) if self.deferrable else None)
        return self._get(context)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Handle the end of the trigger's wait, then get the campaign."""
        restore(self, event["target"], rendered)
        save_report_links(context)
        with self._hook.metrics.wait():
            self._wait(event["deadline"]).result_of(event)
        return self._get(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Turn a deferral timeout into ``AirflowSensorTimeout``."""
        with deferral_errors(self._subject, count_end=self._hook.metrics.wait_ended):
            return super().resume_execution(next_method, next_kwargs, context)

    def _trigger(self, **polling: Any) -> triggers.campaign_cleaner.CampaignCleanerCampaignTrigger:
        return triggers.campaign_cleaner.CampaignCleanerCampaignTrigger(
            campaign_id=self.campaign_id,
            campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
            paused=self.paused,
            **polling,
        )

    def _wait(self, deadline: float) -> Wait:
        return Wait(
            subject=self._subject,
            goal="completed",
            rule=CampaignRule(self.campaign_id, self.paused),
            fetch=lambda: self._hook.get_campaign_status(self.campaign_id, retry=NO_RETRY).status,
            polling=Polling(self.poke_interval, deadline, self.max_failures),
            timeout=self.timeout,
            advice=CAMPAIGN_TIMEOUT_ADVICE,
            metrics=self._hook.metrics,
        )

    def _get(self, context: Context) -> dict[str, Any]:
        # Imported here and below, because only a worker needs them.
        from airflow_provider_campaigns.rules.html_preview import preview
        from airflow_provider_campaigns.tasks.gate import push_result

        campaign = self._hook.get_campaign(self.campaign_id, minimize_html=self.minimize_html)
        if campaign.html is None:
            raise MalformedResponseError(
                f"Campaign Cleaner returned campaign {campaign.id} without campaign_html. Is it completed?"
            )
        read_campaign(self._hook, self.campaign_id)
        found = self._losses(campaign.html)
        lost = None if found is None else [str(each) for each in found[:_MAX_REPORTED]]
        if self.keep_preview:
            push_result(context, preview(self.original_html, campaign.html, lost), PREVIEW_KEY)
        self._fail_if_damaged(found or [])
        # Downstream tasks read the files that these fields name, so they must never come from the service.
        result = {name: value for name, value in campaign.analysis.items() if name not in _OWN_FIELDS}
        if self.analysis_path is not None:
            text = json.dumps(result, ensure_ascii=False)
            written = storage.write(self.analysis_path, text.encode())
            wrote_file(self._hook, written)
            result = {name: value for name, value in result.items() if not isinstance(value, (list, dict))}
            result["analysis_path"] = written
        if self.output_path is None:
            result["campaign_html"] = campaign.html
        else:
            result["html_path"] = storage.write(self.output_path, campaign.html.encode())
            wrote_file(self._hook, result["html_path"])
            self.log.info("Wrote the cleaned HTML to %s.", shown(result["html_path"]))
        if lost is not None:
            result["damage"] = lost
        storage.check_xcom_size(result, "set output_path for the HTML and analysis_path for the lists.")
        return result

    def _losses(self, cleaned: str) -> list[Loss] | None:
        """Return what cleaning lost; None where the original is not known and the body is not empty."""
        from airflow_provider_campaigns.rules.html import Html
        from airflow_provider_campaigns.rules.html_losses import EMPTY_BODY, damage, encoded_tags

        if self.original_html is not None:
            return damage(self.original_html, cleaned)
        if Html(cleaned).is_blank:
            return [EMPTY_BODY]
        if encoded := encoded_tags(cleaned):
            names = ", ".join(encoded[:_MAX_NAMED])
            self.log.warning("The cleaned HTML holds URL-encoded merge tags: %s.", names)
        return None

    def _fail_if_damaged(self, found: Sequence[Loss]) -> None:
        """Log what cleaning lost.

        :raises DamagedHtmlError: a merge tag is lost or the body is empty, and the task shall fail then.
        """
        for each in found[:_MAX_REPORTED]:
            self.log.warning("Cleaning lost %s.", each)
        serious = [each for each in found if each.is_serious]
        if serious and self.on_damage == "fail":
            more = f" and {len(serious) - _MAX_NAMED} more" if len(serious) > _MAX_NAMED else ""
            raise DamagedHtmlError(
                f"{self._subject}: cleaning lost "
                f"{'; '.join(map(str, serious[:_MAX_NAMED]))}{more}. Change the settings of the submission "
                f"(such as remove_comments), or set on_damage='report'."
            )

    @property
    def _subject(self) -> str:
        return f"Campaign {self.campaign_id}"

    @cached_property
    def _hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
