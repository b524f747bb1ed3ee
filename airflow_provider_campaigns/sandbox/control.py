"""The control API below ``/_sandbox``: shows data, plays lists of responses, adds faults, sets habits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_campaigns.api.instantly import JobStatus, LifecycleStatus
from airflow_provider_campaigns.sandbox.campaign_cleaner.routes import campaign_as_json
from airflow_provider_campaigns.sandbox.exchange import (
    RefusedError,
    Reply,
    Request,
    Route,
    first_problem,
    has_type,
    json_reply,
    reason_phrase,
)
from airflow_provider_campaigns.sandbox.habits import HABITS, check_habits
from airflow_provider_campaigns.sandbox.instantly.jobs import job_as_json
from airflow_provider_campaigns.sandbox.options import MAX_SECONDS, MIN_LOOP_SECONDS
from airflow_provider_campaigns.sandbox.seed import timestamp
from airflow_provider_campaigns.sandbox.state import Fault, SandboxState

PREFIX = "/_sandbox/"

_FAULT = {
    "path": "string",
    "method": "string",
    "times": "integer|null",
    "delay": "number",
    "status": "integer",
    "body": "string|number|boolean|array|object",
    "headers": "object",
    "content_type": "string",
    "drop": "string",
}
_EFFECTS = {"delay", "status", "body", "drop"}
_DROPS = ("before", "headers", "body")
_STATUSES = range(200, 600)
_SCRIPTED = {
    "status": "string|null",
    "last_updated_age": "number",
    "diagnostics": "object|null",
    "summary": "object|null",
    "body": "string|number|boolean|array|object|null",
}
_LIFECYCLE = {status.name.lower(): int(status) for status in LifecycleStatus}
_JOB_STATUSES = [status.value for status in JobStatus]
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _state(state: SandboxState, request: Request) -> Reply:
    now = state.clock()
    submitted = [campaign_as_json(campaign, now) for campaign in list(state.submitted.values())]
    leads = Counter(lead["campaign"] or lead["list_id"] for lead in list(state.leads.values()))
    return json_reply(
        {
            "time": timestamp(now),
            "requests": len(state.requests),
            "faults": [asdict(fault) for fault in list(state.faults)],
            "habits": sorted(state.habits),
            "campaign_cleaner": {
                "credits": state.credits,
                "counts": Counter(campaign["status"] for campaign in submitted),
                "campaigns": submitted,
                "inbox_tests": len(state.inbox_tests),
            },
            "instantly": {
                "scopes": list(state.scopes),
                "blocklist": sorted(state.blocklist),
                "unaccounted_leads": sorted(state.unaccounted_leads),
                "loop_seconds": state.loops.seconds,
                "counts": {"leads": len(state.leads), "background_jobs": len(state.jobs)},
                "campaigns": [_with_status(state, campaign) for campaign in list(state.campaigns.values())],
                "subsequences": [_with_status(state, each) for each in list(state.subsequences.values())],
                "leads": leads,
                "background_jobs": [
                    {"id": job.id, "type": job.type, "status": job.status(now)}
                    for job in list(state.jobs.values())
                ],
                "job_outcomes": state.job_outcomes,
            },
        }
    )


def _with_status(state: SandboxState, subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of a campaign or subsequence, and the list that is played for it."""
    return {
        "id": subject["id"],
        "name": subject["name"],
        "status": subject["status"],
        "lifecycle": LifecycleStatus(subject["status"]).name.lower(),
        "sending_status": state.scripts.get(subject["id"], []),
    }


def _requests(state: SandboxState, request: Request) -> Reply:
    prefix = request.query.get("path", "")
    return json_reply([entry.as_json() for entry in list(state.requests) if entry.path.startswith(prefix)])


def _reset(state: SandboxState, request: Request) -> Reply:
    state.reset()
    return _state(state, request)


def _add_faults(state: SandboxState, request: Request) -> Reply:
    given = request.body if isinstance(request.body, list) else [request.body]
    faults = [_fault(each, f"faults[{position}]") for position, each in enumerate(given)]
    state.faults += faults
    return json_reply([asdict(fault) for fault in state.faults])


def _clear_faults(state: SandboxState, request: Request) -> Reply:
    state.faults.clear()
    return json_reply([])


def _set_habits(state: SandboxState, request: Request) -> Reply:
    if not isinstance(request.body, list) or not all(isinstance(each, str) for each in request.body):
        raise refusal("body must be a list of habits")
    try:
        check_habits(request.body)
    except ValueError as error:
        raise refusal(str(error)) from None
    state.habits = set(request.body)
    return json_reply(sorted(state.habits))


def _list_habits(state: SandboxState, request: Request) -> Reply:
    return json_reply({name: {"on": name in state.habits, "meaning": text} for name, text in HABITS.items()})


def _set_submitted(state: SandboxState, request: Request) -> Reply:
    campaign = state.submitted.get(request.params["id"])
    if campaign is None:
        raise refusal("No such campaign was submitted.", 404)
    fields = {"status": "string", "processing_seconds": "number"}
    _refuse_if(first_problem(request.body, fields))
    if len(request.body) != 1:
        raise refusal(f"body must have exactly one of {', '.join(fields)}")
    if "status" in request.body:
        campaign.fixed_status = request.body["status"]
    else:
        seconds = request.body["processing_seconds"]
        _refuse_if(_seconds_problem(seconds, "body/processing_seconds"))
        state.set_processing_seconds(campaign.id, seconds)
    return json_reply(campaign_as_json(campaign, state.clock()))


def _set_workspace(state: SandboxState, request: Request) -> Reply:
    lists = ("scopes", "blocklist", "unaccounted_leads")
    _refuse_if(first_problem(request.body, {**dict.fromkeys(lists, "array"), "loop_seconds": "number"}))
    for name in lists:
        if not all(isinstance(item, str) for item in request.body.get(name, ())):
            raise refusal(f"body/{name} must hold strings")
    if "loop_seconds" in request.body:
        seconds = request.body["loop_seconds"]
        _refuse_if(_seconds_problem(seconds, "body/loop_seconds", least=MIN_LOOP_SECONDS))
        state.set_loop_seconds(seconds)
    state.scopes = tuple(request.body.get("scopes", state.scopes))
    state.blocklist = {item.lower() for item in request.body.get("blocklist", state.blocklist)}
    unaccounted = request.body.get("unaccounted_leads", state.unaccounted_leads)
    state.unaccounted_leads = {email.lower() for email in unaccounted}
    return _state(state, request)


def _set_campaign(state: SandboxState, request: Request) -> Reply:
    subject = _subject(state, request)
    fields = {"status": "string|integer"}
    if request.params["collection"] == "campaigns":
        fields["leads"] = "string"
    _refuse_if(first_problem(request.body, fields))
    if len(request.body) != 1:
        raise refusal(f"body must have exactly one of {', '.join(fields)}")
    if "leads" in request.body:
        if request.body["leads"] != "mailed":
            raise refusal("body/leads must be mailed")
        state.mark_leads_mailed(subject["id"])
        return json_reply(_with_status(state, subject))
    status = _LIFECYCLE.get(request.body["status"], request.body["status"])
    if status not in _LIFECYCLE.values():
        named = ", ".join(f"{name} ({number})" for name, number in _LIFECYCLE.items())
        raise refusal(f"body/status must be one of {named}")
    subject["status"] = status
    return json_reply(_with_status(state, subject))


def _script(state: SandboxState, request: Request) -> Reply:
    subject = _subject(state, request)
    if not isinstance(request.body, list):
        raise refusal("body must be a list: codes, nulls or objects")
    for position, entry in enumerate(request.body):
        _refuse_if(_scripted_problem(entry, f"body[{position}]"))
    state.play_sending_status(subject["id"], request.body)
    return json_reply(_with_status(state, subject))


def _script_jobs(state: SandboxState, request: Request) -> Reply:
    if not isinstance(request.body, list):
        raise refusal("body must be a list of final statuses of jobs")
    for position, status in enumerate(request.body):
        _refuse_if(_job_status_problem(status, f"body[{position}]"))
    state.play_job_outcomes(request.body)
    return json_reply(state.job_outcomes)


def _set_job(state: SandboxState, request: Request) -> Reply:
    if request.params["id"] not in state.jobs:
        raise refusal("No such background job.", 404)
    _refuse_if(first_problem(request.body, {"status": "string"}, required=["status"]))
    _refuse_if(_job_status_problem(request.body["status"], "body/status"))
    return json_reply(job_as_json(state, state.set_job_status(request.params["id"], request.body["status"])))


_JOBS = "/_sandbox/instantly/background-jobs"
_SUBJECT = "/_sandbox/instantly/{collection:campaigns|subsequences}/{id}"
ROUTES = (
    Route("GET", "/_sandbox/state", _state),
    Route("GET", "/_sandbox/requests", _requests),
    Route("POST", "/_sandbox/reset", _reset),
    Route("POST", "/_sandbox/faults", _add_faults),
    Route("DELETE", "/_sandbox/faults", _clear_faults),
    Route("GET", "/_sandbox/habits", _list_habits),
    Route("POST", "/_sandbox/habits", _set_habits),
    Route("POST", "/_sandbox/campaign-cleaner/campaigns/{id}", _set_submitted),
    Route("POST", "/_sandbox/instantly", _set_workspace),
    Route("POST", _JOBS, _script_jobs),
    Route("POST", f"{_JOBS}/{{id}}", _set_job),
    Route("POST", _SUBJECT, _set_campaign),
    Route("POST", f"{_SUBJECT}/sending-status", _script),
)


def refusal(message: str, status: int = 400) -> RefusedError:
    """Return an error of the control API."""
    return RefusedError(json_reply({"error": message}, status))


def default_refusal(status: int) -> RefusedError:
    """Return the error for an unknown path or method."""
    return refusal(reason_phrase(status), status)


def _refuse_if(problem: str | None) -> None:
    if problem:
        raise refusal(problem)


def _subject(state: SandboxState, request: Request) -> dict[str, Any]:
    among = state.campaigns if request.params["collection"] == "campaigns" else state.subsequences
    found = among.get(request.params["id"].lower())
    if found is None:
        raise refusal(f"No such id among Instantly's {request.params['collection']}.", 404)
    return found


def _scripted_problem(entry: Any, where: str) -> str | None:
    if has_type(entry, "string|null"):
        return None
    return first_problem(entry, _SCRIPTED, where=where) or _seconds_problem(
        entry.get("last_updated_age", 0), f"{where}/last_updated_age", least=-MAX_SECONDS
    )


def _job_status_problem(status: Any, where: str) -> str | None:
    return None if status in _JOB_STATUSES else f"{where} must be one of {', '.join(_JOB_STATUSES)}"


def _seconds_problem(seconds: float, where: str, *, least: float = 0) -> str | None:
    if least <= seconds <= MAX_SECONDS:
        return None
    return f"{where} must be {least:g} to {MAX_SECONDS:g} seconds"


def _fault(given: Any, where: str) -> Fault:
    _refuse_if(first_problem(given, _FAULT, required=["path"], where=where))
    if not _EFFECTS & given.keys():
        raise refusal(f"{where} must have one of {', '.join(sorted(_EFFECTS))}")
    if given.get("drop", "before") not in _DROPS:
        raise refusal(f"{where}/drop must be one of {', '.join(_DROPS)}")
    if given.get("status", 200) not in _STATUSES:
        raise refusal(f"{where}/status must be {_STATUSES.start} to {_STATUSES.stop - 1}")
    _refuse_if(_seconds_problem(given.get("delay", 0), f"{where}/delay"))
    if given.get("times") is not None and given["times"] < 1:
        raise refusal(f"{where}/times must be 1 or more, or null for ever")
    headers = {"Content-Type": given.get("content_type", ""), **given.get("headers", {})}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(value, str) or not value.isprintable():
            raise refusal(f"{where}/headers/{name} must be a header with a string")
    if "method" in given:
        given["method"] = given["method"].upper()
    return Fault(**given)
