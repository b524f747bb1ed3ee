"""The endpoints of campaigns and subsequences, without analytics."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.exchange import Reply, Request, Route, first_problem, json_reply
from airflow_provider_campaigns.sandbox.habits import stored_fields
from airflow_provider_campaigns.sandbox.instantly.campaign_fields import schedule_problem, sequences_problem
from airflow_provider_campaigns.sandbox.instantly.loops import present_snapshot, reported_snapshot
from airflow_provider_campaigns.sandbox.instantly.responses import not_found, page, refusal, refuse_if
from airflow_provider_campaigns.sandbox.instantly.sending import (
    OUT_OF_SCHEDULE_AGE,
    Snapshot,
    code_of,
    sending_status,
)
from airflow_provider_campaigns.sandbox.state import SandboxState, new_id

_NUMBERS = ("pl_value", "email_gap", "random_wait_max", "daily_limit")
_FLAGS = (
    "is_evergreen", "text_only", "first_email_text_only", "stop_on_reply", "link_tracking",
    "stop_on_auto_reply", "prioritize_new_leads", "match_lead_esp", "stop_for_company",
    "insert_unsubscribe_header", "allow_risky_contacts", "disable_bounce_protect",
)  # fmt: skip
_LISTS = ("sequences", "email_list", "email_tag_list", "cc_list", "bcc_list", "provider_routing_rules")
_WRITABLE = {
    "name": "string",
    "campaign_schedule": "object",
    **dict.fromkeys(_NUMBERS, "number|null"),
    **dict.fromkeys(_FLAGS, "boolean|null"),
    **dict.fromkeys(_LISTS, "array"),
    "open_tracking": "boolean",
    "daily_max_leads": "integer|null",
    "auto_variant_select": "object|null",
    "limit_emails_per_company_override": "object|null",
    "owned_by": "string|null",
    "ai_sdr_id": "string|null",
}


def _list(state: SandboxState, request: Request) -> Reply:
    query = request.query
    found = _named_like(state.campaigns, query)
    if "status" in query:
        found = [campaign for campaign in found if str(campaign["status"]) == query["status"]]
    if "exclude_status" in query:
        found = [campaign for campaign in found if str(campaign["status"]) != query["exclude_status"]]
    return page(found, query)


def _create(state: SandboxState, request: Request) -> Reply:
    body = _stored(state, _checked_fields(request.body, required=("name", "campaign_schedule")))
    return _add_campaign(state, seed.campaign(new_id(), body.pop("name"), state.clock(), **body))


def _get(state: SandboxState, request: Request) -> Reply:
    return json_reply(_find(state.campaigns, request))


def _patch(state: SandboxState, request: Request) -> Reply:
    campaign = _find(state.campaigns, request)
    return _update(state, campaign, **_stored(state, _checked_fields(request.body)))


def _delete(state: SandboxState, request: Request) -> Reply:
    campaign = _find(state.campaigns, request)
    del state.campaigns[campaign["id"]]
    return json_reply(campaign)


def _activate(state: SandboxState, request: Request) -> Reply:
    campaign = _find(state.campaigns, request)
    if campaign["status"] == LifecycleStatus.ACCOUNT_SUSPENDED:
        return json_reply(campaign)  # a 200 does not mean that the campaign is active
    return _update(state, campaign, status=int(LifecycleStatus.ACTIVE))


def _pause(state: SandboxState, request: Request) -> Reply:
    return _update(state, _find(state.campaigns, request), status=int(LifecycleStatus.PAUSED))


def _duplicate(state: SandboxState, request: Request) -> Reply:
    original = _find(state.campaigns, request)
    body = {} if request.body is None else request.body
    refuse_if(first_problem(body, {"name": "string"}, closed=False))
    kept = {name: value for name, value in original.items() if name in _WRITABLE and name != "name"}
    name = body.get("name", f"{original['name']} (copy)")
    return _add_campaign(state, seed.campaign(new_id(), name, state.clock(), **copy.deepcopy(kept)))


def _count_launched(state: SandboxState, request: Request) -> Reply:
    launched = [each for each in state.campaigns.values() if each["status"] != LifecycleStatus.DRAFT]
    return json_reply({"count": len(launched)})


def _campaign_sending_status(state: SandboxState, request: Request) -> Reply:
    campaign = _find(state.campaigns, request)
    return _sending_status(state, request, campaign, {"campaign_id": campaign["id"]})


def _list_subsequences(state: SandboxState, request: Request) -> Reply:
    query = request.query
    found = _named_like(state.subsequences, query)
    if "parent_campaign" in query:
        found = [each for each in found if each["parent_campaign"] == query["parent_campaign"]]
    if "parent_campaign_not" in query:
        found = [each for each in found if each["parent_campaign"] != query["parent_campaign_not"]]
    return page(found, query)


def _get_subsequence(state: SandboxState, request: Request) -> Reply:
    return json_reply(_find(state.subsequences, request))


def _pause_subsequence(state: SandboxState, request: Request) -> Reply:
    return _set_status(state, request, LifecycleStatus.PAUSED)


def _resume_subsequence(state: SandboxState, request: Request) -> Reply:
    return _set_status(state, request, LifecycleStatus.ACTIVE)


def _subsequence_sending_status(state: SandboxState, request: Request) -> Reply:
    subsequence = _find(state.subsequences, request)
    ids = {"campaign_id": subsequence["parent_campaign"], "subsequence_id": subsequence["id"]}
    return _sending_status(state, request, subsequence, ids)


_CAMPAIGNS, _SUBSEQUENCES = "/api/v2/campaigns", "/api/v2/subsequences"
ROUTES = (
    Route("GET", _CAMPAIGNS, _list, "campaigns:read"),
    Route("POST", _CAMPAIGNS, _create, "campaigns:create"),
    Route("GET", f"{_CAMPAIGNS}/count-launched", _count_launched, "campaigns:read"),
    Route("GET", f"{_CAMPAIGNS}/{{id}}", _get, "campaigns:read"),
    Route("PATCH", f"{_CAMPAIGNS}/{{id}}", _patch, "campaigns:update"),
    Route("DELETE", f"{_CAMPAIGNS}/{{id}}", _delete, "campaigns:delete"),
    Route("POST", f"{_CAMPAIGNS}/{{id}}/activate", _activate, "campaigns:update"),
    Route("POST", f"{_CAMPAIGNS}/{{id}}/pause", _pause, "campaigns:update"),
    Route("POST", f"{_CAMPAIGNS}/{{id}}/duplicate", _duplicate, "campaigns:create"),
    Route("GET", f"{_CAMPAIGNS}/{{id}}/sending-status", _campaign_sending_status, "campaigns:read"),
    Route("GET", _SUBSEQUENCES, _list_subsequences, "subsequences:read"),
    Route("GET", f"{_SUBSEQUENCES}/{{id}}", _get_subsequence, "subsequences:read"),
    Route("POST", f"{_SUBSEQUENCES}/{{id}}/pause", _pause_subsequence, "subsequences:update"),
    Route("POST", f"{_SUBSEQUENCES}/{{id}}/resume", _resume_subsequence, "subsequences:update"),
    Route("GET", f"{_SUBSEQUENCES}/{{id}}/sending-status", _subsequence_sending_status, "subsequences:read"),
)


def _sending_status(
    state: SandboxState, request: Request, subject: Mapping[str, Any], ids: Mapping[str, str]
) -> Reply:
    """Return the sending status of a campaign or subsequence: the one that is played, or its own."""
    with_ai_summary = _flag(request.query, "with_ai_summary")
    snapshot = reported_snapshot(state, subject)
    overrides: Mapping[str, Any] = {}
    if state.scripts.get(subject["id"]):
        entry = state.next_scripted(subject["id"], None)
        overrides = entry if isinstance(entry, dict) else {"status": entry}
        snapshot = _played_snapshot(state, subject, overrides)
    elif subject["status"] == LifecycleStatus.DRAFT and "refuse_drafts" in state.habits:
        raise refusal("The campaign is a draft and has no sending status.")
    response: Any = {"diagnostics": None, "summary": None}
    if "body" in overrides:
        response = overrides["body"]
    elif snapshot is not None:
        response = sending_status(ids, snapshot, state.habits, overrides, with_ai_summary=with_ai_summary)
    request.log_fields["code"] = code_of(response)
    return Reply(response.encode()) if isinstance(response, str) else json_reply(response)


def _played_snapshot(state: SandboxState, subject: Mapping[str, Any], entry: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that an entry describes; without a code, with the code of now."""
    present = present_snapshot(state, subject, state.clock())
    code = entry.get("status", present.code)
    is_old = code == SendingCode.OUT_OF_SCHEDULE and "sparse_out_of_schedule" in state.habits
    age = entry.get("last_updated_age", OUT_OF_SCHEDULE_AGE if is_old else 0)
    return replace(present, code=code, found=code, taken=present.taken - timedelta(seconds=age))


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in {"true", "false"}:
        raise refusal(f"querystring/{name} must be boolean")
    return value == "true"


def _find(among: Mapping[str, dict[str, Any]], request: Request) -> dict[str, Any]:
    found = among.get(request.params["id"].lower())
    if found is None:
        raise not_found()
    return found


def _named_like(among: Mapping[str, dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [each for each in among.values() if query.get("search", "").lower() in each["name"].lower()]


def _checked_fields(body: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    refuse_if(first_problem(body, _WRITABLE, required=required))
    if "campaign_schedule" in body:
        refuse_if(schedule_problem(body["campaign_schedule"]))
    if "sequences" in body:
        refuse_if(sequences_problem(body["sequences"]))
    if not all(isinstance(email, str) for email in body.get("email_list", ())):
        raise refusal("body/email_list must hold strings")
    if (body.get("daily_max_leads") or 0) < 0:
        raise refusal("body/daily_max_leads must be >= 0")
    # The service uses only the first of several sequences.
    first = {"sequences": body["sequences"][:1]} if "sequences" in body else {}
    return {**body, **first}


def _stored(state: SandboxState, fields: dict[str, Any]) -> dict[str, Any]:
    return stored_fields(fields, state.habits) if state.habits else fields


def _set_status(state: SandboxState, request: Request, status: LifecycleStatus) -> Reply:
    subsequence = _find(state.subsequences, request)
    subsequence["status"] = int(status)
    return json_reply(subsequence)


def _add_campaign(state: SandboxState, campaign: dict[str, Any]) -> Reply:
    state.campaigns[campaign["id"]] = campaign
    return json_reply(campaign)


def _update(state: SandboxState, campaign: dict[str, Any], **fields: Any) -> Reply:
    campaign.update(fields, timestamp_updated=seed.timestamp(state.clock()))
    return json_reply(campaign)
