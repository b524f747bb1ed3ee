"""Which values the arguments of a task have, in a real Airflow: ``tests/dags/arguments.py``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.airflow_runs import dag, run
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import UUID

pytestmark = pytest.mark.usefixtures("database")

ADD, UPDATE = "/api/v2/leads/add", f"/api/v2/campaigns/{UUID}"


@pytest.fixture
def services(connections: FakeServer) -> FakeServer:
    """Both services, which accept all that the Dags send."""
    campaign: dict[str, Any] = {"id": UUID, "status": 2}

    def update(request: Request) -> bytes:
        campaign.update(request.json if request.method == "PATCH" else {})
        return json.dumps(campaign).encode()

    def add(request: Request) -> bytes:
        count = len(request.json["leads"])
        return json.dumps({"total_sent": count, "leads_uploaded": count, "created_leads": []}).encode()

    def status(request: Request) -> bytes:
        campaign_id = request.json["campaign"]["id"]
        return json.dumps({"campaign_status": {"id": campaign_id, "status": "completed"}}).encode()

    connections.respond({"status": "success"}, path="/v1/delete_campaign")
    connections.respond(Reply(status), path="/v1/get_campaign_status")
    connections.respond({"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
    connections.respond(Reply(add), path=ADD)
    connections.respond(Reply(update), path=UPDATE)
    return connections


def sent(server: FakeServer, path: str) -> list[Any]:
    """Return the bodies of the requests with a path."""
    return [each.json for each in server.requests if each.path == path and each.body]


def submitted(server: FakeServer, field: str) -> list[Any]:
    return sorted(str(each["send_campaign"][field]) for each in sent(server, "/v1/send_campaign"))


class TestNativeObjects:
    """In a Dag with ``render_template_as_native_obj=True``."""

    @pytest.mark.parametrize("text", ["1e3", "10_42", "1,2"])
    def test_text_of_a_template_stays(self, services: FakeServer, text: str) -> None:
        assert run(dag("native_texts"), given=text)[0] == "success"
        assert sent(services, "/v1/delete_campaign") == [{"campaign": {"id": text}}]
        assert sent(services, "/v1/get_campaign_status") == [{"campaign": {"id": text.replace(",", "-")}}]
        (campaign,) = [each["send_campaign"] for each in sent(services, "/v1/send_campaign")]
        assert (campaign["campaign_html"], campaign["custom_info"]) == (f"<p>{text}</p>", text)
        assert campaign["campaign_name"].startswith("1.10 af-")
        assert campaign["relative_links_base_url"] == text
        assert (campaign["literal"], campaign["template"]) == ("007", text)
        (batch,) = sent(services, ADD)
        assert (batch["blocklist_id"], batch["skip_if_in_campaign"]) == (text, True)
        assert batch["leads"] == [
            {"email": "ada@example.com", "phone": text, "custom_variables": {"plan": text, "zip": "1_0"}}
        ]
        assert sent(services, UPDATE) == [{"name": text}]

    def test_other_values_keep_their_type(self, services: FakeServer) -> None:
        assert run(dag("native_values"))[0] == "success"
        (batch,) = sent(services, ADD)
        assert (batch["leads"], batch["verify_leads_on_import"]) == ([{"email": "ada@example.com"}], True)
        assert sent(services, UPDATE) == [
            {"name": "2026", "daily_limit": 50, "email_list": ["a@example.com"]}
        ]
        (campaign,) = [each["send_campaign"] for each in sent(services, "/v1/send_campaign")]
        assert campaign["campaign_name"].startswith("2026 af-")
        assert campaign["custom_info"].count(":") >= 2  # a time

    def test_id_of_another_type_is_refused(self, services: FakeServer, caplog: Any) -> None:
        _, states, _ = run(dag("native_invalid_ids"))
        tasks = ("by_output", "by_template", "of_a_list")
        assert {states[each] for each in tasks} == {"failed"}
        assert services.requests == []


class TestMapped:
    def test_literal_of_the_dag_is_rendered(self, services: FakeServer) -> None:
        assert run(dag("mapped_literals"))[0] == "success"
        assert submitted(services, "campaign_html") == ["<p>Hi Ada</p>"] * 2
        assert sent(services, ADD)[0]["leads"] == [{"email": "ada@example.com", "first_name": "Ada"}]

    def test_output_of_another_task_is_not_rendered(self, services: FakeServer) -> None:
        state, states, _ = run(dag("mapped_outputs"))
        assert (state, set(states.values())) == ("success", {"success"})
        assert submitted(services, "campaign_html") == ["<p>Hi {{ params.given }}</p>"] * 3
        assert [name.split(" af-")[0] for name in submitted(services, "campaign_name")] == ["Ada", "x", "x"]
        (lead,) = sent(services, ADD)[0]["leads"]
        assert lead["first_name"] == "{{ params.given }}"


@pytest.mark.parametrize("name", ["text", "native"])
def test_part_that_is_none_sends_nothing(services: FakeServer, name: str) -> None:
    _, states, _ = run(dag(f"missing_parts_{name}"))
    assert states == {
        "choose": "success",
        **dict.fromkeys(("add", "update", "mapped[0]", "submit"), "failed"),
    }
    assert services.requests == []


@pytest.mark.parametrize("name", ["text", "native"])
def test_empty_lead_fields_are_left_out(services: FakeServer, name: str) -> None:
    assert run(dag(f"lead_fields_{name}"))[0] == "success"
    (lead,) = sent(services, ADD)[0]["leads"]
    assert lead == {"email": "ada@example.com", "last_name": "Null", "custom_variables": {}}
