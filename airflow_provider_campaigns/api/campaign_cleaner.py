"""Campaign Cleaner: every call as a function, every answer as a frozen dataclass.

The service answers 200 for success and failure alike, so each parser asks for an ``error`` first. Where the
vendor's pages contradict each other about the place of a value, every place is looked at, the best-attested
one first. Vendor pages: https://docs.campaigncleaner.com/api-reference/introduction
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from airflow_provider_campaigns.api._call import Call, Service, as_object, describe_error, text_or_none
from airflow_provider_campaigns.api._values import check_opaque_id, parse_instant
from airflow_provider_campaigns.exceptions import MalformedAnswerError, RejectedError

T = TypeVar("T")

SERVICE = Service(
    title="Campaign Cleaner", base_url="https://api.campaigncleaner.com", key_header="X-CC-API-Key"
)
MAX_CUSTOM_INFO = 500
LONGEST_STATE = 100
MAX_STATUS_BYTES = 1024 * 1024
MAX_STATES_BYTES = 4 * 1024 * 1024


class CampaignState(str, Enum):
    """The three states that the vendor documents. There is no failed state."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    PAUSED = "paused"


@dataclass(frozen=True)
class CampaignStatus:
    """How far a campaign is.

    :param id: the campaign's id.
    :param status: the state as the service wrote it, in lower case; see :attr:`state`.
    :param campaign_name: the name it was submitted under.
    :param date_added: when it was submitted, in UTC; None where the answer has no readable time.
    """

    id: str
    status: str
    campaign_name: str | None = None
    date_added: datetime | None = None

    @property
    def state(self) -> CampaignState | None:
        """The state as one of the documented three, or None where it is another."""
        try:
            return CampaignState(self.status)
        except ValueError:
            return None


@dataclass(frozen=True)
class Campaign:
    """A processed campaign: the cleaned HTML, and everything that the service said about it.

    :param id: the campaign's id.
    :param html: the cleaned HTML; None where the answer holds none.
    :param analysis: the whole answer, the HTML left out.
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
    settings: Mapping[str, Any] | None = None,
) -> Call[str]:
    """Submit HTML for cleaning and analysis; gives the new campaign's id.

    Spends a credit, mails nobody, and knows no idempotency key: it is not repeatable.
    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param campaign_html: the complete HTML.
    :param campaign_name: the name to submit it under.
    :param custom_info: free text, at most 500 characters, that comes back with the result.
    :param webhook_url: absolute URL that receives the result.
    :param settings: further options as the vendor names them; those that are None are left out, so that the
        service's own default applies.
    :raises ValueError: an argument cannot be sent as it is.
    """
    if not text_or_none(campaign_html):
        raise ValueError("campaign_html must hold the campaign's HTML, and it is empty.")
    if not text_or_none(campaign_name):
        raise ValueError("campaign_name must not be empty.")
    for name, text in (("custom_info", custom_info), ("webhook_url", webhook_url)):
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{name} must be a text, got {text!r}.")
    if settings is not None and not isinstance(settings, Mapping):
        raise ValueError(f"settings must be a mapping, got {settings!r}.")
    if custom_info is not None and len(custom_info) > MAX_CUSTOM_INFO:
        raise ValueError(
            f"custom_info may have {MAX_CUSTOM_INFO} characters at most, and has {len(custom_info)}."
        )
    if webhook_url is not None and not webhook_url.startswith(("https://", "http://")):
        raise ValueError(f"webhook_url must be an absolute URL, got {webhook_url!r}.")
    fixed = {
        "campaign_html": campaign_html,
        "campaign_name": campaign_name,
        "custom_info": custom_info,
        "webhook_url": webhook_url,
    }
    if twice := sorted(fixed.keys() & (settings or {}).keys()):
        raise ValueError(f"settings must not hold {', '.join(twice)}: each has an argument of its own.")
    fields = {name: value for name, value in {**(settings or {}), **fixed}.items() if value is not None}
    return _post("send_campaign", {"send_campaign": fields}, _submitted_id, repeatable=False)


def get_campaign_status(campaign_id: str) -> Call[CampaignStatus]:
    """Ask how far a campaign is.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    call = _post(
        "get_campaign_status",
        {"campaign": {"id": campaign_id}},
        lambda payload: _status_of(payload, campaign_id),
    )
    return replace(call, max_bytes=MAX_STATUS_BYTES)


def get_campaign(campaign_id: str, *, minimize_html: bool = True) -> Call[Campaign]:
    """Fetch the cleaned HTML and the analysis of a completed campaign.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign

    :param minimize_html: let the service squeeze the white space out of the HTML.
    :raises ValueError: the id cannot be one.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    return _post(
        "get_campaign",
        {"campaign": {"id": campaign_id, "minimize_html": minimize_html}},
        lambda payload: _result_of(payload, campaign_id),
    )


def get_campaign_list() -> Call[list[CampaignStatus]]:
    """List the account's campaigns; whether the service pages or cuts the list is not documented.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-list
    """
    return _get("get_campaign_list", _listed)


def get_campaign_states() -> Call[Mapping[str, CampaignStatus]]:
    """List the account's campaigns for their states alone, by id in lower case, as cheaply as can be.

    An answer of more than 4 MiB, some 25,000 campaigns, is not read: it would hold up an event loop.
    """
    return replace(_get("get_campaign_list", _states), max_bytes=MAX_STATES_BYTES)


def get_credits() -> Call[int]:
    """Ask for the number of credits left.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-credits
    """
    return _get("get_credits", _credits)


def _get(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Call[T]:
    return Call(SERVICE, "GET", f"/v1/{name}", _unless_rejected(name, parse), repeatable=True)


def _post(
    name: str, body: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], T], *, repeatable: bool = True
) -> Call[T]:
    return Call(
        SERVICE, "POST", f"/v1/{name}", _unless_rejected(name, parse), body=body, repeatable=repeatable
    )


def _unless_rejected(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Callable[[Any], T]:
    """Refuse a body that describes an error, in any spelling, before it is read as an answer."""

    def parse_answer(payload: Any) -> T:
        answer = as_object(payload, name)
        for member, value in answer.items():
            if member.lower() == "error" and value:
                if _campaign_id_in(answer):
                    raise MalformedAnswerError(f"{name}: the answer holds both a campaign and an error.")
                raise RejectedError(
                    f"Campaign Cleaner refused {name}: {describe_error(answer) or repr(value)}",
                    status_code=200,
                )
        return parse(answer)

    return parse_answer


def _campaign_id_in(answer: Mapping[str, Any]) -> Any:
    campaign = answer.get("campaign")
    return campaign.get("id") if isinstance(campaign, Mapping) else None


def _submitted_id(answer: Mapping[str, Any]) -> str:
    try:
        return check_opaque_id(str(_campaign_id_in(answer)), "campaign.id")
    except ValueError:
        raise MalformedAnswerError("send_campaign: the answer holds no campaign.id.") from None


def _status_of(answer: Mapping[str, Any], campaign_id: str) -> CampaignStatus:
    listed = answer.get("campaign_list")
    if isinstance(listed, list):
        listed = next((item for item in listed if _is_about(item, campaign_id)), None)
    for place in (answer.get("campaign_status"), listed, answer.get("campaign"), answer):
        status = _status_in(place, campaign_id)
        if status is None:
            continue
        if status.id.lower() != campaign_id.lower():
            raise MalformedAnswerError(
                f"get_campaign_status: asked about campaign {campaign_id}, got an answer about {status.id}."
            )
        return status
    raise MalformedAnswerError("get_campaign_status: the answer holds no status.")


def _is_about(item: Any, campaign_id: str) -> bool:
    return isinstance(item, Mapping) and str(item.get("id")).lower() == campaign_id.lower()


def _status_in(place: Any, campaign_id: str | None) -> CampaignStatus | None:
    """Read the four fields of a status; an answer that names no id is taken to be about the one asked for."""
    if not isinstance(place, Mapping):
        return None
    status = text_or_none(place.get("status"))
    found = place.get("id", campaign_id)
    if status is None or len(status) > LONGEST_STATE or not isinstance(found, (str, int)):
        return None
    return CampaignStatus(
        id=str(found),
        status=status.lower(),
        campaign_name=text_or_none(place.get("campaign_name")),
        date_added=parse_instant(place.get("date_added")),
    )


def _result_of(answer: Mapping[str, Any], campaign_id: str) -> Campaign:
    result = answer.get("campaign", answer)
    if not isinstance(result, Mapping) or not result or (result is answer and "campaign_html" not in answer):
        raise MalformedAnswerError("get_campaign: the answer holds no campaign.")
    for member in ("campaign_id", "id"):
        if result.get(member) and str(result[member]).lower() != campaign_id.lower():
            raise MalformedAnswerError(
                f"get_campaign: asked for campaign {campaign_id}, got campaign {str(result[member])[:100]}."
            )
    html = result.get("campaign_html")
    return Campaign(
        id=campaign_id,
        html=html if isinstance(html, str) and html else None,
        analysis={name: value for name, value in result.items() if name != "campaign_html"},
    )


def _listed(answer: Mapping[str, Any]) -> list[CampaignStatus]:
    """Read the list; a missing one counts as empty, since how the service writes that is not documented."""
    items = answer.get("campaign_list")
    if items is None:
        items = []
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        raise MalformedAnswerError("get_campaign_list: campaign_list is not a list.")
    statuses = (_status_in(item, None) for item in items)
    return [status for status in statuses if status is not None]


def _states(answer: Mapping[str, Any]) -> Mapping[str, CampaignStatus]:
    items = answer.get("campaign_list")
    if not isinstance(items, list):
        raise MalformedAnswerError("get_campaign_list: campaign_list is not a list.")
    return {
        str(item["id"]).lower(): CampaignStatus(str(item["id"]), item["status"].strip().lower())
        for item in items
        if isinstance(item, dict) and "id" in item and isinstance(item.get("status"), str)
    }


def _credits(answer: Mapping[str, Any]) -> int:
    lowered = {name.lower(): value for name, value in answer.items()}
    try:
        return int(float(lowered["credits"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MalformedAnswerError("get_credits: the answer holds no number of credits.") from None
