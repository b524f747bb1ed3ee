from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.exceptions import MalformedResponseError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from tests.support.fake_server import ScriptedServer

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
MOMENT = datetime(2026, 5, 11, 21, 12, 43, 288000, tzinfo=timezone.utc)
DIAGNOSTICS = {"campaign_id": ID, "last_updated": "2026-05-11T21:12:43.288Z", "status": "healthy"}


@pytest.mark.parametrize(
    ("call", "method", "target", "body", "idempotent"),
    [
        (api.get_sending_status(ID), "GET", f"/campaigns/{ID}/sending-status", None, True),
        (
            api.get_sending_status(ID, with_ai_summary=True),
            "GET",
            f"/campaigns/{ID}/sending-status?with_ai_summary=true",
            None,
            True,
        ),
        (api.get_subsequence_sending_status(ID), "GET", f"/subsequences/{ID}/sending-status", None, True),
        (api.get_campaign(ID), "GET", f"/campaigns/{ID}", None, True),
        (api.list_campaigns(), "GET", "/campaigns?limit=100", None, True),
        (
            api.list_campaigns(starting_after="a&b", limit=5, search="x"),
            "GET",
            "/campaigns?search=x&limit=5&starting_after=a%26b",
            None,
            True,
        ),
        (api.activate_campaign(ID), "POST", f"/campaigns/{ID}/activate", None, False),
        (api.pause_campaign(ID), "POST", f"/campaigns/{ID}/pause", None, False),
        (
            api.add_leads(ID, [{"email": "a@b.c"}], skip_if_in_campaign=True, blocklist_id=None),
            "POST",
            "/leads/add",
            {"campaign_id": ID, "leads": [{"email": "a@b.c"}], "skip_if_in_campaign": True},
            False,
        ),
        (api.request("get", "/accounts", params={"limit": 1}), "GET", "/accounts?limit=1", None, True),
        (api.request("POST", "/api/v2/leads/list", json_body={}), "POST", "/leads/list", {}, False),
    ],
)
def test_calls(call: Any, method: str, target: str, body: Any, idempotent: bool) -> None:
    assert (call.method, call.target, call.body) == (method, f"/api/v2{target}", body)
    assert call.idempotent is idempotent


@pytest.mark.parametrize(
    ("diagnostics", "summary", "code"),
    [
        ({"status": "healthy"}, {"status": "campaign_paused"}, "healthy"),
        ({"status": None}, {"status": "campaign_paused"}, "campaign_paused"),
        ({}, {"status": "campaign_paused"}, "campaign_paused"),
        (None, {"status": "campaign_draft"}, "campaign_draft"),
        (None, None, None),
        ({"status": 1}, {"status": "healthy"}, None),  # unreadable_verdict, and not to be replaced by good news
        ({"status": ""}, {"status": "healthy"}, None),
        ({"issue_tracking": {"current_status_code": "healthy"}}, None, None),
        ({"status": "campaign_completed", "issue_tracking": {"current_status_code": "healthy"}}, None,
         "campaign_completed"),
        ([], "healthy", None),
    ],
)  # fmt: skip
def test_the_effective_code(diagnostics: Any, summary: Any, code: str | None) -> None:
    status = api.get_sending_status(ID).parse({"diagnostics": diagnostics, "summary": summary})
    assert status.status == code


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-05-11T21:12:43.288Z", MOMENT),
        ("2026-05-11T23:12:43.288+02:00", MOMENT),
        ("2026-05-11T21:12:43.288", None),  # no offset, no instant
        ("2026-05-11", None),
        ("now", None),
        ("2026-13-45T99:99:99Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        (1778533963, None),
        (None, None),
    ],
)
def test_last_updated_is_an_instant_or_nothing(value: Any, moment: datetime | None) -> None:
    answer = {"diagnostics": {**DIAGNOSTICS, "last_updated": value}, "summary": None}
    assert api.get_sending_status(ID).parse(answer).last_updated == moment


def test_a_status_carries_since_when_and_why() -> None:
    answer = {
        "diagnostics": {**DIAGNOSTICS, "issue_tracking": {"issue_first_seen_at": "2026-05-11T21:12:43.288Z"}},
        "summary": {"status_message": "Campaign is sending normally", "issue_started_at": None},
    }
    status = api.get_sending_status(ID).parse(answer)
    assert (status.reason, status.issue_started_at) == ("Campaign is sending normally", MOMENT)
    assert status.raw == answer
    assert status.diagnostic("issue_tracking", "nothing", "at", "all") is None


@pytest.mark.parametrize("answer", [None, [], "healthy", 5])
def test_an_answer_that_is_no_object_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponseError):
        api.get_sending_status(ID).parse(answer)


def test_an_answer_about_another_campaign_is_malformed() -> None:
    other = {"diagnostics": {**DIAGNOSTICS, "campaign_id": "019e18e2-9617-78c8-b2bf-2f764ab33d2b"}}
    with pytest.raises(MalformedResponseError, match="another"):
        api.get_sending_status(ID).parse(other)
    subsequence = {"diagnostics": {**DIAGNOSTICS, "campaign_id": "the parent", "subsequence_id": ID}}
    assert api.get_subsequence_sending_status(ID).parse(subsequence).status == "healthy"


@pytest.mark.parametrize("bad", ["", None, "None", "019e18e2", f"{ID}/activate", f"../{ID}", f"{ID}\n", 5])
def test_what_is_no_uuid_never_gets_into_a_path(bad: Any) -> None:
    for build in (api.get_sending_status, api.get_campaign, api.activate_campaign, api.pause_campaign):
        with pytest.raises(ValueError, match="campaign_id must be a UUID"):
            build(bad)
    with pytest.raises(ValueError, match="subsequence_id must be a UUID"):
        api.get_subsequence_sending_status(bad)


@pytest.mark.parametrize(
    "path",
    [
        "accounts",
        "",
        "//evil.example",
        "/../../v1",
        "/a/%2e%2E/b",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\r\nHost: x",
        "/a\\b",
    ],
)
def test_a_request_stays_below_the_prefix(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        api.request("GET", path)


def test_a_number_beyond_all_numbers_is_none() -> None:
    status = api.get_sending_status(ID).parse({"diagnostics": {"campaign_daily_limit": {"limit": 10**400}}})
    assert status.diagnostic_number("campaign_daily_limit", "limit") is None


def test_a_code_of_endless_length_is_none() -> None:
    assert api.get_sending_status(ID).parse({"summary": {"status": "x" * 5000}}).status is None


@pytest.mark.parametrize("method", ["", "TRACE", "GET /x"])
def test_a_request_has_a_method(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        api.request(method, "/x")


NOT_PLAIN = [{"a": {"b": 1}}, {"a": [["b"]]}, {"a": ["b", {}]}, {"a": {"b"}}, {"a": b"b"}, {"a": object()}]


@pytest.mark.parametrize("params", NOT_PLAIN)
def test_a_parameter_is_plain_or_a_list_of_what_is(params: dict) -> None:
    with pytest.raises(ValueError, match="parameter"):
        _ = api.request("GET", "/x", params=params).target


@pytest.mark.parametrize("params", NOT_PLAIN)
def test_a_parameter_that_is_not_plain_is_no_network_failure(
    connections: ScriptedServer, params: dict
) -> None:
    with pytest.raises(ValueError, match="parameter"):
        InstantlyHook().request("GET", "/x", params=params)
    assert connections.requests == []


@pytest.mark.parametrize(
    ("leads", "told"),
    [
        ([], "1 to 1,000"),
        ([{"email": "a@b.c"}] * 1001, "1 to 1,000"),
        ([{"email": "a@b.c"}, {"first_name": "Ada"}], r"leads\[1\]"),
        ([{"email": "nobody"}], r"leads\[0\]"),
        (["a@b.c"], r"leads\[0\]"),
    ],
)
def test_leads_that_cannot_be_sent_are_refused(leads: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        api.add_leads(ID, leads)


@pytest.mark.parametrize(
    ("lead", "told"),
    [
        ("a@b.c", "rows.csv, line 3 must be a mapping with an 'email', got str"),
        ({"email": " "}, "rows.csv, line 3 has no e-mail address"),
        ({"email": None}, "rows.csv, line 3 has no e-mail address"),
        (
            {"email": "a@b.c", "custom_variables": ["x"]},
            "rows.csv, line 3: custom_variables must be a mapping",
        ),
        (
            {"email": "a@b.c", "custom_variables": {"x": [1]}},
            r"line 3: custom_variables\['x'\] must be a text",
        ),
        ({"email": "a@b.c", "since": MOMENT}, "rows.csv, line 3: 'since' is no member of a lead"),
        ({"email": "a@b.c", "lt_interest_status": float("inf")}, "rows.csv, line 3 cannot be sent as JSON"),
    ],
)
def test_a_lead_that_cannot_be_sent_is_named_by_its_place(lead: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        api.check_lead(lead, "rows.csv, line 3")


def test_a_lead_that_can_be_sent_is_a_copy() -> None:
    given = {"email": "a@b.c", "custom_variables": {"s": "x", "n": 1.5, "b": True, "none": None}}
    lead = api.check_lead(given, "leads[0]")
    assert lead == given
    assert lead is not given


def test_added_leads_are_counted() -> None:
    added = api.add_leads(ID, [{"email": "a@b.c"}]).parse(
        {
            "status": "success",
            "total_sent": 10,
            "leads_uploaded": 7,
            "duplicated_leads": 1,
            "remaining_in_plan": None,
            "created_leads": [{"index": 0, "id": ID, "email": "a@b.c"}],
        }
    )
    assert (added.total_sent, added.leads_uploaded, added.duplicated_leads) == (10, 7, 1)
    assert (added.skipped_count, added.remaining_in_plan, len(added.created_leads)) == (0, None, 1)
    with pytest.raises(MalformedResponseError):
        api.add_leads(ID, [{"email": "a@b.c"}]).parse({"status": "success"})


@pytest.mark.parametrize(
    ("status", "name"),
    [(1, "active (1)"), (-99, "account suspended (-99)"), (7, "unknown (7)"), ("1", "unknown ('1')")],
)
def test_a_lifecycle_status_in_words(status: Any, name: str) -> None:
    assert LifecycleStatus.name_of(status) == name
