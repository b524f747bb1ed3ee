"""The operators that add events to an asset, in a real Airflow in this process, against a fake server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_campaigns.tasks import asset_ledger
from tests.support.airflow_versions import needs_asset_partitions
from tests.support.emitters import (
    LIST,
    NOW,
    PAUSED,
    AssetEvent,
    Cleaner,
    Instantly,
    completed,
    health,
    uuid,
)
from tests.support.fake_server import FakeServer, Reply

pytestmark = [needs_asset_partitions, pytest.mark.usefixtures("database")]


class TestCompleted:
    def test_each_campaign_is_emitted_once(self, cleaner: Cleaner, connections: FakeServer) -> None:
        emitter = completed("once")
        cleaner.add("old", age=400)
        cleaner.add("open", "processing", age=400)
        emitter.run("skipped")
        assert emitter.keys() == []
        cleaner.add("a")
        cleaner.add("b", "processing")
        assert emitter.run() == ["a"]
        emitter.run("skipped")
        cleaner.add("open", age=400)
        cleaner.add("b")
        cleaner.add("A", "completed")  # the same campaign
        assert emitter.run() == ["open", "b"]
        emitter.run("skipped")
        emitter.run("skipped")
        assert sorted(emitter.keys()) == ["a", "b", "open"]
        assert [request.path for request in connections.requests] == [LIST] * 6

    def test_first_run_may_fire_existing(self, cleaner: Cleaner) -> None:
        emitter = completed("existing", fire_existing=True)
        cleaner.add("old", age=400)
        assert emitter.run() == ["old"]
        emitter.run("skipped")

    def test_only_matching_names_are_emitted(self, cleaner: Cleaner) -> None:
        emitter = completed("names", name_pattern="news-*", fire_existing=True)
        cleaner.add("a", name="News-1")
        cleaner.add("b", name="Old news")
        assert emitter.run() == ["a"]
        # What did not match when it was completed is not emitted later.
        emitter.task.name_pattern = None
        emitter.run("skipped")

    def test_task_that_dies_before_success_repeats_harmlessly(
        self, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        emitter = completed("dies")
        emitter.run("skipped")
        cleaner.add("a")
        emitter.task._post_execute_hook = lambda *_: 1 / 0
        emitter.run("failed")
        assert emitter.keys() == []
        emitter.task._post_execute_hook = None
        assert emitter.run() == ["a"]

    @pytest.mark.parametrize(
        "reply",
        [Reply({}), Reply({"campaign_list": "x"}), Reply({"campaign_list": []}, status=401), Reply("<p>")],
    )
    def test_invalid_list_records_nothing(
        self, cleaner: Cleaner, connections: FakeServer, reply: Reply, request: pytest.FixtureRequest
    ) -> None:
        emitter = completed(f"invalid-{request.node.callspec.id}")
        connections.respond(*[reply] * 9, path=LIST)
        emitter.run("failed")
        connections.respond({"campaign_list": [{"id": "old", "status": "completed"}]}, path=LIST)
        emitter.run("skipped")
        assert emitter.keys() == []

    def test_campaign_that_is_not_listed_once_is_not_emitted_again(self, cleaner: Cleaner) -> None:
        emitter = completed("shrinks", fire_existing=True)
        cleaner.add("a")
        emitter.run()
        emitter.run("skipped")
        whole, cleaner.campaigns = dict(cleaner.campaigns), {}
        emitter.run("skipped")
        cleaner.add("b")
        assert emitter.run() == ["b"]
        cleaner.campaigns |= whole
        emitter.run("skipped")

    def test_first_list_that_is_too_short_emits_no_old_campaign(self, cleaner: Cleaner) -> None:
        emitter = completed("short")
        emitter.run("skipped")
        cleaner.add("old", age=30)
        cleaner.add("new")
        assert emitter.run() == ["new"]

    def test_lost_state_is_made_again_from_the_events(self, cleaner: Cleaner) -> None:
        emitter = completed("lost")
        cleaner.add("old", age=2)
        emitter.run("skipped")
        cleaner.add("a")
        emitter.run()
        emitter.forget()
        cleaner.add("b", age=-1)  # added after the event
        assert emitter.run() == ["b"]
        assert emitter.keys() == ["a", "b"]

    def test_deleted_events_do_not_come_back(self, cleaner: Cleaner) -> None:
        emitter = completed("cleaned", fire_existing=True)
        cleaner.add("a")
        emitter.run()
        emitter.run("skipped")
        emitter.forget(events=True)
        cleaner.add("b")
        assert emitter.run() == ["b"]

    def test_many_events_are_spread_over_runs_and_pages(
        self, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asset_ledger, "MAX_EVENTS", 4)
        monkeypatch.setattr(asset_ledger, "_PAGE", 2)
        emitter = completed("many", fire_existing=True)
        for number in range(6):
            cleaner.add(f"c{number}", age=number)
        assert emitter.run() == ["c5", "c4", "c3", "c2"]
        with create_session() as session:  # events of one instant do not end a page too early
            session.execute(AssetEvent.__table__.update().values(timestamp=NOW))
        assert emitter.run() == ["c1", "c0"]
        emitter.run("skipped")
        assert sorted(emitter.keys()) == [f"c{number}" for number in range(6)]

    def test_state_holds_no_id_and_stays_small(self, cleaner: Cleaner) -> None:
        from airflow.models.asset_state_store import AssetStateStoreModel

        emitter = completed("small")
        for number in range(1000):
            cleaner.add(uuid(number))
        emitter.run("skipped")
        with create_session() as session:
            rows = select(AssetStateStoreModel.value).where(AssetStateStoreModel.key.like("ledger:%"))
            assert max(len(value) for value in session.scalars(rows)) < 11_000


class TestHealth:
    def test_each_change_is_emitted_once(self, instantly: Instantly) -> None:
        emitter = health("changes")
        instantly.set(uuid(1), "healthy")
        instantly.set(uuid(2), None, PAUSED)
        emitter.run("skipped")
        began = NOW - timedelta(minutes=1)
        instantly.set(uuid(1), "all_accounts_unhealthy", began=began.isoformat())
        expected = f"{uuid(1)}:all_accounts_unhealthy:{began:%Y%m%dT%H%M%SZ}"
        assert emitter.run() == [expected]
        emitter.run("skipped")
        # Instantly moves the start of an issue while it lasts, and keeps it afterwards.
        instantly.set(uuid(1), "all_accounts_unhealthy", began=NOW.isoformat())
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy", began=began.isoformat())
        emitter.run()
        instantly.set(uuid(1), "all_accounts_unhealthy", began=began.isoformat())
        emitter.run()
        keys = emitter.keys()
        assert len(set(keys)) == 3
        assert [key.split(":")[1] for key in keys if key] == [
            "all_accounts_unhealthy", "healthy", "all_accounts_unhealthy",
        ]  # fmt: skip

    def test_same_disposition_is_a_change_of_the_code_only(self, instantly: Instantly) -> None:
        dispositions, codes = health("dispositions"), health("codes", on="code")
        policy = health("policy", policy={"daily_limit_met": "open"})
        instantly.set(uuid(1), "out_of_schedule")
        for emitter in (dispositions, codes, policy):
            emitter.run("skipped")
        instantly.set(uuid(1), "daily_limit_met")
        dispositions.run("skipped")
        for emitter in (codes, policy):
            emitter.run()

    def test_campaign_that_is_not_active_costs_no_request(
        self, instantly: Instantly, connections: FakeServer
    ) -> None:
        emitter = health("lifecycle")
        instantly.set(uuid(1), "healthy")
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy", -2)
        connections.requests.clear()
        (key,) = emitter.run() or []
        assert key.startswith(f"{uuid(1)}:campaign_bounce_protect:")
        assert len(connections.requests) == 1

    @pytest.mark.parametrize(
        ("code", "age"),
        [
            (None, 0),
            ("no such code", 0),
            ("x" * 10_000, 0),
            ("all_accounts_unhealthy", 3),
            ("campaign_paused", 0),
        ],
        ids=["none", "unknown", "long", "old", "contradicted"],
    )
    def test_uncertain_status_is_no_change(
        self, instantly: Instantly, code: str | None, age: float, request: pytest.FixtureRequest
    ) -> None:
        emitter = health(f"uncertain-{request.node.callspec.id}", on="code")
        instantly.set(uuid(1), "healthy")
        emitter.run("skipped")
        instantly.set(uuid(1), code, age=age)
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy")
        emitter.run("skipped")

    def test_new_campaign_counts_as_a_draft_before(self, instantly: Instantly) -> None:
        emitter = health("new")
        emitter.run("skipped")
        instantly.set(uuid(1), None, 0)
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy")
        instantly.set(uuid(2), "healthy")
        assert len(emitter.run() or []) == 2

    @pytest.mark.parametrize("code", ["healthy", None], ids=["outside the pattern", "uncertain"])
    def test_campaign_that_was_not_read_in_the_first_run_is_not_new(
        self, instantly: Instantly, connections: FakeServer, code: str | None
    ) -> None:
        emitter = health(f"unread-{code}", on="code", name_pattern="zzz*" if code else None)
        instantly.set(uuid(1), code)
        connections.requests.clear()
        emitter.run("skipped")
        assert len(connections.requests) == (1 if code else 2)
        emitter.task.name_pattern = None
        instantly.set(uuid(1), "all_accounts_unhealthy")
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy")
        instantly.set(uuid(2), "healthy")
        assert len(emitter.run() or []) == 2

    def test_first_list_without_campaigns_is_not_the_first_run(self, instantly: Instantly) -> None:
        emitter = health("empty", on="code")
        emitter.run("skipped")
        for number in range(5):
            instantly.set(uuid(number), "healthy")
        emitter.run("skipped")
        instantly.set(uuid(1), "all_accounts_unhealthy")
        assert len(emitter.run() or []) == 1

    def test_lost_state_is_made_again_from_the_events(self, instantly: Instantly) -> None:
        emitter = health("health-lost")
        instantly.set(uuid(1), "healthy")
        emitter.run("skipped")
        instantly.set(uuid(1), None, PAUSED)
        emitter.run()
        emitter.forget()
        emitter.run("skipped")
        instantly.set(uuid(1), "healthy")
        emitter.run()
        assert len(emitter.keys()) == 2
