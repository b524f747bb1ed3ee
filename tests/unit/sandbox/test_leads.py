"""Leads of Instantly: the counts of a batch, lists by pages, moves in the background."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_campaigns.exceptions import LeadsUnaccountedError
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator
from airflow_provider_campaigns.sandbox import DRAFT_CAMPAIGN_ID, HEALTHY_CAMPAIGN_ID, RunningSandbox
from tests.support.fake_airflow import TaskRunner

from .conftest import Client, StoppedClock
from .test_instantly import NOT_FOUND, UNKNOWN_ID

LIST_ID = "5a4db0c5-0000-4000-8000-00000000aaaa"


def add(client: Client, *emails: str | None, **fields: Any) -> requests.Response:
    target = {} if "list_id" in fields else {"campaign_id": HEALTHY_CAMPAIGN_ID}
    leads = [{"email": email} for email in emails]
    return client.instantly("POST", "/leads/add", {**target, "leads": leads, **fields})


def counts(response: requests.Response) -> dict[str, int]:
    """Return the counts that are not zero."""
    assert response.ok, response.text
    return {name: value for name, value in response.json().items() if type(value) is int and value}


def listed(client: Client, **filters: Any) -> list[str]:
    return [lead["email"] for lead in client.instantly("POST", "/leads/list", filters).json()["items"]]


def test_each_lead_of_a_batch_is_counted_once(client: Client) -> None:
    add(client, "known@example.org")
    response = add(
        client,
        "new@example.org",
        "NEW@example.org ",
        "Known@example.org",
        "someone@blocked.test",
        "no address",
        None,
        "second@example.org",
    )
    assert counts(response) == {
        "total_sent": 7,
        "leads_uploaded": 2,
        "duplicate_email_count": 1,
        "duplicated_leads": 1,
        "in_blocklist": 1,
        "invalid_email_count": 2,
        "remaining_in_plan": 24_997,
    }
    created = response.json()["created_leads"]
    assert [(lead["index"], lead["email"]) for lead in created] == [
        (0, "new@example.org"),
        (6, "second@example.org"),
    ]
    assert all(lead["id"] in client.state.leads for lead in created)


def test_repeated_batch_adds_no_lead(client: Client) -> None:
    assert counts(add(client, "a@example.org", "b@example.org"))["leads_uploaded"] == 2
    again = counts(add(client, "a@example.org", "b@example.org"))
    assert (again.get("leads_uploaded", 0), again["duplicated_leads"]) == (0, 2)


@pytest.mark.parametrize(
    ("option", "skipped"),
    [("skip_if_in_workspace", 2), ("skip_if_in_campaign", 1), ("skip_if_in_list", 1)],
)
def test_leads_elsewhere_are_skipped_if_requested(client: Client, option: str, skipped: int) -> None:
    add(client, "a@example.org", campaign_id=DRAFT_CAMPAIGN_ID)
    add(client, "b@example.org", list_id=LIST_ID)
    response = add(client, "a@example.org", "b@example.org", **{option: True})
    assert response.json()["skipped_count"] == skipped
    assert response.json()["leads_uploaded"] == 2 - skipped


def test_list_accepts_leads_without_an_address(client: Client) -> None:
    leads = [{"first_name": "Ada"}, {"phone": "1"}, {"email": "a@example.org", "custom_variables": {"k": 1}}]
    response = client.instantly("POST", "/leads/add", {"list_id": LIST_ID, "leads": leads})
    assert counts(response) == {"total_sent": 3, "leads_uploaded": 2, "incomplete_count": 1}
    assert response.json()["remaining_in_plan"] is None


def test_blocklist_can_be_set(client: Client) -> None:
    client.control("POST", "/instantly", {"blocklist": ["a@example.org"]})
    assert counts(add(client, "A@example.org", "b@blocked.test"))["in_blocklist"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"campaign_id": HEALTHY_CAMPAIGN_ID}, "required property 'leads'"),
        ({"leads": [{}]}, "exactly one of"),
        ({"campaign_id": HEALTHY_CAMPAIGN_ID, "list_id": LIST_ID, "leads": [{}]}, "exactly one of"),
        ({"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": []}, "1 to 1000"),
        ({"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{}] * 1001}, "1 to 1000"),
        ({"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"mail": "x"}]}, "body/leads/0 must NOT"),
        ({"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{}, {"email": 1}]}, "body/leads/1/email must be"),
        (
            {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"custom_variables": {"k": [1]}}]},
            "custom_variables/k",
        ),
    ],
)
def test_invalid_batch_is_refused(client: Client, body: dict[str, Any], message: str) -> None:
    response = client.instantly("POST", "/leads/add", body)
    assert response.status_code == 400
    assert message in response.json()["message"]
    assert not client.state.leads


def test_batch_of_1000_leads_is_accepted(client: Client) -> None:
    assert (
        counts(add(client, *(f"lead{number}@example.org" for number in range(1000))))["leads_uploaded"]
        == 1000
    )


def test_unknown_campaign_is_not_found(client: Client) -> None:
    assert add(client, "a@example.org", campaign_id=UNKNOWN_ID).json() == NOT_FOUND


def test_list_has_its_cursor_in_the_body(client: Client) -> None:
    emails = [f"lead{number}@example.org" for number in range(5)]
    add(client, *emails)
    add(client, "other@example.org", campaign_id=DRAFT_CAMPAIGN_ID)
    first = client.instantly("POST", "/leads/list", {"campaign": HEALTHY_CAMPAIGN_ID, "limit": 3}).json()
    assert [lead["email"] for lead in first["items"]] == emails[:3]
    cursor = first["next_starting_after"]
    assert listed(client, campaign=HEALTHY_CAMPAIGN_ID, limit=3, starting_after=cursor) == emails[3:]


def test_list_filters_apply(client: Client) -> None:
    ids = [lead["id"] for lead in add(client, "a@example.org", "b@example.org").json()["created_leads"]]
    add(client, "c@example.org", list_id=LIST_ID)
    assert listed(client, ids=ids[:1]) == ["a@example.org"]
    assert listed(client, excluded_ids=ids) == ["c@example.org"]
    assert listed(client, contacts=["B@example.org"]) == ["b@example.org"]
    assert listed(client, search="C@") == ["c@example.org"]
    assert listed(client, in_list=True) == ["c@example.org"]
    assert listed(client, in_campaign=True) == ["a@example.org", "b@example.org"]
    assert len(listed(client, campaign_ids=[DRAFT_CAMPAIGN_ID])) == 3, "an unknown filter is ignored"


def test_move_is_a_job_that_succeeds_over_time(client: Client, stopped_clock: StoppedClock) -> None:
    ids = [lead["id"] for lead in add(client, "a@example.org", "b@example.org").json()["created_leads"]]
    job = client.instantly(
        "POST",
        "/leads/move",
        {"ids": ids[:1], "campaign": HEALTHY_CAMPAIGN_ID, "to_campaign_id": DRAFT_CAMPAIGN_ID},
    ).json()
    assert (job["type"], job["entity_id"], job["status"]) == ("move-leads", DRAFT_CAMPAIGN_ID, "pending")
    path = f"/background-jobs/{job['id']}"
    seen = []
    for _ in range(3):
        stopped_clock.advance(2)
        seen.append(
            (client.instantly("GET", path).json()["status"], client.instantly("GET", path).json()["progress"])
        )
    assert seen == [("in-progress", 50), ("success", 100), ("success", 100)]
    assert client.instantly("GET", path, data_fields="success_count").json()["data"] == {"success_count": 1}
    assert listed(client, campaign=DRAFT_CAMPAIGN_ID) == ["a@example.org"]
    assert listed(client, campaign=HEALTHY_CAMPAIGN_ID) == ["b@example.org"]


def test_copy_keeps_the_original(client: Client) -> None:
    add(client, "a@example.org")
    body = {"campaign": HEALTHY_CAMPAIGN_ID, "to_list_id": LIST_ID, "copy_leads": True}
    assert client.instantly("POST", "/leads/move", body).ok
    assert (
        listed(client, campaign=HEALTHY_CAMPAIGN_ID) == listed(client, list_id=LIST_ID) == ["a@example.org"]
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"to_campaign_id": DRAFT_CAMPAIGN_ID, "to_list_id": LIST_ID}, 400),
        ({"to_campaign_id": DRAFT_CAMPAIGN_ID, "ids": [UNKNOWN_ID]}, 400),
        ({"to_campaign_id": UNKNOWN_ID}, 404),
    ],
)
def test_invalid_move_is_refused(client: Client, body: dict[str, Any], status: int) -> None:
    assert client.instantly("POST", "/leads/move", body).status_code == status


def test_jobs_are_listed(client: Client, stopped_clock: StoppedClock) -> None:
    add(client, "a@example.org", verify_leads_on_import=True)
    stopped_clock.advance(4)
    client.instantly("POST", "/leads/move", {"to_list_id": LIST_ID, "campaign": HEALTHY_CAMPAIGN_ID})

    def types(**filters: str) -> list[str]:
        items = client.instantly("GET", "/background-jobs", **filters).json()["items"]
        return [job["type"] for job in items]

    assert types() == ["import-leads", "move-leads"]
    assert types(sort_order="desc") == ["move-leads", "import-leads"]
    assert types(status="success,failed") == ["import-leads"]
    assert types(entity_id=LIST_ID) == ["move-leads"]


class TestUnaccountedLeads:
    def test_habit_neither_adds_nor_counts_an_address(self, client: Client) -> None:
        client.control("POST", "/instantly", {"unaccounted_leads": ["Lost@example.org"]})
        assert client.control("GET", "/state")["instantly"]["unaccounted_leads"] == ["lost@example.org"]
        response = add(client, "a@example.org", "lost@example.org ", "b@example.org")
        assert counts(response) == {"total_sent": 3, "leads_uploaded": 2, "remaining_in_plan": 24_998}
        assert [lead["index"] for lead in response.json()["created_leads"]] == [0, 2]
        assert listed(client) == ["a@example.org", "b@example.org"]
        client.control("POST", "/instantly", {"unaccounted_leads": []})
        assert counts(add(client, "lost@example.org"))["leads_uploaded"] == 1

    def test_operator_uploads_all_other_leads(self, sandbox: RunningSandbox) -> None:
        sandbox.state.unaccounted_leads = {"lead1233@example.com"}
        leads = [{"email": f"lead{number}@example.com"} for number in range(2500)]
        task = InstantlyAddLeadsOperator(task_id="add", campaign_id=HEALTHY_CAMPAIGN_ID, leads=leads)
        with pytest.raises(LeadsUnaccountedError, match=r"1 of 2,500 leads \(number 1,234\)"):
            TaskRunner().run(task)
        assert len(sandbox.state.leads_in(HEALTHY_CAMPAIGN_ID)) == 2499
