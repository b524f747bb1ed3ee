"""The control API below ``/_sandbox``: look into the sandbox, script its answers, make it misbehave."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_campaigns.api.instantly import JobStatus, LifecycleStatus
from airflow_provider_campaigns.sandbox.campaign_cleaner.routes import described
from airflow_provider_campaigns.sandbox.exchange import Asked, Refused, Reply, Route, json_reply, phrase_of
from airflow_provider_campaigns.sandbox.instantly.jobs import job_as_json
from airflow_provider_campaigns.sandbox.seed import timestamp
from airflow_provider_campaigns.sandbox.shape import first_problem, is_of
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
_MAX_SECONDS = 1e9
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


def _state(state: SandboxState, asked: Asked) -> Reply:
    now = state.clock()
    submitted = [described(campaign, now) for campaign in list(state.submitted.values())]
    leads = Counter(lead["campaign"] or lead["list_id"] for lead in list(state.leads.values()))
    return json_reply(
        {
            "time": timestamp(now),
            "requests": len(state.requests),
            "faults": [asdict(fault) for fault in list(state.faults)],
            "campaign_cleaner": {
                "credits": state.credits,
                "counts": Counter(campaign["status"] for campaign in submitted),
                "campaigns": submitted,
                "inbox_tests": len(state.inbox_tests),
            },
            "instantly": {
                "scopes": list(state.scopes),
                "blocklist": sorted(state.blocklist),
                "counts": {"leads": len(state.leads), "background_jobs": len(state.jobs)},
                "campaigns": [_standing(state, campaign) for campaign in list(state.campaigns.values())],
                "subsequences": [_standing(state, each) for each in list(state.subsequences.values())],
                "leads": leads,
                "background_jobs": [
                    {"id": job.id, "type": job.type, "status": job.status(now)}
                    for job in list(state.jobs.values())
                ],
                "job_outcomes": state.job_outcomes,
            },
        }
    )


def _standing(state: SandboxState, subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a campaign or subsequence stands, and what is scripted about it."""
    return {
        "id": subject["id"],
        "name": subject["name"],
        "status": subject["status"],
        "lifecycle": LifecycleStatus(subject["status"]).name.lower(),
        "sending_status": state.scripts.get(subject["id"], []),
    }


def _requests(state: SandboxState, asked: Asked) -> Reply:
    prefix = asked.query.get("path", "")
    return json_reply([entry.as_json() for entry in list(state.requests) if entry.path.startswith(prefix)])


def _reset(state: SandboxState, asked: Asked) -> Reply:
    state.reset()
    return _state(state, asked)


def _add_faults(state: SandboxState, asked: Asked) -> Reply:
    given = asked.body if isinstance(asked.body, list) else [asked.body]
    faults = [_fault(each, f"faults[{position}]") for position, each in enumerate(given)]
    state.faults += faults
    return json_reply([asdict(fault) for fault in state.faults])


def _clear_faults(state: SandboxState, asked: Asked) -> Reply:
    state.faults.clear()
    return json_reply([])


def _set_submitted(state: SandboxState, asked: Asked) -> Reply:
    campaign = state.submitted.get(asked.params["id"])
    if campaign is None:
        raise refusal("No such campaign was submitted.", 404)
    fields = {"status": "string", "processing_seconds": "number"}
    _unless_right(first_problem(asked.body, fields))
    if len(asked.body) != 1:
        raise refusal(f"body must have exactly one of {', '.join(fields)}")
    if "status" in asked.body:
        campaign.fixed_status = asked.body["status"]
    else:
        seconds = asked.body["processing_seconds"]
        _unless_right(_seconds_problem(seconds, "body/processing_seconds"))
        state.set_processing_seconds(campaign.id, seconds)
    return json_reply(described(campaign, state.clock()))


def _set_workspace(state: SandboxState, asked: Asked) -> Reply:
    _unless_right(first_problem(asked.body, {"scopes": "array", "blocklist": "array"}))
    for name, items in asked.body.items():
        if not all(isinstance(item, str) for item in items):
            raise refusal(f"body/{name} must hold strings")
    state.scopes = tuple(asked.body.get("scopes", state.scopes))
    state.blocklist = {item.lower() for item in asked.body.get("blocklist", state.blocklist)}
    return _state(state, asked)


def _set_lifecycle(state: SandboxState, asked: Asked) -> Reply:
    subject = _subject(state, asked)
    _unless_right(first_problem(asked.body, {"status": "string|integer"}, required=["status"]))
    status = _LIFECYCLE.get(asked.body["status"], asked.body["status"])
    if status not in _LIFECYCLE.values():
        named = ", ".join(f"{name} ({number})" for name, number in _LIFECYCLE.items())
        raise refusal(f"body/status must be one of {named}")
    subject["status"] = status
    return json_reply(_standing(state, subject))


def _script(state: SandboxState, asked: Asked) -> Reply:
    subject = _subject(state, asked)
    if not isinstance(asked.body, list):
        raise refusal("body must be a list: codes, nulls or objects")
    for position, entry in enumerate(asked.body):
        _unless_right(_scripted_problem(entry, f"body[{position}]"))
    state.play_sending_status(subject["id"], asked.body)
    return json_reply(_standing(state, subject))


def _script_jobs(state: SandboxState, asked: Asked) -> Reply:
    if not isinstance(asked.body, list):
        raise refusal("body must be a list of statuses that jobs come to")
    for position, status in enumerate(asked.body):
        _unless_right(_job_status_problem(status, f"body[{position}]"))
    state.play_job_outcomes(asked.body)
    return json_reply(state.job_outcomes)


def _set_job(state: SandboxState, asked: Asked) -> Reply:
    if asked.params["id"] not in state.jobs:
        raise refusal("No such background job.", 404)
    _unless_right(first_problem(asked.body, {"status": "string"}, required=["status"]))
    _unless_right(_job_status_problem(asked.body["status"], "body/status"))
    return json_reply(job_as_json(state, state.set_job_status(asked.params["id"], asked.body["status"])))


_JOBS = "/_sandbox/instantly/background-jobs"
_SUBJECT = "/_sandbox/instantly/{collection:campaigns|subsequences}/{id}"
ROUTES = (
    Route("GET", "/_sandbox/state", _state),
    Route("GET", "/_sandbox/requests", _requests),
    Route("POST", "/_sandbox/reset", _reset),
    Route("POST", "/_sandbox/faults", _add_faults),
    Route("DELETE", "/_sandbox/faults", _clear_faults),
    Route("POST", "/_sandbox/campaign-cleaner/campaigns/{id}", _set_submitted),
    Route("POST", "/_sandbox/instantly", _set_workspace),
    Route("POST", _JOBS, _script_jobs),
    Route("POST", f"{_JOBS}/{{id}}", _set_job),
    Route("POST", _SUBJECT, _set_lifecycle),
    Route("POST", f"{_SUBJECT}/sending-status", _script),
)


def refusal(message: str, status: int = 400) -> Refused:
    """Return an error of the control API."""
    return Refused(json_reply({"error": message}, status))


def usual_refusal(status: int) -> Refused:
    """Return the error for a path or a method that the control API does not have."""
    return refusal(phrase_of(status), status)


def _unless_right(problem: str | None) -> None:
    if problem:
        raise refusal(problem)


def _subject(state: SandboxState, asked: Asked) -> dict[str, Any]:
    among = state.campaigns if asked.params["collection"] == "campaigns" else state.subsequences
    found = among.get(asked.params["id"].lower())
    if found is None:
        raise refusal(f"No such id among Instantly's {asked.params['collection']}.", 404)
    return found


def _scripted_problem(entry: Any, where: str) -> str | None:
    if is_of(entry, "string|null"):
        return None
    return first_problem(entry, _SCRIPTED, where=where) or _seconds_problem(
        entry.get("last_updated_age", 0), f"{where}/last_updated_age", least=-_MAX_SECONDS
    )


def _job_status_problem(status: Any, where: str) -> str | None:
    return None if status in _JOB_STATUSES else f"{where} must be one of {', '.join(_JOB_STATUSES)}"


def _seconds_problem(seconds: float, where: str, *, least: float = 0) -> str | None:
    if least <= seconds <= _MAX_SECONDS:
        return None
    return f"{where} must be {least:g} to {_MAX_SECONDS:g} seconds"


def _fault(given: Any, where: str) -> Fault:
    _unless_right(first_problem(given, _FAULT, required=["path"], where=where))
    if not _EFFECTS & given.keys():
        raise refusal(f"{where} must have one of {', '.join(sorted(_EFFECTS))}")
    if given.get("drop", "before") not in _DROPS:
        raise refusal(f"{where}/drop must be one of {', '.join(_DROPS)}")
    if given.get("status", 200) not in _STATUSES:
        raise refusal(f"{where}/status must be {_STATUSES.start} to {_STATUSES.stop - 1}")
    _unless_right(_seconds_problem(given.get("delay", 0), f"{where}/delay"))
    if given.get("times") is not None and given["times"] < 1:
        raise refusal(f"{where}/times must be 1 or more, or null for ever")
    headers = {"Content-Type": given.get("content_type", ""), **given.get("headers", {})}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(value, str) or not value.isprintable():
            raise refusal(f"{where}/headers/{name} must be a header with a text")
    if "method" in given:
        given["method"] = given["method"].upper()
    return Fault(**given)
