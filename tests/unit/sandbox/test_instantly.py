"""Instantly's endpoints for campaigns, subsequences, accounts and analytics, and who may call them."""

from __future__ import annotations

import copy
import http.client
import re
from typing import Any

import pytest
import requests

from airflow_provider_campaigns.sandbox import (
    DRAFT_CAMPAIGN_ID,
    HEALTHY_CAMPAIGN_ID,
    PAUSED_CAMPAIGN_ID,
    SUBSEQUENCE_ID,
    UNHEALTHY_CAMPAIGN_ID,
    running,
)
from airflow_provider_campaigns.sandbox.seed import ALWAYS

from .conftest import Client

UNKNOWN_ID = "5a4db0c5-0000-4000-8000-00000000ffff"
NOT_FOUND = {"statusCode": 404, "error": "Not Found", "message": "Resource not found"}


def schedule(**window: Any) -> dict[str, Any]:
    built = copy.deepcopy(ALWAYS)
    built["schedules"][0].update(window)
    return built


def create(client: Client, name: str = "New", **fields: Any) -> requests.Response:
    return client.instantly("POST", "/campaigns", {"name": name, "campaign_schedule": ALWAYS, **fields})


def names(response: requests.Response) -> list[str]:
    return [item["name"] for item in response.json()["items"]]


@pytest.mark.parametrize(
    "fixed_id",
    [
        HEALTHY_CAMPAIGN_ID,
        UNHEALTHY_CAMPAIGN_ID,
        PAUSED_CAMPAIGN_ID,
        DRAFT_CAMPAIGN_ID,
        SUBSEQUENCE_ID,
    ],
)
def test_fixed_ids_are_lower_case_uuids(fixed_id: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", fixed_id)


class TestAccess:
    @pytest.mark.parametrize("agent", [{"User-Agent": "Python-urllib/3.12"}, {"User-Agent": ""}, {}])
    def test_proxy_refuses_some_user_agents(self, client: Client, agent: dict[str, str]) -> None:
        connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=60)
        connection.request("GET", "/api/v2/campaigns", headers={"Authorization": "Bearer any", **agent})
        response = connection.getresponse()
        assert (response.status, response.read()) == (403, b"error code: 1010")
        assert response.headers["Content-Type"] == "text/plain"
        connection.close()

    @pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer wrong", "right", "Basic right"])
    def test_invalid_key_is_a_401(self, header: str | None) -> None:
        with running(instantly_key="right") as sandbox:
            headers = {} if header is None else {"Authorization": header}
            response = requests.get(f"{sandbox.url}/api/v2/campaigns", headers=headers, timeout=60)
        assert response.status_code == 401
        assert response.json().keys() == {"statusCode", "error", "message"}
        assert (response.json()["statusCode"], response.json()["error"]) == (401, "Unauthorized")

    def test_configured_key_is_accepted(self) -> None:
        with running(instantly_key="right") as sandbox:
            headers = {"Authorization": "Bearer right"}
            assert requests.get(f"{sandbox.url}/api/v2/campaigns", headers=headers, timeout=60).ok

    @pytest.mark.parametrize(
        ("scopes", "let_in"),
        [
            (["all:all"], True),
            (["campaigns:all"], True),
            (["all:read"], True),
            (["campaigns:read"], True),
            (["campaigns:update", "leads:all"], False),
            ([], False),
        ],
    )
    def test_scopes_limit_the_key(self, client: Client, scopes: list[str], *, let_in: bool) -> None:
        client.control("POST", "/instantly", {"scopes": scopes})
        response = client.instantly("GET", "/campaigns")
        assert response.ok is let_in
        if not let_in:
            found = ", ".join(scopes) or "none"
            assert response.json() == {
                "statusCode": 401,
                "error": "Unauthorized",
                "message": f"Invalid scope. Required: campaigns:read. Found: {found}",
            }


class TestNotFound:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", f"/campaigns/{UNKNOWN_ID}"),
            ("PATCH", f"/campaigns/{UNKNOWN_ID}"),
            ("DELETE", f"/campaigns/{UNKNOWN_ID}"),
            ("POST", f"/campaigns/{UNKNOWN_ID}/activate"),
            ("GET", f"/campaigns/{UNKNOWN_ID}/sending-status"),
            ("GET", f"/campaigns/{SUBSEQUENCE_ID}"),
            ("GET", f"/subsequences/{UNKNOWN_ID}/sending-status"),
            ("GET", f"/background-jobs/{UNKNOWN_ID}"),
            ("GET", "/accounts/unknown%40sender.test"),
            ("GET", "/nothing/here"),
            ("PUT", "/campaigns"),
        ],
    )
    def test_unknown_id_or_path_is_a_404(self, client: Client, method: str, path: str) -> None:
        response = client.instantly(method, path, {} if method == "PATCH" else None)
        assert (response.status_code, response.json()) == (404, NOT_FOUND)

    def test_id_that_is_not_a_uuid_is_a_400(self, client: Client) -> None:
        assert client.instantly("GET", "/campaigns/12").status_code == 400


class TestPaging:
    def test_pages_together_have_every_item_once(self, client: Client) -> None:
        for number in range(21):
            assert create(client, f"C{number}").ok
        found: list[str] = []
        cursor: dict[str, str] = {}
        sizes = []
        while True:
            page = client.instantly("GET", "/campaigns", **cursor).json()
            assert page.keys() <= {"items", "next_starting_after"}
            found += [item["id"] for item in page["items"]]
            sizes.append(len(page["items"]))
            if "next_starting_after" not in page:
                break
            cursor = {"starting_after": page["next_starting_after"]}
        assert sizes == [10, 10, 5]
        assert len(set(found)) == 25

    def test_full_last_page_has_a_cursor_to_an_empty_page(self, client: Client) -> None:
        last = client.instantly("GET", "/campaigns", limit=4).json()
        beyond = client.instantly("GET", "/campaigns", limit=4, starting_after=last["next_starting_after"])
        assert beyond.json() == {"items": []}

    def test_limit_above_100_gives_no_items_and_no_error(self, client: Client) -> None:
        assert client.instantly("GET", "/campaigns", limit=101).json() == {"items": []}

    @pytest.mark.parametrize("limit", ["0", "-1", "ten", "1e999"])
    def test_invalid_limit_is_a_400(self, client: Client, limit: str) -> None:
        assert client.instantly("GET", "/campaigns", limit=limit).status_code == 400

    def test_cursor_of_accounts_has_time_and_address(self, client: Client) -> None:
        first = client.instantly("GET", "/accounts", limit=1).json()
        assert first["next_starting_after"].endswith("&ada@sender.test")
        second = client.instantly("GET", "/accounts", limit=1, starting_after=first["next_starting_after"])
        assert second.json()["items"][0]["email"] == "grace@sender.test"


class TestCampaigns:
    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"search": "PAUSED"}, ["Sandbox: paused"]),
            ({"status": 1}, ["Sandbox: healthy", "Sandbox: senders in error"]),
            ({"status": 0}, ["Sandbox: draft"]),
            ({"exclude_status": 1}, ["Sandbox: paused", "Sandbox: draft"]),
            ({"status": -1}, []),
        ],
    )
    def test_filters(self, client: Client, filters: dict[str, Any], found: list[str]) -> None:
        assert names(client.instantly("GET", "/campaigns", **filters)) == found

    def test_new_campaign_is_a_draft(self, client: Client) -> None:
        created = create(client, daily_limit=5, email_list=["ada@sender.test"]).json()
        assert (created["status"], created["daily_limit"]) == (0, 5)
        assert client.instantly("GET", f"/campaigns/{created['id']}").json() == created

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"campaign_schedule": ALWAYS}, "body must have required property 'name'"),
            ({"name": "N"}, "body must have required property 'campaign_schedule'"),
            ({"name": 1, "campaign_schedule": ALWAYS}, "body/name must be string"),
            ({"name": "N", "campaign_schedule": {"schedules": []}}, "fewer than 1 items"),
            ({"name": "N", "campaign_schedule": ALWAYS, "color": 1}, "additional properties: 'color'"),
            (
                {"name": "N", "campaign_schedule": ALWAYS, "daily_max_leads": -1},
                "daily_max_leads must be >= 0",
            ),
            (
                {"name": "N", "campaign_schedule": ALWAYS, "stop_on_reply": 1},
                "stop_on_reply must be boolean,null",
            ),
            (
                {"name": "N", "campaign_schedule": schedule(timezone="America/New_York")},
                "body/campaign_schedule/schedules/0/timezone must be equal to one of the allowed values",
            ),
            (
                {"name": "N", "campaign_schedule": schedule(timing={"from": "9:00", "to": "17:00"})},
                "schedules/0/timing/from must match pattern",
            ),
            ({"name": "N", "campaign_schedule": ALWAYS, "email_list": [{}]}, "email_list must hold strings"),
            ([], "body must be object"),
        ],
    )
    def test_invalid_new_campaign_is_a_400(self, client: Client, body: Any, message: str) -> None:
        response = client.instantly("POST", "/campaigns", body)
        assert response.status_code == 400
        assert message in response.json()["message"]

    def test_patch_changes_only_the_given_fields(self, client: Client) -> None:
        path = f"/campaigns/{DRAFT_CAMPAIGN_ID}"
        changed = client.instantly("PATCH", path, {"name": "Renamed", "daily_limit": None}).json()
        assert (changed["name"], changed["daily_limit"]) == ("Renamed", None)
        assert client.instantly("GET", path).json() == changed
        assert client.instantly("PATCH", path, {"status": 1}).status_code == 400

    def test_deleted_campaign_is_not_found(self, client: Client) -> None:
        path = f"/campaigns/{DRAFT_CAMPAIGN_ID}"
        assert client.instantly("DELETE", path).json()["id"] == DRAFT_CAMPAIGN_ID
        assert client.instantly("DELETE", path).status_code == 404

    def test_duplicate_is_an_independent_draft(self, client: Client) -> None:
        path = f"/campaigns/{HEALTHY_CAMPAIGN_ID}/duplicate"
        copied = client.instantly("POST", path).json()
        assert (copied["name"], copied["status"]) == ("Sandbox: healthy (copy)", 0)
        assert copied["id"] != HEALTHY_CAMPAIGN_ID
        assert client.instantly("POST", path, {"name": "Mine"}).json()["name"] == "Mine"

    def test_activate_and_pause_set_the_status(self, client: Client) -> None:
        path = f"/campaigns/{DRAFT_CAMPAIGN_ID}"
        assert client.instantly("GET", "/campaigns/count-launched").json() == {"count": 3}
        assert client.instantly("POST", f"{path}/activate").json()["status"] == 1
        assert client.instantly("GET", "/campaigns/count-launched").json() == {"count": 4}
        assert client.instantly("POST", f"{path}/pause").json()["status"] == 2
        assert client.instantly("GET", path).json()["status"] == 2

    def test_suspended_campaign_cannot_be_activated(self, client: Client) -> None:
        client.control("POST", f"/instantly/campaigns/{DRAFT_CAMPAIGN_ID}", {"status": "account_suspended"})
        response = client.instantly("POST", f"/campaigns/{DRAFT_CAMPAIGN_ID}/activate")
        assert (response.status_code, response.json()["status"]) == (200, -99)

    @pytest.mark.parametrize("verb", ["activate", "pause"])
    def test_json_content_type_without_a_body_is_refused(self, client: Client, verb: str) -> None:
        headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
        path = f"/api/v2/campaigns/{DRAFT_CAMPAIGN_ID}/{verb}"
        response = client.call("POST", path, headers=headers)
        assert response.status_code == 400
        assert "empty" in response.json()["message"]
        assert client.call("POST", path, data="{}", headers=headers).ok


def steps(*bodies: str, **step: Any) -> dict[str, Any]:
    variants = [{"subject": "S", "body": body} for body in bodies]
    return {"steps": [{"type": "email", "delay": 1, "variants": variants, **step}]}


class TestSequences:
    def sequences(self, client: Client, campaign_id: str) -> Any:
        return client.instantly("GET", f"/campaigns/{campaign_id}").json()["sequences"]

    @pytest.mark.parametrize(
        "campaign_id", [HEALTHY_CAMPAIGN_ID, UNHEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID, DRAFT_CAMPAIGN_ID]
    )
    def test_initial_campaign_has_two_steps_with_variants(self, client: Client, campaign_id: str) -> None:
        (sequence,) = self.sequences(client, campaign_id)
        assert [len(step["variants"]) for step in sequence["steps"]] == [2, 2]
        bodies = [variant["body"] for step in sequence["steps"] for variant in step["variants"]]
        assert all("{{firstName}}" in body for body in bodies)

    def test_sequences_are_kept_and_replaced_as_a_whole(self, client: Client) -> None:
        created = create(client, sequences=[steps("<p>A</p>", "<p>B</p>", delay_unit="hours")]).json()
        kept = self.sequences(client, created["id"])
        assert kept == created["sequences"] == [steps("<p>A</p>", "<p>B</p>", delay_unit="hours")]
        changed = client.instantly("PATCH", f"/campaigns/{created['id']}", {"sequences": [steps("C")]})
        assert changed.json()["sequences"] == self.sequences(client, created["id"]) == [steps("C")]
        client.instantly("PATCH", f"/campaigns/{created['id']}", {"name": "Renamed"})
        assert self.sequences(client, created["id"]) == [steps("C")]

    def test_only_the_first_sequence_counts(self, client: Client) -> None:
        created = create(client, sequences=[steps("A"), steps("B")]).json()
        assert self.sequences(client, created["id"]) == [steps("A")]

    def test_campaigns_share_no_sequences(self, client: Client) -> None:
        copied = client.instantly("POST", f"/campaigns/{HEALTHY_CAMPAIGN_ID}/duplicate").json()
        assert copied["sequences"] == self.sequences(client, HEALTHY_CAMPAIGN_ID)
        client.instantly("PATCH", f"/campaigns/{copied['id']}", {"sequences": [steps("C")]})
        assert self.sequences(client, HEALTHY_CAMPAIGN_ID) == self.sequences(client, DRAFT_CAMPAIGN_ID)

    @pytest.mark.parametrize(
        ("sequence", "message"),
        [
            (5, "body/sequences/0 must be object"),
            ({}, "body/sequences/0 must have required property 'steps'"),
            (steps("A", type="sms"), "steps/0/type must be equal to one of the allowed values"),
            (steps("A", delay="1"), "steps/0/delay must be number"),
            (steps("A", delay_unit="weeks"), "steps/0/delay_unit must be equal to one of"),
            (steps("A", variants=[{"subject": "S"}]), "variants/0 must have required property 'body'"),
            ({"steps": [*steps("A")["steps"], {"type": "email"}]}, "steps/1 must have required property"),
        ],
    )
    def test_invalid_sequences_are_a_400(self, client: Client, sequence: Any, message: str) -> None:
        before = self.sequences(client, DRAFT_CAMPAIGN_ID)
        for response in (
            create(client, sequences=[sequence]),
            client.instantly("PATCH", f"/campaigns/{DRAFT_CAMPAIGN_ID}", {"sequences": [sequence]}),
        ):
            assert response.status_code == 400
            assert message in response.json()["message"]
        assert self.sequences(client, DRAFT_CAMPAIGN_ID) == before


class TestSubsequences:
    def test_subsequences_are_listed_and_found(self, client: Client) -> None:
        listed = client.instantly("GET", "/subsequences", parent_campaign=HEALTHY_CAMPAIGN_ID).json()
        assert [item["id"] for item in listed["items"]] == [SUBSEQUENCE_ID]
        other = client.instantly("GET", "/subsequences", parent_campaign=PAUSED_CAMPAIGN_ID)
        assert other.json() == {"items": []}
        assert client.instantly("GET", f"/subsequences/{SUBSEQUENCE_ID}").json() == listed["items"][0]

    def test_pause_and_resume_set_the_status(self, client: Client) -> None:
        assert client.instantly("POST", f"/subsequences/{SUBSEQUENCE_ID}/pause").json()["status"] == 2
        assert client.instantly("POST", f"/subsequences/{SUBSEQUENCE_ID}/resume").json()["status"] == 1


class TestAccounts:
    def test_filters(self, client: Client) -> None:
        failing = client.instantly("GET", "/accounts", status=-3).json()["items"]
        assert [account["email"] for account in failing] == ["lost@sender.test", "refused@sender.test"]
        assert len(client.instantly("GET", "/accounts", search="ada").json()["items"]) == 1

    def test_encoded_address_is_decoded(self, client: Client) -> None:
        assert client.instantly("GET", "/accounts/ada%40sender.test").json()["status"] == 1

    def test_vitals_follow_the_domain(self, client: Client) -> None:
        body = {"accounts": ["ada@sender.test", "lost@sender.test"]}
        tested = client.instantly("POST", "/accounts/test/vitals", body).json()
        assert [each["allPass"] for each in tested["success_list"]] == [True]
        assert [each["allPass"] for each in tested["failure_list"]] == [False]
        for bad in ({}, {"accounts": [[]]}):
            refused = client.instantly("POST", "/accounts/test/vitals", bad)
            assert (refused.status_code, list(refused.json())) == (400, ["error"])

    def test_workspace_is_returned(self, client: Client) -> None:
        assert client.instantly("GET", "/workspaces/current").json()["name"] == "Sandbox"


class TestAnalytics:
    @pytest.fixture(autouse=True)
    def _leads(self, client: Client) -> None:
        leads = [{"email": f"lead{number}@example.org"} for number in range(200)]
        client.instantly("POST", "/leads/add", {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": leads})

    def test_analytics_per_campaign(self, client: Client) -> None:
        by_id = {each["campaign_id"]: each for each in client.instantly("GET", "/campaigns/analytics").json()}
        assert DRAFT_CAMPAIGN_ID not in by_id
        analytics = by_id[HEALTHY_CAMPAIGN_ID]
        assert analytics["leads_count"] == 200
        assert 0 < analytics["open_count"] < analytics["emails_sent_count"] <= 200
        assert by_id[PAUSED_CAMPAIGN_ID]["emails_sent_count"] == 0
        only = client.instantly("GET", "/campaigns/analytics", id=DRAFT_CAMPAIGN_ID).json()
        assert [each["campaign_id"] for each in only] == [DRAFT_CAMPAIGN_ID]
        both = client.instantly("GET", "/campaigns/analytics", ids=[DRAFT_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID])
        assert len(both.json()) == 2

    def test_totals_agree_with_days_and_steps(self, client: Client) -> None:
        sent = client.instantly("GET", "/campaigns/analytics/overview").json()["emails_sent_count"]
        (day,) = client.instantly("GET", "/campaigns/analytics/daily").json()
        (step,) = client.instantly("GET", "/campaigns/analytics/steps").json()
        assert sent == day["sent"] == step["sent"] > 0
        later = client.instantly("GET", "/campaigns/analytics/daily", start_date="2999-01-01")
        assert later.json() == []

    @pytest.mark.parametrize("kind", ["", "/overview", "/daily", "/steps"])
    def test_invalid_date_is_an_error_of_another_form(self, client: Client, kind: str) -> None:
        response = client.instantly("GET", f"/campaigns/analytics{kind}", start_date="soon")
        assert (response.status_code, list(response.json())) == (400, ["message"])
