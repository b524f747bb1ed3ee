"""The script that runs a distributed Airflow: does it see what would be wrong, does it end what it kills?"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests
from cluster_airflow import Component
from cluster_books import KINDS, Books, Launch, books_of, judge, plan, prepare

from airflow_provider_campaigns.sandbox import SandboxState, running
from tests.support import ROOT

SMALL = ROOT / "scripts" / "cluster_small.sh"
LAUNCHES = plan(60, random.Random("some"), 0.5)
SENDS = next(launch for launch in LAUNCHES if launch.sends)
STOPS = next(launch for launch in LAUNCHES if not launch.sends)


def ended_well(launches: list[Launch]) -> tuple[Books, dict[str, str | None]]:
    books = Books(
        spent=len(launches),
        submitted=[f"{launch.name} af-0123456789ab" for launch in launches],
        leads={launch.campaign_id: Counter(launch.leads) for launch in launches if launch.sends},
        lifecycles={launch.campaign_id: launch.lifecycle for launch in launches},
    )
    return books, {launch.name: "success" if launch.sends else "failed" for launch in launches}


def with_leads(books: Books, launch: Launch, leads: list[str]) -> Books:
    return replace(books, leads={**books.leads, launch.campaign_id: Counter(leads)})


def test_a_plan_holds_every_kind_of_campaign_and_is_the_same_for_the_same_seed() -> None:
    assert {launch.kind for launch in LAUNCHES} == set(KINDS)
    assert plan(60, random.Random("some"), 0.5) == LAUNCHES
    assert plan(60, random.Random("another"), 0.5) != LAUNCHES


def test_nothing_is_found_where_all_is_as_it_should_be() -> None:
    assert judge(LAUNCHES, *ended_well(LAUNCHES)).well


@pytest.mark.parametrize(
    ("launch", "spoil", "finding"),
    [
        (SENDS, lambda books: with_leads(books, SENDS, SENDS.leads[1:]), "1 of its leads did not arrive"),
        (SENDS, lambda books: with_leads(books, SENDS, []), "5 of its leads did not arrive"),
        (
            SENDS,
            lambda books: with_leads(books, SENDS, [*SENDS.leads, SENDS.leads[0]]),
            "1 of its leads arrived more than once",
        ),
        (
            SENDS,
            lambda books: with_leads(books, SENDS, [*SENDS.leads, "who@example.com"]),
            "1 leads arrived that are not its own",
        ),
        (
            STOPS,
            lambda books: with_leads(books, STOPS, STOPS.leads[:2]),
            f"got 2 leads, though its campaign is unfit: {STOPS.kind}",
        ),
        (
            SENDS,
            lambda books: replace(books, submitted=[*books.submitted, f"{SENDS.name} af-ba9876543210"]),
            "was submitted 2 times",
        ),
        (
            STOPS,
            lambda books: replace(
                books, submitted=[each for each in books.submitted if not each.startswith(STOPS.name)]
            ),
            "was submitted 0 times",
        ),
        (
            SENDS,
            lambda books: replace(books, lifecycles={**books.lifecycles, SENDS.campaign_id: 0}),
            "its campaign is draft (0), not active (1)",
        ),
    ],
)
def test_what_the_books_hold_against_the_plan_is_found_with_its_launch(
    launch: Launch, spoil: Callable[[Books], Books], finding: str
) -> None:
    books, states = ended_well(LAUNCHES)
    assert judge(LAUNCHES, spoil(books), states).launches == {launch.name: [finding]}


@pytest.mark.parametrize(
    ("launch", "state", "finding"),
    [
        (SENDS, "running", "its run has not ended: running"),
        (SENDS, None, "its run has not ended: None"),
        (SENDS, "failed", "its run is failed, and was to be success"),
        (STOPS, "success", "its run is success, and was to be failed"),
    ],
)
def test_a_run_that_ends_otherwise_than_it_should_is_found(
    launch: Launch, state: str | None, finding: str
) -> None:
    books, states = ended_well(LAUNCHES)
    assert judge(LAUNCHES, books, {**states, launch.name: state}).launches == {launch.name: [finding]}


def test_credits_and_leads_that_belong_to_no_launch_are_found() -> None:
    books, states = ended_well(LAUNCHES)
    books = replace(books, spent=61, submitted=[*books.submitted, "other af-0123456789ab"])
    books.leads["5a4db0c5-0000-4000-8000-000000000001"] = Counter({"who@example.com": 2})  # type: ignore[index]
    assert judge(LAUNCHES, books, states).others == [
        "61 credits were spent, and not 60",
        "2 leads are in campaigns of no launch",
        "submitted for no launch: other",
    ]


def test_only_campaigns_that_are_to_send_come_to_be_healthy_in_the_sandbox() -> None:
    with running() as sandbox:
        prepare(sandbox.state, LAUNCHES)
        assert {launch.name: _last_code(sandbox.url, launch) == "healthy" for launch in LAUNCHES} == {
            launch.name: launch.sends for launch in LAUNCHES
        }


def _last_code(url: str, launch: Launch) -> str:
    """Activate the campaign if the launch does, and ask as often as it takes until the answer stays."""
    address, headers = f"{url}/api/v2/campaigns/{launch.campaign_id}", {"Authorization": "Bearer any"}
    if KINDS[launch.kind].activates:
        requests.post(f"{address}/activate", headers=headers, timeout=10).raise_for_status()
    for _ in range(max(len(launch.script), 1)):
        answer = requests.get(f"{address}/sending-status", headers=headers, timeout=10).json()
    return str((answer["diagnostics"] or answer["summary"])["status"])


def test_the_books_are_what_the_sandbox_holds() -> None:
    state = SandboxState()
    prepare(state, LAUNCHES)
    state.submit(f"{SENDS.name} af-0123456789ab", "<p>Spring</p>", {})
    for number in range(2):
        state.leads[str(number)] = {"campaign": SENDS.campaign_id, "email": SENDS.leads[0]}
    books = books_of(state)
    assert books.spent == 1
    assert books.submitted == [f"{SENDS.name} af-0123456789ab"]
    assert books.leads == {SENDS.campaign_id: Counter({SENDS.leads[0]: 2})}
    assert books.lifecycles[STOPS.campaign_id] == KINDS[STOPS.kind].lifecycle


def test_killing_a_component_ends_all_that_it_started(tmp_path: Path) -> None:
    # The child is in a process group of its own, as Airflow's tasks are.
    child = "import os, time; os.setpgid(0, 0); time.sleep(600)"
    starts = f"import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid)"
    script = f"{starts}; sys.stdout.flush(); time.sleep(600)"
    component = Component("any", [], os.environ, tmp_path / "log")
    component.process = parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()
    while os.getpgid(pid) != pid:
        time.sleep(0.01)
    component.kill()
    assert parent.returncode == -9
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_small_form_says_why_it_skips_where_nothing_can_be_installed(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [SMALL],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("skipped: ")
    assert "redis-server" in done.stdout
