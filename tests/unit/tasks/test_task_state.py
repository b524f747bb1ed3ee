from __future__ import annotations

import inspect
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.taskinstance import clear_task_instances
from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.utils.session import create_session

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.tasks.task_state import TaskState, is_retry_or_cleared, marker
from tests.support.airflow_runs import dag
from tests.support.airflow_versions import DagSerialization, needs_a_dag_to_clear
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven, Store, TaskInstance


def at(try_number: int = 1, max_tries: Any = 0, *, retries: Any = 0, **ti: Any) -> Any:
    """The context of one try."""
    instance = TaskInstance(try_number=try_number, max_tries=max_tries, **ti)
    return {"ti": instance, "task": SimpleNamespace(retries=retries)}


# Tries as Airflow numbers them: clearing sets max_tries to the tries so far and as many more as there are
# retries. Each inner list is what happens between two clearings, as (try_number, max_tries).
LIVES: dict[str, tuple[int, list[list[tuple[int, int]]]]] = {
    "never cleared": (2, [[(1, 2), (2, 2), (3, 2)]]),
    "no retries": (0, [[(1, 0)]]),
    "cleared after its first try": (2, [[(1, 2)], [(2, 3), (3, 3), (4, 3)]]),
    "cleared after all its tries": (2, [[(1, 2), (2, 2), (3, 2)], [(4, 5), (5, 5)]]),
    "cleared three times": (1, [[(1, 1), (2, 1)], [(3, 3)], [(4, 4), (5, 4)], [(6, 6)]]),
    "cleared with no retries": (0, [[(1, 0)], [(2, 1)], [(3, 2)]]),
    "cleared before its first try": (1, [[(1, 1), (2, 1)]]),
}


@pytest.mark.parametrize("life", LIVES)
class TestALife:
    def test_all_tries_between_two_clearings_have_one_marker_and_no_others_have_it(self, life: str) -> None:
        retries, generations = LIVES[life]
        markers = [
            {marker(at(*numbers, retries=retries)) for numbers in generation} for generation in generations
        ]
        assert all(len(each) == 1 for each in markers)
        assert len(set.union(*markers)) == len(generations)

    def test_only_the_very_first_try_needs_no_look_at_what_came_before(self, life: str) -> None:
        retries, generations = LIVES[life]
        told = [
            is_retry_or_cleared(at(*numbers, retries=retries)) for each in generations for numbers in each
        ]
        assert told == [False] + [True] * (len(told) - 1)

    def test_a_dag_whose_retries_are_changed_in_between_keeps_the_marker(self, life: str) -> None:
        retries, generations = LIVES[life]
        for generation in generations:
            assert (
                len(
                    {marker(at(*numbers, retries=more)) for numbers in generation for more in (0, retries, 9)}
                )
                == 1
            )


@needs_a_dag_to_clear
@pytest.mark.usefixtures("database")
def test_airflow_numbers_the_tries_of_a_cleared_task_like_that(
    connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Clearing changes this for the whole process; put it back for other tests.
    monkeypatch.setattr(DagSerialization, "_load_operator_extra_links", True)
    connections.play(Reply({"error": "slow down"}, status=429))
    built = dag("retried_at_once")
    (ran,) = built.test().get_task_instances()
    assert (ran.try_number, ran.max_tries) == (2, 1)
    # Airflow 2 takes a Dag that its database does not know.
    known = {"dag": built} if "dag" in inspect.signature(clear_task_instances).parameters else {}
    with create_session() as session:
        cleared = session.merge(ran)
        clear_task_instances([cleared], session, **known)
        assert (cleared.try_number + 1, cleared.max_tries) == (3, 3)  # as in "cleared three times"


def test_no_two_tasks_share_a_marker() -> None:
    differing = {
        "dag_id": ["dag", "da"],
        "run_id": ["run", "grun"],
        "task_id": ["task", "task_1"],
        "map_index": [-1, 0, 1, 10],
    }
    combined = [
        dict(zip(differing, values, strict=True)) for values in itertools.product(*differing.values())
    ]
    assert len({marker(at(**each)) for each in combined}) == len(combined) == 32


def test_a_marker_is_what_earlier_versions_made_of_the_same_task() -> None:
    """An upgrade between two tries must not make a task submit again."""
    assert marker(at()) == "af-7f0f2e4933ba"


class Broken:
    """A state store that is there, and does not work."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def _raise(self, *_: Any) -> Any:
        raise self.error

    get = set = delete = _raise


class BrokenStore(dict[str, Any]):
    """What a broken store looks like from inside of :class:`tests.support.triggerer.Store`."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("the API server is gone")

    get = __setitem__ = pop = _raise


def test_what_is_kept_is_recalled_until_it_is_forgotten() -> None:
    memory = TaskState({"task_state_store": Store({})})
    assert memory.get("key") is None
    memory.set("key", {"a": [1, None]})
    assert memory.get("key") == {"a": [1, None]}
    assert memory.get("another") is None
    memory.delete("key")
    memory.delete("key")
    assert memory.get("key") is None


def test_without_a_store_nothing_is_remembered() -> None:
    memory = TaskState({})
    memory.set("key", 1)
    assert memory.get("key") is None
    memory.delete("key")


def test_a_store_that_does_not_work_is_survived_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    memory = TaskState({"task_state_store": Broken(RuntimeError("the API server is gone"))})
    memory.set("key", 1)
    assert memory.get("key") is None
    memory.delete("key")
    assert [(record.levelname, record.message.rpartition(" be ")[2]) for record in caplog.records] == [
        ("WARNING", "written; going on without it."),
        ("WARNING", "read; going on without it."),
        ("WARNING", "cleaned; going on."),
    ]
    assert all("the API server is gone" in str(record.exc_info) for record in caplog.records)


@pytest.mark.parametrize("do", ["keep", "recall", "forget"])
def test_a_task_that_airflow_cuts_off_is_not_held_up_by_its_store(do: str) -> None:
    memory = TaskState({"task_state_store": Broken(AirflowTaskTimeout("time is up"))})
    arguments = ("key", 1) if do == "keep" else ("key",)
    with pytest.raises(AirflowTaskTimeout):
        getattr(memory, do)(*arguments)


def test_a_submission_needs_no_store_that_works(connections: ScriptedServer) -> None:
    connections.play({"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
    task = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring", retries=1
    )
    broken = BrokenStore()
    assert Driven(ti=TaskInstance(max_tries=1), store=broken).run(task) == "an-id"
    name = connections.requests[0].json["send_campaign"]["campaign_name"]
    listed = {"campaign_list": [{"id": "an-id", "campaign_name": name, "status": "processing"}]}
    connections.play(listed, path="/v1/get_campaign_list")
    assert Driven(ti=TaskInstance(try_number=2, max_tries=1), store=broken).run(task) == "an-id"
    assert [request.path for request in connections.requests] == [
        "/v1/send_campaign",
        "/v1/get_campaign_list",
    ]


@pytest.mark.parametrize("kept", ["x", 5, ["x"], {}, {"marker": "af-000000000000", "campaign_id": "old"}])
def test_what_a_store_holds_that_is_not_of_this_task_is_passed_over(
    connections: ScriptedServer, kept: Any
) -> None:
    connections.play({"campaign": {"id": "an-id"}})
    task = CampaignCleanerSubmitCampaignOperator(
        task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring"
    )
    store = {"submitted": kept}
    assert Driven(store=store).run(task) == "an-id"
    assert store["submitted"]["campaign_id"] == "an-id"
