"""The endpoints of leads: add, list, move."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_campaigns.api.instantly import MAX_LEADS_PER_CALL
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.exchange import Reply, Request, Route, first_problem, json_reply
from airflow_provider_campaigns.sandbox.instantly.jobs import job_as_json
from airflow_provider_campaigns.sandbox.instantly.responses import not_found, page, refusal, refuse_if
from airflow_provider_campaigns.sandbox.state import SandboxState, new_id

_PLAN_LIMIT = 25_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_PERSON = ("first_name", "last_name", "phone", "company_name", "job_title", "website", "personalization")
_LEAD = {
    "email": "string|null",
    **dict.fromkeys((*_PERSON, "pl_value_lead", "assigned_to"), "string|null"),
    "lt_interest_status": "number",
    "custom_variables": "object",
}
_SKIPS = ("skip_if_in_workspace", "skip_if_in_campaign", "skip_if_in_list")
_ADD = {
    "campaign_id": "string",
    "list_id": "string",
    "leads": "array",
    "blocklist_id": "string|null",
    **dict.fromkeys(("verify_leads_on_import", *_SKIPS), "boolean"),
}
_FILTERS = {
    **dict.fromkeys(("campaign", "list_id", "search", "starting_after"), "string"),
    **dict.fromkeys(("ids", "excluded_ids", "contacts"), "array"),
    **dict.fromkeys(("in_campaign", "in_list"), "boolean"),
    "limit": "number",
}
_MOVE = {**_FILTERS, "to_campaign_id": "string", "to_list_id": "string", "copy_leads": "boolean"}
_COUNTS = (
    "leads_uploaded", "in_blocklist", "duplicated_leads", "skipped_count", "invalid_email_count",
    "incomplete_count", "duplicate_email_count",
)  # fmt: skip


@dataclass
class _LeadSorter:
    """Decides what happens to each lead of a batch."""

    is_list: bool
    blocklist: set[str]
    present: set[str]
    to_skip: set[str]
    seen: set[str] = field(default_factory=set)

    def count_name(self, lead: Mapping[str, Any]) -> str:
        """Return the name of the count that a lead belongs to."""
        email = (lead.get("email") or "").strip().lower()
        if not email and self.is_list:
            named = lead.get("first_name") or lead.get("last_name")
            return "leads_uploaded" if named else "incomplete_count"
        if not _EMAIL.fullmatch(email):
            return "invalid_email_count"
        first_time = email not in self.seen
        self.seen.add(email)
        reasons = {
            "duplicate_email_count": not first_time,
            "in_blocklist": bool({email, email.partition("@")[2]} & self.blocklist),
            "duplicated_leads": email in self.present,
            "skipped_count": email in self.to_skip,
        }
        return next((count_name for count_name, applies in reasons.items() if applies), "leads_uploaded")


def _add(state: SandboxState, request: Request) -> Reply:
    body = _checked_batch(request.body)
    campaign_id, list_id = body.get("campaign_id"), body.get("list_id")
    target_id = str(campaign_id or list_id)
    if campaign_id is not None and campaign_id not in state.campaigns:
        raise not_found()
    present = {str(lead["email"]).lower() for lead in state.leads_in(target_id)}
    sorter = _LeadSorter(campaign_id is None, state.blocklist, present, _emails_to_skip(state, body))
    counts = dict.fromkeys(_COUNTS, 0)
    created = []
    for index, given in enumerate(body["leads"]):
        if (given.get("email") or "").strip().lower() in state.unaccounted_leads:
            continue
        count_name = sorter.count_name(given)
        counts[count_name] += 1
        if count_name == "leads_uploaded":
            lead = _new_lead(given, campaign_id, list_id, state.clock())
            state.leads[lead["id"]] = lead
            shown = ("id", "email", "first_name", "last_name", "phone")
            created.append({"index": index, **{name: lead[name] for name in shown}})
    if body.get("verify_leads_on_import"):
        state.start_job("import-leads", target_id, total_to_process=len(created))
    return json_reply(
        {
            "status": "success",
            "total_sent": len(body["leads"]),
            **counts,
            "blocklist_used": body.get("blocklist_id") or seed.BLOCKLIST_ID,
            "remaining_in_plan": None if campaign_id is None else max(_PLAN_LIMIT - len(state.leads), 0),
            "created_leads": created,
        }
    )


def _list(state: SandboxState, request: Request) -> Reply:
    body = {} if request.body is None else request.body
    refuse_if(first_problem(body, _FILTERS, closed=False))
    return page(_selected(state, body), body)


def _move(state: SandboxState, request: Request) -> Reply:
    refuse_if(first_problem(request.body, _MOVE, closed=False))
    body: dict[str, Any] = request.body
    to_campaign, to_list = body.get("to_campaign_id"), body.get("to_list_id")
    if (to_campaign is None) == (to_list is None):
        raise refusal("body must have exactly one of 'to_campaign_id' and 'to_list_id'")
    if body.get("ids") and not (body.get("campaign") or body.get("list_id")):
        raise refusal("body must have 'campaign' or 'list_id' when 'ids' is given")
    if to_campaign is not None and to_campaign not in state.campaigns:
        raise not_found()
    moved = _selected(state, body)
    emails = [lead["email"] for lead in moved if lead["email"]]
    target = to_campaign or to_list
    job = state.start_job("move-leads", target, moved_lead_emails=emails, total_to_process=len(moved))
    for lead in moved if job.succeeds else ():
        new = {**lead, "id": new_id()} if body.get("copy_leads") else lead
        new.update(campaign=to_campaign, list_id=to_list)
        state.leads[new["id"]] = new
    return json_reply(job_as_json(state, job))


ROUTES = (
    Route("POST", "/api/v2/leads/add", _add, "leads:create"),
    Route("POST", "/api/v2/leads/list", _list, "leads:read"),
    Route("POST", "/api/v2/leads/move", _move, "leads:update"),
)


def _checked_batch(body: Any) -> dict[str, Any]:
    refuse_if(first_problem(body, _ADD, required=["leads"], closed=False))
    if ("campaign_id" in body) == ("list_id" in body):
        raise refusal("body must have exactly one of 'campaign_id' and 'list_id'")
    if not 1 <= len(body["leads"]) <= MAX_LEADS_PER_CALL:
        raise refusal(f"body/leads must have 1 to {MAX_LEADS_PER_CALL} items")
    for index, lead in enumerate(body["leads"]):
        where = f"body/leads/{index}"
        refuse_if(first_problem(lead, _LEAD, where=where))
        variables = lead.get("custom_variables", {})
        plain = dict.fromkeys(variables, "string|number|boolean|null")
        refuse_if(first_problem(variables, plain, where=f"{where}/custom_variables"))
    return dict(body)


def _emails_to_skip(state: SandboxState, body: Mapping[str, Any]) -> set[str]:
    """Return the addresses that the ``skip_if_in_...`` options skip."""
    workspace, campaign, in_list = (bool(body.get(name)) for name in _SKIPS)
    return {
        str(lead["email"]).lower()
        for lead in state.leads.values()
        if workspace or (campaign and lead["campaign"]) or (in_list and lead["list_id"])
    }


def _selected(state: SandboxState, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    ids, excluded = filters.get("ids"), filters.get("excluded_ids", ())
    contacts = {str(email).lower() for email in filters.get("contacts", ())}
    search = filters.get("search", "").lower()

    def wanted(lead: Mapping[str, Any]) -> bool:
        text = " ".join(str(lead[name] or "") for name in ("email", "first_name", "last_name")).lower()
        return (
            all(lead[name] == filters[name] for name in ("campaign", "list_id") if filters.get(name))
            and (not ids or lead["id"] in ids)
            and lead["id"] not in excluded
            and (not contacts or str(lead["email"]).lower() in contacts)
            and search in text
            and not (filters.get("in_campaign") and not lead["campaign"])
            and not (filters.get("in_list") and not lead["list_id"])
        )

    return [lead for lead in state.leads.values() if wanted(lead)]


def _new_lead(
    given: Mapping[str, Any], campaign_id: str | None, list_id: str | None, now: datetime
) -> dict[str, Any]:
    email = (given.get("email") or "").strip() or None
    person = {name: given.get(name) for name in _PERSON}
    names = {"first_name": "firstName", "last_name": "lastName", "company_name": "companyName"}
    payload = {names.get(name, name): value for name, value in person.items() if value}
    return {
        "id": new_id(),
        "timestamp_created": seed.timestamp(now),
        "timestamp_updated": seed.timestamp(now),
        "organization": seed.WORKSPACE_ID,
        "campaign": campaign_id,
        "list_id": list_id,
        "status": seed.ACTIVE_LEAD,
        "email": email,
        **person,
        "payload": {**payload, **given.get("custom_variables", {})},
        "email_open_count": 0,
        "email_reply_count": 0,
        "email_click_count": 0,
        "company_domain": (email or "").partition("@")[2],
        "status_summary": {},
        "verification_status": 1,
        "upload_method": "api",
    }
