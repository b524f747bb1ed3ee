"""Leads that Instantly does not account for: they block no other lead, and are not forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import LeadsUnaccountedError
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import UUID

LOST = "lead1233@example.com"


def leads(count: int) -> list[dict[str, Any]]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def add(count: int, campaign_id: str = UUID) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(task_id="add", campaign_id=campaign_id, leads=leads(count))


def sizes(server: FakeServer) -> list[int]:
    return [len(request.json["leads"]) for request in server.requests]


def response(remaining: int | None, *lost: str, **counts: int) -> Reply:
    """Return a response that neither adds nor counts some addresses."""

    def body(request: Request) -> bytes:
        sent = request.json["leads"]
        created = [
            {"index": index, "id": UUID, "email": lead["email"]}
            for index, lead in enumerate(sent)
            if lead["email"] not in lost
        ]
        added = len(created) - sum(counts.values())
        return json.dumps(
            {
                "status": "success",
                "total_sent": len(sent),
                "leads_uploaded": added,
                "remaining_in_plan": remaining,
                "created_leads": created[:added],
                **counts,
            }
        ).encode()

    return Reply(body)


@pytest.mark.parametrize("remaining", [9_000, None])
def test_lost_lead_does_not_block_the_batches_behind_it(
    connections: FakeServer, remaining: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    connections.respond(response(remaining, LOST))
    runner = TaskRunner(store={})
    with pytest.raises(LeadsUnaccountedError, match=r"1 of 2,500 leads \(number 1,234\)") as raised:
        runner.run(add(2500))
    assert sizes(connections) == [1000, 1000, 500]
    assert "room" not in str(raised.value)
    result = runner.ti.xcoms["return_value"]
    assert (result["complete"], result["leads_uploaded"], result["total_sent"]) == (False, 2499, 2500)
    assert (result["unaccounted"], result["unaccounted_leads"]) == (1, [1234])
    output = capsys.readouterr().out
    assert "2,500 of 2,500 leads uploaded, 2,499 added, 1 unaccounted for" in output
    for text in (str(raised.value), output, json.dumps(runner.store)):
        assert LOST not in text


def test_retry_uploads_nothing_again_and_reports_the_lead(connections: FakeServer) -> None:
    connections.respond(response(9_000, LOST))
    store: dict[str, Any] = {}
    for _ in range(3):
        with pytest.raises(LeadsUnaccountedError, match="1 of 2,500 leads"):
            TaskRunner(store=store).run(add(2500))
    assert sizes(connections) == [1000, 1000, 500]


def test_retry_after_another_failure_keeps_the_lead_in_mind(connections: FakeServer) -> None:
    refused = Reply({"message": "no"}, status=400)
    connections.respond(response(9_000), response(9_000, LOST), refused)
    store: dict[str, Any] = {}
    with pytest.raises(Exception, match="leads/add"):
        TaskRunner(store=store).run(add(2500))
    connections.respond(response(9_000))
    with pytest.raises(LeadsUnaccountedError, match=r"1 of 2,500 leads \(number 1,234\)"):
        TaskRunner(store=store).run(add(2500))
    assert sizes(connections) == [1000, 1000, 500, 500]


def test_unknown_numbers_are_not_guessed(connections: FakeServer) -> None:
    connections.respond(response(9_000, LOST, duplicated_leads=4))
    runner = TaskRunner(store={})
    with pytest.raises(LeadsUnaccountedError, match=r"1 of 2,000 leads\. All others"):
        runner.run(add(2000))
    assert runner.ti.xcoms["return_value"]["unaccounted_leads"] == []


def test_ten_numbers_are_named(connections: FakeServer) -> None:
    connections.respond(response(9_000, *(f"lead{number}@example.com" for number in range(500))))
    runner = TaskRunner(store={})
    with pytest.raises(LeadsUnaccountedError, match=r"500 of .*\(number 1, 2, .*, 10 and 490 more\)"):
        runner.run(add(1500))
    assert len(json.dumps(runner.store)) < 1000


def test_full_plan_ends_the_upload_at_once(connections: FakeServer) -> None:
    full = [f"lead{number}@example.com" for number in range(300, 1000)]
    connections.respond(response(0, *full))
    runner = TaskRunner(store={})
    with pytest.raises(LeadsUnaccountedError, match=r"700 leads .* plan is full.*Make room"):
        runner.run(add(2500))
    assert sizes(connections) == [1000]
    result = runner.ti.xcoms["return_value"]
    assert (result["complete"], result["leads_uploaded"], result["remaining_in_plan"]) == (False, 300, 0)
    # The next try begins with that batch, not after it.
    connections.respond(response(500, duplicated_leads=300), response(500))
    result = TaskRunner(store=runner.store).run(add(2500))
    assert sizes(connections) == [1000, 1000, 1000, 500]
    assert (result["complete"], result["leads_uploaded"]) == (True, 2500)


def test_plan_that_is_used_up_exactly_is_no_error(connections: FakeServer) -> None:
    connections.respond(response(0, duplicated_leads=1000))
    assert TaskRunner().run(add(2000))["complete"]
