"""Faults: which request meets one, how often, and what the client sees of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from .conftest import Client


def plant(client: Client, *faults: dict[str, Any]) -> Any:
    return client.control("POST", "/faults", list(faults))


def test_first_matching_fault_is_applied_n_times(client: Client) -> None:
    plant(
        client,
        {"path": "/v1/get_credits", "status": 503, "times": 2},
        {"path": "/v1/", "status": 500},
        {"path": "/v1/get_campaign_list", "status": 502},
    )
    seen = [client.cleaner("get_credits").status_code for _ in range(4)]
    assert seen == [503, 503, 500, 200]
    assert client.cleaner("get_campaign_list").status_code == 502
    assert client.control("GET", "/state")["faults"] == []


def test_endless_fault_can_be_cleared(client: Client) -> None:
    plant(client, {"path": "/v1/", "status": 503, "times": None})
    assert {client.cleaner("get_credits").status_code for _ in range(5)} == {503}
    assert client.control("DELETE", "/faults") == []
    assert client.cleaner("get_credits").ok


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        ({"path": "/v1/get_credits"}, True),
        ({"path": "/v1/get_"}, True),
        ({"path": "*credits"}, True),
        ({"path": "/v[12]/get_c?edits"}, True),
        ({"path": "/v1/get_credits", "method": "get"}, True),
        ({"path": "/v1/get_credits", "method": "POST"}, False),
        ({"path": "/api/"}, False),
        ({"path": "*/credits"}, False),
    ],
)
def test_fault_matches_path_and_method(client: Client, fault: dict[str, Any], *, met: bool) -> None:
    plant(client, {**fault, "status": 503})
    assert (client.cleaner("get_credits").status_code == 503) is met


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        ({"status": 429}, 429, "application/json", '{"error": "Too Many Requests."}'),
        ({"body": {"Error": "no"}}, 200, "application/json", '{"Error": "no"}'),
        ({"body": '{"cut": '}, 200, "application/json", '{"cut": '),
        ({"body": "<html>", "status": 502}, 502, "text/plain", "<html>"),
        (
            {"body": "<html>", "content_type": "text/html; charset=utf-8"},
            200,
            "text/html; charset=utf-8",
            "<html>",
        ),
        ({"body": ""}, 200, "text/plain", ""),
    ],
)
def test_fault_replaces_status_and_body(
    client: Client, fault: dict[str, Any], status: int, content_type: str, body: str
) -> None:
    plant(client, {"path": "/v1/", **fault})
    response = client.cleaner("get_credits")
    assert (response.status_code, response.headers["Content-Type"], response.text) == (
        status,
        content_type,
        body,
    )


def test_fault_sets_headers(client: Client) -> None:
    headers = {"Retry-After": "7", "Location": "http://127.0.0.1:1/"}
    plant(client, {"path": "/api/", "status": 302, "headers": headers})
    response = client.call(
        "GET", "/api/v2/campaigns", headers={"Authorization": "Bearer x"}, allow_redirects=False
    )
    assert response.status_code == 302
    assert {name: response.headers[name] for name in headers} == headers


def test_instantly_error_has_its_documented_body(client: Client) -> None:
    plant(client, {"path": "/api/", "status": 429})
    assert client.instantly("GET", "/campaigns").json() == {
        "statusCode": 429,
        "error": "Too Many Requests",
        "message": "Rate limit exceeded",
    }


@pytest.mark.parametrize(
    ("drop", "error", "carried_out"),
    [
        ("before", requests.exceptions.ConnectionError, False),
        ("headers", requests.exceptions.ConnectionError, True),
        # The name that requests has for a connection that breaks within the body.
        ("body", requests.exceptions.ChunkedEncodingError, True),
    ],
)
def test_connection_is_dropped_where_requested(
    client: Client, drop: str, error: type[Exception], *, carried_out: bool
) -> None:
    plant(client, {"path": "/v1/send_campaign", "drop": drop})
    with pytest.raises(error):
        client.submit()
    assert len(client.state.submitted) == int(carried_out)
    (entry,) = client.control("GET", "/requests")
    assert (entry["status"], entry["fault"]) == (None, f"drop {drop}")
    assert client.cleaner("get_credits").json() == {"credits": 99 if carried_out else 100}


def test_drop_can_cut_a_given_body(client: Client) -> None:
    plant(client, {"path": "/v1/", "drop": "body", "body": "0123456789"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="5 bytes read, 6 more"):
        client.cleaner("get_credits")


def test_delay_comes_before_the_response(client: Client) -> None:
    plant(client, {"path": "/v1/", "delay": 0.2}, {"path": "/v1/", "delay": 0.2, "status": 503})
    for status in (200, 503):
        start = time.monotonic()
        assert client.cleaner("get_credits").status_code == status
        assert time.monotonic() - start >= 0.2
    assert client.control("GET", "/state")["faults"] == []


def test_fault_does_not_affect_the_control_api(client: Client) -> None:
    plant(client, {"path": "/", "status": 503, "times": None})
    assert client.control("GET", "/state")["faults"][0]["times"] is None


def test_single_fault_needs_no_list(client: Client) -> None:
    (fault,) = client.control("POST", "/faults", {"path": "/v1/", "status": 503})
    assert (fault["path"], fault["times"], fault["status"]) == ("/v1/", 1, 503)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"path": "/", "status": 503, "tmies": 2}, "'tmies'"),
        ({"status": 503}, "'path'"),
        ({"path": "/"}, "one of body, delay, drop, status"),
        ({"path": "/", "status": 99}, "status"),
        ({"path": "/", "status": "503"}, "status"),
        ({"path": "/", "drop": "after"}, "drop"),
        ({"path": "/", "delay": -1}, "delay"),
        ({"path": "/", "status": 503, "times": 0}, "times"),
        ({"path": "/", "status": 503, "times": True}, "times"),
        ({"path": "/", "status": 503, "headers": {"a b": "c"}}, "a b"),
        ({"path": "/", "status": 503, "headers": {"a": "c\r\nd: e"}}, "headers/a"),
        ({"path": "/", "status": 503, "content_type": "a\r\nb"}, "Content-Type"),
        ("503", "object"),
    ],
)
def test_invalid_fault_is_refused(client: Client, fault: Any, named: str) -> None:
    response = client.call("POST", "/_sandbox/faults", [{"path": "/", "status": 500}, fault])
    assert response.status_code == 400
    assert response.json()["error"].startswith("faults[1]")
    assert named in response.json()["error"]
    assert not client.state.faults, "nothing is planted unless all is well"
