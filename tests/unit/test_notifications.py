"""The notifier pauses, verifies, and raises nothing, on a worker and in an event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns import notifications
from airflow_provider_campaigns.notifications import InstantlyPauseCampaignNotifier
from tests.conftest import KEY
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import UUID, requests_below

CAMPAIGN = f"/api/v2/campaigns/{UUID}"
READ, PAUSE = ("GET", ""), ("POST", "/pause")


class Dag:
    """What a notifier needs of a Dag to render its arguments."""

    def get_template_env(self, **_: Any) -> Any:
        from jinja2 import Environment

        return Environment(autoescape=True)

    render_template_as_native_obj = False


def blocking(**arguments: Any) -> None:
    InstantlyPauseCampaignNotifier(**{"campaign_id": UUID, **arguments})({"dag": Dag(), "run_id": UUID})


def from_an_event_loop(**arguments: Any) -> None:
    """Call it as a deadline alert of Airflow does."""

    async def call() -> None:
        notifier = InstantlyPauseCampaignNotifier(
            **{"campaign_id": UUID, "context": {"dag": Dag(), "run_id": UUID}, **arguments}
        )
        if hasattr(type(notifier), "__await__"):
            await notifier
        else:  # before Airflow 3.1, which has no deadline alerts
            notifier.render_template_fields(notifier.context)
            await notifier.async_notify(notifier.context)

    asyncio.run(call())


@pytest.fixture(params=[blocking, from_an_event_loop])
def notify(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(notifications, "PAUSE", 0.0)
    return request.param


def campaign(server: FakeServer, *statuses: int, pause: Any = None) -> None:
    server.respond(*[{"id": UUID, "name": "Spring", "status": each} for each in statuses], path=CAMPAIGN)
    server.respond(*(pause or [{}]), path=f"{CAMPAIGN}/pause")


def test_sending_campaign_is_paused_and_verified(
    notify: Any, connections: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    campaign(connections, 1, 2)
    notify()
    assert requests_below(CAMPAIGN, connections) == [READ, PAUSE, READ]
    assert f"Campaign 'Spring' ({UUID}) was active (1), and is now paused (2)." in caplog.text


def test_campaign_that_does_not_send_is_not_changed(
    notify: Any, connections: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    campaign(connections, 3)
    notify()
    assert requests_below(CAMPAIGN, connections) == [READ]
    assert "does not send: it is completed (3)" in caplog.text


def test_pause_without_effect_is_sent_again(notify: Any, connections: FakeServer) -> None:
    campaign(connections, 1, 1, 1, 2)
    notify()
    assert requests_below(CAMPAIGN, connections) == [READ, PAUSE, READ] * 2


def test_failed_pause_is_sent_again(notify: Any, connections: FakeServer) -> None:
    campaign(connections, 1, 1, 1, 2, pause=[Reply({}, status=503), {}])
    notify()
    assert requests_below(CAMPAIGN, connections) == [READ, PAUSE, READ] * 2


@pytest.mark.parametrize(
    ("arguments", "attempts"),
    [
        ({}, notifications.ATTEMPTS),  # it stays active
        ({"instantly_conn_id": "missing"}, 0),
        ({"campaign_id": "{{ no_such_name.x }}"}, 0),
        ({"campaign_id": "{{ 'a' }}"}, 0),
    ],
)
def test_campaign_that_is_not_paused_is_logged_only(
    arguments: Any,
    attempts: int,
    notify: Any,
    connections: FakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    campaign(connections, 1)
    notify(**arguments)
    assert requests_below(CAMPAIGN, connections).count(PAUSE) == attempts
    assert "may still send, because it could not be paused. Pause it in Instantly." in caplog.text
    assert KEY not in caplog.text


def test_wrong_key_is_tried_once(
    notify: Any, connections: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    connections.respond(Reply({}, status=401), path=CAMPAIGN)
    notify()
    assert requests_below(CAMPAIGN, connections) == [READ]
    assert "may still send" in caplog.text


def test_campaign_that_cannot_be_read_is_paused(
    notify: Any, connections: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    connections.respond({"id": UUID, "status": "active"}, path=CAMPAIGN)
    connections.respond({}, path=f"{CAMPAIGN}/pause")
    notify()
    assert requests_below(CAMPAIGN, connections)[-1] == PAUSE
    assert "is paused; its state cannot be read" in caplog.text


def test_failed_pauses_are_not_logged_as_a_pause(
    notify: Any, connections: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    campaign(connections, 1, pause=[*[Reply({}, status=503)] * notifications.ATTEMPTS, {}])
    notify()
    assert requests_below(CAMPAIGN, connections).count(PAUSE) == notifications.ATTEMPTS
    assert "is paused" not in caplog.text
    assert "may still send, because it could not be paused" in caplog.text


def test_id_is_rendered(notify: Any, connections: FakeServer) -> None:
    campaign(connections, 1, 2)
    notify(campaign_id="{{ run_id }}")
    assert requests_below(CAMPAIGN, connections) == [READ, PAUSE, READ]


@pytest.mark.parametrize(
    ("arguments", "named"), [({"campaign_id": "17"}, "campaign_id"), ({"instantly_conn_id": ""}, "conn_id")]
)
def test_invalid_argument_fails_dag_parsing(arguments: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        InstantlyPauseCampaignNotifier(**{"campaign_id": UUID, **arguments})


def test_event_loop_is_not_blocked(connections: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    """The service responds only once the loop has run again."""
    caplog.set_level("INFO")
    asked, loop_runs = asyncio.Event(), threading.Event()

    async def pause_while_the_loop_runs() -> None:
        loop = asyncio.get_running_loop()

        def body(_: Any) -> str:
            loop.call_soon_threadsafe(asked.set)
            assert loop_runs.wait(60)
            return json.dumps({"id": UUID, "status": 3})

        connections.respond(Reply(body), path=CAMPAIGN)
        pausing = asyncio.create_task(InstantlyPauseCampaignNotifier(campaign_id=UUID).async_notify({}))
        await asked.wait()
        loop_runs.set()
        await pausing

    asyncio.run(pause_while_the_loop_runs())
    assert "does not send" in caplog.text
