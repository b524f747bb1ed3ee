"""Measures the health board in a browser: how soon it shows 2,000 campaigns.

A real Airflow reports several times on all campaigns of the sandbox. A browser then opens the board, each
time with an empty cache.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox import RunningSandbox, running, seed
from benchmarks.contenders import REQUESTS_PER_SECOND
from scripts.browser import launch
from scripts.local_airflow import local_airflow

CAMPAIGNS = 2000
REPORTS = 12
_VISITS = 7
_DAG = """
from airflow.sdk import DAG
from airflow_provider_campaigns.operators.instantly import InstantlyHealthReportOperator

with DAG("report", schedule=None):
    InstantlyHealthReportOperator(task_id="report")
"""
_CODES = ("healthy", "healthy", "healthy", "daily_limit_met", "out_of_schedule", "all_accounts_unhealthy")
# When the browser has painted the first campaigns.
_OBSERVER = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("tbody tr")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.campaignsAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""


@dataclass(frozen=True)
class Opening:
    """The opening of the board, in milliseconds since the click; medians.

    :param reports: reports on all campaigns.
    :param painted: until the browser painted anything.
    :param first: until it painted campaigns.
    :param complete: until all reports were read.
    """

    reports: int
    painted: float
    first: float
    complete: float


def run(*, quick: bool) -> list[Opening]:
    """Measure the board after one report, and after many."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="bench-board-") as folder, running() as sandbox:
        _fill(sandbox)
        dags = Path(folder, "dags")
        dags.mkdir()
        Path(dags, "report.py").write_text(_DAG, encoding="utf-8")
        connection = {
            "conn_type": "instantly",
            "host": sandbox.url,
            "password": "sandbox",
            "extra": {"max_requests_per_second": REQUESTS_PER_SECOND},
        }
        environment = {"AIRFLOW_CONN_INSTANTLY_DEFAULT": json.dumps(connection)}
        with (
            local_airflow(Path(folder, "home"), dags, environment) as airflow,
            sync_playwright() as playwright,
        ):
            airflow.wait_for_dag("report")
            browser = launch(playwright)
            found = []
            for number in range(1, REPORTS + 1):
                run = airflow.run_dag("report", {})
                if run["state"] != "success":
                    raise RuntimeError(f"The report ended as {run['state']}.")
                if number in (1, REPORTS):
                    visits = [_visit(browser, airflow.url) for _ in range(3 if quick else _VISITS)]
                    medians = map(statistics.median, zip(*visits, strict=True))
                    found.append(Opening(number, *medians))
            browser.close()
    return found


def _fill(sandbox: RunningSandbox) -> None:
    state = sandbox.state
    for number in range(CAMPAIGNS):
        campaign_id = f"5a4db0c5-0000-4000-8000-{100_000 + number:012}"
        name, now = f"Campaign {number}", state.clock()
        state.campaigns[campaign_id] = seed.campaign(campaign_id, name, now, status=LifecycleStatus.ACTIVE)
        state.play_sending_status(campaign_id, [_CODES[number % len(_CODES)]])


def _visit(browser: Any, url: str) -> tuple[float, float, float]:
    """Open the board once, and return the milliseconds until each of its moments."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/auth/token/login")
    page.add_init_script(_OBSERVER)
    page.goto(f"{url}/campaigns/")
    page.wait_for_selector("main:not(:has([aria-busy]))")
    page.wait_for_function("window.campaignsAt")
    complete = page.evaluate("performance.now()")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    first = page.evaluate("window.campaignsAt")
    context.close()
    return painted, first, max(complete, first)
