"""Adding leads: batches, counts, an upload that is taken up again, and a gate between two batches."""

from __future__ import annotations

import json
import time
from collections import UserList
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, timeout

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    BadRequestError,
    IncompleteResponseError,
    LeadsUnaccountedError,
    MalformedResponseError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    SendsInterruptedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator, SendGateClosedError
from airflow_provider_campaigns.rules.send_gate import RULES, Disposition
from airflow_provider_campaigns.transport import retry
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.triggerer import Driven

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
OTHER = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"
SECRET = "Topsecret"
ADD = "/api/v2/leads/add"
STATUS = f"/api/v2/campaigns/{UUID}/sending-status"


def add(leads: Any = None, **arguments: Any) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(**{"task_id": "add", "campaign_id": UUID, "leads": leads, **arguments})


def leads(count: int) -> list[dict[str, Any]]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def counted(sent: int, uploaded: int, **counts: Any) -> dict[str, Any]:
    return {
        "status": "success",
        "total_sent": sent,
        "leads_uploaded": uploaded,
        "created_leads": [{"index": 0, "id": OTHER, "email": f"{SECRET}@example.com"}],
        "remaining_in_plan": None,
        **counts,
    }


def all_new(request: Request) -> bytes:
    count = len(request.json["leads"])
    return json.dumps(counted(count, count)).encode()


TAKEN = Reply(all_new)
REFUSED = Reply({"message": "Invalid scope"}, status=401)


def status(code: Any, age: float = 0) -> dict[str, Any]:
    updated = (datetime.now(timezone.utc) - timedelta(seconds=age)).isoformat()
    return {"diagnostics": {"status": code, "last_updated": updated}, "summary": None}


def batches(server: ScriptedServer, campaign_id: str = UUID) -> list[list[dict[str, Any]]]:
    """The leads of each request for a campaign."""
    bodies = [request.json for request in server.requests if request.path == ADD]
    return [body["leads"] for body in bodies if body["campaign_id"] == campaign_id]


def sizes(server: ScriptedServer) -> list[int]:
    return list(map(len, batches(server)))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.02)


def test_leads_go_out_in_batches_and_are_counted(connections: ScriptedServer) -> None:
    connections.play(
        counted(1000, 989, duplicated_leads=7, in_blocklist=4, remaining_in_plan=1040),
        counted(1000, 996, invalid_email_count=3, duplicate_email_count=1, remaining_in_plan=44),
        counted(500, 497, skipped_count=2, incomplete_count=1, remaining_in_plan=0),
    )
    driven = Driven()
    result = driven.run(add(leads(2500), options={"skip_if_in_workspace": True, "blocklist_id": None}))
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
    assert driven.ti.xcoms == {
        "_link_InstantlyCampaignLink": f"https://app.instantly.ai/app/campaign/{UUID}/analytics"
    }


def as_csv(count: int) -> str:
    return "email,first_name,city\n" + "".join(f"l{n}@example.com,Lead {n},Ü\n" for n in range(count))


def as_json_lines(count: int) -> str:
    each = [
        {"email": f"l{n}@example.com", "first_name": f"Lead {n}", "custom_variables": {"city": "Ü"}}
        for n in range(count)
    ]
    return "\n".join(map(json.dumps, each))


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize(
    ("name", "content"), [("l.csv", as_csv), ("l.jsonl", as_json_lines), ("l.NDJSON", as_json_lines)]
)
def test_leads_come_from_a_file_too(
    connections: ScriptedServer, tmp_path: Path, scheme: str, name: str, content: Callable[[int], str]
) -> None:
    connections.play(TAKEN)
    path = tmp_path / name
    path.write_text(content(1001), encoding="utf-8")
    result = Driven().run(add(leads_path=f"{scheme}{path}"))
    assert (result["leads"], result["leads_uploaded"], result["complete"]) == (1001, 1001, True)
    assert sizes(connections) == [1000, 1]
    assert batches(connections)[1] == [
        {"email": "l1000@example.com", "first_name": "Lead 1000", "custom_variables": {"city": "Ü"}}
    ]


def test_leads_may_come_as_any_sequence(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    task = add("{{ ti.xcom_pull(task_ids='choose') }}")
    task.leads = UserList(leads(2))  # as the output of a mapped task is one, and no list
    assert Driven().run(task)["leads_uploaded"] == 2


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([], "leads must be .*at least one"),
        (None, "leads must be .*at least one"),
        ("[{'email': 'a@b.c'}]", "leads must be .*as that task's output"),
        ([{"email": "a@b.c"}, {"email": ""}], r"leads\[1\]"),
        ([{"email": "a@b.c"}, "b@c.d"], r"leads\[1\]"),
        (
            [*leads(1400), {"email": f"{SECRET}@b.c", "since": date(2026, 1, 1)}],
            r"leads\[1400\]: 'since' is no",
        ),
    ],
)
def test_nothing_is_sent_if_a_lead_of_a_list_is_broken(
    connections: ScriptedServer, bad: Any, told: str
) -> None:
    task = add("{{ ti.xcom_pull(task_ids='choose') }}")
    task.leads = bad
    with pytest.raises(ValueError, match=told) as raised:
        Driven().run(task)
    assert SECRET not in str(raised.value)
    assert connections.requests == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("leads.csv", f"{as_csv(1400)}{SECRET},x,y\n".encode(), r"leads\.csv, line 1402 has no e-mail"),
        ("leads.csv", f"{as_csv(1400)}a@b.c,{SECRET}\n".encode(), r"leads\.csv, line 1402: 2 cells"),
        ("leads.csv", as_csv(1400).encode() + b"\xff@b.c,,\n", r"leads\.csv: the file is not UTF-8"),
        ("leads.csv", b"email\n", r"leads\.csv holds no leads"),
        ("leads.csv", b"", r"leads\.csv, line 1"),
        ("leads.jsonl", f"{as_json_lines(1400)}\n{SECRET}\n".encode(), r"leads\.jsonl, line 1401: not JSON"),
        ("leads.jsonl", b"", r"leads\.jsonl holds no leads"),
    ],
)
def test_nothing_is_sent_if_a_row_of_a_file_is_broken(
    connections: ScriptedServer, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told) as raised:
        Driven().run(add(leads_path=str(path), check_gate=True))
    assert SECRET not in str(raised.value)
    assert connections.requests == []


def test_a_file_that_is_not_there_is_named(connections: ScriptedServer, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.csv"):
        Driven().run(add(leads_path=str(tmp_path / "gone.csv")))
    assert connections.requests == []


def test_a_batch_that_fails_says_how_many_went_out(
    connections: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    connections.play(counted(1000, 990, duplicated_leads=10, remaining_in_plan=7), REFUSED)
    driven = Driven()
    with pytest.raises(PermissionDeniedError):
        driven.run(add(leads(1500)))
    assert len(connections.requests) == 2
    assert "1,000 of 1,500 leads sent, 990 of them new" in capsys.readouterr().out
    told = driven.ti.xcoms["return_value"]
    assert (told["complete"], told["leads"], told["total_sent"]) == (False, 1500, 1000)
    assert (told["leads_uploaded"], told["duplicated_leads"], told["remaining_in_plan"]) == (990, 10, 7)


def test_a_retry_goes_on_at_the_batch_that_failed(connections: ScriptedServer) -> None:
    store: dict[str, Any] = {}
    connections.play(counted(1000, 990, duplicated_leads=10), REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven(store=store).run(add(leads(2500)))
    connections.play(TAKEN)
    result = Driven(store=store).run(add(leads(2500)))
    assert sizes(connections) == [1000, 1000, 1000, 500]
    assert batches(connections)[1] == batches(connections)[2] == leads(2500)[1000:2000]
    assert (result["complete"], result["total_sent"], result["leads_uploaded"]) == (True, 2500, 2490)
    assert result["duplicated_leads"] == 10


def test_a_try_that_is_cut_off_is_taken_up_again_too(connections: ScriptedServer) -> None:
    store: dict[str, Any] = {}
    connections.play(TAKEN, Reply(all_new, delay=5))
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        Driven(store=store).run(add(leads(1200)))
    connections.play(TAKEN)
    assert Driven(store=store).run(add(leads(1200)))["total_sent"] == 1200
    assert sizes(connections) == [1000, 200, 200]


def test_a_retry_goes_on_in_a_file_too(connections: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(as_csv(1200))
    store: dict[str, Any] = {}
    connections.play(TAKEN, REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven(store=store).run(add(leads_path=str(path)))
    connections.play(TAKEN)
    Driven(store=store).run(add(leads_path=str(path)))
    assert sizes(connections) == [1000, 200, 200]
    assert batches(connections)[2][0]["email"] == "l1000@example.com"


def test_a_file_that_changed_between_two_tries_is_sent_from_its_beginning(
    connections: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(as_csv(1200))
    store: dict[str, Any] = {}
    connections.play(TAKEN, REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven(store=store).run(add(leads_path=str(path)))
    path.write_text(as_csv(1201))
    connections.play(TAKEN)
    assert Driven(store=store).run(add(leads_path=str(path)))["total_sent"] == 1201
    assert sizes(connections) == [1000, 200, 1000, 201]


def test_without_a_store_a_retry_begins_anew(connections: ScriptedServer) -> None:
    connections.play(TAKEN, REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven().run(add(leads(1200)))
    connections.play(TAKEN)
    assert Driven().run(add(leads(1200)))["total_sent"] == 1200
    assert sizes(connections) == [1000, 200, 1000, 200]


@pytest.mark.parametrize(
    ("other_leads", "campaign_id"),
    [
        (leads(1201), UUID),
        (leads(1200)[::-1], UUID),
        ([{**leads(1)[0], "phone": "5"}, *leads(1200)[1:]], UUID),
        (leads(1200), OTHER),
    ],
    ids=["more", "another order", "another member", "another campaign"],
)
def test_other_leads_or_another_campaign_begin_anew(
    connections: ScriptedServer, other_leads: list[dict[str, Any]], campaign_id: str
) -> None:
    store: dict[str, Any] = {}
    connections.play(TAKEN, REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven(store=store).run(add(leads(1200)))
    before = len(connections.requests)
    connections.play(TAKEN)
    result = Driven(store=store).run(add(other_leads, campaign_id=campaign_id))
    assert (result["campaign_id"], result["total_sent"]) == (campaign_id, len(other_leads))
    sent = [lead for request in connections.requests[before:] for lead in request.json["leads"]]
    assert sent == other_leads


def test_an_upload_that_is_done_is_forgotten(connections: ScriptedServer) -> None:
    store: dict[str, Any] = {}
    connections.play(TAKEN)
    Driven(store=store).run(add(leads(1200)))
    assert store == {}
    # As when somebody clears the task.
    assert Driven(store=store).run(add(leads(1200)))["total_sent"] == 1200
    assert sizes(connections) == [1000, 200] * 2


class BrokenStore(dict[str, Any]):
    """A store that Airflow cannot reach."""

    def get(self, *_: Any) -> Any:
        raise ConnectionError

    __setitem__ = pop = get


def test_a_store_that_cannot_be_reached_costs_no_upload(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    assert Driven(store=BrokenStore()).run(add(leads(1200)))["complete"]
    assert sizes(connections) == [1000, 200]


def test_what_is_kept_between_tries_holds_no_lead(connections: ScriptedServer) -> None:
    store: dict[str, Any] = {}
    connections.play(TAKEN, REFUSED)
    with pytest.raises(PermissionDeniedError):
        Driven(store=store).run(add([{"email": f"{SECRET}{number}@b.c"} for number in range(1200)]))
    assert store
    assert SECRET not in json.dumps(store)
    assert len(json.dumps(store)) < 1000


def test_a_batch_that_came_too_soon_is_sent_again(connections: ScriptedServer) -> None:
    busy = Reply({}, status=429)
    connections.play(TAKEN, busy, busy, TAKEN)
    assert Driven().run(add(leads(1001)))["total_sent"] == 1001
    assert sizes(connections) == [1000, 1, 1, 1]


def test_a_long_rest_that_the_service_asks_for_is_left_to_airflow(connections: ScriptedServer) -> None:
    connections.play(Reply({}, status=429, headers={"Retry-After": "600"}))
    begun = time.monotonic()
    with pytest.raises(RateLimitedError) as raised:
        Driven().run(add(leads(1)))
    assert raised.value.retry_after == 600
    assert time.monotonic() - begun < 10
    assert sizes(connections) == [1]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({}, status=500), ServiceUnavailableError),
        (Reply({}, status=408), ServiceUnavailableError),
        (Reply(drop="before"), IncompleteResponseError),
        (Reply(all_new, drop="body"), IncompleteResponseError),
        (Reply(b"<html>"), MalformedResponseError),
        (Reply({"status": "success"}), MalformedResponseError),
        (Reply({}, status=400), BadRequestError),
        (Reply({}, status=402), PaymentRequiredError),
    ],
)
def test_a_batch_that_may_have_been_taken_or_was_refused_is_not_sent_again_in_the_same_try(
    connections: ScriptedServer, answer: Reply, error: type[Exception]
) -> None:
    connections.play(answer)
    driven = Driven()
    with pytest.raises(error) as raised:
        driven.run(add(leads(3)))
    assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry it
    assert sizes(connections) == [3]
    assert driven.ti.xcoms["return_value"]["total_sent"] == 0


class TestTheGateBetweenBatches:
    def test_it_is_asked_right_before_each_batch(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(status("healthy"), path=STATUS)
        assert Driven().run(add(leads(2500), check_gate=True))["total_sent"] == 2500
        assert [request.path for request in connections.requests] == [STATUS, ADD] * 3

    def test_it_is_not_asked_unless_it_is_wanted(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        Driven().run(add(leads(1200)))
        assert {request.path for request in connections.requests} == {ADD}

    @pytest.mark.parametrize("code", [code for code in SendingCode if code is not SendingCode.HEALTHY])
    def test_nothing_is_sent_where_it_is_not_open(
        self, connections: ScriptedServer, code: SendingCode
    ) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(status(code.value), path=STATUS)
        heals = RULES[code].disposition is Disposition.WAIT
        driven = Driven()
        with pytest.raises(SendsInterruptedError if heals else SendGateClosedError, match=code.value) as told:
            driven.run(add(leads(5), check_gate=True))
        # Airflow repeats what heals, and nothing else.
        assert isinstance(told.value, AirflowFailException) is not heals
        assert "0 of 5 leads sent, 0 of them new; the rest was not sent" in str(told.value)
        assert UUID in str(told.value)
        assert sizes(connections) == []
        assert driven.ti.xcoms["return_value"]["complete"] is False

    @pytest.mark.parametrize(
        ("code", "error"),
        [("campaign_bounce_protect", SendGateClosedError), ("out_of_schedule", SendsInterruptedError)],
    )
    def test_it_may_close_between_two_batches(
        self, connections: ScriptedServer, code: str, error: type[Exception]
    ) -> None:
        store: dict[str, Any] = {}
        connections.play(counted(1000, 990, duplicated_leads=10), TAKEN, path=ADD)
        connections.play(status("healthy"), status(code), path=STATUS)
        driven = Driven(store=store)
        with pytest.raises(error, match=code) as raised:
            driven.run(add(leads(2500), check_gate=True))
        assert "1,000 of 2,500 leads sent, 990 of them new; the rest was not sent" in str(raised.value)
        told = driven.ti.xcoms["return_value"]
        assert (told["total_sent"], told["leads_uploaded"], told["complete"]) == (1000, 990, False)
        assert sizes(connections) == [1000]

        connections.play(status("healthy"), path=STATUS)
        result = Driven(store=store).run(add(leads(2500), check_gate=True))
        assert (result["total_sent"], result["complete"]) == (2500, True)
        assert sizes(connections) == [1000, 1000, 500]

    def test_the_policy_decides(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(status("waiting_for_leads"), path=STATUS)
        refills = add(leads(5), check_gate=True, policy={SendingCode.WAITING_FOR_LEADS: Disposition.OPEN})
        assert Driven().run(refills)["total_sent"] == 5
        with pytest.raises(SendGateClosedError):
            Driven().run(add(leads(5), check_gate=True, policy={"waiting_for_leads": "closed"}))
        assert sizes(connections) == [5]

    def test_old_data_opens_nothing(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(status("healthy", age=120), path=STATUS)
        with pytest.raises(SendsInterruptedError, match="2 min old"):
            Driven().run(add(leads(5), check_gate=True, max_status_age=timedelta(minutes=1)))
        assert sizes(connections) == []
        assert Driven().run(add(leads(5), check_gate=True))["total_sent"] == 5

    @pytest.mark.parametrize(
        "answer",
        [
            Reply(b"<html>healthy</html>"),
            [],
            {"diagnostics": None, "summary": None},
            {"diagnostics": {"status": "healthy"}, "summary": None},
            {"diagnostics": {**status("healthy")["diagnostics"], "campaign_id": OTHER}},
            status("splendid"),
            status(1),
        ],
        ids=["not JSON", "list", "null", "undated", "about another", "unknown", "number"],
    )
    def test_what_cannot_be_read_opens_nothing(self, connections: ScriptedServer, answer: Any) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(answer, path=STATUS)
        with pytest.raises(SendsInterruptedError, match="0 of 5 leads sent"):
            Driven().run(add(leads(5), check_gate=True))
        assert sizes(connections) == []

    def test_a_service_that_cannot_be_asked_opens_nothing(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(status("healthy"), Reply({}, status=401), path=STATUS)
        driven = Driven()
        with pytest.raises(AuthenticationError):
            driven.run(add(leads(1200), check_gate=True))
        assert sizes(connections) == [1000]
        assert driven.ti.xcoms["return_value"]["total_sent"] == 1000

    def test_a_single_failure_to_ask_costs_no_batch(self, connections: ScriptedServer) -> None:
        connections.play(TAKEN, path=ADD)
        connections.play(Reply({}, status=503), status("healthy"), path=STATUS)
        assert Driven().run(add(leads(5), check_gate=True))["complete"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"path": ADD, "answer": Reply({"message": "no"}, status=400)},
        {"path": ADD, "answer": Reply(drop="body", body=all_new)},
        {"path": STATUS, "answer": status("campaign_paused")},
        {"path": STATUS, "answer": Reply({}, status=401)},
    ],
)
def test_neither_the_log_nor_an_error_holds_a_lead(
    connections: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    trouble: dict[str, Any],
) -> None:
    connections.play(TAKEN, path=ADD)
    connections.play(status("healthy"), path=STATUS)
    connections.play(trouble["answer"], path=trouble["path"])
    lead = {"email": f"{SECRET}@b.c", "phone": SECRET, "custom_variables": {"x": SECRET}}
    driven = Driven()
    with pytest.raises(Exception, match=UUID if trouble["path"] == STATUS else "leads/add") as raised:
        driven.run(add([lead] * 3, check_gate=True))
    told = capsys.readouterr()
    assert "0 of 3 leads sent" in told.out
    for text in (str(raised.value), told.out, told.err, caplog.text, json.dumps(driven.ti.xcoms)):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_id": "42"}, "campaign_id"),
        ({"campaign_id": None}, "campaign_id"),
        ({"leads": []}, "leads must be a list of at least one"),
        ({"leads": "a@b.c"}, "leads must be a list"),
        ({"leads": {"email": "a@b.c"}}, "leads must be a list"),
        ({"leads": [{"name": "nobody"}]}, r"leads\[0\]"),
        ({"leads": None}, "either leads or leads_path"),
        ({"leads_path": "leads.csv"}, "either leads or leads_path"),
        ({"leads": None, "leads_path": "leads.xlsx"}, "leads_path"),
        ({"leads": None, "leads_path": ""}, "leads_path"),
        ({"leads": None, "leads_path": 5}, "leads_path"),
        ({"options": {"campaign_id": UUID}}, "options must not hold campaign_id"),
        ({"options": {"leads": []}}, "options must not hold leads"),
        ({"options": "skip_if_in_workspace"}, "options must be a mapping"),
        ({"options": ["skip_if_in_workspace"]}, "options must be a mapping"),
        ({"policy": {"healthy": "open"}}, "policy is for check_gate"),
        ({"policy": {"healty": "open"}, "check_gate": True}, "policy.*healty"),
        ({"max_status_age": -1, "check_gate": True}, "max_status_age"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        add(**{"leads": leads(1), **arguments})


def test_what_is_rendered_later_is_not_refused_before() -> None:
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
def test_what_was_rendered_is_checked_before_anything_is_sent(
    connections: ScriptedServer, name: str, rendered: str
) -> None:
    task = add(leads_path="{{ params.path }}")
    setattr(task, name, rendered)
    with pytest.raises(ValueError, match=name):
        Driven().run(task)
    assert connections.requests == []


def test_leads_that_the_plan_has_no_room_for_are_an_error_and_not_lost(connections: ScriptedServer) -> None:
    full = {**counted(1000, 300), "remaining_in_plan": 0}
    connections.play(full, all_new)
    driven = Driven(store={})
    with pytest.raises(LeadsUnaccountedError, match=r"what became of 700 leads .* plan: 0"):
        driven.run(add(leads(1500)))
    assert sizes(connections) == [1000]
    told = driven.ti.xcoms["return_value"]
    assert (told["complete"], told["leads_uploaded"]) == (False, 300)
    # The next try goes on at that batch, and not behind it.
    connections.play(counted(1000, 700, duplicated_leads=300), counted(500, 500))
    told = Driven(store=driven.store).run(add(leads(1500)))
    assert sizes(connections) == [1000, 1000, 500]
    assert (told["complete"], told["leads_uploaded"]) == (True, 1500)


def test_the_gate_is_asked_again_before_a_batch_is_sent_again(connections: ScriptedServer) -> None:
    connections.play(Reply({}, status=429), path=ADD)
    connections.play(status("healthy"), status("campaign_paused"), path=STATUS)
    with pytest.raises(SendGateClosedError):
        Driven().run(add(leads(3), check_gate=True))
    assert [request.path for request in connections.requests] == [STATUS, ADD, STATUS]
