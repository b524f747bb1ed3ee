"""The examples of the page "Tell somebody" in a real Airflow: ``tests/dags/telling.py``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import pytest

from tests.conftest import TEST_DAGS
from tests.support import ROOT
from tests.support.airflow_runs import dag, run
from tests.support.airflow_versions import AIRFLOW, first_of, needs, needs_outlets
from tests.support.answers import answering
from tests.support.callbacks import ENDS
from tests.support.fake_mail import FakeMailServer, text_of
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import UUID, sending_status

pytestmark = pytest.mark.usefixtures("database")

ASKS = first_of("airflow.sdk.exceptions.TaskAwaitingInput")
PAGE = (ROOT / "docs" / "use" / "tell.md").read_text()
HAS_SKIP_LISTENER = first_of(
    "airflow.sdk._shared.listeners.spec.taskinstance.on_task_instance_skipped",
    "airflow.listeners.spec.taskinstance.on_task_instance_skipped",
)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMailServer]:
    """A mail server, to which Airflow's default connection points."""
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    with FakeMailServer() as server:
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def service(connections: FakeServer) -> FakeServer:
    ENDS.clear()
    connections.respond({"id": UUID, "name": "Spring", "status": 2}, path=f"/api/v2/campaigns/{UUID}")
    connections.respond(sending_status("campaign_paused"), path=f"/api/v2/campaigns/{UUID}/sending-status")
    connections.respond({"campaign_status": {"id": "a", "status": "processing"}}, path="/v1")
    return connections


class Listener:
    """A listener that keeps the tasks that skip themselves."""

    def __init__(self) -> None:
        from airflow.listeners import hookimpl

        self.skipped: list[str] = []

        @hookimpl
        def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:
            self.skipped.append(task_instance.task_id)

        self.on_task_instance_skipped = on_task_instance_skipped


@pytest.fixture
def listener() -> Iterator[Listener]:
    manager = first_of(
        "airflow.sdk.listener.get_listener_manager", "airflow.listeners.listener.get_listener_manager"
    )()
    listener = Listener()
    manager.add_listener(listener)
    yield listener
    manager.pm.unregister(listener)


@needs_outlets
def test_skip_is_told_in_every_way_of_the_page(
    service: FakeServer, mails: FakeMailServer, listener: Listener
) -> None:
    state, states, _ = run(dag("telling"))
    assert (state, ENDS.pop("telling")) == ("success", [("success", None)])
    assert states == {
        "may_send": "skipped",
        "send": "skipped",
        "after_all": "skipped",
        "tell": "success",
        "late": "skipped",
        "of_the_sensor": "success",
    }
    assert dict(ENDS) == {"late": [("skipped", None)]}
    (mail,) = mails.mails
    assert mail["Subject"] == "telling: may_send did not open"
    assert "nothing is sent" in text_of(mail) or "paused" in text_of(mail)
    assert sorted(listener.skipped) == (["late", "may_send"] if HAS_SKIP_LISTENER else [])


@needs(ASKS or AIRFLOW.major < 3, "dag.test() of Airflow 3.0 to 3.2 passes no exception to a callback")
def test_error_is_told_as_well(service: FakeServer, mails: FakeMailServer) -> None:
    service.respond(
        Reply({"message": "<b>Who?</b>"}, status=401), path=f"/api/v2/campaigns/{UUID}/sending-status"
    )
    state, states, _ = run(dag("telling"))
    assert (state, states["may_send"], states["tell"]) == ("failed", "failed", "success")
    (mail,) = mails.mails
    assert "401" in text_of(mail)
    assert "&lt;b&gt;Who?&lt;/b&gt;" in text_of(mail)


@needs(ASKS, "dag.test() waits for answers from 3.3 on")
def test_question_is_told_by_mail(service: FakeServer, mails: FakeMailServer) -> None:
    with answering("telling_questions", lambda _: ("Fail", {})):
        run(dag("telling_questions"))
    (mail,) = mails.mails
    assert mail["Subject"] == "Send gate closed: Spring"
    assert f"Spring&#39;: Campaign {UUID}: gate not open: campaign_paused" in text_of(mail)


@pytest.mark.parametrize("number", range(3))
def test_page_shows_these_dags(number: int) -> None:
    file = (TEST_DAGS / "telling.py").read_text()
    snippet = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    code = [line for line in snippet.splitlines() if not line.startswith(("from ", "import "))]
    shown = "\n".join(code).strip("\n").replace("\n\n\n", "\n\n")
    assert any(indent(shown, margin) in file for margin in ("    ", " " * 8))
    assert all(line in file for line in snippet.splitlines() if line not in code)
