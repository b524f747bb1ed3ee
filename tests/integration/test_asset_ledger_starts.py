"""Emitters in a real Airflow in this process: started by a watcher, and with queued runs of their events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset

from tests.support.airflow_runs import started_by
from tests.support.airflow_versions import needs_asset_partitions
from tests.support.emitters import NOW, Cleaner, Instantly, completed, health, uuid

pytestmark = [needs_asset_partitions, pytest.mark.usefixtures("database")]


def event(campaign_id: str) -> dict[str, Any]:
    """Return the payload of a watcher's event."""
    return {"event_id": f"{campaign_id}:1", "campaign_id": campaign_id, "to": "completed"}


class TestStartedByAWatcher:
    def test_first_run_emits_the_reported_campaigns(self, cleaner: Cleaner) -> None:
        ring = Asset("ring-first", "x-test://ring-first")
        emitter = completed("rung-first", schedule=[ring])
        cleaner.add("old", age=400)
        cleaner.add("a", age=400)
        cleaner.add("b", age=400)
        with started_by(ring.name, event("A"), event("unknown"), {"x": 1}):
            assert emitter.run() == ["a"]
        # It had completed before the first run; its event came later.
        with started_by(ring.name, event("b"), event("a")):
            assert emitter.run() == ["b"]
            emitter.run("skipped")
        emitter.run("skipped")

    def test_first_run_that_dies_emits_later(self, cleaner: Cleaner) -> None:
        ring = Asset("ring-dies", "x-test://ring-dies")
        emitter = completed("rung-dies", schedule=[ring])
        cleaner.add("a", age=400)
        emitter.task._post_execute_hook = lambda *_: 1 / 0
        with started_by(ring.name, event("a")):
            emitter.run("failed")
        emitter.task._post_execute_hook = None
        assert emitter.run() == ["a"]

    def test_run_emits_also_what_no_event_reports(self, cleaner: Cleaner) -> None:
        ring = Asset("ring-more", "x-test://ring-more")
        emitter = completed("rung-more", schedule=[ring])
        emitter.run("skipped")
        cleaner.add("a")
        cleaner.add("b")
        with started_by(ring.name, event("b")):
            assert sorted(emitter.run() or []) == ["a", "b"]
        with started_by(ring.name, event("a")):
            emitter.run("skipped")

    def test_first_run_emits_the_reported_changes(self, instantly: Instantly) -> None:
        ring = Asset("ring-health", "x-test://ring-health")
        emitter = health("rung-health", schedule=[ring])
        instantly.set(uuid(1), "all_accounts_unhealthy")
        instantly.set(uuid(2), "all_accounts_unhealthy")
        with started_by(ring.name, event(uuid(1).upper())):
            (key,) = emitter.run() or []
            assert key.startswith(uuid(1))
            emitter.run("skipped")


class TestQueuedRuns:
    """Airflow 3.3 cannot show an event while a Dag run that it started is queued."""

    @pytest.fixture(autouse=True)
    def _no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.sdk.api.client import Client

        monkeypatch.setattr(Client.request.retry, "sleep", lambda _: None)

    def test_events_of_a_task_that_succeeded_are_not_repeated(self, cleaner: Cleaner) -> None:
        emitter = completed("queued", fire_existing=True)
        cleaner.add("a")
        assert emitter.run() == ["a"]
        emitter.queue_run()
        emitter.run("skipped")
        cleaner.add("b")
        assert emitter.run() == ["b"]
        cleaner.add("c")
        assert emitter.run() == ["c"]
        emitter.run("skipped")
        emitter.start_run()
        emitter.run("skipped")
        assert emitter.keys() == ["a", "b", "c"]

    def test_events_of_a_dead_task_are_added_once_they_can_be_shown(self, cleaner: Cleaner) -> None:
        emitter = completed("queued-dies", fire_existing=True)
        cleaner.add("a")
        assert emitter.run() == ["a"]
        emitter.queue_run()
        cleaner.add("b")
        emitter.task._post_execute_hook = lambda *_: 1 / 0
        emitter.run("failed")
        emitter.task._post_execute_hook = None
        emitter.run("failed")
        assert emitter.keys() == ["a"]
        emitter.start_run()
        assert emitter.run() == ["b"]
        assert emitter.keys() == ["a", "b"]

    def test_lost_state_is_not_rebuilt_before_all_events_are_shown(self, cleaner: Cleaner) -> None:
        emitter = completed("queued-first", fire_existing=True)
        cleaner.add("a")
        assert emitter.run() == ["a"]
        emitter.queue_run()
        emitter.forget()
        emitter.run("failed")
        emitter.start_run()
        emitter.run("skipped")
        assert emitter.keys() == ["a"]

    def test_keys_of_changes_stay_different(self, instantly: Instantly) -> None:
        emitter = health("queued-health")
        instantly.set(uuid(1), "healthy")
        emitter.run("skipped")
        began = (NOW - timedelta(minutes=1)).isoformat()
        instantly.set(uuid(1), "all_accounts_unhealthy", began=began)
        emitter.run()
        emitter.queue_run()
        instantly.set(uuid(1), "healthy", began=began)
        emitter.run()
        instantly.set(uuid(1), "all_accounts_unhealthy", began=began)
        emitter.run()
        emitter.run("skipped")
        keys = emitter.keys()
        assert len(keys) == len(set(keys)) == 3
