"""One sensor that waits for many campaigns: it has the same result in all four modes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred
from jinja2 import Environment

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CampaignsFailedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.conftest import set_connection
from tests.support.airflow_versions import BAD_ARGUMENT, RENDERS_IN_THE_TRIGGERER
from tests.support.fake_airflow import TaskInstance, TaskRunner, event_of, restored_trigger
from tests.support.fake_cleaner import LIST, STATUS
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import paths

pytestmark = pytest.mark.usefixtures("clock")

MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
    "triggerer": {"start_from_trigger": True},
}
IDS = ["c-3", "C-1", "c-2"]
BUSY, GONE, REFUSED = Reply({}, status=503), Reply({"error": "no"}, status=404), Reply({"error": "no"})


class MappedOutput(Sequence[str]):
    """Looks like Airflow's sequence of the values of ``.map()``, which is not plain JSON.

    Like that, it applies the function to whatever an index or a slice gives.
    """

    def __init__(self, values: list[Any], function: Callable[[Any], Any] = lambda value: value) -> None:
        self._values, self._function = values, function

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: Any) -> Any:
        return self._function(self._values[key])


def listing(**statuses: str) -> dict[str, Any]:
    """Return the list of campaigns, of which each name is ``c_1`` for ``c-1``."""
    return {
        "campaign_list": [
            {"id": name.replace("_", "-"), "status": status} for name, status in statuses.items()
        ]
    }


def status(campaign_id: str, word: str) -> dict[str, Any]:
    return {"campaign_status": {"id": campaign_id, "status": word}}


def by_id(**replies: Any) -> Reply:
    """Return the response to a status request that belongs to its campaign; the others are refused."""

    def body(request: Request) -> Any:
        campaign_id = request.json["campaign"]["id"].lower()
        word = replies.get(campaign_id.replace("-", "_"))
        return status(campaign_id, word) if word else REFUSED.body

    return Reply(body)


def sensor(mode: str, **arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(
        **{"task_id": "wait", "campaign_id": IDS, "poke_interval": 10, **MODES[mode], **arguments}
    )


def run(task: CampaignCleanerCampaignSensor, store: dict[str, Any] | None = None, **rendered: Any) -> Any:
    """Run a sensor to its end; one that starts in the triggerer, from there on.

    :param store: the content of the task state store; None for an Airflow without one.
    :param rendered: what the triggerer rendered.
    """
    if not task.start_from_trigger:
        return TaskRunner(store=store).run(task)
    start = task.start_trigger_args
    trigger = restored_trigger(start.trigger_cls, json.dumps(start.trigger_kwargs | rendered))
    event = asyncio.run(event_of(trigger))
    return task.resume_execution(start.next_method, {"event": event}, {"ti": TaskInstance(), "task": task})


@pytest.fixture(params=[None, {}], ids=["no store", "store"])
def store(request: pytest.FixtureRequest) -> dict[str, Any] | None:
    return None if request.param is None else {}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


ALL_PROCESSING = listing(c_1="processing", c_2="processing", c_3="processing")
ONE_COMPLETED = listing(c_1="processing", c_2="processing", c_3="completed")
ALL_COMPLETED = listing(c_1="completed", c_2="completed", c_3="completed", other="processing")


class TestWait:
    def test_result_is_the_ids_in_the_order_given(self, mode: str, connections: FakeServer) -> None:
        connections.respond(ALL_PROCESSING, ONE_COMPLETED, ALL_COMPLETED, path=LIST)
        assert run(sensor(mode)) == IDS
        assert paths(connections) == [LIST] * 3

    def test_campaign_that_the_list_lacks_is_polled_individually(
        self, mode: str, connections: FakeServer
    ) -> None:
        connections.respond(listing(c_1="completed", c_3="completed"), path=LIST)
        connections.respond(status("c-2", "processing"), status("c-2", "completed"), path=STATUS)
        assert run(sensor(mode)) == IDS
        individually = [request.json["campaign"]["id"] for request in connections.requests if request.body]
        assert individually == ["c-2"] * 2

    def test_list_that_cannot_be_read_is_no_failure(self, mode: str, connections: FakeServer) -> None:
        connections.respond(Reply(b"<html>"), path=LIST)
        connections.respond(by_id(c_1="completed", c_2="completed", c_3="completed"), path=STATUS)
        assert run(sensor(mode, max_failures=1)) == IDS

    def test_campaign_that_completed_is_not_polled_again(self, connections: FakeServer) -> None:
        connections.respond(ONE_COMPLETED, listing(c_1="completed", c_2="completed"), path=LIST)
        assert run(sensor("poke")) == IDS
        assert paths(connections) == [LIST] * 2

    def test_paused_campaigns_are_waited_for_if_wanted(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(c_1="paused", c_2="paused", c_3="paused"), ALL_COMPLETED, path=LIST)
        assert run(sensor(mode, paused="wait")) == IDS

    def test_progress_is_logged_when_it_changes(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        for each in ("poke", "triggerer"):
            caplog.clear()
            connections.respond(*[ONE_COMPLETED] * 3, ALL_COMPLETED, path=LIST)
            run(sensor(each))
            logged = [record.getMessage() for record in caplog.records]
            counts = [message for message in logged if message.endswith("of 3 completed")]
            assert counts == ["1 of 3 completed", "3 of 3 completed"]


class TestFailure:
    def test_error_names_all_campaigns_that_failed(self, mode: str, connections: FakeServer) -> None:
        connections.respond(
            ALL_PROCESSING, listing(c_1="paused", c_2="processing", c_3="exploded"), path=LIST
        )
        with pytest.raises(
            CampaignsFailedError, match=r"^0 of 3 .*, 2 failed: c-3 \(exploded\), C-1 \(paused\)\."
        ):
            run(sensor(mode, soft_fail=True))
        assert paths(connections) == [LIST] * 2

    def test_campaign_that_is_gone_ends_the_wait(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(c_1="processing", c_3="processing"), path=LIST)
        connections.respond(GONE, path=STATUS)
        with pytest.raises(CampaignsFailedError, match=r"1 failed: c-2 \(NotFoundError\)"):
            run(sensor(mode))

    def test_refused_campaign_fails_after_max_failures(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(c_1="processing", c_3="processing"), path=LIST)
        connections.respond(REFUSED, path=STATUS)
        with pytest.raises(CampaignsFailedError, match=r"1 failed: c-2 \(RejectedError\)"):
            run(sensor(mode, max_failures=3))
        assert paths(connections).count(STATUS) == 3

    def test_message_names_all_failed_campaigns(self, mode: str, connections: FakeServer) -> None:
        ids = [f"campaign-{number}" for number in range(1000)]
        connections.respond({"campaign_list": [{"id": each, "status": "paused"} for each in ids]}, path=LIST)
        with pytest.raises(CampaignsFailedError, match="1,000 failed") as raised:
            run(sensor(mode, campaign_id=ids))
        assert all(f"{each} (paused)" in str(raised.value) for each in ids)

    def test_collected_failures_end_in_two_lists(self, mode: str, connections: FakeServer) -> None:
        connections.respond(
            listing(c_1="paused", c_3="processing", c_4="processing"),
            listing(c_1="paused", c_3="completed", c_4="completed"),
            path=LIST,
        )
        connections.respond(GONE, path=STATUS)
        assert run(sensor(mode, on_failure="collect", campaign_id=[*IDS, "c-4"])) == {
            "completed": ["c-3", "c-4"],
            "failed": [
                {"campaign_id": "C-1", "status": "paused"},
                {"campaign_id": "c-2", "status": "NotFoundError"},
            ],
        }

    def test_nothing_to_collect_gives_an_empty_list(self, mode: str, connections: FakeServer) -> None:
        connections.respond(ALL_COMPLETED, path=LIST)
        assert run(sensor(mode, on_failure="collect")) == {"completed": IDS, "failed": []}

    def test_final_error_of_the_service_fails_the_wait(self, mode: str, connections: FakeServer) -> None:
        connections.respond(Reply({"error": "no"}, status=401))
        with pytest.raises(AuthenticationError):
            run(sensor(mode, on_failure="collect"))

    def test_failing_service_ends_the_wait_after_max_failures(
        self, mode: str, connections: FakeServer
    ) -> None:
        connections.respond(BUSY, BUSY, ALL_PROCESSING, BUSY, path=LIST)
        connections.respond(BUSY, path=STATUS)
        with pytest.raises(ServiceUnavailableError):
            run(sensor(mode, max_failures=3))

    def test_refusals_of_several_campaigns_are_no_service_failures(
        self, mode: str, store: dict[str, Any] | None, connections: FakeServer
    ) -> None:
        connections.respond(
            *[listing(c_2="processing", c_3="processing")] * 2,
            *[listing(c_3="processing")] * 9,
            listing(c_3="completed"),
            path=LIST,
        )
        connections.respond(by_id(c_3="completed"), path=STATUS)
        assert run(sensor(mode, on_failure="collect", max_failures=3), store) == {
            "completed": ["c-3"],
            "failed": [{"campaign_id": each, "status": "RejectedError"} for each in ("C-1", "c-2")],
        }

    def test_error_says_that_others_were_not_polled(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(c_1="processing", c_3="paused"), path=LIST)
        connections.respond(GONE, path=STATUS)
        with pytest.raises(CampaignsFailedError) as raised:
            run(sensor(mode))
        assert ("c-2 (NotFoundError)" in str(raised.value)) is not ("Not polled yet: 1." in str(raised.value))


class TestOtherProcess:
    """A campaign that has ended stays so where the wait goes on in another process, also if it is deleted."""

    def test_ended_campaigns_are_known_in_the_next_process(
        self, mode: str, store: dict[str, Any] | None, connections: FakeServer
    ) -> None:
        if mode == "reschedule" and store is None:
            pytest.skip("Nothing is stored.")
        connections.respond(
            listing(c_1="completed", c_2="processing", c_3="exploded"),
            listing(c_2="processing"),
            listing(c_2="completed"),
            path=LIST,
        )
        connections.respond(by_id(c_2="completed"), path=STATUS)  # the only one left, so not through the list
        assert run(sensor(mode, on_failure="collect"), store) == {
            "completed": ["C-1", "c-2"],
            "failed": [{"campaign_id": "c-3", "status": "exploded"}],
        }

    def test_failed_poll_after_them_loses_nothing(self, connections: FakeServer) -> None:
        connections.respond(
            listing(c_1="completed", c_3="processing"), listing(c_3="completed", c_2="completed"), path=LIST
        )
        connections.respond(BUSY, path=STATUS)
        assert run(sensor("reschedule"), {}) == IDS
        assert paths(connections) == [LIST, STATUS, LIST]

    def test_later_try_is_another_wait(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(ONE_COMPLETED, listing(c_1="paused"), path=LIST)
        connections.respond(GONE, path=STATUS)
        with pytest.raises(CampaignsFailedError):
            run(sensor("reschedule"), store)
        connections.respond(listing(c_1="completed", c_2="completed"), path=LIST)
        runner = TaskRunner(ti=TaskInstance(try_number=2), store=store)
        with pytest.raises(CampaignsFailedError, match=r"c-3 \(NotFoundError\)"):
            runner.run(sensor("reschedule"))

    def test_progress_of_other_campaigns_is_not_taken_over(self, connections: FakeServer) -> None:
        store: dict[str, Any] = {}
        connections.respond(ONE_COMPLETED, path=LIST)
        with pytest.raises(AirflowSensorTimeout):
            run(sensor("reschedule", timeout=15), store)
        connections.respond(ONE_COMPLETED, path=LIST)
        with pytest.raises(AirflowSensorTimeout, match="1 of 3 completed; waiting for C-1, c-2"):
            run(sensor("reschedule", campaign_id=["C-1", "c-2", "c-3"], timeout=15), store)

    def test_what_has_ended_is_stored_in_few_bytes(self, connections: FakeServer) -> None:
        ids = [f"campaign-{number}" for number in range(10_000)]
        statuses = ["completed"] * 9_000 + ["exploded", "processing"] + ["completed"] * 998
        connections.respond(
            {"campaign_list": [{"id": a, "status": b} for a, b in zip(ids, statuses, strict=True)]}, path=LIST
        )
        task = sensor("deferrable", campaign_id=ids, on_failure="collect")
        with pytest.raises(TaskDeferred) as deferred:
            task.execute({"ti": TaskInstance(), "task": task})
        _, arguments = deferred.value.trigger.serialize()
        assert arguments["ended"] == {"completed": "0-8999,9002-9999", "exploded": "9000"}

    async def test_wait_with_another_key_knows_what_has_ended(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connections.respond(
            ONE_COMPLETED, Reply({}, status=401), listing(c_1="completed", c_2="completed"), path=LIST
        )
        connections.respond(Reply({}, status=401), GONE, path=STATUS)
        start = sensor("triggerer").start_trigger_args
        waiting = asyncio.create_task(
            event_of(restored_trigger(start.trigger_cls, json.dumps(start.trigger_kwargs)))
        )
        await asyncio.sleep(5)
        set_connection(monkeypatch, "campaign_cleaner", host=connections.url, password="another-key")
        assert (await waiting)["status"]["failed"] == {}


class TestTimeout:
    @pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
    def test_timeout_names_what_is_not_completed(self, mode: str, connections: FakeServer) -> None:
        connections.respond(ONE_COMPLETED, path=LIST)
        with pytest.raises(
            AirflowSensorTimeout,
            match=r"3 campaigns was not completed within 60 s\. .*1 of 3 completed; waiting for C-1, c-2\.",
        ):
            run(sensor(mode, timeout=60))
        assert 6 <= len(connections.requests) <= 8

    def test_individual_polls_end_soon_after_the_deadline(
        self, connections: FakeServer, clock: FakeClock
    ) -> None:
        def slowly(_: Request) -> str:
            clock.wait(20)  # the connection's timeout is 30 s
            return json.dumps({"campaign_status": {"status": "processing"}})

        connections.respond(listing(), path=LIST)
        connections.respond(Reply(slowly), path=STATUS)
        with pytest.raises(AirflowSensorTimeout, match="0 of 100 completed"):
            run(sensor("poke", campaign_id=[f"c-{number}" for number in range(100)], timeout=0))
        assert paths(connections).count(STATUS) == 2


class TestIds:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([], r"campaign_id must have 1 to 10,000 ids, got a list of 0"),
            ([f"c-{number}" for number in range(10_001)], r"1 to 10,000 ids, got a list of 10,001"),
            (
                ["c-1"] * 700 + ["two words"] + ["c-2"] * 300,
                r"campaign_id\[700\] must be an id .*'two words'",
            ),
            (["c-1", None], r"campaign_id\[1\] must be an id .*None"),
            (["c-1", "None"], r"campaign_id\[1\] must be an id .*'None'"),
            (["c-1", ["c-2"]], r"campaign_id\[1\] must be an id"),
            (["c-1", "c-2,c-3"], r"campaign_id\[1\] must be one id .*'c-2,c-3'.*: pass a list"),
            *[
                (text, "campaign_id must be one id or a list of ids, got the text .*: pass a list")
                for text in ("[c-1,c-2]", "c-1,c-2", '["c-1"', "('c-1')", "{'c-1', 'c-2'}", "'c-1'")
            ],
            ({"c-1"}, "campaign_id must be one id or a list of ids, got {'c-1'}: pass a list"),
            ({"c-1": 1}.keys(), "campaign_id must be one id or a list of ids, got dict_keys.*: pass a list"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_invalid_list_is_refused_before_a_request(
        self, connections: FakeServer, value: list[Any], message: str
    ) -> None:
        with pytest.raises(BAD_ARGUMENT, match=message):
            sensor("poke", campaign_id=value)
        rendered = sensor("deferrable", campaign_id="{{ params.ids }}")
        rendered.campaign_id = value
        with pytest.raises(ValueError, match=message):
            run(rendered)
        assert connections.requests == []

    @pytest.mark.parametrize("form", [str, json.dumps, lambda ids: str(tuple(ids)), tuple, deque])
    def test_other_form_of_a_list_is_the_list(
        self, form: Callable[[Any], Any], connections: FakeServer
    ) -> None:
        connections.respond(ALL_COMPLETED, path=LIST)
        task = sensor("poke", campaign_id="{{ params.ids }}")
        task.campaign_id = form(IDS)
        assert run(task) == IDS

    def test_numbers_that_a_template_renders_are_ids(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(**{"17": "completed", "18": "completed"}), path=LIST)
        task = sensor(mode, campaign_id=["x"])
        task.campaign_id = "[17, 18]"
        assert run(task) == ["17", "18"]

    @pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
    def test_output_of_a_mapped_task_is_the_list(self, mode: str, connections: FakeServer) -> None:
        connections.respond(ONE_COMPLETED, ALL_COMPLETED, path=LIST)
        task, store = sensor(mode, campaign_id="{{ params.ids }}"), {}
        task.campaign_id = MappedOutput(IDS)
        assert TaskRunner(store=store).run(task) == IDS
        if mode == "reschedule":  # the next process waits for the same
            assert store["waits_for"]["campaign_id"] == IDS

    @pytest.mark.parametrize(
        ("values", "function"),
        [
            ([[each] for each in IDS], lambda row: row[0]),
            ([{"id": each} for each in IDS], lambda row: row.get("id")),
        ],
    )
    def test_function_of_map_gets_one_value_each(
        self, connections: FakeServer, values: list[Any], function: Callable[[Any], Any]
    ) -> None:
        connections.respond(ALL_COMPLETED, path=LIST)
        task = sensor("poke", campaign_id="{{ params.ids }}")
        task.campaign_id = MappedOutput(values, function)
        assert run(task) == IDS

    def test_template_in_a_list_starts_on_a_worker(self) -> None:
        assert not sensor("triggerer", campaign_id=["c-1", "{{ ti.xcom_pull('a') }}"]).start_from_trigger

    def test_one_rendered_id_is_not_collected(self, mode: str, connections: FakeServer) -> None:
        task = sensor(mode, campaign_id=["x"], on_failure="collect")
        task.campaign_id = "c-1"
        with pytest.raises((ApiError, ValueError), match="on_failure='collect' is for a list"):
            run(task)
        assert connections.requests == []

    def test_ids_without_templates_are_not_compiled(self) -> None:
        compiled = []

        class Recording(Environment):
            def from_string(self, source: Any, *arguments: Any, **named: Any) -> Any:
                compiled.append(source)
                return super().from_string(source, *arguments, **named)

        task = sensor("poke")
        task.render_template_fields({}, Recording())
        assert task.campaign_id == IDS
        if RENDERS_IN_THE_TRIGGERER:
            trigger = sensor("triggerer").trigger(poke_interval=10, deadline=None)
            trigger.template_fields = ("campaign_id", "campaign_cleaner_conn_id")
            trigger.render_template_fields({}, Recording())
            assert trigger.campaign_id == IDS
        assert set(compiled) == {"campaign_cleaner_default"}

    def test_invalid_list_in_the_triggerer_sends_no_request(self, connections: FakeServer) -> None:
        with pytest.raises(ApiError, match=r"campaign_id\[1\] must be an id"):
            run(sensor("triggerer"), campaign_id="['c-1', 'None']")
        assert connections.requests == []

    def test_duplicates_count_once_and_are_logged(
        self, mode: str, connections: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        connections.respond(ALL_COMPLETED, path=LIST)
        assert run(sensor(mode, campaign_id=[*IDS, "c-3", "c-1"])) == IDS
        assert "campaign_id has 5 ids, 3 of them different" in caplog.text

    def test_list_of_one_gives_a_list(self, mode: str, connections: FakeServer) -> None:
        connections.respond(listing(c_1="completed"), path=LIST)
        connections.respond(status("c-1", "completed"), path=STATUS)
        assert run(sensor(mode, campaign_id=["c-1"])) == ["c-1"]

    def test_collecting_for_one_id_is_refused(self) -> None:
        with pytest.raises(BAD_ARGUMENT, match="on_failure='collect' is for a list"):
            sensor("poke", campaign_id="c-1", on_failure="collect")
