"""All endpoints of Instantly in the sandbox, and the checks of key and scope.

Vendor pages: https://developer.instantly.ai/api-reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_provider_campaigns.api.instantly import SERVICE
from airflow_provider_campaigns.sandbox.exchange import RefusedError, Reply, Request, Route
from airflow_provider_campaigns.sandbox.instantly import accounts, analytics, campaigns, jobs, leads
from airflow_provider_campaigns.sandbox.instantly.responses import default_refusal, refusal
from airflow_provider_campaigns.sandbox.state import SandboxState

PREFIX = "/api/v2/"
ROUTES: tuple[Route, ...] = (
    *analytics.ROUTES,
    *campaigns.ROUTES,
    *leads.ROUTES,
    *jobs.ROUTES,
    *accounts.ROUTES,
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def check_key(state: SandboxState, headers: Mapping[str, str]) -> None:
    """Refuse a client that the vendor's proxy blocks, and a request without an accepted key."""
    agent = headers.get("User-Agent", "")
    if not agent or agent.startswith("Python-urllib"):
        raise RefusedError(Reply(b"error code: 1010", 403, "text/plain"))
    given = headers.get(SERVICE.key_header)
    if not given:
        raise default_refusal(401)
    key = given.removeprefix(SERVICE.key_prefix).strip() if given.startswith(SERVICE.key_prefix) else ""
    if not key or state.options.instantly_key not in (None, key):
        raise refusal("Invalid API key", 401)


def check_route(state: SandboxState, route: Route, request: Request) -> None:
    """Refuse a request without the scope, or with an invalid id in the path."""
    if route.scope is not None:
        resource, _, action = route.scope.partition(":")
        enough = {route.scope, f"{resource}:all", f"all:{action}", "all:all"}
        if not enough & set(state.scopes):
            found = ", ".join(state.scopes) or "none"
            raise refusal(f"Invalid scope. Required: {route.scope}. Found: {found}", 401)
    if route.uuids and "id" in request.params and not _UUID.fullmatch(request.params["id"]):
        raise refusal('params/id must match format "uuid"')
