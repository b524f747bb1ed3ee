"""Where a key must not be, whatever a service, a proxy or the shape of the key does."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from rich.pretty import pretty_repr

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectError,
    IncompleteResponseError,
)
from airflow_provider_campaigns.hooks.base import ServiceHook
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
from airflow_provider_campaigns.transport import aio, retry
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.errors import incomplete_response
from airflow_provider_campaigns.triggers import campaign_cleaner as cleaner_triggers
from airflow_provider_campaigns.triggers import instantly as instantly_triggers
from airflow_provider_campaigns.triggers.base import WaitTrigger
from tests.conftest import KEY, set_connection
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.transports import Carry
from tests.support.triggerer import Driven
from tests.unit.docs.test_readme import TASKS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
JOB = "65f1c0ffee65f1c0ffee65f1"
CREDITS = campaign_cleaner.get_credits()


# A service that repeats the key in everything that it says.


def _lead_counts(request: Request) -> dict[str, Any]:
    sent = len(request.json["leads"])
    created = [{"email": f"{KEY}@x.y"}]
    return {"total_sent": sent, "leads_uploaded": sent, "created_leads": created, "note": KEY}


def _sending_status(code: str) -> Callable[[Request], dict[str, Any]]:
    def say(_: Request) -> dict[str, Any]:
        now = datetime.now(timezone.utc).isoformat()
        said = {"status": code, "status_message": f"You are {KEY}"}
        return {"diagnostics": {"status": code, "last_updated": now, KEY: KEY}, "summary": said}

    return say


def _status(state: str) -> Callable[[Request], dict[str, Any]]:
    return lambda _: {"campaign_status": {"id": UUID, "status": state, "campaign_name": KEY}}


def _job(state: str) -> Callable[[Request], dict[str, Any]]:
    return lambda _: {"id": JOB, "status": state, "type": KEY, "data": {KEY: KEY}}


STEPS = [{"steps": [{"variants": [{"subject": KEY, "body": f"<p>{KEY}"}]}]}]
ECHOES: dict[str, Callable[[Request], Any]] = {
    "/v1/get_campaign_status": _status("completed"),
    "/v1/get_campaign_list": lambda _: {"campaign_list": [{"id": "1", "status": KEY, "campaign_name": KEY}]},
    "/v1/send_campaign": lambda _: {"campaign": {"id": f"new-{KEY}"}},
    "/v1/get_campaign": lambda _: {"campaign": {"id": UUID, "campaign_html": f"<p>{KEY}", KEY: [KEY]}},
    "/v1/get_campaign_pdf_analysis": lambda _: b"%PDF-1.7 " + KEY.encode(),
    "/v1/delete_campaign": lambda _: {"status": "success", "note": KEY},
    "/v1/get_inbox_test_results": lambda _: {"job_id": "j", "status": "completed", "test_name": KEY},
    "/v1/get_credits": lambda _: {"credits": 5, "note": KEY},
    f"/api/v2/campaigns/{UUID}/sending-status": _sending_status("healthy"),
    f"/api/v2/campaigns/{UUID}": lambda _: {"id": UUID, "status": 1, "name": KEY, "sequences": STEPS},
    "/api/v2/campaigns?": lambda _: {"items": [{"name": KEY}], "next_starting_after": KEY},
    "/api/v2/leads/add": _lead_counts,
    "/api/v2/background-jobs": _job("success"),
}
# What a wait hears before it hears what ends it; a gate hears it on the worker and in the triggerer.
FIRST: dict[str, Callable[[Request], Any]] = {
    "/v1/get_campaign_status": _status("processing"),
    "/v1/get_inbox_test_results": lambda _: {"job_id": "j", "status": "processing", "test_name": KEY},
    f"/api/v2/campaigns/{UUID}/sending-status": _sending_status("out_of_schedule"),
    "/api/v2/background-jobs": _job("pending"),
}


def play(server: ScriptedServer, failure: Reply | None = None, *, waits: bool = False) -> None:
    for path, echo in ECHOES.items():
        told = [FIRST[path], FIRST[path], echo] if waits and path in FIRST else [echo]
        headers = {"X-Echo": KEY, **({"Content-Type": "application/pdf"} if "pdf" in path else {})}
        server.play(*[failure or Reply(_encoded(each), headers=headers) for each in told], path=path)


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
    # Its answers that cannot be read are waited out, so its time is short; where it opens, it opens sooner.
    "gate, deferred": lambda _: InstantlySendGateOperator(
        task_id="t", campaign_id=UUID, wait_timeout=1, **DEFERRED, **WAIT
    ),
    "activate": lambda _: InstantlyActivateCampaignOperator(
        task_id="t", campaign_id=UUID, wait_timeout=20, **DEFERRED, **WAIT
    ),
    "pause": lambda _: InstantlyPauseCampaignOperator(task_id="t", campaign_id=UUID),
    "update": lambda _: InstantlyUpdateCampaignOperator(task_id="t", campaign_id=UUID, html="<p>new"),
    "add leads": lambda _: InstantlyAddLeadsOperator(
        task_id="t", campaign_id=UUID, leads=[{"email": "a@b.c"}], check_gate=True
    ),
    "job": lambda _: InstantlyBackgroundJobSensor(task_id="t", job_id=JOB, timeout=20, **DEFERRED, **WAIT),
}  # fmt: skip
FAILURES: dict[str, Reply | None] = {
    "all is well": None,
    "all is well, later": None,
    "401": Reply({"error": f"bad key {KEY}", "message": f"bad key {KEY}"}, status=401, headers={"X-K": KEY}),
    "503": Reply(f"<html>no, {KEY}!".encode(), status=503, headers={"X-K": KEY, "Retry-After": KEY}),
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
    names = ["", "airflow_provider_campaigns", "airflow", "airflow.task", "urllib3", "requests", "aiohttp",
             "aiohttp.client", "asyncio"]  # fmt: skip
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


def said_by(error: BaseException) -> list[str]:
    """Return what can be printed of an error and its chain."""
    return [f"{each!r} {each} {each.args!r} {vars(each)!r}" for each in chain(error)]


def told_by(error: BaseException) -> list[str]:
    """Return besides what a traceback with the variables of its frames prints."""
    told = said_by(error)
    for each in chain(error):
        told += traceback.TracebackException.from_exception(each, capture_locals=True).format()
    return told


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", MAKE)
def test_the_key_goes_to_the_service_and_nowhere_else(  # noqa: PLR0917 - the fixtures of pytest
    name: str,
    failure: str,
    connections: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not into a log at DEBUG, an error, a deferral, an event, an XCom, a template, a file or a repr."""
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.001)
    monkeypatch.setattr(f"{CampaignCleanerSubmitCampaignOperator.__module__}.LISTING_DELAY_SECONDS", 0.001)
    play(connections, FAILURES[failure], waits="later" in failure)
    store: dict[str, Any] = {}
    task, driven, told = MAKE[name](tmp_path), Driven(store=store), []
    with all_logs() as logs:
        try:
            told.append(repr(driven.run(task)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked through
            told += told_by(error)
    told += logs.lines
    told += [json.dumps([driven.deferrals, driven.events, driven.ti.xcoms, store])]
    told += [repr(task), str(task), *(repr(getattr(task, field)) for field in task.template_fields)]
    told += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    told += capfd.readouterr()
    assert not [text for text in told if KEY in text]
    assert {str(request.headers.values()).count(KEY) for request in connections.requests} == {1}
    assert not [asked for asked in connections.requests if KEY in asked.path or KEY.encode() in asked.body]
    assert http.client.HTTPConnection.debuglevel == 0
    if failure == "401":
        assert any("***" in text for text in told)
    if failure == "all is well, later" and "deferr" in name:
        assert driven.events


def test_what_is_looked_through_holds_what_the_libraries_say(connections: ScriptedServer) -> None:
    """The test above must not hold because nobody listens."""
    play(connections)
    with all_logs() as logs:
        CampaignCleanerHook().get_credits()
        logging.getLogger("aiohttp.client").debug(KEY)
    assert "urllib3.connectionpool" in logs.loggers
    assert [line for line in logs.lines if "/v1/get_credits" in line]
    assert [line for line in logs.lines if KEY in line]


def test_what_is_looked_through_holds_the_variables_and_the_causes() -> None:
    def fail(key: str) -> None:
        try:
            int(key[::-1])
        except ValueError:
            raise KeyError from None

    with pytest.raises(KeyError) as raised:
        fail(KEY)
    told = told_by(raised.value)
    assert [text for text in told if KEY in text]
    assert [text for text in told if KEY[::-1] in text]


TRIGGERS: dict[type[WaitTrigger[Any]], dict[str, Any]] = {
    cleaner_triggers.CampaignCleanerCampaignTrigger: {"campaign_id": UUID, "paused": ["processing"]},
    cleaner_triggers.CampaignCleanerInboxTestTrigger: {"job_id": JOB},
    instantly_triggers.InstantlySendGateTrigger: {"campaign_id": UUID, "max_status_age": 3600.0},
    instantly_triggers.InstantlyActivationTrigger: {"campaign_id": UUID},
    instantly_triggers.InstantlyBackgroundJobTrigger: {"job_id": JOB},
}


def trigger_of(kind: type[WaitTrigger[Any]]) -> WaitTrigger[Any]:
    service = "campaign_cleaner" if kind.__module__ == cleaner_triggers.__name__ else "instantly"
    rhythm = {"poke_interval": 1.0, "deadline": 1.0, f"{service}_conn_id": f"{service}_default"}
    return kind(**TRIGGERS[kind], **rhythm)


def test_all_triggers_are_here() -> None:
    assert set(TRIGGERS) == set(WaitTrigger.__subclasses__())


@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_trigger_is_stored_without_a_key(kind: type[WaitTrigger[Any]], connections: ScriptedServer) -> None:
    trigger = trigger_of(kind)
    assert trigger.hook().account.key == KEY
    assert KEY not in json.dumps(trigger.serialize())
    assert KEY not in f"{trigger!r} {trigger} {vars(trigger)!r}"


def test_nothing_that_can_be_printed_prints_the_key(connections: ScriptedServer) -> None:
    play(connections)
    cleaner, sends = CampaignCleanerHook(), InstantlyHook()
    cleaner.get_credits()
    call = instantly.get_campaign(UUID)
    sends.send(call)

    async def asynchronous() -> aio.AioClient:
        async with sends.aclient() as client:
            await client.send(call)
            return client

    things = [cleaner, sends, cleaner.account, sends.account, call, cleaner.get_conn(), sends.get_conn()]
    things += [asyncio.run(asynchronous()), cleaner.get_conn()._session]
    shown = [text for thing in things for text in (repr(thing), str(thing), f"{thing}", pretty_repr(thing))]
    # What a debugger shows of a hook first.
    shown += [repr(vars(thing)) for thing in (cleaner, sends, cleaner.get_conn())]
    shown += [repr(cleaner.get_conn()._session.headers)]
    assert not [text for text in shown if KEY in text]
    assert KEY in str(cleaner.account.headers())  # which alone hands it out


def test_a_connection_test_tells_no_key(connections: ScriptedServer) -> None:
    for failure in FAILURES.values():
        play(connections, failure)
        for hook in (CampaignCleanerHook, InstantlyHook):
            assert KEY not in hook().test_connection()[1]


# Both transports, without what stands above them.


def account_at(url: str, key: str = KEY, service: Any = campaign_cleaner.SERVICE) -> Account:
    return Account(service, "my_conn", key, "test/1", url, timeout=5.0, max_requests_per_second=1e9)


# Keys as a service could hand them out: base64, and with all that a header may hold.
KEYS = [
    "MDE5ZTE4ZTItYTUyZg/+==",
    "k3y/that+must=not&leak",
    "k3y\"with'quotes<and>\\slashes\\\\",
    '/%"\\&=' * 3,
]
# How something that repeats a text may write it.
FORMS: dict[str, Callable[[str], str]] = {
    "to the letter": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON, slashes escaped": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "JSON, marks as code points": lambda key: "".join(
        each if each.isalnum() else f"\\u{ord(each):04X}" for each in key
    ),
    "JSON in JSON": lambda key: json.dumps(json.dumps(key))[1:-1],
    "in a URL": lambda key: quote(key, safe=""),
    "in a URL in a URL": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, marks as numbers": lambda key: "".join(
        each if each.isalnum() else f"&#{ord(each)};" for each in key
    ),
    "Python": lambda key: repr(key)[1:-1],
}


def unmasked(text: str, key: str) -> list[str]:
    """Return the forms in which a text holds a key."""
    return [name for name, write in FORMS.items() if write(key) in text]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_repeated_in_another_form_gets_nowhere(
    carry: Carry, server: ScriptedServer, key: str, form: str
) -> None:
    echo = FORMS[form](key)
    account = account_at(server.url, key, instantly.SERVICE)
    # Whatever the form, it stands in a JSON text as those bytes; not all of them are JSON.
    server.play(Reply(b'{"name": "x' + echo.encode() + b'y"}'))
    try:
        told = json.dumps(carry(account, instantly.get_campaign(UUID)))
        assert "***" in told
    except ApiError as error:
        told = " ".join(said_by(error))
    assert not unmasked(told, key)
    for status in (400, 503):
        server.play(Reply(f"{'x' * 290} {echo}", status=status, headers={"Content-Type": "text/plain"}))
        with pytest.raises(ApiError) as raised:
            carry(account, instantly.get_campaign(UUID))
        assert not unmasked(" ".join(said_by(raised.value)), key)
        assert echo[:8] not in str(raised.value)


@pytest.mark.parametrize("key", ["k", '"', "\\", "%", "/", "aaaa"])
def test_a_key_that_could_be_any_word_is_sent_and_taken_out_of_messages(
    carry: Carry, server: ScriptedServer, key: str
) -> None:
    server.play(Reply({"error": f"bad key <{key}>"}, status=401))
    with pytest.raises(AuthenticationError) as raised:
        carry(account_at(server.url, key), CREDITS)
    assert server.requests[0].headers["X-CC-API-Key"] == key
    assert key not in str(raised.value).replace("connection 'my_conn'", "")
    assert "<***>" in str(raised.value)


@pytest.mark.parametrize("hook", [CampaignCleanerHook, InstantlyHook])
@pytest.mark.parametrize(
    "key",
    [
        f"{KEY}\r\nX-Evil: 1",
        f"{KEY}\x00",
        f"{KEY}\n\n{{}}",
        f"{KEY} b",
        f"{KEY}é",
        f"{KEY}\x7f",
        f"\t{KEY}\tx",
    ],
)
def test_a_key_that_no_header_may_hold_is_refused_unseen_and_unsent(
    key: str, hook: type[ServiceHook], connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, hook.conn_type, host=connections.url, password=key)
    with all_logs() as logs, pytest.raises(ValueError, match="password") as raised:
        hook(f"{hook.conn_type}_default").send(CREDITS)
    told = [*logs.lines, *said_by(raised.value)]
    assert not [text for text in told if KEY in text]
    assert KEY not in hook(f"{hook.conn_type}_default").test_connection()[1]
    assert connections.requests == []


@contextmanager
def saying(raw: bytes) -> Iterator[str]:
    """Run a server that answers every request with the same bytes, which need not be HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
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
def test_a_key_that_is_repeated_in_broken_http_gets_nowhere(carry: Carry, broken: str) -> None:
    """What cannot be read is quoted by libraries, in errors and in their own logs."""
    with saying(BROKEN_HTTP[broken].encode()) as url, all_logs() as logs:
        with pytest.raises(ApiError) as raised:
            carry(account_at(url), CREDITS)
        told = [*logs.lines, *told_by(raised.value)]
    assert not [text for text in told if KEY[:6] in text]
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("before", [b"", b"'", b'"', b"'\"", b"\\'"])
def test_half_a_key_is_not_told_however_often_it_is_quoted(before: bytes) -> None:
    quoting = ValueError(f"unexpected: {before + KEY[:20].encode()!r}")
    for _ in range(4):
        told = str(incomplete_response(CREDITS, account_at("https://localhost.test"), quoting))
        assert "unexpected" in told
        assert KEY[:6] not in told
        quoting = ValueError(repr(quoting))


def test_no_answer_makes_the_search_for_a_key_last_longer_than_it_is() -> None:
    """All waits stand still meanwhile: a search that grew faster than the answer would take hours here."""
    quotes = "' " + "b\"b'" * 200_000
    told = str(incomplete_response(CREDITS, account_at("https://localhost.test"), ValueError(quotes)))
    assert len(told) < 1000
    key = "abcdefghijkl" + "-_.!" * 20
    account = replace(account_at("https://localhost.test"), key=f"{key}x")
    almost = (f"{key}y" * 1000).encode()
    assert account.scrub(almost) == almost
    assert account.scrub(b"a" + account.key.encode()) == b"a***"


def test_what_urllib3_says_to_others_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    import requests

    with saying(BROKEN_HTTP["header"].encode()) as url:
        requests.get(url, timeout=5)
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
def test_the_password_of_a_proxy_is_not_told_however_its_url_is_written(
    carry: Carry, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("https_proxy", proxy.format("somebody:s3cret"))
    with all_logs() as logs, pytest.raises(ApiError) as raised:
        carry(account_at("https://localhost.test"), CREDITS)
    if "socks" not in proxy:
        assert isinstance(raised.value, (ConnectError, IncompleteResponseError))
    told = [*logs.lines, *said_by(raised.value)]
    assert not [text for text in told if "s3cret" in text]
