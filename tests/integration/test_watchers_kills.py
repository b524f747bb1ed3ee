"""Which events come, and with which ids, after a triggerer was killed, or Airflow lost the state."""

from __future__ import annotations

import json

import pytest

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from tests.support.airflow_versions import AIRFLOW
from tests.support.watched_services import (
    COMPLETIONS,
    HEALTH,
    ILL,
    Cleaner,
    Instantly,
    completed,
    health,
    polls,
)

if not HAS_WATCHERS:
    pytest.skip(f"watchers need Airflow 3.3; this is {AIRFLOW}", allow_module_level=True)

from tests.support.fake_watching import Watching

pytestmark = pytest.mark.usefixtures("clock")


async def test_change_after_a_kill_has_an_id_of_its_own(instantly: Instantly) -> None:
    a = instantly.add(1)
    watching = Watching(health(on="code"), stores=False)
    async with watching:
        await polls(3)
        instantly.codes[a] = "waiting_for_leads"
        await polls(3)
    (before,) = json.loads(watching.states["health"].values[f"pending:{HEALTH}"])
    instantly.codes[a] = ILL
    watching.stores = True
    async with watching:
        await polls(3)
    ((event_id, may_repeat),) = [(event["event_id"], event["may_repeat"]) for event in watching.stored]
    assert event_id != before
    assert not may_repeat


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("stable_for", [1, 2])
async def test_change_that_was_undone_after_a_kill_is_reported(
    stable_for: int, is_stored: bool, instantly: Instantly
) -> None:
    """Its event may be stored or not: the end of the state is reported, and the same change again."""
    a = instantly.add(1)
    watching = Watching(health(on="code", stable_for=stable_for), stores=False)
    async with watching:
        await polls(3)
        instantly.codes[a] = ILL
        await polls(4)
        if is_stored:
            watching.stored += [payload for payload, _ in watching._fired]
    (first,) = json.loads(watching.states["health"].values[f"pending:{HEALTH}"])
    watching.stores = True
    for code in ("healthy", ILL):
        instantly.codes[a] = code
        for _ in range(2):
            async with watching:
                await polls(4)
    events = [(event["from"], event["to"]) for event in watching.stored]
    assert events == [*([("healthy", ILL)] if is_stored else []), (ILL, "healthy"), ("healthy", ILL)]
    assert len(set(watching.event_ids) | {first}) == 3


async def test_last_of_many_changes_before_a_kill_is_repeated(instantly: Instantly) -> None:
    """Also where it is the state of the stored position."""
    a = instantly.add(1)
    watching = Watching(health(on="code"), stores=False)
    async with watching:
        await polls(3)
        for code in (ILL, "out_of_schedule", "healthy"):
            instantly.codes[a] = code
            await polls(2)
        watching.stored += [payload for payload, _ in watching._fired][:1]
    watching.stores = True
    async with watching:
        await polls(3)
    assert [(event["from"], event["to"]) for event in watching.stored[1:]] == [("out_of_schedule", "healthy")]
    assert watching.stored[1]["may_repeat"]


async def test_state_that_lasts_is_repeated_although_it_flapped(instantly: Instantly) -> None:
    a = instantly.add(1)
    watching = Watching(health(on="code", stable_for=3), stores=False)
    async with watching:
        await polls(3)
        instantly.codes[a] = ILL
        await polls(5)
    (first,) = json.loads(watching.states["health"].values[f"pending:{HEALTH}"])
    watching.stores = True
    instantly.codes[a] = "healthy"
    async with watching:
        await polls(1)
        instantly.codes[a] = ILL
        await polls(5)
    assert watching.event_ids == [first]


async def test_campaign_processed_again_after_a_kill_has_another_id(cleaner: Cleaner) -> None:
    cleaner.add("a")
    watching = Watching(completed(), stores=False)
    async with watching:
        await polls(2)
        cleaner.complete("a")
        await polls(2)
    watching.stores = True
    cleaner.campaigns["a"]["status"] = "processing"
    async with watching:
        await polls(2)
        cleaner.complete("a")
        await polls(2)
    assert [event["campaign_id"] for event in watching.stored] == ["a"]
    assert watching.event_ids != ["a:1"]


async def test_ids_that_are_never_confirmed_are_bounded(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_campaigns.triggers.watchers.MAX_PENDING", 3)
    watching = Watching(completed(), stores=False)
    for number in range(6):
        cleaner.add(f"c{number}")
        async with watching:
            await polls(2)
            cleaner.complete(f"c{number}")
            await polls(2)
    pending = json.loads(watching.states["newsletters"].values[f"pending:{COMPLETIONS}"])
    assert len(pending) <= 3
    assert "c5:1" in pending


async def test_ids_are_not_used_again_after_the_state_is_lost(instantly: Instantly) -> None:
    a = instantly.add(1)
    watching = Watching(health(on="code"))
    for _ in range(3):
        instantly.codes[a] = "healthy"
        async with watching:
            await polls(2)
            instantly.codes[a] = ILL
            await polls(2)
        watching.states["health"].values.clear()
    assert [event["to"] for event in watching.stored] == [ILL] * 3
    assert len(set(watching.event_ids)) == 3
