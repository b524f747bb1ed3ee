"""Ids, names, HTML and analyses that want to be more than they are: none becomes a path, a header or code."""

from __future__ import annotations

import ast
import inspect
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import fsspec
import pytest
from airflow.providers.common.compat.sdk import literal
from hypothesis import given, settings
from hypothesis import strategies as st

import airflow_provider_campaigns
from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import ApiError, NotActivatedError, RedirectRefusedError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
    QualityGateClosedError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlyPauseCampaignOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sandbox import running
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.transport.account import Account
from tests.conftest import KEY, set_connection
from tests.support.airflow_versions import attach, first_of
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.transports import Carry
from tests.support.triggerer import Driven
from tests.unit.docs.test_readme import TASKS
from tests.unit.hooks.test_every_campaign_cleaner_call import ROWS as CLEANER_ROWS
from tests.unit.hooks.test_every_instantly_call import ROWS as INSTANTLY_ROWS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
PACKAGE = Path(inspect.getfile(airflow_provider_campaigns)).parent
ResolveMixin: Any = first_of(
    "airflow.sdk.definitions._internal.mixins.ResolveMixin", "airflow.utils.mixins.ResolveMixin"
)


def account_at(url: str, call: Call[Any]) -> Account:
    return Account(call.service, "my_conn", KEY, "test/1", url, timeout=5.0, max_requests_per_second=1e9)


class RawServer:
    """Keeps what arrives to the byte, and answers each request with an empty object."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
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
                connection.settimeout(10)
                self.arrived.append(self._request(connection))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    def _request(self, connection: socket.socket) -> bytes:
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
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


def test_every_call_that_takes_an_id_is_here() -> None:
    taking = {
        (api, name)
        for api in APIS
        for name, function in inspect.getmembers(api, inspect.isfunction)
        if not name.startswith("_")
        and str(inspect.signature(function).return_annotation).startswith("Call[")
        and IDENTIFYING & inspect.signature(function).parameters.keys()
    }
    assert {(api, row.name) for api, row, _ in WITH_IDS.values()} == taking
    assert len(taking) > 15


def calls_with(where: str, value: str) -> tuple[Call[Any], Call[Any] | None]:
    """Return a call as it should be, and with another id; None if that is refused."""
    api, row, name = WITH_IDS[where]
    build = getattr(api, row.name)
    try:
        return build(**row.arguments), build(**{**row.arguments, name: value})
    except ValueError:
        return build(**row.arguments), None


@pytest.mark.parametrize("where", WITH_IDS)
def test_an_id_stays_in_its_part_of_the_request_line(carry: Carry, raw: RawServer, where: str) -> None:
    """Either the id is refused before anything is sent, or it arrives whole, in the place that is its own."""
    sent = 0
    for value in HOSTILE:
        usual, call = calls_with(where, value)
        if call is None:
            continue
        sent += 1
        with suppress(ApiError):  # an empty object is not what anybody asks for
            carry(account_at(raw.url, call), call)
        method, target, version = raw.arrived[-1].partition(b"\r\n")[0].decode("ascii").split(" ")
        assert (method, version) == (usual.method, "HTTP/1.1")
        parts, expected = urlsplit(target).path.split("/"), urlsplit(usual.target).path.split("/")
        changed = [part for part, usual_part in zip(parts, expected, strict=True) if part != usual_part]
        assert [unquote(part) for part in changed] in ([], [value])
        assert (urlsplit(target).query, urlsplit(target).fragment) == (urlsplit(usual.target).query, "")
        assert b"evil" not in raw.arrived[-1].partition(b"\r\n\r\n")[0].lower()
    assert len(raw.arrived) == sent


NASTY = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="./%\\?#&=;@:2eE5fF \r\n\t\x00\u2028\uff10\u2460", max_size=12),
    st.sampled_from(HOSTILE),
)


def tried(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None)


@pytest.mark.parametrize("where", WITH_IDS)
@tried(40)
@given(value=NASTY)
def test_no_id_breaks_out_of_its_part_of_a_path(where: str, value: str) -> None:
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


CLIMBS = [
    "/..", "/../x", "/x/..", "/%2e%2e/x", "/%2E./x", "/x/%2e%2e%2fy", "/%252e%252e/x", "/..%5cx", "/x/%2e",
    "/..%00/../x", "/x/..%2f..%2fv1", "/%25252e%25252e%25252fx",
]  # fmt: skip
NO_PATHS = [
    "", "x", "//evil.invalid/x", "/x?y", "/x#y", "/x y", "/x\r\nX-Evil: 1", "/x\x00", "/x\ty", "/\\x",
    "/\xe9", "/\u2025/x", "/\ud800", "/x\x7f", "http://evil.invalid/", "@evil.invalid/",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBS + NO_PATHS)
def test_no_path_of_another_endpoint_leaves_the_prefix(path: str) -> None:
    with pytest.raises(ValueError, match="path must"):
        instantly.request("GET", path)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "GET /evil HTTP/1.1\r\n", "", "G\u0415T", "POST "])
def test_no_other_method_is_sent(method: str) -> None:
    with pytest.raises(ValueError, match="method must"):
        instantly.request(method, "/x")


@tried(300)
@given(path=NASTY.map(lambda text: f"/{text}"))
def test_any_other_endpoint_stays_below_the_prefix(path: str) -> None:
    try:
        call = instantly.request("get", path)
    except ValueError:
        return
    assert call.path.startswith("/api/v2/")
    assert urlsplit(f"https://x{call.target}").path == call.path
    assert re.fullmatch(r"[!-~]+", call.path)
    assert not {".", ".."} & set(re.split(r"[/\\]", unquote(unquote(call.path))))


@pytest.mark.parametrize("path", ["/leads/a%40b.c", "/x/..y/z.", "/x%2Fy", "/api/v2/x", "/x/%25"])
def test_what_is_percent_encoded_arrives_as_it_is(carry: Carry, raw: RawServer, path: str) -> None:
    call = instantly.request("GET", path)
    carry(account_at(raw.url, call), call)
    assert raw.arrived[0].split(b" ")[1].decode() == f"/api/v2{path.removeprefix('/api/v2')}"


# Names.

INJECTION = "x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost: y\r\n\r\n\x00\u2028"
NAMED: list[Call[Any]] = [
    campaign_cleaner.send_campaign(INJECTION, INJECTION, custom_info=INJECTION, webhook_url=f"https://{INJECTION}"),
    campaign_cleaner.create_inbox_test(INJECTION, **{INJECTION: INJECTION}),
    instantly.update_campaign(UUID, name=INJECTION, **{INJECTION: INJECTION}),
    instantly.duplicate_campaign(UUID, name=INJECTION),
    instantly.create_campaign(INJECTION, {"schedules": [{"name": INJECTION}]}),
    instantly.add_leads(UUID, [{"email": f"a@b.c{INJECTION}", "first_name": INJECTION}]),
    instantly.list_campaigns(search=INJECTION, starting_after=INJECTION, **{INJECTION: INJECTION}),
    instantly.list_leads(search=INJECTION),
    instantly.get_background_job("65f1c0ffee65f1c0ffee65f1", data_fields=[INJECTION]),
    instantly.get_campaign_analytics(ids=[INJECTION, "y"]),
    instantly.get_daily_campaign_analytics(campaign_id=INJECTION),
    instantly.request("POST", "/x", params={INJECTION: INJECTION}, json_body={INJECTION: INJECTION}),
]  # fmt: skip


@pytest.mark.parametrize("call", NAMED, ids=str)
def test_no_name_gets_into_the_headers(carry: Carry, raw: RawServer, call: Call[Any]) -> None:
    with suppress(ApiError):
        carry(account_at(raw.url, call), call)
    (arrived,) = raw.arrived
    head, _, body = arrived.partition(b"\r\n\r\n")
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


def test_the_word_that_finds_a_submission_again_is_no_place_for_a_name(connections: ScriptedServer) -> None:
    """It is made of the ids of Dag, run and task, and a run may be called anything."""
    connections.play({"campaign": {"id": "x"}})
    driven = Driven()
    driven.ti.run_id = driven.ti.dag_id = INJECTION
    driven.run(CampaignCleanerSubmitCampaignOperator(task_id="t", campaign_html="<p>", campaign_name="n"))
    (request,) = connections.requests
    assert re.fullmatch(r"n af-[0-9a-f]{12}", request.json["send_campaign"]["campaign_name"])
    assert "evil" not in str(request.headers).lower()


@pytest.mark.parametrize("where", ["password", "workspace_id", "host"])
def test_no_connection_gets_into_the_headers(
    where: str, connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
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
def test_a_redirect_takes_the_key_nowhere(carry: Carry, server: ScriptedServer, status: int) -> None:
    with ScriptedServer() as elsewhere:
        elsewhere.play({"credits": 3})
        for target in (
            f"{elsewhere.url}/v1/get_credits",
            f"//{elsewhere.url[7:]}/x",
            "/v1/other",
            f"{server.url}/x",
        ):
            headers = {
                **dict.fromkeys(["Location", "Content-Location"], target),
                "Refresh": f"0; url={target}",
                "Alt-Svc": f'h2="{elsewhere.url[7:]}"',
                "Link": f"<{target}>; rel=preload",
            }
            server.play(Reply(b"" if status == 304 else b"{}", status=status, headers=headers))
            call = campaign_cleaner.get_credits()
            with pytest.raises(RedirectRefusedError):
                carry(account_at(server.url, call), call)
        assert elsewhere.connections == 0
    assert {request.path for request in server.requests} == {"/v1/get_credits"}
    assert len(server.requests) == 4


# HTML of others.

EVIL = (
    "<html>{{ 7 * 7 }}{% raise %}{# gone #}{{ ''.__class__.__mro__[1].__subclasses__() }}"
    "<script>alert(1)</script>${7*7}<%= 7*7 %>{{firstName}}\x0b%s%(x)s{0}\r\n\u00e9</html>"
)


class Output(ResolveMixin):
    """What another task returned, as Airflow hands it to a template field."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def iter_references(self) -> Iterator[Any]:
        yield from ()

    def resolve(self, context: Any, **_: Any) -> Any:
        return self._value


@pytest.mark.parametrize("handed", [Output, literal])
def test_html_of_others_is_never_rendered(handed: Any, connections: ScriptedServer) -> None:
    """A campaign's HTML goes from task to task, and to the service, as the text that it is."""
    before, after = ([{"steps": [{"variants": [{"subject": "s", "body": body}]}]}] for body in ("", EVIL))
    connections.play({"campaign": {"id": "x"}}, path="/v1")
    connections.play(
        {"id": UUID, "status": 2, "sequences": before}, {"id": UUID}, {"id": UUID, "sequences": after},
        path="/api",
    )  # fmt: skip
    submit = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html=handed(EVIL), campaign_name="n", durable=False
    )
    update = InstantlyUpdateCampaignOperator(
        task_id="update", campaign_id=UUID, html=handed(EVIL), subject="s"
    )
    for task in (submit, update):
        task.render_template_fields({"ti": None})
        Driven().run(task)
    sent = [request.json for request in connections.requests if request.body]
    assert sent[0]["send_campaign"]["campaign_html"] == EVIL
    assert sent[1]["sequences"][0]["steps"][0]["variants"][0]["body"] == EVIL


def test_the_author_s_template_is_rendered_once(connections: ScriptedServer) -> None:
    """What a variable in it holds is put in as it is: unescaped, and not looked through for templates."""
    connections.play({"campaign": {"id": "x"}})
    task = CampaignCleanerSubmitCampaignOperator(
        task_id="t",
        campaign_html="<b>{{ params.html }}</b>",
        campaign_name="{{ params.html }}",
        durable=False,
    )
    task.render_template_fields({"ti": None, "params": {"html": EVIL}})
    Driven().run(task)
    sent = connections.requests[0].json["send_campaign"]
    assert (sent["campaign_html"], sent["campaign_name"]) == (f"<b>{EVIL}</b>", EVIL)


def test_html_that_the_service_returns_stays_text(connections: ScriptedServer, tmp_path: Path) -> None:
    connections.play({"campaign": {"id": UUID, "campaign_html": EVIL, "all_link_list": [EVIL], "note": EVIL}})
    get = CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID)
    result = Driven().run(get)
    assert (result["campaign_html"], result["all_link_list"], result["note"]) == (EVIL, [EVIL], EVIL)
    path = tmp_path / "clean.html"
    Driven().run(CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID, output_path=str(path)))
    assert path.read_bytes() == EVIL.encode()
    update = InstantlyUpdateCampaignOperator(task_id="u", campaign_id=UUID, html_path=Output(str(path)))
    update.render_template_fields({"ti": None})
    assert update._copy() == {"body": EVIL}


def test_an_analysis_of_others_is_never_rendered() -> None:
    analysis = {"broken_links": [{"link_url": EVIL}], "note": EVIL}
    gate = CampaignCleanerQualityGateOperator(task_id="q", analysis=Output(analysis), max_broken_links=1)
    gate.render_template_fields({"ti": None})
    assert gate.analysis == analysis
    assert gate.execute({}) == {"passed": True, "breaches": []}


def test_no_argument_is_taken_for_the_name_of_a_template() -> None:
    """Or HTML that another task returned could name a file to be read and rendered."""
    assert not [name for name, task in TASKS.items() if tuple(task.template_ext)]


def test_nothing_in_the_package_runs_text() -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}
    risky = {"pickle", "marshal", "shelve", "subprocess", "yaml", "code", "lxml", "bs4"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in forbidden, path
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                if node.module == "jinja2":
                    assert {each.name for each in node.names} == {"TemplateError"}, path
            found = {name.partition(".")[0] for name in names}
            assert not found & risky, path
            # The sandbox imports its own modules late, by names that stand in it.
            assert "importlib" not in found or path == PACKAGE / "sandbox" / "__init__.py", path
            # It is also the one that takes HTML apart, as a stand-in for the service.
            assert "html.parser" not in names or PACKAGE / "sandbox" in path.parents, path


# Messages and links.

LOG_LINE = "x\nINFO gate open\r\x1b[2J\x1b]0;owned\x07\u2028\u202e <script>alert(1)</script>"


def test_an_analysis_breaks_no_line_of_a_message(caplog: pytest.LogCaptureFixture) -> None:
    links = [{"link_url": LOG_LINE, "link_is_broken": True}]
    gate = CampaignCleanerQualityGateOperator(
        task_id="q",
        analysis={"all_link_list": links, "blacklisted_links": [LOG_LINE], "spam_keyword_ratio": LOG_LINE},
        max_broken_links=0, max_blacklisted_links=0, max_spam_keyword_ratio=0,
    )  # fmt: skip
    with pytest.raises(QualityGateClosedError) as raised:
        Driven().run(gate)
    assert str(raised.value).isprintable()
    assert "x INFO gate open" in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 200])
def test_what_a_service_says_breaks_no_line_of_a_message(
    carry: Carry, server: ScriptedServer, status: int
) -> None:
    bodies = [{"error": LOG_LINE}, {"message": LOG_LINE, "error": {LOG_LINE: LOG_LINE}}, LOG_LINE.encode()]
    for body in bodies:
        server.play(Reply(body, status=status, headers={"Retry-After": "x\u00ff"}))
        call = campaign_cleaner.get_credits()
        with pytest.raises(ApiError) as raised:
            carry(account_at(server.url, call), call)
        assert str(raised.value).isprintable()


def test_what_instantly_says_of_a_campaign_breaks_no_line_of_a_message(connections: ScriptedServer) -> None:
    said = {"diagnostics": {"status": LOG_LINE}, "summary": {"status": LOG_LINE, "status_message": LOG_LINE}}
    connections.play(said)
    driven = Driven()
    with pytest.raises(SendGateTimeoutError) as raised:
        driven.run(InstantlySendGateOperator(task_id="t", campaign_id=UUID))
    assert str(raised.value).isprintable()
    assert driven.ti.xcoms["return_value"]["message"].isprintable()
    for status in (LOG_LINE, [LOG_LINE], -7):
        connections.play({"id": UUID, "status": status, "name": LOG_LINE})
        with pytest.raises((ApiError, NotActivatedError)) as raised_too:
            Driven().run(InstantlyActivateCampaignOperator(task_id="t", campaign_id=UUID))
        assert str(raised_too.value).isprintable()


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
def test_no_id_becomes_a_link_that_leads_elsewhere(
    kind: Callable[..., Any], hostile: str, connections: ScriptedServer
) -> None:
    """An id that another task returned is known on the worker only: it is checked before it is in a link."""
    driven, task = Driven(), kind(task_id="t", campaign_id="{{ id }}")
    task.campaign_id = hostile
    with pytest.raises(ValueError, match="campaign_id"):
        driven.run(task)
    assert driven.ti.xcoms == {}
    assert connections.requests == []


def test_the_other_links_do_not_depend_on_what_anybody_says(connections: ScriptedServer) -> None:
    connections.play(
        {"id": "j", "status": "success", "campaign_status": {"id": "x/../y", "status": "completed"}}
    )
    links = []
    for task in (
        CampaignCleanerCampaignSensor(task_id="t", campaign_id="x/../y"),
        InstantlyBackgroundJobSensor(task_id="t", job_id="j"),
    ):
        driven = Driven()
        driven.run(task)
        links += [value for key, value in driven.ti.xcoms.items() if key.startswith("_link")]
    assert set(links) <= {"https://members.campaigncleaner.com", "https://app.instantly.ai/app/campaigns"}
    assert links


# Files.

_seen: dict[str, list[str]] | None = None
_listens = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        _seen["written" if arguments[2] & 0o3 else "read"].append(str(arguments[0]))
    elif event in {"os.rename", "os.remove", "os.symlink", "os.link"}:
        _seen["written"].append(f"{event} {arguments[0]}")


@contextmanager
def opened_files() -> Iterator[dict[str, list[str]]]:
    """Tell which files are opened, wherever they are, and what objects are put into the store in memory."""
    global _seen, _listens  # noqa: PLW0603 - an audit hook cannot be taken away again
    if not _listens:
        sys.addaudithook(_audit)
        _listens = True
    objects = set(fsspec.filesystem("memory").store)
    # What a first import compiles is Python's to write, and nothing that a task was told.
    compiles_nothing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _seen = {"read": [], "written": []}
    try:
        yield _seen
    finally:
        found, _seen = _seen, None
        sys.dont_write_bytecode = compiles_nothing
        found["written"] += sorted(
            f"memory:/{path}" for path in set(fsspec.filesystem("memory").store) - objects
        )


def test_what_is_opened_would_be_seen(tmp_path: Path) -> None:
    with opened_files() as opened:
        (tmp_path / "x").write_text("x")
        (tmp_path / "x").read_text()
        fsspec.filesystem("memory").pipe("/seen/x", b"x")
    assert opened["written"] == [str(tmp_path / "x"), "memory://seen/x"]
    assert str(tmp_path / "x") in opened["read"]


CLIMBING = "../../evil"  # an id that Campaign Cleaner could give: it promises no format


@pytest.fixture
def climbing(connections: ScriptedServer) -> ScriptedServer:
    """A service whose ids, names and headers are paths."""
    named = {
        "id": CLIMBING,
        "name": CLIMBING,
        "analysis_path": CLIMBING,
        "html_path": CLIMBING,
        "l": [CLIMBING],
    }
    answers = {
        "/v1/get_campaign": {"campaign": {**named, "campaign_html": "<p>"}},
        "/v1/get_campaign_status": {"campaign_status": {"id": CLIMBING, "status": "completed"}},
        "/v1/delete_campaign": {"status": "success"},
        "/v1/send_campaign": {"campaign": {"id": CLIMBING}},
    }
    for path, answer in answers.items():
        connections.play(answer, path=path)
    named_too = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{CLIMBING}.pdf"',
    }
    connections.play(Reply(b"%PDF-1.7", headers=named_too), path="/v1/get_campaign_pdf_analysis")
    return connections


def written_by(*tasks: Any) -> set[str]:
    with opened_files() as opened:
        for task in tasks:
            Driven().run(task)
    return {path for path in opened["written"] if not path.startswith("/dev/")}


@pytest.mark.usefixtures("climbing")
def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = [
        CampaignCleanerSubmitCampaignOperator(task_id="t", campaign_html="<p>", campaign_name=CLIMBING),
        CampaignCleanerCampaignSensor(task_id="t", campaign_id=CLIMBING),
        CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=CLIMBING),
        CampaignCleanerDeleteCampaignOperator(task_id="t", campaign_id=CLIMBING),
    ]
    assert written_by(*tasks) == set()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.usefixtures("climbing")
@pytest.mark.parametrize("root", ["", "file://", "memory://"])
def test_only_the_paths_that_are_asked_for_are_written(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    html, analysis, pdf = (f"{folder}/asked.{ending}" for ending in ("html", "json", "pdf"))
    get = CampaignCleanerGetCampaignOperator(
        task_id="t", campaign_id=CLIMBING, output_path=root + html, analysis_path=root + analysis
    )
    report = CampaignCleanerGetPdfAnalysisOperator(task_id="t", campaign_id=CLIMBING, output_path=root + pdf)
    attach("memory", fs=fsspec.filesystem("memory"))  # which Airflow 2 does not know by itself
    where = "memory:/" if root == "memory://" else ""
    assert written_by(get, report) == {where + html, where + analysis, where + pdf}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == (0 if where else 3)


def test_no_answer_chooses_a_file_that_is_read(connections: ScriptedServer, tmp_path: Path) -> None:
    """The quality gate reads the path in what it is given, which has to be the path of the task before it."""
    lure = tmp_path / "lure.json"
    lure.write_text('{"broken_links": [], "blacklisted_links": ["secret"]}')
    told = {
        "id": UUID,
        "campaign_html": "<p>",
        "broken_links": [1],
        "analysis_path": str(lure),
        "html_path": str(lure),
    }
    connections.play({"campaign": told})
    with opened_files() as opened:
        result = Driven().run(CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID))
        gate = CampaignCleanerQualityGateOperator(task_id="q", analysis=result, max_broken_links=0)
        with pytest.raises(QualityGateClosedError, match="max_broken_links"):
            Driven().run(gate)
    assert str(lure) not in opened["read"]
    assert not {"analysis_path", "html_path"} & result.keys()


# Leads.

STRANGE = [
    "=1+1",
    '=HYPERLINK("http://evil.invalid","x")',
    "@SUM(A1)",
    "+1",
    "-1",
    "\t=1",
    "{{ 7 * 7 }}",
    "<script>",
]


@pytest.mark.parametrize("outcome", ["csv", "jsonl"])
def test_what_looks_like_a_formula_or_a_header_is_sent_as_the_text_that_it_is(
    ending: str, connections: ScriptedServer, tmp_path: Path
) -> None:
    """Nothing here acts upon it, and Instantly alone says which address it takes."""
    address = "a@b.c\r\nBcc: everybody@example.org"
    leads = [{"email": address, "first_name": text, "custom_variables": {"x": text}} for text in STRANGE]
    path = tmp_path / f"leads.{ending}"
    quoted = [f'"{address}","{text.replace(chr(34), chr(34) * 2)}"' for text in STRANGE]
    rows = ["email,first_name,x", *(f"{each}{each[each.index(chr(34) + ',') + 1 :]}" for each in quoted)]
    lines = rows if ending == "csv" else map(json.dumps, leads)
    path.write_bytes("\n".join(lines).encode())
    connections.play({"leads_uploaded": len(leads), "total_sent": len(leads)})
    Driven().run(InstantlyAddLeadsOperator(task_id="t", campaign_id=UUID, leads_path=str(path)))
    (request,) = connections.requests
    stripped: Callable[[str], str] = str.strip if ending == "csv" else str
    assert [lead["first_name"] for lead in request.json["leads"]] == [stripped(text) for text in STRANGE]
    assert [lead["custom_variables"]["x"] for lead in request.json["leads"]] == [
        stripped(text) for text in STRANGE
    ]
    assert {lead["email"] for lead in request.json["leads"]} == {address}
    assert "bcc" not in str(request.headers).lower()


# The sandbox.


def test_the_sandbox_listens_on_loopback_and_nowhere_else() -> None:
    with running() as sandbox, socket.socket() as other:
        # Would fail if it listened on all addresses.
        other.bind(("127.0.0.2", urlsplit(sandbox.url).port or 0))


def test_the_sandbox_says_that_it_is_no_production_server() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "airflow_provider_campaigns.sandbox", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    page = (PACKAGE.parent / "docs" / "use" / "sandbox.md").read_text()
    for text in (told, page):
        assert re.search(r"not\*{0,2} a\s+production\s+server", text, re.IGNORECASE)
        assert "loopback" in text
