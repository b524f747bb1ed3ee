"""The sending status: what it reports by itself, and how a test sets it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import (
    LifecycleStatus,
    SendingCode,
    get_sending_status,
    get_subsequence_sending_status,
)
from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    SUBSEQUENCE_ID,
    UNHEALTHY_CAMPAIGN_ID,
)

from .conftest import Client, StoppedClock

HEALTHY_PATH = f"/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
ALWAYS_PRESENT = {"campaign_id", "last_updated", "status", "issue_tracking"}
DIAGNOSTICS = ALWAYS_PRESENT | {
    "accounts_summary",
    "campaign_daily_limit",
    "new_lead_limit",
    "schedule_status",
    "send_one_by_one",
    "follow_ups_waiting",
    "esp_routing_status",
    "domain_limiter",
    "leads_status",
}


def ask(client: Client, path: str = HEALTHY_PATH, **params: Any) -> Any:
    response = client.instantly("GET", path, **params)
    assert response.ok, response.text
    return response.json()


def script(client: Client, *sequence: Any, of: str = f"campaigns/{HEALTHY_CAMPAIGN_ID}") -> Any:
    return client.control("POST", f"/instantly/{of}/sending-status", list(sequence))


def test_active_campaign_is_healthy_with_all_fields(client: Client, stopped_clock: StoppedClock) -> None:
    response = ask(client)
    assert response["diagnostics"].keys() == DIAGNOSTICS
    status = get_sending_status(HEALTHY_CAMPAIGN_ID).parse(response)
    assert (status.status, status.last_updated) == ("healthy", stopped_clock())
    assert "ai_summary" not in response["summary"]


@pytest.mark.parametrize(
    ("campaign_id", "code", "has_diagnostics"),
    [
        (UNHEALTHY_CAMPAIGN_ID, "all_accounts_unhealthy", True),
        (PAUSED_CAMPAIGN_ID, "campaign_paused", False),
        (DRAFT_CAMPAIGN_ID, "campaign_draft", False),
    ],
)
def test_other_campaigns_have_their_code(
    client: Client, campaign_id: str, code: str, *, has_diagnostics: bool
) -> None:
    response = ask(client, f"/campaigns/{campaign_id}/sending-status")
    assert response["summary"]["status"] == code
    assert (response["diagnostics"] is not None) is has_diagnostics


def test_healthy_senders_make_the_campaign_healthy(client: Client) -> None:
    client.instantly("PATCH", f"/campaigns/{UNHEALTHY_CAMPAIGN_ID}", {"email_list": ["ada@sender.test"]})
    assert ask(client, f"/campaigns/{UNHEALTHY_CAMPAIGN_ID}/sending-status")["summary"]["status"] == "healthy"


@pytest.mark.parametrize("lifecycle", LifecycleStatus)
def test_code_follows_the_lifecycle_status(client: Client, lifecycle: LifecycleStatus) -> None:
    name = lifecycle.name.lower()
    client.control("POST", f"/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}", {"status": name})
    code = "healthy" if name == "active" else f"campaign_{name}"
    assert ask(client)["summary"]["status"] == code
    assert client.instantly("GET", f"/campaigns/{HEALTHY_CAMPAIGN_ID}").json()["status"] == int(lifecycle)


@pytest.mark.parametrize("code", SendingCode)
def test_every_code_can_be_set(client: Client, code: SendingCode) -> None:
    script(client, code.value)
    response = ask(client)
    assert get_sending_status(HEALTHY_CAMPAIGN_ID).parse(response).status == code
    if response["diagnostics"] is not None:
        assert response["diagnostics"].keys() >= ALWAYS_PRESENT


def test_details_fit_the_code(client: Client) -> None:
    script(client, "account_daily_limit_met", "follow_up_delay_not_met", "out_of_schedule")
    accounts = ask(client)["diagnostics"]["accounts_summary"]
    assert (accounts["available"], accounts["unavailable"]["daily_limit_hit"]) == (0, 2)
    assert ask(client)["diagnostics"]["follow_ups_waiting"] == {
        "count": 4,
        "earliest_wait_time_seconds": 3600,
    }
    assert ask(client)["diagnostics"].keys() == ALWAYS_PRESENT | {"schedule_status"}


def test_sequence_is_used_once_and_its_last_entry_stays(client: Client) -> None:
    script(client, "waiting_for_leads", None, "brand_new_code", "healthy")
    seen = [ask(client)["diagnostics"]["status"] for _ in range(5)]
    assert seen == ["waiting_for_leads", None, "brand_new_code", "healthy", "healthy"]
    logged = client.control("GET", "/requests", path=f"/api/v2{HEALTHY_PATH}")
    assert [entry["code"] for entry in logged] == seen
    script(client)
    client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/pause")
    assert ask(client)["summary"]["status"] == "campaign_paused"


def test_entry_can_override_fields(client: Client, stopped_clock: StoppedClock) -> None:
    script(
        client,
        {"last_updated_age": 7200},
        {"status": "no_accounts_available", "diagnostics": {"accounts_summary": {"total_connected": 0}}},
        {"status": "healthy", "diagnostics": None},
        {"diagnostics": {"last_updated": None}, "summary": None},
        {"diagnostics": None, "summary": None},
        {"status": "campaign_paused", "diagnostics": {"status": None}},
    )
    stale = get_sending_status(HEALTHY_CAMPAIGN_ID).parse(ask(client))
    assert (stale.status, stale.last_updated) == ("healthy", stopped_clock() - timedelta(hours=2))
    accounts = ask(client)["diagnostics"]["accounts_summary"]
    assert (accounts["total_connected"], accounts["available"]) == (0, 0)
    response = ask(client)
    assert (response["diagnostics"], response["summary"]["status"]) == (None, "healthy")
    response = ask(client)
    assert (response["diagnostics"]["last_updated"], response["summary"]) == (None, None)
    assert ask(client) == {"diagnostics": None, "summary": None}
    assert get_sending_status(HEALTHY_CAMPAIGN_ID).parse(ask(client)).status == "campaign_paused"


def test_given_body_is_returned_unchanged(client: Client) -> None:
    script(client, {"body": "not json"}, {"body": {"diagnostics": 1}}, {"body": []})
    assert client.instantly("GET", HEALTHY_PATH).text == "not json"
    assert ask(client) == {"diagnostics": 1}
    assert ask(client) == []


def test_subsequence_has_its_own_and_its_campaign_id(client: Client) -> None:
    path = f"/subsequences/{SUBSEQUENCE_ID}/sending-status"
    response = ask(client, path)
    assert response["diagnostics"]["subsequence_id"] == SUBSEQUENCE_ID
    assert response["diagnostics"]["campaign_id"] == HEALTHY_CAMPAIGN_ID
    assert get_subsequence_sending_status(SUBSEQUENCE_ID).parse(response).status == "healthy"
    script(client, "waiting_for_leads", of=f"subsequences/{SUBSEQUENCE_ID}")
    assert ask(client, path)["diagnostics"]["status"] == "waiting_for_leads"
    assert ask(client)["diagnostics"]["status"] == "healthy"


def test_ai_summary_is_returned_if_requested(client: Client) -> None:
    assert ask(client, with_ai_summary="true")["summary"]["ai_summary"]
    assert "ai_summary" not in ask(client, with_ai_summary="false")["summary"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"stauts": "healthy"}, "body[0] must NOT have additional properties: 'stauts'"),
        (3, "body[0] must be object"),
        ({"last_updated_age": "1h"}, "body[0]/last_updated_age must be number"),
        ({"last_updated_age": 1e300}, "body[0]/last_updated_age must be"),
        ({"diagnostics": "none"}, "body[0]/diagnostics must be object,null"),
    ],
)
def test_invalid_script_is_refused(client: Client, entry: Any, message: str) -> None:
    path = f"/_sandbox/instantly/campaigns/{HEALTHY_CAMPAIGN_ID}/sending-status"
    response = client.call("POST", path, [entry])
    assert response.status_code == 400
    assert message in response.json()["error"]
