"""Which events a task of a Dag gets that a watcher's asset started, in the first try and in later ones."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_campaigns.rules.changes import Change
from airflow_provider_campaigns.tasks import new_events as module
from airflow_provider_campaigns.watchers import CampaignEvent, new_events
from tests.support.fake_airflow import Store, TaskInstance

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
ASSET: Any = type("Asset", (), {"name": "newsletters"})()


class Airflow:
    """The events of an asset, and its state.

    :ivar stored: the asset events; ``created_dagruns`` of each holds the runs that Airflow gave it to.
    """

    def __init__(self) -> None:
        self.stored: list[Any] = []
        self.state = Store({})
        self.shows_events = True

    def fire(self, number: int, run_id: str | None = None, **payload: Any) -> Any:
        change = Change(f"c{number}:1", f"c{number}", None, "processing", "completed", BEGAN.isoformat(), "!")
        runs = [SimpleNamespace(dag_id="dag", run_id=run_id)] if run_id else []
        event = SimpleNamespace(
            timestamp=BEGAN + timedelta(seconds=len(self.stored)),
            extra={"from_trigger": True, "payload": change.as_payload(may_repeat=False) | payload},
            created_dagruns=[SimpleNamespace(dag_id="other", run_id="other"), *runs],
        )
        self.stored.append(event)
        return event

    def after(self, instant: str) -> list[Any]:
        if not self.shows_events:
            raise RuntimeError("500")
        return [each for each in self.stored if each.timestamp >= datetime.fromisoformat(instant)]

    def context(self, run_id: str = "run", **ti: Any) -> Any:
        # In an order of its own, as Airflow 3.3 passes them.
        newest_first = reversed(self.stored)
        events = [each for each in newest_first if any(run.run_id == run_id for run in each.created_dagruns)]
        return {
            "ti": TaskInstance(**ti),
            "run_id": run_id,
            "triggering_asset_events": {ASSET: events} if events else {},
            "inlet_events": {ASSET: SimpleNamespace(after=self.after)},
            "asset_state_store": {ASSET: self.state},
        }

    def handle(self, run_id: str = "run", *, error: type[Exception] | None = None, **ti: Any) -> list[str]:
        """Run a task, which may end with an error, and return the ids of its events."""
        ends = pytest.raises(error) if error else nullcontext()
        with ends, new_events(self.context(run_id, **ti), ASSET) as events:
            ids = [event.event_id for event in events]
            if error:
                raise error
        return ids


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def test_event_is_typed(airflow: Airflow) -> None:
    airflow.fire(1, "run", code="healthy", needs_person=False, name="Spring")
    with new_events(airflow.context(), ASSET) as events:
        assert events == [
            CampaignEvent(
                event_id="c1:1",
                campaign_id="c1",
                name="Spring",
                before="processing",
                after="completed",
                at=BEGAN,
                message="!",
                may_repeat=False,
                code="healthy",
                needs_person=False,
            )
        ]


def test_all_events_of_a_run_are_given_once(airflow: Airflow) -> None:
    for number in (1, 2, 1):
        airflow.fire(number, "run")
    assert airflow.handle() == ["c1:1", "c2:1"]


def test_oldest_event_is_first(airflow: Airflow) -> None:
    for number in (1, 2, 3):
        airflow.fire(number, "run")
    assert airflow.handle() == ["c1:1", "c2:1", "c3:1"]


def test_repeated_event_in_a_later_run_is_dropped(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    assert airflow.handle() == ["c1:1"]
    airflow.fire(1, "second")
    airflow.fire(2, "second")
    assert airflow.handle("second") == ["c2:1"]


def test_retry_and_cleared_task_get_their_events_again(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    airflow.fire(2, "second")
    assert airflow.handle(error=ValueError) == airflow.handle() == ["c1:1"]
    assert airflow.handle("second") == ["c2:1"]
    assert airflow.handle() == ["c1:1"]


def test_event_whose_task_failed_goes_to_the_run_of_its_repeat(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    airflow.handle(error=ValueError)
    airflow.fire(1, "second")
    assert airflow.handle("second") == ["c1:1"]


def test_event_whose_task_skipped_is_handled(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    airflow.handle(error=AirflowSkipException)
    airflow.fire(1, "second")
    assert airflow.handle("second") == []


def test_event_without_a_run_is_given_to_the_run_before_it(airflow: Airflow) -> None:
    """Airflow 3.3 does not start a run for an event that comes before an earlier one has started its run."""
    airflow.fire(1, "run")
    late = airflow.fire(2)
    airflow.fire(3, "second")
    assert airflow.handle() == ["c1:1", "c2:1"]
    late.created_dagruns.append(SimpleNamespace(dag_id="dag", run_id="second"))
    assert airflow.handle("second") == ["c3:1"]
    assert airflow.handle() == ["c1:1", "c2:1"]


def test_events_that_airflow_cannot_show_wait_for_the_next_run(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    airflow.fire(2)
    airflow.shows_events = False
    assert airflow.handle() == ["c1:1"]


def test_each_task_and_mapped_task_handles_all(airflow: Airflow) -> None:
    airflow.fire(1, "run")
    for ti in (
        {"task_id": "a"},
        {"task_id": "b"},
        {"task_id": "c", "map_index": 0},
        {"task_id": "c", "map_index": 1},
    ):
        assert airflow.handle(**ti) == ["c1:1"]


@pytest.mark.parametrize(
    "extra", [{}, {"payload": None}, {"payload": {"event_id": 5}}, {"payload": {"event_id": "a:1"}}]
)
def test_event_of_another_origin_is_left_out(airflow: Airflow, extra: Any) -> None:
    airflow.fire(1, "run").extra = extra
    airflow.fire(2, "run")
    assert airflow.handle() == ["c2:1"]


def test_run_without_events_has_none(airflow: Airflow) -> None:
    airflow.fire(1)
    assert airflow.handle("manual") == []


def test_state_is_bounded_and_keeps_the_newest(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 20)
    for number in range(30):
        airflow.fire(number, f"run {number}")
        airflow.handle(f"run {number}")
    (stored,) = airflow.state.stored.values()
    assert list(stored) == [f"run {number}" for number in range(10, 30)]
    assert json.dumps(stored)


def test_asset_that_is_no_inlet_is_named(airflow: Airflow) -> None:
    context = airflow.context() | {"asset_state_store": {}}
    with pytest.raises(ValueError, match=r"'newsletters'.*inlets"), new_events(context, ASSET):
        pass


def test_airflow_without_asset_state_is_named(airflow: Airflow) -> None:
    context = airflow.context()
    del context["asset_state_store"]
    with pytest.raises(ValueError, match=r"needs Airflow 3\.3"), new_events(context, ASSET):
        pass
