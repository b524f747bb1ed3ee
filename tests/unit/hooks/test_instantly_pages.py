"""Instantly: lists are read page by page, leads are sent batch by batch, and any endpoint can be called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from airflow_provider_campaigns.api.instantly import MAX_LEADS_PER_CALL
from airflow_provider_campaigns.exceptions import PaymentRequiredError, ServiceUnavailableError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.transport import retry
from tests.support.every_call import body_of, headers_of
from tests.support.fake_server import FakeServer, Reply, Request

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
LISTS = ["list_campaigns", "list_subsequences", "list_accounts", "list_leads"]
ADDED = {"total_sent": 9, "leads_uploaded": 2}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.001)


def items_of(name: str, **filters: Any) -> Iterator[Any]:
    """The items of a list, at most 300, should it never end."""
    return islice(getattr(InstantlyHook(), name)(**filters), 300)


def cursor_of(request: Request) -> str | None:
    if request.method == "POST":
        return request.json.get("starting_after")
    return request.path.partition("starting_after=")[2] or None


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_read_to_its_last_page(connections: FakeServer, name: str) -> None:
    items = [{"n": number} for number in range(250)]
    connections.respond(
        {"items": items[:100], "next_starting_after": "c1"},
        {"items": items[100:200], "next_starting_after": "c2"},
        {"items": items[200:]},
    )
    assert list(items_of(name, search="x")) == items
    assert [cursor_of(request) for request in connections.requests] == [None, "c1", "c2"]
    sent = [request.body.decode() + request.path for request in connections.requests]
    assert all("search" in each and "100" in each for each in sent)


class TestPages:
    def test_cursor_is_percent_encoded(self, connections: FakeServer) -> None:
        connections.respond(
            {"items": [{"n": 1}, {"n": 2}], "next_starting_after": "a b&c"}, {"items": [{"n": 3}]}
        )
        assert [item["n"] for item in items_of("list_campaigns", status=1)] == [1, 2, 3]
        assert [request.path for request in connections.requests] == [
            "/api/v2/campaigns?status=1&limit=100",
            "/api/v2/campaigns?status=1&limit=100&starting_after=a+b%26c",
        ]

    def test_empty_page_ends_the_list(self, connections: FakeServer) -> None:
        connections.respond(
            {"items": [{"n": 1}], "next_starting_after": "c1"}, {"items": [], "next_starting_after": "c2"}
        )
        assert list(items_of("list_campaigns")) == [{"n": 1}]
        assert len(connections.requests) == 2

    def test_repeated_cursor_ends_the_list(self, connections: FakeServer) -> None:
        first = {"items": [{"n": 1}], "next_starting_after": "c1"}
        connections.respond(first, {"items": [{"n": 2}], "next_starting_after": "c2"}, first)
        assert [item["n"] for item in items_of("list_campaigns")] == [1, 2, 1]
        assert len(connections.requests) == 3

    @pytest.mark.parametrize("cursor", [None, "", "  "])
    def test_missing_cursor_ends_the_list(self, connections: FakeServer, cursor: Any) -> None:
        connections.respond({"items": [{"n": 1}], "next_starting_after": cursor})
        assert len(list(items_of("list_campaigns"))) == 1
        assert len(connections.requests) == 1

    def test_page_is_requested_only_when_it_is_consumed(self, connections: FakeServer) -> None:
        connections.respond({"items": [{"n": 1}, {"n": 2}], "next_starting_after": "c1"})
        found = items_of("list_campaigns")
        assert connections.requests == []
        assert [next(found)["n"], next(found)["n"]] == [1, 2]
        assert len(connections.requests) == 1

    def test_only_the_failed_page_is_requested_again(self, connections: FakeServer) -> None:
        connections.respond(
            {"items": [{"n": 1}], "next_starting_after": "c1"}, Reply({}, status=500), {"items": [{"n": 2}]}
        )
        assert [item["n"] for item in items_of("list_campaigns")] == [1, 2]
        assert [cursor_of(request) for request in connections.requests] == [None, "c1", "c1"]

    def test_invalid_filter_is_refused_at_once(self, connections: FakeServer) -> None:
        with pytest.raises(ValueError, match="limit must be 1 to 100"):
            InstantlyHook().list_campaigns(limit=101)
        assert connections.requests == []


def test_leads_are_consumed_and_sent_in_batches(connections: FakeServer) -> None:
    connections.respond(ADDED, ADDED, Reply({"message": "plan is full"}, status=402))
    consumed = []

    def leads() -> Iterator[dict[str, str]]:
        for number in range(2500):
            consumed.append(number)
            yield {"email": f"lead{number}@example.org"}

    batches = InstantlyHook().add_leads_in_batches(ID, leads(), skip_if_in_list=True)
    assert next(batches).leads_uploaded == 2
    assert (len(consumed), len(connections.requests)) == (MAX_LEADS_PER_CALL, 1)
    assert next(batches).raw == ADDED
    with pytest.raises(PaymentRequiredError, match="plan is full"):
        next(batches)
    sent = [request.json for request in connections.requests]
    assert [len(body["leads"]) for body in sent] == [1000, 1000, 500]
    assert [lead["email"] for body in sent for lead in body["leads"]] == [lead["email"] for lead in leads()]
    assert all((body["campaign_id"], body["skip_if_in_list"]) == (ID, True) for body in sent)


class TestRawRequest:
    @pytest.mark.parametrize(
        ("method", "is_read"),
        [("get", True), ("POST", False), ("PUT", False), ("PATCH", False), ("DELETE", False)],
    )
    def test_every_method_is_sent_and_only_get_is_retried(
        self, connections: FakeServer, method: str, is_read: bool
    ) -> None:
        connections.respond(Reply({"message": "later"}, status=500))
        with pytest.raises(ServiceUnavailableError, match="/api/v2/webhooks returned 500"):
            InstantlyHook().request(
                method, "/webhooks", params={"a": ["x", 1, None], "b": None}, json={"c": []}
            )
        assert len(connections.requests) == (5 if is_read else 1)
        for request in connections.requests:
            assert (request.method, request.path) == (method.upper(), "/api/v2/webhooks?a=x&a=1")
            assert (body_of(request), headers_of(request)["content-type"]) == ({"c": []}, "application/json")
        connections.respond(Reply([1]))
        assert InstantlyHook().request(method, "/api/v2/webhooks") == [1]
        assert "content-type" not in headers_of(connections.requests[-1])

    def test_nested_parameter_is_refused_before_a_request(self, connections: FakeServer) -> None:
        with pytest.raises(ValueError, match="parameter"):
            InstantlyHook().request("GET", "/x", params={"a": {"b": 1}})
        assert connections.requests == []
