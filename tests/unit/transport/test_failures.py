"""Failed requests over both transports: which error they give, and how often they are sent."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    RateLimitedError,
    RedirectRefusedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.transport.retry import NO_RETRY
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall, asynchronous

from .conftest import account_at

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
CREDITS = campaign_cleaner.get_credits()
SUBMIT = campaign_cleaner.send_campaign("<p>", "n")
ACTIVATE = instantly.activate_campaign(UUID)


class TestRetries:
    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (Reply({}, status=429), RateLimitedError),
            (Reply({}, status=500), ServiceUnavailableError),
            (Reply(b"<html>", status=503), ServiceUnavailableError),
            (Reply(drop="before"), IncompleteResponseError),
            (Reply({"credits": 3}, drop="headers"), IncompleteResponseError),
            (Reply({"credits": 3}, drop="body"), IncompleteResponseError),
        ],
    )
    def test_read_survives_four_failures_and_not_five(
        self,
        send_calls: partial[Any],
        server: FakeServer,
        pauses: list[float],
        failure: Reply,
        kind: type[ApiError],
    ) -> None:
        # aiohttp itself sends a GET again, once and at once, when its connection breaks before a response.
        sent = 2 if send_calls.func is asynchronous and failure.drop in {"before", "headers"} else 1
        server.respond(*[failure] * 4 * sent, {"credits": 3})
        assert send_calls(account_at(server.url), CREDITS) == 3
        assert len(server.requests) == 4 * sent + 1
        assert all(low <= pause <= 2 * low for low, pause in zip([0.5, 1, 2, 4], pauses, strict=True))
        server.respond(failure)
        with pytest.raises(kind, match="my_conn"):
            send_calls(account_at(server.url), CREDITS)
        assert len(server.requests) == 9 * sent + 1

    @pytest.mark.parametrize("call", [SUBMIT, ACTIVATE])
    @pytest.mark.parametrize(
        "failure",
        [Reply({}, status=429), Reply({}, status=503), Reply(drop="before"), Reply({}, drop="body")],
    )
    def test_change_is_sent_once(
        self, send_calls: SendCall, server: FakeServer, failure: Reply, call: Call[Any]
    ) -> None:
        server.respond(failure)
        with pytest.raises(ApiError):
            send_calls(account_at(server.url), call)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [400, 404])
    def test_refused_request_is_sent_once(
        self, send_calls: SendCall, server: FakeServer, status: int
    ) -> None:
        server.respond(Reply({"error": "no", "message": "because"}, status=status))
        with pytest.raises(ApiError, match="because") as raised:
            send_calls(account_at(server.url), CREDITS)
        assert (len(server.requests), raised.value.final, raised.value.status_code) == (1, True, status)


class TestRetryAfter:
    def test_seconds_and_dates_are_obeyed(
        self, send_calls: SendCall, server: FakeServer, pauses: list[float]
    ) -> None:
        later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=40), usegmt=True)
        server.respond(
            Reply({}, status=429, headers={"Retry-After": "17"}),
            Reply({}, status=503, headers={"Retry-After": later}),
            {"credits": 3},
        )
        send_calls(account_at(server.url), CREDITS)
        assert pauses[0] == 17
        assert [pause for pause in pauses if 30 < pause <= 40]

    @pytest.mark.parametrize(
        "retry_after",
        [
            "Mon, 01 Jan 2024 00:00:00 +9999999999999999",
            "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
            "1e999",
        ],
    )
    def test_invalid_value_is_ignored(
        self, send_call: SendCall, server: FakeServer, retry_after: str
    ) -> None:
        server.respond(Reply({}, status=503, headers={"Retry-After": retry_after}))
        with pytest.raises(ServiceUnavailableError) as raised:
            send_call(account_at(server.url), CREDITS)
        assert raised.value.retry_after is None


class TestConnectError:
    def test_refused_connection_is_retried_even_for_a_change(
        self, send_calls: SendCall, pauses: list[float]
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(ConnectError, match="nothing was sent"):
                send_calls(account_at(url), SUBMIT)
        assert len(pauses) == 4

    def test_unknown_host_is_named(self, send_call: SendCall) -> None:
        with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
            send_call(account_at("https://nowhere.invalid"), CREDITS)


class TestRedirect:
    @pytest.mark.parametrize(
        "target",
        [
            "/v1/elsewhere",
            "http://127.0.0.2:9/v1/get_credits",
            "https://evil.invalid/",
            "http://[::bad",
            "\xff://",
        ],
    )
    def test_redirect_is_not_followed(self, send_calls: SendCall, server: FakeServer, target: str) -> None:
        server.respond(Reply(b"", status=307, headers={"Location": target}))
        with pytest.raises(RedirectRefusedError, match="not followed"):
            send_calls(account_at(server.url), CREDITS)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [103, 199, 206])
def test_status_without_a_complete_response_is_an_error(
    send_call: SendCall, server: FakeServer, status: int
) -> None:
    server.respond(Reply({"credits": 3}, status=status))
    with pytest.raises((MalformedResponseError, IncompleteResponseError)):
        send_call(account_at(server.url, timeout=0.3), CREDITS, retry=NO_RETRY)
