"""Every call of Instantly at a real server: as it arrives, what comes of it, and how it fails."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import pytest
from jsonschema import ValidationError

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import (
    AccountVitals,
    AddedLeads,
    BackgroundJob,
    JobStatus,
    SendingStatus,
)
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.hooks.base import user_agent
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.sandbox.seed import ALWAYS
from airflow_provider_campaigns.transport import retry
from airflow_provider_campaigns.transport.retry import NO_RETRY
from tests.conftest import KEY
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.openapi import check_request, needs_description
from tests.unit.hooks.every_call import (
    Failure,
    PromptServer,
    Row,
    body_of,
    calls_of,
    failures,
    headers_of,
    in_the_triggerer,
    methods_of,
    on_a_worker,
)

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
OTHER = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"
LEAD = "019e18e2-1111-7000-8000-000000000001"
JOB = "675266e304a8e55b17f0228b"
CAMPAIGN = {"id": ID, "name": "Spring \U0001f338", "status": 1, "not_sending_status": None, "new": {"a": [1]}}
SEQUENCES = [{"steps": [{"type": "email", "delay": 1, "variants": [{"subject": "S", "body": "<p>"}]}]}]
DIAGNOSED = {
    "diagnostics": {
        "campaign_id": ID,
        "last_updated": "2026-05-11T21:12:43.288Z",
        "status": "follow_up_delay_not_met",
        "issue_tracking": {"issue_first_seen_at": "2026-05-11T20:00:00.000Z", "last_healthy_send_at": None},
        "follow_ups_waiting": {"count": 4, "earliest_wait_time_seconds": 60},
        "not known yet": True,
    },
    "summary": {"status": "healthy", "status_message": "Follow-ups wait", "ai_summary": "All is well."},
}
STATUS = SendingStatus(
    status="follow_up_delay_not_met",
    last_updated=datetime(2026, 5, 11, 21, 12, 43, 288000, tzinfo=timezone.utc),
    reason="Follow-ups wait",
    issue_started_at=datetime(2026, 5, 11, 20, 0, tzinfo=timezone.utc),
    last_healthy_send_at=None,
    ai_summary="All is well.",
    raw=DIAGNOSED,
)
OF_SUBSEQUENCE = {**DIAGNOSED, "diagnostics": {**DIAGNOSED["diagnostics"], "subsequence_id": OTHER}}
ADDED = {
    "status": "success", "total_sent": 9, "leads_uploaded": 2, "duplicated_leads": 1, "skipped_count": 1,
    "in_blocklist": 1, "invalid_email_count": 2, "incomplete_count": 1, "duplicate_email_count": 1,
    "blocklist_used": None, "remaining_in_plan": 40,
    "created_leads": [{"index": 0, "id": LEAD, "email": "ada@example.org"}],
}  # fmt: skip
MOVING = {
    "id": JOB,
    "workspace_id": OTHER,
    "type": "move-leads",
    "status": "In-Progress",
    "progress": 40,
    "data": {"success_count": 2, "moved_lead_emails": ["ada@example.org"]},
}
BACKGROUND_JOB = BackgroundJob(JOB, "in-progress", "move-leads", 40, MOVING["data"], raw=MOVING)
CHECKED = {
    "status": "success",
    "success_list": [{"domain": "sender.test", "allPass": True}],
    "failure_list": [{"domain": "lost.test", "allPass": False, "spf": False}],
    "indeterminate": [{"domain": "slow.test"}],
}
FIGURES = [{"campaign_id": ID, "emails_sent_count": 5}, {"campaign_id": OTHER, "emails_sent_count": 0}]
DAYS = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
IN_JANUARY = "start_date=2026-01-01&end_date=2026-01-31"


def listing(name: str, path: str, **arguments: Any) -> Row:
    """A call that gives one page, the last."""
    items = [{"id": ID}, {"id": OTHER, "new": None}]
    return Row(name, arguments, "GET", path, {"items": items}, items)


def switch(name: str, path: str, **arguments: Any) -> Row:
    """A call that changes something and sends no body."""
    return Row(name, arguments, "POST", path, CAMPAIGN, CAMPAIGN, read=False)


ROWS = [
    Row(
        "get_sending_status",
        {"campaign_id": ID},
        "GET",
        f"/api/v2/campaigns/{ID}/sending-status",
        DIAGNOSED,
        STATUS,
    ),
    Row(
        "get_sending_status",
        {"campaign_id": ID, "with_ai_summary": True},
        "GET",
        f"/api/v2/campaigns/{ID}/sending-status?with_ai_summary=true",
        DIAGNOSED,
        STATUS,
    ),
    Row(
        "get_subsequence_sending_status",
        {"subsequence_id": OTHER},
        "GET",
        f"/api/v2/subsequences/{OTHER}/sending-status",
        OF_SUBSEQUENCE,
        dataclasses.replace(STATUS, raw=OF_SUBSEQUENCE),
    ),
    Row(
        "get_subsequence_sending_status",
        {"subsequence_id": OTHER, "with_ai_summary": True},
        "GET",
        f"/api/v2/subsequences/{OTHER}/sending-status?with_ai_summary=true",
        OF_SUBSEQUENCE,
        dataclasses.replace(STATUS, raw=OF_SUBSEQUENCE),
    ),
    Row("get_campaign", {"campaign_id": ID}, "GET", f"/api/v2/campaigns/{ID}", CAMPAIGN, CAMPAIGN),
    listing("list_campaigns", "/api/v2/campaigns?limit=100"),
    listing(
        "list_campaigns",
        f"/api/v2/campaigns?search=Spring+%26+%C3%A9t%C3%A9&status=-99&exclude_status=0&tag_ids={ID}%2C{OTHER}"
        f"&ai_sales_agent_id={ID}&limit=7&starting_after=a%2Fb%3Dc",
        search="Spring & été",
        status=-99,
        exclude_status=0,
        tag_ids=f"{ID},{OTHER}",
        ai_sales_agent_id=ID,
        limit=7,
        starting_after="a/b=c",
    ),
    Row(
        "create_campaign",
        {"name": "Spring", "campaign_schedule": ALWAYS},
        "POST",
        "/api/v2/campaigns",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Spring", "campaign_schedule": ALWAYS},
        read=False,
    ),
    Row(
        "create_campaign",
        {
            "name": "Spring",
            "campaign_schedule": ALWAYS,
            "sequences": SEQUENCES,
            "email_list": ["ada@sender.test"],
            "daily_limit": None,
        },
        "POST",
        "/api/v2/campaigns",
        CAMPAIGN,
        CAMPAIGN,
        {
            "name": "Spring",
            "campaign_schedule": ALWAYS,
            "sequences": SEQUENCES,
            "email_list": ["ada@sender.test"],
            "daily_limit": None,
        },
        read=False,
    ),
    Row(
        "update_campaign",
        {"campaign_id": ID, "name": "Autumn", "sequences": SEQUENCES, "daily_max_leads": None},
        "PATCH",
        f"/api/v2/campaigns/{ID}",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Autumn", "sequences": SEQUENCES, "daily_max_leads": None},
        read=False,
    ),
    Row(
        "delete_campaign",
        {"campaign_id": ID},
        "DELETE",
        f"/api/v2/campaigns/{ID}",
        CAMPAIGN,
        CAMPAIGN,
        read=False,
    ),
    switch("duplicate_campaign", f"/api/v2/campaigns/{ID}/duplicate", campaign_id=ID),
    Row(
        "duplicate_campaign",
        {"campaign_id": ID, "name": "Spring again"},
        "POST",
        f"/api/v2/campaigns/{ID}/duplicate",
        CAMPAIGN,
        CAMPAIGN,
        {"name": "Spring again"},
        read=False,
    ),
    switch("activate_campaign", f"/api/v2/campaigns/{ID}/activate", campaign_id=ID),
    switch("pause_campaign", f"/api/v2/campaigns/{ID}/pause", campaign_id=ID),
    Row("get_campaign_analytics", {}, "GET", "/api/v2/campaigns/analytics", FIGURES, tuple(FIGURES)),
    Row(
        "get_campaign_analytics",
        {"ids": [ID, OTHER], **DAYS, "exclude_total_leads_count": True},
        "GET",
        f"/api/v2/campaigns/analytics?ids={ID}&ids={OTHER}&{IN_JANUARY}&exclude_total_leads_count=true",
        FIGURES,
        tuple(FIGURES),
    ),
    Row(
        "get_campaign_analytics",
        {"id": ID, "ids": None, "exclude_total_leads_count": False},
        "GET",
        f"/api/v2/campaigns/analytics?id={ID}&exclude_total_leads_count=false",
        FIGURES,
        tuple(FIGURES),
    ),
    Row(
        "get_campaign_analytics_overview",
        {"ids": (ID,), **DAYS, "campaign_status": -2, "expand_crm_events": True},
        "GET",
        f"/api/v2/campaigns/analytics/overview?ids={ID}&{IN_JANUARY}&campaign_status=-2&expand_crm_events=true",
        FIGURES[0],
        FIGURES[0],
    ),
    Row(
        "get_daily_campaign_analytics",
        {"campaign_id": ID, **DAYS, "campaign_status": 1},
        "GET",
        f"/api/v2/campaigns/analytics/daily?campaign_id={ID}&{IN_JANUARY}&campaign_status=1",
        FIGURES,
        tuple(FIGURES),
    ),
    Row(
        "get_campaign_steps_analytics",
        {"campaign_id": ID, **DAYS, "include_opportunities_count": True},
        "GET",
        f"/api/v2/campaigns/analytics/steps?campaign_id={ID}&{IN_JANUARY}&include_opportunities_count=true",
        FIGURES,
        tuple(FIGURES),
    ),
    listing("list_subsequences", "/api/v2/subsequences?limit=100"),
    listing(
        "list_subsequences",
        f"/api/v2/subsequences?parent_campaign={ID}&parent_campaign_not={OTHER}&search=x&limit=100",
        parent_campaign=ID,
        parent_campaign_not=OTHER,
        search="x",
    ),
    Row("get_subsequence", {"subsequence_id": ID}, "GET", f"/api/v2/subsequences/{ID}", CAMPAIGN, CAMPAIGN),
    switch("pause_subsequence", f"/api/v2/subsequences/{ID}/pause", subsequence_id=ID),
    switch("resume_subsequence", f"/api/v2/subsequences/{ID}/resume", subsequence_id=ID),
    Row("list_leads", {}, "POST", "/api/v2/leads/list", {"items": []}, [], {"limit": 100}),
    Row(
        "list_leads",
        {
            "campaign": ID,
            "ids": [LEAD],
            "contacts": ["ada@example.org"],
            "in_list": False,
            "filter": "FILTER_VAL_CONTACTED",
            "search": None,
            "limit": 5,
            "starting_after": LEAD,
        },
        "POST",
        "/api/v2/leads/list",
        {"items": [{"id": LEAD}]},
        [{"id": LEAD}],
        {
            "campaign": ID,
            "ids": [LEAD],
            "contacts": ["ada@example.org"],
            "in_list": False,
            "filter": "FILTER_VAL_CONTACTED",
            "limit": 5,
            "starting_after": LEAD,
        },
    ),
    Row(
        "move_leads",
        {"ids": [LEAD], "campaign": ID, "to_campaign_id": OTHER, "copy_leads": False, "to_list_id": None},
        "POST",
        "/api/v2/leads/move",
        MOVING,
        BACKGROUND_JOB,
        {"ids": [LEAD], "campaign": ID, "to_campaign_id": OTHER, "copy_leads": False},
        read=False,
    ),
    Row(
        "move_leads",
        {
            "list_id": ID,
            "to_list_id": OTHER,
            "contacts": ["ada@example.org"],
            "check_duplicates": True,
            "check_duplicates_in_campaigns": True,
            "reset_interest_status": True,
        },
        "POST",
        "/api/v2/leads/move",
        MOVING,
        BACKGROUND_JOB,
        {
            "list_id": ID,
            "to_list_id": OTHER,
            "contacts": ["ada@example.org"],
            "check_duplicates": True,
            "check_duplicates_in_campaigns": True,
            "reset_interest_status": True,
        },
        read=False,
    ),
    Row(
        "add_leads",
        {
            "campaign_id": ID,
            "leads": [
                {"email": "ada@example.org", "first_name": "Ada", "custom_variables": {"n": 1, "b": True}},
                {"email": "grace@example.org", "phone": None},
            ],
            "skip_if_in_workspace": True,
            "verify_leads_on_import": False,
            "blocklist_id": None,
        },
        "POST",
        "/api/v2/leads/add",
        ADDED,
        AddedLeads(9, 2, 1, 1, 1, 2, 1, 1, 40, tuple(ADDED["created_leads"]), raw=ADDED),
        {
            "campaign_id": ID,
            "leads": [
                {"email": "ada@example.org", "first_name": "Ada", "custom_variables": {"n": 1, "b": True}},
                {"email": "grace@example.org", "phone": None},
            ],
            "skip_if_in_workspace": True,
            "verify_leads_on_import": False,
        },
        read=False,
    ),
    Row(
        "get_background_job",
        {"job_id": JOB},
        "GET",
        f"/api/v2/background-jobs/{JOB}",
        MOVING,
        BACKGROUND_JOB,
    ),
    Row(
        "get_background_job",
        {"job_id": JOB, "data_fields": ("success_count", "failed_count")},
        "GET",
        f"/api/v2/background-jobs/{JOB}?data_fields=success_count%2Cfailed_count",
        MOVING,
        BACKGROUND_JOB,
    ),
    listing("list_accounts", "/api/v2/accounts?limit=100"),
    listing(
        "list_accounts",
        "/api/v2/accounts?status=-1&provider_code=2&search=sender.test&include_tags=true&limit=100"
        "&starting_after=2026-01-01T00%3A00%3A00.000Z%26jon%40doe.com",
        status=-1,
        provider_code=2,
        search="sender.test",
        include_tags=True,
        starting_after="2026-01-01T00:00:00.000Z&jon@doe.com",
    ),
    Row(
        "get_account",
        {"email": "ada+news@sender.test"},
        "GET",
        "/api/v2/accounts/ada%2Bnews@sender.test",
        {"email": "ada+news@sender.test", "status": 1},
        {"email": "ada+news@sender.test", "status": 1},
    ),
    Row(
        "check_account_vitals",
        {"emails": ["ada@sender.test", "lost@lost.test"]},
        "POST",
        "/api/v2/accounts/test/vitals",
        CHECKED,
        AccountVitals(
            passed=({"domain": "sender.test", "allPass": True},),
            failed=({"domain": "lost.test", "allPass": False, "spf": False},),
            indeterminate=({"domain": "slow.test"},),
            raw=CHECKED,
        ),
        {"accounts": ["ada@sender.test", "lost@lost.test"]},
    ),
]
ONE_OF_EACH = {row.name: row for row in ROWS}


def documented(status: int, said: str) -> dict[str, Any]:
    return {"statusCode": status, "error": "What the status means", "message": said}


FAILURES = {
    **failures(documented),
    "400 of analytics": Failure(
        Reply({"message": "No such day"}, status=400), BadRequestError, "No such day"
    ),
    "400 of vitals": Failure(Reply({"error": "accounts!"}, status=400), BadRequestError, "accounts!"),
    "404 of a page": Failure(Reply(b"<html>", status=404), NotFoundError, "Check the id"),
    "200 text": Failure(Reply('"healthy"'), MalformedResponseError, ""),
    "200 nothing": Failure(Reply(b""), MalformedResponseError, ""),
}


@pytest.fixture(scope="module")
def _running() -> Iterator[ScriptedServer]:
    with PromptServer() as running:
        yield running


@pytest.fixture
def server(_running: ScriptedServer) -> ScriptedServer:
    """One server for all of these tests, which are many; each finds it as if nothing had reached it."""
    _running.requests.clear()
    return _running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.001)


def test_every_call_and_every_method_of_the_hook_has_a_row() -> None:
    assert ONE_OF_EACH.keys() == calls_of(api) - {"request"}
    composed = {"add_leads_in_batches", "aget_sending_status", "aget_subsequence_sending_status"}
    assert methods_of(InstantlyHook) - composed == ONE_OF_EACH.keys() | {"request", "test_connection"}


@pytest.mark.parametrize("make", [on_a_worker, in_the_triggerer])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_arrives_as_documented_and_its_answer_is_read(
    connections: ScriptedServer, make: Callable[..., Any], row: Row
) -> None:
    connections.play(Reply(row.answer))
    returned = make(InstantlyHook(), api, row)
    (request,) = connections.requests
    assert (request.method, request.path, body_of(request)) == (row.method, row.path, row.body)
    assert headers_of(request) == {
        **row.own_headers,
        "authorization": f"Bearer {KEY}",
        "user-agent": user_agent(),
    }
    assert returned == row.returned


@needs_description
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_arrives_as_the_vendor_describes_it(connections: ScriptedServer, row: Row) -> None:
    connections.play(Reply(row.answer))
    on_a_worker(InstantlyHook(), api, row)
    check_request(connections.requests[0])


@needs_description
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/campaigns?limit=101", None),
        ("GET", "/campaigns?limit=ten", None),
        ("GET", "/campaigns?status=9", None),
        ("GET", "/campaigns?campaign=x", None),
        ("GET", "/campaigns/12", None),
        ("GET", f"/campaigns/{ID}/status", None),
        ("PUT", f"/campaigns/{ID}", {}),
        ("GET", f"/campaigns/analytics?id={ID}&id={ID}", None),
        ("GET", "/campaigns/analytics?exclude_total_leads_count=yes", None),
        ("POST", "/campaigns", None),
        ("POST", "/campaigns", {"name": "N"}),
        ("PATCH", f"/campaigns/{ID}", {"colour": 1}),
        ("POST", f"/campaigns/{ID}/activate", {}),
        ("POST", "/leads/list", {"campaign_ids": [ID]}),
        ("POST", "/leads/list", {"limit": 101}),
        ("POST", "/leads/move", {"ids": "x"}),
        ("POST", "/leads/add", {"campaign_id": ID, "leads": [{"mail": "x"}]}),
    ],
)
def test_what_the_vendor_does_not_describe_is_found_out(method: str, path: str, body: Any) -> None:
    headers = {} if body is None else {"Content-Type": "application/json"}
    encoded = b"" if body is None else json.dumps(body).encode()
    with pytest.raises((AssertionError, ValidationError, ValueError)):
        check_request(Request(method, f"/api/v2{path}", headers, encoded))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("row", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_failed_call_says_what_failed_and_is_repeated_only_where_that_is_safe(
    connections: ScriptedServer, row: Row, failure: str
) -> None:
    expected = FAILURES[failure]
    connections.play(expected.reply)
    with pytest.raises(ApiError) as raised:
        on_a_worker(InstantlyHook(), api, row)
    assert type(raised.value) is expected.error
    told = str(raised.value)
    assert expected.told in told
    assert "'instantly_default'" in told
    assert row.path.partition("?")[0].removeprefix("/api/v2") in told
    assert KEY not in json.dumps(raised.value.as_dict()) + repr(raised.value)
    assert raised.value.retry_after == expected.retry_after
    assert len(connections.requests) == (5 if expected.heals and row.read else 1)


@pytest.mark.parametrize("row", [row for row in ONE_OF_EACH.values() if row.read], ids=lambda row: row.name)
def test_a_read_survives_four_failures(connections: ScriptedServer, row: Row) -> None:
    connections.play(*[Reply({}, status=500), Reply({}, status=429)] * 2, Reply(row.answer))
    assert on_a_worker(InstantlyHook(), api, row) == row.returned
    sent = [(request.path, request.body) for request in connections.requests]
    assert sent == [sent[0]] * 5


@pytest.mark.parametrize(
    "ask",
    [
        lambda hook: hook.get_sending_status(ID, retry=NO_RETRY),
        lambda hook: hook.get_subsequence_sending_status(ID, retry=NO_RETRY),
        lambda hook: hook.get_background_job(JOB, retry=NO_RETRY),
        lambda hook: asyncio.run(hook.aget_sending_status(ID, retry=NO_RETRY)),
        lambda hook: asyncio.run(hook.aget_subsequence_sending_status(ID, retry=NO_RETRY)),
    ],
)
def test_who_looks_again_by_himself_can_have_one_attempt(
    connections: ScriptedServer, ask: Callable[..., Any]
) -> None:
    connections.play(Reply({}, status=500))
    with pytest.raises(ServiceUnavailableError):
        ask(InstantlyHook())
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    "row", [row for row in ONE_OF_EACH.values() if dataclasses.is_dataclass(row.returned)], ids=str
)
def test_what_comes_back_cannot_be_changed(connections: ScriptedServer, row: Row) -> None:
    connections.play(row.answer)
    returned = on_a_worker(InstantlyHook(), api, row)
    for each in dataclasses.fields(returned):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(returned, each.name, None)


OF_A_CAMPAIGN = [
    "get_sending_status", "get_campaign", "delete_campaign", "duplicate_campaign", "activate_campaign",
    "pause_campaign",
]  # fmt: skip
OF_A_SUBSEQUENCE = [
    "get_subsequence_sending_status", "get_subsequence", "pause_subsequence", "resume_subsequence",
]  # fmt: skip
NO_IDS = [
    "", None, "None", 7, "..", f"{ID}/activate", f"../{ID}", f"{ID}?x=1", f"{ID}#", f"{ID}\r\nX-Evil: 1",
    f"{ID}\n", f"%2e%2e/{ID}", f"{ID} ", ID.replace("-", ""), JOB,
]  # fmt: skip


class TestWhatStandsInAPath:
    @pytest.mark.parametrize("bad", NO_IDS)
    @pytest.mark.parametrize("name", [*OF_A_CAMPAIGN, *OF_A_SUBSEQUENCE])
    def test_what_is_no_uuid_never_gets_there(self, connections: ScriptedServer, name: str, bad: Any) -> None:
        with pytest.raises(ValueError, match="campaign_id" if name in OF_A_CAMPAIGN else "subsequence_id"):
            getattr(InstantlyHook(), name)(bad)
        assert connections.requests == []

    @pytest.mark.parametrize("bad", NO_IDS)
    def test_nor_into_a_change_or_a_batch(self, connections: ScriptedServer, bad: Any) -> None:
        with pytest.raises(ValueError, match="campaign_id"):
            InstantlyHook().update_campaign(bad, name="N")
        with pytest.raises(ValueError, match="campaign_id"):
            InstantlyHook().add_leads(bad, [{"email": "a@b.c"}])
        assert connections.requests == []

    @pytest.mark.parametrize("job_id", [JOB, ID, "7", "a_b-C", "0" * 200])
    def test_a_background_job_needs_no_uuid(self, connections: ScriptedServer, job_id: str) -> None:
        connections.play({**MOVING, "id": job_id})
        assert InstantlyHook().get_background_job(job_id).id == job_id
        assert connections.requests[0].path == f"/api/v2/background-jobs/{job_id}"

    @pytest.mark.parametrize(
        "bad",
        [
            "",
            None,
            7,
            "None",
            "null",
            "..",
            ".",
            "a/b",
            "a?b",
            "a#b",
            "a\nb",
            "a b",
            "%2e%2e",
            "ü",
            "0" * 201,
        ],
    )
    def test_but_what_can_be_an_id(self, connections: ScriptedServer, bad: Any) -> None:
        with pytest.raises(ValueError, match="job_id must be an id"):
            InstantlyHook().get_background_job(bad)
        assert connections.requests == []

    @pytest.mark.parametrize(
        ("email", "path"),
        [
            ("ada@sender.test", "ada@sender.test"),
            ("o'neil%2F..@x.test", "o%27neil%252F..@x.test"),
            ("zoë&co;a=b@exämple.test", "zo%C3%AB%26co%3Ba%3Db@ex%C3%A4mple.test"),
            ('"a:b"@x.test', "%22a%3Ab%22@x.test"),
        ],
    )
    def test_an_address_stays_one_part_of_the_path(
        self, connections: ScriptedServer, email: str, path: str
    ) -> None:
        connections.play({"email": email})
        for make in (on_a_worker, in_the_triggerer):
            make(
                InstantlyHook(),
                api,
                dataclasses.replace(ONE_OF_EACH["get_account"], arguments={"email": email}),
            )
        assert [request.path for request in connections.requests] == [f"/api/v2/accounts/{path}"] * 2

    @pytest.mark.parametrize(
        "bad",
        [
            "", None, 7, "ada", "@sender.test", "ada@", "a@b@c", "a/b@c.d", "a@c.d/warmup", "a@c.d?x=1",
            "a@c.d#x", "a@c.d\r\nX-Evil: 1", "a b@c.d", "a\\b@c.d", "../x@c.d", ["a@b.c"],
        ],
    )  # fmt: skip
    def test_what_is_no_address_never_gets_there(self, connections: ScriptedServer, bad: Any) -> None:
        with pytest.raises(ValueError, match="no e-mail address"):
            InstantlyHook().get_account(bad)
        with pytest.raises(ValueError, match="no e-mail address"):
            InstantlyHook().check_account_vitals(["ada@sender.test", bad])
        assert connections.requests == []

    def test_senders_are_addresses_and_at_least_one(self, connections: ScriptedServer) -> None:
        for none in ([], "ada@sender.test"):
            with pytest.raises(ValueError, match="address"):
                InstantlyHook().check_account_vitals(none)
        assert connections.requests == []


LISTS = ["list_campaigns", "list_subsequences", "list_accounts", "list_leads"]


def pages(hook: InstantlyHook, name: str, **filters: Any) -> Iterator[Any]:
    """List, though not for ever, should a list have no end."""
    return islice(getattr(hook, name)(**filters), 300)


def cursor_of(request: Request) -> str | None:
    if request.method == "POST":
        return request.json.get("starting_after")
    return request.path.partition("starting_after=")[2] or None


@pytest.mark.parametrize("name", LISTS)
class TestPages:
    def test_they_follow_one_another_to_the_end(self, connections: ScriptedServer, name: str) -> None:
        items = [{"n": number} for number in range(250)]
        connections.play(
            {"items": items[:100], "next_starting_after": "c1"},
            {"items": items[100:200], "next_starting_after": "c2"},
            {"items": items[200:]},
        )
        assert list(pages(InstantlyHook(), name, search="x")) == items
        assert [cursor_of(request) for request in connections.requests] == [None, "c1", "c2"]
        asked = [request.body.decode() + request.path for request in connections.requests]
        assert all("search" in each and "100" in each for each in asked)

    def test_a_last_page_with_a_cursor_is_followed_by_an_empty_one(
        self, connections: ScriptedServer, name: str
    ) -> None:
        connections.play(
            {"items": [{"n": 1}], "next_starting_after": "c1"}, {"items": [], "next_starting_after": "c2"}
        )
        assert list(pages(InstantlyHook(), name)) == [{"n": 1}]
        assert len(connections.requests) == 2

    def test_a_cursor_that_comes_again_ends_them(self, connections: ScriptedServer, name: str) -> None:
        first = {"items": [{"n": 1}], "next_starting_after": "c1"}
        connections.play(first, {"items": [{"n": 2}], "next_starting_after": "c2"}, first)
        assert [item["n"] for item in pages(InstantlyHook(), name)] == [1, 2, 1]
        assert len(connections.requests) == 3

    @pytest.mark.parametrize("cursor", [None, "", "  "])
    def test_no_cursor_ends_them(self, connections: ScriptedServer, name: str, cursor: Any) -> None:
        connections.play({"items": [{"n": 1}], "next_starting_after": cursor})
        assert len(list(pages(InstantlyHook(), name))) == 1
        assert len(connections.requests) == 1

    def test_nothing_is_asked_for_before_it_is_wanted(self, connections: ScriptedServer, name: str) -> None:
        connections.play({"items": [{"n": 1}, {"n": 2}], "next_starting_after": "c1"})
        found = pages(InstantlyHook(), name)
        assert connections.requests == []
        assert [next(found)["n"], next(found)["n"]] == [1, 2]
        assert len(connections.requests) == 1

    def test_a_page_that_fails_is_asked_for_again_and_no_other(
        self, connections: ScriptedServer, name: str
    ) -> None:
        connections.play(
            {"items": [{"n": 1}], "next_starting_after": "c1"}, Reply({}, status=500), {"items": [{"n": 2}]}
        )
        assert [item["n"] for item in pages(InstantlyHook(), name)] == [1, 2]
        assert [cursor_of(request) for request in connections.requests] == [None, "c1", "c1"]

    @pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": {"n": 1}}, {"data": []}])
    def test_without_items_there_is_no_page(
        self, connections: ScriptedServer, name: str, answer: dict
    ) -> None:
        connections.play(answer)
        with pytest.raises(MalformedResponseError, match="no items"):
            list(pages(InstantlyHook(), name))

    @pytest.mark.parametrize("limit", [0, -1, 101, 1000, "all", True, 2.5])
    def test_a_page_holds_1_to_100_items(self, connections: ScriptedServer, name: str, limit: Any) -> None:
        with pytest.raises(ValueError, match="limit must be 1 to 100"):
            pages(InstantlyHook(), name, limit=limit)
        assert connections.requests == []


class TestMovingLeads:
    @pytest.mark.parametrize(
        ("what", "told"),
        [
            ({}, "to_campaign_id"),
            ({"campaign": ID}, "to_campaign_id"),
            ({"to_campaign_id": None}, "to_campaign_id"),
            ({"to_campaign_id": ID, "to_list_id": OTHER}, "either to a campaign"),
            ({"to_list_id": OTHER, "ids": [LEAD]}, "ids need the campaign or the list_id"),
            ({"to_list_id": OTHER, "ids": [LEAD], "campaign": None}, "ids need the campaign or the list_id"),
            ({"to_list_id": OTHER, "campaign_ids": [ID]}, "campaign_ids is not a filter"),
            ({"to_list_id": OTHER, "campaign": ID, "ids": []}, "ids is empty"),
            ({"to_list_id": OTHER, "campaign": ID, "contacts": ()}, "contacts is empty"),
            ({"to_list_id": OTHER, "campaign": ""}, "campaign is empty"),
            ({"to_list_id": OTHER}, "Say which leads to move"),
        ],
    )
    def test_what_would_move_the_wrong_leads_is_not_sent(
        self, connections: ScriptedServer, what: dict, told: str
    ) -> None:
        with pytest.raises(ValueError, match=told):
            InstantlyHook().move_leads(**what)
        assert connections.requests == []

    @pytest.mark.parametrize("job", [{}, {"id": JOB}, {"status": "pending"}, {"id": 7, "status": "pending"}])
    def test_an_answer_without_a_job_is_malformed(self, connections: ScriptedServer, job: dict) -> None:
        connections.play(job)
        with pytest.raises(MalformedResponseError, match="no background job"):
            InstantlyHook().move_leads(campaign=ID, to_list_id=OTHER)
        assert len(connections.requests) == 1


def test_leads_without_number_go_out_batch_by_batch_as_they_come(connections: ScriptedServer) -> None:
    connections.play(ADDED, ADDED, Reply({"message": "no room"}, status=402))
    taken = []

    def leads() -> Iterator[dict[str, str]]:
        for number in range(2500):
            taken.append(number)
            yield {"email": f"lead{number}@example.org"}

    batches = InstantlyHook().add_leads_in_batches(ID, leads(), skip_if_in_list=True)
    assert (next(batches).leads_uploaded, len(taken), len(connections.requests)) == (2, 1000, 1)
    assert next(batches).raw == ADDED
    with pytest.raises(PaymentRequiredError, match="no room"):
        next(batches)
    sent = [request.json for request in connections.requests]
    assert [len(body["leads"]) for body in sent] == [1000, 1000, 500]
    assert [lead["email"] for body in sent for lead in body["leads"]] == [lead["email"] for lead in leads()]
    assert all((body["campaign_id"], body["skip_if_in_list"]) == (ID, True) for body in sent)


def test_leads_are_not_looked_for_by_what_the_vendor_ignores(connections: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="use campaign, one id"):
        InstantlyHook().list_leads(campaign_ids=[ID])
    assert connections.requests == []


@pytest.mark.parametrize("status", JobStatus)
def test_every_state_of_a_job_is_read(connections: ScriptedServer, status: JobStatus) -> None:
    connections.play({"id": JOB, "status": status.value, "progress": "40%", "data": None, "type": None})
    job = InstantlyHook().get_background_job(JOB)
    assert JobStatus(job.status) is status
    assert (job.progress, job.data, job.type) == (40, {}, None)


@pytest.mark.parametrize(
    "answer", [{}, {"success_list": []}, {"failure_list": []}, {"success_list": {}, "failure_list": []}]
)
def test_vitals_that_do_not_say_are_not_in_order(connections: ScriptedServer, answer: dict) -> None:
    connections.play(answer)
    with pytest.raises(MalformedResponseError, match="no lists"):
        InstantlyHook().check_account_vitals(["ada@sender.test"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"campaign_schedule": {}}, "schedules"),
        ({"campaign_schedule": {"schedules": []}}, "schedules"),
        ({"campaign_schedule": "always"}, "schedules"),
    ],
)
def test_a_campaign_that_cannot_be_is_not_created(
    connections: ScriptedServer, arguments: dict, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        InstantlyHook().create_campaign(**{"name": "N", "campaign_schedule": ALWAYS, **arguments})
    with pytest.raises(ValueError, match="at least one member"):
        InstantlyHook().update_campaign(ID)
    assert connections.requests == []


@pytest.mark.parametrize(
    ("method", "read"), [("get", True), ("POST", False), ("PUT", False), ("PATCH", False), ("DELETE", False)]
)
def test_any_other_endpoint_is_called_alike(connections: ScriptedServer, method: str, read: bool) -> None:
    connections.play(Reply({"message": "later"}, status=500))
    with pytest.raises(ServiceUnavailableError, match="/api/v2/webhooks was answered 500"):
        InstantlyHook().request(method, "/webhooks", params={"a": ["x", 1, None], "b": None}, json={"c": []})
    assert len(connections.requests) == (5 if read else 1)
    for request in connections.requests:
        assert (request.method, request.path) == (method.upper(), "/api/v2/webhooks?a=x&a=1")
        assert (request.json, headers_of(request)["content-type"]) == ({"c": []}, "application/json")
    connections.play(Reply([1]))
    assert InstantlyHook().request(method, "/api/v2/webhooks") == [1]
    assert "content-type" not in headers_of(connections.requests[-1])
