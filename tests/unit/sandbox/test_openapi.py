"""Every response of the sandbox's Instantly against the vendor's OpenAPI description, if there is a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import JobStatus, SendingCode
from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    SUBSEQUENCE_ID,
    UNHEALTHY_CAMPAIGN_ID,
)
from airflow_provider_campaigns.sandbox.instantly.routes import ROUTES
from airflow_provider_campaigns.sandbox.seed import ALWAYS
from airflow_provider_campaigns.sandbox.state import JOB_TIME
from tests.support import openapi
from tests.support.openapi import description, needs_description

from .conftest import Client, StoppedClock
from .test_instantly import UNKNOWN_ID, steps

pytestmark = needs_description

CAMPAIGN = {
    "name": "N",
    "campaign_schedule": ALWAYS,
    "sequences": [steps("A", "B")],
    "email_list": ["ada@sender.test"],
    "daily_limit": None,
}
LEADS = {
    "campaign_id": HEALTHY_CAMPAIGN_ID,
    "leads": [{"email": "c@example.org", "first_name": "C", "custom_variables": {"k": 1}}, {"email": "no"}],
}
MOVE = {"campaign": HEALTHY_CAMPAIGN_ID, "to_campaign_id": DRAFT_CAMPAIGN_ID}
# (method, path in the description, path parameters, body)
CALLS: list[tuple[str, str, dict[str, str], Any]] = [
    ("GET", "/campaigns", {}, None),
    ("POST", "/campaigns", {}, CAMPAIGN),
    ("GET", "/campaigns/count-launched", {}, None),
    ("GET", "/campaigns/{id}", {"id": HEALTHY_CAMPAIGN_ID}, None),
    ("PATCH", "/campaigns/{id}", {"id": HEALTHY_CAMPAIGN_ID}, {"name": "M", "match_lead_esp": True}),
    ("DELETE", "/campaigns/{id}", {"id": DRAFT_CAMPAIGN_ID}, None),
    ("POST", "/campaigns/{id}/activate", {"id": DRAFT_CAMPAIGN_ID}, None),
    ("POST", "/campaigns/{id}/pause", {"id": HEALTHY_CAMPAIGN_ID}, None),
    ("POST", "/campaigns/{id}/duplicate", {"id": HEALTHY_CAMPAIGN_ID}, {"name": "M"}),
    ("GET", "/campaigns/{id}/sending-status", {"id": HEALTHY_CAMPAIGN_ID}, None),
    ("GET", "/campaigns/{id}/sending-status", {"id": UNHEALTHY_CAMPAIGN_ID}, None),
    ("GET", "/campaigns/{id}/sending-status", {"id": DRAFT_CAMPAIGN_ID}, None),
    ("GET", "/campaigns/analytics", {}, None),
    ("GET", "/campaigns/analytics/overview", {}, None),
    ("GET", "/campaigns/analytics/daily", {}, None),
    ("GET", "/campaigns/analytics/steps", {}, None),
    ("GET", "/subsequences", {}, None),
    ("GET", "/subsequences/{id}", {"id": SUBSEQUENCE_ID}, None),
    ("POST", "/subsequences/{id}/pause", {"id": SUBSEQUENCE_ID}, None),
    ("POST", "/subsequences/{id}/resume", {"id": SUBSEQUENCE_ID}, None),
    ("GET", "/subsequences/{id}/sending-status", {"id": SUBSEQUENCE_ID}, None),
    ("POST", "/leads/add", {}, LEADS),
    ("POST", "/leads/list", {}, {"limit": 1}),
    ("POST", "/leads/move", {}, MOVE),
    ("GET", "/background-jobs", {}, None),
    ("GET", "/background-jobs/{id}", {"id": "the only one"}, None),
    ("GET", "/accounts", {}, None),
    ("GET", "/accounts/{email}", {"email": "ada@sender.test"}, None),
    ("POST", "/accounts/test/vitals", {}, {"accounts": ["ada@sender.test", "lost@sender.test"]}),
    ("GET", "/workspaces/current", {}, None),
]


def check(response: Any, operation: dict[str, Any], status: int) -> None:
    openapi.check(response, operation["responses"][str(status)]["content"]["application/json"]["schema"])


@pytest.fixture(autouse=True)
def _some_leads_and_a_job(client: Client) -> None:
    leads = [{"email": f"lead{number}@example.org", "company_name": "X"} for number in range(20)]
    client.instantly("POST", "/leads/add", {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": leads})
    client.instantly("POST", "/leads/move", {**MOVE, "contacts": ["lead1@example.org"]})


@pytest.mark.parametrize(("method", "path", "params", "body"), CALLS)
def test_response_matches_the_description(
    client: Client, method: str, path: str, params: dict[str, str], body: Any
) -> None:
    if path.startswith("/background-jobs/"):
        params = {"id": next(iter(client.state.jobs))}
    response = client.instantly(method, path.format(**params), body)
    assert response.status_code == 200, response.text
    check(response.json(), description()["paths"][f"/api/v2{path}"][method.lower()], 200)


def test_every_route_is_checked() -> None:
    assert {(route.method, route.path) for route in ROUTES} == {
        (method, f"/api/v2{path}") for method, path, _, _ in CALLS
    }


@pytest.mark.parametrize("outcome", JobStatus)
def test_every_job_status_matches_the_description(
    client: Client, stopped_clock: StoppedClock, outcome: str
) -> None:
    client.state.play_job_outcomes([outcome])
    job_id = client.instantly("POST", "/leads/move", MOVE).json()["id"]
    for _ in range(3):
        stopped_clock.advance(JOB_TIME.total_seconds() / 2)
        response = client.instantly("GET", f"/background-jobs/{job_id}")
        check(response.json(), description()["paths"]["/api/v2/background-jobs/{id}"]["get"], 200)
    assert response.json()["status"] == outcome


@pytest.mark.parametrize("code", SendingCode)
def test_every_sending_status_matches_the_description(client: Client, code: str) -> None:
    client.state.play_sending_status(HEALTHY_CAMPAIGN_ID, [code])
    response = client.instantly(
        "GET", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status", with_ai_summary="true"
    )
    check(response.json(), description()["paths"]["/api/v2/campaigns/{id}/sending-status"]["get"], 200)


@pytest.mark.parametrize(
    ("status", "provoke"),
    [
        (400, lambda client: client.instantly("POST", "/campaigns", {"name": "N"})),
        (401, lambda client: client.call("GET", "/api/v2/campaigns")),
        (404, lambda client: client.instantly("GET", f"/campaigns/{UNKNOWN_ID}")),
        *((status, lambda client: client.instantly("GET", "/campaigns")) for status in (402, 429)),
    ],
)
def test_error_matches_the_description(client: Client, status: int, provoke: Callable[[Client], Any]) -> None:
    if status in {402, 429}:
        client.control("POST", "/faults", [{"path": "/api/", "status": status}])
    response = provoke(client)
    assert response.status_code == status
    operation = description()["paths"]["/api/v2/campaigns"]["post" if status == 400 else "get"]
    if status == 404:
        operation = description()["paths"]["/api/v2/campaigns/{id}"]["get"]
    check(response.json(), operation, status)
