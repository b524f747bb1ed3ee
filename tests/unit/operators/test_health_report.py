"""A health report checks many campaigns in one task; a campaign that fails is one of its rows."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, timeout

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    NotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyHealthReportOperator, health_report
from tests.conftest import set_connection
from tests.support.airflow_versions import BAD_ARGUMENT, HAS_PAGES
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import paths, sending_status
from tests.support.task_timeout import cut_off

CAMPAIGNS = "/api/v2/campaigns"
ACTIVE, DRAFT = 1, 0
UNAVAILABLE, GONE = Reply({}, status=503), Reply({"message": "Campaign not found"}, status=404)
LIMITED = Reply({}, status=429, headers={"Retry-After": "1"})


def uuid(number: int) -> str:
    return f"019e18e2-a52f-78e7-96f2-{number:012d}"


def status_path(number: int) -> str:
    return f"{CAMPAIGNS}/{uuid(number)}/sending-status"


def workspace(server: FakeServer, statuses: Mapping[int, str | Reply], lifecycle: int = ACTIVE) -> None:
    """Let the workspace have these campaigns, each with a code or another response."""
    items = [{"id": uuid(each), "name": f"Campaign {each}", "status": lifecycle} for each in statuses]
    server.respond({"items": items}, path=CAMPAIGNS)
    for number, status in statuses.items():
        reply = sending_status(status, campaign_id=uuid(number)) if isinstance(status, str) else status
        server.respond(reply, path=status_path(number))


def report(**arguments: Any) -> InstantlyHealthReportOperator:
    return InstantlyHealthReportOperator(**{"task_id": "report", **arguments})


class TestReport:
    def test_report_counts_all_and_returns_what_needs_a_person(
        self, connections: FakeServer, tmp_path: Path
    ) -> None:
        codes = {1: "healthy", 2: "campaign_paused", 3: "healthy", 4: "daily_limit_met", 5: "never_seen"}
        workspace(connections, {**codes, 6: GONE})
        runner, path = TaskRunner(), tmp_path / "new" / "report.jsonl"
        assert runner.run(report(path=path)) == [uuid(2)]
        summary = runner.ti.xcoms["summary"]
        paused, gone = summary.pop("messages")
        assert paused.startswith(f"Campaign 2 ({uuid(2)}): campaign_paused: Somebody paused the campaign")
        assert gone.startswith(f"Campaign 6 ({uuid(6)}): could not be checked: ")
        assert summary == {
            "campaigns": 6,
            "needs_person": 1,
            "failed": 1,
            "dispositions": {"open": 2, "wait": 2, "closed": 1},
            "codes": {"healthy": 2, "campaign_paused": 1, "daily_limit_met": 1, "unknown": 1},
            "path": str(path),
        }
        if HAS_PAGES:
            board = runner.ti.xcoms["campaigns_verdict"]["campaigns"]
            assert list(board) == [uuid(number) for number in (2, 4, 5, 1, 3)]
            assert board[uuid(2)][4] == "Campaign 2"
            assert board[uuid(2)][5].startswith("Somebody paused the campaign")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["campaign_id"] for row in rows] == [uuid(number) for number in range(1, 7)]
        assert [row.get("code", row.get("error")) for row in rows] == [*codes.values(), "NotFoundError"]
        assert {"name": "Campaign 2", "needs_person": True, "open": False}.items() <= rows[1].items()

    def test_intent_and_policy_are_those_of_the_gate(self, connections: FakeServer) -> None:
        workspace(connections, {1: "out_of_schedule", 2: "campaign_running_subsequences"})
        connections.respond({"id": uuid(1), "status": ACTIVE}, path=f"{CAMPAIGNS}/{uuid(1)}")
        runner = TaskRunner()
        task = report(intent="add_leads", policy={"campaign_running_subsequences": "closed"})
        assert runner.run(task) == [uuid(2)]
        assert runner.ti.xcoms["summary"]["dispositions"] == {"open": 1, "closed": 1}

    def test_max_status_age_is_that_of_the_gate(self, connections: FakeServer) -> None:
        workspace(connections, {1: sending_status("healthy", age=100, campaign_id=uuid(1))})
        runner = TaskRunner()
        runner.run(report(max_status_age=10))
        assert runner.ti.xcoms["summary"]["dispositions"] == {"wait": 1}

    @pytest.mark.parametrize(("intent", "checked"), [("send", 0), ("add_leads", 0), ("activate", 1)])
    def test_drafts_are_left_out_except_where_they_matter(
        self, intent: str, checked: int, connections: FakeServer
    ) -> None:
        workspace(connections, {1: "campaign_draft"}, lifecycle=DRAFT)
        connections.respond({"id": uuid(1), "status": DRAFT}, path=f"{CAMPAIGNS}/{uuid(1)}")
        runner = TaskRunner()
        assert runner.run(report(intent=intent)) == []
        assert runner.ti.xcoms["summary"]["campaigns"] == checked
        assert ("exclude_status=0" in connections.requests[0].path) is not bool(checked)

    def test_workspace_without_campaigns_has_an_empty_report(
        self, connections: FakeServer, tmp_path: Path
    ) -> None:
        workspace(connections, {})
        runner, path = TaskRunner(), tmp_path / "report.jsonl"
        assert runner.run(report(path=str(path))) == []
        assert runner.ti.xcoms["summary"]["campaigns"] == 0
        assert path.read_text() == ""

    def test_list_for_the_next_tasks_has_a_bound(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(health_report, "MAX_IDS", 2)
        workspace(connections, dict.fromkeys(range(3), "campaign_paused"))
        runner = TaskRunner()
        assert runner.run(report()) == [uuid(0), uuid(1)]
        assert runner.ti.xcoms["summary"]["needs_person"] == 3
        logged = capsys.readouterr().out
        assert "holds the first 2" in logged
        assert "Set path" in logged

    def test_report_runs_by_hand(self, connections: FakeServer) -> None:
        workspace(connections, {1: "campaign_paused"})
        assert report().execute({}) == [uuid(1)]

    def test_listed_item_without_a_valid_id_counts_as_failed(
        self, connections: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        workspace(connections, {1: "campaign_paused"})
        items = [
            {"id": "../x", "name": "Odd", "status": ACTIVE},
            {"status": ACTIVE},
            {"id": ["y"], "status": DRAFT},
            {"id": uuid(1), "name": "a\nb", "status": ACTIVE},
        ]
        connections.respond({"items": items}, path=CAMPAIGNS)
        runner, path = TaskRunner(), tmp_path / "report.jsonl"
        assert runner.run(report(path=path)) == [uuid(1)]
        summary = runner.ti.xcoms["summary"]
        assert (summary["campaigns"], summary["failed"]) == (3, 2)
        assert summary["messages"][0].startswith(f"a b ({uuid(1)})")
        assert summary["messages"][1].startswith("Odd (../x): could not be checked: Its id in the list")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["campaign_id"] for row in rows] == ["../x", "item 2 of the list", uuid(1)]
        assert len(connections.requests) == 2
        assert "Odd (../x): could not be checked" in capsys.readouterr().out


class TestNamedCampaigns:
    def test_only_named_campaigns_are_checked(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        workspace(connections, {1: "healthy", 2: "campaign_paused", 3: "campaign_paused"})
        listed = json.dumps([uuid(3), uuid(3).upper(), uuid(9)])  # as a template renders it
        connections.respond(GONE, path=status_path(9))
        runner, task = TaskRunner(), report(campaign_ids="{{ params.ids }}")
        task.campaign_ids = listed
        assert runner.run(task) == [uuid(3)]
        assert sorted(paths(connections)[1:]) == [status_path(3), status_path(9)]
        paused, gone = runner.ti.xcoms["summary"]["messages"]
        assert paused.startswith(f"Campaign 3 ({uuid(3)}): ")
        assert gone.startswith(f"{uuid(9)}: could not be checked: ")
        assert "3 ids, 2 of them different" in caplog.text

    def test_list_is_read_no_further_than_the_names(self, connections: FakeServer) -> None:
        workspace(connections, {1: "healthy"})
        page = {"items": [{"id": uuid(1), "name": "First"}], "next_starting_after": uuid(1)}
        connections.respond(page, path=CAMPAIGNS)
        TaskRunner().run(report(campaign_ids=[uuid(1)]))
        assert len(connections.requests) == 2

    @pytest.mark.parametrize(
        "reply", [Reply(b"<html>"), UNAVAILABLE, LIMITED, Reply({}, status=403), Reply({}, status=404)]
    )
    def test_failing_list_costs_only_the_names(self, reply: Reply, connections: FakeServer) -> None:
        workspace(connections, {1: "campaign_paused"})
        connections.respond(reply, path=CAMPAIGNS)
        assert TaskRunner().run(report(campaign_ids=[uuid(1)])) == [uuid(1)]

    @pytest.mark.parametrize(
        ("ids", "named"),
        [
            ([], "campaign_ids must have 1 to 10,000 ids, got a list of 0"),
            ([uuid(each) for each in range(10_001)], "1 to 10,000 ids, got a list of 10,001"),
            ([*(uuid(each) for each in range(999)), "x"], r"campaign_ids\[999\] must be a UUID .* 'x'"),
            (uuid(1), "campaign_ids must be a list of ids"),
        ],
        ids=["empty", "too many", "not an id", "one id"],
    )
    def test_bad_list_is_refused_before_any_request(
        self, ids: Any, named: str, connections: FakeServer
    ) -> None:
        with pytest.raises(BAD_ARGUMENT, match=named):
            report(campaign_ids=ids)
        task = report(campaign_ids="{{ params.ids }}")
        task.campaign_ids = ids
        with pytest.raises(ValueError, match=named):
            TaskRunner().run(task)
        assert connections.requests == []


class TestPath:
    @pytest.mark.parametrize("path", ["folder", "file/report.jsonl", "no-such-scheme://x/y"])
    def test_path_that_cannot_be_written_fails_before_any_request(
        self, path: str, connections: FakeServer, tmp_path: Path
    ) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match=path):
            TaskRunner().run(report(path=path if "://" in path else str(tmp_path / path)))
        assert connections.requests == []

    def test_earlier_report_stays_until_there_is_another(
        self, connections: FakeServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "report.jsonl"
        path.write_text("earlier")
        connections.respond(Reply({}, status=401))
        with pytest.raises(AuthenticationError):
            TaskRunner().run(report(path=path))
        assert path.read_text() == "earlier"

    def test_failed_report_leaves_no_file(self, connections: FakeServer, tmp_path: Path) -> None:
        connections.respond(Reply({}, status=401))
        with pytest.raises(AuthenticationError):
            TaskRunner().run(report(path=tmp_path / "report.jsonl"))
        assert list(tmp_path.iterdir()) == []

    def test_missing_part_of_the_path_is_refused(self) -> None:
        task = report(path="/out/{{ params.x }}-report.jsonl")
        task.path = "/out/None-report.jsonl"
        with pytest.raises(ValueError, match="path contains 'None'"):
            TaskRunner().run(task)


class TestFailures:
    @pytest.mark.parametrize("arguments", [{}, {"campaign_ids": [uuid(each) for each in range(50)]}])
    def test_bad_key_ends_the_report_after_one_request(
        self, arguments: dict[str, Any], connections: FakeServer
    ) -> None:
        connections.respond(Reply({"message": "Invalid API key"}, status=401))
        with pytest.raises(AuthenticationError):
            TaskRunner().run(report(**arguments))
        assert len(connections.requests) == 1

    def test_failing_campaign_is_one_row(self, connections: FakeServer, tmp_path: Path) -> None:
        codes = dict.fromkeys(range(100), "healthy")
        workspace(connections, {**codes, 7: UNAVAILABLE, 8: Reply(drop="before")})
        runner, path = TaskRunner(), tmp_path / "report.jsonl"
        assert runner.run(report(path=path)) == []
        assert runner.ti.xcoms["summary"]["codes"] == {"healthy": 98}
        assert paths(connections).count(status_path(7)) == 5
        errors = [row["error"] for row in map(json.loads, path.read_text().splitlines()) if "error" in row]
        assert errors == ["ServiceUnavailableError", "IncompleteResponseError"]

    @pytest.mark.parametrize("campaigns", [20, 200])
    def test_outage_ends_the_report(self, campaigns: int, connections: FakeServer) -> None:
        workspace(connections, dict.fromkeys(range(campaigns), UNAVAILABLE))
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(report())
        assert len(connections.requests) <= 1 + 5 * 2 * 20

    @pytest.mark.parametrize(
        "statuses",
        [
            {1: UNAVAILABLE},
            {1: UNAVAILABLE, 2: UNAVAILABLE},
            {1: LIMITED},
        ],
        ids=["one", "two", "limited"],
    )
    def test_few_failing_campaigns_are_rows(
        self, statuses: dict[int, Reply], connections: FakeServer
    ) -> None:
        workspace(connections, {**statuses, 9: "healthy"})
        runner = TaskRunner()
        assert runner.run(report()) == []
        assert runner.ti.xcoms["summary"]["failed"] == len(statuses)

    @pytest.mark.parametrize(
        ("reply", "error"),
        [(UNAVAILABLE, ServiceUnavailableError), (Reply({}, status=404), NotFoundError)],
        ids=["outage", "another workspace"],
    )
    def test_report_without_any_verdict_fails(
        self, reply: Reply, error: type[Exception], connections: FakeServer, tmp_path: Path
    ) -> None:
        workspace(connections, dict.fromkeys(range(3), reply))
        runner, path = TaskRunner(), tmp_path / "report.jsonl"
        with pytest.raises(error):
            runner.run(report(path=path))
        assert runner.ti.xcoms["summary"]["failed"] == 3
        assert len(path.read_text().splitlines()) == 3

    def test_rate_limit_pauses_all_requests(self, connections: FakeServer, clock: FakeClock) -> None:
        workspace(connections, dict.fromkeys(range(50), "healthy"))
        limited = Reply({}, status=429, headers={"Retry-After": "120"})
        connections.respond(limited, sending_status("healthy", campaign_id=uuid(0)), path=status_path(0))
        runner = TaskRunner()
        runner.run(report())
        assert runner.ti.xcoms["summary"]["codes"] == {"healthy": 50}
        assert clock.slept > 119  # less what had passed since the response
        # The pause counts once, not once for each of them.
        assert clock.slept < 130

    def test_longer_rate_limit_is_left_to_a_retry(self, connections: FakeServer) -> None:
        workspace(connections, dict.fromkeys(range(50), "healthy"))
        connections.respond(Reply({}, status=429, headers={"Retry-After": "301"}), path=status_path(0))
        with pytest.raises(RateLimitedError):
            TaskRunner().run(report())

    def test_timeout_of_the_task_ends_the_requests(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        extra = {"timeout": 600, "max_requests_per_second": 1000}
        set_connection(monkeypatch, "instantly", host=connections.url, extra=extra)
        workspace(connections, dict.fromkeys(range(50), cut_off()))
        with pytest.raises(AirflowTaskTimeout), timeout(600):
            TaskRunner().run(report())
        for thread in [each for each in threading.enumerate() if each.name == "verdicts"]:
            thread.join(60)  # no response comes, so it ends only if it was told to
            assert not thread.is_alive()
        assert len(connections.requests) <= 21


class TestManyCampaigns:
    def test_progress_is_logged_and_connections_are_few(
        self, connections: FakeServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        numbers = range(250)
        workspace(connections, {each: "campaign_paused" if each == 3 else "healthy" for each in numbers})
        assert TaskRunner().run(report()) == [uuid(3)]
        assert connections.connections <= 1 + 20  # one lists the campaigns, and is closed then
        lines = [line for line in capsys.readouterr().out.splitlines() if "of 250 campaigns" in line]
        assert len(lines) == 3
        for line, checked in zip(lines, (100, 200, 250), strict=True):
            assert f"{checked} of 250 campaigns: 1 needs a person" in line
