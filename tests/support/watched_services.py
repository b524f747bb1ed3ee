"""Both services as watchers see them, and watchers that poll once a minute."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_campaigns.watchers import campaign_cleaner_completed, instantly_health_changed
from tests.support.fake_server import FakeServer, Reply, Request

# How the names of what each watcher stores end.
COMPLETIONS, HEALTH = "CampaignCleanerCompletedTrigger", "InstantlyHealthChangedTrigger"
INTERVAL = 60.0
# A sending status that needs a person.
ILL = "all_accounts_unhealthy"
LIST = "/v1/get_campaign_list"


def now() -> datetime:
    return datetime.now(timezone.utc)


class Cleaner:
    """Campaign Cleaner with campaigns that have a state, a name and a date."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.campaigns: dict[str, dict[str, Any]] = {}
        server.respond(Reply(self._list), path=LIST)

    def add(
        self, campaign_id: str, status: str = "processing", *, age: float = 0, name: str = "Spring"
    ) -> None:
        added = (now() - timedelta(seconds=age)).isoformat()
        self.campaigns[campaign_id] = {
            "id": campaign_id,
            "campaign_name": name,
            "status": status,
            "date_added": added,
        }

    def complete(self, *campaign_ids: str) -> None:
        for campaign_id in campaign_ids:
            self.campaigns[campaign_id]["status"] = "completed"

    def _list(self, _: Request) -> dict[str, Any]:
        return {"campaign_list": list(self.campaigns.values())}

    def requests(self) -> int:
        return sum(request.path == LIST for request in self.server.requests)


class Instantly:
    """Instantly with campaigns; ``codes`` holds what their sending statuses report."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, str] = {}
        self.age = 60.0
        self.now = now
        server.respond(Reply(self._page), path="/api/v2/campaigns?")
        server.respond(Reply(self._status), path="/api/v2/campaigns/")

    def add(self, number: int, code: str | None = "healthy", *, status: int = 1) -> str:
        campaign_id = f"019e18e2-a52f-78e7-96f2-{number:012d}"
        self.campaigns[campaign_id] = {"id": campaign_id, "name": f"Campaign {number}", "status": status}
        if code is not None:
            self.codes[campaign_id] = code
        return campaign_id

    def _page(self, request: Request) -> dict[str, Any]:
        query = parse_qs(urlsplit(request.path).query)
        ids = sorted(self.campaigns)
        start = query.get("starting_after", [""])[0]
        page = [each for each in ids if each > start][: int(query["limit"][0])]
        more = bool(page) and page[-1] != ids[-1]
        items = [{**self.campaigns[each], "sequences": [{"body": "x" * 100}]} for each in page]
        return {"items": items, **({"next_starting_after": page[-1]} if more else {})}

    def _status(self, request: Request) -> dict[str, Any]:
        campaign_id = request.path.split("/")[4]
        updated = (self.now() - timedelta(seconds=self.age)).isoformat()
        diagnostics = {"status": self.codes.get(campaign_id), "last_updated": updated}
        return {"campaign_id": campaign_id, "diagnostics": diagnostics, "summary": None}

    def requests(self) -> Counter[str]:
        return Counter(
            "list" if "?" in request.path and "sending-status" not in request.path else "status"
            for request in self.server.requests
        )


async def polls(number: int = 1) -> None:
    await asyncio.sleep(number * INTERVAL + 1)


def completed(name: str = "newsletters", **arguments: Any) -> Any:
    return campaign_cleaner_completed(name, **{"poke_interval": INTERVAL, **arguments})


def health(name: str = "health", **arguments: Any) -> Any:
    return instantly_health_changed(name, **{"poke_interval": INTERVAL, **arguments})
