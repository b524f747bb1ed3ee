"""A pause is sent once, and counts only if the campaign then shows it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    IncompleteResponseError,
    MalformedResponseError,
    NotPausedError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyPauseCampaignOperator
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import INSTANTLY_LINK, UUID, requests_below

CAMPAIGN = f"/api/v2/campaigns/{UUID}"
READ, PAUSE = ("GET", ""), ("POST", "/pause")


def pause(**arguments: Any) -> InstantlyPauseCampaignOperator:
    return InstantlyPauseCampaignOperator(**{"task_id": "pause", "campaign_id": UUID, **arguments})


def campaign(server: FakeServer, *statuses: Any, response: Reply | None = None) -> None:
    """Let the campaign have these statuses, one after another.

    :param response: the response to a pause; by default it shows an unchanged campaign.
    """
    server.requests.clear()
    server.respond(*[{"id": UUID, "status": each} for each in statuses], path=CAMPAIGN)
    server.respond(response or Reply({"id": UUID, "status": statuses[0]}), path=f"{CAMPAIGN}/pause")


def requests(server: FakeServer) -> list[tuple[str, str]]:
    return requests_below(CAMPAIGN, server)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (4, 2), (1, 3), (1, -2)])
def test_sending_campaign_is_paused(connections: FakeServer, before: int, after: int) -> None:
    campaign(connections, before, after)
    runner = TaskRunner()
    assert runner.run(pause()) == {"campaign_id": UUID, "status": after}
    assert requests(connections) == [READ, PAUSE, READ]
    assert connections.requests[1].body == b""
    assert runner.ti.xcoms == INSTANTLY_LINK


@pytest.mark.parametrize("before", [0, 2, 3, -1, -2, -99, 7])
def test_campaign_that_is_not_sending_is_not_changed(connections: FakeServer, before: int) -> None:
    campaign(connections, before)
    assert TaskRunner().run(pause()) == {"campaign_id": UUID, "status": before}
    assert requests(connections) == [READ]


@pytest.mark.parametrize(("after", "named"), [(1, r"active \(1\)"), (4, r"running subsequences \(4\)")])
def test_accepted_pause_without_effect_may_be_retried(
    connections: FakeServer, after: int, named: str
) -> None:
    campaign(connections, 1, after, response=Reply({"id": UUID, "status": 2}))
    with pytest.raises(NotPausedError, match=named) as raised:
        TaskRunner().run(pause())
    assert not raised.value.final
    assert requests(connections) == [READ, PAUSE, READ]


def test_lost_response_counts_if_the_campaign_is_paused(connections: FakeServer) -> None:
    lost = Reply(drop="before")
    campaign(connections, 1, 2, response=lost)
    assert TaskRunner().run(pause()) == {"campaign_id": UUID, "status": 2}
    assert requests(connections) == [READ, PAUSE, READ]

    campaign(connections, 1, response=lost)
    with pytest.raises(IncompleteResponseError, match="/pause"):
        TaskRunner().run(pause())
    assert requests(connections) == [READ, PAUSE, READ]


def test_refused_pause_fails_at_once(connections: FakeServer) -> None:
    campaign(connections, 1, 2, response=Reply({"message": "no"}, status=401))
    with pytest.raises(AuthenticationError):
        TaskRunner().run(pause())
    assert requests(connections) == [READ, PAUSE]


def test_campaign_without_valid_status_is_not_paused(connections: FakeServer) -> None:
    campaign(connections, "1")
    with pytest.raises(MalformedResponseError, match=UUID):
        TaskRunner().run(pause())
    assert requests(connections) == [READ]


@pytest.mark.parametrize("campaign_id", ["", None, "42"])
def test_invalid_campaign_id_fails_dag_parsing(campaign_id: Any) -> None:
    with pytest.raises(ValueError, match="campaign_id"):
        pause(campaign_id=campaign_id)


@pytest.mark.parametrize("rendered", ["", "None", f"{UUID}/../x"])
def test_invalid_rendered_id_sends_nothing(connections: FakeServer, rendered: str) -> None:
    task = pause(campaign_id="{{ params.id }}")
    task.campaign_id = rendered
    with pytest.raises(ValueError, match="campaign_id"):
        TaskRunner().run(task)
    assert connections.requests == []
