from __future__ import annotations

import json
from collections import UserList
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, timeout

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    BadRequestError,
    IncompleteResponseError,
    MalformedResponseError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    SendsInterruptedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator, SendGateClosedError
from airflow_provider_campaigns.rules.send_gate import RULES, Disposition, Intent
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import INSTANTLY_LINK, OTHER_UUID, UUID, paths, sending_status
from tests.support.task_timeout import cut_off

SECRET = "Topsecret"
ADD = "/api/v2/leads/add"
STATUS = f"/api/v2/campaigns/{UUID}/sending-status"


def add(leads: Any = None, **arguments: Any) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(**{"task_id": "add", "campaign_id": UUID, "leads": leads, **arguments})


def leads(count: int) -> list[dict[str, Any]]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def added(sent: int, uploaded: int, **counts: Any) -> dict[str, Any]:
    """Return the response to a batch."""
    return {
        "status": "success",
        "total_sent": sent,
        "leads_uploaded": uploaded,
        "created_leads": [{"index": 0, "id": OTHER_UUID, "email": f"{SECRET}@example.com"}],
        "remaining_in_plan": None,
        **counts,
    }


def all_added(request: Request) -> bytes:
    count = len(request.json["leads"])
    return json.dumps(added(count, count)).encode()


ADDED = Reply(all_added)
REFUSED = Reply({"message": "Invalid scope"}, status=401)


def batches(server: FakeServer) -> list[list[dict[str, Any]]]:
    """Return the leads of each request."""
    return [request.json["leads"] for request in server.requests if request.path == ADD]


def sizes(server: FakeServer) -> list[int]:
    return list(map(len, batches(server)))


def as_csv(count: int) -> str:
    return "email,first_name,city\n" + "".join(f"l{n}@example.com,Lead {n},Ü\n" for n in range(count))


def as_json_lines(count: int) -> str:
    each = [
        {"email": f"l{n}@example.com", "first_name": f"Lead {n}", "custom_variables": {"city": "Ü"}}
        for n in range(count)
    ]
    return "\n".join(map(json.dumps, each))


class TestBatches:
    def test_leads_are_sent_in_batches_and_counted(self, connections: FakeServer) -> None:
        connections.respond(
            added(1000, 989, duplicated_leads=7, in_blocklist=4, remaining_in_plan=1040),
            added(1000, 996, invalid_email_count=3, duplicate_email_count=1, remaining_in_plan=44),
            added(500, 497, skipped_count=2, incomplete_count=1, remaining_in_plan=0),
        )
        runner = TaskRunner()
        result = runner.run(add(leads(2500), options={"skip_if_in_workspace": True, "blocklist_id": None}))
        assert result == {
            "campaign_id": UUID,
            "complete": True,
            "leads": 2500,
            "total_sent": 2500,
            "leads_uploaded": 2482,
            "duplicated_leads": 7,
            "skipped_count": 2,
            "in_blocklist": 4,
            "invalid_email_count": 3,
            "incomplete_count": 1,
            "duplicate_email_count": 1,
            "remaining_in_plan": 0,
        }
        assert json.loads(json.dumps(result)) == result
        bodies = [request.json for request in connections.requests]
        assert [len(body["leads"]) for body in bodies] == [1000, 1000, 500]
        assert [lead for body in bodies for lead in body["leads"]] == leads(2500)
        assert all(set(body) == {"campaign_id", "leads", "skip_if_in_workspace"} for body in bodies)
        assert runner.ti.xcoms == INSTANTLY_LINK

    @pytest.mark.parametrize(
        ("prefix", "name", "content"),
        [
            ("", "l.csv", as_csv),
            ("file://", "l.csv", as_csv),
            ("", "l.jsonl", as_json_lines),
            ("", "l.NDJSON", as_json_lines),
        ],
    )
    def test_leads_are_read_from_a_file(
        self,
        connections: FakeServer,
        tmp_path: Path,
        prefix: str,
        name: str,
        content: Callable[[int], str],
    ) -> None:
        connections.respond(ADDED)
        path = tmp_path / name
        path.write_text(content(1001), encoding="utf-8")
        result = TaskRunner().run(add(leads_path=f"{prefix}{path}"))
        assert (result["leads"], result["leads_uploaded"], result["complete"]) == (1001, 1001, True)
        assert sizes(connections) == [1000, 1]
        assert batches(connections)[1] == [
            {"email": "l1000@example.com", "first_name": "Lead 1000", "custom_variables": {"city": "Ü"}}
        ]

    def test_leads_may_be_any_sequence(self, connections: FakeServer) -> None:
        connections.respond(ADDED)
        task = add("{{ ti.xcom_pull(task_ids='choose') }}")
        task.leads = UserList(leads(2))  # the output of a mapped task is a sequence, but not a list
        assert TaskRunner().run(task)["leads_uploaded"] == 2


class TestInvalidLeads:
    @pytest.mark.parametrize(
        ("invalid", "message"),
        [
            ([], "leads must be .*at least one"),
            (None, "leads was set, but it rendered to nothing"),
            ("[{'email': 'a@b.c'}]", "leads must be .*as that task's output"),
            ([{"email": "a@b.c"}, {"email": ""}], r"leads\[1\]"),
            ([{"email": "a@b.c"}, "b@c.d"], r"leads\[1\]"),
            (
                [*leads(1400), {"email": f"{SECRET}@b.c", "since": date(2026, 1, 1)}],
                r"leads\[1400\]: 'since' is not",
            ),
        ],
    )
    def test_invalid_lead_of_a_list_sends_nothing(
        self, connections: FakeServer, invalid: Any, message: str
    ) -> None:
        task = add("{{ ti.xcom_pull(task_ids='choose') }}")
        task.leads = invalid
        with pytest.raises(ValueError, match=message) as raised:
            TaskRunner().run(task)
        assert SECRET not in str(raised.value)
        assert connections.requests == []

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("leads.csv", f"{as_csv(1400)}{SECRET},x,y\n".encode(), r"leads\.csv, line 1402 has no e-mail"),
            ("leads.csv", f"{as_csv(1400)}a@b.c,{SECRET},x,y\n".encode(), r"leads\.csv, line 1402: 4 cells"),
            ("leads.csv", as_csv(1400).encode() + b"\xff@b.c,,\n", r"leads\.csv: the file is not UTF-8"),
            ("leads.csv", b"email\n", r"leads\.csv .*no leads"),
            ("leads.csv", b"", r"leads\.csv, line 1"),
            (
                "leads.jsonl",
                f"{as_json_lines(1400)}\n{SECRET}\n".encode(),
                r"leads\.jsonl, line 1401: not JSON",
            ),
            ("leads.jsonl", b"", r"leads\.jsonl .*no leads"),
        ],
    )
    def test_invalid_row_of_a_file_sends_nothing(
        self, connections: FakeServer, tmp_path: Path, name: str, content: bytes, message: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as raised:
            TaskRunner().run(add(leads_path=str(path), check_gate=True))
        assert SECRET not in str(raised.value)
        assert connections.requests == []

    def test_missing_file_is_named(self, connections: FakeServer, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r"gone\.csv"):
            TaskRunner().run(add(leads_path=str(tmp_path / "gone.csv")))
        assert connections.requests == []


class TestFailedBatch:
    def test_failed_batch_reports_how_many_leads_were_sent(
        self, connections: FakeServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connections.respond(added(1000, 990, duplicated_leads=10, remaining_in_plan=7), REFUSED)
        runner = TaskRunner()
        with pytest.raises(PermissionDeniedError):
            runner.run(add(leads(1500)))
        assert len(connections.requests) == 2
        assert "1,000 of 1,500 leads uploaded, 990 added" in capsys.readouterr().out
        result = runner.ti.xcoms["return_value"]
        assert (result["complete"], result["leads"], result["total_sent"]) == (False, 1500, 1000)
        counts = (result["leads_uploaded"], result["duplicated_leads"], result["remaining_in_plan"])
        assert counts == (990, 10, 7)

    def test_rate_limited_batch_is_sent_again(self, connections: FakeServer) -> None:
        limited = Reply({}, status=429)
        connections.respond(ADDED, limited, limited, ADDED)
        assert TaskRunner().run(add(leads(1001)))["total_sent"] == 1001
        assert sizes(connections) == [1000, 1, 1, 1]

    def test_long_retry_after_is_left_to_airflow(self, connections: FakeServer, clock: FakeClock) -> None:
        connections.respond(Reply({}, status=429, headers={"Retry-After": "600"}))
        with pytest.raises(RateLimitedError) as raised:
            TaskRunner().run(add(leads(1)))
        assert raised.value.retry_after == 600
        assert clock.longest_pause < 10
        assert sizes(connections) == [1]

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            (Reply({}, status=500), ServiceUnavailableError),
            (Reply({}, status=408), ServiceUnavailableError),
            (Reply(drop="before"), IncompleteResponseError),
            (Reply(all_added, drop="body"), IncompleteResponseError),
            (Reply(b"<html>"), MalformedResponseError),
            (Reply({"status": "success"}), MalformedResponseError),
            (Reply({}, status=400), BadRequestError),
            (Reply({}, status=402), PaymentRequiredError),
        ],
    )
    def test_uncertain_or_refused_batch_is_not_sent_again(
        self, connections: FakeServer, response: Reply, error: type[Exception]
    ) -> None:
        connections.respond(response)
        runner = TaskRunner()
        with pytest.raises(error) as raised:
            runner.run(add(leads(3)))
        assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry it
        assert sizes(connections) == [3]
        assert runner.ti.xcoms["return_value"]["total_sent"] == 0


class TestRetry:
    def test_retry_continues_at_the_failed_batch(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(added(1000, 990, duplicated_leads=10), REFUSED)
        with pytest.raises(PermissionDeniedError):
            TaskRunner(store=store).run(add(leads(2500)))
        connections.respond(ADDED)
        result = TaskRunner(store=store).run(add(leads(2500)))
        assert sizes(connections) == [1000, 1000, 1000, 500]
        assert batches(connections)[1] == batches(connections)[2] == leads(2500)[1000:2000]
        assert (result["complete"], result["total_sent"], result["leads_uploaded"]) == (True, 2500, 2490)
        assert result["duplicated_leads"] == 10

    def test_retry_continues_after_a_try_cut_off_by_airflow(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(ADDED, cut_off())
        with pytest.raises(AirflowTaskTimeout), timeout(600):
            TaskRunner(store=store).run(add(leads(1200)))
        connections.respond(ADDED)
        assert TaskRunner(store=store).run(add(leads(1200)))["total_sent"] == 1200
        assert sizes(connections) == [1000, 200, 200]

    @pytest.mark.parametrize(("count", "sent"), [(1200, [1000, 200, 200]), (1201, [1000, 200, 1000, 201])])
    def test_retry_continues_in_a_file_unless_it_changed(
        self, connections: FakeServer, tmp_path: Path, count: int, sent: list[int]
    ) -> None:
        path = tmp_path / "leads.csv"
        path.write_text(as_csv(1200))
        store: dict[str, Any] = {}
        connections.respond(ADDED, REFUSED)
        with pytest.raises(PermissionDeniedError):
            TaskRunner(store=store).run(add(leads_path=str(path)))
        path.write_text(as_csv(count))
        connections.respond(ADDED)
        assert TaskRunner(store=store).run(add(leads_path=str(path)))["total_sent"] == count
        assert sizes(connections) == sent

    def test_retry_without_a_state_store_starts_over(self, connections: FakeServer) -> None:
        connections.respond(ADDED, REFUSED)
        with pytest.raises(PermissionDeniedError):
            TaskRunner().run(add(leads(1200)))
        connections.respond(ADDED)
        assert TaskRunner().run(add(leads(1200)))["total_sent"] == 1200
        assert sizes(connections) == [1000, 200, 1000, 200]

    @pytest.mark.parametrize(
        ("other_leads", "campaign_id"),
        [
            (leads(1201), UUID),
            (leads(1200)[::-1], UUID),
            ([{**leads(1)[0], "phone": "5"}, *leads(1200)[1:]], UUID),
            (leads(1200), OTHER_UUID),
        ],
        ids=["more", "another order", "another field", "another campaign"],
    )
    def test_retry_with_other_leads_or_campaign_starts_over(
        self, connections: FakeServer, other_leads: list[dict[str, Any]], campaign_id: str
    ) -> None:
        store: dict[str, Any] = {}
        connections.respond(ADDED, REFUSED)
        with pytest.raises(PermissionDeniedError):
            TaskRunner(store=store).run(add(leads(1200)))
        connections.requests.clear()
        connections.respond(ADDED)
        result = TaskRunner(store=store).run(add(other_leads, campaign_id=campaign_id))
        assert (result["campaign_id"], result["total_sent"]) == (campaign_id, len(other_leads))
        assert [lead for batch in batches(connections) for lead in batch] == other_leads

    def test_cleared_task_sends_all_leads_again(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(ADDED)
        TaskRunner(store=store).run(add(leads(1200)))
        assert store == {}
        assert TaskRunner(store=store).run(add(leads(1200)))["total_sent"] == 1200
        assert sizes(connections) == [1000, 200] * 2

    def test_stored_progress_contains_no_lead(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(ADDED, REFUSED)
        with pytest.raises(PermissionDeniedError):
            TaskRunner(store=store).run(add([{"email": f"{SECRET}{number}@b.c"} for number in range(1200)]))
        assert store
        assert SECRET not in json.dumps(store)
        assert len(json.dumps(store)) < 1000


class TestOwnTexts:
    def test_comment_in_a_lead_of_the_dag_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"leads contains '\{#'"):
            add([{"email": "a@b.co", "personalization": "Hi {# there #} you"}])

    @pytest.mark.parametrize(
        ("lead", "named"),
        [
            ({"email": "a@b.co", "firstName": "Ada"}, "Did you mean 'first_name'"),
            ({"Email": "a@b.co"}, "Rename 'Email' to 'email'"),
        ],
    )
    def test_near_name_of_a_field_is_told(self, lead: dict, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            add([lead])

    @pytest.mark.parametrize("address", ["\u202aa@b.co\u202c", "a@b.co\ufe0f", "\u2066a@b.co\u2069"])
    def test_invisible_characters_are_not_sent(self, connections: FakeServer, address: str) -> None:
        connections.respond(ADDED, path=ADD)
        TaskRunner().run(add([{"email": address}]))
        assert connections.requests[0].json["leads"] == [{"email": "a@b.co"}]

    @pytest.mark.parametrize(
        "address", ["a\x00@b.co", "a\ufffd@b.co", "mailto:a@b.co", "'a@b.co'", "a@b.co."]
    )
    def test_address_with_something_else_is_refused(self, address: str) -> None:
        with pytest.raises(ValueError, match="not a single plain e-mail address"):
            add([{"email": address}])


class TestGateBetweenBatches:
    def test_gate_is_checked_right_before_each_batch(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status("healthy"), path=STATUS)
        assert TaskRunner().run(add(leads(2500), check_gate=True))["total_sent"] == 2500
        assert paths(connections) == [STATUS, ADD] * 3

    def test_gate_is_not_checked_by_default(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        TaskRunner().run(add(leads(1200)))
        assert set(paths(connections)) == {ADD}

    def test_gate_is_checked_before_a_batch_is_sent_again(self, connections: FakeServer) -> None:
        connections.respond(Reply({}, status=429), path=ADD)
        connections.respond(sending_status("healthy"), sending_status("campaign_paused"), path=STATUS)
        with pytest.raises(SendGateClosedError):
            TaskRunner().run(add(leads(3), check_gate=True))
        assert paths(connections) == [STATUS, ADD, STATUS]

    @pytest.mark.parametrize(
        "code",
        [code for code, rule in RULES.items() if rule.dispositions[Intent.ADD_LEADS] is not Disposition.OPEN],
    )
    def test_closed_gate_sends_no_leads(self, connections: FakeServer, code: SendingCode) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status(code.value), path=STATUS)
        may_open = RULES[code].dispositions[Intent.ADD_LEADS] is Disposition.WAIT
        error = SendsInterruptedError if may_open else SendGateClosedError
        runner = TaskRunner()
        with pytest.raises(error, match=code.value) as raised:
            runner.run(add(leads(5), check_gate=True))
        # Airflow retries only what may open again.
        assert isinstance(raised.value, AirflowFailException) is not may_open
        assert "0 of 5 leads uploaded, 0 added; the rest was not uploaded" in str(raised.value)
        assert UUID in str(raised.value)
        assert sizes(connections) == []
        assert runner.ti.xcoms["return_value"]["complete"] is False

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("campaign_bounce_protect", SendGateClosedError),
            ("campaign_running_subsequences", SendsInterruptedError),
        ],
    )
    def test_gate_that_closes_between_batches_stops_the_upload(
        self, connections: FakeServer, code: str, error: type[Exception]
    ) -> None:
        store: dict[str, Any] = {}
        connections.respond(added(1000, 990, duplicated_leads=10), ADDED, path=ADD)
        connections.respond(sending_status("healthy"), sending_status(code), path=STATUS)
        runner = TaskRunner(store=store)
        with pytest.raises(error, match=code) as raised:
            runner.run(add(leads(2500), check_gate=True))
        assert "1,000 of 2,500 leads uploaded, 990 added; the rest was not uploaded" in str(raised.value)
        result = runner.ti.xcoms["return_value"]
        assert (result["total_sent"], result["leads_uploaded"], result["complete"]) == (1000, 990, False)
        assert sizes(connections) == [1000]

        connections.respond(sending_status("healthy"), path=STATUS)
        result = TaskRunner(store=store).run(add(leads(2500), check_gate=True))
        assert (result["total_sent"], result["complete"]) == (2500, True)
        assert sizes(connections) == [1000, 1000, 500]

    def test_completed_campaign_gets_leads_if_it_confirms_that(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status("campaign_completed", age=86_400), path=STATUS)
        connections.respond({"id": UUID, "status": 3}, path=f"/api/v2/campaigns/{UUID}")
        assert TaskRunner().run(add(leads(5), check_gate=True))["total_sent"] == 5
        connections.respond({"id": UUID, "status": 2}, path=f"/api/v2/campaigns/{UUID}")
        with pytest.raises(SendsInterruptedError, match=r"the campaign itself is paused \(2\)"):
            TaskRunner().run(add(leads(5), check_gate=True))
        assert sizes(connections) == [5]

    def test_policy_opens_and_closes_the_gate(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status("waiting_for_leads"), path=STATUS)
        assert TaskRunner().run(add(leads(5), check_gate=True))["total_sent"] == 5
        with pytest.raises(SendGateClosedError):
            TaskRunner().run(add(leads(5), check_gate=True, policy={"waiting_for_leads": "closed"}))
        assert sizes(connections) == [5]

    def test_data_older_than_max_status_age_sends_no_leads(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status("healthy", age=120), path=STATUS)
        with pytest.raises(SendsInterruptedError, match="2 min old"):
            TaskRunner().run(add(leads(5), check_gate=True, max_status_age=timedelta(minutes=1)))
        assert sizes(connections) == []
        assert TaskRunner().run(add(leads(5), check_gate=True))["total_sent"] == 5

    def test_unreadable_status_sends_no_leads(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(Reply(b"<html>healthy</html>"), path=STATUS)
        with pytest.raises(SendsInterruptedError, match="0 of 5 leads uploaded"):
            TaskRunner().run(add(leads(5), check_gate=True))
        assert sizes(connections) == []

    def test_failed_gate_check_stops_the_upload(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(sending_status("healthy"), Reply({}, status=401), path=STATUS)
        runner = TaskRunner()
        with pytest.raises(AuthenticationError):
            runner.run(add(leads(1200), check_gate=True))
        assert sizes(connections) == [1000]
        assert runner.ti.xcoms["return_value"]["total_sent"] == 1000

    def test_single_failed_gate_check_is_repeated(self, connections: FakeServer) -> None:
        connections.respond(ADDED, path=ADD)
        connections.respond(Reply({}, status=503), sending_status("healthy"), path=STATUS)
        assert TaskRunner().run(add(leads(5), check_gate=True))["complete"]


@pytest.mark.parametrize(
    ("path", "response"),
    [
        (ADD, Reply({"message": "no"}, status=400)),
        (ADD, Reply(all_added, drop="body")),
        (STATUS, sending_status("campaign_paused")),
        (STATUS, Reply({}, status=401)),
    ],
)
def test_log_and_error_contain_no_lead(
    connections: FakeServer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    path: str,
    response: Reply,
) -> None:
    connections.respond(ADDED, path=ADD)
    connections.respond(sending_status("healthy"), path=STATUS)
    connections.respond(response, path=path)
    lead = {"email": f"{SECRET}@b.c", "phone": SECRET, "custom_variables": {"x": SECRET}}
    runner = TaskRunner()
    with pytest.raises(Exception, match=UUID if path == STATUS else "leads/add") as raised:
        runner.run(add([lead] * 3, check_gate=True))
    output = capsys.readouterr()
    assert "0 of 3 leads uploaded" in output.out
    for text in (str(raised.value), output.out, output.err, caplog.text, json.dumps(runner.ti.xcoms)):
        assert SECRET not in text


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_id": "42"}, "campaign_id"),
            ({"campaign_id": None}, "campaign_id"),
            ({"leads": []}, "leads must be a list of at least one"),
            ({"leads": "a@b.c"}, "leads must be a list"),
            ({"leads": {"email": "a@b.c"}}, "leads must be a list"),
            ({"leads": [{"name": "Ada"}]}, r"leads\[0\]"),
            ({"leads": None}, "either leads or leads_path"),
            ({"leads_path": "leads.csv"}, "either leads or leads_path"),
            ({"leads": None, "leads_path": "leads.xlsx"}, "leads_path"),
            ({"leads": None, "leads_path": ""}, "leads_path"),
            ({"leads": None, "leads_path": 5}, "leads_path"),
            ({"options": {"campaign_id": UUID}}, "options must not contain campaign_id"),
            ({"options": {"leads": []}}, "options must not contain leads"),
            ({"options": "skip_if_in_workspace"}, "options must be a mapping"),
            ({"options": ["skip_if_in_workspace"]}, "options must be a mapping"),
            ({"options": {"skip_if_in_workspce": True}}, "did you mean 'skip_if_in_workspace'"),
            ({"options": {"skip_if_in_any_campaign": True}}, "did you mean 'skip_if_in_campaign'"),
            ({"options": {"list_id": UUID}}, "unknown option 'list_id'"),
            ({"options": {"skip_if_in_list": "no"}}, r"\['skip_if_in_list'\] must be True or False"),
            ({"options": {"skip_if_in_list": 1}}, r"\['skip_if_in_list'\] must be True or False"),
            ({"options": {"more": ["x"]}}, "options: 'more' must be a mapping"),
            ({"columns": {"Email": "email"}}, "columns is for leads_path"),
            ({"leads": None, "leads_path": "l.jsonl", "columns": {"A": None}}, "columns is for leads_path"),
            ({"leads": None, "leads_path": "l.csv", "columns": {"A": "E-Mail"}}, "did you mean 'email'"),
            ({"leads": None, "leads_path": "l.csv", "columns": ["A"]}, "columns must be a mapping"),
            ({"on_bad_row": "ignore"}, "on_bad_row must be one of 'fail', 'skip'"),
            ({"bad_rows_path": ""}, "bad_rows_path"),
            ({"policy": {"healthy": "open"}}, "policy has an effect only with check_gate=True"),
            ({"max_status_age": 60}, "max_status_age has an effect only with check_gate=True"),
            ({"policy": {"healty": "open"}, "check_gate": True}, "policy.*healty"),
            ({"max_status_age": -1, "check_gate": True}, "max_status_age"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=f"(?i){named}"):
            add(**{"leads": leads(1), **arguments})

    def test_template_is_accepted_at_dag_parsing(self) -> None:
        assert add([{"email": "{{ params.email }}"}]).leads
        assert add(leads_path="{{ params.path }}").leads_path
        assert add(leads(1), campaign_id="{{ params.id }}").campaign_id

    @pytest.mark.parametrize(
        ("name", "rendered"),
        [
            ("leads_path", ""),
            ("leads_path", "None"),
            ("leads_path", "leads.txt"),
            ("campaign_id", "None"),
            ("campaign_id", f"{UUID}/../x"),
        ],
    )
    def test_invalid_rendered_argument_sends_nothing(
        self, connections: FakeServer, name: str, rendered: str
    ) -> None:
        task = add(leads_path="{{ params.path }}")
        setattr(task, name, rendered)
        with pytest.raises(ValueError, match=name):
            TaskRunner().run(task)
        assert connections.requests == []
