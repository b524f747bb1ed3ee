"""The rate limit of an account holds for all clients of the process."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_campaigns.api import campaign_cleaner
from tests.support.fake_server import FakeServer
from tests.support.transports import SendCall

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()


def test_requests_are_evenly_spaced(send_calls: SendCall, server: FakeServer, pauses: list[float]) -> None:
    server.respond({"credits": 3})
    send_calls(account_at(server.url, max_requests_per_second=2.0), *[CREDITS] * 4)
    assert len(pauses) == 3
    # 0.5, 1 and 1.5 s after the first, less the time that has passed, because the pauses were not made.
    assert pauses == sorted(pauses)
    assert 0.5 < pauses[-1] <= 1.5


def test_lowest_limit_of_two_connections_holds(
    send_calls: SendCall, server: FakeServer, pauses: list[float]
) -> None:
    server.respond({"credits": 3})
    account = account_at(server.url)
    send_calls(replace(account, conn_id="slow", max_requests_per_second=2.0), CREDITS)
    send_calls(account, *[CREDITS] * 3)
    assert len(pauses) == 3
    assert 0.5 < pauses[-1] <= 1.5


def test_raised_limit_holds_without_a_restart(
    send_calls: SendCall, server: FakeServer, pauses: list[float]
) -> None:
    """A triggerer runs for weeks; the extra of a connection may change meanwhile."""
    server.respond({"credits": 3})
    account = account_at(server.url, max_requests_per_second=2.0)
    send_calls(account, CREDITS)
    send_calls(replace(account, max_requests_per_second=1e9), *[CREDITS] * 3)
    # The first request had reserved its half second; there is no other.
    assert all(pause <= 0.5 for pause in pauses)
