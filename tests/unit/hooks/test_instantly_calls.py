"""Every call of Instantly at a fake service: the request that arrives, and the value it returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import ValidationError

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.hooks.base import user_agent
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from tests.conftest import KEY
from tests.support.every_call import (
    Row,
    body_of,
    calls_of,
    headers_of,
    in_triggerer,
    methods_of,
    on_worker,
)
from tests.support.fake_server import FakeServer, Request
from tests.support.openapi import check_request, needs_description

from .instantly_rows import ID, ONE_OF_EACH, ROWS


def test_every_call_and_every_method_has_a_row() -> None:
    assert ONE_OF_EACH.keys() == calls_of(api) - {"request"}
    composed = {
        "get_verdict",
        "get_verdicts",
        "add_leads_in_batches",
        "aget_sending_status",
        "aget_subsequence_sending_status",
    }
    assert methods_of(InstantlyHook) - composed == ONE_OF_EACH.keys() | {"request", "test_connection"}


@pytest.mark.parametrize("make", [on_worker, in_triggerer])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_call_arrives_as_documented(connections: FakeServer, make: Callable[..., Any], row: Row) -> None:
    connections.respond(row.reply)
    value = make(InstantlyHook(), api, row)
    (request,) = connections.requests
    assert (request.method, request.path, body_of(request)) == (row.method, row.path, row.body)
    assert headers_of(request) == {
        **row.headers,
        "authorization": f"Bearer {KEY}",
        "user-agent": user_agent(),
    }
    assert value == row.value


@needs_description
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_call_matches_the_vendor_description(row: Row) -> None:
    call = getattr(api, row.name)(**row.arguments)
    check_request(Request(call.method, call.target, call.headers, call.encoded_body() or b""))


@needs_description
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/campaigns?limit=101", None),
        ("GET", "/campaigns?limit=ten", None),
        ("GET", "/campaigns?status=9", None),
        ("GET", "/campaigns?campaign=x", None),
        ("GET", "/campaigns/12", None),
        ("GET", f"/campaigns/{ID}/status", None),
        ("PUT", f"/campaigns/{ID}", {}),
        ("GET", f"/campaigns/analytics?id={ID}&id={ID}", None),
        ("GET", "/campaigns/analytics?exclude_total_leads_count=yes", None),
        ("POST", "/campaigns", None),
        ("POST", "/campaigns", {"name": "N"}),
        ("PATCH", f"/campaigns/{ID}", {"colour": 1}),
        ("POST", f"/campaigns/{ID}/activate", {}),
        ("POST", "/leads/list", {"campaign_ids": [ID]}),
        ("POST", "/leads/move", {"ids": "x"}),
        ("POST", "/leads/add", {"campaign_id": ID, "leads": [{"mail": "x"}]}),
    ],
)
def test_check_against_the_description_can_fail(method: str, path: str, body: Any) -> None:
    headers = {} if body is None else {"Content-Type": "application/json"}
    encoded = b"" if body is None else json.dumps(body).encode()
    with pytest.raises((AssertionError, ValidationError, ValueError)):
        check_request(Request(method, f"/api/v2{path}", headers, encoded))
