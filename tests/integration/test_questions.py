"""A gate asks, a person answers through Airflow's REST API, the gate decides: ``tests/dags/questions.py``.

``tests/system/test_questions.py`` does so with real processes, and on Airflow 3.1 and 3.2, whose
``dag.test()`` cannot answer.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.airflow_runs import dag, run
from tests.support.airflow_versions import first_of, needs
from tests.support.answers import answering
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import OTHER_UUID, UUID, sending_status_body

pytestmark = [
    pytest.mark.usefixtures("database"),
    needs(first_of("airflow.sdk.exceptions.TaskAwaitingInput"), "dag.test() waits for answers from 3.3 on"),
]
LOOK = ("Look again", {})
ANYWAY = ("Send anyway", {"reason": "the senders are new"})


def campaign(server: FakeServer, campaign_id: str, *codes: str, name: str = "Spring") -> None:
    """Report these codes of a campaign, each once; the last one again and again."""
    left = list(codes)
    server.respond({"id": campaign_id, "name": name}, path=f"/api/v2/campaigns/{campaign_id}")

    def body(_: Any) -> str:
        return json.dumps(sending_status_body(left.pop(0) if len(left) > 1 else left[0]))

    server.respond(Reply(body), path=f"/api/v2/campaigns/{campaign_id}/sending-status")


@pytest.fixture(autouse=True)
def _variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_CURRENT", UUID)


def test_gate_asks_until_a_fresh_status_opens_it(
    connections: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign(connections, UUID, "all_accounts_unhealthy", "campaign_account_suspended", "healthy")

    def answer(_: Any) -> tuple[str, dict[str, Any]]:
        monkeypatch.setenv("AIRFLOW_VAR_CURRENT", OTHER_UUID)  # the question stays about the first campaign
        return LOOK

    with answering("gate_asks", answer) as person:
        state, _, returned = run(dag("gate_asks"))
    assert (state, returned["gate"]["code"], returned["send"]) == ("success", "healthy", "sent")
    first, second = person.questions
    assert first["subject"] == "Send gate closed: Spring"
    assert "`all_accounts_unhealthy`" in first["body"]
    # Airflow 3.3 shows the first text for the second question; 3.4 shows its own.
    assert "**Question 1, written at" in first["body"]
    assert "If the gate has asked again since, this text may be old" in second["body"]
    assert second["body"] == first["body"] or "`campaign_account_suspended`" in second["body"]


def test_named_user_opens_a_closed_gate_on_record(connections: FakeServer) -> None:
    campaign(connections, UUID, "all_accounts_unhealthy")
    with answering("gate_asks", lambda _: ANYWAY):
        state, _, returned = run(dag("gate_asks"))
    assert (state, returned["send"]) == ("success", "sent")
    expected = {"open": True, "disposition": "closed", "code": "all_accounts_unhealthy"}
    expected |= {"overridden_by": "jane (jane)", "reason": "the senders are new"}
    assert expected.items() <= returned["gate"].items()


def test_other_user_does_not_open_a_closed_gate(connections: FakeServer) -> None:
    """This Airflow lets every user answer."""
    campaign(connections, UUID, "all_accounts_unhealthy")
    answers = [ANYWAY, ("Fail", {})]
    with answering("gate_asks", lambda _: answers.pop(0), user="bob"):
        state, states, returned = run(dag("gate_asks"))
    assert (state, states["gate"], returned["send"], answers) == ("failed", "failed", None, [])
    assert (returned["gate"]["open"], "reason" in returned["gate"]) == (False, False)


def test_mapped_gates_ask_individually(connections: FakeServer) -> None:
    campaign(connections, UUID, "campaign_paused", "healthy", name="One")
    campaign(connections, OTHER_UUID, "campaign_paused", name="Two")

    def answer(question: Any) -> tuple[str, dict[str, Any]]:
        return LOOK if question["subject"].endswith("One") else ("Skip the send", {})

    with answering("mapped_gates_ask", answer) as person:
        _, states, _ = run(dag("mapped_gates_ask"))
    assert sorted(each["subject"] for each in person.questions) == [
        "Send gate closed: One",
        "Send gate closed: Two",
    ]
    assert states == {"gate[0]": "success", "gate[1]": "skipped", "send": "skipped"}
