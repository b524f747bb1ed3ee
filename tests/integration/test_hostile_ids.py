"""Hostile ids, names and paths: none changes the request line, the headers or the target of a link."""

from __future__ import annotations

import inspect
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import ApiError, RedirectRefusedError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlyPauseCampaignOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.transport.account import Account
from tests.conftest import KEY, set_connection
from tests.integration.fuzzing import examples
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall
from tests.unit.hooks.campaign_cleaner_rows import ROWS as CLEANER_ROWS
from tests.unit.hooks.instantly_rows import ROWS as INSTANTLY_ROWS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


def account_at(url: str, call: Call[Any]) -> Account:
    return Account(call.service, "my_conn", KEY, "test/1", url, timeout=60.0, max_requests_per_second=1e9)


class RawServer:
    """Keeps the bytes of each request, and responds with an empty object."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                self.received.append(self._request(connection))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    def _request(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def raw() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


# Ids.

HOSTILE = [
    "..", ".", "../x", "..%2fx", "%2e%2e", "%2E%2E%2Fx", "%252e%252e%252f", "", " ", "None", "null",
    f"{UUID}/../{UUID}", f"{UUID}/x", f"{UUID}%2Fx", f"{UUID}?x=1", f"{UUID}#x", f"{UUID};x=1",
    f"{UUID}&x=1", f"{UUID}\\..\\x", f"{UUID}\n", f"{UUID}\r\nX-Evil: 1", f"{UUID} HTTP/1.1\r\nHost: evil",
    f"{UUID}\x00", f"\x00{UUID}", f" {UUID}", f"{UUID}\t", f"{UUID}\u2028", "\ud800", "\u2025",
    "//evil.invalid/x", "http://evil.invalid/", "@evil.invalid", "\uff0e\uff0e\u2215",
    UUID.replace("0", "\uff10", 1), UUID.replace("0", "\u0660", 1), "a@b/../../x", "a@b?x=1",
    "a@b\r\nX-Evil: 1", "a@b%2f..%2f", "../..@b", "a@\u2025", "a@b\x00", "a+b@c", "a'\"<>|{}^`@b",
    "x" * 100_000,
]  # fmt: skip
IDENTIFYING = {"campaign_id", "subsequence_id", "job_id", "email"}
APIS: dict[Any, list[Any]] = {campaign_cleaner: CLEANER_ROWS, instantly: INSTANTLY_ROWS}
WITH_IDS = {
    f"{api.__name__.rpartition('.')[2]}.{row}: {name}": (api, row, name)
    for api, rows in APIS.items()
    for row in rows
    for name in IDENTIFYING & inspect.signature(getattr(api, row.name)).parameters.keys()
}


# One call for each kind of id: it gets all hostile ids, and the other calls some of them.
_ONE_PER_KIND = {(api, name): where for where, (api, _, name) in WITH_IDS.items()}
SOME_HOSTILE = ["..", "%2e%2e", f"{UUID}/x", f"{UUID}?x=1", f"{UUID}\r\nX-Evil: 1", "a@b/../../x"]


def test_every_call_with_an_id_has_a_row() -> None:
    with_id = {
        (api, name)
        for api in APIS
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if not name.startswith("_")
        and str(inspect.signature(function).return_annotation).startswith("Call[")
        and IDENTIFYING & inspect.signature(function).parameters.keys()
    }
    assert {(api, row.name) for api, row, _ in WITH_IDS.values()} == with_id
    assert len(with_id) > 15


def calls_with(where: str, value: str) -> tuple[Call[Any], Call[Any] | None]:
    """Return a usual call, and one with another id; None where the id is refused."""
    api, row, name = WITH_IDS[where]
    build = getattr(api, row.name)
    try:
        return build(**row.arguments), build(**{**row.arguments, name: value})
    except ValueError:
        return build(**row.arguments), None


@pytest.mark.parametrize("where", WITH_IDS)
def test_id_stays_in_its_part_of_the_request_line(send_call: SendCall, raw: RawServer, where: str) -> None:
    """The id is refused before a request is sent, or it arrives complete and in its place."""
    sent = 0
    for value in HOSTILE if where in _ONE_PER_KIND.values() else SOME_HOSTILE:
        usual, call = calls_with(where, value)
        if call is None:
            continue
        sent += 1
        with suppress(ApiError):  # no call accepts an empty object
            send_call(account_at(raw.url, call), call)
        method, target, version = raw.received[-1].partition(b"\r\n")[0].decode("ascii").split(" ")
        assert (method, version) == (usual.method, "HTTP/1.1")
        parts, expected = urlsplit(target).path.split("/"), urlsplit(usual.target).path.split("/")
        changed = [part for part, usual_part in zip(parts, expected, strict=True) if part != usual_part]
        assert [unquote(part) for part in changed] in ([], [value])
        assert (urlsplit(target).query, urlsplit(target).fragment) == (urlsplit(usual.target).query, "")
        assert b"evil" not in raw.received[-1].partition(b"\r\n\r\n")[0].lower()
    assert len(raw.received) == sent


HOSTILE_TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="./%\\?#&=;@:2eE5fF \r\n\t\x00\u2028\uff10\u2460", max_size=12),
    st.sampled_from(HOSTILE),
)


@pytest.mark.parametrize("where", _ONE_PER_KIND.values())
@examples(100)
@given(value=HOSTILE_TEXTS)
def test_generated_id_stays_in_its_part_of_the_path(where: str, value: str) -> None:
    usual, call = calls_with(where, value)
    if call is None:
        return
    parts = call.path.split("/")
    assert len(parts) == len(usual.path.split("/"))
    assert not {".", "..", ""} & set(parts[1:])
    assert call.target.isascii()
    assert call.target.isprintable()
    assert " " not in call.target
    assert urlsplit(f"https://x{call.target}").path == call.path
    changed = [part for part, other in zip(parts, usual.path.split("/"), strict=True) if part != other]
    assert len(changed) <= 1
    json.loads(call.encoded_body() or b"null")


CLIMBING_PATHS = [
    "/..", "/../x", "/x/..", "/%2e%2e/x", "/%2E./x", "/x/%2e%2e%2fy", "/%252e%252e/x", "/..%5cx", "/x/%2e",
    "/..%00/../x", "/x/..%2f..%2fv1", "/%25252e%25252e%25252fx",
]  # fmt: skip
INVALID_PATHS = [
    "", "x", "//evil.invalid/x", "/x?y", "/x#y", "/x y", "/x\r\nX-Evil: 1", "/x\x00", "/x\ty", "/\\x",
    "/\xe9", "/\u2025/x", "/\ud800", "/x\x7f", "http://evil.invalid/", "@evil.invalid/",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING_PATHS + INVALID_PATHS)
def test_path_that_could_leave_the_prefix_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path must"):
        instantly.request("GET", path)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "GET /evil HTTP/1.1\r\n", "", "G\u0415T", "POST "])
def test_unknown_method_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="method must"):
        instantly.request(method, "/x")


@examples(300)
@given(path=HOSTILE_TEXTS.map(lambda text: f"/{text}"))
def test_generated_path_stays_below_the_prefix(path: str) -> None:
    try:
        call = instantly.request("get", path)
    except ValueError:
        return
    assert call.path.startswith("/api/v2/")
    assert urlsplit(f"https://x{call.target}").path == call.path
    assert re.fullmatch(r"[!-~]+", call.path)
    assert not {".", ".."} & set(re.split(r"[/\\]", unquote(unquote(call.path))))


@pytest.mark.parametrize("path", ["/leads/a%40b.c", "/x/..y/z.", "/x%2Fy", "/api/v2/x", "/x/%25"])
def test_percent_encoded_path_arrives_unchanged(send_call: SendCall, raw: RawServer, path: str) -> None:
    call = instantly.request("GET", path)
    send_call(account_at(raw.url, call), call)
    assert raw.received[0].split(b" ")[1].decode() == f"/api/v2{path.removeprefix('/api/v2')}"


# Names.

INJECTION = "x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost: y\r\n\r\n\x00\u2028"
NAMED: list[Call[Any]] = [
    campaign_cleaner.send_campaign(f"<p>{INJECTION}", INJECTION, custom_info=INJECTION, webhook_url=f"https://{INJECTION}"),
    campaign_cleaner.create_inbox_test(INJECTION, **{INJECTION: INJECTION}),
    instantly.update_campaign(UUID, name=INJECTION, more={INJECTION: INJECTION}),
    instantly.duplicate_campaign(UUID, name=INJECTION),
    instantly.create_campaign(INJECTION, {"schedules": [{"name": INJECTION}]}),
    instantly.add_leads(UUID, [{"email": "a@b.c", "first_name": INJECTION}]),
    instantly.list_campaigns(search=INJECTION, starting_after=INJECTION, more={INJECTION: INJECTION}),
    instantly.list_leads(search=INJECTION),
    instantly.get_background_job("65f1c0ffee65f1c0ffee65f1", data_fields=[INJECTION]),
    instantly.get_campaign_analytics(ids=[INJECTION, "y"]),
    instantly.get_daily_campaign_analytics(campaign_id=INJECTION),
    instantly.request("POST", "/x", params={INJECTION: INJECTION}, json_body={INJECTION: INJECTION}),
]  # fmt: skip


@pytest.mark.parametrize("call", NAMED, ids=str)
def test_name_does_not_change_the_headers(send_call: SendCall, raw: RawServer, call: Call[Any]) -> None:
    with suppress(ApiError):
        send_call(account_at(raw.url, call), call)
    (received,) = raw.received
    head, _, body = received.partition(b"\r\n\r\n")
    line, *headers = head.decode("ascii").split("\r\n")
    target = line.split(" ")[1]
    assert line == f"{call.method} {target} HTTP/1.1"
    assert urlsplit(target).path == call.path
    assert INJECTION in [each for pair in parse_qsl(urlsplit(target).query) for each in pair] or json.loads(
        body
    )
    names = {header.partition(":")[0].lower() for header in headers}
    assert names <= {
        "host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length",
        call.service.key_header.lower(),
    }  # fmt: skip


def test_submission_marker_contains_no_id(connections: FakeServer) -> None:
    """It is a hash of the ids of Dag, run and task; a run id may be any string."""
    connections.respond({"campaign": {"id": "x"}})
    runner = TaskRunner()
    runner.ti.run_id = runner.ti.dag_id = INJECTION
    runner.run(CampaignCleanerSubmitCampaignOperator(task_id="t", campaign_html="<p>", campaign_name="n"))
    (request,) = connections.requests
    assert re.fullmatch(r"n af-[0-9a-f]{12}", request.json["send_campaign"]["campaign_name"])
    assert "evil" not in str(request.headers).lower()


@pytest.mark.parametrize("where", ["password", "workspace_id", "host"])
def test_connection_that_would_change_headers_is_refused(
    where: str, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: dict[str, Any] = {"host": connections.url}
    if where == "workspace_id":
        broken["extra"] = {"workspace_id": INJECTION}
    else:
        broken[where] = f"{connections.url}/{INJECTION}" if where == "host" else INJECTION
    set_connection(monkeypatch, "instantly", **broken)
    with pytest.raises(ValueError, match="instantly_default"):
        InstantlyHook().get_campaign(UUID)
    assert connections.requests == []


# Redirects.


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_redirect_never_gets_the_key(send_call: SendCall, server: FakeServer, status: int) -> None:
    with FakeServer() as other_server:
        other_server.respond({"credits": 3})
        for target in (
            f"{other_server.url}/v1/get_credits",
            f"//{other_server.url[7:]}/x",
            "/v1/other",
            f"{server.url}/x",
        ):
            headers = {
                **dict.fromkeys(["Location", "Content-Location"], target),
                "Refresh": f"0; url={target}",
                "Alt-Svc": f'h2="{other_server.url[7:]}"',
                "Link": f"<{target}>; rel=preload",
            }
            server.respond(Reply(b"" if status == 304 else b"{}", status=status, headers=headers))
            call = campaign_cleaner.get_credits()
            with pytest.raises(RedirectRefusedError):
                send_call(account_at(server.url, call), call)
        assert other_server.connections == 0
    assert {request.path for request in server.requests} == {"/v1/get_credits"}
    assert len(server.requests) == 4


# Links.


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if len(each) < 100])
@pytest.mark.parametrize(
    "kind",
    [
        InstantlySendGateOperator,
        InstantlyActivateCampaignOperator,
        InstantlyPauseCampaignOperator,
        lambda **given: InstantlyUpdateCampaignOperator(**given, html="<p>"),
        lambda **given: InstantlyAddLeadsOperator(**given, leads=[{"email": "a@b.c"}]),
    ],
)
def test_hostile_id_never_becomes_a_link(
    kind: Callable[..., Any], hostile: str, connections: FakeServer
) -> None:
    """An id from another task is known on the worker only: it is checked before it is in a link."""
    runner, task = TaskRunner(), kind(task_id="t", campaign_id="{{ id }}")
    task.campaign_id = hostile
    with pytest.raises(ValueError, match="campaign_id"):
        runner.run(task)
    assert runner.ti.xcoms == {}
    assert connections.requests == []


def test_other_links_are_constant(connections: FakeServer) -> None:
    connections.respond(
        {"id": "j", "status": "success", "campaign_status": {"id": "x/../y", "status": "completed"}}
    )
    links = []
    for task in (
        CampaignCleanerCampaignSensor(task_id="t", campaign_id="x/../y"),
        InstantlyBackgroundJobSensor(task_id="t", job_id="j"),
    ):
        runner = TaskRunner()
        runner.run(task)
        links += [value for key, value in runner.ti.xcoms.items() if key.startswith("_link")]
    assert set(links) <= {"https://members.campaigncleaner.com", "https://app.instantly.ai/app/campaigns"}
    assert links
