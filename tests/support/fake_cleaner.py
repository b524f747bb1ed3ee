"""Campaign Cleaner with a status for each campaign, on the fake server."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.support.fake_server import FakeServer, Reply, Request

LIST, STATUS = "/v1/get_campaign_list", "/v1/get_campaign_status"


class FakeCleaner:
    """A status for each campaign; the list call leaves out the ``missing_from_list`` ones."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.statuses: dict[str, str] = {}
        self.missing_from_list: set[str] = set()
        server.respond(Reply(self.status), path=STATUS)
        server.respond(Reply(self.list), path=LIST)

    def set_all(self, campaigns: Any, status: str) -> None:
        self.statuses = dict.fromkeys(campaigns, status)

    def fail(self, reply: Reply) -> None:
        for path in (LIST, STATUS):
            self.server.respond(reply, path=path)

    def requests(self) -> Counter[str]:
        return Counter(request.path for request in self.server.requests)

    def requested_individually(self) -> Counter[str]:
        return Counter(
            request.json["campaign"]["id"] for request in self.server.requests if request.path == STATUS
        )

    def status(self, request: Request) -> dict[str, Any]:
        campaign_id = request.json["campaign"]["id"]
        return {"campaign_status": {"id": campaign_id, "status": self.statuses[campaign_id]}}

    def list(self, _: Request) -> dict[str, Any]:
        return {
            "campaign_list": [
                {"id": campaign_id, "status": status}
                for campaign_id, status in self.statuses.items()
                if campaign_id not in self.missing_from_list
            ]
        }
