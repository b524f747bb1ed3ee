"""``InstantlyHook.get_verdict``: the verdict of a send gate, for users' own tasks."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import NotFoundError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules.send_gate import Policy, Verdict
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import UUID, paths, sending_status, sending_status_body


@pytest.mark.parametrize(
    ("code", "arguments", "is_open", "needs_person"),
    [
        ("healthy", {}, True, False),
        ("waiting_for_leads", {}, False, False),
        ("waiting_for_leads", {"policy": {"waiting_for_leads": "open"}}, True, False),
        ("campaign_paused", {}, False, True),
        ("campaign_completed", {}, False, False),
        ("healthy", {"max_status_age": timedelta(0)}, False, False),
    ],
)
def test_verdict_follows_the_policy(
    connections: FakeServer, code: str, arguments: dict[str, Any], is_open: bool, needs_person: bool
) -> None:
    connections.respond(sending_status(code, age=1))
    verdict = InstantlyHook().get_verdict(UUID, **arguments)
    assert (verdict.open, verdict.needs_person, verdict.code) == (is_open, needs_person, code)


def test_verdict_on_a_subsequence_has_its_own_path(connections: FakeServer) -> None:
    connections.respond(sending_status("healthy"))
    assert InstantlyHook().get_verdict(subsequence_id=UUID).open
    assert paths(connections) == [f"/api/v2/subsequences/{UUID}/sending-status"]


def test_malformed_response_is_a_verdict_that_waits(connections: FakeServer) -> None:
    connections.respond(Reply(b"<html>"))
    verdict = InstantlyHook().get_verdict(UUID)
    assert (verdict.open, verdict.needs_person, verdict.code) == (False, False, None)


def test_error_of_the_service_is_raised(connections: FakeServer) -> None:
    connections.respond(Reply({"message": "no"}, status=404))
    with pytest.raises(NotFoundError):
        InstantlyHook().get_verdict(UUID)


def test_verdicts_arrive_while_one_campaign_hangs(connections: FakeServer) -> None:
    others = [f"019e18e2-a52f-78e7-96f2-{number:012d}" for number in range(50)]
    connections.respond(Reply(lambda request: sending_status_body("healthy", campaign_id=id_in(request))))
    connections.respond(Reply({}, status=404, delay=1), path=f"/api/v2/campaigns/{UUID}/")
    results = list(InstantlyHook().get_verdicts([UUID, *others]))
    assert {each for each, _ in results[:-1]} == set(others)
    assert all(isinstance(verdict, Verdict) and verdict.open for _, verdict in results[:-1])
    assert (results[-1][0], type(results[-1][1])) == (UUID, NotFoundError)


def id_in(request: Request) -> str:
    return request.path.split("/")[4]


def test_verdicts_that_nobody_reads_send_nothing_more(connections: FakeServer) -> None:
    first, closed = threading.Lock(), threading.Event()

    def all_but_the_first_wait(_: Request) -> str:
        if not first.acquire(blocking=False):
            closed.wait(60)
        return json.dumps(sending_status_body("healthy"))

    connections.respond(Reply(all_but_the_first_wait))
    results = InstantlyHook().get_verdicts([UUID] * 1000)
    next(results)
    results.close()
    closed.set()
    for thread in [each for each in threading.enumerate() if each.name == "verdicts"]:
        thread.join(60)
        assert not thread.is_alive()
    # The first one, and one on each connection.
    assert len(connections.requests) <= 1 + MAX_CONNECTIONS


def test_invalid_id_of_many_sends_nothing(connections: FakeServer) -> None:
    with pytest.raises(ValueError, match=r"campaign_ids\[1\] must be a UUID"):
        InstantlyHook().get_verdicts([UUID, "x"])
    assert connections.requests == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "either campaign_id or subsequence_id"),
        ({"campaign_id": UUID, "subsequence_id": UUID}, "either campaign_id or subsequence_id"),
        ({"campaign_id": UUID, "policy": {"healty": "open"}}, "healty"),
        ({"campaign_id": UUID, "policy": "healthy"}, "policy must be a mapping"),
        ({"campaign_id": UUID, "policy": Policy.of({}), "max_status_age": timedelta(0)}, "in the Policy"),
        ({"campaign_id": UUID, "max_status_age": 300}, "max_status_age must be a timedelta"),
    ],
)
def test_invalid_argument_sends_nothing(
    connections: FakeServer, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        InstantlyHook().get_verdict(**arguments)
    assert connections.requests == []
