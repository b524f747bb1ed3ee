"""The test cluster itself: it finds what is wrong with a launch, and kills all processes of a component."""

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

from airflow_provider_campaigns.sandbox import SandboxState, running
from tests.system.cluster.check import Records, compare, read_records
from tests.system.cluster.components import Component
from tests.system.cluster.plan import KINDS, Launch, plan_launches, prepare_sandbox

SMALL = Path(__file__).parent / "cluster" / "small.sh"
LAUNCHES = plan_launches(60, random.Random("some"), 0.5)
SENDS = next(launch for launch in LAUNCHES if launch.sends)
STOPS = next(launch for launch in LAUNCHES if not launch.sends)


def correct_end(launches: list[Launch]) -> tuple[Records, dict[str, str | None]]:
    records = Records(
        spent=len(launches),
        submitted=[f"{launch.name} af-0123456789ab" for launch in launches],
        leads={launch.campaign_id: Counter(launch.leads) for launch in launches if launch.sends},
        lifecycles={launch.campaign_id: launch.lifecycle for launch in launches},
    )
    return records, {launch.name: "success" if launch.sends else "failed" for launch in launches}


def with_leads(records: Records, launch: Launch, leads: list[str]) -> Records:
    return replace(records, leads={**records.leads, launch.campaign_id: Counter(leads)})


class TestPlan:
    def test_plan_has_every_kind_of_campaign(self) -> None:
        assert {launch.kind for launch in LAUNCHES} == set(KINDS)

    def test_plan_depends_on_the_seed_only(self) -> None:
        assert plan_launches(60, random.Random("some"), 0.5) == LAUNCHES
        assert plan_launches(60, random.Random("another"), 0.5) != LAUNCHES

    def test_only_campaigns_that_must_send_become_healthy(self) -> None:
        with running() as sandbox:
            prepare_sandbox(sandbox.state, LAUNCHES)
            assert {launch.name: last_code(sandbox.url, launch) == "healthy" for launch in LAUNCHES} == {
                launch.name: launch.sends for launch in LAUNCHES
            }


def last_code(url: str, launch: Launch) -> str:
    """Activate the campaign if the launch does, and poll until the code no longer changes."""
    address, headers = f"{url}/api/v2/campaigns/{launch.campaign_id}", {"Authorization": "Bearer any"}
    if KINDS[launch.kind].activates:
        requests.post(f"{address}/activate", headers=headers, timeout=60).raise_for_status()
    for _ in range(max(len(launch.script), 1)):
        status = requests.get(f"{address}/sending-status", headers=headers, timeout=60).json()
    return str((status["diagnostics"] or status["summary"])["status"])


class TestCheck:
    def test_correct_records_have_no_findings(self) -> None:
        assert compare(LAUNCHES, *correct_end(LAUNCHES)).none

    @pytest.mark.parametrize(
        ("launch", "spoil", "finding"),
        [
            (
                SENDS,
                lambda records: with_leads(records, SENDS, SENDS.leads[1:]),
                "1 of its leads are missing",
            ),
            (SENDS, lambda records: with_leads(records, SENDS, []), "5 of its leads are missing"),
            (
                SENDS,
                lambda records: with_leads(records, SENDS, [*SENDS.leads, SENDS.leads[0]]),
                "1 of its leads were added more than once",
            ),
            (
                SENDS,
                lambda records: with_leads(records, SENDS, [*SENDS.leads, "who@example.com"]),
                "1 leads of other launches were added",
            ),
            (
                STOPS,
                lambda records: with_leads(records, STOPS, STOPS.leads[:2]),
                f"got 2 leads, though its campaign is unfit: {STOPS.kind}",
            ),
            (
                SENDS,
                lambda records: replace(
                    records, submitted=[*records.submitted, f"{SENDS.name} af-ba9876543210"]
                ),
                "was submitted 2 times",
            ),
            (
                STOPS,
                lambda records: replace(
                    records, submitted=[each for each in records.submitted if not each.startswith(STOPS.name)]
                ),
                "was submitted 0 times",
            ),
            (
                SENDS,
                lambda records: replace(records, lifecycles={**records.lifecycles, SENDS.campaign_id: 0}),
                "its campaign is draft (0), not active (1)",
            ),
        ],
    )
    def test_wrong_records_are_found_with_their_launch(
        self, launch: Launch, spoil: Callable[[Records], Records], finding: str
    ) -> None:
        records, states = correct_end(LAUNCHES)
        assert compare(LAUNCHES, spoil(records), states).launches == {launch.name: [finding]}

    @pytest.mark.parametrize(
        ("launch", "state", "finding"),
        [
            (SENDS, "running", "its run has not ended: running"),
            (SENDS, None, "its run has not ended: None"),
            (SENDS, "failed", "its run is failed, not success"),
            (STOPS, "success", "its run is success, not failed"),
        ],
    )
    def test_wrong_run_state_is_found_with_its_launch(
        self, launch: Launch, state: str | None, finding: str
    ) -> None:
        records, states = correct_end(LAUNCHES)
        states[launch.name] = state
        assert compare(LAUNCHES, records, states).launches == {launch.name: [finding]}

    def test_records_of_no_launch_are_found(self) -> None:
        records, states = correct_end(LAUNCHES)
        foreign = {"5a4db0c5-0000-4000-8000-000000000001": Counter({"who@example.com": 2})}
        records = replace(
            records,
            spent=61,
            submitted=[*records.submitted, "other af-0123456789ab"],
            leads={**records.leads, **foreign},
        )
        assert compare(LAUNCHES, records, states).others == [
            "61 credits were spent, not 60",
            "2 leads are in campaigns of no launch",
            "submitted for no launch: other",
        ]

    def test_records_are_read_from_the_sandbox(self) -> None:
        state = SandboxState()
        prepare_sandbox(state, LAUNCHES)
        state.submit(f"{SENDS.name} af-0123456789ab", "<p>Spring</p>", {})
        for number in range(2):
            state.leads[str(number)] = {"campaign": SENDS.campaign_id, "email": SENDS.leads[0]}
        records = read_records(state)
        assert records.spent == 1
        assert records.submitted == [f"{SENDS.name} af-0123456789ab"]
        assert records.leads == {SENDS.campaign_id: Counter({SENDS.leads[0]: 2})}
        assert records.lifecycles[STOPS.campaign_id] == KINDS[STOPS.kind].lifecycle


def test_killing_a_component_kills_its_descendants(tmp_path: Path) -> None:
    # The child has a process group of its own, as Airflow's tasks have.
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


def test_small_cluster_without_packages_skips_with_reason(tmp_path: Path) -> None:
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
