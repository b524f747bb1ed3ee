"""Submit a campaign, get the cleaned HTML and its analysis, and delete it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.campaign_cleaner.base import (
    SERVICE,
    campaign_id_in,
    post_call,
    raise_if_rejected,
)
from airflow_provider_campaigns.api.campaign_cleaner.settings import CampaignSettings, settings_as_dict
from airflow_provider_campaigns.api.response import (
    Response,
    decode_json,
    describe_error,
    printable,
    text_or_none,
)
from airflow_provider_campaigns.api.values import check_opaque_id, shown, without_none
from airflow_provider_campaigns.exceptions import MalformedResponseError, RejectedError

MAX_CUSTOM_INFO = 500
MAX_PDF_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Campaign:
    """A processed campaign: the cleaned HTML and its analysis.

    :param id: the campaign's id.
    :param html: the cleaned HTML; None where the response contains none.
    :param analysis: the whole response without the HTML.
    """

    id: str
    html: str | None = field(repr=False)
    analysis: Mapping[str, Any] = field(repr=False)


def send_campaign(
    campaign_html: str,
    campaign_name: str,
    *,
    custom_info: str | None = None,
    webhook_url: str | None = None,
    settings: CampaignSettings | Mapping[str, Any] | None = None,
) -> Call[str]:
    """Submit HTML for cleaning and analysis; returns the new campaign's id.

    Spends a credit and sends no mail. The service has no idempotency key, so the call is not idempotent.
    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML.
    :param campaign_name: the name to submit it under.
    :param custom_info: free text, at most 500 characters, that is returned with the result.
    :param webhook_url: absolute URL that receives the result.
    :param settings: what to do to the HTML, as :class:`CampaignSettings` or as a mapping with the vendor's
        names; the service's default applies to what is None.
    :raises ValueError: an argument is not valid.
    """
    _check_submission(campaign_html, campaign_name, custom_info, webhook_url)
    arguments = {
        "campaign_html": campaign_html,
        "campaign_name": campaign_name,
        "custom_info": custom_info,
        "webhook_url": webhook_url,
    }
    options = settings_as_dict(settings)
    if duplicates := sorted(arguments.keys() & options.keys()):
        raise ValueError(f"settings must not contain {', '.join(duplicates)}: each has its own argument.")
    body = {"send_campaign": without_none({**options, **arguments})}
    return post_call("send_campaign", body, _submitted_id, idempotent=False)


def _check_submission(campaign_html: Any, campaign_name: Any, custom_info: Any, webhook_url: Any) -> None:
    if not text_or_none(campaign_html):
        raise ValueError("campaign_html must not be empty.")
    if "<" not in campaign_html:
        raise ValueError(f"campaign_html contains no HTML tag, got {shown(campaign_html)}.")
    if not text_or_none(campaign_name):
        raise ValueError("campaign_name must not be empty.")
    for name, value in (("custom_info", custom_info), ("webhook_url", webhook_url)):
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name} must be a string, got {value!r}.")
    if custom_info is not None and len(custom_info) > MAX_CUSTOM_INFO:
        raise ValueError(
            f"custom_info must have at most {MAX_CUSTOM_INFO} characters, got {len(custom_info)}."
        )
    if webhook_url is not None and not webhook_url.startswith(("https://", "http://")):
        raise ValueError(f"webhook_url must be an absolute URL, got {shown(webhook_url)}.")


def _submitted_id(response: Mapping[str, Any]) -> str:
    try:
        return check_opaque_id(str(campaign_id_in(response)), "campaign.id")
    except ValueError:
        raise MalformedResponseError("send_campaign: the response contains no campaign.id.") from None


def get_campaign(campaign_id: str, *, minimize_html: bool = True) -> Call[Campaign]:
    """Get the cleaned HTML and the analysis of a completed campaign.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param minimize_html: let the service remove white space from the HTML.
    :raises ValueError: the id is not valid.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return post_call(
        "get_campaign",
        {"campaign": {"id": campaign_id, "minimize_html": minimize_html}},
        lambda response: _parse_campaign(response, campaign_id),
    )


def _parse_campaign(response: Mapping[str, Any], campaign_id: str) -> Campaign:
    campaign = response.get("campaign", response)
    is_missing = campaign is response and "campaign_html" not in response
    if not isinstance(campaign, Mapping) or not campaign or is_missing:
        raise MalformedResponseError("get_campaign: the response contains no campaign.")
    for name in ("campaign_id", "id"):
        if campaign.get(name) and str(campaign[name]).lower() != campaign_id.lower():
            raise MalformedResponseError(
                f"get_campaign: requested campaign {campaign_id}, got campaign "
                f"{printable(str(campaign[name]))}."
            )
    html = campaign.get("campaign_html")
    return Campaign(
        id=campaign_id,
        html=html if isinstance(html, str) and html else None,
        analysis={name: value for name, value in campaign.items() if name != "campaign_html"},
    )


def get_campaign_pdf_analysis(campaign_id: str) -> Call[bytes]:
    """Get the analysis of a completed campaign as a PDF.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-pdf-analysis

    :raises ValueError: the id is not valid.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return Call(
        SERVICE,
        "POST",
        "/v1/get_campaign_pdf_analysis",
        _parse_pdf,
        body={"campaign": {"id": campaign_id}},
        idempotent=True,
        max_bytes=MAX_PDF_BYTES,
        binary=True,
    )


def _parse_pdf(response: Response) -> bytes:
    """Return the body if both its content type and its first bytes are those of a PDF."""
    has_pdf_type = "pdf" in response.headers.get("content-type", "").lower()
    if has_pdf_type and response.body.lstrip()[:5] == b"%PDF-":
        return response.body
    try:
        payload = decode_json(response.body)
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, Mapping):
        raise_if_rejected(payload, "get_campaign_pdf_analysis")
    raise MalformedResponseError(
        "get_campaign_pdf_analysis: the response is not a PDF. Is the campaign completed?"
    )


def delete_campaign(campaign_id: str) -> Call[None]:
    """Delete a campaign permanently.

    The vendor does not document the result of deleting one twice, so the call is not idempotent.
    https://docs.campaigncleaner.com/api-reference/endpoint/delete-campaign

    :raises ValueError: the id is not valid.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return post_call("delete_campaign", {"campaign": {"id": campaign_id}}, _check_deleted, idempotent=False)


def _check_deleted(response: Mapping[str, Any]) -> None:
    status = text_or_none(response.get("status"))
    if status is None:
        raise MalformedResponseError("delete_campaign: the response contains no status.")
    if status.lower() != "success":
        raise RejectedError(
            f"Campaign Cleaner did not delete the campaign: {describe_error(response) or printable(status)}",
            status_code=200,
        )
