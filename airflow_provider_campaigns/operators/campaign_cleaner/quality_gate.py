"""Let a run go on only while a campaign's analysis keeps within thresholds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, SkipMixin

from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.rules import quality_gate
from airflow_provider_campaigns.tasks import storage
from airflow_provider_campaigns.tasks.arguments import check_choice, check_unless_templated
from airflow_provider_campaigns.tasks.gate import ON_CLOSED_CHOICES, push_result, skip_downstream

if TYPE_CHECKING:
    from airflow.sdk import Context


class QualityGateClosedError(AirflowFailException):
    """An analysis breaks a threshold; retrying cannot help."""


class CampaignCleanerQualityGateOperator(BaseOperator, SkipMixin):
    """Lets a run go on only while a campaign's analysis keeps within thresholds.

    A threshold that is set needs its value: an analysis without it closes the gate. The XCom is a report,
    whether the gate opens or not: ``passed`` and ``breaches``, each with ``threshold``, ``limit``, ``value``
    and ``offending`` (the links, words or images to fix).

    :param analysis: what ``CampaignCleanerGetCampaignOperator`` returned (templated). If it holds an
        ``analysis_path``, the whole analysis is read from there.
    :param max_broken_links: how many links may be broken.
    :param max_blacklisted_links: how many links may lead to blacklisted domains.
    :param max_spam_keyword_ratio: share of spam words, as the service reports it.
    :param max_capitals_ratio: share of words in capitals, 0 to 1.
    :param min_text_image_ratio: text in relation to images, as the service reports it.
    :param max_oversized_images: how many images may be too large.
    :param on_closed: what a closed gate does to the run: ``"fail"`` it (:class:`QualityGateClosedError`,
        which retries do not repeat), or ``"skip"`` the downstream tasks.
    """

    template_fields: Sequence[str] = ("analysis",)
    template_fields_renderers = {"analysis": "json"}  # noqa: RUF012
    operator_extra_links = (CampaignCleanerLink(),)
    inherits_from_skipmixin = True
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
        self.thresholds = quality_gate.Thresholds(
            max_broken_links=max_broken_links,
            max_blacklisted_links=max_blacklisted_links,
            max_spam_keyword_ratio=max_spam_keyword_ratio,
            max_capitals_ratio=max_capitals_ratio,
            min_text_image_ratio=min_text_image_ratio,
            max_oversized_images=max_oversized_images,
        )
        check_unless_templated(_check_analysis, analysis, "analysis")
        self.analysis = analysis
        self.on_closed = check_choice(on_closed, ON_CLOSED_CHOICES, "on_closed")

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare the analysis with the thresholds."""
        save_campaign_cleaner_link(context)
        found = quality_gate.breaches(self._whole_analysis(), self.thresholds)
        report = {"passed": not found, "breaches": [breach.as_dict() for breach in found]}
        if not found:
            self.log.info("The analysis keeps within all thresholds.")
            return report
        reasons = "; ".join(map(str, found))
        self.log.warning("%s", reasons)
        push_result(context, report)
        if self.on_closed == "fail":
            raise QualityGateClosedError(f"The campaign breaks a threshold: {reasons}.")
        skip_downstream(self, context, QualityGateClosedError)
        return report

    def _whole_analysis(self) -> Mapping[str, Any]:
        _check_analysis(self.analysis, "analysis")
        path = self.analysis.get("analysis_path")
        if path is None:
            return self.analysis
        try:
            analysis = json.loads(storage.read_text(path))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path!r} is not an analysis: {error}") from None
        _check_analysis(analysis, f"the content of {path!r}")
        return dict(analysis)


def _check_analysis(analysis: Any, name: str) -> None:
    if not isinstance(analysis, Mapping):
        raise ValueError(
            f"{name} must be the analysis of a campaign, a mapping, got {type(analysis).__name__}. Pass the "
            f"output of a CampaignCleanerGetCampaignOperator."
        )
