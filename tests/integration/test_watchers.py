"""Watchers over a fake server, on the shared streams of a real Airflow: what they fire, store and request."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from tests.conftest import set_connection
from tests.support.airflow_versions import AIRFLOW
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import Reply
from tests.support.responses import UUID
from tests.support.watched_services import (
    COMPLETIONS,
    HEALTH,
    INTERVAL,
    LIST,
    Cleaner,
    Instantly,
    completed,
    health,
    now,
    polls,
)

if not HAS_WATCHERS:
    pytest.skip(f"watchers need Airflow 3.3; this is {AIRFLOW}", allow_module_level=True)

from airflow.sdk import Asset, AssetWatcher

from airflow_provider_campaigns.triggers.watchers import (
    CampaignCleanerCompletedTrigger,
    InstantlyHealthChangedTrigger,
)
from tests.support.fake_watching import Watching

pytestmark = pytest.mark.usefixtures("clock")


class TestCompletions:
    async def test_each_campaign_that_completes_fires_once(self, cleaner: Cleaner) -> None:
        cleaner.add("old", "completed", age=90_000)
        cleaner.add("a", name="Spring news")
        async with Watching(completed()) as watching:
            await polls(2)
            assert watching.stored == []
            cleaner.complete("a")
            cleaner.add("b", "completed")
            await polls(3)
        assert watching.event_ids == ["a:1", "b:1"]
        event = watching.stored[0]
        assert abs(datetime.fromisoformat(event.pop("at")) - now()) < timedelta(minutes=5)
        assert event == {
            "event_id": "a:1",
            "campaign_id": "a",
            "name": "Spring news",
            "from": "processing",
            "to": "completed",
            "message": "Campaign 'Spring news' (a) is completed.",
            "may_repeat": False,
        }

    async def test_existing_campaigns_fire_if_wanted(self, cleaner: Cleaner) -> None:
        cleaner.add("old", "completed", age=90_000)
        watching = Watching(completed(fire_existing=True))
        for _ in range(2):
            async with watching:
                await polls(2)
        assert watching.event_ids == ["old:1"]

    async def test_many_events_are_spread_over_polls(self, cleaner: Cleaner) -> None:
        for number in range(2500):
            cleaner.add(f"c{number}", "completed", age=90_000)
        async with Watching(completed(fire_existing=True)) as watching:
            await asyncio.sleep(INTERVAL / 2)
            assert len(watching.stored) == 1000
            assert f"position:{COMPLETIONS}" not in watching.states["newsletters"].values
            await polls(3)
        assert len(watching.stored) == len(set(watching.event_ids)) == 2500
        assert json.loads(watching.states["newsletters"].values[f"pending:{COMPLETIONS}"]) == []

    async def test_only_campaigns_with_a_fitting_name_fire(self, cleaner: Cleaner) -> None:
        async with Watching(completed(name_pattern="newsletter-*")) as watching:
            await polls()
            cleaner.add("a", "completed", name="Newsletter-5")
            cleaner.add("b", "completed", name="Spring")
            await polls()
        assert watching.event_ids == ["a:1"]

    async def test_campaign_that_is_processed_again_fires_again(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls()
            cleaner.complete("a")
            await polls()
            cleaner.campaigns["a"]["status"] = "processing"
            await polls()
            cleaner.complete("a")
            await polls()
        assert [event["campaign_id"] for event in watching.stored] == ["a", "a"]
        assert len(set(watching.event_ids)) == 2

    async def test_what_completes_while_no_triggerer_runs_fires_later(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        watching = Watching(completed())
        async with watching:
            await polls()
        cleaner.complete("a")
        cleaner.add("b", "completed")
        async with watching:
            await polls(2)
        assert watching.event_ids == ["a:1", "b:1"]
        assert not any(event["may_repeat"] for event in watching.stored)

    async def test_event_that_was_not_stored_comes_again_with_its_id(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        watching = Watching(completed(), stores=False)
        async with watching:
            await polls()
            cleaner.complete("a")
            await polls()
        assert watching.stored == []
        watching.stores = True
        async with watching:
            await polls()
        assert [(event["event_id"], event["may_repeat"]) for event in watching.stored] == [("a:1", True)]
        async with watching:
            cleaner.add("b", "completed")
            await polls()
        assert [(event["event_id"], event["may_repeat"]) for event in watching.stored[1:]] == [("b:1", False)]

    async def test_events_before_an_unconfirmed_one_do_not_hide_it(self, cleaner: Cleaner) -> None:
        """The position of a later poll is not stored while the events of an earlier one are not."""
        cleaner.add("a")
        watching = Watching(completed(), stores=False)
        async with watching:
            await polls()
            cleaner.complete("a")
            await polls()
            cleaner.add("b")
            await polls(3)
        watching.stores = True
        async with watching:
            await polls()
        assert watching.event_ids == ["a:1"]

    @pytest.mark.parametrize(
        "change",
        [
            lambda campaigns: campaigns.clear(),
            lambda campaigns: campaigns.update(dict(reversed(list(campaigns.items())))),
            lambda campaigns: [campaigns.pop(each) for each in list(campaigns)[::2]],
        ],
        ids=["empty", "reversed", "half of it"],
    )
    async def test_list_that_shrinks_and_returns_fires_nothing(self, cleaner: Cleaner, change: Any) -> None:
        for number in range(20):
            cleaner.add(f"c{number}", "completed", age=number * 600)
        cleaner.add("a", age=50_000)
        before = dict(cleaner.campaigns)
        watching = Watching(completed())
        async with watching:
            await polls()
            change(cleaner.campaigns)
            await polls()
        async with watching:
            await polls()
            cleaner.campaigns.clear()
            cleaner.campaigns.update(before)
            await polls()
            assert watching.stored == []
            cleaner.complete("a")
            await polls()
        assert watching.event_ids == ["a:1"]

    @pytest.mark.parametrize("date", [None, "", "yesterday", 5, "2026-01-01", "9999-12-31T00:00:00+00:00"])
    async def test_campaign_seen_before_fires_without_a_usable_date(
        self, cleaner: Cleaner, date: Any
    ) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls()
            for campaign_id, status in (("b", "processing"), ("c", "completed")):
                cleaner.add(campaign_id, status)
                cleaner.campaigns[campaign_id]["date_added"] = date
            await polls()
            cleaner.complete("a", "b")
            cleaner.add("d", "completed")
            await polls()
        assert {event["campaign_id"] for event in watching.stored} == {"a", "b", "d"}

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(b"<html>"),
            Reply([]),
            Reply({"campaign_list": {"id": "a", "status": "completed"}}),
            Reply({"campaign_list": [{"id": None, "status": "completed"}, "a", {"id": "a"}]}),
            Reply({"error": "no"}),
            Reply({}, status=503),
            Reply({}, status=429, headers={"Retry-After": "30"}),
        ],
        ids=["HTML", "a list", "one campaign", "no ids", "an error", "503", "429"],
    )
    async def test_hostile_response_changes_no_position(self, cleaner: Cleaner, reply: Reply) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls()
            before = dict(watching.states["newsletters"].values)
            cleaner.server.respond(reply, path=LIST)
            await polls(3)
            assert watching.states["newsletters"].values == before
            cleaner.server.respond(Reply(cleaner._list), path=LIST)
            cleaner.complete("a")
            await polls(20)
        assert watching.event_ids == ["a:1"]
        assert watching.ended == []


class TestRequests:
    async def test_watchers_and_waits_of_an_account_share_their_requests(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        assets = [completed(f"asset {number}") for number in range(5)]
        async with Watching(*assets) as watching:
            await polls(2)
            before = cleaner.requests()
            await asyncio.sleep(10 * INTERVAL)
            assert 10 <= cleaner.requests() - before <= 12
            cleaner.complete("a")
            await polls()
        assert watching.event_ids == ["a:1"] * 5

    async def test_unchanged_account_writes_no_state(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls(2)
            writes = watching.states["newsletters"].writes
            await polls(20)
            assert watching.states["newsletters"].writes == writes

    async def test_bad_key_is_tried_every_ten_minutes_and_logged_once(
        self, cleaner: Cleaner, caplog: pytest.LogCaptureFixture
    ) -> None:
        cleaner.add("a")
        cleaner.server.respond(Reply({}, status=401), path=LIST)
        async with Watching(completed()) as watching:
            await asyncio.sleep(3600)
            assert cleaner.requests() <= 7
            errors = [record for record in caplog.records if record.levelname == "ERROR"]
            assert len(errors) == 1
            cleaner.server.respond(Reply(cleaner._list), path=LIST)
            await asyncio.sleep(700)
            cleaner.complete("a")
            await polls()
        assert watching.event_ids == ["a:1"]
        assert watching.ended == []

    async def test_changed_key_is_used_at_once(
        self, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Watching(completed()):
            await polls(2)
            set_connection(monkeypatch, "campaign_cleaner", host=cleaner.server.url, password="new-key")
            cleaner.server.respond(Reply({}, status=401), Reply(cleaner._list), path=LIST)
            await polls(2)
            assert cleaner.server.requests[-1].headers["X-CC-API-Key"] == "new-key"

    async def test_missing_connection_does_not_end_the_watcher(
        self, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Watching(completed(campaign_cleaner_conn_id="later")) as watching:
            await polls(2)
            set_connection(monkeypatch, "campaign_cleaner", host=cleaner.server.url, conn_id="later")
            await asyncio.sleep(700)
            cleaner.add("a", "completed")
            await polls()
        assert watching.event_ids == ["a:1"]

    async def test_service_that_is_away_for_an_hour_loses_nothing(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        async with Watching(completed()) as watching:
            await polls(2)
            cleaner.server.respond(Reply({}, status=503), path=LIST)
            before = cleaner.requests()
            await asyncio.sleep(3600)
            assert cleaner.requests() - before <= 40  # with a second attempt each
            cleaner.complete("a")
            cleaner.add("b", "completed", age=1800)
            cleaner.server.respond(Reply(cleaner._list), path=LIST)
            await polls(6)
        assert watching.event_ids == ["a:1", "b:1"]

    @pytest.mark.parametrize("jump", [86_400.0, -86_400.0], ids=["forward", "back"])
    async def test_clock_that_jumps_loses_and_repeats_nothing(
        self, jump: float, cleaner: Cleaner, clock: FakeClock
    ) -> None:
        def add(campaign_id: str, status: str = "processing") -> None:
            cleaner.add(campaign_id, status)
            cleaner.campaigns[campaign_id]["date_added"] = clock.correct_now().isoformat()

        add("a")
        add("b")
        async with Watching(completed()) as watching:
            await polls(2)
            for processing, new, seconds in (("a", "c", jump), ("b", "d", -jump)):
                clock.jump_in_next_pause = seconds
                await polls(2)
                cleaner.complete(processing)
                add(new, "completed")
                await polls(2)
        assert watching.event_ids == ["a:1", "c:1", "b:1", "d:1"]


class TestStore:
    async def test_store_that_fails_loses_nothing(self, cleaner: Cleaner) -> None:
        cleaner.add("a")
        watching = Watching(completed())
        watching.states["newsletters"].failures = 3
        async with watching:
            await polls(2)
            cleaner.complete("a")
            watching.states["newsletters"].failures = 2
            await polls(2)
        async with watching:
            await polls(2)
        assert watching.event_ids == ["a:1"]

    async def test_state_that_cannot_be_read_begins_anew(self, cleaner: Cleaner) -> None:
        cleaner.add("a", "completed")
        watching = Watching(completed())
        watching.states["newsletters"].values[f"position:{COMPLETIONS}"] = '{"v": 99}'
        async with watching:
            await polls()
            cleaner.add("b", "completed")
            await polls()
        assert watching.event_ids == ["b:1"]


class TestHealth:
    async def test_change_of_a_code_fires_once(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2, "out_of_schedule")
        async with Watching(health(on="code")) as watching:
            await polls(3)
            assert watching.stored == []
            instantly.codes[a] = "all_accounts_unhealthy"
            await polls(4)
        event = watching.stored[0]
        assert (len(watching.stored), event["campaign_id"]) == (1, a)
        assert (event["from"], event["to"], event["code"]) == ("healthy",) + ("all_accounts_unhealthy",) * 2
        assert (event["name"], event["needs_person"]) == ("Campaign 1", True)
        named = f"Campaign 'Campaign 1' ({a}): all_accounts_unhealthy. Every sending account is in error"
        assert event["message"].startswith(named)
        assert abs(datetime.fromisoformat(event["at"]) - now()) < timedelta(hours=1)
        assert b in json.loads(watching.states["health"].values[f"position:{HEALTH}"])["campaigns"]

    async def test_code_change_within_a_disposition_fires_only_for_codes(self, instantly: Instantly) -> None:
        a = instantly.add(1, "out_of_schedule")
        by_code, by_disposition = health("codes", on="code"), health("dispositions")
        async with Watching(by_code, by_disposition) as watching:
            await polls(2)
            instantly.codes[a] = "daily_limit_met"
            await polls(2)
            assert [event["to"] for event in watching.stored] == ["daily_limit_met"]
            instantly.codes[a] = "healthy"
            await polls(2)
        assert sorted(event["to"] for event in watching.stored[1:]) == ["healthy", "open"]

    async def test_policy_says_what_a_code_means(self, instantly: Instantly) -> None:
        a = instantly.add(1)
        async with Watching(health(policy={"out_of_schedule": "open"})) as watching:
            await polls(2)
            instantly.codes[a] = "out_of_schedule"
            await polls(2)
        assert watching.stored == []

    async def test_own_status_of_a_campaign_counts(self, instantly: Instantly) -> None:
        a = instantly.add(1)
        async with Watching(health(on="code")) as watching:
            await polls(2)
            instantly.campaigns[a]["status"] = -2
            await polls(2)
        assert [(event["to"], event["needs_person"]) for event in watching.stored] == [
            ("campaign_bounce_protect", True)
        ]

    async def test_campaign_that_appears_later_counts_as_a_draft(self, instantly: Instantly) -> None:
        instantly.add(1)
        async with Watching(health(on="code")) as watching:
            await polls(2)
            instantly.add(2, None, status=0)
            ill = instantly.add(3, "all_accounts_unhealthy")
            await polls(2)
        assert [(event["campaign_id"], event["to"]) for event in watching.stored] == [
            (ill, "all_accounts_unhealthy")
        ]

    async def test_flapping_campaign_fires_once_it_is_stable(self, instantly: Instantly) -> None:
        a = instantly.add(1)
        async with Watching(health(on="code", stable_for=3)) as watching:
            await polls(2)
            for code in ("no_accounts_available", "healthy") * 4:
                instantly.codes[a] = code
                await polls()
            assert watching.stored == []
            instantly.codes[a] = "no_accounts_available"
            await polls(5)
        assert [event["to"] for event in watching.stored] == ["no_accounts_available"]

    async def test_only_the_chosen_campaigns_fire(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2)
        async with Watching(health(on="code", campaign_ids=[a.upper()])) as watching:
            await polls(2)
            instantly.codes[a] = instantly.codes[b] = "waiting_for_leads"
            await polls(2)
        assert [event["campaign_id"] for event in watching.stored] == [a]

    async def test_old_data_and_contradictions_fire_nothing(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2)
        async with Watching(health(on="code")) as watching:
            await polls(2)
            instantly.codes |= {a: "campaign_paused", b: "a_new_code"}  # of active campaigns
            await polls(3)
            instantly.age = 7200
            instantly.codes |= {a: "all_accounts_unhealthy", b: "all_accounts_unhealthy"}
            await polls(3)
        assert watching.stored == []

    async def test_gone_campaign_and_failing_one_do_not_end_the_watcher(self, instantly: Instantly) -> None:
        a, b = instantly.add(1), instantly.add(2)
        async with Watching(health(on="code")) as watching:
            await polls(2)
            instantly.server.respond(Reply({}, status=404), path=f"/api/v2/campaigns/{a}/")
            await polls(2)
            del instantly.campaigns[a]
            instantly.codes[b] = "waiting_for_leads"
            await polls(3)
        assert [event["campaign_id"] for event in watching.stored] == [b]
        assert watching.ended == []

    async def test_list_that_fails_or_shrinks_fires_nothing(self, instantly: Instantly) -> None:
        for number in range(120):
            instantly.add(number)
        everything = dict(instantly.campaigns)
        async with Watching(health(on="code")) as watching:
            await polls(3)
            for reply in (Reply({}, status=503), Reply({"items": []}), Reply({"items": [{"id": 5}, "x"]})):
                instantly.server.respond(reply, path="/api/v2/campaigns?")
                await polls(3)
            instantly.server.respond(Reply(instantly._page), path="/api/v2/campaigns?")
            instantly.campaigns = dict(list(everything.items())[:10])
            await polls(2)
            instantly.campaigns = everything
            await polls(3)
        assert watching.stored == []
        assert len(json.loads(watching.states["health"].values[f"position:{HEALTH}"])["campaigns"]) == 120

    async def test_workspace_is_polled_once_an_interval(self, instantly: Instantly) -> None:
        for number in range(60):  # two pages, and more than are requested at the same moment
            instantly.add(number)
        async with Watching(health()):
            await polls(2)
            before = instantly.requests()
            await asyncio.sleep(10 * INTERVAL)
            requests = instantly.requests() - before
        assert 9 * 2 <= requests["list"] <= 11 * 2
        assert 9 * 60 <= requests["status"] <= 11 * 60

    async def test_watchers_of_a_workspace_share_their_requests(self, instantly: Instantly) -> None:
        for number in range(60):
            instantly.add(number, status=1 if number < 10 else 3)
        async with Watching(health("a"), health("b")):
            await polls(2)
            before = instantly.requests()
            await asyncio.sleep(10 * INTERVAL)
            requests = instantly.requests() - before
        assert requests["list"] <= 2 * 11
        assert 90 <= requests["status"] <= 10 * 12


STORED = {
    path.rpartition(".")[2]: record
    for file in (Path(__file__).parents[1] / "unit" / "triggers" / "serialized").glob("*.json")
    for path, record in json.loads(file.read_text()).items()
    if "position" in record
}


class TestUpgrade:
    """What an earlier version stored: the arguments of a trigger, and the state of its asset."""

    @pytest.mark.parametrize("number", range(3))
    async def test_completed_campaign_fires_with_its_id(self, number: int, cleaner: Cleaner) -> None:
        record = STORED["CampaignCleanerCompletedTrigger"]
        cleaner.add("a", "completed", name="Spring")
        cleaner.add("b", "completed")
        cleaner.campaigns["b"]["date_added"] = record["position"]["recent"]["b"]
        await self.check(CampaignCleanerCompletedTrigger, record, number)

    @pytest.mark.parametrize("number", range(3))
    async def test_change_of_health_fires_with_its_id(self, number: int, instantly: Instantly) -> None:
        instantly.add(1, "all_accounts_unhealthy")
        instantly.add(2, "healthy")
        await self.check(InstantlyHealthChangedTrigger, STORED["InstantlyHealthChangedTrigger"], number)

    async def check(self, trigger: Any, record: dict[str, Any], number: int) -> None:
        arguments = record["arguments"][number]
        watcher = AssetWatcher(name="stored", trigger=trigger(**arguments))
        watching = Watching(Asset(arguments["asset"], watchers=[watcher]))
        state = watching.states[arguments["asset"]].values
        state |= {f"{key}:{trigger.__name__}": json.dumps(record[key]) for key in ("position", "pending")}
        async with watching:
            await asyncio.sleep(3 * arguments["poke_interval"])
        ((event_id, may_repeat),) = [(event["event_id"], event["may_repeat"]) for event in watching.stored]
        assert event_id in record["pending"]
        assert may_repeat
        assert list(json.loads(state[f"position:{trigger.__name__}"])) == list(record["position"])

    @pytest.mark.parametrize("make", [completed, health])
    def test_arguments_of_this_version_are_recorded(self, make: Any) -> None:
        path, arguments = make("recorded").watchers[0].trigger.serialize()
        assert list(arguments) == list(STORED[path.rpartition(".")[2]]["arguments"][0])


class TestArguments:
    @pytest.mark.parametrize(
        ("watcher", "arguments", "named"),
        [
            (completed, {"poke_interval": 0}, "poke_interval"),
            (completed, {"poke_interval": 1}, "poke_interval"),
            (completed, {"fire_existing": "False"}, "fire_existing"),
            (completed, {"name_pattern": ""}, "name_pattern"),
            (completed, {"name_pattern": "{{ var.value.pattern }}"}, "name_pattern: Airflow does not render"),
            (completed, {"poke_interval": None}, "poke_interval"),
            (completed, {"campaign_cleaner_conn_id": None}, "campaign_cleaner_conn_id"),
            (completed, {"name": ""}, "name"),
            (completed, {"name": "{{ var.value.x }}"}, "name: Airflow does not render"),
            (health, {"on": "status"}, "on"),
            (health, {"instantly_conn_id": "{{ params.conn }}"}, "instantly_conn_id"),
            (health, {"policy": "{{ params.policy }}"}, "policy: Airflow does not render"),
            (health, {"policy": {"healthy": "{{ params.code }}"}}, "policy: Airflow does not render"),
            (health, {"campaign_ids": "{{ params.ids }}"}, "campaign_ids: Airflow does not render"),
            (health, {"campaign_ids": [UUID, "{{ params.id }}"]}, "campaign_ids: Airflow does not render"),
            (health, {"poke_interval": "{{ params.interval }}"}, "poke_interval: Airflow does not render"),
            (health, {"policy": {"sick": "open"}}, "policy"),
            (health, {"policy": {"healthy": "maybe"}}, "policy"),
            (health, {"stable_for": 0}, "stable_for"),
            (health, {"campaign_ids": []}, "campaign_ids"),
            (health, {"campaign_ids": [UUID, "x"]}, r"campaign_ids\[1\]"),
            (health, {"campaign_ids": 5}, "campaign_ids"),
        ],
    )
    def test_bad_argument_is_named(self, watcher: Any, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            watcher(**arguments)

    @pytest.mark.parametrize("name", ["all", "Finished newsletters", "s3://bucket/ä", "x" * 1000])
    def test_asset_is_shown_with_its_account(self, name: str) -> None:
        asset = completed(name, campaign_cleaner_conn_id="sales")
        assert asset.name == name
        begin = "campaign-cleaner://api.campaigncleaner.com/account/sales/completed/"
        assert asset.uri == begin + quote(name, safe="")
        assert health(f"of {name}").uri.startswith(
            "instantly://api.instantly.ai/account/instantly_default/health/"
        )

    def test_name_of_another_watcher_is_refused(self) -> None:
        first = completed("taken")
        assert completed("taken") == first
        with pytest.raises(ValueError, match="taken"):
            health("taken")
