"""Operators for Campaign Cleaner: submit a campaign, get what became of it, hold it against thresholds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    BaseOperator,
    conf,
)

from airflow_provider_campaigns import quality, storage
from airflow_provider_campaigns.api._call import Call
from airflow_provider_campaigns.api._values import check_opaque_id
from airflow_provider_campaigns.api.campaign_cleaner import (
    CampaignSettings,
    get_campaign_ids,
    send_campaign,
)
from airflow_provider_campaigns.arguments import (
    check_choice,
    check_count,
    check_if_literal,
    is_rendered_later,
    seconds,
)
from airflow_provider_campaigns.completion import PAUSED_CHOICES, WHEN_LATE, Completion
from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    BadRequestError,
    BlockedAtEdgeError,
    DeadlinePassedError,
    MalformedAnswerError,
    NotConnectedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    ServiceUnavailableError,
    SubmissionLostError,
    UnreachableError,
    UntrustedServerError,
)
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.links import CampaignCleanerLink, keep_campaign_cleaner_link
from airflow_provider_campaigns.memory import Memory, marker, may_have_been_tried
from airflow_provider_campaigns.operators._deferring import DeferringOperator
from airflow_provider_campaigns.operators._gating import GateOperator
from airflow_provider_campaigns.patience import look_patiently
from airflow_provider_campaigns.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.storage import check_path
from airflow_provider_campaigns.transport.retry import ONCE
from airflow_provider_campaigns.triggers._waiting import BACKSTOP, said_in
from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


# Outcomes that leave no doubt: Campaign Cleaner did not take the campaign, and trying again spends nothing.
_NOT_TAKEN = (
    AuthenticationError,
    BadRequestError,
    BlockedAtEdgeError,
    NotConnectedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    UntrustedServerError,
)

# A submission whose answer was lost may take this long to be listed.
SETTLING_SECONDS = 10.0
_SUBMITTED = "submitted"
_OWN_MEMBERS = ("analysis_path", "html_path")


class SubmissionUncertainError(AirflowFailException):
    """Campaign Cleaner may have taken a campaign, and spent a credit, without saying so.

    Airflow does not retry the task: submitting again is for a person to decide, who can look the campaign up.
    """


class QualityGateClosedError(AirflowFailException):
    """An analysis breaks a threshold; retrying cannot help."""


class CampaignCleanerSubmitCampaignOperator(BaseOperator):
    """Submits HTML to Campaign Cleaner; its XCom is the campaign's id.

    A submission spends a credit, and the service cannot recognise a repetition. So it is sent once, and the
    campaign's name gets a word at its end (such as ``af-3f9a2c81d0e7``) that is the same in all tries of this
    task in this run. Where a try does not know whether its submission arrived (the answer was lost, the
    worker died), that word is looked for in the account's list of campaigns: in the same try, and again in
    the next one, before anything is submitted again. What is found there is the result. From Airflow 3.3 on,
    the id is also kept in the task's state store.

    Where the campaign is not listed either,
    :class:`~airflow_provider_campaigns.exceptions.SubmissionLostError` fails the try; with ``retries``, the
    next one looks again and submits only if it still is not listed. Clearing the task submits anew, and
    spends a credit.

    With ``durable=False`` the name stays as it is, nothing is looked for, and a try that does not know what
    became of its submission fails with :class:`SubmissionUncertainError`, which ``retries`` do not repeat.

    Airflow renders ``campaign_html`` like every template. HTML that holds merge tags such as
    ``{{firstName}}`` must not be rendered: pass it as another task's output, or as ``literal(html)``.

    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML (templated).
    :param campaign_name: the name to submit it under (templated).
    :param custom_info: free text of at most 500 characters that comes back with the result (templated).
    :param webhook_url: absolute URL that receives the result (templated).
    :param settings: what to do to the HTML, as
        :class:`~airflow_provider_campaigns.api.campaign_cleaner.CampaignSettings` or as a mapping with the
        vendor's names (templated); what is None is left to the service's default.
    :param durable: find a submission again rather than repeat it.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_html",
        "campaign_name",
        "custom_info",
        "webhook_url",
        "settings",
        "campaign_cleaner_conn_id",
    )
    template_fields_renderers = {"campaign_html": "html", "settings": "json"}  # noqa: RUF012
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_html: str,
        campaign_name: str,
        custom_info: str | None = None,
        webhook_url: str | None = None,
        settings: CampaignSettings | Mapping[str, Any] | None = None,
        durable: bool = True,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(settings, CampaignSettings):
            settings = settings.as_dict()
        arguments: dict[str, Any] = {
            "campaign_html": campaign_html,
            "campaign_name": campaign_name,
            "custom_info": custom_info,
            "webhook_url": webhook_url,
            "settings": settings,
        }
        if isinstance(campaign_html, str) and "{#" in campaign_html:
            raise ValueError(
                "campaign_html holds '{#', which begins a comment in a template: what follows would be lost. "
                "Pass the HTML as another task's output or as literal(html): neither is rendered."
            )
        known = {name: value for name, value in arguments.items() if not is_rendered_later(value)}
        send_campaign(**{"campaign_html": "later", "campaign_name": "later", **known})
        self.campaign_html = campaign_html
        self.campaign_name = campaign_name
        self.custom_info = custom_info
        self.webhook_url = webhook_url
        self.settings = settings
        self.durable = durable
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render the templates, and say what to do where a merge tag was taken for one."""
        from jinja2 import TemplateError

        try:
            super().render_template_fields(context, jinja_env)
        except TemplateError as error:
            raise ValueError(
                f"A template of this task cannot be rendered: {error}. If that is a merge tag for the mail "
                f"(such as {{{{firstName}}}}) in campaign_html, pass the HTML as another task's output or as "
                f"literal(html): neither is rendered."
            ) from error

    def execute(self, context: Context) -> str:
        """Submit the campaign, unless an earlier try did."""
        keep_campaign_cleaner_link(context)
        call = self._call(self.campaign_name)
        if not self.durable or "ti" not in context:  # no task instance: somebody calls execute() by hand
            return self._submit(call)
        word, memory = marker(context), Memory(context)
        call = self._call(f"{self.campaign_name} {word}")
        kept = memory.recall(_SUBMITTED)
        if isinstance(kept, Mapping) and kept.get("marker") == word:
            self.log.info("An earlier try has submitted this as campaign %s.", kept["campaign_id"])
            return str(kept["campaign_id"])
        campaign_id = self._submitted_before(word) if may_have_been_tried(context) else None
        if campaign_id is None:
            campaign_id = self._submit_or_find(call, word)
        memory.keep(_SUBMITTED, {"marker": word, "campaign_id": campaign_id})
        return campaign_id

    def _call(self, campaign_name: str) -> Call[str]:
        return send_campaign(
            self.campaign_html,
            campaign_name,
            custom_info=self.custom_info,
            webhook_url=self.webhook_url,
            settings=self.settings,
        )

    def _submitted_before(self, word: str) -> str | None:
        """Return the campaign that an earlier try submitted, if the service lists it."""
        found = self._find(word)
        self.log.info(
            "An earlier try may have submitted this. Campaign Cleaner lists it as %s.", found or "nothing"
        )
        return found

    def _submit_or_find(self, call: Call[str], word: str) -> str:
        try:
            return self._submit(call)
        except SubmissionUncertainError as error:
            if isinstance(error.__cause__, AirflowTaskTimeout):
                raise SubmissionLostError(f"{error} A retry looks for it first.") from error
            self.log.warning("%s", error)
            found = self._find(word)
            if found is None:
                raise SubmissionLostError(
                    f"Campaign Cleaner did not say whether it took {self.campaign_name!r}, and does not list "
                    f"it under {word!r}. A retry looks again before it submits. ({error.__cause__})"
                ) from error
            self.log.info("Campaign Cleaner has it: campaign %s.", found)
            return found

    def _find(self, word: str) -> str | None:
        """Look for a submission in the list of campaigns, twice, since it may have just been taken."""
        for pause in (0.0, SETTLING_SECONDS):
            time.sleep(pause)
            try:
                found = self._hook.find_campaign(word)
            except MalformedAnswerError as error:
                raise MalformedAnswerError(
                    f"{error} Without the list nobody knows whether a submission arrived, so nothing was "
                    f"submitted. If the account has no campaign at all, start a new run."
                ) from error
            if found:
                return found
        return None

    def _submit(self, call: Call[str]) -> str:
        client = self._hook.get_conn()
        try:
            campaign_id = client.send(call)
        except _NOT_TAKEN:
            raise
        except (Exception, AirflowTaskTimeout) as error:
            raise SubmissionUncertainError(
                f"It is not known whether Campaign Cleaner took the campaign: {error} Look for "
                f"{self.campaign_name!r} in Campaign Cleaner. If it is not there, clear this task to submit "
                f"it again, which spends a credit."
            ) from error
        self.log.info("Campaign Cleaner took %r as campaign %s.", self.campaign_name, campaign_id)
        return campaign_id

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)


class CampaignCleanerGetCampaignOperator(DeferringOperator):
    """Fetches a completed campaign: what is small goes to XCom, the HTML and the lists where a path says.

    The XCom is the analysis as the service gave it. With ``output_path`` the cleaned HTML is written there,
    and the XCom holds ``html_path`` instead of ``campaign_html``. With ``analysis_path`` the whole analysis
    is written there as JSON, and the XCom holds ``analysis_path`` and, of the analysis, only what is no list
    and no object. An XCom of more than 256 KiB is refused: give the paths.

    With ``wait_for_completion`` this one task also waits, by the rules of
    :class:`~airflow_provider_campaigns.sensors.campaign_cleaner.CampaignCleanerCampaignSensor`.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param campaign_id: the campaign (templated).
    :param output_path: where to write the HTML: a file path, or any URL that Airflow's ``ObjectStoragePath``
        can write, such as ``s3://aws_default@bucket/clean/{{ run_id }}.html`` (templated).
    :param analysis_path: where to write the whole analysis, likewise (templated).
    :param minimize_html: let the service squeeze the white space out of the HTML.
    :param wait_for_completion: wait until the campaign is completed.
    :param paused: for the wait: what a paused campaign does to it, ``"fail"`` or ``"wait"``.
    :param deferrable: for the wait: wait in the triggerer, without a worker; ``[operators]
        default_deferrable`` decides by default.
    :param poke_interval: for the wait: how often to look; a timedelta or seconds.
    :param timeout: for the wait: how long it may take in all; a timedelta or seconds. Running out raises
        ``AirflowSensorTimeout``.
    :param max_failures: for the wait: how many failed looks in a row end it.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_id",
        "output_path",
        "analysis_path",
        "campaign_cleaner_conn_id",
    )
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        output_path: str | None = None,
        analysis_path: str | None = None,
        minimize_html: bool = True,
        wait_for_completion: bool = False,
        paused: Literal["fail", "wait"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 10,
        timeout: timedelta | float = 900,
        max_failures: int = MAX_FAILURES,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        for name, path in (("output_path", output_path), ("analysis_path", analysis_path)):
            if path is not None:
                check_if_literal(check_path, path, name)
        self.campaign_id = campaign_id
        self.output_path = output_path
        self.analysis_path = analysis_path
        self.minimize_html = minimize_html
        self.wait_for_completion = wait_for_completion
        self.paused = check_choice(paused, PAUSED_CHOICES, "paused")
        self.deferrable = deferrable
        self.poke_interval = seconds(poke_interval, "poke_interval")
        self.timeout = seconds(timeout, "timeout")
        self.max_failures = check_count(max_failures, "max_failures")
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    @property
    def subject(self) -> str:
        """The campaign."""
        return f"Campaign {self.campaign_id}"

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait if asked to, then fetch the campaign and put its parts where they belong."""
        check_opaque_id(self.campaign_id, "campaign_id")
        for name, path in (("output_path", self.output_path), ("analysis_path", self.analysis_path)):
            if path is not None:
                check_path(path, name)
        keep_campaign_cleaner_link(context)
        if self.wait_for_completion:
            with self._hook.metrics.wait():
                self._wait(time.time() + self.timeout)
        return self._fetch()

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Act on how the trigger's wait ended, and fetch."""
        keep_campaign_cleaner_link(context)
        with self._hook.metrics.wait():
            self._completion.is_reached(said_in(event, self._time_out))
        return self._fetch()

    def _wait(self, deadline: float) -> None:
        """Wait on this worker, or hand the wait to the triggerer."""
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        if self.deferrable:
            _ = self._hook.account  # a connection that cannot work is better told here than by the triggerer
            self.defer(
                trigger=CampaignCleanerCampaignTrigger(
                    campaign_id=self.campaign_id,
                    campaign_cleaner_conn_id=self.campaign_cleaner_conn_id,
                    waiting_states=self._completion.waiting_states,
                    poke_interval=self.poke_interval,
                    deadline=deadline,
                    max_failures=self.max_failures,
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout + BACKSTOP),
            )
        state = None
        while True:
            try:
                state = look_patiently(
                    lambda: self._hook.get_campaign_status(self.campaign_id, retry=ONCE).status,
                    polling,
                    self._hook.metrics,
                )
            except DeadlinePassedError as error:
                self._time_out(state, str(error))
            self.log.info("Campaign %s is %s.", self.campaign_id, state)
            if self._completion.is_reached(state):
                return
            pause = polling.after_answer(time.time(), spread=random.random())
            if pause is None:
                self._time_out(state)
            time.sleep(pause)

    def _fetch(self) -> dict[str, Any]:
        campaign = self._hook.get_campaign(self.campaign_id, minimize_html=self.minimize_html)
        if campaign.html is None:
            raise MalformedAnswerError(
                f"Campaign Cleaner gave campaign {campaign.id} back without campaign_html. Is it completed?"
            )
        # A path in it is this task's, and never the service's: somebody behind it reads the file.
        result = {name: value for name, value in campaign.analysis.items() if name not in _OWN_MEMBERS}
        if self.analysis_path is not None:
            text = json.dumps(result, ensure_ascii=False)
            written = storage.write(self.analysis_path, text.encode())
            result = {name: value for name, value in result.items() if not isinstance(value, (list, dict))}
            result["analysis_path"] = written
        if self.output_path is None:
            result["campaign_html"] = campaign.html
        else:
            result["html_path"] = storage.write(self.output_path, campaign.html.encode())
            self.log.info("Wrote the cleaned HTML to %s.", result["html_path"])
        storage.check_small(result, "give output_path for the HTML and analysis_path for the lists.")
        return result

    def _time_out(self, state: str | None, trouble: str | None = None) -> NoReturn:
        raise AirflowSensorTimeout(
            f"Campaign {self.campaign_id} was not completed within {self.timeout:g} s "
            f"(last: {state or 'never seen'}){f': {trouble}' if trouble else '.'} {WHEN_LATE}"
        )

    @property
    def _completion(self) -> Completion:
        return Completion(self.campaign_id, self.paused)

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)


class CampaignCleanerGetPdfAnalysisOperator(BaseOperator):
    """Writes the analysis of a completed campaign as a PDF; its XCom is the path.

    What the service sends is written only if it is a PDF.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-pdf-analysis

    :param campaign_id: the campaign (templated).
    :param output_path: where to write it: a file path, or any URL that Airflow's ``ObjectStoragePath`` can
        write (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "output_path", "campaign_cleaner_conn_id")
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        output_path: str,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        check_if_literal(check_path, output_path, "output_path")
        self.campaign_id = campaign_id
        self.output_path = output_path
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def execute(self, context: Context) -> str:
        """Fetch the PDF and write it."""
        check_path(self.output_path, "output_path")
        keep_campaign_cleaner_link(context)
        pdf = CampaignCleanerHook(self.campaign_cleaner_conn_id).get_campaign_pdf_analysis(self.campaign_id)
        path = storage.write(self.output_path, pdf)
        self.log.info("Wrote %s bytes of PDF to %s.", f"{len(pdf):,}", path)
        return path


class CampaignCleanerDeleteCampaignOperator(BaseOperator):
    """Deletes a campaign from Campaign Cleaner, for good.

    What comes of deleting a campaign twice is not documented. So where the answer is lost, or a later try is
    told that there is nothing to delete, the list of campaigns decides: one that is not there any more has
    been deleted. A refusal of the first try is an error.

    https://docs.campaigncleaner.com/api-reference/endpoint/delete-campaign

    :param campaign_id: the campaign (templated).
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "campaign_cleaner_conn_id")
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def execute(self, context: Context) -> None:
        """Delete the campaign."""
        keep_campaign_cleaner_link(context)
        hook = CampaignCleanerHook(self.campaign_cleaner_conn_id)
        may_be_gone = "ti" in context and may_have_been_tried(context)
        try:
            hook.delete_campaign(self.campaign_id)
        except (RejectedError, NotFoundError, UnreachableError, ServiceUnavailableError) as error:
            if isinstance(error, (RejectedError, NotFoundError)) and not may_be_gone:
                raise
            if self.campaign_id.lower() in hook.send(get_campaign_ids()):
                raise
            self.log.info("Campaign Cleaner does not list campaign %s any more.", self.campaign_id)
        else:
            self.log.info("Campaign Cleaner has deleted campaign %s.", self.campaign_id)


class CampaignCleanerQualityGateOperator(GateOperator):
    """Lets a run go on only while a campaign's analysis keeps within thresholds.

    Every threshold that is set needs its figure: one that the analysis does not hold closes the gate. The
    report names each broken threshold with the value that was found and the links, words or images to
    repair; it is the XCom, whether the gate opens or not: ``passed`` and ``breaches``, each with
    ``threshold``, ``limit``, ``value`` and ``offending``.

    :param analysis: what ``CampaignCleanerGetCampaignOperator`` returned (templated). Where it holds an
        ``analysis_path``, the whole analysis is read from there.
    :param max_broken_links: links that did not work.
    :param max_blacklisted_links: links to blacklisted domains.
    :param max_spam_keyword_ratio: share of spam words, as the service gives it.
    :param max_capitals_ratio: share of words in capitals, 0 to 1.
    :param min_text_image_ratio: text in relation to images, as the service gives it.
    :param max_oversized_images: images that are too large.
    :param on_closed: what a gate that does not open does to the run: ``"fail"`` it
        (:class:`QualityGateClosedError`, which retries do not repeat), or ``"skip"`` what stands behind it.
    """

    template_fields: Sequence[str] = ("analysis",)
    template_fields_renderers = {"analysis": "json"}  # noqa: RUF012
    operator_extra_links = (CampaignCleanerLink(),)
    closed_error = QualityGateClosedError
    ui_color = "#ffe2b8"

    def __init__(
        self,
        *,
        analysis: Mapping[str, Any],
        max_broken_links: float | None = None,
        max_blacklisted_links: float | None = None,
        max_spam_keyword_ratio: float | None = None,
        max_capitals_ratio: float | None = None,
        min_text_image_ratio: float | None = None,
        max_oversized_images: float | None = None,
        on_closed: Literal["fail", "skip"] = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.thresholds = quality.Thresholds(
            max_broken_links=max_broken_links,
            max_blacklisted_links=max_blacklisted_links,
            max_spam_keyword_ratio=max_spam_keyword_ratio,
            max_capitals_ratio=max_capitals_ratio,
            min_text_image_ratio=min_text_image_ratio,
            max_oversized_images=max_oversized_images,
        )
        check_if_literal(_check_analysis, analysis, "analysis")
        self.analysis = analysis
        self.on_closed = check_choice(on_closed, ("fail", "skip"), "on_closed")

    def execute(self, context: Context) -> dict[str, Any]:
        """Hold the analysis against the thresholds."""
        keep_campaign_cleaner_link(context)
        found = quality.breaches(self._whole_analysis(), self.thresholds)
        report = {"passed": not found, "breaches": [breach.as_dict() for breach in found]}
        if not found:
            self.log.info("The analysis keeps within all thresholds.")
            return report
        told = "; ".join(map(str, found))
        self.log.warning("%s", told)
        self.keep_result(context, report)
        if self.on_closed == "fail":
            raise QualityGateClosedError(f"The campaign is not good enough to send: {told}.")
        self.skip_downstream(context)
        return report

    def _whole_analysis(self) -> Mapping[str, Any]:
        _check_analysis(self.analysis, "analysis")
        path = self.analysis.get("analysis_path")
        if path is None:
            return self.analysis
        try:
            analysis = json.loads(storage.read_text(path))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path!r} holds no analysis: {error}") from None
        _check_analysis(analysis, f"the content of {path!r}")
        return dict(analysis)


def _check_analysis(analysis: Any, name: str) -> None:
    if not isinstance(analysis, Mapping):
        raise ValueError(
            f"{name} must be the analysis of a campaign, a mapping, got {type(analysis).__name__}. Pass the "
            f"output of a CampaignCleanerGetCampaignOperator."
        )
