"""Campaigns: list, get, create, update, delete, duplicate, activate and pause them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.field_types import FieldType, JsonType, typed
from airflow_provider_campaigns.api.instantly.base import (
    PAGE_SIZE,
    Page,
    get_call,
    page_params,
    parse_page,
    unchanged,
    without_error,
    write_call,
)
from airflow_provider_campaigns.api.response import text_or_none
from airflow_provider_campaigns.api.values import check_names, check_uuid


class LifecycleStatus(IntEnum):
    """``Campaign.status``: a JSON number, which may be negative."""

    DRAFT = 0
    ACTIVE = 1
    PAUSED = 2
    COMPLETED = 3
    RUNNING_SUBSEQUENCES = 4
    ACCOUNT_SUSPENDED = -99
    ACCOUNTS_UNHEALTHY = -1
    BOUNCE_PROTECT = -2

    @classmethod
    def name_of(cls, status: Any) -> str:
        """Return a status in words, whether it is documented or not."""
        try:
            return f"{cls(status).name.lower().replace('_', ' ')} ({status})"
        except ValueError:
            return f"unknown ({status!r:.40})"


def get_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Get a campaign. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign

    :raises ValueError: the id is not a UUID.
    """
    return replace(get_call(_path(campaign_id), without_error), reject_duplicate_keys=True)


# The fields that a user may set, in the types of the vendor's reference.
_STRINGS: JsonType = [FieldType.STRING]
_SCHEDULE: JsonType = {
    "name": FieldType.STRING,
    "timing": {"from": FieldType.STRING, "to": FieldType.STRING},
    "days": dict.fromkeys("0123456", FieldType.FLAG),
    "timezone": FieldType.STRING,
}
CAMPAIGN_FIELDS: Mapping[str, JsonType] = {
    **dict.fromkeys(("ai_sdr_id", "name", "owned_by"), FieldType.STRING),
    **dict.fromkeys(
        (
            "allow_risky_contacts", "disable_bounce_protect", "first_email_text_only",
            "insert_unsubscribe_header", "is_evergreen", "link_tracking", "match_lead_esp", "open_tracking",
            "prioritize_new_leads", "stop_for_company", "stop_on_auto_reply", "stop_on_reply", "text_only",
        ),
        FieldType.FLAG,
    ),
    "daily_max_leads": FieldType.INTEGER,
    **dict.fromkeys(("daily_limit", "email_gap", "pl_value", "random_wait_max"), FieldType.NUMBER),
    **dict.fromkeys(("bcc_list", "cc_list", "email_list", "email_tag_list"), _STRINGS),
    "auto_variant_select": {"trigger": FieldType.STRING},
    "campaign_schedule": {
        "start_date": FieldType.STRING, "end_date": FieldType.STRING, "schedules": [_SCHEDULE],
    },
    "limit_emails_per_company_override": {
        "mode": FieldType.STRING, "daily_limit": FieldType.NUMBER, "scope": FieldType.STRING,
    },
    "provider_routing_rules": [
        {"action": FieldType.STRING, "recipient_esp": _STRINGS, "sender_esp": _STRINGS},
    ],
    "sequences": [{}],  # written back as the service returned them
}  # fmt: skip
_NOT_NULL = frozenset({
    "bcc_list", "campaign_schedule", "cc_list", "email_list", "email_tag_list", "name", "open_tracking",
    "provider_routing_rules", "sequences",
})  # fmt: skip
_FILTERS = frozenset({"search", "tag_ids", "status", "exclude_status", "ai_sales_agent_id"})


def list_campaigns(
    *, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any
) -> Call[Page]:
    """Get one page of the campaigns. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/list-campaign

    :param starting_after: the cursor that the previous page returned, unchanged.
    :param limit: items per page, 1 to 100.
    :param filters: ``search``, ``tag_ids``, ``status``, ``exclude_status``, ``ai_sales_agent_id``.
    :raises ValueError: the limit is not 1 to 100.
    """
    return get_call(
        "/campaigns", parse_page, params=page_params(filters, limit, starting_after, known=_FILTERS)
    )


def create_campaign(
    name: str, campaign_schedule: Mapping[str, Any], **fields: Any
) -> Call[Mapping[str, Any]]:
    """Create a campaign, which is a draft and sends nothing. Needs ``campaigns:create``.

    https://developer.instantly.ai/api-reference/campaign/create-campaign

    :param name: its name.
    :param campaign_schedule: ``schedules`` of ``name``, ``timing``, ``days`` and ``timezone``, as the vendor
        describes them; only the vendor's list of time zones is accepted.
    :param fields: other fields of a campaign, such as ``sequences``, ``email_list`` or ``daily_limit``.
    :raises ValueError: there is no name or no schedule, or a field is unknown or has another type.
    """
    if text_or_none(name) is None:
        raise ValueError("name must not be empty.")
    if not isinstance(campaign_schedule, Mapping) or not campaign_schedule.get("schedules"):
        raise ValueError("campaign_schedule must be a mapping with at least one item in 'schedules'.")
    body = {**check_campaign_fields(fields), "name": name, "campaign_schedule": campaign_schedule}
    return write_call("POST", "/campaigns", unchanged, body=body)


def update_campaign(campaign_id: str, **fields: Any) -> Call[Mapping[str, Any]]:
    """Change fields of a campaign. Needs ``campaigns:update``.

    Each field is replaced as a whole: ``email_list`` replaces all senders, ``sequences`` all copy.
    https://developer.instantly.ai/api-reference/campaign/patch-campaign

    :param fields: the fields to change, with their new values.
    :raises ValueError: the id is not a UUID, there is no field to change, or a field is unknown or has
        another type.
    """
    if not fields:
        raise ValueError("An update needs at least one field of the campaign to change.")
    return write_call("PATCH", _path(campaign_id), unchanged, body=check_campaign_fields(fields))


def check_campaign_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a campaign in the types that the vendor documents.

    A value may be text that writes a number, a flag or a list, as a template renders it.

    :param fields: ``more`` in them holds undocumented fields, which are sent as they are.
    :raises ValueError: a field is unknown or has another type; names it.
    """
    named = check_names(fields, CAMPAIGN_FIELDS, "fields")
    documented = {name: value for name, value in named.items() if name not in (fields.get("more") or {})}
    return {**named, **typed(documented, CAMPAIGN_FIELDS, "fields", not_null=_NOT_NULL)}


def delete_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Delete a campaign; returns the deleted campaign. Needs ``campaigns:delete``.

    https://developer.instantly.ai/api-reference/campaign/delete-campaign

    :raises ValueError: the id is not a UUID.
    """
    return write_call("DELETE", _path(campaign_id), unchanged)


def duplicate_campaign(campaign_id: str, *, name: str | None = None) -> Call[Mapping[str, Any]]:
    """Copy a campaign; returns the copy. Needs ``campaigns:create``.

    https://developer.instantly.ai/api-reference/campaign/duplicate-campaign

    :param name: the name of the copy; by default the vendor chooses one.
    :raises ValueError: the id is not a UUID.
    """
    body = None if name is None else {"name": name}
    return write_call("POST", f"{_path(campaign_id)}/duplicate", unchanged, body=body)


def activate_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Start or resume a campaign. Needs ``campaigns:update``.

    A 200 does not mean that the campaign is active: check ``status`` in the response.
    https://developer.instantly.ai/api-reference/campaign/activatestart-or-resume-a-campaign

    :raises ValueError: the id is not a UUID.
    """
    return write_call("POST", f"{_path(campaign_id)}/activate", unchanged)


def pause_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Pause a campaign. Needs ``campaigns:update``.

    https://developer.instantly.ai/api-reference/campaign/stopor-pause-a-campaign

    :raises ValueError: the id is not a UUID.
    """
    return write_call("POST", f"{_path(campaign_id)}/pause", unchanged)


def _path(campaign_id: str) -> str:
    return f"/campaigns/{check_uuid(campaign_id, 'campaign_id')}"
