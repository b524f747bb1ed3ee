"""A hook makes an account from a connection, tests it, and names it in errors."""

from __future__ import annotations

import asyncio
import re

import airflow
import pytest

from airflow_provider_campaigns import __version__
from airflow_provider_campaigns.exceptions import NotFoundError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from tests.conftest import KEY, set_connection
from tests.support.fake_server import FakeServer, Reply

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
HOOKS = {"campaign_cleaner": CampaignCleanerHook, "instantly": InstantlyHook}


@pytest.fixture(params=HOOKS)
def conn_type(request: pytest.FixtureRequest) -> str:
    return request.param


class TestConnection:
    def test_key_alone_is_enough(self, conn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
        set_connection(monkeypatch, conn_type, host=None)
        account = HOOKS[conn_type]().account
        assert account.base_url == HOOKS[conn_type].service.base_url
        assert (account.timeout, account.max_requests_per_second, account.extra_headers) == (30, 10, {})

    def test_airflow_makes_the_hook_of_the_connection(
        self, conn_type: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, conn_type, host=None)
        hook = HOOKS[conn_type].get_hook(f"{conn_type}_default")
        assert type(hook) is HOOKS[conn_type]

    @pytest.mark.parametrize(
        ("uri", "base_url"),
        [
            ("campaign-cleaner://:key@proxy.example.com", "https://proxy.example.com"),
            ("campaign-cleaner://:key@proxy.example.com:8443", "https://proxy.example.com:8443"),
            ("campaign-cleaner://:key@127.0.0.1:8765/http", "http://127.0.0.1:8765"),
            ("campaign-cleaner://:key@http%3A%2F%2Flocalhost%3A8765%2Fbase%2F", "http://localhost:8765/base"),
            (
                "campaign-cleaner://:key@https%3A%2F%2Fproxy.example.com:8443",
                "https://proxy.example.com:8443",
            ),
            ("campaign-cleaner://:key@http%3A%2F%2F%5B%3A%3A1%5D%3A8765", "http://[::1]:8765"),
            ("campaign-cleaner://:key@[::1]:8765/http", "http://[::1]:8765"),
            ("campaign-cleaner://:key@HTTP%3A%2F%2F127.0.0.1%3A8765", "http://127.0.0.1:8765"),
        ],
    )
    def test_uri_gives_the_base_url(self, uri: str, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_CLEANER_DEFAULT", uri)
        assert CampaignCleanerHook().account.base_url == base_url

    @pytest.mark.parametrize(
        ("connection", "message"),
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
            ({"extra": {"timeout": True}}, "'timeout' must be a number from 0.001 up"),
            (
                {"extra": {"max_requests_per_second": 1e-300}},
                "'max_requests_per_second' must be a number from 0.001 up",
            ),
            ({"extra": {"timeout": 0}}, "'timeout' must be a number from 0.001 up"),
            ({"extra": {"timeout": "soon"}}, "'timeout' must be a number from 0.001 up"),
            (
                {"extra": {"max_requests_per_second": -1}},
                "'max_requests_per_second' must be a number from 0.001 up",
            ),
            (
                {"extra": {"max_requests_per_second": "inf"}},
                "'max_requests_per_second' must be a number from 0.001 up",
            ),
        ],
    )
    def test_invalid_connection_is_an_error(
        self, connection: dict, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "instantly", **{"host": None, **connection})
        with pytest.raises(ValueError, match=re.escape(message)) as refused:
            _ = InstantlyHook().account
        assert "'instantly_default'" in str(refused.value)
        assert KEY not in str(refused.value)
        assert "pass@" not in str(refused.value)
        ok, tested = InstantlyHook().test_connection()
        assert not ok
        assert message in tested

    def test_workspace_id_is_sent_as_a_header(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "instantly", host=connections.url, extra={"workspace_id": "ws-1"})
        connections.respond({"id": UUID})
        InstantlyHook().get_campaign(UUID)
        assert connections.requests[0].headers["x-as-workspace"] == "ws-1"
        set_connection(monkeypatch, "instantly", host=connections.url, extra={"workspace_id": "a\nb"})
        with pytest.raises(ValueError, match="workspace_id"):
            InstantlyHook().get_campaign(UUID)


class TestTestConnection:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            (Reply({"message": "Missing Authorization header"}, status=401), "Check the API key"),
            (Reply({"message": "Invalid scope. Required: campaigns:read"}, status=401), "lacks a scope"),
            (Reply({"message": "no plan"}, status=402), "paid plan"),
            (Reply(b"error code: 1010", status=403), "user agent"),
            (Reply({}, status=404), "Check the id"),
            (Reply(b"<html>", status=200), "not JSON"),
            (Reply({}, status=500), "failed on its side"),
            (Reply(drop="before"), "no complete response"),
        ],
    )
    def test_failure_is_explained_after_one_request(
        self, connections: FakeServer, response: Reply, message: str
    ) -> None:
        connections.respond(response)
        ok, tested = InstantlyHook().test_connection()
        assert (ok, len(connections.requests)) == (False, 1)
        assert message in tested
        assert KEY not in tested

    @pytest.mark.parametrize(
        ("password", "message"),
        [
            (KEY, "Instantly, connection under test: GET /api/v2/campaigns returned 401 "),
            (None, "Connection under test has no API key: "),
        ],
    )
    def test_throw_away_id_of_the_api_is_not_shown(
        self, server: FakeServer, monkeypatch: pytest.MonkeyPatch, password: str | None, message: str
    ) -> None:
        server.respond(Reply({"message": "no"}, status=401))
        connection = {"conn_id": "aB3dE9xZ", "host": server.url, "password": password}
        set_connection(monkeypatch, "instantly", **connection)
        ok, tested = InstantlyHook("aB3dE9xZ").test_connection()
        assert not ok
        assert tested.startswith(message)
        assert "aB3dE9xZ" not in tested

    def test_other_id_is_named(self, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
        server.respond(Reply({"message": "no"}, status=401))
        set_connection(monkeypatch, "instantly", conn_id="team_b", host=server.url)
        assert "connection 'team_b'" in InstantlyHook("team_b").test_connection()[1]

    def test_success_says_what_the_key_may_do(self, connections: FakeServer) -> None:
        connections.respond({"credits": 1234, "items": []})
        assert CampaignCleanerHook().test_connection() == (
            True,
            "The API key is valid. Credits left: 1,234.",
        )
        ok, message = InstantlyHook().test_connection()
        assert ok
        assert "permission to read campaigns" in message
        assert connections.requests[1].path == "/api/v2/campaigns?limit=1"


class TestHook:
    def test_user_agent_names_the_package_and_airflow(self, connections: FakeServer) -> None:
        connections.respond({"credits": 1})
        CampaignCleanerHook().get_credits()
        agent = connections.requests[0].headers["User-Agent"]
        versions = f"airflow-provider-campaigns/{__version__} apache-airflow/{airflow.__version__} "
        assert agent.startswith(versions)

    def test_hook_keeps_one_http_connection(self, connections: FakeServer) -> None:
        connections.respond({"credits": 1})
        hook = CampaignCleanerHook()
        for _ in range(10):
            hook.get_credits()
        assert connections.connections == 1

    def test_statuses_can_be_fetched_in_an_event_loop(self, connections: FakeServer) -> None:
        connections.respond({"campaign_status": {"id": "x", "status": "paused"}}, path="/v1")
        connections.respond({"diagnostics": None, "summary": {"status": "campaign_draft"}}, path="/api/v2")
        cleaner = asyncio.run(CampaignCleanerHook().aget_campaign_status("x"))
        sending = asyncio.run(InstantlyHook().aget_sending_status(UUID))
        subsequence = asyncio.run(InstantlyHook().aget_subsequence_sending_status(UUID))
        assert cleaner.status == "paused"
        assert sending.status == subsequence.status == "campaign_draft"
        assert [request.path for request in connections.requests] == [
            "/v1/get_campaign_status",
            f"/api/v2/campaigns/{UUID}/sending-status",
            f"/api/v2/subsequences/{UUID}/sending-status",
        ]

    async def test_open_client_serves_several_calls(self, connections: FakeServer) -> None:
        connections.respond({"diagnostics": None, "summary": {"status": "campaign_draft"}})
        hook = InstantlyHook()
        async with hook.aclient():
            await hook.aget_sending_status(UUID)
            await hook.aget_sending_status(UUID, with_ai_summary=True)
            await hook.aget_subsequence_sending_status(UUID, with_ai_summary=True)
        assert connections.connections == 1
        assert [request.path.partition("?")[2] for request in connections.requests] == [
            "",
            "with_ai_summary=true",
            "with_ai_summary=true",
        ]

    def test_error_names_the_connection_and_not_the_key(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_connection(monkeypatch, "instantly", host=connections.url, conn_id="team_b")
        connections.respond(Reply({"message": "Resource not found"}, status=404))
        with pytest.raises(NotFoundError, match="'team_b'") as raised:
            InstantlyHook("team_b").get_campaign(UUID)
        assert KEY not in str(raised.value)
