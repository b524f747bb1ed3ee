"""The control API: what it returns, what it changes, and that it never returns a key."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    SUBSEQUENCE_ID,
    running,
)

from .conftest import Client, StoppedClock
from .test_instantly import UNKNOWN_ID


def test_state_of_a_new_sandbox(client: Client) -> None:
    state = client.control("GET", "/state")
    assert state["campaign_cleaner"] == {"credits": 100, "counts": {}, "campaigns": [], "inbox_tests": 0}
    assert [(each["id"], each["lifecycle"]) for each in state["instantly"]["subsequences"]] == [
        (SUBSEQUENCE_ID, "active")
    ]
    assert [each["lifecycle"] for each in state["instantly"]["campaigns"]] == [
        "active",
        "active",
        "paused",
        "draft",
    ]
    assert (state["requests"], state["faults"], state["instantly"]["leads"]) == (0, [], {})


def test_state_follows_the_calls(client: Client) -> None:
    campaign_id = client.submit()
    lead = {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"email": "a@example.org"}]}
    client.instantly("POST", "/leads/add", lead)
    state = client.control("GET", "/state")
    assert state["campaign_cleaner"]["credits"] == 99
    assert state["campaign_cleaner"]["counts"] == {"processing": 1}
    assert state["campaign_cleaner"]["campaigns"][0]["id"] == campaign_id
    assert state["instantly"]["leads"] == {HEALTHY_CAMPAIGN_ID: 1}
    assert state["requests"] == 2


def test_reset_restores_the_initial_state(client: Client) -> None:
    client.submit()
    client.instantly("DELETE", f"/campaigns/{DRAFT_CAMPAIGN_ID}")
    client.control("POST", "/faults", [{"path": "/", "status": 500}])
    client.control("POST", "/instantly", {"scopes": []})
    fresh = client.control("POST", "/reset")
    assert (fresh["campaign_cleaner"]["credits"], fresh["requests"], fresh["faults"]) == (100, 0, [])
    assert len(fresh["instantly"]["campaigns"]) == 4
    assert client.instantly("GET", f"/campaigns/{DRAFT_CAMPAIGN_ID}").ok


class TestSubmittedCampaigns:
    def status(self, client: Client, campaign_id: str) -> str:
        response = client.cleaner("get_campaign_status", {"campaign": {"id": campaign_id}})
        return str(response.json()["campaign_status"]["status"])

    @pytest.mark.parametrize("status", ["paused", "completed", "processing", "brand new"])
    def test_any_status_can_be_set_and_stays(
        self, client: Client, stopped_clock: StoppedClock, status: str
    ) -> None:
        campaign_id = client.submit()
        path = f"/campaign-cleaner/campaigns/{campaign_id}"
        assert client.control("POST", path, {"status": status})["status"] == status
        stopped_clock.advance(3600)
        assert self.status(client, campaign_id) == status

    def test_processing_time_can_be_set(self, client: Client, stopped_clock: StoppedClock) -> None:
        campaign_id = client.submit()
        path = f"/campaign-cleaner/campaigns/{campaign_id}"
        client.control("POST", path, {"status": "paused"})
        client.control("POST", path, {"processing_seconds": 60})
        stopped_clock.advance(59)
        assert self.status(client, campaign_id) == "processing"
        stopped_clock.advance(1)
        assert self.status(client, campaign_id) == "completed"

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"sttaus": "paused"}, "'sttaus'"),
            ({}, "exactly one"),
            ({"status": "paused", "processing_seconds": 1}, "exactly one"),
            ({"status": 3}, "body/status"),
            ({"processing_seconds": -1}, "body/processing_seconds"),
            (None, "object"),
        ],
    )
    def test_invalid_value_is_refused(self, client: Client, body: Any, named: str) -> None:
        path = f"/_sandbox/campaign-cleaner/campaigns/{client.submit()}"
        response = client.call("POST", path, body)
        assert response.status_code == 400
        assert named in response.json()["error"]

    def test_unknown_campaign_is_not_found(self, client: Client) -> None:
        response = client.call("POST", "/_sandbox/campaign-cleaner/campaigns/none", {"status": "paused"})
        assert response.status_code == 404


@pytest.mark.parametrize("of", [f"campaigns/{HEALTHY_CAMPAIGN_ID}", f"subsequences/{SUBSEQUENCE_ID}"])
@pytest.mark.parametrize(("status", "number"), [("bounce_protect", -2), (-2, -2), ("completed", 3)])
def test_lifecycle_status_can_be_set(client: Client, of: str, status: Any, number: int) -> None:
    assert client.control("POST", f"/instantly/{of}", {"status": status})["status"] == number
    assert client.instantly("GET", f"/{of}").json()["status"] == number


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}", {"status": "asleep"}, 400),
        (f"/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}", {"status": 7}, 400),
        (f"/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}", {"state": 1}, 400),
        (f"/instantly/campaigns/{UNKNOWN_ID}", {"status": 1}, 404),
        (f"/instantly/campaigns/{SUBSEQUENCE_ID}/sending-status", [], 404),
        (f"/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status", {"sequence": []}, 400),
        ("/instantly", {"scope": []}, 400),
        ("/instantly", {"scopes": [1]}, 400),
        ("/nothing", {}, 404),
    ],
)
def test_invalid_control_request_is_refused(client: Client, path: str, body: Any, status: int) -> None:
    response = client.call("POST", f"/_sandbox{path}", body)
    assert (response.status_code, list(response.json())) == (status, ["error"])


@pytest.mark.parametrize("body", ["{", "NaN", "\xff"])
def test_body_that_is_not_json_is_refused(client: Client, body: str) -> None:
    response = client.call("POST", "/_sandbox/faults", data=body.encode("latin-1"))
    assert (response.status_code, list(response.json())) == (400, ["error"])


class TestRequests:
    def test_every_request_is_logged(self, client: Client) -> None:
        campaign_id = client.submit()
        client.cleaner("get_campaign_status", {"campaign": {"id": campaign_id}})
        client.instantly("GET", "/campaigns", limit=1, search="x")
        sent, status, listed = client.control("GET", "/requests")
        assert (sent["service"], sent["method"], sent["path"]) == (
            "campaign_cleaner",
            "POST",
            "/v1/send_campaign",
        )
        assert (sent["status"], sent["fault"], sent["campaign_id"]) == (200, None, campaign_id)
        assert sent["body_size"] > 50
        assert (status["campaign_id"], status["state"]) == (campaign_id, "processing")
        assert (listed["service"], listed["query"]) == ("instantly", {"limit": "1", "search": "x"})

    def test_log_can_be_filtered_by_path(self, client: Client) -> None:
        client.cleaner("get_credits")
        client.instantly("GET", "/campaigns")
        assert [entry["path"] for entry in client.control("GET", "/requests", path="/v1/")] == [
            "/v1/get_credits"
        ]

    def test_control_requests_are_not_logged(self, client: Client) -> None:
        client.control("GET", "/requests")
        assert client.control("GET", "/requests") == []

    def test_errors_are_logged_with_their_response(self, client: Client) -> None:
        client.call("GET", "/v1/get_credits")
        client.call("GET", "/elsewhere")
        assert [(entry["service"], entry["status"]) for entry in client.control("GET", "/requests")] == [
            ("campaign_cleaner", 401),
            ("none", 404),
        ]

    def test_no_key_is_logged_or_returned(self, capfd: pytest.CaptureFixture[str]) -> None:
        secret = "sk-do-not-tell"
        with running(campaign_cleaner_key=secret, instantly_key=secret) as sandbox:
            for headers in ({"X-CC-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
                for path in ("/v1/get_credits", "/api/v2/campaigns", "/nowhere"):
                    requests.get(f"{sandbox.url}{path}?api_key={secret}", headers=headers, timeout=60)
            shown = [
                requests.get(f"{sandbox.url}/_sandbox/{name}", timeout=60).text
                for name in ("requests", "state")
            ]
            assert "get_credits" in shown[0]
            assert secret not in "".join(shown) + repr(sandbox.state.options) + repr(
                list(sandbox.state.requests)
            )
        assert secret not in "".join(capfd.readouterr())


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.test"}, {"Host": "evil.test"}])
def test_web_page_cannot_reach_the_control_api(client: Client, headers: dict[str, str]) -> None:
    assert client.call("POST", "/_sandbox/reset", headers=headers).status_code == 403


def test_every_name_of_loopback_is_accepted(client: Client) -> None:
    for host in ("localhost:8765", "localhost", "[::1]:8765", "127.0.0.1"):
        assert client.call("GET", "/_sandbox/state", headers={"Host": host}).ok
