"""Operators for Campaign Cleaner: submit a campaign, get what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, BaseOperator

from airflow_provider_campaigns.api._values import check_opaque_id
from airflow_provider_campaigns.api.campaign_cleaner import send_campaign
from airflow_provider_campaigns.arguments import check_if_literal, is_rendered_later
from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    BadRequestError,
    BlockedAtEdgeError,
    MalformedAnswerError,
    NotConnectedError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    UntrustedServerError,
)
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook

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


class SubmissionUncertainError(AirflowFailException):
    """Campaign Cleaner may have taken a campaign, and spent a credit, without saying so.

    Airflow does not retry the task: submitting again is for a person to decide, who can look the campaign up.
    """


class CampaignCleanerSubmitCampaignOperator(BaseOperator):
    """Submits HTML to Campaign Cleaner; its XCom is the campaign's id.

    A submission spends a credit and cannot be recognised by the service as a repetition. So it is sent once,
    and where nobody can tell whether it arrived, the task fails with :class:`SubmissionUncertainError`,
    which Airflow's ``retries`` do not repeat. A worker that dies in between cannot say so: give the task
    ``retries=0`` where a second credit would hurt more than a stopped run.

    Airflow renders ``campaign_html`` like every template. HTML that holds merge tags such as
    ``{{firstName}}`` must not be rendered: pass it as another task's output, or as ``literal(html)``.

    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML (templated).
    :param campaign_name: the name to submit it under (templated).
    :param custom_info: free text of at most 500 characters that comes back with the result (templated).
    :param webhook_url: absolute URL that receives the result (templated).
    :param settings: further options as the vendor names them; those that are None are left out (templated).
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
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_html: str,
        campaign_name: str,
        custom_info: str | None = None,
        webhook_url: str | None = None,
        settings: Mapping[str, Any] | None = None,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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
        """Submit the campaign."""
        call = send_campaign(
            self.campaign_html,
            self.campaign_name,
            custom_info=self.custom_info,
            webhook_url=self.webhook_url,
            settings=self.settings,
        )
        hook = CampaignCleanerHook(self.campaign_cleaner_conn_id)
        client = hook.get_conn()
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


class CampaignCleanerGetCampaignOperator(BaseOperator):
    """Fetches a completed campaign: the analysis goes to XCom, the HTML where ``output_path`` says.

    The XCom is the analysis as the service gave it, and either ``html_path``, where ``output_path`` was
    given, or ``campaign_html``. A newsletter is long for an XCom: give a path.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param campaign_id: the campaign (templated).
    :param output_path: where to write the HTML: a file path, or any URL that Airflow's ``ObjectStoragePath``
        can write, such as ``s3://aws_default@bucket/clean/{{ run_id }}.html`` (templated).
    :param minimize_html: let the service squeeze the white space out of the HTML.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "output_path", "campaign_cleaner_conn_id")
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        campaign_id: str,
        output_path: str | None = None,
        minimize_html: bool = True,
        campaign_cleaner_conn_id: str = CampaignCleanerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_opaque_id, campaign_id, "campaign_id")
        if output_path is not None:
            check_if_literal(_check_not_empty, output_path, "output_path")
        self.campaign_id = campaign_id
        self.output_path = output_path
        self.minimize_html = minimize_html
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the campaign, and put its HTML where it belongs."""
        if self.output_path is not None:
            _check_not_empty(self.output_path, "output_path")
        campaign = self._hook.get_campaign(self.campaign_id, minimize_html=self.minimize_html)
        if campaign.html is None:
            raise MalformedAnswerError(
                f"Campaign Cleaner gave campaign {campaign.id} back without campaign_html. Is it completed?"
            )
        analysis = dict(campaign.analysis)
        if self.output_path is None:
            return {**analysis, "campaign_html": campaign.html}
        return {**analysis, "html_path": self._write(campaign.html, self.output_path)}

    @cached_property
    def _hook(self) -> CampaignCleanerHook:
        return CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def _write(self, html: str, output_path: str) -> str:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        path = ObjectStoragePath(output_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.write_bytes(html.encode())
        self.log.info("Wrote %s bytes of cleaned HTML to %s.", f"{written:,}", path)
        return str(path)


def _check_not_empty(value: Any, name: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty, got {value!r}.")
