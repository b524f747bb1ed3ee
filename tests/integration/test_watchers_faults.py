"""Watchers of health, with a service that is away, responds nonsense, or grows, and a clock that jumps."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.hooks import base
from tests.support.airflow_versions import AIRFLOW
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import Reply
from tests.support.responses import OTHER_UUID
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

LIST, STATUS = "/api/v2/campaigns?", "/api/v2/campaigns/"


def known(watching: Watching) -> dict[str, Any]:
    """Return the position of the watcher."""
    return json.loads(watching.states["health"].values[f"position:{HEALTH}"])["campaigns"]


async def test_service_that_is_away_for_an_hour_loses_no_change(instantly: Instantly) -> None:
    a, b = instantly.add(1), instantly.add(2)
    async with Watching(health(on="code")) as watching:
        await polls(2)
        for path in (LIST, STATUS):
            instantly.server.respond(Reply({}, status=503), path=path)
        await asyncio.sleep(3600)
        assert watching.stored == []
        instantly.codes[a] = ILL
        instantly.campaigns[b]["status"] = 2
        instantly.server.respond(Reply(instantly._page), path=LIST)
        instantly.server.respond(Reply(instantly._status), path=STATUS)
        await polls(8)
    events = sorted((event["campaign_id"], event["to"]) for event in watching.stored)
    assert events == [(a, ILL), (b, "campaign_paused")]
    assert watching.ended == []


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0], ids=["forward", "back"])
async def test_clock_that_jumps_loses_and_repeats_no_change(
    jump: float, instantly: Instantly, clock: FakeClock
) -> None:
    a, b = instantly.add(1), instantly.add(2)
    instantly.now = clock.correct_now
    async with Watching(health(on="code")) as watching:
        await polls(2)
        clock.jump_in_next_pause = jump
        await polls(3)
        instantly.codes[a] = ILL
        await polls(3)
        assert watching.stored == []  # by this clock, no status is fresh
        clock.jump_in_next_pause = -jump
        await polls(3)
        instantly.codes[b] = ILL
        await polls(3)
    assert [(event["campaign_id"], event["to"]) for event in watching.stored] == [(a, ILL), (b, ILL)]


async def test_connection_that_airflow_cannot_read_is_read_again_soon(
    cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a final answer of the service is worth a pause of ten minutes."""
    real, failures = base.get_async_connection, iter([ConnectionError("no database")])

    async def get_async_connection(*args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return await real(*args, **kwargs)

    monkeypatch.setattr(base, "get_async_connection", get_async_connection)
    async with Watching(completed()) as watching:
        await asyncio.sleep(90)
        cleaner.add("a", "completed")
        await polls(2)
    assert watching.event_ids == ["a:1"]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        [],
        {},
        {"diagnostics": []},
        {"diagnostics": {"status": [ILL]}},
        {"diagnostics": {"status": ILL}},
        {"diagnostics": {"status": ILL, "last_updated": "soon"}},
        {"diagnostics": {"status": ILL, "last_updated": "9999-12-31T23:59:59Z"}},
        {"diagnostics": {"status": ILL, "last_updated": "now", "campaign_id": OTHER_UUID}},
        {"diagnostics": {"status": ILL.upper(), "last_updated": "now"}},
        b'{"diagnostics": {"status": "healthy", "status": "%s", "last_updated": "now"}}' % ILL.encode(),
        b"[" * 100_000,
    ],
    ids=[
        "HTML", "a list", "nothing", "no diagnostics", "a list of codes", "no time", "no valid time",
        "the future", "another campaign", "upper case", "a code twice", "deeply nested",
    ],
)  # fmt: skip
async def test_hostile_status_changes_no_position(body: Any, instantly: Instantly) -> None:
    a = instantly.add(1)

    def respond(_: Any) -> bytes:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        return encoded.replace(b'"now"', json.dumps(instantly.now().isoformat()).encode())

    async with Watching(health(on="code")) as watching:
        await polls(2)
        before = known(watching)
        instantly.server.respond(Reply(respond), path=STATUS)
        await polls(3)
        assert (watching.stored, known(watching)) == ([], before)
        instantly.server.respond(Reply(instantly._status), path=STATUS)
        instantly.codes[a] = ILL
        await polls(8)
    assert [event["to"] for event in watching.stored] == [ILL]
    assert watching.ended == []


@pytest.mark.parametrize("status", [[1], {}, "1", None, 10**30], ids=str)
async def test_hostile_own_status_does_not_hide_other_campaigns(status: Any, instantly: Instantly) -> None:
    a, b = instantly.add(1), instantly.add(2)
    async with Watching(health(on="code")) as watching:
        await polls(2)
        instantly.campaigns[a]["status"] = status
        await polls(2)
        instantly.codes[b] = ILL
        await polls(4)
    assert [event["campaign_id"] for event in watching.stored] == [b]
    assert watching.ended == []


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_hostile_dates_of_the_first_list_hide_nothing(date: str, cleaner: Cleaner) -> None:
    cleaner.add("a")
    cleaner.add("old", "completed")
    for campaign in cleaner.campaigns.values():
        campaign["date_added"] = date
    async with Watching(completed()) as watching:
        await polls(2)
        cleaner.complete("a")
        cleaner.add("b", "completed")
        await polls(2)
    assert {event["campaign_id"] for event in watching.stored} == {"a", "b"}
    assert watching.ended == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position", '{"v": 1, "campaigns": {"x": ["healthy", "open", "2026-01-01", null]}}'),
        ("position", '{"v": 1, "campaigns": {"x": ["healthy", "open", "2026-01-01", 1e400]}}'),
        ("position", '{"v": 1, "campaigns": {"x": 5}}'),
        ("position", '{"v": 1, "campaigns": []}'),
        ("position", "[]"),
        ("pending", "5"),
        ("pending", '{"a": 1}'),
    ],
)
async def test_state_that_is_not_valid_does_not_end_the_watcher(
    key: str, value: str, instantly: Instantly
) -> None:
    a = instantly.add(1)
    watching = Watching(health(on="code"))
    watching.states["health"].values[f"{key}:{HEALTH}"] = value
    async with watching:
        await polls(2)
        instantly.codes[a] = ILL
        await polls(2)
    assert [event["campaign_id"] for event in watching.stored] == [a]
    assert watching.ended == []


async def test_poll_that_cannot_be_compared_is_logged_once(
    cleaner: Cleaner, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watching(completed())
    state = watching.states["newsletters"].values
    position = {
        "v": 1,
        "of": ["campaign_cleaner_default"],
        "floor": "0001-01-01T00:30:00+00:00",  # the hour before cannot be represented
        "recent": {},
        "open": {"a": 1},
    }
    state[f"position:{COMPLETIONS}"] = json.dumps(position)
    async with watching:
        await polls(5)
        assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1
        state[f"position:{COMPLETIONS}"] = json.dumps({**position, "floor": "2026-01-01T00:00:00+00:00"})
        cleaner.add("a", "completed")
        await polls(2)
    assert watching.event_ids == ["a:1"]
    assert watching.ended == []


async def test_list_that_grows_past_a_page_fires_for_each_new_campaign(instantly: Instantly) -> None:
    for number in range(100, 145):
        instantly.add(number)
    async with Watching(health(on="code")) as watching:
        await polls(2)
        new = [instantly.add(number) for number in (*range(30), *range(200, 240))]
        await polls(4)
    assert sorted(event["campaign_id"] for event in watching.stored) == sorted(new)
