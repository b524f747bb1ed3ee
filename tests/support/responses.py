"""Responses of both services, as a scripted server returns them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.support.fake_server import FakeServer, Reply

CLEANER_ID = "e8c8af95-c033-11ed-9848-003048d8d536"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
OTHER_UUID = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"
CLEANER_LINK = {"_link_CampaignCleanerLink": "https://members.campaigncleaner.com"}
INSTANTLY_LINK = {"_link_InstantlyCampaignLink": f"https://app.instantly.ai/app/campaign/{UUID}/analytics"}


def campaign_status(status: str) -> dict[str, Any]:
    """Return Campaign Cleaner's status of a campaign."""
    return {"campaign_status": {"id": CLEANER_ID, "status": status}}


def sending_status_body(code: Any, *, age: float = 0, **diagnostics: Any) -> dict[str, Any]:
    """Return Instantly's sending status of a campaign as JSON values.

    :param age: how many seconds ago it was updated.
    """
    updated = (datetime.now(timezone.utc) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return {
        "diagnostics": {"status": code, "campaign_id": UUID, "last_updated": updated, **diagnostics},
        "summary": {"status": code, "status_message": "The vendor's explanation"},
    }


def sending_status(code: Any, *, age: float = 0, **diagnostics: Any) -> Reply:
    """Return Instantly's sending status of a campaign, of the age that it has when it is sent."""
    return Reply(lambda _: json.dumps(sending_status_body(code, age=age, **diagnostics)))


def paths(server: FakeServer) -> list[str]:
    """Return the paths of the requests so far."""
    return [request.path for request in server.requests]


def requests_below(prefix: str, server: FakeServer) -> list[tuple[str, str]]:
    """Return the method and the path, without a prefix, of the requests so far."""
    return [(request.method, request.path.removeprefix(prefix)) for request in server.requests]
