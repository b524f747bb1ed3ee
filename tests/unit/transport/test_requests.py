"""What a request of either transport looks like when it arrives, and over which connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from tests.conftest import KEY
from tests.support.certificates import Certificates
from tests.support.every_call import headers_of
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall

from .conftest import account_at

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CREDITS = campaign_cleaner.get_credits()
STATUS = instantly.get_sending_status(UUID)
SUBMIT = campaign_cleaner.send_campaign("<p>", "n")
ACTIVATE = instantly.activate_campaign(UUID)


class TestRequest:
    def test_post_arrives_as_described(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond({"campaign": {"id": "x"}})
        assert send_calls(account_at(server.url), SUBMIT) == "x"
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", "/v1/send_campaign")
        assert request.json == {"send_campaign": {"campaign_html": "<p>", "campaign_name": "n"}}
        headers = headers_of(request)
        assert headers["x-cc-api-key"] == KEY
        assert headers["accept"] == headers["content-type"] == "application/json"
        assert headers["user-agent"] == "test/1"
        assert "authorization" not in headers

    def test_without_body_has_no_content_type(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond({"id": UUID, "status": 1})
        send_calls(account_at(server.url, instantly.SERVICE), ACTIVATE)
        (request,) = server.requests
        headers = headers_of(request)
        assert "content-type" not in headers
        assert headers["authorization"] == f"Bearer {KEY}"
        assert request.body == b""

    def test_base_path_of_the_host_is_kept(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond({"credits": 3})
        send_calls(account_at(f"{server.url}/proxy"), CREDITS)
        assert server.requests[0].path == "/proxy/v1/get_credits"

    def test_cookies_are_not_sent_back(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond(Reply({"credits": 3}, headers={"Set-Cookie": "a=b; Path=/"}))
        send_calls(account_at(server.url), CREDITS, CREDITS)
        assert "cookie" not in headers_of(server.requests[1])


class TestNetrc:
    @pytest.fixture(autouse=True)
    def _netrc(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine localhost login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))

    def check_key(self, send_calls: SendCall, server: FakeServer, url: str) -> None:
        server.respond({"diagnostics": None, "summary": None})
        send_calls(account_at(url, instantly.SERVICE), STATUS)
        assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"

    def test_netrc_does_not_replace_the_key(self, send_calls: SendCall, server: FakeServer) -> None:
        self.check_key(send_calls, server, server.url.replace("127.0.0.1", "localhost"))

    @pytest.mark.usefixtures("trusted")
    def test_netrc_does_not_replace_the_key_over_tls(
        self, send_calls: SendCall, server: FakeServer, certificates: Certificates
    ) -> None:
        """Over plain http, requests does not read the environment at all."""
        server.use_tls(certificates.valid)
        self.check_key(send_calls, server, server.url.replace("http://127.0.0.1", "https://localhost"))


def test_account_headers_hold_no_header_of_a_call(server: FakeServer) -> None:
    assert account_at(server.url).headers() == {"User-Agent": "test/1", "X-CC-API-Key": KEY}
    workspace = account_at(server.url, instantly.SERVICE, extra_headers={"x-as-workspace": "ws-1"})
    assert workspace.headers() == {
        "User-Agent": "test/1",
        "Authorization": f"Bearer {KEY}",
        "x-as-workspace": "ws-1",
    }


def test_calls_of_a_client_share_one_connection(send_calls: SendCall, server: FakeServer) -> None:
    server.respond({"credits": 3})
    send_calls(account_at(server.url), *[CREDITS] * 20)
    assert (len(server.requests), server.connections) == (20, 1)
