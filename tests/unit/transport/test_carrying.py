"""Both transports against a real server: every test runs twice, and has to come out alike."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import os
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    RateLimitedError,
    RedirectRefusedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.blocking import BlockingClient
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry
from tests.conftest import KEY
from tests.support.fake_server import Reply, ScriptedServer

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CREDITS = campaign_cleaner.get_credits()
STATUS = instantly.get_sending_status(UUID)
SUBMIT = campaign_cleaner.send_campaign("<p>", "n")
ACTIVATE = instantly.activate_campaign(UUID)

Carry = Callable[..., Any]


def make_certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate for localhost that its own file vouches for, and nobody else."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem"),
         "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def account_at(url: str, service: Any = campaign_cleaner.SERVICE, **settings: Any) -> Account:
    defaults = {"timeout": 5.0, "max_requests_per_second": 1e9}
    return Account(
        service=service,
        conn_id="my_conn",
        key=KEY,
        user_agent="test/1",
        base_url=url,
        **{**defaults, **settings},
    )


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that a transport would have made."""
    return []


@pytest.fixture(params=["blocking", "aio"])
def carry(request: pytest.FixtureRequest, pauses: list[float]) -> Carry:
    """Send one or more calls with either transport, noting its pauses instead of making them."""

    def blocking(account: Account, *calls: Call[Any], retry: Retry | None = None) -> Any:
        client = BlockingClient(account, sleep=pauses.append)
        try:
            return [client.send(call, retry) for call in calls][-1]
        finally:
            client.close()

    def over_aio(account: Account, *calls: Call[Any], retry: Retry | None = None) -> Any:
        async def note(pause: float) -> None:
            pauses.append(pause)

        async def send_all() -> Any:
            async with aio.client(account, sleep=note) as client:
                return [await client.send(call, retry) for call in calls][-1]

        return asyncio.run(send_all())

    return blocking if request.param == "blocking" else over_aio


def test_a_post_arrives_as_it_was_described(carry: Carry, server: ScriptedServer) -> None:
    server.play({"campaign": {"id": "x"}})
    assert carry(account_at(server.url), SUBMIT) == "x"
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/send_campaign")
    assert request.json == {"send_campaign": {"campaign_html": "<p>", "campaign_name": "n"}}
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-cc-api-key"] == KEY
    assert headers["accept"] == headers["content-type"] == "application/json"
    assert headers["user-agent"] == "test/1"
    assert "authorization" not in headers


def test_what_an_account_says_of_itself_holds_nothing_of_a_call(server: ScriptedServer) -> None:
    assert account_at(server.url).headers() == {"User-Agent": "test/1", "X-CC-API-Key": KEY}
    workspace = account_at(server.url, instantly.SERVICE, extra_headers={"x-as-workspace": "ws-1"})
    assert workspace.headers() == {
        "User-Agent": "test/1",
        "Authorization": f"Bearer {KEY}",
        "x-as-workspace": "ws-1",
    }


def test_without_a_body_there_is_no_content_type(carry: Carry, server: ScriptedServer) -> None:
    server.play({"id": UUID, "status": 1})
    carry(account_at(server.url, instantly.SERVICE), ACTIVATE)
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert "content-type" not in headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert request.body == b""


def test_calls_share_one_connection(carry: Carry, server: ScriptedServer) -> None:
    server.play({"credits": 3})
    carry(account_at(server.url), *[CREDITS] * 20)
    assert (len(server.requests), server.connections) == (20, 1)


def test_a_base_path_is_kept(carry: Carry, server: ScriptedServer) -> None:
    server.play({"credits": 3})
    carry(account_at(f"{server.url}/proxy"), CREDITS)
    assert server.requests[0].path == "/proxy/v1/get_credits"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Reply({}, status=429), RateLimitedError),
        (Reply({}, status=500), ServiceUnavailableError),
        (Reply(b"<html>", status=503), ServiceUnavailableError),
        (Reply(drop="before"), IncompleteResponseError),
        (Reply({"credits": 3}, drop="headers"), IncompleteResponseError),
        (Reply({"credits": 3}, drop="body"), IncompleteResponseError),
    ],
)
def test_a_read_survives_four_failures_and_not_five(
    carry: Carry, server: ScriptedServer, pauses: list[float], failure: Reply, kind: type[ApiError]
) -> None:
    # aiohttp itself sends a GET again, once and at once, when its connection breaks before an answer.
    each = 2 if "aio" in carry.__name__ and failure.drop in {"before", "headers"} else 1
    server.play(*[failure] * 4 * each, {"credits": 3})
    assert carry(account_at(server.url), CREDITS) == 3
    assert len(server.requests) == 4 * each + 1
    assert all(low <= pause <= 2 * low for low, pause in zip([0.5, 1, 2, 4], pauses, strict=True))
    server.play(failure)
    with pytest.raises(kind, match="my_conn"):
        carry(account_at(server.url), CREDITS)
    assert len(server.requests) == 9 * each + 1


@pytest.mark.parametrize(
    "failure", [Reply({}, status=429), Reply({}, status=503), Reply(drop="before"), Reply({}, drop="body")]
)
@pytest.mark.parametrize("call", [SUBMIT, ACTIVATE])
def test_what_changes_something_is_sent_once(
    carry: Carry, server: ScriptedServer, failure: Reply, call: Call[Any]
) -> None:
    server.play(failure)
    with pytest.raises(ApiError):
        carry(account_at(server.url), call)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422])
def test_a_refusal_is_final(carry: Carry, server: ScriptedServer, status: int) -> None:
    server.play(Reply({"error": "no", "message": "because"}, status=status))
    with pytest.raises(ApiError, match="because") as raised:
        carry(account_at(server.url), CREDITS)
    assert (len(server.requests), raised.value.final, raised.value.status_code) == (1, True, status)


def test_retry_after_is_obeyed_as_seconds_and_as_a_date(
    carry: Carry, server: ScriptedServer, pauses: list[float]
) -> None:
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=40), usegmt=True)
    server.play(
        Reply({}, status=429, headers={"Retry-After": "17"}),
        Reply({}, status=503, headers={"Retry-After": later}),
        {"credits": 3},
    )
    carry(account_at(server.url), CREDITS)
    assert pauses[0] == 17
    assert [pause for pause in pauses if 30 < pause <= 40]


def test_nobody_listens(carry: Carry, pauses: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConnectError, match="nothing was sent"):
            carry(account_at(url), SUBMIT)
    assert len(pauses) == 4  # safe to try again, since nobody can have got it


def test_no_such_host(carry: Carry) -> None:
    with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
        carry(account_at("https://nowhere.invalid"), CREDITS, retry=NO_RETRY)


@pytest.mark.parametrize(
    "slow", [Reply({"credits": 3}, delay=5), Reply({"credits": 3, "padding": "x" * 500}, drip=0.05)]
)
def test_an_answer_that_takes_too_long_is_given_up(carry: Carry, server: ScriptedServer, slow: Reply) -> None:
    server.play(slow)
    begun = time.monotonic()
    with pytest.raises(IncompleteResponseError, match=r"within 0\.3 s"):
        carry(account_at(server.url, timeout=0.3), CREDITS, retry=NO_RETRY)
    assert time.monotonic() - begun < 8


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
COMPRESSED = OK + b"Content-Encoding: gzip\r\nContent-Length: 90000\r\n\r\n"
# What comes at once, and what comes again and again.
DRIPS = {
    "within the status line": (b"HTTP/1.1 200 ", b"a"),
    "within a header": (OK + b"X-A: ", b"a"),
    "header by header": (OK, b"X-A: a\r\n"),
    "going to answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "within the body": (OK + b"Content-Length: 900\r\n\r\n", b" "),
    "to the end of the connection": (OK + b"Connection: close\r\n\r\n", b" "),
    "within the length of a piece": (CHUNKED + b"2;", b"a"),
    "trailer by trailer": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: b\r\n"),
    "empty blocks of gzip": (COMPRESSED + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
    "within a name that gzip keeps": (COMPRESSED + b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"n"),
}


@contextlib.contextmanager
def dripping(at_once: bytes, again: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that answers its one request for as long as anybody listens, and its port."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) if context else connection as line:
                line.recv(65536)
                line.sendall(at_once)
                while not over.wait(0.1):
                    line.sendall(again)

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            server.join()


@pytest.mark.parametrize("where", DRIPS)
def test_an_answer_that_drips_is_given_up_wherever_it_drips(carry: Carry, where: str) -> None:
    begun = time.monotonic()
    with (
        dripping(*DRIPS[where]) as port,
        pytest.raises(IncompleteResponseError, match=r"within 0\.5 s, the timeout"),
    ):
        carry(account_at(f"http://127.0.0.1:{port}", timeout=0.5), CREDITS, retry=NO_RETRY)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("where", ["within a header", "to the end of the connection", "trailer by trailer"])
def test_so_it_is_behind_tls(
    carry: Carry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    context = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    with (
        dripping(*DRIPS[where], context) as port,
        pytest.raises(IncompleteResponseError, match="within 1 s, the timeout"),
    ):
        carry(account_at(f"https://localhost:{port}", timeout=1.0), CREDITS, retry=NO_RETRY)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/elsewhere",
        "http://127.0.0.2:9/v1/get_credits",
        "https://evil.invalid/",
        "http://[::bad",
        "\xff://",
    ],
)
def test_a_redirect_is_not_followed(carry: Carry, server: ScriptedServer, target: str) -> None:
    server.play(Reply(b"", status=307, headers={"Location": target}))
    with pytest.raises(RedirectRefusedError, match="not followed"):
        carry(account_at(server.url), CREDITS)
    assert len(server.requests) == 1


def test_a_redirect_s_body_is_not_read_without_end(carry: Carry, server: ScriptedServer) -> None:
    endless = replace(SUBMIT, max_bytes=100_000)
    server.play(Reply("x" * 5_000_000, status=307, headers={"Location": "/v1/elsewhere"}))
    with pytest.raises(MalformedResponseError, match="100,000 bytes"):
        carry(account_at(server.url), endless)


@pytest.mark.parametrize(
    "retry_after",
    [
        "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
        "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
        "1e999",
    ],
)
def test_a_retry_after_that_makes_no_sense_is_passed_over(
    carry: Carry, server: ScriptedServer, retry_after: str
) -> None:
    server.play(Reply({}, status=503, headers={"Retry-After": retry_after}))
    with pytest.raises(ServiceUnavailableError) as raised:
        carry(account_at(server.url), CREDITS, retry=NO_RETRY)
    assert raised.value.retry_after is None


def test_an_answer_without_end_is_not_read(carry: Carry, server: ScriptedServer) -> None:
    endless = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", lambda it: it, max_bytes=100_000)
    server.play({"padding": "x" * 200_000})
    with pytest.raises(MalformedResponseError, match="100,000 bytes"):
        carry(account_at(server.url), endless)


def test_a_compressed_answer_is_read_and_a_bomb_is_not(carry: Carry, server: ScriptedServer) -> None:
    packed = {"Content-Encoding": "gzip"}
    server.play(Reply(gzip.compress(b'{"credits": 3}'), headers=packed))
    assert carry(account_at(server.url), CREDITS) == 3
    bomb = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", lambda it: it, max_bytes=1_000_000)
    server.play(Reply(gzip.compress(b" " * 50_000_000), headers=packed))
    with pytest.raises(MalformedResponseError, match="1,000,000 bytes"):
        carry(account_at(server.url), bomb)


def test_a_bomb_takes_little_memory(carry: Carry, server: ScriptedServer) -> None:
    server.play(Reply(gzip.compress(b" " * 300_000_000), headers={"Content-Encoding": "gzip"}))
    bomb = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", lambda it: it, max_bytes=1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponseError, match="1,000,000 bytes"):
            carry(account_at(server.url), bomb)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_compressed_answer_may_be_as_long_as_a_plain_one(
    carry: Carry, server: ScriptedServer, beyond: int
) -> None:
    text = b'{"padding": "' + b"x" * 500_000 + b'"}'
    call = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", len, max_bytes=len(text) - beyond)
    server.play(Reply(gzip.compress(text), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(MalformedResponseError) if beyond else contextlib.nullcontext():
        assert carry(account_at(server.url), call) == 1


TEXT = b'{"credits": 3}'
RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "in capitals": ("GZIP", gzip.compress(TEXT)),
    "by its old name": ("x-gzip", gzip.compress(TEXT)),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "in parts": ("gzip", gzip.compress(TEXT[:9]) + gzip.compress(b"") + gzip.compress(TEXT[9:])),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "raw deflate": ("deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
    "not at all": ("identity", TEXT),
}


@pytest.mark.parametrize(("packing", "body"), PACKED.values(), ids=PACKED)
def test_both_sides_unpack_alike(carry: Carry, server: ScriptedServer, packing: str, body: bytes) -> None:
    server.play(Reply(body, headers={"Content-Encoding": packing}))
    assert carry(account_at(server.url), CREDITS) == 3


@pytest.mark.parametrize("status", [103, 199, 206])
def test_what_is_no_whole_answer_is_none(carry: Carry, server: ScriptedServer, status: int) -> None:
    server.play(Reply({"credits": 3}, status=status))
    with pytest.raises((MalformedResponseError, IncompleteResponseError)):
        carry(account_at(server.url, timeout=2.0), CREDITS, retry=NO_RETRY)


def test_an_answer_that_lies_about_its_compression(carry: Carry, server: ScriptedServer) -> None:
    server.play(Reply(b'{"credits": 3}', headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ApiError, match="my_conn"):
        carry(account_at(server.url), CREDITS, retry=NO_RETRY)


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_netrc_does_not_replace_the_key(
    carry: Carry, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, over_tls: bool
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    url = server.url.replace("127.0.0.1", "localhost")
    if over_tls:  # only then has the environment a say at all
        server.wrap(make_certificate(tmp_path))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        url = url.replace("http:", "https:")
    server.play({"diagnostics": None, "summary": None})
    carry(account_at(url, instantly.SERVICE), STATUS)
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.fixture
def proxied(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """The scripted server as the proxy that the environment names, with credentials of its own."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    url = server.url.replace("http://", "http://somebody:s3cret@")
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.setenv("https_proxy", url)
    return server


def test_the_proxy_of_the_environment_is_used_and_its_credentials_are_not_told(
    carry: Carry, proxied: ScriptedServer
) -> None:
    proxied.play(Reply({}, status=403))
    with pytest.raises(ConnectError, match="nothing was sent") as raised:
        carry(account_at("https://localhost.test"), SUBMIT, retry=NO_RETRY)
    assert [(request.method, request.path) for request in proxied.requests] == [
        ("CONNECT", "localhost.test:443")
    ]
    assert "s3cret" not in str(raised.value)
    assert KEY not in str(proxied.requests)


def test_a_proxy_that_is_not_there_is_nobody_to_have_got_anything(
    carry: Carry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://somebody:s3cret@127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(ConnectError) as raised:
        carry(account_at("https://localhost.test"), SUBMIT, retry=NO_RETRY)
    assert "s3cret" not in str(raised.value)


@pytest.fixture
def breaking_behind_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, list[bytes]]]:
    """A service behind a tunnelling proxy, which takes a request and then breaks the connection."""
    context = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    monkeypatch.delenv("NO_PROXY")
    taken: list[bytes] = []
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
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tunnel:
                taken.append(tunnel.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield "https://localhost:8443", taken
    listener.close()


def test_what_went_through_a_proxy_and_broke_is_not_sent_again(
    carry: Carry, breaking_behind_proxy: tuple[str, list[bytes]]
) -> None:
    url, taken = breaking_behind_proxy
    with pytest.raises(IncompleteResponseError):
        carry(account_at(url), SUBMIT)
    assert len(taken) == 1
    assert taken[0].startswith(b"POST /v1/send_campaign")


def test_plain_http_stays_on_this_machine_whatever_proxy_there_is(
    carry: Carry, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    server.play({"credits": 3})
    assert carry(account_at(server.url), CREDITS) == 3


def test_an_answer_may_be_empty(carry: Carry, server: ScriptedServer) -> None:
    server.play(Reply(b"", status=204))
    assert carry(account_at(server.url, instantly.SERVICE), instantly.request("POST", "/x")) is None
    with pytest.raises(MalformedResponseError, match="got nothing"):
        carry(account_at(server.url), CREDITS)


@pytest.fixture
def tls_url(tmp_path: Path, server: ScriptedServer) -> str:
    """The scripted server behind a certificate that nobody has signed."""
    server.wrap(make_certificate(tmp_path))
    return server.url.replace("http://127.0.0.1", "https://localhost")


def test_a_company_authority_is_trusted_on_both_sides_of_airflow(
    carry: Carry, server: ScriptedServer, tls_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    server.play({"credits": 3})
    assert carry(account_at(tls_url), CREDITS) == 3


@pytest.mark.parametrize("path", ["", "/long" * 100])
def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    carry: Carry, server: ScriptedServer, tls_url: str, path: str
) -> None:
    server.play({"credits": 3})
    with pytest.raises(CertificateError, match="Nothing was sent"):
        carry(account_at(tls_url + path), CREDITS)
    assert server.requests == []


def test_requests_are_spaced(carry: Carry, server: ScriptedServer, pauses: list[float]) -> None:
    server.play({"credits": 3})
    carry(account_at(server.url, max_requests_per_second=2.0), *[CREDITS] * 4)
    assert len(pauses) == 3
    # 0.5, 1 and 1.5 s after the first, less the time that has passed, which the noted pauses did not take.
    assert pauses == sorted(pauses)
    assert 0.5 < pauses[-1] <= 1.5


def test_of_two_connections_to_one_account_the_smaller_budget_holds(
    carry: Carry, server: ScriptedServer, pauses: list[float]
) -> None:
    server.play({"credits": 3})
    account = account_at(server.url)
    carry(replace(account, conn_id="slow", max_requests_per_second=2.0), CREDITS)
    carry(account, *[CREDITS] * 3)
    assert len(pauses) == 3
    assert 0.5 < pauses[-1] <= 1.5


def test_a_budget_that_was_raised_holds_at_once(
    carry: Carry, server: ScriptedServer, pauses: list[float]
) -> None:
    """A triggerer lives for weeks, and nobody restarts it to have an extra of a connection obeyed."""
    server.play({"credits": 3})
    account = account_at(server.url, max_requests_per_second=2.0)
    carry(account, CREDITS)
    carry(replace(account, max_requests_per_second=1e9), *[CREDITS] * 3)
    # The first had reserved its half second; no other is made.
    assert all(pause <= 0.5 for pause in pauses)


def test_the_key_shows_nowhere(
    carry: Carry, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = account_at(server.url)
    server.play(
        Reply({"error": f"what is {KEY}?"}, status=503), Reply({"error": f"bad key {KEY}"}, status=401)
    )
    with pytest.raises(AuthenticationError) as raised:
        carry(account, CREDITS)
    shown = [caplog.text, repr(account), str(account), str(raised.value), repr(raised.value.as_dict())]
    chained: BaseException | None = raised.value
    while chained is not None:
        shown.append(repr(chained))
        chained = chained.__cause__ or chained.__context__
    assert not [text for text in shown if KEY in text]
    assert "bad key ***" in str(raised.value)


@pytest.mark.parametrize("echo", [KEY, f"{'x' * 285} {KEY}", f"Bearer {KEY}"])
def test_a_key_that_the_service_echoes_gets_nowhere(carry: Carry, server: ScriptedServer, echo: str) -> None:
    account = account_at(server.url, instantly.SERVICE)
    server.play({"diagnostics": None, "summary": {"status": "healthy", "status_message": echo}})
    assert KEY[:8] not in repr(carry(account, STATUS).raw)
    for status in (400, 503):
        server.play(Reply({"message": echo}, status=status), path="/api")
        with pytest.raises(ApiError) as raised:
            carry(account, STATUS, retry=NO_RETRY)
        assert KEY[:8] not in str(raised.value)


def test_cookies_are_not_kept(carry: Carry, server: ScriptedServer) -> None:
    server.play(Reply({"credits": 3}, headers={"Set-Cookie": "a=b; Path=/"}))
    carry(account_at(server.url), CREDITS, CREDITS)
    assert "cookie" not in {name.lower() for name in server.requests[1].headers}


async def test_one_session_serves_all_of_an_account_and_the_last_closes_it(server: ScriptedServer) -> None:
    server.play({"credits": 3})
    account = account_at(server.url)
    async with aio.client(account) as first, aio.client(account) as second:
        await asyncio.gather(*[client.send(CREDITS) for client in (first, second) * 50])
        assert len(aio._sessions[asyncio.get_running_loop()]) == 1
    assert server.connections <= aio.MAX_CONNECTIONS
    assert not aio._sessions[asyncio.get_running_loop()]


@pytest.mark.parametrize("packed", [60_000, 100_000, 200_000, 300_000])
async def test_an_answer_that_is_not_read_holds_up_nobody(server: ScriptedServer, packed: int) -> None:
    """All of it may have arrived by then, and its connection be free for the next call."""
    space = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = space.compress(b" " * (packed * 1000)) + space.flush()
    noise = gzip.compress(os.urandom(packed))
    call = Call(campaign_cleaner.SERVICE, "GET", "/v1/x", lambda it: it, max_bytes=50_000)
    account = account_at(server.url)
    async with aio.client(account) as client:
        for body in (bomb, noise):
            server.play(Reply(body, headers={"Content-Encoding": "gzip"}))
            with pytest.raises(MalformedResponseError, match="50,000 bytes"):
                await client.send(call, NO_RETRY)
            server.play({"credits": 3})
            assert await client.send(CREDITS, NO_RETRY) == 3


async def test_who_shares_a_session_keeps_a_timeout_of_its_own(server: ScriptedServer) -> None:
    server.play(Reply({"credits": 3}, delay=1))
    impatient, patient = (account_at(server.url, timeout=seconds) for seconds in (0.3, 20.0))
    async with aio.client(impatient) as first, aio.client(patient) as second:
        with pytest.raises(IncompleteResponseError, match=r"within 0\.3 s"):
            await first.send(CREDITS, NO_RETRY)
        assert await second.send(CREDITS, NO_RETRY) == 3


async def test_accounts_with_other_keys_share_nothing(server: ScriptedServer) -> None:
    ours = account_at(server.url)
    theirs = Account(campaign_cleaner.SERVICE, "my_conn", "another-key", "test/1", server.url)
    async with aio.client(ours), aio.client(theirs):
        assert len(aio._sessions[asyncio.get_running_loop()]) == 2


async def test_a_user_that_is_cancelled_leaves_nothing_behind(server: ScriptedServer) -> None:
    server.play(Reply({"credits": 3}, delay=5))

    async def wait() -> None:
        async with aio.client(account_at(server.url)) as client:
            await client.send(CREDITS)

    tasks = [asyncio.create_task(wait()) for _ in range(10)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not aio._sessions[asyncio.get_running_loop()]
    assert len(asyncio.all_tasks()) == 1
