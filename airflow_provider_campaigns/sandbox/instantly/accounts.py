"""The endpoints of sending accounts and of their workspace."""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.sandbox.exchange import (
    RefusedError,
    Reply,
    Request,
    Route,
    first_problem,
    json_reply,
)
from airflow_provider_campaigns.sandbox.instantly.responses import not_found, page
from airflow_provider_campaigns.sandbox.state import SandboxState


def _list(state: SandboxState, request: Request) -> Reply:
    query = request.query
    accounts = [account for email, account in state.accounts.items() if query.get("search", "") in email]
    for name in ("status", "provider_code"):
        if name in query:
            accounts = [account for account in accounts if str(account[name]) == query[name]]
    return page(accounts, query, lambda account: f"{account['timestamp_created']}&{account['email']}")


def _get(state: SandboxState, request: Request) -> Reply:
    account = state.accounts.get(request.params["email"])
    if account is None:
        raise not_found()
    return json_reply(account)


def _test_vitals(state: SandboxState, request: Request) -> Reply:
    problem = first_problem(request.body, {"accounts": "array"}, required=["accounts"], closed=False)
    if problem or not all(isinstance(email, str) for email in request.body["accounts"]):
        raise RefusedError(json_reply({"error": problem or "body/accounts must hold strings"}, 400))
    passed: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for email in request.body["accounts"]:
        works = state.accounts.get(email, {}).get("status", 0) > 0
        checks = dict.fromkeys(("allPass", "mx", "spf", "dkim", "dmarc"), works)
        (passed if works else failed).append({"domain": email.rpartition("@")[2], **checks})
    return json_reply({"status": "success", "success_list": passed, "failure_list": failed})


def _workspace(state: SandboxState, request: Request) -> Reply:
    return json_reply(state.workspace)


ROUTES = (
    Route("GET", "/api/v2/accounts", _list, "accounts:read"),
    Route("POST", "/api/v2/accounts/test/vitals", _test_vitals, "accounts:read"),
    Route("GET", "/api/v2/accounts/{email}", _get, "accounts:read"),
    Route("GET", "/api/v2/workspaces/current", _workspace, "workspaces:read"),
)
