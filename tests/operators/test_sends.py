from __future__ import annotations

from collections import UserList
from datetime import date
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    BadRequestError,
    MalformedAnswerError,
    NotActivatedError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
)
from tests.driving import Driven
from tests.scripted_server import Reply, ScriptedServer

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


def activate(**arguments: Any) -> InstantlyActivateCampaignOperator:
    return InstantlyActivateCampaignOperator(**{"task_id": "activate", "campaign_id": UUID, **arguments})


def add(leads: Any, **arguments: Any) -> InstantlyAddLeadsOperator:
    return InstantlyAddLeadsOperator(**{"task_id": "add", "campaign_id": UUID, "leads": leads, **arguments})


def leads(count: int) -> list[dict[str, Any]]:
    return [{"email": f"lead{number}@example.com"} for number in range(count)]


def counted(sent: int, uploaded: int, remaining: int | None = None) -> dict[str, Any]:
    return {
        "status": "success", "total_sent": sent, "leads_uploaded": uploaded,
        "duplicated_leads": sent - uploaded, "remaining_in_plan": remaining, "created_leads": [],
    }  # fmt: skip


def test_a_draft_is_activated(connections: ScriptedServer) -> None:
    connections.play({"id": UUID, "status": 0}, {"id": UUID, "status": 1})
    assert Driven().run(activate()) == {"campaign_id": UUID, "status": 1}
    assert [(request.method, request.body) for request in connections.requests] == [
        ("GET", b""),
        ("POST", b""),
    ]


def test_an_active_campaign_is_left_alone(connections: ScriptedServer) -> None:
    connections.play({"id": UUID, "status": 1})
    assert Driven().run(activate())["status"] == 1
    assert [request.method for request in connections.requests] == ["GET"]


def test_an_activation_that_did_not_take_fails(connections: ScriptedServer) -> None:
    connections.play({"id": UUID, "status": 2}, {"id": UUID, "status": -2})
    with pytest.raises(NotActivatedError, match="bounce protect"):
        Driven().run(activate())
    assert len(connections.requests) == 2


@pytest.mark.parametrize(("status", "error"), [(400, BadRequestError), (503, ServiceUnavailableError)])
def test_an_activation_is_sent_once(connections: ScriptedServer, status: int, error: type[Exception]) -> None:
    connections.play({"id": UUID, "status": 0}, Reply({}, status=status))
    with pytest.raises(error):
        Driven().run(activate())
    assert len(connections.requests) == 2


def test_leads_go_out_in_batches_and_are_counted(connections: ScriptedServer) -> None:
    connections.play(counted(1000, 990, 50), counted(1000, 1000, 40), counted(5, 4, 36))
    summary = Driven().run(add(leads(2005), options={"skip_if_in_workspace": True}))
    assert summary == {
        "campaign_id": UUID,
        "total_sent": 2005,
        "leads_uploaded": 1994,
        "duplicated_leads": 11,
        "skipped_count": 0,
        "in_blocklist": 0,
        "invalid_email_count": 0,
        "incomplete_count": 0,
        "duplicate_email_count": 0,
        "remaining_in_plan": 36,
    }
    sent = [request.json for request in connections.requests]
    assert [len(body["leads"]) for body in sent] == [1000, 1000, 5]
    assert all(body["skip_if_in_workspace"] and body["campaign_id"] == UUID for body in sent)
    assert [lead for body in sent for lead in body["leads"]] == leads(2005)


def test_a_batch_that_fails_says_how_many_went_out(
    connections: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    connections.play(counted(1000, 990), Reply({"message": "Invalid scope"}, status=401))
    with pytest.raises(PermissionDeniedError):
        Driven().run(add(leads(1500)))
    assert len(connections.requests) == 2
    assert "1,000 of 1,500 leads sent, 990 of them new, then a batch failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([], "at least one"),
        (None, "at least one"),
        ("[{'email': 'a@b.c'}]", "as that task's output"),
        ([{"email": "a@b.c"}, {"email": ""}], r"leads\[1\]"),
        ([{"email": "a@b.c"}, "b@c.d"], r"leads\[1\]"),
    ],
)
def test_leads_are_all_checked_before_the_first_is_sent(
    connections: ScriptedServer, bad: Any, told: str
) -> None:
    task = add("{{ ti.xcom_pull(task_ids='choose') }}")
    task.leads = bad
    with pytest.raises(ValueError, match=told):
        Driven().run(task)
    assert connections.requests == []


def test_a_lead_that_cannot_be_sent_keeps_all_others_back(connections: ScriptedServer) -> None:
    with pytest.raises(ValueError, match=r"leads\[1400\] cannot be sent"):
        add([*leads(1400), {"email": "a@b.c", "since": date(2026, 1, 1)}])
    assert connections.requests == []


def test_leads_may_come_as_any_sequence(connections: ScriptedServer) -> None:
    connections.play(counted(2, 2))
    task = add("{{ ti.xcom_pull(task_ids='choose') }}")
    task.leads = UserList(leads(2))  # as the output of a mapped task is one, and no list
    assert Driven().run(task)["leads_uploaded"] == 2


def test_an_unreadable_campaign_is_not_activated(connections: ScriptedServer) -> None:
    connections.play({"error": "oops"})
    with pytest.raises(MalformedAnswerError, match="not activated"):
        Driven().run(activate())
    assert [request.method for request in connections.requests] == ["GET"]


def test_literal_arguments_are_checked_when_the_dag_is_parsed() -> None:
    with pytest.raises(ValueError, match=r"leads\[0\]"):
        add([{"name": "nobody"}])
    with pytest.raises(ValueError, match="at least one"):
        add([])
    with pytest.raises(ValueError, match="campaign_id"):
        add(leads(1), campaign_id="42")
    with pytest.raises(ValueError, match="campaign_id"):
        activate(campaign_id="")
    with pytest.raises(ValueError, match="options"):
        add(leads(1), options={"campaign_id": UUID})
    assert add([{"email": "{{ params.email }}"}]).leads
