"""When requests may leave: the rate limiter alone, and the clients of a process that share it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.transport.rate_limit import MAX_PAUSE, RateLimiter, rate_limiter_for
from tests.support.fake_server import FakeServer
from tests.support.transports import SendCall

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()
NOW = 1000.0


def limiter(**limits: float) -> RateLimiter:
    """Return a rate limiter with the limits of these connections, in requests a second."""
    created = RateLimiter()
    for conn_id, per_second in limits.items():
        created.set_limit(conn_id, per_second)
    return created


class TestSpacing:
    @pytest.mark.parametrize("now", [0.0, NOW])
    def test_first_request_leaves_at_once(self, now: float) -> None:
        assert limiter(a=4).reserve(now) == 0

    @pytest.mark.parametrize(("per_second", "gap"), [(4, 0.25), (1, 1), (0.5, 2)])
    def test_requests_are_spaced_by_the_limit(self, per_second: float, gap: float) -> None:
        limited = limiter(a=per_second)
        assert [limited.reserve(NOW) for _ in range(4)] == [0, gap, 2 * gap, 3 * gap]

    def test_idle_time_allows_no_burst(self) -> None:
        limited = limiter(a=2)
        assert [limited.reserve(NOW), limited.reserve(NOW + 60), limited.reserve(NOW + 60)] == [0, 0, 0.5]

    def test_time_since_the_last_request_counts(self) -> None:
        limited = limiter(a=2)
        limited.reserve(NOW)
        assert limited.reserve(NOW + 0.25) == 0.25

    def test_lowest_limit_of_the_connections_counts(self) -> None:
        limited = limiter(fast=10, slow=2, medium=5)
        assert [limited.reserve(NOW), limited.reserve(NOW)] == [0, 0.5]

    def test_new_limit_of_a_connection_replaces_its_old_one(self) -> None:
        limited = limiter(a=1)
        limited.set_limit("a", 4)
        assert [limited.reserve(NOW), limited.reserve(NOW)] == [0, 0.25]


class TestPause:
    @pytest.mark.parametrize("now", [0.0, NOW])
    def test_no_pause_is_left_at_first(self, now: float) -> None:
        assert limiter(a=4).pause_left(now) == 0

    @pytest.mark.parametrize(("later", "left"), [(0, 30), (10, 20), (30, 0), (31, 0)])
    def test_pause_lasts_as_long_as_asked(self, later: float, left: float) -> None:
        limited = limiter(a=4)
        limited.pause(NOW, 30)
        assert limited.pause_left(NOW + later) == left

    def test_shorter_pause_does_not_end_a_longer_one(self) -> None:
        limited = limiter(a=4)
        limited.pause(NOW, 30)
        limited.pause(NOW + 1, 5)
        assert limited.pause_left(NOW + 1) == 29

    def test_pause_has_a_maximum(self) -> None:
        limited = limiter(a=4)
        limited.pause(NOW, 86_400)
        assert limited.pause_left(NOW) == MAX_PAUSE == 300


class TestLimiterOfAnAccount:
    def test_connections_to_one_account_share_a_limiter(self) -> None:
        slow = replace(account_at("https://a.example", max_requests_per_second=2), conn_id="slow")
        fast = replace(slow, conn_id="fast", max_requests_per_second=10)
        limited = rate_limiter_for(slow)
        assert rate_limiter_for(fast) is limited
        assert [limited.reserve(NOW), limited.reserve(NOW)] == [0, 0.5]

    def test_account_with_another_key_has_its_own_limiter(self) -> None:
        account = account_at("https://a.example")
        assert rate_limiter_for(replace(account, key="another")) is not rate_limiter_for(account)


@pytest.mark.usefixtures("clock")
class TestClients:
    def test_requests_are_evenly_spaced(
        self, send_calls: SendCall, server: FakeServer, pauses: list[float]
    ) -> None:
        server.respond({"credits": 3})
        send_calls(account_at(server.url, max_requests_per_second=2.0), *[CREDITS] * 4)
        assert len(pauses) == 3
        # 0.5, 1 and 1.5 s after the first, less the time that has passed, because the pauses were not made.
        assert pauses == sorted(pauses)
        assert 0.5 < pauses[-1] <= 1.5

    def test_lowest_limit_of_two_connections_holds(
        self, send_calls: SendCall, server: FakeServer, pauses: list[float]
    ) -> None:
        server.respond({"credits": 3})
        account = account_at(server.url)
        send_calls(replace(account, conn_id="slow", max_requests_per_second=2.0), CREDITS)
        send_calls(account, *[CREDITS] * 3)
        assert len(pauses) == 3
        assert 0.5 < pauses[-1] <= 1.5

    def test_raised_limit_holds_without_a_restart(
        self, send_calls: SendCall, server: FakeServer, pauses: list[float]
    ) -> None:
        """A triggerer runs for weeks; the extra of a connection may change meanwhile."""
        server.respond({"credits": 3})
        account = account_at(server.url, max_requests_per_second=2.0)
        send_calls(account, CREDITS)
        send_calls(replace(account, max_requests_per_second=1e9), *[CREDITS] * 3)
        # The first request had reserved its half second; there is no other.
        assert all(pause <= 0.5 for pause in pauses)
