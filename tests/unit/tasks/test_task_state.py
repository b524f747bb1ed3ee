from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.tasks.task_state import TaskState, is_retry_or_cleared, submission_marker
from tests.support.fake_airflow import Store, TaskInstance, TaskRunner
from tests.support.fake_server import FakeServer
from tests.support.responses import paths


def context_of(try_number: int = 1, max_tries: Any = 0, *, retries: Any = 0, **ti: Any) -> Any:
    """Return the context of one try."""
    instance = TaskInstance(try_number=try_number, max_tries=max_tries, **ti)
    return {"ti": instance, "task": SimpleNamespace(retries=retries)}


# Tries as Airflow numbers them: clearing sets max_tries to the tries so far plus the number of retries, as
# tests/integration/test_cleared_task.py shows. Each inner list holds the tries between two clearings, as
# (try_number, max_tries).
HISTORIES: dict[str, tuple[int, list[list[tuple[int, int]]]]] = {
    "never cleared": (2, [[(1, 2), (2, 2), (3, 2)]]),
    "no retries": (0, [[(1, 0)]]),
    "cleared after its first try": (2, [[(1, 2)], [(2, 3), (3, 3), (4, 3)]]),
    "cleared after all its tries": (2, [[(1, 2), (2, 2), (3, 2)], [(4, 5), (5, 5)]]),
    "cleared three times": (1, [[(1, 1), (2, 1)], [(3, 3)], [(4, 4), (5, 4)], [(6, 6)]]),
    "cleared with no retries": (0, [[(1, 0)], [(2, 1)], [(3, 2)]]),
    "cleared before its first try": (1, [[(1, 1), (2, 1)]]),
}


@pytest.mark.parametrize("history", HISTORIES)
class TestHistory:
    def test_marker_changes_only_when_the_task_is_cleared(self, history: str) -> None:
        retries, generations = HISTORIES[history]
        markers = [
            {submission_marker(context_of(*numbers, retries=retries)) for numbers in generation}
            for generation in generations
        ]
        assert all(len(each) == 1 for each in markers)
        assert len(set.union(*markers)) == len(generations)

    def test_marker_does_not_depend_on_the_retries_of_the_dag(self, history: str) -> None:
        _, generations = HISTORIES[history]
        for numbers in itertools.chain(*generations):
            markers = {submission_marker(context_of(*numbers, retries=retries)) for retries in (0, 2, 9)}
            assert len(markers) == 1

    def test_every_try_but_the_first_is_a_retry_or_cleared(self, history: str) -> None:
        _, generations = HISTORIES[history]
        tries = [is_retry_or_cleared(context_of(*numbers)) for numbers in itertools.chain(*generations)]
        assert tries == [False] + [True] * (len(tries) - 1)


class TestSubmissionMarker:
    def test_markers_of_two_tasks_differ(self) -> None:
        values = {
            "dag_id": ["dag", "da"],
            "run_id": ["run", "grun"],
            "task_id": ["task", "task_1"],
            "map_index": [-1, 0, 1, 10],
        }
        tasks = [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]
        assert len({submission_marker(context_of(**task)) for task in tasks}) == len(tasks) == 32

    def test_marker_is_the_same_in_every_version(self) -> None:
        """Otherwise a task that is retried after an upgrade submits twice."""
        assert submission_marker(context_of()) == "af-7f0f2e4933ba"


class BrokenStore:
    """A task state store that raises an error."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def _raise(self, *_: Any) -> Any:
        raise self.error

    get = set = delete = _raise


class BrokenDict(dict[str, Any]):
    """The content of a :class:`tests.support.fake_airflow.Store` that raises an error."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("the API server is down")

    get = __setitem__ = pop = _raise


class TestTaskState:
    def test_value_is_returned_until_it_is_deleted(self) -> None:
        state = TaskState({"task_state_store": Store({})})
        assert state.get("key") is None
        state.set("key", {"a": [1, None]})
        assert state.get("key") == {"a": [1, None]}
        assert state.get("another") is None
        state.delete("key")
        state.delete("key")
        assert state.get("key") is None

    def test_without_a_store_every_value_is_none(self) -> None:
        state = TaskState({})
        state.set("key", 1)
        assert state.get("key") is None
        state.delete("key")

    def test_broken_store_is_survived_with_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        state = TaskState({"task_state_store": BrokenStore(RuntimeError("the API server is down"))})
        state.set("key", 1)
        assert state.get("key") is None
        state.delete("key")
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
        for record, method in zip(caplog.records, ("set", "get", "delete"), strict=True):
            assert f"failed ({method}); continuing without it" in record.getMessage()
            assert "the API server is down" in str(record.exc_info)

    @pytest.mark.parametrize(
        ("method", "arguments"), [("set", ("key", 1)), ("get", ("key",)), ("delete", ("key",))]
    )
    def test_timeout_of_the_task_is_not_suppressed(self, method: str, arguments: tuple[Any, ...]) -> None:
        state = TaskState({"task_state_store": BrokenStore(AirflowTaskTimeout("timed out"))})
        with pytest.raises(AirflowTaskTimeout):
            getattr(state, method)(*arguments)


def submit() -> CampaignCleanerSubmitCampaignOperator:
    return CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring", retries=1
    )


class TestSubmission:
    def test_retry_with_a_broken_store_finds_the_campaign(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
        broken = BrokenDict()
        assert TaskRunner(ti=TaskInstance(max_tries=1), store=broken).run(submit()) == "an-id"
        name = connections.requests[0].json["send_campaign"]["campaign_name"]
        listed = {"campaign_list": [{"id": "an-id", "campaign_name": name, "status": "processing"}]}
        connections.respond(listed, path="/v1/get_campaign_list")
        retry = TaskInstance(try_number=2, max_tries=1)
        assert TaskRunner(ti=retry, store=broken).run(submit()) == "an-id"
        assert paths(connections) == ["/v1/send_campaign", "/v1/get_campaign_list"]

    @pytest.mark.parametrize(
        "stored", ["x", 5, ["x"], {}, {"marker": "af-000000000000", "campaign_id": "old"}]
    )
    def test_unusable_value_in_the_store_is_ignored(self, connections: FakeServer, stored: Any) -> None:
        connections.respond({"campaign": {"id": "an-id"}})
        store = {"submitted": stored}
        assert TaskRunner(store=store).run(submit()) == "an-id"
        assert store["submitted"]["campaign_id"] == "an-id"
