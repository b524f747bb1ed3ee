"""Each Python block of the documentation runs against the sandbox, in a Dag file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, RunningSandbox, running
from tests.conftest import set_connection
from tests.support.airflow_runs import run
from tests.support.airflow_versions import AIRFLOW, HAS_RETRY_POLICIES, DagBag
from tests.support.pages import PAGES, Block, blocks

pytestmark = pytest.mark.usefixtures("database")

# Those of docs/use/tell.md are in tests/dags/telling.py.
BLOCKS = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "python" and not block.page.endswith("tell.md")
]
# What a page calls the user's own, and what its other blocks define.
PREAMBLE = """
from datetime import timedelta
from itertools import islice

from airflow.providers.common.compat.sdk import DAG, dag, task, task_group

from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.notifications import InstantlyPauseCampaignNotifier
from airflow_provider_campaigns.operators.campaign_cleaner import *
from airflow_provider_campaigns.operators.instantly import *
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, PAUSED_CAMPAIGN_ID
from airflow_provider_campaigns.sensors.campaign_cleaner import *

CAMPAIGN_ID = GERMAN_CAMPAIGN_ID = FRENCH_CAMPAIGN_ID = campaign_id = HEALTHY_CAMPAIGN_ID
LEADS = [{"email": "ada@example.com"}]
deliver = print


@task
def write_newsletter():
    return "<p>Hi {{firstName}}</p>"


@task
def choose_leads():
    return LEADS


@task
def mail_to(addresses):
    pass


def submitted(name):
    return CampaignCleanerSubmitCampaignOperator(
        task_id=name, campaign_name=name, campaign_html=write_newsletter()
    )
"""
# The tasks that a block takes from another one.
UPSTREAM = {
    "submit_campaign": "submit_campaign = submitted('submit_campaign')",
    "submit_campaigns": """submit_campaigns = CampaignCleanerSubmitCampaignOperator.partial(
    task_id="submit_campaigns", campaign_html=write_newsletter()
).expand(campaign_name=["Spring", "Summer"])""",
    "get_campaign": """get_campaign = CampaignCleanerGetCampaignOperator(
    task_id="get_campaign", campaign_id=submit_campaign.output, output_path="FOLDER/get.html"
)""",
}
PARAMS = dict.fromkeys(
    ("instantly_campaign_id", "campaign_id", "campaign", "source", "target"), HEALTHY_CAMPAIGN_ID
)
# What a block leaves to its reader, by what it contains.
COMPLETED = {
    "def newsletter_ready": "newsletter_ready()",
    "def send(verdict, batches)": "send([LEADS])",
    "def drafts": "drafts()",
}
# Blocks of which Airflow needs 3.3 at least, by what they contain.
NEEDS_3_3 = {
    "watchers import": HAS_WATCHERS,
    "PartitionedAsset": HAS_WATCHERS,
    "retries import": HAS_RETRY_POLICIES,
}
# A task that gets nothing to do skips itself.
MAY_SKIP = {'on_closed="skip"', "health.output", "EmitCompleted", "def newsletter_ready"}


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox in which nothing takes time, to which the connections of the pages point."""
    with running(processing_seconds=0) as started:
        for conn_id in ("campaign_cleaner_default", "instantly_default", "instantly_de", "instantly_fr"):
            conn_type = "instantly" if conn_id.startswith("instantly") else "campaign_cleaner"
            set_connection(monkeypatch, conn_type, conn_id=conn_id, host=started.url, password="sandbox")
        yield started


def dag_file(block: Block, folder: Path) -> str:
    """Return the file in which a reader writes a block."""
    text = re.sub(r"s3://aws_default@\w+", f"file://{folder}", block.text)
    text += "".join(f"\n{more}\n" for known, more in COMPLETED.items() if known in text)
    if re.search(r"\bDAG\(|^@dag", text, re.MULTILINE):
        return PREAMBLE + text
    wanted, needed = text, []
    for name in reversed(UPSTREAM):
        if re.search(
            rf"\b{name}\b(?! = )", re.sub(rf"(task_id=\"{name}\"|^{name} = )", "", wanted, flags=re.M)
        ):
            needed.insert(0, UPSTREAM[name].replace("FOLDER", f"file://{folder}"))
            wanted += needed[0]
    body = textwrap.indent("\n".join([*needed, text]), "    ")
    dag_id = re.sub(r"\W", "_", f"{block.page}_{block.line}")
    return f"{PREAMBLE}\nwith DAG({dag_id!r}, schedule=None, params={PARAMS!r}):\n{body}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
@pytest.mark.usefixtures("instant")
def test_python_of_a_page_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known, has_it in NEEDS_3_3.items():
        if known in block.text and not has_it:
            pytest.skip(f"needs Airflow 3.3; this is {AIRFLOW}")
    for day in range(2):
        name = f"{datetime.now(timezone.utc) + timedelta(days=day):%Y-%m-%d}.csv"
        (tmp_path / name).write_text("Email,First Name\nada@example.com,Ada\n")
    folder = tmp_path / "documented"
    folder.mkdir()
    (folder / "docs.py").write_text(dag_file(block, tmp_path))
    bag = DagBag(dag_folder=str(folder))
    assert bag.import_errors == {}
    for each in bag.dags.values():
        if each.task_ids:
            state, states, _ = run(each, **PARAMS)
            allowed = (
                {"success", "skipped"} if any(known in block.text for known in MAY_SKIP) else {"success"}
            )
            assert (state, {task: found for task, found in states.items() if found not in allowed}) == (
                "success",
                {},
            )
