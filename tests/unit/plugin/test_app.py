"""What the server sends: a fixed set of files, each with a strict content security policy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns import plugin
from airflow_provider_campaigns.api.instantly import SendingCode
from tests.support import ROOT
from tests.support.airflow_versions import needs_pages

pytestmark = needs_pages

STATIC = Path(plugin.__file__).parent / "static"
PAGES = ("/", "/report/")
FRAMES = ("/frame/", "/frame-images/")
FILES = {"/airflow.js", "/board.js", "/report.js", "/frame.js", "/pages.css", "/facts.json"}
# What a worker and the Dag processor do: load the plugins, and import the operators of a Dag.
LOADS_PLUGINS = """
import json, sys
from airflow import plugins_manager
from airflow_provider_campaigns.operators import campaign_cleaner, instantly
plugins_manager.ensure_plugins_loaded()
from airflow_provider_campaigns.plugin.campaigns import CampaignsPlugin
loaded = [name for name in sys.modules if name.startswith(("fastapi", "airflow_provider_campaigns.plugin"))]
offered = [CampaignsPlugin().fastapi_apps, CampaignsPlugin.external_views,
    campaign_cleaner.CampaignCleanerGetCampaignOperator.operator_extra_links]
print(json.dumps([sorted(loaded), *map(len, offered)]))
"""


@pytest.fixture(scope="module")
def client() -> Any:
    from fastapi.testclient import TestClient

    from airflow_provider_campaigns.plugin.app import create_app

    return TestClient(create_app())


def policy(response: Any) -> dict[str, str]:
    directives = response.headers["content-security-policy"].split("; ")
    return {name: values for name, _, values in (each.partition(" ") for each in directives)}


def test_plugin_is_an_entry_point_of_airflow() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    entry_point = lines[lines.index('[project.entry-points."airflow.plugins"]') + 1]
    assert entry_point == 'campaigns = "airflow_provider_campaigns.plugin.campaigns:CampaignsPlugin"'


@pytest.mark.parametrize(("enabled", "expected"), [("True", [1, 1, 2]), ("False", [0, 0, 1])])
def test_plugin_loads_nothing_in_a_worker_and_can_be_disabled(
    enabled: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CAMPAIGNS__UI_ENABLED", enabled)
    done = subprocess.run(
        [sys.executable, "-c", LOADS_PLUGINS], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    loaded, *offered = json.loads(done.stdout.splitlines()[-1])
    assert loaded == ["airflow_provider_campaigns.plugin", "airflow_provider_campaigns.plugin.campaigns"]
    assert offered == expected


class TestFiles:
    def test_server_sends_each_file_and_nothing_else(self, client: Any) -> None:
        sent = {route.path for route in client.app.routes}
        assert sent == {*PAGES, *FRAMES, *FILES}
        assert all(client.get(path).status_code == 200 for path in sent)
        names = {path.name for path in STATIC.iterdir()}
        assert names == {"board.html", "report.html", "frame.html", *(name[1:] for name in FILES)} - {
            "facts.json"
        }

    @pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/report/..%2f..%2fapp.py", "/app.py"])
    def test_other_path_is_not_found(self, client: Any, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_server_accepts_no_change(self, client: Any) -> None:
        assert client.post("/", content="x").status_code == 405

    @pytest.mark.parametrize("path", PAGES)
    def test_page_loads_its_own_files_only(self, client: Any, path: str) -> None:
        found = policy(client.get(path))
        assert found["default-src"] == "'none'"
        assert (found["script-src"], found["style-src"], found["connect-src"]) == ("'self'",) * 3
        assert found["frame-ancestors"] == "'none'"
        assert found["require-trusted-types-for"] == "'script'"

    @pytest.mark.parametrize(
        ("path", "images"), [("/frame/", "data:"), ("/frame-images/", "data: http: https:")]
    )
    def test_frame_loads_images_only_where_asked_to(self, client: Any, path: str, images: str) -> None:
        found = policy(client.get(path))
        assert found["img-src"] == images
        assert found["style-src"] == "'unsafe-inline'"
        assert "connect-src" not in found
        assert found["default-src"] == "'none'"

    def test_every_response_has_the_protecting_headers(self, client: Any) -> None:
        for path in (*PAGES, *FRAMES, *FILES):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["content-security-policy"].startswith("default-src 'none'")

    def test_every_code_has_its_advice(self, client: Any) -> None:
        assert set(client.get("/facts.json").json()["advice"]) == {code.value for code in SendingCode}


class TestSources:
    """The pages read what others wrote, so they may make no HTML of it."""

    @pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
    def test_script_makes_no_html_of_a_value(self, path: Path) -> None:
        makes_html = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
        found = re.findall(makes_html, path.read_text())
        # The frame shows the HTML of a campaign in a sandbox.
        assert set(found) == ({"srcdoc", "outerHTML"} if path.name == "frame.js" else set())

    def test_files_name_no_other_host(self) -> None:
        for path in STATIC.iterdir():
            urls = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text()))
            assert urls <= {"http://www.w3.org/2000/svg"}, path.name

    def test_files_are_small(self) -> None:
        assert sum(path.stat().st_size for path in STATIC.iterdir()) < 64 * 1024


@needs_pages
def test_pages_read_the_keys_that_tasks_and_watchers_write() -> None:
    from airflow_provider_campaigns.operators.campaign_cleaner import get_campaign, quality_gate
    from airflow_provider_campaigns.rules import board
    from airflow_provider_campaigns.triggers import watchers

    script = (STATIC / "board.js").read_text()
    assert f'KEY = "{board.VERDICT_KEY}"' in script
    assert f'"{watchers.POSITION}{watchers.InstantlyHealthChangedTrigger.__name__}"' in script
    report = (STATIC / "report.js").read_text()
    assert json.dumps(get_campaign.PREVIEW_KEY) in report
    assert json.dumps(quality_gate.CHECKS_KEY) in report
