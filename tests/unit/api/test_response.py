"""A response becomes a value, or an error whose class and message say what to do."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.response import Response, parse_response, retry_after_seconds
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    ServiceUnavailableError,
)

NOW = datetime(2026, 5, 11, 21, 0, 0, tzinfo=timezone.utc)
CALL = instantly.get_sending_status("019e18e2-a52f-78e7-96f2-b33ee19bb50a")


def response(status: int, body: Any = None, **headers: str) -> Response:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, encoded)


def documented(status: int, error: str, message: str) -> Response:
    return response(status, {"statusCode": status, "error": error, "message": message})


def cloudflare(status: int, code: Any, **fields: Any) -> Response:
    """An error of Cloudflare as it answers a client that accepts JSON."""
    body = {
        "type": "https://developers.cloudflare.com/errors/",
        "title": "Error: access denied",
        "status": status,
        "detail": "access denied",
        "error_code": code,
        "cloudflare_error": True,
        "ray_id": "8f",
    }
    return response(status, {**body, **fields})


class TestFailure:
    @pytest.mark.parametrize(
        ("failed", "kind", "message"),
        [
            (documented(400, "Bad Request", "body must have property 'name'"), BadRequestError, "'name'"),
            (documented(401, "Unauthorized", "Missing Authorization header"), AuthenticationError, "API key"),
            (documented(401, "Unauthorized", "Invalid scope. Required: accounts:read. Found: leads:all"),
             PermissionDeniedError, "accounts:read"),
            (documented(401, "Unauthorized", "SCOPE leads:read is missing"),
             PermissionDeniedError, "leads:read"),
            (documented(402, "Payment Required", "no active paid plan"), PaymentRequiredError, "plan"),
            (documented(403, "Forbidden", "Invalid scope"), PermissionDeniedError, "permission"),
            (response(403, {"message": "not shared"}), PermissionDeniedError, "not shared"),
            (response(403, b"error code: 1010"), BlockedByProxyError, "user agent"),
            (cloudflare(403, 1010), BlockedByProxyError, "user agent"),
            (cloudflare(403, 1020), BlockedByProxyError, "access denied"),
            (cloudflare(403, "1010"), BlockedByProxyError, "proxy"),
            (response(403, {"error_code": 1010}), BlockedByProxyError, "proxy"),
            (response(403, {"ray_id": "x", "title": "Blocked"}), BlockedByProxyError, "Blocked"),
            (response(403, {"error_code": 7, "message": "no"}), PermissionDeniedError, "no"),
            (response(403, {"error_code": "1010a"}), PermissionDeniedError, "permission"),
            (cloudflare(429, 1015), RateLimitedError, "Too many requests"),
            (cloudflare(403, 1015), RateLimitedError, "Too many requests"),
            (cloudflare(502, 1102), ServiceUnavailableError, "502"),
            (documented(404, "Not Found", "Resource not found"), NotFoundError, "id"),
            (response(408, b""), ServiceUnavailableError, "408"),
            (response(409, {}), BadRequestError, "409"),
            (response(413, {}), BadRequestError, "413"),
            (documented(429, "Too Many Requests", "Rate limit exceeded"), RateLimitedError, "Rate limit"),
            (response(500, b"<html>"), ServiceUnavailableError, "500"),
            (response(599, b"\xff\xfe"), ServiceUnavailableError, "599"),
            (response(302, b"", location="https://elsewhere.example"), RedirectRefusedError, "redirect"),
            (response(0, b'{"diagnostics": null}'), MalformedResponseError, "not a complete response"),
            (response(103, b""), MalformedResponseError, "not a complete response"),
            (response(206, b'{"diagnostics": null}'), MalformedResponseError, "not a complete response"),
            (response(200, b'{"summary": {"status": "a", "status": "b"}}'), MalformedResponseError,
             "a duplicate key"),
            (response(200, b'{"summary": {"status": "\\u0000", "status": "b"}}'), MalformedResponseError,
             "a duplicate key"),
            (response(200, b"<html>"), MalformedResponseError, "not JSON"),
            (response(200, b""), MalformedResponseError, "got nothing"),
            (response(200, b'{"diagnostics": {'), MalformedResponseError, "not JSON"),
            (response(200, b"[" * 200_000), MalformedResponseError, "not JSON"),
            (response(200, "a\u00e9".encode("latin-1")), MalformedResponseError, "not JSON"),
            (response(200, []), MalformedResponseError, "JSON object"),
            (response(200, None), MalformedResponseError, "JSON object"),
        ],
    )  # fmt: skip
    def test_has_its_class_and_advice(self, failed: Response, kind: type[ApiError], message: str) -> None:
        with pytest.raises(ApiError) as raised:
            parse_response(CALL, failed, now=NOW)
        assert type(raised.value) is kind
        assert message in str(raised.value)
        assert len(str(raised.value)) < 1000

    @pytest.mark.parametrize("depth", [5, 500, 995, 2000, 9000])
    def test_deeply_nested_error_is_an_api_error(self, depth: int) -> None:
        nested = b'{"error":' * depth + b'"deep"' + b"}" * depth
        with pytest.raises(ApiError):
            parse_response(CALL, response(503, nested), now=NOW)
        with pytest.raises(ApiError):
            parse_response(campaign_cleaner.get_credits(), response(200, nested), now=NOW)

    @given(st.integers(200, 599), st.binary(max_size=300))
    def test_any_response_gives_a_value_or_an_api_error(self, status: int, body: bytes) -> None:
        for call in (CALL, campaign_cleaner.get_campaign_status("id"), campaign_cleaner.get_credits()):
            try:
                parse_response(call, Response(status, {}, body), now=NOW)
            except ApiError as error:
                assert str(error)  # noqa: PT017


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (None, None),
            ("", None),
            ("soon", None),
            ("0", 0),
            ("120", 120),
            ("1.5", 1.5),
            ("-5", 0),
            ("nan", None),
            ("inf", None),
            ("Mon, 11 May 2026 21:02:00 GMT", 120),
            ("Mon, 11 May 2026 20:00:00 GMT", 0),
            ("Mon, 11 May 2026 21:02:00 -0000", 120),
        ],
    )
    def test_holds_seconds_or_a_date(self, value: str | None, seconds: float | None) -> None:
        assert retry_after_seconds(value, now=NOW) == seconds

    @given(st.text())
    def test_any_string_gives_seconds_or_none(self, value: str) -> None:
        seconds = retry_after_seconds(value, now=NOW)
        assert seconds is None or seconds >= 0

    @pytest.mark.parametrize(
        ("failed", "seconds"),
        [
            (cloudflare(429, 1015, retry_after=30), 30),
            (cloudflare(429, 1015, retry_after="30"), 30),
            (cloudflare(403, 1015, retry_after=2.5), 2.5),
            (cloudflare(429, 1015), None),
            (cloudflare(429, 1015, retry_after={}), None),
            (cloudflare(502, 1102, retry_after=60), 60),
            (response(429, {"retry_after": 30}), None),
            (response(429, {"error_code": 1015, "retry_after": 30}, retry_after="5"), 5),
        ],
    )
    def test_wait_stands_in_the_body_of_a_proxy(self, failed: Response, seconds: float | None) -> None:
        with pytest.raises(ApiError) as raised:
            parse_response(CALL, failed, now=NOW)
        assert raised.value.retry_after == seconds


class TestStoredError:
    @pytest.mark.parametrize("kind", ApiError.__subclasses__())
    def test_every_class_survives_json(self, kind: type[ApiError]) -> None:
        error = kind("what to do", status_code=429, retry_after=3.5)
        back = ApiError.from_dict(json.loads(json.dumps(error.as_dict())))
        assert (type(back), str(back), back.status_code, back.retry_after) == (kind, "what to do", 429, 3.5)

    def test_class_of_a_later_version_is_an_api_error(self) -> None:
        assert type(ApiError.from_dict({"class": "Teapot", "message": "short and stout"})) is ApiError


class TestDecoding:
    def test_json_that_cannot_be_stored_is_refused_or_replaced(self) -> None:
        call = campaign_cleaner.get_campaign("x")
        with pytest.raises(MalformedResponseError):
            parse_response(
                call, response(200, b'{"campaign": {"campaign_html": "<p>", "ratio": NaN}}'), now=NOW
            )
        half = response(200, b'{"campaign": {"campaign_html": "<p>\\ud83d</p>"}}')
        assert parse_response(call, half, now=NOW).html == "<p>?</p>"
        pair = response(200, b'{"campaign": {"campaign_html": "<p>\\ud83d\\ude00</p>"}}')
        assert parse_response(call, pair, now=NOW).html == "<p>\U0001f600</p>"

    def test_object_hook_reduces_objects_during_decoding(self) -> None:
        listed = [
            {"id": "A-1", "campaign_name": "Spring \U0001f338", "status": "Paused"},
            {"id": 2, "status": None},
        ]
        body = response(200, {"campaign_list": listed})
        states = parse_response(campaign_cleaner.get_campaign_states(), body, now=NOW)
        assert {name: status.status for name, status in states.items()} == {"a-1": "paused"}
