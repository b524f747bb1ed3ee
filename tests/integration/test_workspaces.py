"""One Dag for several workspaces, each with its own connection and key."""

from __future__ import annotations

import re
from textwrap import indent

import pytest

from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID
from tests.conftest import TEST_DAGS, set_connection
from tests.support import ROOT
from tests.support.airflow_runs import dag, run
from tests.support.fake_server import FakeServer, Reply

DAG_FILE = TEST_DAGS / "workspaces.py"
CONNECTIONS_PAGE = ROOT / "docs" / "operate" / "connections.md"


@pytest.mark.usefixtures("database")
def test_each_mapped_gate_uses_the_key_of_its_workspace(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.respond(Reply({"message": "no"}, status=404))
    for country in ("de", "fr"):
        set_connection(
            monkeypatch,
            "instantly",
            conn_id=f"instantly_{country}",
            host=server.url,
            password=f"key-{country}",
        )
    _, states, _ = run(dag("workspaces"))
    assert set(states.values()) == {"failed"}
    keys = {request.path.split("/")[4]: request.headers["Authorization"] for request in server.requests}
    assert keys == {HEALTHY_CAMPAIGN_ID: "Bearer key-de", PAUSED_CAMPAIGN_ID: "Bearer key-fr"}


def test_page_about_connections_shows_this_dag() -> None:
    (snippet,) = re.findall(
        r"### Several workspaces.*?```python\n(.*?)```", CONNECTIONS_PAGE.read_text(), re.DOTALL
    )
    assert indent(snippet, "    ") in DAG_FILE.read_text()
