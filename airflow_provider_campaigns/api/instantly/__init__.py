"""Instantly API v2: every call as a function, every answer as a frozen dataclass.

Answers are read leniently: a member that is missing or of another type is None, never an exception, because
the vendor leaves most of them out for some campaigns. What a status *means* is decided in
:mod:`airflow_provider_campaigns.rules.send_gate`. Vendor pages: https://developer.instantly.ai/api-reference
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from airflow_provider_campaigns.api.call import MAX_JSON_BYTES, Call, Service
from airflow_provider_campaigns.api.response import as_object, describe_error, text_or_none
from airflow_provider_campaigns.api.values import check_path_id, check_uuid, number_or_none, parse_instant
from airflow_provider_campaigns.exceptions import MalformedResponseError

T = TypeVar("T")

SERVICE = Service(
    title="Instantly", base_url="https://api.instantly.ai", key_header="Authorization", key_prefix="Bearer "
)
WORKSPACE_HEADER = "x-as-workspace"
MAX_LEADS_PER_CALL = 1000
PAGE_SIZE = 100
# Of a job's data, what a wait needs; the rest may be lists of thousands of addresses.
JOB_COUNTS = ("success_count", "failed_count", "total_to_process")
LEAD_FIELDS = frozenset({
    "email", "first_name", "last_name", "company_name", "job_title", "phone", "website", "personalization",
    "lt_interest_status", "pl_value_lead", "assigned_to",
})  # fmt: skip
MAX_CODE_LENGTH = 100
MAX_STATUS_BYTES = 1024 * 1024
_ROOT = "/api/v2"
# Visible ASCII, that starts with one slash and begins no query.
_PATH = re.compile(r"/(?!/)[!\"$->@-\[\]-~]*")
# One address, without anything that could end a path segment or a header.
_EMAIL = re.compile(r"[^@\s/?#\\]+@[^@\s/?#\\]+")
_SELECTING_LEADS = {
    "campaign",
    "list_id",
    "ids",
    "contacts",
    "search",
    "filter",
    "in_campaign",
    "in_list",
    "queries",
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


class SendingCode(str, Enum):
    """The 18 codes of a sending status, as the vendor lists them."""

    CAMPAIGN_PAUSED = "campaign_paused"
    CAMPAIGN_DRAFT = "campaign_draft"
    CAMPAIGN_COMPLETED = "campaign_completed"
    CAMPAIGN_RUNNING_SUBSEQUENCES = "campaign_running_subsequences"
    CAMPAIGN_BOUNCE_PROTECT = "campaign_bounce_protect"
    CAMPAIGN_ACCOUNTS_UNHEALTHY = "campaign_accounts_unhealthy"
    CAMPAIGN_ACCOUNT_SUSPENDED = "campaign_account_suspended"
    OUT_OF_SCHEDULE = "out_of_schedule"
    WAITING_FOR_LEADS = "waiting_for_leads"
    DAILY_LIMIT_MET = "daily_limit_met"
    ACCOUNT_DAILY_LIMIT_MET = "account_daily_limit_met"
    NEW_LEAD_LIMIT_MET = "new_lead_limit_met"
    ALL_ACCOUNTS_UNHEALTHY = "all_accounts_unhealthy"
    WAITING_FOR_ESP_MATCH = "waiting_for_esp_match"
    DOMAIN_LIMIT_REACHED = "domain_limit_reached"
    FOLLOW_UP_DELAY_NOT_MET = "follow_up_delay_not_met"
    NO_ACCOUNTS_AVAILABLE = "no_accounts_available"
    HEALTHY = "healthy"


class LifecycleStatus(IntEnum):
    """``Campaign.status``: a JSON number, negative ones included."""

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
        """Return the status in words, whatever it is."""
        try:
            return f"{cls(status).name.lower().replace('_', ' ')} ({status})"
        except ValueError:
            return f"unknown ({status!r})"


@dataclass(frozen=True)
class SendingStatus:
    """Why a campaign or subsequence sends, or does not.

    :param status: the effective code: that of ``diagnostics``, else that of ``summary``, else None.
    :param last_updated: when the service last refreshed the data, in UTC; None where it does not say.
    :param reason: the service's explanation, for people.
    :param issue_started_at: since when the present issue has lasted, in UTC.
    :param last_healthy_send_at: when a mail last went out well, in UTC.
    :param ai_summary: only where it was asked for.
    :param raw: the whole answer.
    """

    status: str | None
    last_updated: datetime | None = None
    reason: str | None = None
    issue_started_at: datetime | None = None
    last_healthy_send_at: datetime | None = None
    ai_summary: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def diagnostic(self, *path: str) -> Any:
        """Return a member of ``diagnostics`` by its path, or None where any part of the path is missing."""
        found: Any = self.raw.get("diagnostics")
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def diagnostic_number(self, *path: str) -> float | None:
        """Return a number out of ``diagnostics``, or None where there is none."""
        found = self.diagnostic(*path)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            return None
        try:
            number = float(found)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None


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
    :param remaining_in_plan: leads that the plan still has room for; None where it does not say.
    :param created_leads: the new leads: ``index`` in the request, ``id`` and ``email``.
    :param raw: the whole answer.
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


class JobStatus(str, Enum):
    """``BackgroundJob.status``."""

    PENDING = "pending"
    IN_PROGRESS = "in-progress"
    SUCCESS = "success"
    FAILED = "failed"
    DRAINING = "draining"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class BackgroundJob:
    """Something that Instantly does on its own.

    :param id: identifies the job.
    :param status: as the service wrote it; see :class:`JobStatus`.
    :param type: what is done, such as ``move-leads``.
    :param progress: 0 to 100 percent; None where the answer does not say.
    :param data: counts and whatever else belongs to the type.
    :param raw: the whole answer.
    """

    id: str
    status: str
    type: str | None = None
    progress: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AccountVitals:
    """What a check of the senders' domains found: of DNS alone, so a pass says nothing about a login.

    Each domain is as the service wrote it: ``domain``, ``allPass``, ``mx``, ``spf``, ``dkim``, ``dmarc``.

    :param passed: what is in order.
    :param failed: what is not.
    :param indeterminate: what could not be told.
    :param raw: the whole answer.
    """

    passed: tuple[Mapping[str, Any], ...]
    failed: tuple[Mapping[str, Any], ...]
    indeterminate: tuple[Mapping[str, Any], ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Page:
    """One page of a list, and the cursor of the next; None ends the list."""

    items: tuple[Mapping[str, Any], ...]
    next_starting_after: str | None


def get_sending_status(campaign_id: str, *, with_ai_summary: bool = False) -> Call[SendingStatus]:
    """Ask whether a campaign sends, and if not why. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param with_ai_summary: also ask for the summary in prose; what that costs is not documented.
    :raises ValueError: the id is not a UUID.
    """
    return _sending_status("campaigns", check_uuid(campaign_id, "campaign_id"), with_ai_summary)


def get_subsequence_sending_status(
    subsequence_id: str, *, with_ai_summary: bool = False
) -> Call[SendingStatus]:
    """Ask the same of a subsequence. Needs ``subsequences:read``.

    :raises ValueError: the id is not a UUID.
    """
    return _sending_status("subsequences", check_uuid(subsequence_id, "subsequence_id"), with_ai_summary)


def get_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Fetch a campaign. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign

    :raises ValueError: the id is not a UUID.
    """
    return _get(_campaign(campaign_id), _object)


def list_campaigns(
    *, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any
) -> Call[Page]:
    """Fetch one page of the campaigns. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/list-campaign

    :param starting_after: the cursor of the page before, unchanged.
    :param limit: items a page, 1 to 100.
    :param filters: ``search``, ``tag_ids``, ``status``, ``exclude_status``, ``ai_sales_agent_id``.
    :raises ValueError: the service knows no such page.
    """
    return _get("/campaigns", _page, params=_paging(filters, limit, starting_after))


def create_campaign(
    name: str, campaign_schedule: Mapping[str, Any], **fields: Any
) -> Call[Mapping[str, Any]]:
    """Create a campaign, which is a draft and sends nothing. Needs ``campaigns:create``.

    https://developer.instantly.ai/api-reference/campaign/create-campaign

    :param name: its name.
    :param campaign_schedule: ``schedules`` of ``name``, ``timing``, ``days`` and ``timezone``, as the vendor
        describes them; the time zones are a closed list.
    :param fields: other members of a campaign, such as ``sequences``, ``email_list`` or ``daily_limit``.
    :raises ValueError: there is no name, or no schedule.
    """
    if text_or_none(name) is None:
        raise ValueError("name must not be empty.")
    if not isinstance(campaign_schedule, Mapping) or not campaign_schedule.get("schedules"):
        raise ValueError("campaign_schedule must be a mapping that holds 'schedules', at least one.")
    return _post("/campaigns", _object, body={**fields, "name": name, "campaign_schedule": campaign_schedule})


def update_campaign(campaign_id: str, **fields: Any) -> Call[Mapping[str, Any]]:
    """Change members of a campaign. Needs ``campaigns:update``.

    What is given replaces all that was there: ``email_list`` all senders, ``sequences`` all copy.
    https://developer.instantly.ai/api-reference/campaign/patch-campaign

    :raises ValueError: the id is not a UUID, or nothing is to be changed.
    """
    if not fields:
        raise ValueError("An update needs at least one member of the campaign to change.")
    return _send("PATCH", _campaign(campaign_id), _object, body=fields)


def delete_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Delete a campaign; gives what it was. Needs ``campaigns:delete``.

    https://developer.instantly.ai/api-reference/campaign/delete-campaign

    :raises ValueError: the id is not a UUID.
    """
    return _send("DELETE", _campaign(campaign_id), _object)


def duplicate_campaign(campaign_id: str, *, name: str | None = None) -> Call[Mapping[str, Any]]:
    """Copy a campaign; gives the copy. Needs ``campaigns:create``.

    https://developer.instantly.ai/api-reference/campaign/duplicate-campaign

    :param name: of the copy; by default the vendor makes one.
    :raises ValueError: the id is not a UUID.
    """
    return _post(
        f"{_campaign(campaign_id)}/duplicate", _object, body=None if name is None else {"name": name}
    )


def activate_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Start or resume a campaign. Needs ``campaigns:update``.

    A 200 does not promise that the campaign is active: read the ``status`` of what comes back.
    https://developer.instantly.ai/api-reference/campaign/activatestart-or-resume-a-campaign

    :raises ValueError: the id is not a UUID.
    """
    return _post(f"{_campaign(campaign_id)}/activate", _object)


def pause_campaign(campaign_id: str) -> Call[Mapping[str, Any]]:
    """Pause a campaign. Needs ``campaigns:update``.

    https://developer.instantly.ai/api-reference/campaign/stopor-pause-a-campaign

    :raises ValueError: the id is not a UUID.
    """
    return _post(f"{_campaign(campaign_id)}/pause", _object)


def get_campaign_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Fetch the figures of one campaign, some or all; a campaign that has not sent yet is missing.

    https://developer.instantly.ai/api-reference/campaign/get-campaigns-analytics

    :param filters: ``id``, ``ids`` (a list), ``start_date`` and ``end_date`` (``YYYY-MM-DD``, UTC),
        ``exclude_total_leads_count`` (true answers much faster).
    """
    return _figures("/campaigns/analytics", filters)


def get_campaign_analytics_overview(**filters: Any) -> Call[Mapping[str, Any]]:
    """Fetch the figures of one campaign, some or all, added up.

    https://developer.instantly.ai/api-reference/campaign/get-campaigns-analytics-overview

    :param filters: ``id``, ``ids`` (a list), ``start_date``, ``end_date``, ``campaign_status``,
        ``expand_crm_events``.
    """
    return _get("/campaigns/analytics/overview", _object, params=filters)


def get_daily_campaign_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Fetch figures per day.

    https://developer.instantly.ai/api-reference/campaign/get-daily-campaign-analytics

    :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``campaign_status``.
    """
    return _figures("/campaigns/analytics/daily", filters)


def get_campaign_steps_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Fetch figures per step and variant.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-steps-analytics

    :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``include_opportunities_count``.
    """
    return _figures("/campaigns/analytics/steps", filters)


def list_subsequences(
    *, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any
) -> Call[Page]:
    """Fetch one page of the subsequences. Needs ``subsequences:read``.

    https://developer.instantly.ai/api-reference/schemas/campaign-subsequence

    :param filters: ``parent_campaign``, ``parent_campaign_not``, ``search``.
    """
    return _get("/subsequences", _page, params=_paging(filters, limit, starting_after))


def get_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Fetch a subsequence. Needs ``subsequences:read``.

    :raises ValueError: the id is not a UUID.
    """
    return _get(_subsequence(subsequence_id), _object)


def pause_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Pause a subsequence. Needs ``subsequences:update``.

    :raises ValueError: the id is not a UUID.
    """
    return _post(f"{_subsequence(subsequence_id)}/pause", _object)


def resume_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Resume a subsequence. Needs ``subsequences:update``.

    :raises ValueError: the id is not a UUID.
    """
    return _post(f"{_subsequence(subsequence_id)}/resume", _object)


def list_leads(*, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any) -> Call[Page]:
    """Fetch one page of the leads. Needs ``leads:read``; the call is a POST, and changes nothing.

    https://developer.instantly.ai/api-reference/lead/list-leads

    :param filters: ``campaign`` (one id; the vendor ignores ``campaign_ids`` without a word), ``list_id``,
        ``ids``, ``contacts``, ``excluded_ids``, ``search``, ``filter``, ``in_campaign``, ``in_list``,
        ``distinct_contacts``.
    """
    _refuse_ignored(filters)
    body = _given(_paging(filters, limit, starting_after))
    return _post("/leads/list", _page, body=body, idempotent=True)


def move_leads(**what: Any) -> Call[BackgroundJob]:
    """Move or copy leads to another campaign or list, in a background job. Needs ``leads:update``.

    https://developer.instantly.ai/api-reference/lead/move-leads-to-a-campaign-or-list

    :param what: either ``to_campaign_id`` or ``to_list_id``; then ``ids`` with ``campaign`` or ``list_id``,
        or the filters of :func:`list_leads`; ``copy_leads``, ``check_duplicates``,
        ``check_duplicates_in_campaigns``, ``reset_interest_status``.
    :raises ValueError: the target is missing or twofold, ids come without their campaign or list, or nothing
        selects the leads, which the service might take for all of the workspace.
    """
    _refuse_ignored(what)
    what = _given(what)
    if ("to_campaign_id" in what) == ("to_list_id" in what):
        raise ValueError("Leads move either to a campaign (to_campaign_id) or to a list (to_list_id).")
    if "ids" in what and not {"campaign", "list_id"} & what.keys():
        raise ValueError("ids need the campaign or the list_id that the leads are in.")
    for name in sorted(_SELECTING_LEADS & what.keys()):
        if what[name] in ("", [], (), {}):
            raise ValueError(f"{name} is empty: say which, or leave it out.")
    if not _SELECTING_LEADS & what.keys():
        raise ValueError(f"Say which leads to move, by one of {', '.join(sorted(_SELECTING_LEADS))}.")
    return _post("/leads/move", _job, body=what)


def add_leads(campaign_id: str, leads: Iterable[Mapping[str, Any]], **options: Any) -> Call[AddedLeads]:
    """Add up to 1,000 leads to a campaign. Needs ``leads:create``.

    :param leads: each needs an ``email``.
    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``; those that are None are left out.
    :raises ValueError: the id is not a UUID, there is no lead or too many, or one has no e-mail address.
    """
    batch = [check_lead(lead, f"leads[{position}]") for position, lead in enumerate(leads)]
    if not 1 <= len(batch) <= MAX_LEADS_PER_CALL:
        raise ValueError(f"leads must be 1 to {MAX_LEADS_PER_CALL:,} a call, got {len(batch):,}.")
    body = {name: value for name, value in options.items() if value is not None}
    return _post(
        "/leads/add",
        _added_leads,
        body={**body, "campaign_id": check_uuid(campaign_id, "campaign_id"), "leads": batch},
    )


def check_lead(lead: Any, place: str) -> dict[str, Any]:
    """Return a lead as a dict.

    :param place: where it stands, such as ``leads[3]``, to name in the error.
    :raises ValueError: it is no mapping, has no e-mail address, or cannot be sent.
    """
    if not isinstance(lead, Mapping):
        raise ValueError(f"{place} must be a mapping with an 'email', got {type(lead).__name__}.")
    email = text_or_none(lead.get("email"))
    if email is None or "@" not in email:
        raise ValueError(f"{place} has no e-mail address under 'email'.")
    _check_members(lead, place)
    variables = lead.get("custom_variables")
    if variables is not None:
        if not isinstance(variables, Mapping):
            raise ValueError(f"{place}: custom_variables must be a mapping.")
        for name, value in variables.items():
            if not isinstance(value, (str, int, float, type(None))):
                raise ValueError(
                    f"{place}: custom_variables[{name!r}] must be a text, number, boolean or null."
                )
    try:
        json.dumps(dict(lead), allow_nan=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{place} cannot be sent as JSON: {error}") from None
    return dict(lead)


def _check_members(lead: Mapping[Any, Any], place: str) -> None:
    """Refuse members that the service refuses, with the whole batch that they are in."""
    for name, value in lead.items():
        if name != "custom_variables" and name not in LEAD_FIELDS:
            raise ValueError(f"{place}: {name!r} is no member of a lead; put it under custom_variables.")
        if name in LEAD_FIELDS - {"lt_interest_status"} and not isinstance(value, (str, type(None))):
            raise ValueError(f"{place}: {name} must be a text, got {type(value).__name__}.")


def get_background_job(job_id: str, *, data_fields: Iterable[str] = ()) -> Call[BackgroundJob]:
    """Ask how far a background job is. Needs ``background-jobs:read``.

    https://developer.instantly.ai/api-reference/schemas/background-job

    :param data_fields: members of the job's data to fetch, such as ``success_count``; all by default.
    :raises ValueError: the id cannot be one.
    """
    fields = data_fields if isinstance(data_fields, str) else ",".join(data_fields)
    return _get(
        f"/background-jobs/{check_path_id(job_id, 'job_id')}", _job, params={"data_fields": fields or None}
    )


def list_accounts(*, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any) -> Call[Page]:
    """Fetch one page of the sending accounts. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/list-account

    :param filters: ``status``, ``provider_code``, ``search``, ``tag_ids``, ``tag_ids_all``, ``include_tags``.
    """
    return _get("/accounts", _page, params=_paging(filters, limit, starting_after))


def get_account(email: str) -> Call[Mapping[str, Any]]:
    """Fetch a sending account. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/get-account

    :raises ValueError: it is no e-mail address.
    """
    return _get(f"/accounts/{quote(_check_email(email), safe='@')}", _object)


def check_account_vitals(emails: Iterable[str]) -> Call[AccountVitals]:
    """Check the DNS records of the senders' domains. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/test-account-vitals

    :raises ValueError: there is no address, or one is none.
    """
    addresses = [_check_email(email) for email in emails]
    if not addresses:
        raise ValueError("emails must hold at least one address.")
    return _post("/accounts/test/vitals", _vitals, body={"accounts": addresses}, idempotent=True)


def _check_email(email: Any) -> str:
    if isinstance(email, str) and _EMAIL.fullmatch(email):
        return email
    raise ValueError(f"{email!r} is no e-mail address.")


def request(
    method: str, path: str, *, params: Mapping[str, Any] | None = None, json_body: Any = None
) -> Call[Any]:
    """Describe a call to any other endpoint.

    :param method: HTTP method; GET alone is taken to be safe to repeat.
    :param path: path below ``/api/v2``, with or without that prefix.
    :param params: query parameters.
    :param json_body: JSON body.
    :raises ValueError: the path leads elsewhere than below the prefix.
    """
    method = method.upper()
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(sorted(_METHODS))}, got {method!r}.")
    path = path.removeprefix(_ROOT)
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"path must be a path below {_ROOT}, starting with a slash, without a query, and percent-encoded "
            f"where it needs to be, got {path!r}."
        )
    plain = path
    while (decode_json := unquote(plain)) != plain:
        plain = decode_json
    if {".", ".."} & set(re.split(r"[/\\]", plain)):
        raise ValueError(f"path must not climb with '.' or '..', got {path!r}.")
    return Call(
        SERVICE,
        method,
        f"{_ROOT}{path}",
        lambda payload: payload,
        params=params,
        body=json_body,
        idempotent=method == "GET",
    )


def _get(
    path: str,
    parse: Callable[[Any], T],
    *,
    params: Mapping[str, Any] | None = None,
    max_bytes: int = MAX_JSON_BYTES,
) -> Call[T]:
    return Call(
        SERVICE,
        "GET",
        f"{_ROOT}{path}",
        lambda payload: parse(as_object(payload, f"GET {path}")),
        params=params,
        idempotent=True,
        max_bytes=max_bytes,
    )


def _post(
    path: str, parse: Callable[[Mapping[str, Any]], T], *, body: Any = None, idempotent: bool = False
) -> Call[T]:
    return replace(_send("POST", path, parse, body=body), idempotent=idempotent)


def _send(method: str, path: str, parse: Callable[[Mapping[str, Any]], T], *, body: Any = None) -> Call[T]:
    return Call(
        SERVICE,
        method,
        f"{_ROOT}{path}",
        lambda payload: parse(as_object(payload, f"{method} {path}")),
        body=body,
    )


def _object(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return answer


def _figures(path: str, filters: Mapping[str, Any]) -> Call[Sequence[Mapping[str, Any]]]:
    """Ask for a list, which has no pages."""

    def parse(payload: Any) -> Sequence[Mapping[str, Any]]:
        if not isinstance(payload, list):
            raise MalformedResponseError(f"GET {path}: expected a JSON list of figures.")
        return tuple(each for each in payload if isinstance(each, Mapping))

    return Call(SERVICE, "GET", f"{_ROOT}{path}", parse, params=filters, idempotent=True)


def _sending_status(collection: str, checked_id: str, with_ai_summary: bool) -> Call[SendingStatus]:  # noqa: FBT001
    """One request for both kinds: the flag is sent only where it is wanted."""
    own_id = "campaign_id" if collection == "campaigns" else "subsequence_id"
    call = _get(
        f"/{collection}/{checked_id}/sending-status",
        lambda answer: _status_of(answer, own_id, checked_id),
        params={"with_ai_summary": True} if with_ai_summary else None,
        max_bytes=MAX_STATUS_BYTES,
    )
    return replace(call, reject_duplicate_keys=True)


def _status_of(answer: Mapping[str, Any], own_id: str, asked_id: str) -> SendingStatus:
    if any(member.lower() == "error" and value for member, value in answer.items()):
        # Whatever else it says: an answer that speaks of an error opens no gate.
        raise MalformedResponseError(
            f"sending-status: the answer holds an error: {describe_error(answer) or 'without a word'}."
        )
    diagnostics = _part(answer, "diagnostics")
    summary = _part(answer, "summary")
    ids = [part.get(own_id) for part in (diagnostics, summary, answer)]
    if ids[0] is None:  # then it may be about something of the other kind
        ids += [diagnostics.get(name) for name in ("campaign_id", "subsequence_id")]
    if any(found is not None and str(found).lower() != asked_id.lower() for found in ids):
        raise MalformedResponseError(
            f"sending-status: asked about {asked_id}, got an answer about another id."
        )
    tracking = _part(diagnostics, "issue_tracking")
    return SendingStatus(
        status=_effective_code(diagnostics.get("status"), summary.get("status")),
        last_updated=parse_instant(diagnostics.get("last_updated")),
        reason=text_or_none(summary.get("status_message")),
        issue_started_at=parse_instant(summary.get("issue_started_at"))
        or parse_instant(tracking.get("issue_first_seen_at")),
        last_healthy_send_at=parse_instant(summary.get("last_healthy_send_at"))
        or parse_instant(tracking.get("last_healthy_send_at")),
        ai_summary=text_or_none(summary.get("ai_summary")),
        raw=answer,
    )


def _effective_code(diagnosed: Any, summarised: Any) -> str | None:
    """Take the code to the letter: only a string is one, and only null gives way to the summary."""
    code = summarised if diagnosed is None else diagnosed
    return code if isinstance(code, str) and _can_be_a_code(code) else None


def _can_be_a_code(code: str) -> bool:
    """Tell whether a text may be a code that nobody has described, rather than something else."""
    return 0 < len(code) <= MAX_CODE_LENGTH and code.isprintable()


def _part(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, Mapping) else {}


def _page(answer: Mapping[str, Any]) -> Page:
    items = answer.get("items")
    if not isinstance(items, list):
        raise MalformedResponseError("The answer to a list call holds no items.")
    return Page(
        items=tuple(item for item in items if isinstance(item, Mapping)),
        next_starting_after=text_or_none(answer.get("next_starting_after")),
    )


def _added_leads(answer: Mapping[str, Any]) -> AddedLeads:
    def count(name: str) -> int:
        value = answer.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    if not isinstance(answer.get("leads_uploaded"), int):
        raise MalformedResponseError("POST /leads/add: the answer holds no number of uploaded leads.")
    created = answer.get("created_leads")
    remaining = answer.get("remaining_in_plan")
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
        created_leads=tuple(each for each in created if isinstance(each, Mapping))
        if isinstance(created, list)
        else (),
        raw=answer,
    )


def _job(answer: Mapping[str, Any]) -> BackgroundJob:
    job_id, status = text_or_none(answer.get("id")), text_or_none(answer.get("status"))
    if job_id is None or status is None or not _can_be_a_code(status):
        raise MalformedResponseError("The answer holds no background job: it has no id, or no status.")
    return BackgroundJob(
        id=job_id,
        status=status.lower(),
        type=text_or_none(answer.get("type")),
        progress=number_or_none(answer.get("progress")),
        data=_part(answer, "data"),
        raw=answer,
    )


def _vitals(answer: Mapping[str, Any]) -> AccountVitals:
    def found(name: str) -> tuple[Mapping[str, Any], ...]:
        listed = answer.get(name)
        return tuple(each for each in listed if isinstance(each, Mapping)) if isinstance(listed, list) else ()

    if not isinstance(answer.get("success_list"), list) or not isinstance(answer.get("failure_list"), list):
        raise MalformedResponseError(
            "POST /accounts/test/vitals: the answer holds no lists of what was found."
        )
    return AccountVitals(found("success_list"), found("failure_list"), found("indeterminate"), raw=answer)


def _campaign(campaign_id: str) -> str:
    return f"/campaigns/{check_uuid(campaign_id, 'campaign_id')}"


def _subsequence(subsequence_id: str) -> str:
    return f"/subsequences/{check_uuid(subsequence_id, 'subsequence_id')}"


def _paging(filters: Mapping[str, Any], limit: Any, starting_after: str | None) -> dict[str, Any]:
    """Add to filters which page is meant; the service answers a larger one with no items and no error."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE_SIZE:
        raise ValueError(f"limit must be 1 to {PAGE_SIZE} items a page, got {limit!r}.")
    return {**filters, "limit": limit, "starting_after": starting_after}


def _refuse_ignored(filters: Mapping[str, Any]) -> None:
    if "campaign_ids" in filters:
        raise ValueError(
            "campaign_ids is not a filter of Instantly's, which ignores it: use campaign, one id."
        )


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in members.items() if value is not None}
