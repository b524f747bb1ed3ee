"""Where the key must not be, what an id cannot reach, and that nobody's HTML is run."""

from __future__ import annotations

import ast
import http.client
import inspect
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import literal
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from hypothesis import given
from hypothesis import strategies as st

import airflow_provider_campaigns
from airflow_provider_campaigns.api import instantly
from airflow_provider_campaigns.api._call import Call
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlyPauseCampaignOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.transport import retry
from airflow_provider_campaigns.triggers._waiting import WaitTrigger
from tests.conftest import KEY, set_connection
from tests.driving import Driven
from tests.scripted_server import Reply, Request, ScriptedServer
from tests.test_fuzz import EXAMPLES, FUNCTIONS, MORE_EXAMPLES, TRIGGERS, tried, trigger_of
from tests.test_readme import TASKS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
PACKAGE = Path(inspect.getfile(airflow_provider_campaigns)).parent


# A service that repeats the key in everything that it says.


def _lead_counts(request: Request) -> dict[str, Any]:
    sent = len(request.json["leads"])
    return {"total_sent": sent, "leads_uploaded": sent, "created_leads": [{"email": f"{KEY}@x.y"}], "note": KEY}


def _sending_status(code: str) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat()
    said = {"status": code, "status_message": f"You are {KEY}"}
    return {"diagnostics": {"status": code, "last_updated": now, KEY: KEY}, "summary": said}


STEPS = [{"steps": [{"variants": [{"subject": KEY, "body": f"<p>{KEY}"}]}]}]
ECHOES: dict[str, Callable[[Request], Any]] = {
    "/v1/get_campaign_status": lambda _: {"campaign_status": {"id": UUID, "status": "completed", "name": KEY}},
    "/v1/get_campaign_list": lambda _: {"campaign_list": [{"id": "1", "status": KEY, "campaign_name": KEY}]},
    "/v1/send_campaign": lambda _: {"campaign": {"id": f"new-{KEY}"}},
    "/v1/get_campaign": lambda _: {"campaign": {"id": UUID, "campaign_html": f"<p>{KEY}", KEY: [KEY]}},
    "/v1/get_campaign_pdf_analysis": lambda _: b"%PDF-1.7 " + KEY.encode(),
    "/v1/delete_campaign": lambda _: {"status": "success", "note": KEY},
    "/v1/get_inbox_test_results": lambda _: {"job_id": "j", "status": "completed", "test_name": KEY},
    "/v1/get_credits": lambda _: {"credits": 5, "note": KEY},
    f"/api/v2/campaigns/{UUID}/sending-status": lambda _: _sending_status("healthy"),
    f"/api/v2/campaigns/{UUID}": lambda _: {"id": UUID, "status": 1, "name": KEY, "sequences": STEPS},
    "/api/v2/campaigns?": lambda _: {"items": [{"name": KEY}], "next_starting_after": KEY},
    "/api/v2/leads/add": _lead_counts,
    "/api/v2/background-jobs": lambda _: {"id": "j", "status": "success", "type": KEY, "data": {KEY: KEY}},
}


def play(server: ScriptedServer, failure: Reply | None = None) -> None:
    for path, echo in ECHOES.items():
        headers = {"Content-Type": "application/pdf"} if "pdf" in path else {}
        server.play(failure or Reply(_encoded(echo), headers={**headers, "X-Echo": KEY}), path=path)


def _encoded(echo: Callable[[Request], Any]) -> Callable[[Request], bytes]:
    def body(request: Request) -> bytes:
        said = echo(request)
        return said if isinstance(said, bytes) else json.dumps(said).encode()

    return body


WAIT = {"poke_interval": 0.02, "max_failures": 2}
SENSOR = {**WAIT, "campaign_id": UUID, "timeout": 20}
DEFERRED = {"deferrable": True}
MAKE: dict[str, Callable[[Path], Any]] = {
    "sensor, poke": lambda _: CampaignCleanerCampaignSensor(task_id="t", **SENSOR),
    "sensor, reschedule": lambda _: CampaignCleanerCampaignSensor(task_id="t", mode="reschedule", **SENSOR),
    "sensor, deferred": lambda _: CampaignCleanerCampaignSensor(task_id="t", **DEFERRED, **SENSOR),
    "inbox test": lambda _: CampaignCleanerInboxTestSensor(
        task_id="t", job_id="j", timeout=20, **DEFERRED, **WAIT
    ),
    "submit": lambda _: CampaignCleanerSubmitCampaignOperator(
        task_id="t", campaign_html="<p>", campaign_name="n"
    ),
    "get": lambda folder: CampaignCleanerGetCampaignOperator(
        task_id="t", campaign_id=UUID, output_path=f"{folder}/a.html", analysis_path=f"{folder}/a.json",
        wait_for_completion=True, **DEFERRED, **WAIT,
    ),
    "get into an XCom": lambda _: CampaignCleanerGetCampaignOperator(task_id="t", campaign_id=UUID),
    "PDF": lambda folder: CampaignCleanerGetPdfAnalysisOperator(
        task_id="t", campaign_id=UUID, output_path=f"{folder}/a.pdf"
    ),
    "delete": lambda _: CampaignCleanerDeleteCampaignOperator(task_id="t", campaign_id=UUID),
    "gate": lambda _: InstantlySendGateOperator(task_id="t", campaign_id=UUID),
    "gate, deferred": lambda _: InstantlySendGateOperator(
        task_id="t", campaign_id=UUID, wait_timeout=20, **DEFERRED, **WAIT
    ),
    "activate": lambda _: InstantlyActivateCampaignOperator(
        task_id="t", campaign_id=UUID, wait_timeout=20, **DEFERRED, **WAIT
    ),
    "pause": lambda _: InstantlyPauseCampaignOperator(task_id="t", campaign_id=UUID),
    "update": lambda _: InstantlyUpdateCampaignOperator(task_id="t", campaign_id=UUID, html="<p>new"),
    "add leads": lambda _: InstantlyAddLeadsOperator(
        task_id="t", campaign_id=UUID, leads=[{"email": "a@b.c"}], check_gate=True
    ),
    "job": lambda _: InstantlyBackgroundJobSensor(task_id="t", job_id="j", timeout=20, **DEFERRED, **WAIT),
}  # fmt: skip
FAILURES: dict[str, Reply | None] = {
    "all is well": None,
    "401": Reply({"error": f"bad key {KEY}", "message": f"bad key {KEY}"}, status=401, headers={"X-K": KEY}),
    "503": Reply(f"<html>no, {KEY}!".encode(), status=503, headers={"X-K": KEY}),
    "garbage": Reply(f"<html>{KEY}".encode()),
    "error in a 200": Reply({"error": {"message": [KEY], "error": KEY}}),
    "broken off": Reply({"error": KEY * 10}, drop="body"),
    "redirect": Reply(b"", status=302, headers={"Location": f"http://127.0.0.1:9/{KEY}"}),
}


def test_every_operator_and_sensor_is_here() -> None:
    made = {type(make(Path("x"))) for make in MAKE.values()}
    assert made == set(TASKS.values()) - {CampaignCleanerQualityGateOperator}  # which asks no service


class _Raw(logging.Handler):
    """Keeps every record as whoever logged it wrote it: nothing masks anything before."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name)
        told = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.lines.append(f"{record.getMessage()} {record.__dict__!r} {told}")


@contextmanager
def all_logs() -> Iterator[_Raw]:
    """Log everything: the package, requests, urllib3, aiohttp, asyncio."""
    names = ["", "airflow_provider_campaigns", "urllib3", "requests", "aiohttp", "aiohttp.client", "asyncio"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.disabled, logger.propagate) for logger in loggers]
    raw = _Raw()
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled, logger.propagate = False, True
    loggers[0].addHandler(raw)
    try:
        yield raw
    finally:
        loggers[0].removeHandler(raw)
        for logger, (level, disabled, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.disabled, logger.propagate = disabled, propagate


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and whatever it was raised from, or during."""
    seen: set[int] = set()
    ahead = [error]
    while ahead:
        each = ahead.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            ahead += [each.__cause__, each.__context__]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", MAKE)
def test_the_key_goes_to_the_service_and_nowhere_else(
    name: str,
    failure: str,
    connections: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not into a log at DEBUG, an error, a deferral, an event, an XCom, a template, a file or a repr."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(f"{CampaignCleanerSubmitCampaignOperator.__module__}.SETTLING_SECONDS", 0.001)
    play(connections, FAILURES[failure])
    task, driven, told = MAKE[name](tmp_path), Driven(), []
    with all_logs() as logs:
        try:
            told.append(repr(driven.run(task)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked through
            told += [f"{each!r} {each} {each.args!r} {vars(each)!r}" for each in chain(error)]
            told += traceback.format_exception(error)
    told += logs.lines
    told += [json.dumps([driven.deferrals, driven.events, driven.ti.xcoms])]
    told += [repr(task), str(task), *(repr(getattr(task, field)) for field in task.template_fields)]
    told += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    told += capfd.readouterr()
    assert not [text for text in told if KEY in text]
    assert {str(request.headers.values()).count(KEY) for request in connections.requests} == {1}
    assert not [request for request in connections.requests if KEY in request.path or KEY.encode() in request.body]
    assert http.client.HTTPConnection.debuglevel == 0
    if failure == "401":
        assert any("***" in text for text in told)


def test_the_logs_that_are_looked_through_hold_what_the_libraries_say(connections: ScriptedServer) -> None:
    """The test above must not hold because nobody listens."""
    play(connections)
    with all_logs() as logs:
        CampaignCleanerHook().get_credits()
        logging.getLogger("aiohttp.client").debug(KEY)
    assert "urllib3.connectionpool" in logs.loggers
    assert [line for line in logs.lines if "/v1/get_credits" in line]
    assert [line for line in logs.lines if KEY in line]


def test_nothing_that_can_be_printed_prints_the_key(connections: ScriptedServer) -> None:
    play(connections)
    cleaner, sends = CampaignCleanerHook(), InstantlyHook()
    cleaner.get_credits()
    call = instantly.get_campaign(UUID)
    sends.send(call)
    things = [cleaner, sends, cleaner.account, sends.account, call, cleaner.get_conn(), *map(trigger_of, TRIGGERS)]
    things += [vars(thing) for thing in things if hasattr(thing, "__dict__")]
    things += [cleaner.get_conn()._session, cleaner.get_conn()._session.headers]
    shown = [text for thing in things for text in (repr(thing), str(thing), f"{thing}")]
    assert not [text for text in shown if KEY in text]
    assert KEY in str(cleaner.account.headers())  # which alone hands it out


def test_a_connection_test_tells_no_key(connections: ScriptedServer) -> None:
    for failure in FAILURES.values():
        play(connections, failure)
        for hook in (CampaignCleanerHook, InstantlyHook):
            assert KEY not in hook().test_connection()[1]


@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_trigger_is_stored_without_a_key(kind: type[WaitTrigger[Any]], connections: ScriptedServer) -> None:
    trigger = trigger_of(kind)
    assert trigger.hook().account.key == KEY
    assert KEY not in json.dumps(trigger.serialize())


# Ids and names.

NASTY = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="./%\\?#&=;@:2eE5fF \r\n\t\x00\u2028０①", max_size=12),
    st.sampled_from(["..", "../x", "%2e%2e/x", f"{UUID}/../{UUID}", f"{UUID}\n", f"{UUID}?x=1", f" {UUID}", "\ud800"]),
)
IDENTIFYING = {"campaign_id", "subsequence_id", "job_id", "email"}
WITH_IDS = [
    (name, parameter)
    for name, function in FUNCTIONS.items()
    for parameter in inspect.signature(function).parameters
    if parameter in IDENTIFYING
]


def call_with(name: str, **arguments: Any) -> Call[Any]:
    function = FUNCTIONS[name]
    usual = {each: EXAMPLES[each] for each in inspect.signature(function).parameters if each in EXAMPLES}
    return function(**{**usual, **MORE_EXAMPLES.get(function.__name__, {}), **arguments})


@pytest.mark.parametrize(("name", "parameter"), WITH_IDS)
@tried(60)
@given(value=NASTY)
def test_no_id_breaks_out_of_its_part_of_a_path(name: str, parameter: str, value: str) -> None:
    usual = call_with(name)
    try:
        call = call_with(name, **{parameter: value})
    except ValueError:
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


@tried(200)
@given(method=NASTY | st.sampled_from(["get", "POST"]), path=NASTY.map(lambda text: f"/{text}") | NASTY)
def test_any_other_endpoint_stays_below_the_prefix(method: str, path: str) -> None:
    try:
        call = instantly.request(method, path)
    except ValueError:
        return
    assert call.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert call.path.startswith("/api/v2/")
    assert not {".", ".."} & set(call.path.split("/"))
    assert not {"?", "#", "\r", "\n", " ", "\\"} & set(call.path)


INJECTION = "x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost: y\r\n\r\n"


def test_no_name_gets_into_the_headers(connections: ScriptedServer) -> None:
    connections.play({"campaign": {"id": "x"}, "id": UUID, "items": [], "job_id": "j", "leads_uploaded": 1})
    cleaner, sends = CampaignCleanerHook(), InstantlyHook()
    cleaner.send_campaign(INJECTION, INJECTION, custom_info=INJECTION, webhook_url=f"https://{INJECTION}")
    cleaner.create_inbox_test(INJECTION)
    sends.update_campaign(UUID, name=INJECTION)
    sends.duplicate_campaign(UUID, name=INJECTION)
    sends.add_leads(UUID, [{"email": "a@b.c", "first_name": INJECTION}])
    list(sends.list_campaigns(search=INJECTION))
    sends.request("GET", "/x", params={INJECTION: INJECTION})
    assert len(connections.requests) == 7
    assert not [request for request in connections.requests if "evil" in str(request.headers).lower()]
    assert {request.path.partition("?")[0] for request in connections.requests[-2:]} == {
        "/api/v2/campaigns", "/api/v2/x",
    }  # fmt: skip


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


# HTML of others.

EVIL = (
    "<html>{{ 7 * 7 }}{% raise %}{# gone #}{{ ''.__class__.__mro__[1].__subclasses__() }}"
    "<script>alert(1)</script>${7*7}<%= 7*7 %>{{firstName}}\x0b%s%(x)s{0}</html>"
)


class Output(ResolveMixin):
    """What another task returned, as Airflow hands it to a template field."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def iter_references(self) -> Iterator[Any]:
        yield from ()

    def resolve(self, context: Any) -> Any:
        return self._value


@pytest.mark.parametrize("handed", [Output, literal])
def test_html_of_others_is_never_rendered(handed: Any, connections: ScriptedServer) -> None:
    """A campaign's HTML goes from task to task, and to the service, as the text that it is."""
    changed = [{"steps": [{"variants": [{"subject": "s", "body": EVIL}]}]}]
    connections.play({"campaign": {"id": "x"}}, path="/v1")
    connections.play(
        {"id": UUID, "status": 2, "sequences": STEPS}, {"id": UUID}, {"id": UUID, "sequences": changed}, path="/api"
    )
    submit = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html=handed(EVIL), campaign_name="n", durable=False
    )
    update = InstantlyUpdateCampaignOperator(task_id="update", campaign_id=UUID, html=handed(EVIL), subject="s")
    for task in (submit, update):
        task.render_template_fields({"ti": None})
        Driven().run(task)
    sent = [request.json for request in connections.requests if request.body]
    assert sent[0]["send_campaign"]["campaign_html"] == EVIL
    assert sent[1]["sequences"][0]["steps"][0]["variants"][0]["body"] == EVIL


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
    risky = {"pickle", "marshal", "shelve", "subprocess", "yaml", "code", "importlib"}
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
            assert not {name.partition(".")[0] for name in names} & risky, path


# Files.

_opened: list[str] = []
_watching = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & 0o3:
        _opened.append(str(arguments[0]))
    elif event in {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link"}:
        _opened.append(f"{event} {arguments[0]}")


sys.addaudithook(_audit)


@contextmanager
def written_files() -> Iterator[list[str]]:
    """Tell which files are opened to be written, wherever they are."""
    global _watching  # noqa: PLW0603 - an audit hook cannot be taken away again
    _opened.clear()
    _watching = True
    try:
        yield _opened
    finally:
        _watching = False


CLIMBING = "../../evil"  # an id that Campaign Cleaner could give: it promises no format


def test_only_the_paths_that_are_asked_for_are_written(
    connections: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    answers = {
        "/v1/get_campaign": {"campaign": {"id": CLIMBING, "campaign_html": "<p>", "name": CLIMBING, "l": []}},
        "/v1/get_campaign_status": {"campaign_status": {"id": CLIMBING, "status": "completed"}},
        "/v1/delete_campaign": {"status": "success"},
        "/v1/send_campaign": {"campaign": {"id": CLIMBING}},
    }
    for path, answer in answers.items():
        connections.play(answer, path=path)
    pdf = Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf",
                                      "Content-Disposition": f'attachment; filename="{CLIMBING}.pdf"'})  # fmt: skip
    connections.play(pdf, path="/v1/get_campaign_pdf_analysis")
    paths = {name: str(folder / f"asked.{name}") for name in ("html", "json", "pdf")}
    get = CampaignCleanerGetCampaignOperator
    tasks = [
        CampaignCleanerSubmitCampaignOperator(task_id="t", campaign_html="<p>", campaign_name=CLIMBING),
        CampaignCleanerCampaignSensor(task_id="t", campaign_id=CLIMBING),
        get(task_id="t", campaign_id=CLIMBING),
        get(task_id="t", campaign_id=CLIMBING, output_path=paths["html"], analysis_path=paths["json"]),
        CampaignCleanerGetPdfAnalysisOperator(task_id="t", campaign_id=CLIMBING, output_path=paths["pdf"]),
        CampaignCleanerDeleteCampaignOperator(task_id="t", campaign_id=CLIMBING),
    ]
    with written_files() as opened:
        for task in tasks:
            Driven().run(task)
    assert {path for path in opened if not path.startswith("/dev/")} == set(paths.values())
    assert {str(path) for path in tmp_path.rglob("*") if path.is_file()} == set(paths.values())


def test_a_path_that_is_written_would_be_seen(tmp_path: Path) -> None:
    with written_files() as opened:
        (tmp_path / "x").write_text("x")
        (tmp_path / "x").read_text()
    assert opened == [str(tmp_path / "x")]
