"""The status of one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.campaign_cleaner.base import (
    MAX_STATUS_BYTES,
    MAX_STATUS_LENGTH,
    post_call,
)
from airflow_provider_campaigns.api.response import printable, text_or_none
from airflow_provider_campaigns.api.values import can_be_a_status, check_opaque_id, parse_instant
from airflow_provider_campaigns.exceptions import MalformedResponseError


class CampaignState(str, Enum):
    """The three states that the vendor documents. There is no failed state."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    PAUSED = "paused"


@dataclass(frozen=True)
class CampaignStatus:
    """The status of a campaign.

    :param id: the campaign's id.
    :param status: the state that the service reports, in lower case; see :attr:`state`.
    :param campaign_name: the name it was submitted under.
    :param date_added: when it was submitted, in UTC; None where the response contains no valid time.
    :param raw: the campaign as the service describes it; empty where only the state was requested.
    """

    id: str
    status: str
    campaign_name: str | None = None
    date_added: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def state(self) -> CampaignState | None:
        """The state as one of the documented three; None where it is another one."""
        try:
            return CampaignState(self.status)
        except ValueError:
            return None


def get_campaign_status(campaign_id: str) -> Call[CampaignStatus]:
    """Get the status of a campaign.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :raises ValueError: the id is not valid.
    """
    campaign_id = check_opaque_id(campaign_id, "campaign_id")
    call = post_call(
        "get_campaign_status",
        {"campaign": {"id": campaign_id}},
        lambda response: _parse_status(response, campaign_id),
    )
    return replace(call, max_bytes=MAX_STATUS_BYTES)


def _parse_status(response: Mapping[str, Any], campaign_id: str) -> CampaignStatus:
    listed = response.get("campaign_list")
    if isinstance(listed, list):
        listed = next((item for item in listed if _has_id(item, campaign_id)), None)
    for place in (response.get("campaign_status"), listed, response.get("campaign"), response):
        status = status_in(place, campaign_id)
        if status is None:
            continue
        if status.id.lower() != campaign_id.lower():
            raise MalformedResponseError(
                f"get_campaign_status: requested campaign {campaign_id}, got campaign {printable(status.id)}."
            )
        return status
    raise MalformedResponseError("get_campaign_status: the response contains no status.")


def _has_id(item: Any, campaign_id: str) -> bool:
    return isinstance(item, Mapping) and str(item.get("id")).lower() == campaign_id.lower()


def status_in(place: Any, campaign_id: str | None) -> CampaignStatus | None:
    """Parse the four fields of a status; None where there is no status.

    :param place: the part of a response that may contain them.
    :param campaign_id: the id of the status where ``place`` contains none.
    """
    if not isinstance(place, Mapping):
        return None
    status = text_or_none(place.get("status"))
    found = place.get("id", campaign_id)
    if status is None or not can_be_a_status(status, MAX_STATUS_LENGTH) or not isinstance(found, (str, int)):
        return None
    return CampaignStatus(
        id=str(found),
        status=status.lower(),
        campaign_name=text_or_none(place.get("campaign_name")),
        date_added=parse_instant(place.get("date_added")),
        raw=place,
    )
