from __future__ import annotations

import asyncio
import re
from typing import Any

import airflow
import pytest

from airflow_provider_campaigns import __version__
from airflow_provider_campaigns.exceptions import ApiError, NotFoundError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from tests.conftest import KEY, set_connection
from tests.support.fake_server import Reply, ScriptedServer

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
HOOKS = {"campaign_cleaner": CampaignCleanerHook, "instantly": InstantlyHook}


@pytest.fixture(params=HOOKS)
def conn_type(request: pytest.FixtureRequest) -> str:
    return request.param


def account_of(conn_type: str) -> Any:
    return HOOKS[conn_type]().account


def test_a_connection_with_nothing_but_a_key(conn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, conn_type, host=None)
    account = account_of(conn_type)
    assert account.base_url == HOOKS[conn_type].service.base_url
    assert (account.timeout, account.max_requests_per_second, account.extra_headers) == (30, 10, {})


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        ("{type}://:key@proxy.example.com", "https://proxy.example.com"),
        ("{type}://:key@proxy.example.com:8443", "https://proxy.example.com:8443"),
        ("{type}://:key@127.0.0.1:8765/http", "http://127.0.0.1:8765"),
        ("{type}://:key@http%3A%2F%2Flocalhost%3A8765%2Fbase%2F", "http://localhost:8765/base"),
        ("{type}://:key@https%3A%2F%2Fproxy.example.com:8443", "https://proxy.example.com:8443"),
        ("{type}://:key@http%3A%2F%2F%5B%3A%3A1%5D%3A8765", "http://[::1]:8765"),
        ("{type}://:key@[::1]:8765/http", "http://[::1]:8765"),
        ("{type}://:key@HTTP%3A%2F%2F127.0.0.1%3A8765", "http://127.0.0.1:8765"),
    ],
)
def test_a_connection_as_uri(
    conn_type: str, uri: str, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT"
    monkeypatch.setenv(name, uri.format(type=conn_type.replace("_", "-")))
    assert account_of(conn_type).base_url == base_url


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        ({"password": None}, "no API key"),
        ({"password": "  "}, "no API key"),
        ({"password": "a b"}, "not an API key"),
        ({"password": "a\r\nX-Evil: 1"}, "not an API key"),
        ({"password": "schlüssel"}, "not an API key"),
        ({"host": "http://proxy.example.com"}, "plain http"),
        ({"host": "http://127.0.0.1.example.com"}, "plain http"),
        ({"host": "http://localhost.example.com"}, "plain http"),
        ({"host": "http://0.0.0.0:80"}, "plain http"),
        ({"host": "ftp://proxy.example.com"}, "base URL"),
        ({"host": "https://"}, "base URL"),
        ({"host": "https://proxy.example.com?x=1"}, "base URL"),
        ({"host": "https://user:pass@proxy.example.com"}, "credentials"),
        ({"host": "https://proxy.example.com:port"}, "not a URL"),
        ({"host": "https://[proxy"}, "not a URL"),
        ({"host": "https://a.example/\r\nX: y"}, "not a URL"),
        ({"host": "HTTP://proxy.example.com"}, "plain http"),
        ({"extra": {"timeout": True}}, "'timeout' must be a number above 0"),
        (
            {"extra": {"max_requests_per_second": 1e-300}},
            "'max_requests_per_second' must be a number above 0",
        ),
        ({"extra": {"timeout": 0}}, "'timeout' must be a number above 0"),
        ({"extra": {"timeout": "soon"}}, "'timeout' must be a number above 0"),
        ({"extra": {"max_requests_per_second": -1}}, "'max_requests_per_second' must be a number above 0"),
        ({"extra": {"max_requests_per_second": "inf"}}, "'max_requests_per_second' must be a number above 0"),
    ],
)
def test_a_connection_that_cannot_work_says_so(
    conn_type: str, connection: dict, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, conn_type, **{"host": None, **connection})
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        _ = account_of(conn_type)
    assert f"'{conn_type}_default'" in str(refused.value)
    assert KEY not in str(refused.value)
    assert "pass@" not in str(refused.value)
    ok, message = HOOKS[conn_type]().test_connection()
    assert not ok
    assert told in message


def test_a_workspace_is_named_in_a_header(
    connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, "instantly", host=connections.url, extra={"workspace_id": "ws-1"})
    connections.play({"id": UUID})
    InstantlyHook().get_campaign(UUID)
    assert connections.requests[0].headers["x-as-workspace"] == "ws-1"
    set_connection(monkeypatch, "instantly", host=connections.url, extra={"workspace_id": "a\nb"})
    with pytest.raises(ValueError, match="workspace_id"):
        InstantlyHook().get_campaign(UUID)


def test_the_user_agent_names_the_package_and_airflow(connections: ScriptedServer) -> None:
    connections.play({"credits": 1})
    CampaignCleanerHook().get_credits()
    agent = connections.requests[0].headers["User-Agent"]
    assert agent.startswith(f"airflow-provider-campaigns/{__version__} apache-airflow/{airflow.__version__} ")


def test_a_hook_keeps_one_connection(connections: ScriptedServer) -> None:
    connections.play({"credits": 1})
    hook = CampaignCleanerHook()
    for _ in range(10):
        hook.get_credits()
    assert connections.connections == 1


CLEANER_METHODS = {
    "send_campaign": (("<p>", "n"), {"campaign": {"id": "x"}}, "x"),
    "get_credits": ((), {"credits": 9}, 9),
    "get_campaign_list": ((), {"campaign_list": []}, []),
}


@pytest.mark.parametrize("method", CLEANER_METHODS)
def test_campaign_cleaner_methods(connections: ScriptedServer, method: str) -> None:
    arguments, answer, expected = CLEANER_METHODS[method]
    connections.play(answer)
    assert getattr(CampaignCleanerHook(), method)(*arguments) == expected
    assert connections.requests[0].path == f"/v1/{method}"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_reading_a_status_both_ways(connections: ScriptedServer, asynchronous: bool) -> None:
    connections.play({"campaign_status": {"id": "x", "status": "paused"}}, path="/v1")
    connections.play({"diagnostics": None, "summary": {"status": "campaign_draft"}}, path="/api/v2")
    if asynchronous:
        cleaner = asyncio.run(CampaignCleanerHook().aget_campaign_status("x"))
        sending = asyncio.run(InstantlyHook().aget_sending_status(UUID))
        subsequence = asyncio.run(InstantlyHook().aget_subsequence_sending_status(UUID))
    else:
        cleaner = CampaignCleanerHook().get_campaign_status("x")
        sending = InstantlyHook().get_sending_status(UUID)
        subsequence = InstantlyHook().get_subsequence_sending_status(UUID)
    assert cleaner.status == "paused"
    assert sending.status == subsequence.status == "campaign_draft"
    assert [request.path for request in connections.requests] == [
        "/v1/get_campaign_status",
        f"/api/v2/campaigns/{UUID}/sending-status",
        f"/api/v2/subsequences/{UUID}/sending-status",
    ]


def test_instantly_methods(connections: ScriptedServer) -> None:
    hook = InstantlyHook()
    connections.play({"id": UUID, "status": 1})
    assert hook.get_campaign(UUID)["status"] == 1
    assert hook.activate_campaign(UUID)["status"] == 1
    assert hook.pause_campaign(UUID)["id"] == UUID
    assert hook.request("GET", "/accounts", params={"limit": 2}) == {"id": UUID, "status": 1}
    connections.play({"leads_uploaded": 1, "total_sent": 1})
    assert hook.add_leads(UUID, [{"email": "a@b.c"}], skip_if_in_campaign=True).leads_uploaded == 1
    assert [(request.method, request.path) for request in connections.requests] == [
        ("GET", f"/api/v2/campaigns/{UUID}"),
        ("POST", f"/api/v2/campaigns/{UUID}/activate"),
        ("POST", f"/api/v2/campaigns/{UUID}/pause"),
        ("GET", "/api/v2/accounts?limit=2"),
        ("POST", "/api/v2/leads/add"),
    ]
    assert connections.requests[-1].json["skip_if_in_campaign"] is True


def test_a_list_goes_on_to_its_last_page(connections: ScriptedServer) -> None:
    connections.play(
        {"items": [{"n": 1}, {"n": 2}], "next_starting_after": "a b&c"},
        {"items": [{"n": 3}], "next_starting_after": "d"},
        {"items": [], "next_starting_after": "e"},
    )
    assert [item["n"] for item in InstantlyHook().list_campaigns(status=1)] == [1, 2, 3]
    assert [request.path for request in connections.requests] == [
        "/api/v2/campaigns?status=1&limit=100",
        "/api/v2/campaigns?status=1&limit=100&starting_after=a+b%26c",
        "/api/v2/campaigns?status=1&limit=100&starting_after=d",
    ]


def test_a_list_whose_cursor_stands_still_ends(connections: ScriptedServer) -> None:
    connections.play({"items": [{"n": 1}], "next_starting_after": "same"})
    assert len(list(InstantlyHook().list_campaigns())) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Reply({"message": "Missing Authorization header"}, status=401), "Check the API key"),
        (Reply({"message": "Invalid scope. Required: campaigns:read"}, status=401), "lacks a scope"),
        (Reply({"message": "no plan"}, status=402), "paid plan"),
        (Reply(b"error code: 1010", status=403), "user agent"),
        (Reply({}, status=404), "Check the id"),
        (Reply(b"<html>", status=200), "not JSON"),
        (Reply({}, status=500), "failed on its side"),
        (Reply(drop="before"), "no complete answer"),
    ],
)
def test_test_connection_says_what_is_wrong_after_one_request(
    conn_type: str, connections: ScriptedServer, answer: Reply, told: str
) -> None:
    connections.play(answer)
    ok, message = HOOKS[conn_type]().test_connection()
    assert (ok, len(connections.requests)) == (False, 1)
    assert told in message
    assert KEY not in message


def test_test_connection_says_when_all_is_well(connections: ScriptedServer) -> None:
    connections.play({"credits": 1234, "items": []})
    assert CampaignCleanerHook().test_connection() == (
        True,
        "Campaign Cleaner knows this key. Credits left: 1,234.",
    )
    ok, message = InstantlyHook().test_connection()
    assert ok
    assert "may read campaigns" in message
    assert connections.requests[1].path == "/api/v2/campaigns?limit=1"


def test_an_error_names_the_connection_and_keeps_the_key(
    monkeypatch: pytest.MonkeyPatch, connections: ScriptedServer
) -> None:
    set_connection(monkeypatch, "instantly", host=connections.url, conn_id="team_b")
    connections.play(Reply({"message": "Resource not found"}, status=404))
    with pytest.raises(NotFoundError, match="'team_b'") as raised:
        InstantlyHook("team_b").get_campaign(UUID)
    assert KEY not in str(raised.value)
    assert isinstance(raised.value, ApiError)


def test_airflow_builds_the_hooks_from_their_connections(
    conn_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, conn_type, host=None)
    hook = HOOKS[conn_type].get_hook(f"{conn_type}_default")
    assert type(hook) is HOOKS[conn_type]
