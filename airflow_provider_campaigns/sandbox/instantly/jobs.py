"""The endpoints of background jobs. A job ends after some time, with success by default."""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.api.instantly import JobStatus
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.exchange import Reply, Request, Route, json_reply
from airflow_provider_campaigns.sandbox.instantly.responses import not_found, page
from airflow_provider_campaigns.sandbox.state import JOB_TIME, Job, SandboxState

_FAILED_PROGRESS = 0.5
_FILTERS = {"ids": "id", **{name: name for name in ("status", "type", "entity_type", "entity_id")}}


def job_as_json(state: SandboxState, job: Job) -> dict[str, Any]:
    """Return a job in its present state."""
    now = state.clock()
    status, passed = job.status(now), job.progress(now)
    done = passed if job.succeeds else min(passed, _FAILED_PROGRESS)
    if status == JobStatus.SUCCESS:
        done = 1.0
    total = job.data.get("total_to_process", 0)
    # Lists show what was done; a job that does not succeed does nothing.
    data = {
        name: [] if isinstance(value, list) and not job.succeeds else value
        for name, value in job.data.items()
    }
    return {
        "id": job.id,
        "workspace_id": seed.WORKSPACE_ID,
        "type": job.type,
        "entity_id": job.entity_id,
        "entity_type": "campaign" if job.entity_id in state.campaigns else "list",
        "data": {
            **data,
            "success_count": int(total * done) if job.succeeds else 0,
            "failed_count": total if status == JobStatus.FAILED else 0,
        },
        "progress": int(100 * done),
        "status": status,
        "created_at": seed.timestamp(job.created),
        "updated_at": seed.timestamp(job.created + JOB_TIME * passed),
    }


def _get(state: SandboxState, request: Request) -> Reply:
    job = state.jobs.get(request.params["id"])
    if job is None:
        raise not_found()
    shown = job_as_json(state, job)
    if fields := request.query.get("data_fields"):
        data = shown["data"].items()
        shown["data"] = {name: value for name, value in data if name in fields.split(",")}
    return json_reply(shown)


def _list(state: SandboxState, request: Request) -> Reply:
    query = request.query
    jobs = [job_as_json(state, job) for job in state.jobs.values()]
    for name, field in _FILTERS.items():
        if name in query:
            jobs = [job for job in jobs if job[field] in query[name].split(",")]
    if query.get("sort_order") == "desc":
        jobs.reverse()
    return page(jobs, query)


ROUTES = (
    Route("GET", "/api/v2/background-jobs", _list, "background-jobs:read"),
    Route("GET", "/api/v2/background-jobs/{id}", _get, "background-jobs:read", uuids=False),
)
