from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from airflow_provider_campaigns.sandbox import RunningSandbox, running


class StoppedClock:
    """A clock that only a test advances."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Client:
    """Calls one sandbox as a user does, and returns whole responses."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.url = sandbox.url
        self.state = sandbox.state

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, json=json, timeout=60, **options)

    def cleaner(self, name: str, json: Any = None, /) -> requests.Response:
        method = "POST" if json is not None else "GET"
        return self.call(method, f"/v1/{name}", json, headers={"X-CC-API-Key": "any"})

    def instantly(self, method: str, path: str, json: Any = None, /, **params: Any) -> requests.Response:
        headers = {"Authorization": "Bearer any"}
        return self.call(method, f"/api/v2{path}", json, params=params, headers=headers)

    def control(self, method: str, path: str, json: Any = None, /, **params: Any) -> Any:
        response = self.call(method, f"/_sandbox{path}", json, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def submit(self, html: str = "<p>Hello</p>", **fields: Any) -> str:
        fields = {"campaign_html": html, "campaign_name": "Spring", **fields}
        response = self.cleaner("send_campaign", {"send_campaign": fields})
        return str(response.json()["campaign"]["id"])


@pytest.fixture(scope="session")
def stopped_clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture(scope="session")
def _sandbox(stopped_clock: StoppedClock) -> Iterator[RunningSandbox]:
    with running(clock=stopped_clock) as sandbox:
        yield sandbox


@pytest.fixture
def client(_sandbox: RunningSandbox) -> Iterator[Client]:
    yield Client(_sandbox)
    _sandbox.state.reset()
