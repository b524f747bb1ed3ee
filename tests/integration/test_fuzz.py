"""Any response gives a value of the declared type, or an error of this provider.

Hypothesis generates bodies, damages good ones, and passes them to every call and trigger. Gates have a
test of their own. The calls are found by introspection, so a new call is covered; for new required arguments,
``ARGUMENTS`` needs an example.

``EXPLORE=20000 pytest tests/integration/test_fuzz.py`` tries more examples than every run repeats.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_campaigns import exceptions
from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import Response, parse_response
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.triggers.base import WaitTrigger
from tests.integration.fuzzing import (
    NOW,
    RESPONSES,
    SHAPES,
    UUID,
    assert_storable,
    encoded,
    examples,
    outcome,
)
from tests.support import triggers

# Required arguments by name; and for some calls, fields that have no parameter of their own.
ARGUMENTS: dict[str, Any] = {
    "campaign_id": UUID,
    "subsequence_id": UUID,
    "job_id": "65f1c0ffee65f1c0ffee65f1",
    "campaign_html": "<p>",
    "campaign_name": "n",
    "name": "n",
    "campaign_schedule": {"schedules": [{"name": "s"}]},
    "leads": [{"email": "a@b.c"}],
    "email": "a@b.c",
    "emails": ["a@b.c"],
    "method": "GET",
    "path": "/anything",
}
MORE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "update_campaign": {"daily_limit": 5},
    "move_leads": {"to_list_id": UUID, "ids": [UUID], "campaign": UUID},
}


def call_of(function: Callable[..., Call[Any]]) -> Call[Any]:
    """Return a call with its required arguments; an unknown one gets any string."""
    needed = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    ]
    arguments = {name: ARGUMENTS.get(name, "text") for name in needed}
    return function(**arguments, **MORE_ARGUMENTS.get(function.__name__, {}))


def functions_of(module: types.ModuleType) -> dict[str, Callable[..., Call[Any]]]:
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__.startswith(module.__name__)
        and typing.get_origin(typing.get_type_hints(function).get("return")) is Call
    }


FUNCTIONS = {**functions_of(campaign_cleaner), **functions_of(instantly)}
CALLS = {name: call_of(function) for name, function in FUNCTIONS.items()}


def test_all_calls_are_found() -> None:
    assert len(CALLS) >= 37
    assert {"campaign_cleaner.get_campaign_status", "instantly.add_leads"} < set(CALLS)


def conforms(value: Any, annotation: Any) -> bool:  # noqa: PLR0911 - one for each kind of type
    """Return whether a value has an annotated type, with all its fields."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or annotation is object:
        return True
    if annotation is None or annotation is type(None):
        return value is None
    if origin in {typing.Union, types.UnionType}:
        return any(conforms(value, part) for part in parts)
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return type(value) is annotation and all(
            conforms(getattr(value, each.name), hints[each.name]) for each in dataclasses.fields(value)
        )
    if origin is tuple and parts[1:] == (...,):
        return isinstance(value, tuple) and all(conforms(each, parts[0]) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            conforms(name, parts[0]) and conforms(each, parts[1]) for name, each in value.items()
        )
    if origin is not None and issubclass(origin, (Sequence, frozenset)):
        return isinstance(value, origin) and all(conforms(each, parts[0]) for each in value)
    if annotation is float:
        return type(value) in {float, int} and math.isfinite(value)
    return type(value) is annotation


def test_conforms_checks_the_types_of_all_fields() -> None:
    assert conforms(instantly.Page(({},), None), instantly.Page)
    assert not conforms(instantly.Page((1,), None), instantly.Page)
    assert not conforms(True, int)
    assert not conforms([1, "2"], list[int])
    assert not conforms(float("inf"), float | None)


def plain(value: Any) -> Any:
    """Return a value as an operator puts it into an XCom."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return len(value) if isinstance(value, bytes) else value


def assert_reportable(error: ApiError) -> None:
    """Check that an error fits into an event and into one log line, and can be restored."""
    assert type(error) in vars(exceptions).values()
    assert len(str(error)) < 1000
    assert str(error).isprintable()
    assert_storable(error.as_dict())
    assert type(ApiError.from_dict(error.as_dict())) is type(error)


DECLARED = {
    name: typing.get_args(typing.get_type_hints(function)["return"])[0]
    for name, function in FUNCTIONS.items()
}


@examples(1600)
@given(response=RESPONSES)
def test_response_gives_the_declared_type_or_an_error(response: Response) -> None:
    for name, call in CALLS.items():
        value = outcome(lambda call=call: parse_response(call, response, now=NOW), ApiError)
        if isinstance(value, ApiError):
            assert_reportable(value)
            continue
        assert 200 <= response.status < 300
        assert conforms(value, DECLARED[name]), f"{name} gave {value!r}"
        assert_storable(plain(value))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_generated_shape_is_accepted_by_a_call(shape: Any) -> None:
    """Otherwise the test above could pass although no response is ever accepted."""
    if isinstance(shape, dict):
        shape = {**shape, "error": None}
    accepted = set()
    for name, call in CALLS.items():
        try:
            parse_response(call, Response(200, {}, encoded(shape)), now=NOW)
        except ApiError:
            continue
        accepted.add(name)
    assert accepted - {"instantly.request"}


@examples(500)
@given(response=RESPONSES)
def test_trigger_status_can_be_stored(response: Response) -> None:
    for trigger in map(triggers.trigger_of, triggers.KINDS):
        for result in results_of(trigger, response):
            poll = trigger.judge(result)
            assert isinstance(poll.is_final, bool)
            assert poll.next_poll_at is None or math.isfinite(poll.next_poll_at)
            status = trigger.status_as_json(poll.status)
            assert_storable(status)
            assert len(json.dumps(status)) < 3000


def results_of(trigger: WaitTrigger[Any], response: Response) -> list[Any]:
    """Return everything that a trigger judges after a response: values, and expected errors."""
    query, target = trigger.query()
    one = outcome(lambda: parse_response(query.fetch_one(target), response, now=NOW), ApiError)
    judged = [one] if not isinstance(one, ApiError) or isinstance(one, query.expected_errors) else []
    if query.fetch_all is None:
        return judged
    listing = query.fetch_all()
    listed = outcome(lambda: parse_response(listing, response, now=NOW), ApiError)
    return judged if isinstance(listed, ApiError) else [*judged, *listed.values()]
