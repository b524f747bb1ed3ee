"""The control API: what it tells, what it changes, and what it never lets out."""

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


def test_the_state_of_a_fresh_sandbox(client: Client) -> None:
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


def test_the_state_follows_what_happens(client: Client) -> None:
    campaign_id = client.submit()
    lead = {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"email": "a@example.org"}]}
    client.instantly("POST", "/leads/add", lead)
    state = client.control("GET", "/state")
    assert state["campaign_cleaner"]["credits"] == 99
    assert state["campaign_cleaner"]["counts"] == {"processing": 1}
    assert state["campaign_cleaner"]["campaigns"][0]["id"] == campaign_id
    assert state["instantly"]["leads"] == {HEALTHY_CAMPAIGN_ID: 1}
    assert state["requests"] == 2


def test_reset_starts_anew(client: Client) -> None:
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
        answer = client.cleaner("get_campaign_status", {"campaign": {"id": campaign_id}})
        return str(answer.json()["campaign_status"]["status"])

    @pytest.mark.parametrize("status", ["paused", "completed", "processing", "brand new"])
    def test_any_status_can_be_set_and_stays(self, client: Client, clock: StoppedClock, status: str) -> None:
        campaign_id = client.submit()
        path = f"/campaign-cleaner/campaigns/{campaign_id}"
        assert client.control("POST", path, {"status": status})["status"] == status
        clock.advance(3600)
        assert self.status(client, campaign_id) == status

    def test_processing_can_be_made_to_last(self, client: Client, clock: StoppedClock) -> None:
        campaign_id = client.submit()
        path = f"/campaign-cleaner/campaigns/{campaign_id}"
        client.control("POST", path, {"status": "paused"})
        client.control("POST", path, {"processing_seconds": 60})
        clock.advance(59)
        assert self.status(client, campaign_id) == "processing"
        clock.advance(1)
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
    def test_what_cannot_be_set(self, client: Client, body: Any, named: str) -> None:
        path = f"/_sandbox/campaign-cleaner/campaigns/{client.submit()}"
        answer = client.call("POST", path, body)
        assert answer.status_code == 400
        assert named in answer.json()["error"]

    def test_an_unknown_campaign(self, client: Client) -> None:
        answer = client.call("POST", "/_sandbox/campaign-cleaner/campaigns/none", {"status": "paused"})
        assert answer.status_code == 404


@pytest.mark.parametrize("of", [f"campaigns/{HEALTHY_CAMPAIGN_ID}", f"subsequences/{SUBSEQUENCE_ID}"])
@pytest.mark.parametrize(("status", "number"), [("bounce_protect", -2), (-2, -2), ("completed", 3)])
def test_the_lifecycle_can_be_set(client: Client, of: str, status: Any, number: int) -> None:
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
def test_what_cannot_be_done(client: Client, path: str, body: Any, status: int) -> None:
    answer = client.call("POST", f"/_sandbox{path}", body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize("text", ["{", "NaN", "\xff"])
def test_a_body_that_is_not_json(client: Client, text: str) -> None:
    answer = client.call("POST", "/_sandbox/faults", data=text.encode("latin-1"))
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


class TestRequests:
    def test_what_is_logged(self, client: Client) -> None:
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

    def test_filter_by_path(self, client: Client) -> None:
        client.cleaner("get_credits")
        client.instantly("GET", "/campaigns")
        assert [entry["path"] for entry in client.control("GET", "/requests", path="/v1/")] == [
            "/v1/get_credits"
        ]

    def test_looking_does_not_leave_a_trace(self, client: Client) -> None:
        client.control("GET", "/requests")
        assert client.control("GET", "/requests") == []

    def test_errors_are_logged_with_what_was_answered(self, client: Client) -> None:
        client.call("GET", "/v1/get_credits")
        client.call("GET", "/elsewhere")
        assert [(entry["service"], entry["status"]) for entry in client.control("GET", "/requests")] == [
            ("campaign_cleaner", 401),
            ("none", 404),
        ]

    def test_no_key_comes_out(self, capfd: pytest.CaptureFixture[str]) -> None:
        secret = "sk-do-not-tell"
        with running(campaign_cleaner_key=secret, instantly_key=secret) as sandbox:
            for headers in ({"X-CC-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
                for path in ("/v1/get_credits", "/api/v2/campaigns", "/nowhere"):
                    requests.get(f"{sandbox.url}{path}?api_key={secret}", headers=headers, timeout=5)
            shown = [
                requests.get(f"{sandbox.url}/_sandbox/{name}", timeout=5).text
                for name in ("requests", "state")
            ]
            assert "get_credits" in shown[0]
            assert secret not in "".join(shown) + repr(sandbox.state.options) + repr(
                list(sandbox.state.requests)
            )
        assert secret not in "".join(capfd.readouterr())


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.test"}, {"Host": "evil.test"}])
def test_no_web_page_can_reach_the_control_api(client: Client, headers: dict[str, str]) -> None:
    assert client.call("POST", "/_sandbox/reset", headers=headers).status_code == 403


def test_names_of_loopback_may_be_used(client: Client) -> None:
    for host in ("localhost:8765", "localhost", "[::1]:8765", "127.0.0.1"):
        assert client.call("GET", "/_sandbox/state", headers={"Host": host}).ok
