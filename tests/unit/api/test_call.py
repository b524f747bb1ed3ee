"""A call as data: its URL, headers and body."""

from __future__ import annotations

import json
import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_campaigns.api import instantly
from airflow_provider_campaigns.api.call import Call

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"


def call(**fields: Any) -> Call[Any]:
    return Call(instantly.SERVICE, "POST", "/x", lambda payload: payload, **fields)


class TestQuery:
    def test_none_is_left_out_and_booleans_are_lower_case(self) -> None:
        params = {"a": None, "b": True, "c": "ä&b", "d": 5}
        assert call(params=params).target == "/x?b=true&c=%C3%A4%26b&d=5"

    def test_list_is_a_repeated_parameter(self) -> None:
        params = {"ids": ["a", None, 2, True], "none": [], "status": ()}
        assert call(params=params).target == "/x?ids=a&ids=2&ids=true"
        assert call(params={"ids": {"b", "a"}}).target == "/x?ids=a&ids=b"

    def test_uuid_and_date_are_text(self) -> None:
        params = {"id": [uuid.UUID(ID)], "start_date": date(2026, 11, 30)}
        assert call(params=params).target == f"/x?id={ID}&start_date=2026-11-30"

    @pytest.mark.parametrize(
        "params",
        [{"a": {"b": 1}}, {"a": [["b"]]}, {"a": ["b", {}]}, {"a": b"b"}, {"a": object()}],
    )
    def test_nested_value_is_refused(self, params: dict) -> None:
        with pytest.raises(ValueError, match="parameter"):
            _ = call(params=params).target


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {"Accept": "application/json"}),
        ({"body": {}}, {"Accept": "application/json", "Content-Type": "application/json"}),
        ({"binary": True}, {"Accept": "application/pdf, application/json"}),
    ],
)
def test_headers_follow_body_and_binary(fields: dict, headers: dict) -> None:
    assert call(**fields).headers == {**headers, "Accept-Encoding": "gzip"}


class TestBody:
    @pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": object()}, {"a": b"b"}])
    def test_value_outside_json_is_refused(self, body: Any) -> None:
        with pytest.raises(ValueError, match="JSON"):
            call(body=body).encoded_body()

    def test_what_databases_return_is_json(self) -> None:
        body = {"ids": {ID, "a"}, "id": uuid.UUID(ID), "on": date(2026, 11, 30), "limit": Decimal("50.0")}
        assert json.loads(call(body=body).encoded_body() or b"") == {
            "ids": [ID, "a"],
            "id": ID,
            "on": "2026-11-30",
            "limit": 50,
        }

    def test_repr_does_not_show_it(self) -> None:
        assert "hunter2" not in repr(call(body={"a": "hunter2"}))
