"""Asset URIs: their one form, what is refused, and what Airflow's lineage gets of each task."""

from __future__ import annotations

import importlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_campaigns.assets import account_uri, campaign_uri, file_uri, sanitize_uri
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator
from tests.conftest import KEY
from tests.support.airflow_versions import AIRFLOW, needs
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer
from tests.support.responses import CLEANER_ID

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
needs_assets = needs(AIRFLOW.major >= 3, "Airflow 2 warns of an invalid URI of a dataset")


def test_uris_have_one_form() -> None:
    assert campaign_uri("instantly", UUID.upper()) == f"instantly://api.instantly.ai/campaign/{UUID}"
    assert (
        campaign_uri("campaign-cleaner", "A/b") == "campaign-cleaner://api.campaigncleaner.com/campaign/a%2Fb"
    )
    assert (
        account_uri("instantly", "Sales", "health", base_url="https://u:p@Proxy.example:8443/x")
        == "instantly://proxy.example:8443/account/Sales/health"
    )
    assert account_uri("instantly", "a b", "ä/ö").endswith("/account/a%20b/%C3%A4%2F%C3%B6")


@needs_assets
def test_airflow_applies_the_form() -> None:
    asset = Asset("a", f"INSTANTLY://API.instantly.ai/campaign/{UUID.upper()}/#x")
    assert asset.uri == campaign_uri("instantly", UUID)


@pytest.mark.parametrize(
    "uri",
    [
        "instantly:///campaign/" + UUID,
        "instantly://api.instantly.ai",
        "instantly://api.instantly.ai/campaign/not-a-uuid",
        f"instantly://api.instantly.ai/campaign/{UUID}/x",
        "instantly://api.instantly.ai/account/",
        "instantly://api.instantly.ai/account/None",
        "instantly://api.instantly.ai/account/sales/%20",
        "campaign-cleaner://host/campaign/None",
        "campaign-cleaner://host/lead/1",
        "campaign-cleaner://host/campaign/1?api_key=" + KEY,
        f"campaign-cleaner://{KEY}@host/campaign/1",
    ],
)
def test_invalid_uri_is_refused_without_showing_a_key(uri: str) -> None:
    with pytest.raises(ValueError, match=r"asset URI") as error:
        sanitize_uri(urlsplit(uri))
    assert KEY not in str(error.value)
    if AIRFLOW.release[:2] == (3, 0) and "@" in uri:  # it removes the key itself, before it asks the provider
        with pytest.warns(UserWarning, match="should not contain auth info"):
            assert KEY not in repr(Asset("a", uri))
    elif AIRFLOW.major >= 3:
        with pytest.raises(ValueError, match=r"asset URI"):
            Asset("a", uri)


def test_uri_of_a_file_has_no_secret(tmp_path: Path) -> None:
    assert file_uri(str(tmp_path / "leads.csv")) == f"file://{tmp_path}/leads.csv"
    assert file_uri(f"file:///leads.csv?signature={KEY}") == "file:///leads.csv"


def test_uri_of_a_local_file_names_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path if str(sdk.ObjectStoragePath("out.csv")) == "out.csv" else ""  # Airflow 3.1 writes there
    assert file_uri("out.csv") == file_uri("x/../out.csv") == f"file://{root}/out.csv"
    assert file_uri("/srv/a?b#c.csv") == "file:///srv/a%3Fb%23c.csv"


class Lineage:
    """What a real collector of Airflow got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.collector = sdk.HookLineageCollector()
        # The other way round, the second module would look the function up in the first one, and keep it.
        for module in (sdk, importlib.import_module(self.collector.__module__)):
            monkeypatch.setattr(module, "get_hook_lineage_collector", lambda: self.collector, raising=False)

    def uris(self) -> tuple[set[str], set[str]]:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        found = get_hook_lineage_collector().collected_assets
        for each in (*found.inputs, *found.outputs):
            assert not each.asset.extra
        # Airflow itself reports local files without a scheme.
        return tuple(
            {each.asset.uri for each in some if ":" in each.asset.uri}
            for some in (found.inputs, found.outputs)
        )


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch) -> Lineage:
    return Lineage(monkeypatch)


def cleaner_uri(server: FakeServer) -> str:
    return campaign_uri("campaign-cleaner", CLEANER_ID, base_url=server.url)


def submit() -> str:
    task = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html="<p>Secret text</p>", campaign_name="Spring", durable=False
    )
    return TaskRunner().run(task)


class TestLineage:
    def test_submit_writes_the_campaign(self, connections: FakeServer, lineage: Lineage) -> None:
        connections.respond({"campaign": {"id": CLEANER_ID}})
        submit()
        assert lineage.uris() == (set(), {cleaner_uri(connections)})

    def test_get_reads_the_campaign_and_writes_the_file(
        self, connections: FakeServer, lineage: Lineage, tmp_path: Path
    ) -> None:
        connections.respond({"campaign": {"campaign_id": CLEANER_ID, "campaign_html": "<p>Hi</p>"}})
        target = tmp_path / "clean.html"
        task = CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id=CLEANER_ID, output_path=str(target)
        )
        TaskRunner().run(task)
        assert lineage.uris() == ({cleaner_uri(connections)}, {f"file://{target}"})

    def test_add_leads_reads_the_file_and_writes_the_campaign(
        self, connections: FakeServer, lineage: Lineage, tmp_path: Path
    ) -> None:
        leads = tmp_path / "leads.csv"
        leads.write_text("email\nada@example.com\n")
        connections.respond({"status": "success", "total_sent": 1, "leads_uploaded": 1})
        for check_only in (True, False):
            task = InstantlyAddLeadsOperator(
                task_id="add", campaign_id=UUID, leads_path=leads, check_only=check_only
            )
            TaskRunner().run(task)
            written = set() if check_only else {campaign_uri("instantly", UUID, base_url=connections.url)}
            assert lineage.uris() == ({f"file://{leads}"}, written)

    def test_failing_lineage_does_not_fail_the_task(
        self,
        connections: FakeServer,
        lineage: Lineage,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        connections.respond({"campaign": {"id": CLEANER_ID}})
        monkeypatch.setattr(lineage.collector, "create_asset", None, raising=False)
        monkeypatch.setattr(lineage.collector, "create_dataset", None, raising=False)
        assert submit() == CLEANER_ID
        assert "lineage" in caplog.text

    def test_no_reader_costs_no_uri(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("airflow_provider_campaigns.tasks.lineage.campaign_uri", lambda *_, **__: 1 / 0)
        connections.respond({"campaign": {"id": CLEANER_ID}})
        submit()
        assert "lineage" not in caplog.text


def test_openlineage_names_campaigns(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.openlineage import facet

    from airflow_provider_campaigns.assets import convert_to_openlineage

    monkeypatch.setattr(facet, "Dataset", lambda **names: names)
    asset = type("Asset", (), {"uri": campaign_uri("instantly", UUID)})
    assert convert_to_openlineage(asset, None) == {
        "namespace": "instantly://api.instantly.ai",
        "name": f"campaign/{UUID}",
    }
