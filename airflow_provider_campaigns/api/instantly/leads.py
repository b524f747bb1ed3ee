"""Leads: check, add, list and move them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.field_types import FieldType, json_form, typed
from airflow_provider_campaigns.api.instantly.background_jobs import BackgroundJob, parse_job
from airflow_provider_campaigns.api.instantly.base import (
    PAGE_SIZE,
    Page,
    page_params,
    parse_page,
    write_call,
)
from airflow_provider_campaigns.api.values import (
    check_names,
    check_uuid,
    near,
    objects_in,
    without_none,
)
from airflow_provider_campaigns.exceptions import MalformedResponseError

MAX_LEADS_PER_CALL = 1000
LEAD_FIELDS = frozenset({
    "email", "first_name", "last_name", "company_name", "job_title", "phone", "website", "personalization",
    "lt_interest_status", "pl_value_lead", "assigned_to",
})  # fmt: skip
ADD_LEADS_OPTIONS: Mapping[str, FieldType] = {
    "skip_if_in_workspace": FieldType.FLAG,
    "skip_if_in_campaign": FieldType.FLAG,
    "skip_if_in_list": FieldType.FLAG,
    "verify_leads_on_import": FieldType.FLAG,
    "blocklist_id": FieldType.STRING,
    "assigned_to": FieldType.STRING,
}
# Invisible characters that people copy into addresses: marks of direction and format.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
)
# Control characters, and those that stand for one that was lost or is blank.
_NO_LETTER = "\x00-\x1f\x7f-\x9f\u115f\u1160\u3164\ufffc\ufffd"
_INVISIBLE_CHARACTERS = re.compile(f"[{_INVISIBLE}]+")
_PART = rf"[^@\s,;:()<>\"{_INVISIBLE}{_NO_LETTER}]"
# One address without anything around it. Instantly decides whether it is valid.
ONE_ADDRESS = re.compile(rf"(?!'){_PART}+@{_PART}+(?<![.'])")
_LIST_FILTERS = frozenset({
    "campaign", "list_id", "ids", "contacts", "excluded_ids", "search", "filter", "in_campaign", "in_list",
    "queries", "distinct_contacts", "organization_user_ids", "smart_view_id", "is_website_visitor",
    "enrichment_status", "esg_code",
})  # fmt: skip
_SELECTING_FILTERS = frozenset({
    "campaign", "list_id", "ids", "contacts", "search", "filter", "in_campaign", "in_list", "queries",
})  # fmt: skip


@dataclass(frozen=True)
class AddedLeads:
    """What the service did with one batch of leads; every count is of leads.

    :param total_sent: in the request.
    :param leads_uploaded: created.
    :param duplicated_leads: already in this campaign or list.
    :param skipped_count: left out because of a ``skip_if_in_...`` option.
    :param in_blocklist: left out because of the blocklist.
    :param invalid_email_count: without a valid e-mail address.
    :param incomplete_count: without e-mail and name (lists only).
    :param duplicate_email_count: twice in the request.
    :param remaining_in_plan: leads that the plan still allows; None where the response has no number.
    :param created_leads: the new leads: ``index`` in the request, ``id`` and ``email``.
    :param raw: the whole response.
    """

    total_sent: int
    leads_uploaded: int
    duplicated_leads: int
    skipped_count: int
    in_blocklist: int
    invalid_email_count: int
    incomplete_count: int
    duplicate_email_count: int
    remaining_in_plan: int | None
    created_leads: tuple[Mapping[str, Any], ...] = field(repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


class CheckedLeads(list[dict[str, Any]]):
    """Leads that passed :func:`check_lead`; :func:`add_leads` does not check them again."""


def add_leads(campaign_id: str, leads: Iterable[Mapping[str, Any]], **options: Any) -> Call[AddedLeads]:
    """Add up to 1,000 leads to a campaign. Needs ``leads:create``.

    :param leads: each needs an ``email``.
    :param options: as for :func:`check_add_options`.
    :raises ValueError: the id is not a UUID, there are no leads or too many, or a lead or an option is not
        valid.
    """
    batch = leads if isinstance(leads, CheckedLeads) else _checked(leads)
    if not 1 <= len(batch) <= MAX_LEADS_PER_CALL:
        raise ValueError(f"leads must be 1 to {MAX_LEADS_PER_CALL:,} per call, got {len(batch):,}.")
    campaign_id = check_uuid(campaign_id, "campaign_id")
    body = {**check_add_options(options), "campaign_id": campaign_id, "leads": batch}
    return write_call("POST", "/leads/add", _parse_added_leads, body=body)


def check_add_options(options: Any, name: str = "options") -> dict[str, Any]:
    """Return the options of :func:`add_leads` as fields of the request.

    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import`` (booleans, also as text), ``blocklist_id``, ``assigned_to``; those that are
        None are left out. ``more``: a mapping of undocumented fields, which are sent as they are.
    :param name: the argument, named in errors.
    :raises ValueError: an option is unknown or has a value of another type.
    """
    if not isinstance(options, Mapping):
        raise ValueError(f"{name} must be a mapping, got {type(options).__name__}.")
    for option in ("campaign_id", "leads"):
        if option in options:
            raise ValueError(f"{name} must not contain {option}: use the argument of that name.")
    return without_none(typed(check_names(options, ADD_LEADS_OPTIONS, name), ADD_LEADS_OPTIONS, name))


def _checked(leads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [check_lead(lead, f"leads[{position}]") for position, lead in enumerate(leads)]


def _parse_added_leads(response: Mapping[str, Any]) -> AddedLeads:
    def count(name: str) -> int:
        value = response.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    if not isinstance(response.get("leads_uploaded"), int):
        raise MalformedResponseError("POST /leads/add: the response contains no number of uploaded leads.")
    remaining = response.get("remaining_in_plan")
    return AddedLeads(
        total_sent=count("total_sent"),
        leads_uploaded=count("leads_uploaded"),
        duplicated_leads=count("duplicated_leads"),
        skipped_count=count("skipped_count"),
        in_blocklist=count("in_blocklist"),
        invalid_email_count=count("invalid_email_count"),
        incomplete_count=count("incomplete_count"),
        duplicate_email_count=count("duplicate_email_count"),
        remaining_in_plan=remaining if type(remaining) is int else None,
        created_leads=objects_in(response.get("created_leads")),
        raw=response,
    )


def clean_address(text: Any) -> str | None:
    """Return one e-mail address, without white space around it and without invisible characters.

    :returns: None for anything else, such as ``a@b.c; d@e.f`` or ``Ada <a@b.c>``.
    """
    if not isinstance(text, str):
        return None
    address = _INVISIBLE_CHARACTERS.sub("", text).strip()
    return address if ONE_ADDRESS.fullmatch(address) else None


def check_lead(lead: Any, place: str) -> dict[str, Any]:
    """Return a lead as a dict, with a clean address.

    :param place: where the lead is, such as ``leads[3]``, named in the error.
    :raises ValueError: it is not a mapping, does not have one e-mail address, or cannot be sent.
    """
    if not isinstance(lead, Mapping):
        raise ValueError(f"{place} must be a mapping with an 'email', got {type(lead).__name__}.")
    email = lead.get("email")
    address = clean_address(email)
    if address is None:
        if isinstance(email, str) and "@" in email:
            raise ValueError(f"{place}: 'email' is not a single plain e-mail address.")
        other = next(
            (name for name in lead if name != "email" and str(name).strip().lower() == "email"), None
        )
        hint = f" Rename {other!r} to 'email'." if other is not None else ""
        raise ValueError(f"{place} has no e-mail address under 'email'.{hint}")
    checked = {**lead, "email": address}
    for name, value in lead.items():
        if name != "custom_variables":
            checked[name] = address if name == "email" else _field(name, value, place)
        elif value is not None:
            checked[name] = _custom_variables(value, place)
    return checked


def _field(name: Any, value: Any, place: str) -> Any:
    """Return a field, unless the service would refuse the whole batch because of it."""
    if name not in LEAD_FIELDS:
        raise ValueError(
            f"{place}: {name!r} is not a field of a lead.{near(name, LEAD_FIELDS)} A variable of your own "
            f"belongs under custom_variables."
        )
    value = _single(value)
    if name == "lt_interest_status":
        if not isinstance(value, (int, float, type(None))):
            raise ValueError(f"{place}: {name} must be a number, got {type(value).__name__}.")
        _check_finite(value, name, place)
    elif not isinstance(value, (str, type(None))):
        raise ValueError(f"{place}: {name} must be a string, got {type(value).__name__}.")
    return value


def _custom_variables(variables: Any, place: str) -> dict[str, Any]:
    if not isinstance(variables, Mapping):
        raise ValueError(f"{place}: custom_variables must be a mapping.")
    checked = {}
    for name, given in variables.items():
        if not isinstance(name, str):
            raise ValueError(f"{place}: custom_variables must have strings as names, got {name!r}.")
        # A mail shows a price with all of its digits, as in "19.90".
        value = f"{given:f}" if isinstance(given, Decimal) and given.is_finite() else _single(given)
        if not isinstance(value, (str, int, float, type(None))):
            raise ValueError(
                f"{place}: custom_variables[{name!r}] must be a string, number, date, UUID, boolean or null, "
                f"got {type(given).__name__}."
            )
        _check_finite(value, f"custom_variables[{name!r}]", place)
        checked[name] = value
    return checked


def _single(value: Any) -> Any:
    """Return a date, UUID or decimal in its JSON form, and other values unchanged."""
    return json_form(value) if isinstance(value, (date, UUID, Decimal)) else value


def _check_finite(value: Any, name: str, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} cannot be sent as JSON: {name} is not finite.")


def list_leads(*, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any) -> Call[Page]:
    """Get one page of the leads. Needs ``leads:read``; the call is a POST, but changes nothing.

    https://developer.instantly.ai/api-reference/lead/list-leads

    :param starting_after: the cursor that the previous page returned, unchanged.
    :param limit: items per page, 1 to 100.
    :param filters: ``campaign`` (one id; the vendor ignores ``campaign_ids`` without an error), ``list_id``,
        ``ids``, ``contacts``, ``excluded_ids``, ``search``, ``filter``, ``in_campaign``, ``in_list``,
        ``distinct_contacts``.
    :raises ValueError: the limit is not 1 to 100, or there is a filter that the vendor ignores.
    """
    _refuse_ignored_filters(filters)
    body = without_none(page_params(filters, limit, starting_after, known=_LIST_FILTERS))
    return write_call("POST", "/leads/list", parse_page, body=body, idempotent=True)


def move_leads(**options: Any) -> Call[BackgroundJob]:
    """Move or copy leads to another campaign or list, in a background job. Needs ``leads:update``.

    https://developer.instantly.ai/api-reference/lead/move-leads-to-a-campaign-or-list

    :param options: either ``to_campaign_id`` or ``to_list_id``; then ``ids`` with ``campaign`` or
        ``list_id``, or the filters of :func:`list_leads`; ``copy_leads``, ``check_duplicates``,
        ``check_duplicates_in_campaigns``, ``reset_interest_status``.
    :raises ValueError: there is no target or more than one, ids come without their campaign or list, or
        nothing selects the leads, which the service might apply to the whole workspace.
    """
    _refuse_ignored_filters(options)
    options = without_none(options)
    if ("to_campaign_id" in options) == ("to_list_id" in options):
        raise ValueError("Move leads either to a campaign (to_campaign_id) or to a list (to_list_id).")
    if "ids" in options and not {"campaign", "list_id"} & options.keys():
        raise ValueError("ids need the campaign or the list_id that the leads are in.")
    for name in sorted(_SELECTING_FILTERS & options.keys()):
        if options[name] in ("", [], (), {}):
            raise ValueError(f"{name} is empty: set a value, or leave it out.")
    if not _SELECTING_FILTERS & options.keys():
        raise ValueError(f"Select the leads to move by one of {', '.join(sorted(_SELECTING_FILTERS))}.")
    return write_call("POST", "/leads/move", parse_job, body=options)


def _refuse_ignored_filters(filters: Mapping[str, Any]) -> None:
    if "campaign_ids" in filters:
        raise ValueError("campaign_ids is not a filter of Instantly, which ignores it: use campaign, one id.")
