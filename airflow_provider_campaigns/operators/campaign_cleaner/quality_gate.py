"""Let a run go on only while a campaign's analysis is within thresholds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_campaigns.airflow_compat import shows_pages
from airflow_provider_campaigns.api.field_types import FieldType, as_type
from airflow_provider_campaigns.api.response import text_or_none
from airflow_provider_campaigns.links import REPORT_LINKS, report_address, save_report_links
from airflow_provider_campaigns.rules import quality_gate, questions
from airflow_provider_campaigns.tasks import storage
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_rendered,
    limit,
    mapping,
    optional,
    path,
    shown,
)
from airflow_provider_campaigns.tasks.asking import ASK_ARGUMENTS, ASK_TIMEOUT, Answered, AskingGate, Closed
from airflow_provider_campaigns.tasks.gate import on_closed_choice, push_result

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.metrics import Metrics


# The XCom with the value of every threshold, for the cleaning report.
CHECKS_KEY = "quality_checks"
_THRESHOLDS = tuple(each.name for each in fields(quality_gate.Thresholds))


def _analysis(value: Any, name: str) -> Mapping[str, Any]:
    try:
        return mapping(value, name)
    except ValueError:
        raise ValueError(
            f"{name} must be the analysis of a campaign, a mapping, got {type(value).__name__}. Pass the "
            f"output of a CampaignCleanerGetCampaignOperator."
        ) from None


def _links(value: Any, name: str) -> tuple[str, ...]:
    return tuple(as_type(value, [FieldType.STRING], name))


def _known_name(analysis: Mapping[str, Any]) -> str | None:
    """Return the campaign's name, or else its id, where the analysis has them."""
    return text_or_none(analysis.get("campaign_name")) or text_or_none(analysis.get("campaign_id"))


def _subject(analysis: Mapping[str, Any]) -> str:
    """Return what messages call the campaign."""
    known = _known_name(analysis)
    return f"Campaign {shown(known)}" if known else "The campaign"


def _for_page(analysis: Mapping[str, Any], checks: Sequence[quality_gate.Check]) -> dict[str, Any]:
    """Return what the cleaning report shows of a gate."""
    known = {name: text_or_none(analysis.get(name)) for name in ("campaign_id", "campaign_name")}
    return {**known, "checks": [{**each.as_dict(), "is_broken": each.is_broken} for each in checks]}


class QualityGateClosedError(AirflowFailException):
    """An analysis breaks a threshold; retrying cannot help."""


class CampaignCleanerQualityGateOperator(AskingGate):
    """Lets a run go on only while a campaign's analysis is within thresholds.

    A threshold that is set needs its value: an analysis without it closes the gate. The XCom is a report,
    whether the gate opens or not: ``passed`` and ``breaches``, each with ``threshold``, ``limit``, ``value``
    and ``offending`` (the links, words or images to fix).

    :param analysis: what ``CampaignCleanerGetCampaignOperator`` returned (templated). If it holds an
        ``analysis_path``, the whole analysis is read from there.
    :param max_broken_links: how many links may be broken (templated). Merge tags such as
        ``{unsubscribe_link}`` do not count as links.
    :param max_blacklisted_links: how many links may lead to blacklisted domains (templated).
    :param max_spam_keyword_ratio: share of spam words, as the service reports it (templated).
    :param max_capitals_ratio: share of words in capitals, 0 to 1 (templated).
    :param min_text_image_ratio: text in relation to images, as the service reports it (templated).
    :param max_oversized_images: how many images may be too large (templated).
    :param ignore_links: URLs that may be broken or blacklisted; ``*`` in one stands for any text (templated).
    :param on_closed: what a closed gate does to the run: ``"fail"`` it (:class:`QualityGateClosedError`,
        which retries do not repeat), ``"skip"`` the gate itself and the downstream tasks, or ``"ask"`` a
        person (Airflow 3.1 and later) (templated). After an answer the gate reads the analysis again.
    :param ask_timeout: these five are as in
        :class:`~airflow_provider_campaigns.operators.instantly.InstantlySendGateOperator`.
    :param ask_timeout_action: see ``ask_timeout``.
    :param ask_users: see ``ask_timeout``.
    :param ask_notifiers: see ``ask_timeout``.
    :param allow_override: see ``ask_timeout``.
    :param report_path: a file or URL of object storage that gets the report as JSON, whether the gate opens
        or not (templated).
    """

    unrendered_if_mapped = ("analysis",)
    template_fields: Sequence[str] = ("analysis", *_THRESHOLDS, "ignore_links", "on_closed", "report_path")
    arguments: ClassVar[Mapping[str, Check]] = {
        "analysis": _analysis,
        **dict.fromkeys(_THRESHOLDS, optional(limit)),
        "ignore_links": _links,
        "on_closed": on_closed_choice,
        **ASK_ARGUMENTS,
        "report_path": optional(path),
    }
    template_fields_renderers = {"analysis": "json"}  # noqa: RUF012
    operator_extra_links = REPORT_LINKS
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
        ignore_links: Sequence[str] = (),
        on_closed: Literal["fail", "skip", "ask"] = "fail",
        ask_timeout: timedelta | float | str = ASK_TIMEOUT,
        ask_timeout_action: Literal["fail", "skip"] = "fail",
        ask_users: Sequence[Mapping[str, str]] | None = None,
        ask_notifiers: Sequence[Callable[[Context], Any]] = (),
        allow_override: bool = False,
        report_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.analysis = analysis
        self.max_broken_links = max_broken_links
        self.max_blacklisted_links = max_blacklisted_links
        self.max_spam_keyword_ratio = max_spam_keyword_ratio
        self.max_capitals_ratio = max_capitals_ratio
        self.min_text_image_ratio = min_text_image_ratio
        self.max_oversized_images = max_oversized_images
        self.ignore_links = ignore_links
        self.on_closed = on_closed
        self._init_asking(
            ask_timeout=ask_timeout,
            ask_timeout_action=ask_timeout_action,
            ask_users=ask_users,
            ask_notifiers=ask_notifiers,
            allow_override=allow_override,
        )
        self.report_path: Any = report_path
        if all(getattr(self, name) is None for name in _THRESHOLDS):
            raise ValueError(f"Set at least one threshold: {', '.join(_THRESHOLDS)}.")
        self._check_at_parse()

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare the analysis with the thresholds."""
        check_rendered(self)
        self.check_downstream(context)
        return self.recheck(context)

    def recheck(self, context: Context, answered: Answered | None = None) -> dict[str, Any]:
        """Compare the analysis as it is now, which the task that wrote it may have replaced."""
        check_rendered(self)
        save_report_links(context)
        thresholds = quality_gate.Thresholds(**{name: getattr(self, name) for name in _THRESHOLDS})
        analysis = self._whole_analysis()
        checks = quality_gate.checks(analysis, thresholds, ignore_links=self.ignore_links)
        if shows_pages():
            push_result(context, _for_page(analysis, checks), CHECKS_KEY)
        found = [each for each in checks if each.is_broken]
        report = {"passed": not found, "breaches": [breach.as_dict() for breach in found]}
        self._write(report)
        subject = _subject(analysis)
        if not found:
            self.log.info("%s is within all thresholds.", subject)
            self.gate_metrics().gate("opened")
            return report
        reasons = f"{subject} breaks a threshold: {'; '.join(map(str, found))}."
        self.log.warning("%s", reasons)
        topic = questions.about_breaches(
            found, _known_name(analysis) or "of this run", report_address(context)
        )
        report = self.close(context, Closed(report, reasons, lambda: topic), answered)
        self._write(report)
        return report

    def gate_metrics(self) -> Metrics:
        """Return metrics without a connection."""
        from airflow_provider_campaigns.metrics import on_worker

        return on_worker("campaign_cleaner", None)

    def _rendered_for_answer(self) -> dict[str, Any]:
        """Leave out the analysis: a recheck reads the newest, which is also what the downstream tasks get."""
        return {name: value for name, value in super()._rendered_for_answer().items() if name != "analysis"}

    def _write(self, report: Mapping[str, Any]) -> None:
        if self.report_path is not None:
            storage.write(self.report_path, json.dumps(report, ensure_ascii=False).encode())

    def _whole_analysis(self) -> Mapping[str, Any]:
        given = self.analysis.get("analysis_path")
        if given is None:
            return self.analysis
        source = path(given, "analysis_path of the analysis")
        content = storage.read_text(source)
        try:
            analysis = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{shown(source)} is not an analysis: {error}") from None
        return dict(_analysis(analysis, f"the content of {shown(source)}"))
