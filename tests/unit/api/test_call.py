from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import Response, retry_after_seconds
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


def answer(status: int, body: Any = None, **headers: str) -> Response:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, encoded)


def documented(status: int, error: str, message: str) -> Response:
    return answer(status, {"statusCode": status, "error": error, "message": message})


@pytest.mark.parametrize(
    ("failed", "kind", "told"),
    [
        (documented(400, "Bad Request", "body must have property 'name'"), BadRequestError, "'name'"),
        (documented(401, "Unauthorized", "Missing Authorization header"), AuthenticationError, "API key"),
        (
            documented(401, "Unauthorized", "Invalid scope. Required: accounts:read. Found: leads:all"),
            PermissionDeniedError,
            "accounts:read",
        ),
        (documented(401, "Unauthorized", "SCOPE leads:read is missing"), PermissionDeniedError, "leads:read"),
        (documented(402, "Payment Required", "no active paid plan"), PaymentRequiredError, "plan"),
        (documented(403, "Forbidden", "Invalid scope"), PermissionDeniedError, "permission"),
        (answer(403, {"message": "not shared"}), PermissionDeniedError, "not shared"),
        (answer(403, b"error code: 1010"), BlockedByProxyError, "user agent"),
        (documented(404, "Not Found", "Resource not found"), NotFoundError, "id"),
        (answer(408, b""), ServiceUnavailableError, "408"),
        (answer(409, {}), BadRequestError, "409"),
        (answer(413, {}), BadRequestError, "413"),
        (documented(429, "Too Many Requests", "Rate limit exceeded"), RateLimitedError, "Rate limit"),
        (answer(500, b"<html>"), ServiceUnavailableError, "500"),
        (answer(599, b"\xff\xfe"), ServiceUnavailableError, "599"),
        (answer(302, b"", location="https://elsewhere.example"), RedirectRefusedError, "redirect"),
        (answer(0, b'{"diagnostics": null}'), MalformedResponseError, "no whole answer"),
        (answer(103, b""), MalformedResponseError, "no whole answer"),
        (answer(206, b'{"diagnostics": null}'), MalformedResponseError, "no whole answer"),
        (answer(200, b'{"summary": {"status": "a", "status": "b"}}'), MalformedResponseError, "a thing twice"),
        (answer(200, b"<html>"), MalformedResponseError, "not JSON"),
        (answer(200, b""), MalformedResponseError, "got nothing"),
        (answer(200, b'{"diagnostics": {'), MalformedResponseError, "not JSON"),
        (answer(200, b"[" * 200_000), MalformedResponseError, "not JSON"),
        (answer(200, "a\u00e9".encode("latin-1")), MalformedResponseError, "not JSON"),
        (answer(200, []), MalformedResponseError, "JSON object"),
        (answer(200, None), MalformedResponseError, "JSON object"),
    ],
)  # fmt: skip
def test_every_failure_has_its_class_and_says_what_to_do(
    failed: Response, kind: type[ApiError], told: str
) -> None:
    with pytest.raises(ApiError) as raised:
        read(CALL, failed, now=NOW)
    assert type(raised.value) is kind
    assert told in str(raised.value)
    assert len(str(raised.value)) < 1000


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
def test_retry_after_holds_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=NOW) == seconds


@given(st.text())
def test_no_retry_after_breaks_anything(value: str) -> None:
    seconds = retry_after_seconds(value, now=NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(200, 599), st.binary(max_size=300))
def test_no_answer_gives_anything_but_a_value_or_an_api_error(status: int, body: bytes) -> None:
    for call in (CALL, campaign_cleaner.get_campaign_status("id"), campaign_cleaner.get_credits()):
        try:
            read(call, Response(status, {}, body), now=NOW)
        except ApiError as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", ApiError.__subclasses__())
def test_errors_travel_as_json(kind: type[ApiError]) -> None:
    error = kind("what to do", status_code=429, retry_after=3.5)
    back = ApiError.from_dict(json.loads(json.dumps(error.as_dict())))
    assert (type(back), str(back), back.status_code, back.retry_after) == (kind, "what to do", 429, 3.5)


def test_an_error_of_a_later_version_is_still_an_error() -> None:
    assert type(ApiError.from_dict({"class": "Teapot", "message": "short and stout"})) is ApiError


@pytest.mark.parametrize("depth", [5, 500, 995, 2000, 9000])
def test_an_error_in_an_error_in_an_error(depth: int) -> None:
    nested = b'{"error":' * depth + b'"deep"' + b"}" * depth
    with pytest.raises(ApiError):
        read(CALL, answer(503, nested), now=NOW)
    with pytest.raises(ApiError):
        read(campaign_cleaner.get_credits(), answer(200, nested), now=NOW)


def test_what_json_cannot_write_again_is_not_read() -> None:
    call = campaign_cleaner.get_campaign("x")
    with pytest.raises(MalformedResponseError):
        read(call, answer(200, b'{"campaign": {"campaign_html": "<p>", "ratio": NaN}}'), now=NOW)
    halved = read(call, answer(200, b'{"campaign": {"campaign_html": "<p>\\ud83d</p>"}}'), now=NOW)
    assert halved.html == "<p>?</p>"
    whole = read(call, answer(200, b'{"campaign": {"campaign_html": "<p>\\ud83d\\ude00</p>"}}'), now=NOW)
    assert whole.html == "<p>\U0001f600</p>"


def test_a_query_leaves_out_none_and_writes_booleans_as_the_services_do() -> None:
    call = Call(
        instantly.SERVICE, "GET", "/x", lambda it: it, params={"a": None, "b": True, "c": "ä&b", "d": 5}
    )
    assert call.target == "/x?b=true&c=%C3%A4%26b&d=5"


def test_a_parameter_that_is_a_list_is_repeated() -> None:
    params = {"ids": ["a", None, 2, True], "none": [], "status": ()}
    assert (
        Call(instantly.SERVICE, "GET", "/x", lambda it: it, params=params).target == "/x?ids=a&ids=2&ids=true"
    )


@pytest.mark.parametrize(
    ("call", "headers"),
    [
        ({}, {"Accept": "application/json"}),
        ({"body": {}}, {"Accept": "application/json", "Content-Type": "application/json"}),
        ({"binary": True}, {"Accept": "application/pdf, application/json"}),
    ],
)
def test_a_call_says_what_it_accepts_and_what_it_brings(call: dict, headers: dict) -> None:
    expected = {**headers, "Accept-Encoding": "gzip"}
    assert Call(instantly.SERVICE, "POST", "/x", lambda it: it, **call).headers == expected


def test_objects_can_be_reduced_while_they_are_read_whatever_is_in_them() -> None:
    listed = [
        {"id": "A-1", "campaign_name": "Spring \U0001f338", "status": "Paused"},
        {"id": 2, "status": None},
    ]
    states = read(campaign_cleaner.get_campaign_states(), answer(200, {"campaign_list": listed}), now=NOW)
    assert {name: status.status for name, status in states.items()} == {"a-1": "paused"}


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}])
def test_a_body_that_json_cannot_say_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Call(instantly.SERVICE, "POST", "/x", lambda it: it, body=body).encoded_body()


def test_a_call_shows_no_body() -> None:
    assert "hunter2" not in repr(Call(instantly.SERVICE, "POST", "/x", lambda it: it, body={"a": "hunter2"}))
