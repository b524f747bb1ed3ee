"""Certificates and proxies: both transports follow the environment, and neither gives a secret away."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.exceptions import CertificateError, ConnectError, IncompleteResponseError
from tests.conftest import KEY
from tests.support.certificates import Certificates
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()
SUBMIT = campaign_cleaner.send_campaign("<p>", "n")


def https(url: str) -> str:
    return url.replace("http://127.0.0.1", "https://localhost")


class TestCertificate:
    def test_authority_of_the_environment_is_trusted(
        self, send_call: SendCall, server: FakeServer, certificates: Certificates, trusted: Path
    ) -> None:
        server.use_tls(certificates.valid)
        server.respond({"credits": 3})
        assert send_call(account_at(https(server.url)), CREDITS) == 3

    @pytest.mark.parametrize("path", ["", "/long" * 100])
    def test_unknown_authority_gets_no_request(
        self, send_calls: SendCall, server: FakeServer, certificates: Certificates, path: str
    ) -> None:
        server.use_tls(certificates.of_unknown_authority)
        server.respond({"credits": 3})
        with pytest.raises(CertificateError, match="Nothing was sent"):
            send_calls(account_at(https(server.url) + path), CREDITS)
        assert server.requests == []


@pytest.fixture
def breaking_tunnel(
    certificates: Certificates, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[bytes]]:
    """A service behind a tunnelling proxy, which receives a request and then breaks the connection."""
    monkeypatch.delenv("NO_PROXY")
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with (
                contextlib.suppress(OSError),
                certificates.valid.wrap_socket(connection, server_side=True) as tunnel,
            ):
                received.append(tunnel.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield received
    listener.close()


class TestProxy:
    def test_proxy_is_used_and_its_password_not_shown(self, send_call: SendCall, proxied: FakeServer) -> None:
        proxied.respond(Reply({}, status=403))
        with pytest.raises(ConnectError, match="nothing was sent") as raised:
            send_call(account_at("https://localhost.test"), SUBMIT)
        assert [(request.method, request.path) for request in proxied.requests] == [
            ("CONNECT", "localhost.test:443")
        ]
        assert "s3cret" not in str(raised.value)
        assert KEY not in str(proxied.requests)

    def test_unreachable_proxy_is_a_connect_error(
        self, send_call: SendCall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", "http://somebody:s3cret@127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY")
        with pytest.raises(ConnectError) as raised:
            send_call(account_at("https://localhost.test"), SUBMIT)
        assert "s3cret" not in str(raised.value)

    def test_change_that_broke_in_a_tunnel_is_sent_once(
        self, send_calls: SendCall, breaking_tunnel: list[bytes]
    ) -> None:
        with pytest.raises(IncompleteResponseError):
            send_calls(account_at("https://localhost:8443"), SUBMIT)
        assert len(breaking_tunnel) == 1
        assert breaking_tunnel[0].startswith(b"POST /v1/send_campaign")

    def test_plain_http_never_uses_a_proxy(
        self, send_call: SendCall, server: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY")
        server.respond({"credits": 3})
        assert send_call(account_at(server.url), CREDITS) == 3
