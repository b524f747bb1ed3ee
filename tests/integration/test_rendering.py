"""What Airflow renders, maps, defers and resumes, in a real Airflow: ``tests/dags/rendering.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.utils.session import create_session

from airflow_provider_campaigns.links import CAMPAIGN_CLEANER_APP
from tests.conftest import KEY
from tests.dags.rendering import HTML, UUID
from tests.support.airflow_runs import dag, run, start
from tests.support.airflow_versions import (
    AIRFLOW,
    HAS_TASK_STATE_STORE,
    MODES,
    DagBag,
    first_of,
    needs_outlets,
)
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import OTHER_UUID, paths, sending_status, sending_status_body

pytestmark = pytest.mark.usefixtures("database")

AssetEvent: Any = first_of("airflow.models.asset.AssetEvent", "airflow.models.dataset.DatasetEvent")
XComModel: Any = first_of("airflow.models.xcom.XComModel", "airflow.models.xcom.XCom")
FIRST, SECOND = UUID, OTHER_UUID
STATUS = "/v1/get_campaign_status"


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A Variable that holds the first campaign; the function changes it to the second one."""
    monkeypatch.setenv("AIRFLOW_VAR_CURRENT", FIRST)
    return lambda: monkeypatch.setenv("AIRFLOW_VAR_CURRENT", SECOND)


def once(then: Callable[[], None], first: Any, later: Callable[[Request], Any]) -> Reply:
    """Return a response that does something the first time."""
    requests: list[Request] = []

    def body(request: Request) -> Any:
        requests.append(request)
        if len(requests) == 1:
            then()
            return first
        return later(request)

    return Reply(body)


class TestChangedVariable:
    """What a wait was about stays, although Airflow renders the templates of a resumed task again."""

    @pytest.mark.parametrize("mode", MODES)
    def test_sensor_returns_the_campaign_of_its_wait(
        self, connections: FakeServer, variable: Callable[[], None], mode: str
    ) -> None:
        def status(request: Request) -> Any:
            campaign_id = SECOND if SECOND in f"{request.path}{request.body!r}" else FIRST
            return {"campaign_status": {"id": campaign_id, "status": "completed"}}

        first = {"campaign_status": {"id": FIRST, "status": "processing"}}
        connections.respond(once(variable, first, status), path=STATUS)
        state, _, returned = run(dag(f"changed_variable_{mode}"))
        assert state == "success"
        if mode != "reschedule" or HAS_TASK_STATE_STORE:
            assert returned["wait"] == FIRST
            assert not [each for each in connections.requests if SECOND in f"{each.path}{each.body!r}"]

    def test_get_returns_the_campaign_of_its_wait(
        self, connections: FakeServer, variable: Callable[[], None]
    ) -> None:
        def status(name: str) -> Any:
            return {"campaign_status": {"id": FIRST, "status": name}}

        connections.respond(once(variable, status("processing"), lambda _: status("completed")), path=STATUS)
        connections.respond(
            {"campaign": {"id": FIRST, "campaign_html": "<p>Hi</p>"}}, path="/v1/get_campaign"
        )
        state, _, returned = run(dag("changed_variable_get"))
        assert (state, returned["wait"]["campaign_html"]) == ("success", "<p>Hi</p>")
        assert not [each for each in connections.requests if SECOND in f"{each.path}{each.body!r}"]

    def test_gate_decides_about_the_campaign_of_its_wait(
        self, connections: FakeServer, variable: Callable[[], None]
    ) -> None:
        def healthy(_: Request) -> Any:
            return json.dumps(sending_status_body("healthy"))

        connections.respond(once(variable, sending_status_body("daily_limit_met"), healthy))
        state, _, returned = run(dag("changed_variable_gate"))
        assert (state, returned["wait"]["code"]) == ("success", "healthy")
        assert set(paths(connections)) == {f"/api/v2/campaigns/{FIRST}/sending-status"}

    def test_activation_reports_the_campaign_of_its_wait(
        self, connections: FakeServer, variable: Callable[[], None]
    ) -> None:
        def healthy(_: Request) -> Any:
            return json.dumps(sending_status_body("healthy"))

        connections.respond({"status": 1}, path="/api/v2/campaigns")
        for each in (FIRST, SECOND):
            connections.respond(
                once(variable, sending_status_body("campaign_draft"), healthy),
                path=f"/api/v2/campaigns/{each}/sending-status",
            )
        state, _, returned = run(dag("changed_variable_activate"))
        assert (state, returned["wait"]["campaign_id"]) == ("success", FIRST)
        assert not [path for path in paths(connections) if SECOND in path]

    @pytest.mark.parametrize("name", ["deferrable", "get", "gate", "activate"])
    def test_deleted_variable_does_not_fail_the_wait(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_CURRENT", FIRST)

        def delete() -> None:
            monkeypatch.delenv("AIRFLOW_VAR_CURRENT")

        def status(name: str) -> Any:
            return {"campaign_status": {"id": FIRST, "status": name}}

        def healthy(_: Request) -> Any:
            return json.dumps(sending_status_body("healthy"))

        campaign = {"id": FIRST, "campaign_html": "<p>Hi</p>"}
        connections.respond(once(delete, status("processing"), lambda _: status("completed")), path=STATUS)
        connections.respond({"campaign": campaign}, path="/v1/get_campaign")
        connections.respond({"status": 1}, path="/api/v2/campaigns")
        waiting = sending_status_body("out_of_schedule" if name == "gate" else "campaign_draft")
        path = f"/api/v2/campaigns/{FIRST}/sending-status"
        connections.respond(once(delete, waiting, healthy), path=path)
        assert run(dag(f"changed_variable_{name}"))[0] == "success"


def asset_events(uri: str) -> int:
    with create_session() as session:
        return sum(1 for event in session.query(AssetEvent).all() if uri in str(getattr(event, "uri", event)))


class TestClosedGate:
    @pytest.fixture
    def successes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The file to which the callback of the gates writes."""
        path = tmp_path / "successes"
        path.touch()
        monkeypatch.setenv("SUCCESSES", str(path))
        return path

    @needs_outlets
    @pytest.mark.parametrize("name", ["gate_with_an_asset", "mapped_gate_with_an_asset"])
    @pytest.mark.parametrize("code", ["campaign_paused", "healthy"])
    def test_only_an_open_gate_emits_events_and_callbacks(
        self, connections: FakeServer, successes: Path, name: str, code: str
    ) -> None:
        times, before = int(code == "healthy"), asset_events(f"x-gate://{name}")
        connections.respond(sending_status(code))
        _, states, returned = run(dag(name))
        assert set(states.values()) == {"success" if times else "skipped"}
        assert len(successes.read_text().split()) == times
        # Before Airflow 3, dag.test() registers no asset, so that there is no event.
        has_events = AIRFLOW.major > 2
        assert asset_events(f"x-gate://{name}") - before == (times if has_events else 0)
        (verdict,) = returned.values()
        assert verdict["code"] == code

    def test_eager_task_behind_a_mapped_gate_fails_it_early(self, connections: FakeServer) -> None:
        _, states, _ = run(dag("mapped_gate_before_an_eager_task"))
        assert states["gate[0]"] == "failed"
        assert not [path for path in paths(connections) if "sending-status" in path]

    @pytest.mark.parametrize("rule", ["one_success", "one_failed", "one_done", "always", "all_done"])
    def test_eager_task_behind_a_gate_fails_dag_parsing(self, tmp_path: Path, rule: str) -> None:
        (tmp_path / "launch.py").write_text(
            "from airflow.providers.common.compat.sdk import DAG, task\n"
            "from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator\n"
            "with DAG('launch', schedule=None):\n"
            f"    gate = InstantlySendGateOperator(task_id='gate', campaign_id={UUID!r}, on_closed='skip')\n"
            f"    @task(trigger_rule={rule!r})\n"
            "    def send(): ...\n"
            "    @task\n"
            "    def aside(): ...\n"
            "    [gate, aside()] >> send()\n"
        )
        errors = DagBag(dag_folder=str(tmp_path), **no_examples()).import_errors
        assert bool(errors) == (rule != "all_done"), errors
        assert all(f"send ({rule})" in error for error in errors.values())


def no_examples() -> dict[str, Any]:
    return {"include_examples": False} if "include_examples" in str(DagBag.__init__.__doc__) else {}


class TestMappedHtml:
    def test_mapped_html_arrives_unchanged(self, connections: FakeServer) -> None:
        variants = [{"body": "<p>old</p>", "subject": "old"}]
        campaign = {"id": UUID, "status": 0, "sequences": [{"steps": [{"variants": variants}]}]}
        written: list[Any] = []

        def show(request: Request) -> Any:
            if request.method == "PATCH":
                written.append(request.json["sequences"])
            return {**campaign, **({"sequences": written[-1]} if written else {})}

        connections.respond({"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
        connections.respond(Reply(show), path=f"/api/v2/campaigns/{UUID}")
        state, states, _ = run(dag("mapped_html"))
        assert (state, set(states.values())) == ("success", {"success"})
        submitted = [each.json["send_campaign"] for each in connections.requests if "/v1/" in each.path]
        assert sorted(each["campaign_html"] for each in submitted) == sorted(HTML * 3)
        assert {each["campaign_name"].split(" af-")[0] for each in submitted} == {
            "mapped_html", "page 0", "page 1", "x",
        }  # fmt: skip
        copies = [sequences[0]["steps"][0]["variants"][0] for sequences in written]
        assert sorted(copy["body"] for copy in copies) == sorted(HTML)
        assert {copy["subject"] for copy in copies} == {"Hi {{firstName}} {# 1 #}"}
        assert not [each for each in connections.requests if KEY.encode() in each.body]

    def test_comment_of_the_dag_is_refused(self, connections: FakeServer) -> None:
        state, states, _ = run(dag("mapped_comment"))
        assert (state, set(states.values())) == ("failed", {"failed"})
        assert connections.requests == []


class TestTypes:
    def test_native_objects_become_texts_again(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"id": "an-id"}}, path="/v1")
        connections.respond(sending_status("waiting_for_leads"), path="/api")
        state, _, returned = run(dag("native_objects"))
        assert (state, returned["gate"]["open"]) == ("success", True)
        (sent,) = [each.json["send_campaign"] for each in connections.requests if "/v1/" in each.path]
        assert sent["campaign_name"].startswith("2026 af-")
        assert json.loads(sent["custom_info"]) == {"run": 7}
        assert (sent["inline_css"], sent["max_font_size_allowed"]) == (False, 30)

    def test_own_delimiters_render_and_leave_merge_tags(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"id": "an-id"}})
        assert run(dag("own_delimiters"))[0] == "success"
        sent = connections.requests[0].json["send_campaign"]
        assert sent["campaign_name"].startswith("Spring af-")
        assert "{{firstName}}, {# no comment #}" in sent["campaign_html"]

    def test_outputs_of_tasks_are_read_by_their_types(self, connections: FakeServer) -> None:
        connections.respond({"status": -2}, path="/api")  # stopped for bounces
        connections.respond(
            sending_status("waiting_for_leads"), path=f"/api/v2/campaigns/{UUID}/sending-status"
        )
        _, states, _ = run(dag("task_outputs"))
        assert (states["activate"], states["activate_by_template"]) == ("failed", "failed")
        assert states["gate"] == "success"
        assert not [path for path in paths(connections) if path.endswith("/activate")]

    def test_own_macro_starts_on_a_worker(self, connections: FakeServer) -> None:
        connections.respond({"campaign_status": {"id": "a", "status": "completed"}})
        assert run(dag("own_macro"))[2]["wait"] == "a"


def test_link_of_a_running_task_passes_an_own_xcom_backend(
    connections: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend: Any = first_of("airflow.sdk.bases.xcom.BaseXCom")
    if backend is None:
        pytest.skip("Airflow 2 reads links through the backend")
    from airflow.providers.common.compat import sdk
    from airflow.sdk.execution_time import task_runner, xcom

    class Elsewhere(backend):
        """Stores a path instead of the value."""

        @staticmethod
        def serialize_value(value: Any, **arguments: Any) -> Any:
            return backend.serialize_value("elsewhere://path", **arguments)

        @staticmethod
        def deserialize_value(result: Any) -> Any:
            raise AssertionError(f"not one of its own: {result}")

    for module in (sdk, xcom, task_runner):  # the first one keeps what it has imported
        monkeypatch.setattr(module, "XCom", Elsewhere)
    monkeypatch.setenv("AIRFLOW_VAR_CURRENT", "a")
    links: list[Any] = []

    def status(_: Request) -> Any:
        with create_session() as session:
            rows = session.query(XComModel).filter(XComModel.key.startswith("_link_")).all()
            links.extend(row.value for row in rows if row.dag_id == "changed_variable_poke")
        return {"campaign_status": {"id": "a", "status": "completed"}}

    connections.respond(Reply(status))
    run_states = run_without_results("changed_variable_poke")
    assert run_states == {"wait": "success"}
    assert links
    assert {str(link).strip('"') for link in links} == {CAMPAIGN_CLEANER_APP}


def run_without_results(name: str) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in start(dag(name)).get_task_instances()}
