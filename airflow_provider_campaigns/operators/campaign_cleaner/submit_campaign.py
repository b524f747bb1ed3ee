"""Submit a campaign's HTML to Campaign Cleaner."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.api.campaign_cleaner import MAX_CUSTOM_INFO, CampaignSettings, send_campaign
from airflow_provider_campaigns.api.campaign_cleaner.settings import SETTINGS, settings_as_dict
from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    CertificateError,
    ConnectError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    SubmissionUnconfirmedError,
)
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    any_text,
    check_at_parse,
    check_rendered,
    html_text,
    mapping,
    optional,
    path,
    shown,
    strict_flag,
    text,
)
from airflow_provider_campaigns.tasks.lineage import wrote_campaign
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.storage import read_text
from airflow_provider_campaigns.tasks.task_state import TaskState, is_retry_or_cleared, submission_marker
from airflow_provider_campaigns.tasks.templates import NestedFields

if TYPE_CHECKING:
    from airflow.sdk import Context

# Errors after which Campaign Cleaner certainly did not accept the campaign, so that a retry spends nothing.
_NOT_ACCEPTED = (
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    CertificateError,
    ConnectError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
)
# How long Campaign Cleaner may take to list a new campaign.
LISTING_DELAY_SECONDS = 10.0
_SUBMITTED = "submitted"


def _settings(value: Any, name: str) -> dict[str, Any]:
    settings = mapping(value, name)
    settings_as_dict(settings)  # raises for a setting that is not valid
    return dict(settings)


def _custom_info(value: Any, name: str) -> str:
    info = any_text(value, name)
    if len(info) > MAX_CUSTOM_INFO:
        raise ValueError(f"{name} must have at most {MAX_CUSTOM_INFO} characters, got {len(info)}.")
    return info


def _webhook_url(value: Any, name: str) -> str:
    url = text(value, name)
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{name} must be an absolute URL, got {shown(url)}.")
    return url


class SubmissionUnconfirmedNoRetryError(AirflowFailException):
    """A submission got no response, and its name has no marker to search for.

    Campaign Cleaner may have accepted the campaign and spent a credit, so Airflow does not retry the task: a
    person searches for the campaign and decides.
    """


class CampaignCleanerSubmitCampaignOperator(RenderedTask):
    """Submits HTML to Campaign Cleaner; its XCom is the campaign's id.

    A submission spends a credit, and the service cannot recognise a repeated one. So it is sent once, and the
    campaign's name ends in a marker (such as ``af-3f9a2c81d0e7``) that is the same in all tries of this task
    in this run. If a try does not know whether its submission arrived (no response, or the worker died), the
    operator searches the account's list of campaigns for the marker before it submits again: in the same try,
    and in the next one. A campaign that it finds is the result. From Airflow 3.3 on, the task's state store
    also holds the id.

    If the campaign is not listed either,
    :class:`~airflow_provider_campaigns.exceptions.SubmissionUnconfirmedError` fails the try. With
    ``retries``, the next try searches again, and submits only if the campaign is still not listed. Clearing
    the task submits again and spends a credit.

    With ``durable=False`` the name stays unchanged and there is no search. A try that does not know whether
    its submission arrived fails with :class:`SubmissionUnconfirmedNoRetryError`, which ``retries`` do not
    repeat.

    Airflow renders ``campaign_html`` like every template. HTML with merge tags such as ``{{firstName}}`` must
    not be rendered: pass it as another task's output, or as ``literal(html)``.

    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML (templated); either this or ``html_path``.
    :param html_path: a UTF-8 file with the HTML: a path or any URL that Airflow's ``ObjectStoragePath`` can
        read (templated). Its content is not rendered.
    :param campaign_name: the name of the campaign (templated).
    :param custom_info: a string of at most 500 characters that comes back with the result (templated).
    :param webhook_url: absolute URL that receives the result (templated).
    :param settings: what to do to the HTML, as
        :class:`~airflow_provider_campaigns.api.campaign_cleaner.CampaignSettings` or as a mapping with the
        vendor's names, ``more`` for undocumented ones (templated); for None, the service's default applies.
    :param durable: find an earlier submission instead of repeating it.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    unrendered_if_mapped = ("campaign_html",)
    without_comment = ("campaign_html", "campaign_name", "custom_info")
    template_fields: Sequence[str] = (
        "campaign_html",
        "html_path",
        "campaign_name",
        "custom_info",
        "webhook_url",
        "settings",
        "campaign_cleaner_conn_id",
    )
    template_fields_renderers = {"campaign_html": "html", "settings": "json"}  # noqa: RUF012
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_html": optional(html_text),
        "html_path": optional(path),
        "campaign_name": text,
        "custom_info": optional(_custom_info),
        "webhook_url": optional(_webhook_url),
        "settings": optional(_settings),
        "durable": strict_flag,
        "campaign_cleaner_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {"settings": {*SETTINGS, "more"}}
    nested_fields: ClassVar[Mapping[str, NestedFields]] = {
        "settings": NestedFields(texts=("relative_links_base_url",))
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_html: str | None = None,
        html_path: str | None = None,
        campaign_name: str,
        custom_info: str | None = None,
        webhook_url: str | None = None,
        settings: CampaignSettings | Mapping[str, Any] | None = None,
        durable: bool = True,
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (campaign_html is None) == (html_path is None):
            raise ValueError("Set either campaign_html or html_path.")
        self.campaign_html = campaign_html
        self.html_path = html_path
        self.campaign_name = campaign_name
        self.custom_info = custom_info
        self.webhook_url = webhook_url
        self.settings = settings.as_dict() if isinstance(settings, CampaignSettings) else settings
        self.durable = durable
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.check_no_comment()
        check_at_parse(self)

    def execute(self, context: Context) -> str:
        """Submit the campaign, unless an earlier try did."""
        # Imported here, because only a worker reads HTML.
        from airflow_provider_campaigns.rules.html import Html

        check_rendered(self)
        save_campaign_cleaner_link(context)
        if self.html_path is not None:
            self.campaign_html = html_text(read_text(self.html_path), f"html_path {shown(self.html_path)}")
        if Html(str(self.campaign_html)).is_blank:
            raise ValueError("The HTML is empty: it has no text and no element.")
        send_campaign(**self._arguments())  # raises for invalid arguments
        campaign_id = self._submit_once(context)
        wrote_campaign(self._hook, campaign_id)
        return campaign_id

    def _submit_once(self, context: Context) -> str:
        if not self.durable or "ti" not in context:  # absent where execute() is called by hand
            return self._submit(self.campaign_name)
        marker, state = submission_marker(context), TaskState(context)
        stored = state.get(_SUBMITTED)
        if isinstance(stored, Mapping) and stored.get("marker") == marker:
            self.log.info("An earlier try submitted this as campaign %s.", stored["campaign_id"])
            return str(stored["campaign_id"])
        campaign_id = self._submitted_before(marker) if is_retry_or_cleared(context) else None
        if campaign_id is None:
            campaign_id = self._submit_or_find(marker)
        state.set(_SUBMITTED, {"marker": marker, "campaign_id": campaign_id})
        return campaign_id

    def _arguments(self) -> dict[str, Any]:
        return {
            "campaign_html": self.campaign_html,
            "campaign_name": self.campaign_name,
            "custom_info": self.custom_info,
            "webhook_url": self.webhook_url,
            "settings": self.settings,
        }

    def _submitted_before(self, marker: str) -> str | None:
        """Return the campaign that an earlier try submitted, if the service lists it."""
        found = self._find(marker)
        self.log.info(
            "An earlier try may have submitted this. Campaign Cleaner lists %s.",
            f"campaign {found}" if found else f"no campaign with {marker!r}",
        )
        return found

    def _submit_or_find(self, marker: str) -> str:
        try:
            return self._submit(f"{self.campaign_name} {marker}")
        except SubmissionUnconfirmedNoRetryError as error:
            if isinstance(error.__cause__, AirflowTaskTimeout):
                raise SubmissionUnconfirmedError(
                    f"The task timed out before Campaign Cleaner responded to the submission of "
                    f"{self.campaign_name!r}. A retry searches its list for {marker!r} before it submits "
                    f"again."
                ) from error
            self.log.warning("%s", error)
            found = self._find(marker)
            if found is None:
                raise SubmissionUnconfirmedError(
                    f"The submission of {self.campaign_name!r} got no response, and Campaign Cleaner lists "
                    f"no campaign with {marker!r}. A retry searches again before it submits. "
                    f"({error.__cause__})"
                ) from error
            self.log.info("Campaign Cleaner lists it: campaign %s.", found)
            return found

    def _find(self, marker: str) -> str | None:
        """Search the list of campaigns for a submission, twice: it may be new."""
        for pause in (0.0, LISTING_DELAY_SECONDS):
            time.sleep(pause)
            try:
                found = self._hook.find_campaign(marker)
            except MalformedResponseError as error:
                raise MalformedResponseError(
                    f"{error} The list of campaigns could not be read, so it is unknown whether Campaign "
                    f"Cleaner has the submission. The next try searches for it first."
                ) from error
            if found:
                return found
        return None

    def _submit(self, campaign_name: str) -> str:
        _ = self._hook.account  # raises for an invalid connection, before anything is sent
        try:
            campaign_id = self._hook.send_campaign(**{**self._arguments(), "campaign_name": campaign_name})
        except _NOT_ACCEPTED:
            raise
        except (Exception, AirflowTaskTimeout) as error:
            raise SubmissionUnconfirmedNoRetryError(
                f"It is unknown whether Campaign Cleaner accepted the campaign: {error} Search "
                f"Campaign Cleaner for {self.campaign_name!r}. If it is not there, clear this task to submit "
                f"it again, which spends a credit."
            ) from error
        self.log.info("Campaign Cleaner accepted %r as campaign %s.", self.campaign_name, campaign_id)
        return campaign_id

    @cached_property
    def _hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
