"""Hostile HTML, analyses, messages and leads: none is run, rendered, or able to choose a file."""

from __future__ import annotations

import ast
import inspect
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import pytest
from airflow.providers.common.compat.sdk import literal

import airflow_provider_campaigns
from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.exceptions import ApiError, NotActivatedError
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
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sandbox import running
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.transport.account import Account
from tests.conftest import KEY
from tests.support import ROOT
from tests.support.airflow_versions import attach, first_of
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall
from tests.unit.test_provider_info import TASKS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
PACKAGE = Path(inspect.getfile(airflow_provider_campaigns)).parent
ResolveMixin: Any = first_of(
    "airflow.sdk.definitions._internal.mixins.ResolveMixin", "airflow.utils.mixins.ResolveMixin"
)


# HTML.

EVIL = (
    "<html>{{ 7 * 7 }}{% raise %}{# gone #}{{ ''.__class__.__mro__[1].__subclasses__() }}"
    "<script>alert(1)</script>${7*7}<%= 7*7 %>{{firstName}}\x0b%s%(x)s{0}\r\n\u00e9</html>"
)


class Output(ResolveMixin):
    """The output of another task, as Airflow passes it to a template field."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def iter_references(self) -> Iterator[Any]:
        yield from ()

    def resolve(self, context: Any, **_: Any) -> Any:
        return self._value


@pytest.mark.parametrize("wrap", [Output, literal])
def test_html_of_another_task_is_not_rendered(wrap: Any, connections: FakeServer) -> None:
    """The HTML goes from task to task, and to the service, unchanged."""
    before, after = ([{"steps": [{"variants": [{"subject": "s", "body": body}]}]}] for body in ("", EVIL))
    connections.respond({"campaign": {"id": "x"}}, path="/v1")
    connections.respond(
        {"id": UUID, "status": 2, "sequences": before}, {"id": UUID}, {"id": UUID, "sequences": after},
        path="/api",
    )  # fmt: skip
    submit = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html=wrap(EVIL), campaign_name="n", durable=False
    )
    update = InstantlyUpdateCampaignOperator(task_id="update", campaign_id=UUID, html=wrap(EVIL), subject="s")
    for task in (submit, update):
        task.render_template_fields({"ti": None})
        TaskRunner().run(task)
    sent = [request.json for request in connections.requests if request.body]
    assert sent[0]["send_campaign"]["campaign_html"] == EVIL
    assert sent[1]["sequences"][0]["steps"][0]["variants"][0]["body"] == EVIL


def test_template_of_the_dag_author_is_rendered_once(connections: FakeServer) -> None:
    """The value of a variable is inserted unchanged: not escaped, and not rendered again."""
    connections.respond({"campaign": {"id": "x"}})
    task = CampaignCleanerSubmitCampaignOperator(
        task_id="t",
        campaign_html="<b>{{ params.html }}</b>",
        campaign_name="{{ params.html }}",
        durable=False,
    )
    task.render_template_fields({"ti": None, "params": {"html": EVIL}})
    TaskRunner().run(task)
    sent = connections.requests[0].json["send_campaign"]
    assert (sent["campaign_html"], sent["campaign_name"]) == (f"<b>{EVIL}</b>", EVIL)


def test_html_in_a_response_is_not_rendered(connections: FakeServer, tmp_path: Path) -> None:
    connections.respond(
        {"campaign": {"id": UUID, "campaign_html": EVIL, "all_link_list": [EVIL], "note": EVIL}}
    )
    get = CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID)
    result = TaskRunner().run(get)
    assert (result["campaign_html"], result["all_link_list"], result["note"]) == (EVIL, [EVIL], EVIL)
    path = tmp_path / "clean.html"
    TaskRunner().run(
        CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID, output_path=str(path))
    )
    assert path.read_bytes() == EVIL.encode()
    update = InstantlyUpdateCampaignOperator(task_id="u", campaign_id=UUID, html_path=Output(str(path)))
    update.render_template_fields({"ti": None})
    assert update._copy() == {"body": EVIL}


def test_analysis_of_another_task_is_not_rendered() -> None:
    analysis = {"broken_links": [{"link_url": EVIL}], "note": EVIL}
    gate = CampaignCleanerQualityGateOperator(task_id="q", analysis=Output(analysis), max_broken_links=1)
    gate.render_template_fields({"ti": None})
    assert gate.analysis == analysis
    assert gate.execute({}) == {"passed": True, "breaches": []}


def test_no_argument_is_a_template_file() -> None:
    """Otherwise HTML of another task could name a file to read and render."""
    assert not [task for task in TASKS if tuple(task.template_ext)]


def test_package_never_runs_a_string() -> None:
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
                    # meta and nodes show what is in a template without rendering it.
                    allowed = {"TemplateError", "Undefined", "meta", "nodes"}
                    assert {each.name for each in node.names} <= allowed, path
            found = {name.partition(".")[0] for name in names}
            # lxml parses mails, and only rules/ does that.
            assert found & risky <= ({"lxml"} if path.parent.name == "rules" else set()), path
            # lazy_names imports modules of the package late, by constant names.
            assert "importlib" not in found or path == PACKAGE / "__init__.py", path
            # The sandbox also parses HTML, as the service does.
            assert "html.parser" not in names or PACKAGE / "sandbox" in path.parents, path


# Messages.

LOG_LINE = "x\nINFO gate open\r\x1b[2J\x1b]0;owned\x07\u2028\u202e <script>alert(1)</script>"


def test_analysis_in_a_message_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    links = [{"link_url": LOG_LINE, "link_is_broken": True}]
    gate = CampaignCleanerQualityGateOperator(
        task_id="q",
        analysis={"all_link_list": links, "blacklisted_links": [LOG_LINE], "spam_keyword_ratio": LOG_LINE},
        max_broken_links=0, max_blacklisted_links=0, max_spam_keyword_ratio=0,
    )  # fmt: skip
    with pytest.raises(QualityGateClosedError) as raised:
        TaskRunner().run(gate)
    assert str(raised.value).isprintable()
    assert "x INFO gate open" in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 200])
def test_response_in_a_message_is_one_line(send_call: SendCall, server: FakeServer, status: int) -> None:
    bodies = [{"error": LOG_LINE}, {"message": LOG_LINE, "error": {LOG_LINE: LOG_LINE}}, LOG_LINE.encode()]
    for body in bodies:
        server.respond(Reply(body, status=status, headers={"Retry-After": "x\u00ff"}))
        account = Account(campaign_cleaner.SERVICE, "my_conn", KEY, "test/1", server.url)
        with pytest.raises(ApiError) as raised:
            send_call(account, campaign_cleaner.get_credits())
        assert str(raised.value).isprintable()


def test_status_in_a_message_is_one_line(connections: FakeServer) -> None:
    status = {
        "diagnostics": {"status": LOG_LINE},
        "summary": {"status": LOG_LINE, "status_message": LOG_LINE},
    }
    connections.respond(status)
    runner = TaskRunner()
    with pytest.raises(SendGateTimeoutError) as raised:
        runner.run(InstantlySendGateOperator(task_id="t", campaign_id=UUID))
    assert str(raised.value).isprintable()
    assert runner.ti.xcoms["return_value"]["message"].isprintable()
    for code in (LOG_LINE, [LOG_LINE], -7):
        connections.respond({"id": UUID, "status": code, "name": LOG_LINE})
        with pytest.raises((ApiError, NotActivatedError)) as raised_too:
            TaskRunner().run(InstantlyActivateCampaignOperator(task_id="t", campaign_id=UUID))
        assert str(raised_too.value).isprintable()


# Files.

_opened: dict[str, list[str]] | None = None
_hook_is_added = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is None:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        _opened["written" if arguments[2] & 0o3 else "read"].append(str(arguments[0]))
    elif event in {"os.rename", "os.remove", "os.symlink", "os.link"}:
        _opened["written"].append(f"{event} {arguments[0]}")


@contextmanager
def opened_files() -> Iterator[dict[str, list[str]]]:
    """Record the files that are read and written, and the objects written to the memory file system."""
    global _opened, _hook_is_added  # noqa: PLW0603 - an audit hook cannot be removed
    if not _hook_is_added:
        sys.addaudithook(_audit)
        _hook_is_added = True
    objects = set(fsspec.filesystem("memory").store)
    # Python would write compiled modules at their first import.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _opened = {"read": [], "written": []}
    try:
        yield _opened
    finally:
        found, _opened = _opened, None
        sys.dont_write_bytecode = before
        found["written"] += sorted(
            f"memory:/{path}" for path in set(fsspec.filesystem("memory").store) - objects
        )


def test_opened_files_are_recorded(tmp_path: Path) -> None:
    with opened_files() as opened:
        (tmp_path / "x").write_text("x")
        (tmp_path / "x").read_text()
        fsspec.filesystem("memory").pipe("/recorded/x", b"x")
    assert opened["written"] == [str(tmp_path / "x"), "memory://recorded/x"]
    assert str(tmp_path / "x") in opened["read"]


CLIMBING = "../../evil"  # Campaign Cleaner documents no format of its ids


@pytest.fixture
def climbing(connections: FakeServer) -> FakeServer:
    """A service that returns paths as ids, names and headers."""
    named = {
        "id": CLIMBING,
        "name": CLIMBING,
        "analysis_path": CLIMBING,
        "html_path": CLIMBING,
        "l": [CLIMBING],
    }
    bodies = {
        "/v1/get_campaign": {"campaign": {**named, "campaign_html": "<p>"}},
        "/v1/get_campaign_status": {"campaign_status": {"id": CLIMBING, "status": "completed"}},
        "/v1/delete_campaign": {"status": "success"},
        "/v1/send_campaign": {"campaign": {"id": CLIMBING}},
    }
    for path, body in bodies.items():
        connections.respond(body, path=path)
    named_too = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{CLIMBING}.pdf"',
    }
    connections.respond(Reply(b"%PDF-1.7", headers=named_too), path="/v1/get_campaign_pdf_analysis")
    return connections


def written_by(*tasks: Any) -> set[str]:
    with opened_files() as opened:
        for task in tasks:
            TaskRunner().run(task)
    return {path for path in opened["written"] if not path.startswith("/dev/")}


@pytest.mark.usefixtures("climbing")
def test_task_without_a_path_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_task_writes_only_to_its_paths(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    html, analysis, pdf = (f"{folder}/output.{ending}" for ending in ("html", "json", "pdf"))
    get = CampaignCleanerGetCampaignOperator(
        task_id="t", campaign_id=CLIMBING, output_path=root + html, analysis_path=root + analysis
    )
    report = CampaignCleanerGetPdfAnalysisOperator(task_id="t", campaign_id=CLIMBING, output_path=root + pdf)
    attach("memory", fs=fsspec.filesystem("memory"))  # Airflow 2 does not attach it itself
    where = "memory:/" if root == "memory://" else ""
    assert written_by(get, report) == {where + html, where + analysis, where + pdf}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == (0 if where else 3)


def test_response_cannot_choose_a_file_to_read(connections: FakeServer, tmp_path: Path) -> None:
    """The quality gate reads the path in its input, which must be the path of the task before it."""
    lure = tmp_path / "lure.json"
    lure.write_text('{"broken_links": [], "blacklisted_links": ["secret"]}')
    campaign = {
        "id": UUID,
        "campaign_html": "<p>",
        "broken_links": [1],
        "analysis_path": str(lure),
        "html_path": str(lure),
    }
    connections.respond({"campaign": campaign})
    with opened_files() as opened:
        result = TaskRunner().run(CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=UUID))
        gate = CampaignCleanerQualityGateOperator(task_id="q", analysis=result, max_broken_links=0)
        with pytest.raises(QualityGateClosedError, match="max_broken_links"):
            TaskRunner().run(gate)
    assert str(lure) not in opened["read"]
    assert not {"analysis_path", "html_path"} & result.keys()


# Leads.

FORMULAS_AND_HTML = [
    "=1+1",
    '=HYPERLINK("http://evil.invalid","x")',
    "@SUM(A1)",
    "+1",
    "-1",
    "\t=1",
    "{{ 7 * 7 }}",
    "<script>",
]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_formula_or_html_in_a_lead_is_sent_unchanged(
    ending: str, connections: FakeServer, tmp_path: Path
) -> None:
    leads = [
        {"email": "a@b.c", "first_name": text, "custom_variables": {"x": text}} for text in FORMULAS_AND_HTML
    ]
    path = tmp_path / f"leads.{ending}"
    quoted = [f'"{text.replace(chr(34), chr(34) * 2)}"' for text in FORMULAS_AND_HTML]
    rows = ["email,first_name,x", *(f"a@b.c,{text},{text}" for text in quoted)]
    lines = rows if ending == "csv" else map(json.dumps, leads)
    path.write_bytes("\n".join(lines).encode())
    connections.respond({"leads_uploaded": len(leads), "total_sent": len(leads)})
    TaskRunner().run(InstantlyAddLeadsOperator(task_id="t", campaign_id=UUID, leads_path=str(path)))
    (request,) = connections.requests
    stripped: Callable[[str], str] = str.strip if ending == "csv" else str
    expected = [stripped(text) for text in FORMULAS_AND_HTML]
    assert [lead["first_name"] for lead in request.json["leads"]] == expected
    assert [lead["custom_variables"]["x"] for lead in request.json["leads"]] == expected


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_header_in_an_address_of_a_lead_is_refused(
    ending: str, connections: FakeServer, tmp_path: Path
) -> None:
    address = "a@b.c\r\nBcc: everybody@example.org"
    path = tmp_path / f"leads.{ending}"
    content = f'email\n"{address}"\n' if ending == "csv" else json.dumps({"email": address})
    path.write_bytes(content.encode())
    with pytest.raises(ValueError, match="is not a single plain"):
        TaskRunner().run(InstantlyAddLeadsOperator(task_id="t", campaign_id=UUID, leads_path=str(path)))
    assert connections.requests == []


# The sandbox.


def test_sandbox_listens_on_loopback_only() -> None:
    with running() as sandbox, socket.socket() as other:
        # Fails if the sandbox listens on all addresses.
        other.bind(("127.0.0.2", urlsplit(sandbox.url).port or 0))


def test_sandbox_help_warns_against_production() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "airflow_provider_campaigns.sandbox", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    page = (ROOT / "docs" / "use" / "sandbox.md").read_text()
    for text in (help_text, page):
        assert re.search(r"not\*{0,2} a\s+production\s+server", text, re.IGNORECASE)
        assert "loopback" in text
