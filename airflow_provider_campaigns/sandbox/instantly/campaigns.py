"""The endpoints about campaigns and subsequences, analytics apart."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.exchange import Asked, Reply, Route, json_reply
from airflow_provider_campaigns.sandbox.instantly.errors import not_found, refusal, unless_right
from airflow_provider_campaigns.sandbox.instantly.paging import page
from airflow_provider_campaigns.sandbox.instantly.schedule import schedule_problem
from airflow_provider_campaigns.sandbox.instantly.sending import code_of, lifecycle_code, sending_status
from airflow_provider_campaigns.sandbox.instantly.sequences import sequences_problem
from airflow_provider_campaigns.sandbox.shape import first_problem
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


def _list(state: SandboxState, asked: Asked) -> Reply:
    query = asked.query
    found = _named_like(state.campaigns, query)
    if "status" in query:
        found = [campaign for campaign in found if str(campaign["status"]) == query["status"]]
    if "exclude_status" in query:
        found = [campaign for campaign in found if str(campaign["status"]) != query["exclude_status"]]
    return page(found, query)


def _create(state: SandboxState, asked: Asked) -> Reply:
    body = _checked_fields(asked.body, required=("name", "campaign_schedule"))
    return _added(state, seed.campaign(new_id(), body.pop("name"), state.clock(), **body))


def _get(state: SandboxState, asked: Asked) -> Reply:
    return json_reply(_found(state.campaigns, asked))


def _patch(state: SandboxState, asked: Asked) -> Reply:
    campaign = _found(state.campaigns, asked)
    return _changed(state, campaign, **_checked_fields(asked.body))


def _delete(state: SandboxState, asked: Asked) -> Reply:
    campaign = _found(state.campaigns, asked)
    del state.campaigns[campaign["id"]]
    return json_reply(campaign)


def _activate(state: SandboxState, asked: Asked) -> Reply:
    campaign = _found(state.campaigns, asked)
    if campaign["status"] == LifecycleStatus.ACCOUNT_SUSPENDED:
        return json_reply(campaign)  # a 200 does not promise that a campaign is active
    return _changed(state, campaign, status=int(LifecycleStatus.ACTIVE))


def _pause(state: SandboxState, asked: Asked) -> Reply:
    return _changed(state, _found(state.campaigns, asked), status=int(LifecycleStatus.PAUSED))


def _duplicate(state: SandboxState, asked: Asked) -> Reply:
    original = _found(state.campaigns, asked)
    body = {} if asked.body is None else asked.body
    unless_right(first_problem(body, {"name": "string"}, closed=False))
    kept = {name: value for name, value in original.items() if name in _WRITABLE and name != "name"}
    name = body.get("name", f"{original['name']} (copy)")
    return _added(state, seed.campaign(new_id(), name, state.clock(), **copy.deepcopy(kept)))


def _count_launched(state: SandboxState, asked: Asked) -> Reply:
    launched = [each for each in state.campaigns.values() if each["status"] != LifecycleStatus.DRAFT]
    return json_reply({"count": len(launched)})


def _campaign_sending_status(state: SandboxState, asked: Asked) -> Reply:
    campaign = _found(state.campaigns, asked)
    return _sending_status(state, asked, campaign, {"campaign_id": campaign["id"]}, campaign)


def _list_subsequences(state: SandboxState, asked: Asked) -> Reply:
    query = asked.query
    found = _named_like(state.subsequences, query)
    if "parent_campaign" in query:
        found = [each for each in found if each["parent_campaign"] == query["parent_campaign"]]
    if "parent_campaign_not" in query:
        found = [each for each in found if each["parent_campaign"] != query["parent_campaign_not"]]
    return page(found, query)


def _get_subsequence(state: SandboxState, asked: Asked) -> Reply:
    return json_reply(_found(state.subsequences, asked))


def _pause_subsequence(state: SandboxState, asked: Asked) -> Reply:
    return _turned(state, asked, LifecycleStatus.PAUSED)


def _resume_subsequence(state: SandboxState, asked: Asked) -> Reply:
    return _turned(state, asked, LifecycleStatus.ACTIVE)


def _subsequence_sending_status(state: SandboxState, asked: Asked) -> Reply:
    subsequence = _found(state.subsequences, asked)
    ids = {"campaign_id": subsequence["parent_campaign"], "subsequence_id": subsequence["id"]}
    parent = state.campaigns.get(subsequence["parent_campaign"], {})
    return _sending_status(state, asked, subsequence, ids, parent)


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
    state: SandboxState,
    asked: Asked,
    subject: Mapping[str, Any],
    ids: Mapping[str, str],
    sender_of: Mapping[str, Any],
) -> Reply:
    """Answer about a campaign or subsequence, whose mails the senders of ``sender_of`` send."""
    known = [state.accounts[email] for email in sender_of.get("email_list", ()) if email in state.accounts]
    usual = lifecycle_code(subject["status"], [account["status"] > 0 for account in known])
    scripted = state.next_scripted(subject["id"], usual)
    overrides = scripted if isinstance(scripted, dict) else {"status": scripted}
    if "body" in overrides:
        verbatim = overrides["body"]
        raw = verbatim if isinstance(verbatim, str) else json.dumps(verbatim)
        asked.noted["code"] = code_of(verbatim)
        return Reply(raw.encode())
    answer = sending_status(
        ids,
        overrides.get("status", usual),
        state.clock(),
        senders=len(known) or 1,
        with_ai_summary=asked.query.get("with_ai_summary") == "true",
        overrides=overrides,
    )
    asked.noted["code"] = code_of(answer)
    return json_reply(answer)


def _found(among: Mapping[str, dict[str, Any]], asked: Asked) -> dict[str, Any]:
    found = among.get(asked.params["id"].lower())
    if found is None:
        raise not_found()
    return found


def _named_like(among: Mapping[str, dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [each for each in among.values() if query.get("search", "").lower() in each["name"].lower()]


def _checked_fields(body: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    unless_right(first_problem(body, _WRITABLE, required=required))
    if "campaign_schedule" in body:
        unless_right(schedule_problem(body["campaign_schedule"]))
    if "sequences" in body:
        unless_right(sequences_problem(body["sequences"]))
    if not all(isinstance(email, str) for email in body.get("email_list", ())):
        raise refusal("body/email_list must hold strings")
    if (body.get("daily_max_leads") or 0) < 0:
        raise refusal("body/daily_max_leads must be >= 0")
    # Of several sequences the service uses the first alone.
    first = {"sequences": body["sequences"][:1]} if "sequences" in body else {}
    return {**body, **first}


def _turned(state: SandboxState, asked: Asked, status: LifecycleStatus) -> Reply:
    subsequence = _found(state.subsequences, asked)
    subsequence["status"] = int(status)
    return json_reply(subsequence)


def _added(state: SandboxState, campaign: dict[str, Any]) -> Reply:
    state.campaigns[campaign["id"]] = campaign
    return json_reply(campaign)


def _changed(state: SandboxState, campaign: dict[str, Any], **fields: Any) -> Reply:
    campaign.update(fields, timestamp_updated=seed.timestamp(state.clock()))
    return json_reply(campaign)
