"""Where an API key must not be, whatever a service, an operator or a failure does with it."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset
from rich.pretty import pretty_repr

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.hooks.base import ServiceHook
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerEmitCompletedOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlyEmitHealthChangedOperator,
    InstantlyHealthReportOperator,
    InstantlyPauseCampaignOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import (
    CampaignCleanerCampaignSensor,
    CampaignCleanerInboxTestSensor,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.transport import aio
from airflow_provider_campaigns.triggers.base import WaitTrigger
from tests.conftest import KEY, set_connection
from tests.integration.visible import all_logs, printed_by, tracebacks_of
from tests.support import triggers
from tests.support.airflow_versions import HAS_ASSET_PARTITIONS
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply, Request
from tests.unit.test_provider_info import TASKS, arguments_of

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
JOB = "65f1c0ffee65f1c0ffee65f1"
CREDITS = campaign_cleaner.get_credits()


# A service that echoes the key in each response.


def _lead_counts(request: Request) -> dict[str, Any]:
    sent = len(request.json["leads"])
    created = [{"email": f"{KEY}@x.y"}]
    return {"total_sent": sent, "leads_uploaded": sent, "created_leads": created, "note": KEY}


def _sending_status(code: str) -> Callable[[Request], dict[str, Any]]:
    def body(_: Request) -> dict[str, Any]:
        now = datetime.now(timezone.utc).isoformat()
        summary = {"status": code, "status_message": f"You are {KEY}"}
        return {"diagnostics": {"status": code, "last_updated": now, KEY: KEY}, "summary": summary}

    return body


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
# The first responses of a wait: one for the worker, and one for the triggerer.
PENDING: dict[str, Callable[[Request], Any]] = {
    "/v1/get_campaign_status": _status("processing"),
    "/v1/get_inbox_test_results": lambda _: {"job_id": "j", "status": "processing", "test_name": KEY},
    f"/api/v2/campaigns/{UUID}/sending-status": _sending_status("daily_limit_met"),
    "/api/v2/background-jobs": _job("pending"),
}


def respond(server: FakeServer, failure: Reply | None = None, *, waits: bool = False) -> None:
    for path, echo in ECHOES.items():
        bodies = [PENDING[path], PENDING[path], echo] if waits and path in PENDING else [echo]
        headers = {"X-Echo": KEY, **({"Content-Type": "application/pdf"} if "pdf" in path else {})}
        server.respond(*[failure or Reply(_encoded(each), headers=headers) for each in bodies], path=path)


def _encoded(echo: Callable[[Request], Any]) -> Callable[[Request], bytes]:
    def body(request: Request) -> bytes:
        value = echo(request)
        return value if isinstance(value, bytes) else json.dumps(value).encode()

    return body


WAIT = {"poke_interval": 5, "max_failures": 2}
SENSOR = {**WAIT, "campaign_id": UUID, "timeout": 100}
DEFERRED = {"deferrable": True}
TASK_OF: dict[str, Callable[[Path], Any]] = {
    "sensor, poke": lambda _: CampaignCleanerCampaignSensor(task_id="t", **SENSOR),
    "sensor, reschedule": lambda _: CampaignCleanerCampaignSensor(task_id="t", mode="reschedule", **SENSOR),
    "sensor, deferrable": lambda _: CampaignCleanerCampaignSensor(task_id="t", **DEFERRED, **SENSOR),
    "inbox test": lambda _: CampaignCleanerInboxTestSensor(
        task_id="t", job_id="j", timeout=100, **DEFERRED, **WAIT
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
    "gate, deferrable": lambda _: InstantlySendGateOperator(
        task_id="t", campaign_id=UUID, wait_timeout=60, **DEFERRED, **WAIT
    ),
    "activate": lambda _: InstantlyActivateCampaignOperator(
        task_id="t", campaign_id=UUID, wait_timeout=100, **DEFERRED, **WAIT
    ),
    "health report": lambda folder: InstantlyHealthReportOperator(
        task_id="t", campaign_ids=[UUID], path=f"{folder}/report.jsonl"
    ),
    "pause": lambda _: InstantlyPauseCampaignOperator(task_id="t", campaign_id=UUID),
    "update": lambda _: InstantlyUpdateCampaignOperator(task_id="t", campaign_id=UUID, html="<p>new"),
    "add leads": lambda _: InstantlyAddLeadsOperator(
        task_id="t", campaign_id=UUID, leads=[{"email": "a@b.c"}], check_gate=True
    ),
    "job": lambda _: InstantlyBackgroundJobSensor(task_id="t", job_id=JOB, timeout=100, **DEFERRED, **WAIT),
}  # fmt: skip
if HAS_ASSET_PARTITIONS:
    TASK_OF |= {
        "emit completed": lambda _: CampaignCleanerEmitCompletedOperator(
            task_id="t", asset=Asset("a"), fire_existing=True
        ),
        "emit health": lambda _: InstantlyEmitHealthChangedOperator(task_id="t", asset=Asset("a")),
    }
FAILURES: dict[str, Reply | None] = {
    "success": None,
    "success after a wait": None,
    "401": Reply({"error": f"bad key {KEY}", "message": f"bad key {KEY}"}, status=401, headers={"X-K": KEY}),
    "503": Reply(f"<html>no, {KEY}!".encode(), status=503, headers={"X-K": KEY, "Retry-After": KEY}),
    "HTML": Reply(f"<html>{KEY}".encode()),
    "error in a 200": Reply({"error": {"message": [KEY], "error": KEY}}),
    "reset within the body": Reply({"error": KEY * 10}, drop="body"),
    "redirect": Reply(b"", status=302, headers={"Location": f"http://127.0.0.1:9/{KEY}"}),
}


def test_every_operator_and_sensor_has_a_row() -> None:
    made = {type(make(Path("x"))) for make in TASK_OF.values()}
    known = {each for each in TASKS if HAS_ASSET_PARTITIONS or "asset" not in arguments_of(each)}
    assert made == known - {CampaignCleanerQualityGateOperator}  # which sends no request


# Each failure in one task of a kind: a deferrable wait, a change, and a task with several calls.
FAILURE_TASKS = ("gate, deferrable", "submit", "add leads")
CASES = [
    *((name, failure) for name in TASK_OF for failure in ("success", "success after a wait", "401")),
    *((name, failure) for name in FAILURE_TASKS for failure in FAILURES if failure not in {"success", "401"}),
]


@pytest.mark.parametrize(("name", "failure"), dict.fromkeys(CASES))
@pytest.mark.usefixtures("clock")
def test_key_reaches_only_the_service(
    name: str,
    failure: str,
    connections: FakeServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It is in no log at DEBUG, error, deferral, event, XCom, template, file or repr."""
    respond(connections, FAILURES[failure], waits=failure == "success after a wait")
    store: dict[str, Any] = {}
    task, runner, visible = TASK_OF[name](tmp_path), TaskRunner(store=store), []
    with all_logs() as logs:
        try:
            visible.append(repr(runner.run(task)))
        except Exception as error:  # noqa: BLE001 - any error is searched
            visible += tracebacks_of(error)
    visible += logs.lines
    visible += [json.dumps([runner.deferrals, runner.events, runner.ti.xcoms, store])]
    visible += [repr(task), str(task), *(repr(getattr(task, field)) for field in task.template_fields)]
    visible += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    visible += capfd.readouterr()
    assert not [text for text in visible if KEY in text]
    assert {str(request.headers.values()).count(KEY) for request in connections.requests} == {1}
    assert not [each for each in connections.requests if KEY in each.path or KEY.encode() in each.body]
    assert http.client.HTTPConnection.debuglevel == 0
    if failure == "401":
        assert any("***" in text for text in visible)
    if failure == "success after a wait" and "deferr" in name:
        assert runner.events


def test_recorded_logs_contain_those_of_libraries(connections: FakeServer) -> None:
    """Otherwise the test above could pass although nothing is recorded."""
    respond(connections)
    with all_logs() as logs:
        CampaignCleanerHook().get_credits()
        logging.getLogger("aiohttp.client").debug(KEY)
    assert "urllib3.connectionpool" in logs.loggers
    assert [line for line in logs.lines if "/v1/get_credits" in line]
    assert [line for line in logs.lines if KEY in line]


def test_tracebacks_contain_variables_and_causes() -> None:
    def fail(key: str) -> None:
        try:
            int(key[::-1])
        except ValueError:
            raise KeyError from None

    with pytest.raises(KeyError) as raised:
        fail(KEY)
    printed = tracebacks_of(raised.value)
    assert [text for text in printed if KEY in text]
    assert [text for text in printed if KEY[::-1] in text]


@pytest.mark.parametrize("kind", triggers.KINDS)
def test_trigger_is_stored_without_the_key(kind: type[WaitTrigger[Any]], connections: FakeServer) -> None:
    trigger = triggers.trigger_of(kind)
    assert trigger.hook().account.key == KEY
    assert KEY not in json.dumps(trigger.serialize())
    assert KEY not in f"{trigger!r} {trigger} {vars(trigger)!r}"


def test_no_object_prints_the_key(connections: FakeServer) -> None:
    respond(connections)
    cleaner, sends = CampaignCleanerHook(), InstantlyHook()
    cleaner.get_credits()
    call = instantly.get_campaign(UUID)
    sends.send(call)

    async def asynchronous() -> aio.AioClient:
        async with sends.aclient() as client:
            await client.send(call)
            return client

    objects = [cleaner, sends, cleaner.account, sends.account, call, cleaner.get_conn(), sends.get_conn()]
    objects += [asyncio.run(asynchronous()), cleaner.get_conn()._session]
    shown = [text for each in objects for text in (repr(each), str(each), f"{each}", pretty_repr(each))]
    # What a debugger shows of a hook first.
    shown += [repr(vars(each)) for each in (cleaner, sends, cleaner.get_conn())]
    shown += [repr(cleaner.get_conn()._session.headers)]
    assert not [text for text in shown if KEY in text]
    assert KEY in str(cleaner.account.headers())  # the only place with the key


def test_connection_test_does_not_show_the_key(connections: FakeServer) -> None:
    for failure in FAILURES.values():
        respond(connections, failure)
        for hook in (CampaignCleanerHook, InstantlyHook):
            assert KEY not in hook().test_connection()[1]


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
def test_key_that_no_header_may_contain_is_refused(
    key: str, hook: type[ServiceHook], connections: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, hook.conn_type, host=connections.url, password=key)
    with all_logs() as logs, pytest.raises(ValueError, match="password") as raised:
        hook(f"{hook.conn_type}_default").send(CREDITS)
    visible = [*logs.lines, *printed_by(raised.value)]
    assert not [text for text in visible if KEY in text]
    assert KEY not in hook(f"{hook.conn_type}_default").test_connection()[1]
    assert connections.requests == []
