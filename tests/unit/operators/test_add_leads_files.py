"""Files as exported: their headers, their bad rows, and what the log and the XCom say about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import INSTANTLY_LINK, UUID

SECRET = "Topsecret"
APOLLO = (
    "\ufeffFirst Name,Last Name,Title,Company,Company Name for Emails,Email,Industry\r\n"
    "Ada,Lovelace,CTO,Analytical Engines Ltd,Analytical Engines,ada@example.com,computing\r\n"
    f"{SECRET},Nobody,CEO,Nowhere Inc,Nowhere,,none\r\n"
    "Grace,Hopper,,US Navy,Navy,grace@example.com,defence\r\n"
)


def all_added(request: Request) -> bytes:
    count = len(request.json["leads"])
    return json.dumps({"status": "success", "total_sent": count, "leads_uploaded": count}).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "leads.csv"
    path.write_bytes(APOLLO.encode())
    return path


@pytest.fixture(autouse=True)
def responses(connections: FakeServer) -> None:
    connections.respond(Reply(all_added))


def add(path: Any, **arguments: Any) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(task_id="add", campaign_id=UUID, leads_path=path, **arguments)


class TestColumns:
    def test_export_of_apollo_is_added(
        self, connections: FakeServer, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        TaskRunner().run(add(str(path), on_bad_row="skip"))
        assert connections.requests[0].json["leads"] == [
            {
                "email": "ada@example.com",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "job_title": "CTO",
                "company_name": "Analytical Engines",
                "custom_variables": {"Company": "Analytical Engines Ltd", "Industry": "computing"},
            },
            {
                "email": "grace@example.com",
                "first_name": "Grace",
                "last_name": "Hopper",
                "company_name": "Navy",
                "custom_variables": {"Company": "US Navy", "Industry": "defence"},
            },
        ]
        planned = (
            "7 columns -> first_name, last_name, job_title, company_name, email; custom: Company, Industry"
        )
        assert capsys.readouterr().out.count(planned) == 1

    def test_columns_override_known_headers(self, connections: FakeServer, path: Path) -> None:
        columns = {"Company": "company_name", "Industry": "sector", "Title": None}
        TaskRunner().run(add(str(path), on_bad_row="skip", columns=columns))
        lead = connections.requests[0].json["leads"][0]
        assert lead["company_name"] == "Analytical Engines Ltd"
        assert lead["custom_variables"] == {
            "Company Name for Emails": "Analytical Engines",
            "sector": "computing",
        }
        assert "job_title" not in lead

    def test_near_miss_is_logged(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path.write_text("Email,Frist Name\na@b.c,Ada\n")
        TaskRunner().run(add(str(path)))
        assert "'Frist Name' becomes a custom variable. Did you mean first_name?" in capsys.readouterr().out

    def test_cell_with_several_addresses_is_logged(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path.write_text("Email\na@b.c ::: d@e.f\n")
        TaskRunner().run(add(str(path)))
        assert "Rows with several addresses, of which the first is used: 1." in capsys.readouterr().out

    def test_columns_with_json_lines_are_refused(self, connections: FakeServer, tmp_path: Path) -> None:
        task = add("{{ params.path }}", columns={"Mail": "email"})
        task.leads_path = str(tmp_path / "leads.jsonl")
        with pytest.raises(ValueError, match=r"columns is for leads_path with a \.csv file"):
            TaskRunner().run(task)


class TestBadRows:
    def test_bad_row_stops_the_upload_by_default(
        self, connections: FakeServer, path: Path, tmp_path: Path
    ) -> None:
        report = tmp_path / "reports" / "bad.txt"
        with pytest.raises(ValueError, match=r"leads\.csv, line 3 has no e-mail address") as raised:
            TaskRunner().run(add(str(path), bad_rows_path=str(report)))
        assert SECRET not in str(raised.value)
        assert connections.requests == []
        assert report.read_text() == "line 3 has no e-mail address.\n"

    def test_skipped_rows_are_in_the_xcom_and_the_file(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = tmp_path / "bad.txt"
        result = TaskRunner().run(add(path, on_bad_row="skip", bad_rows_path=report))
        assert (result["leads"], result["leads_uploaded"], result["complete"]) == (2, 2, True)
        assert (result["bad_rows"], result["bad_rows_first"]) == (1, ["line 3 has no e-mail address."])
        assert report.read_text() == "line 3 has no e-mail address.\n"
        output = capsys.readouterr().out
        assert f"Left out: {path}, line 3 has no e-mail address." in output
        assert SECRET not in output

    def test_file_without_bad_rows_leaves_no_report(self, path: Path, tmp_path: Path) -> None:
        path.write_text("email\na@b.c\n")
        report = tmp_path / "bad.txt"
        result = TaskRunner().run(add(str(path), on_bad_row="skip", bad_rows_path=str(report)))
        assert not report.exists()
        assert not {"bad_rows", "bad_rows_first", "unaccounted"} & result.keys()

    def test_invalid_leads_of_a_list_are_skipped(self, connections: FakeServer) -> None:
        leads = [{"email": "a@b.c"}, {"email": SECRET}]
        task = InstantlyAddLeadsOperator(task_id="add", campaign_id=UUID, leads=leads, on_bad_row="skip")
        result = TaskRunner().run(task)
        assert connections.requests[0].json["leads"] == leads[:1]
        assert result["bad_rows_first"] == ["leads[1] has no e-mail address under 'email'."]


class TestCheckOnly:
    def test_bad_row_fails_without_a_request(self, connections: FakeServer, path: Path) -> None:
        with pytest.raises(ValueError, match="line 3 has no e-mail address"):
            TaskRunner().run(add(str(path), check_only=True))
        assert connections.requests == []

    def test_good_rows_are_counted_without_a_request(self, connections: FakeServer, path: Path) -> None:
        result = TaskRunner().run(add(str(path), check_only=True, on_bad_row="skip"))
        assert result == {
            "leads": 2,
            "bad_rows": 1,
            "bad_rows_first": ["line 3 has no e-mail address."],
        }
        assert connections.requests == []


class TestPaths:
    @pytest.mark.parametrize("kind", [str, Path, lambda path: ObjectStoragePath(f"file://{path}")])
    def test_path_may_be_an_object(self, connections: FakeServer, path: Path, kind: Any) -> None:
        TaskRunner().run(add(kind(path), on_bad_row="skip", bad_rows_path=kind(path.with_name("bad.txt"))))
        assert len(connections.requests[0].json["leads"]) == 2
        assert path.with_name("bad.txt").exists()

    def test_output_of_a_task_may_be_an_object(self, connections: FakeServer, path: Path) -> None:
        task = add("{{ ti.xcom_pull(task_ids='export') }}", on_bad_row="skip")
        task.leads_path = ObjectStoragePath(f"file://{path}")
        TaskRunner().run(task)
        assert len(connections.requests) == 1

    @pytest.mark.parametrize("name", ["leads.csv", "leads.xls"])
    def test_signature_of_a_url_is_in_no_error_and_log(
        self, name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        task = add("{{ params.path }}")
        task.leads_path = f"http://127.0.0.1:9/{name}?X-Signature={SECRET}"
        with pytest.raises((OSError, ValueError), match=name) as raised:
            TaskRunner().run(task)
        assert raised.value.__cause__ is None
        output = capsys.readouterr()
        for text in (str(raised.value), output.out, output.err, caplog.text):
            assert SECRET not in text


class TestOptions:
    def test_undocumented_option_is_sent_on_purpose(self, connections: FakeServer, path: Path) -> None:
        options = {"skip_if_in_list": False, "more": {"skip_if_in_any_campaign": True}}
        TaskRunner().run(add(str(path), on_bad_row="skip", options=options))
        body = connections.requests[0].json
        assert (body["skip_if_in_list"], body["skip_if_in_any_campaign"]) == (False, True)
        assert "more" not in body

    def test_rendered_flags_are_read_strictly(self, connections: FakeServer, path: Path) -> None:
        task = add(str(path), on_bad_row="skip", options={"skip_if_in_list": "{{ params.skip }}"})
        task.options = {"skip_if_in_list": "False"}
        TaskRunner().run(task)
        assert connections.requests[0].json["skip_if_in_list"] is False
        task = add(str(path), on_bad_row="skip", options={"skip_if_in_list": "{{ params.skip }}"})
        task.options = {"skip_if_in_list": "nope"}
        with pytest.raises(ValueError, match="must be True or False"):
            TaskRunner().run(task)

    @pytest.mark.parametrize("option", ["skip_if_in_workspce", "skip_if_in_any_campaign", "blocklist"])
    def test_hook_refuses_unknown_options(self, connections: FakeServer, option: str) -> None:
        with pytest.raises(ValueError, match=f"unknown option '{option}'. Did you mean"):
            InstantlyHook().add_leads(UUID, [{"email": "a@b.c"}], **{option: True})
        with pytest.raises(ValueError, match=f"unknown option '{option}'. Did you mean"):
            list(InstantlyHook().add_leads_in_batches(UUID, [{"email": "a@b.c"}], **{option: True}))
        assert connections.requests == []


@pytest.mark.parametrize("push", [True, False])
def test_failed_upload_pushes_its_result_unless_disabled(connections: FakeServer, push: bool) -> None:
    connections.respond(Reply({"message": "no"}, status=400))
    runner = TaskRunner()
    task = InstantlyAddLeadsOperator(
        task_id="add", campaign_id=UUID, leads=[{"email": "a@b.c"}], do_xcom_push=push
    )
    with pytest.raises(Exception, match="leads/add"):
        runner.run(task)
    assert ("return_value" in runner.ti.xcoms) is push
    assert INSTANTLY_LINK.items() <= runner.ti.xcoms.items()
