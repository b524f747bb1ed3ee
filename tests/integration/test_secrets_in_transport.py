"""An API key that a service, or a broken response, repeats in any form is in no value, error or log.

The tests use both transports, without a hook.
"""

from __future__ import annotations

import html
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectError,
    IncompleteResponseError,
)
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.errors import incomplete_response
from tests.conftest import KEY
from tests.integration.visible import all_logs, printed_by, tracebacks_of
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CREDITS = campaign_cleaner.get_credits()


def account_at(url: str, key: str = KEY, service: Any = campaign_cleaner.SERVICE) -> Account:
    return Account(service, "my_conn", key, "test/1", url, timeout=60.0, max_requests_per_second=1e9)


# Keys that a service could issue: base64, and all characters that a header may contain.
KEYS = [
    "MDE5ZTE4ZTItYTUyZg/+==",
    "k3y/that+must=not&leak",
    "k3y\"with'quotes<and>\\slashes\\\\",
    '/%"\\&=' * 3,
]
# The forms in which a service, a proxy or a library may repeat a string.
FORMS: dict[str, Callable[[str], str]] = {
    "unchanged": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON, slashes escaped": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "JSON, code points": lambda key: "".join(
        each if each.isalnum() else f"\\u{ord(each):04X}" for each in key
    ),
    "JSON in JSON": lambda key: json.dumps(json.dumps(key))[1:-1],
    "in a URL": lambda key: quote(key, safe=""),
    "in a URL in a URL": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, code points": lambda key: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in key),
    "Python": lambda key: repr(key)[1:-1],
}


def unmasked(text: str, key: str) -> list[str]:
    """Return the forms in which a text contains a key."""
    return [name for name, write in FORMS.items() if write(key) in text]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_key_in_another_form_is_masked(send_call: SendCall, server: FakeServer, key: str, form: str) -> None:
    echo = FORMS[form](key)
    account = account_at(server.url, key, instantly.SERVICE)
    # Some of the forms are not valid JSON.
    server.respond(Reply(b'{"name": "x' + echo.encode() + b'y"}'))
    try:
        result = json.dumps(send_call(account, instantly.get_campaign(UUID)))
        assert "***" in result
    except ApiError as error:
        result = " ".join(printed_by(error))
    assert not unmasked(result, key)
    for status in (400, 503):
        server.respond(Reply(f"{'x' * 290} {echo}", status=status, headers={"Content-Type": "text/plain"}))
        with pytest.raises(ApiError) as raised:
            send_call(account, instantly.get_campaign(UUID))
        assert not unmasked(" ".join(printed_by(raised.value)), key)
        assert echo[:8] not in str(raised.value)


@pytest.mark.parametrize("key", ["k", '"', "\\", "%", "/", "aaaa"])
def test_short_key_is_sent_and_masked_in_messages(send_call: SendCall, server: FakeServer, key: str) -> None:
    server.respond(Reply({"error": f"bad key <{key}>"}, status=401))
    with pytest.raises(AuthenticationError) as raised:
        send_call(account_at(server.url, key), CREDITS)
    assert server.requests[0].headers["X-CC-API-Key"] == key
    assert key not in str(raised.value).replace("connection 'my_conn'", "")
    assert "<***>" in str(raised.value)


@contextmanager
def raw_server(raw: bytes) -> Iterator[str]:
    """Run a server that responds to each request with the same bytes, which need not be HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                try:
                    connection.recv(65536)
                    connection.sendall(raw)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Closing alone does not wake a thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


BROKEN_HTTP = {
    "status line": f"{KEY} 200 OK\r\n\r\n",
    "status": f"HTTP/1.1 {KEY} OK\r\n\r\n",
    "reason": f"HTTP/1.1 200 {KEY}\r\nContent-Length: 2\r\n\r\n[]",
    "header": f"HTTP/1.1 200 OK\r\nbroken {KEY}\r\nX: {KEY}\r\n\r\n",
    "name of a header": f"HTTP/1.1 200 OK\r\nX\x01{KEY}: 1\r\nContent-Length: 2\r\n\r\n[]",
    "endless header": f"HTTP/1.1 200 OK\r\nX: {KEY * 4000}\r\n\r\n",
    "length": f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n[]",
    "chunk": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n[]",
    "transfer": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {KEY}\r\n\r\n[]",
    "compression": f"HTTP/1.1 200 OK\r\nContent-Encoding: {KEY}\r\nContent-Length: 2\r\n\r\n[]",
    "cookie": f"HTTP/1.1 200 OK\r\nSet-Cookie: {KEY}={KEY}; expires={KEY}\r\nContent-Length: 2\r\n\r\n[]",
    "charset": f"HTTP/1.1 200 OK\r\nContent-Type: text/x; charset={KEY}\r\nContent-Length: 2\r\n\r\n[]",
}


@pytest.mark.parametrize("broken", BROKEN_HTTP)
def test_key_in_broken_http_is_masked(send_call: SendCall, broken: str) -> None:
    """Libraries quote what they cannot parse, in errors and in their own logs."""
    with raw_server(BROKEN_HTTP[broken].encode()) as url, all_logs() as logs:
        with pytest.raises(ApiError) as raised:
            send_call(account_at(url), CREDITS)
        visible = [*logs.lines, *tracebacks_of(raised.value)]
    assert not [text for text in visible if KEY[:6] in text]
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("before", [b"", b"'", b'"', b"'\"", b"\\'"])
def test_part_of_the_key_is_masked_in_nested_quotes(before: bytes) -> None:
    quoting = ValueError(f"unexpected: {before + KEY[:20].encode()!r}")
    for _ in range(4):
        message = str(incomplete_response(CREDITS, account_at("https://localhost.test"), quoting))
        assert "unexpected" in message
        assert KEY[:6] not in message
        quoting = ValueError(repr(quoting))


def test_masking_takes_linear_time() -> None:
    """All waits stop during the search: quadratic time would take hours here."""
    quotes = "' " + "b\"b'" * 200_000
    message = str(incomplete_response(CREDITS, account_at("https://localhost.test"), ValueError(quotes)))
    assert len(message) < 1000
    key = "abcdefghijkl" + "-_.!" * 20
    account = replace(account_at("https://localhost.test"), key=f"{key}x")
    almost = (f"{key}y" * 1000).encode()
    assert account.scrub(almost) == almost
    assert account.scrub(b"a" + account.key.encode()) == b"a***"


def test_urllib3_logs_of_other_requests_stay(caplog: pytest.LogCaptureFixture) -> None:
    with raw_server(BROKEN_HTTP["header"].encode()) as url:
        requests.get(url, timeout=60)
    assert KEY in caplog.text


PROXIES = [
    "http://{}@127.0.0.1:9",
    "http://{}/x@127.0.0.1:9",
    "http://{}#x@127.0.0.1:9",
    "http://{}?x@127.0.0.1:9",
    "http://{}@x@127.0.0.1:9",
    "http://{}\n@127.0.0.1:9",
    "http://{}@127.0.0.1:port",
    "http://{}@[::bad",
    "http://{}@",
    "{}@127.0.0.1:9",
    "https://{}@127.0.0.1:9",
    "socks5://{}@127.0.0.1:9",
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxy_password_is_masked_in_any_url(
    send_call: SendCall, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("https_proxy", proxy.format("somebody:s3cret"))
    with all_logs() as logs, pytest.raises(ApiError) as raised:
        send_call(account_at("https://localhost.test"), CREDITS)
    if "socks" not in proxy:
        assert isinstance(raised.value, (ConnectError, IncompleteResponseError))
    visible = [*logs.lines, *printed_by(raised.value)]
    assert not [text for text in visible if "s3cret" in text]
