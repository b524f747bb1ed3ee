"""Whatever comes over the network, or out of a file: a value of the declared type, or an error of ours.

Hypothesis feeds bytes, and good answers that it has damaged, to whatever reads something from outside: calls,
gates, triggers, files of leads, connections, the sandbox. The calls are found by introspection, so that a new
one is covered by being written; where its arguments are new as well, ``EXAMPLES`` has to learn them, and says
so.

``EXPLORE=20000 pytest tests/integration/test_fuzz.py`` looks beyond the examples that every run repeats.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import math
import os
import re
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_campaigns import exceptions
from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import Response, decode_json, retry_after_seconds
from airflow_provider_campaigns.api.values import parse_instant
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules import lead_files, quality_gate, send_gate
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, Options, SandboxState
from airflow_provider_campaigns.sandbox.campaign_cleaner import routes as cleaner_routes
from airflow_provider_campaigns.sandbox.exchange import JSON_TYPE, Asked, Refused, Reply, Route
from airflow_provider_campaigns.sandbox.instantly import routes as instantly_routes
from airflow_provider_campaigns.triggers import campaign_cleaner as cleaner_triggers
from airflow_provider_campaigns.triggers import instantly as instantly_triggers
from airflow_provider_campaigns.triggers.base import WaitTrigger

EXPLORE = int(os.environ.get("EXPLORE", "0"))
NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
# Nothing that is read here is long, so that what takes this long hangs.
HANGS = 5.0


def tried(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=EXPLORE or examples,
        derandomize=not EXPLORE,
        database=None,
        deadline=None,  # it would go by the clock on the wall, and other processes take their time too
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def outcome(do: Callable[[], Any], refusal: type[Exception]) -> Any:
    """Return what comes of something, value or refusal; anything else that it raises fails the test."""
    begun = time.thread_time()
    try:
        return do()
    except refusal as error:
        return error
    finally:
        assert time.thread_time() - begun < HANGS


# Arguments that a call cannot do without, by name; and for some calls, what is no parameter of its own.
EXAMPLES: dict[str, Any] = {
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
MORE_EXAMPLES: dict[str, dict[str, Any]] = {
    "update_campaign": {"daily_limit": 5},
    "move_leads": {"to_list_id": UUID, "ids": [UUID], "campaign": UUID},
}


def example(function: Callable[..., Call[Any]]) -> Call[Any]:
    """Build a call out of its function, with nothing but what it needs; any text does where none is known."""
    needed = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    ]
    usual = {name: EXAMPLES.get(name, "text") for name in needed}
    return function(**usual, **MORE_EXAMPLES.get(function.__name__, {}))


def functions_of(module: types.ModuleType) -> dict[str, Callable[..., Call[Any]]]:
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and typing.get_origin(typing.get_type_hints(function).get("return")) is Call
    }


FUNCTIONS = {**functions_of(campaign_cleaner), **functions_of(instantly)}
CALLS = {name: example(function) for name, function in FUNCTIONS.items()}


def test_all_calls_are_found() -> None:
    assert len(CALLS) >= 37
    assert {"campaign_cleaner.get_campaign_status", "instantly.add_leads"} < set(CALLS)


# What may come.

WORDS = sorted({
    "campaign", "campaign_status", "campaign_list", "campaign_html", "campaign_id", "id", "status", "error",
    "Error", "message", "detail", "credits", "job_id", "send_to", "summary", "results", "total_seeds",
    "items", "inbox_rate", "next_starting_after", "diagnostics", "last_updated", "issue_tracking",
    "issue_started_at", "current_status_code", "issue_first_seen_at", "status_message", "accounts_summary",
    "total_connected", "unavailable", "disconnected", "campaign_daily_limit", "new_lead_limit", "limit",
    "follow_ups_waiting", "earliest_wait_time_seconds", "leads_uploaded", "total_sent", "remaining_in_plan",
    "created_leads", "type", "progress", "data", "success_list", "failure_list", "date_added",
    "campaign_name", "healthy", "completed", "processing", "paused", "success", "pending",
    "out_of_schedule", "campaign_paused", UUID, "2026-05-11T21:12:43Z", "2026-05-11T21:00:00+00:00",
    "broken_links", "all_link_list", "link_is_broken", "blacklisted_links", "blacklisted_links_found",
    "spam_keyword_ratio", "spam_keyword_list", "link_url", "all_capitalized_word_ratio", "text_image_ratio",
    "os_image_list",
})  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    # A half of a surrogate pair, a nought, an escape sequence, a line of a log, and more than anybody reads.
    st.sampled_from(["\ud800", "x\udfff", "\x00", "a\x00b", "\x1b[2J", "x\nINFO gate open"]),
    st.sampled_from(["NaN", "1e999", "-1", "12%", "", " ", "0x10", "1_000", "\u0663"]),
    st.just("y").map(lambda letter: letter * 5000),
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 2**63, 1e308, -0.0, 5e-324]),
    st.just(400).map(lambda digits: 10**digits),
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
# Two deep, and not as deep as it gets: that costs more to make than to read, and finds no more.
FLAT = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXTS, LEAVES, max_size=4)
JSON = LEAVES | FLAT | st.lists(FLAT, max_size=3) | st.dictionaries(TEXTS, FLAT, max_size=4)


@st.composite
def damaged(draw: st.DrawFn, goods: Sequence[Any]) -> Any:
    """Make something like a good answer, of which up to three parts are missing, or are anything else."""
    value = deepcopy(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(0, 3))):
        if parts := list(parts_of(value)):
            whole, part = draw(st.sampled_from(parts))
            if draw(st.booleans()):
                del whole[part]
            else:
                whole[part] = draw(JSON)
    return value


def parts_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Name every part of a JSON value by what it is in, and where."""
    names = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from parts_of(value[name])


@st.composite
def spliced(draw: st.DrawFn, goods: Sequence[bytes]) -> bytes:
    """Make something like a good body, in which bytes have been put, left out, or made into others."""
    body = bytearray(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 9))] = draw(st.sampled_from(SPLICES) | st.binary(max_size=3))
    return bytes(body)


SPLICES = [
    b"", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\ud800", b"\\u0000", b"\xff", b"\x00", b"null",
    b"NaN", b"-Infinity", b"1e999", b'"a":', b"\xed\xa0\x80",
]  # fmt: skip
SHAPES: list[Any] = [
    {"campaign_status": {"id": UUID, "status": "processing", "date_added": "2026-05-11T21:12:43Z"}},
    {"campaign_list": [{"id": UUID, "status": "completed", "campaign_name": "n"}]},
    {"campaign": {"id": UUID, "campaign_html": "<p>", "broken_links": [{"link_url": "u"}]}, "error": "no"},
    {"job_id": "65f1c0ffee65f1c0ffee65f1", "status": "Completed", "send_to": ["a@b.c"],
     "summary": {"total_seeds": 3, "inbox_rate": "30%"}, "results": [{"provider": "x"}]},
    {"status": "success", "error": {"error": {"message": "no"}}, "credits": 9},
    {"items": [{"id": UUID}], "next_starting_after": "c"},
    {"diagnostics": {"campaign_id": UUID, "status": "healthy", "last_updated": "2026-05-11T21:12:43Z",
                     "issue_tracking": {"current_status_code": "healthy", "issue_first_seen_at": "x"},
                     "accounts_summary": {"total_connected": 0, "unavailable": {"disconnected": 0}},
                     "follow_ups_waiting": {"earliest_wait_time_seconds": 5}},
     "summary": {"status": "healthy", "status_message": "m", "issue_started_at": "2026-05-11T21:00:00Z"}},
    {"total_sent": 1, "leads_uploaded": 1, "remaining_in_plan": 3, "created_leads": [{"id": UUID}]},
    {"id": "65f1c0ffee65f1c0ffee65f1", "status": "pending", "type": "move-leads", "progress": 1, "data": {}},
    {"success_list": [{"domain": "d"}], "failure_list": [], "indeterminate": []},
    [{"campaign_id": UUID, "leads_count": 1}],
]  # fmt: skip


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


WELL_MEANT = damaged(SHAPES)


# What no JSON that Python writes holds, by a word, since some of it is long.
UNWRITABLE = {
    "not a number": b'{"x": NaN}',
    "infinite": b'{"status": "healthy", "x": [-Infinity]}',
    "beyond all numbers": b'{"campaign": {"id": "%s", "ratio": 1e999}}' % UUID.encode(),
    "negative beyond all": b'{"items": [{"x": -1e999}]}',
    "many digits": b'{"credits": %s}' % (b"9" * 5000),
    "many digits and a point": b'{"credits": 1%s.0}' % (b"0" * 400),
    "deep list": b"[" * 100_000,
    "deep error": b'{"error":' * 50_000,
    "deep and whole": b'{"error":' * 400 + b"1" + b"}" * 400,
    "byte order mark": b'\xef\xbb\xbf{"credits": 1}',
    "raw half of a pair": b'{"campaign": {"id": "x", "note": "\xed\xa0\x80"}}',
    "nothing": b"",
    "blank": b" \r\n",
    "noughts": b"\x00" * 50,
    "terminal": b"\x1b[2J\x1b]0;x\x07 no\nINFO gate open",
}
BODIES = st.one_of(
    WELL_MEANT.map(written),
    spliced([written(shape) for shape in SHAPES]),
    JSON.map(written),
    st.binary(max_size=60),
    st.sampled_from(sorted(UNWRITABLE)).map(UNWRITABLE.__getitem__),
    st.builds(lambda value, cut: written(value)[:cut], WELL_MEANT, st.integers(0, 60)),
    st.sampled_from(
        [written(SHAPES[0]).decode().encode("utf-16"), b"%PDF-1.7 x", b"%PDF-", b"\x1f\x8b\x08\x00"]
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text(max_size=30) | st.sampled_from(["7", "-1", "1e999", "soon"]),
        "content-type": st.sampled_from(["application/pdf", "application/json", "text/html", "\x00"]),
    },
)
ANSWERS = st.builds(Response, status=st.just(200) | st.integers(200, 599), headers=HEADERS, body=BODIES)


# What may come of it.


def conforms(value: Any, wanted: Any) -> bool:  # noqa: PLR0911 - one for each kind of type
    """Tell whether a value is of an annotated type, to its last member."""
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any or wanted is object:
        return True
    if wanted is None or wanted is type(None):
        return value is None
    if origin in {typing.Union, types.UnionType}:
        return any(conforms(value, part) for part in parts)
    if dataclasses.is_dataclass(wanted):
        hints = typing.get_type_hints(wanted)
        return type(value) is wanted and all(
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
    if wanted is float:
        return type(value) in {float, int} and math.isfinite(value)
    return type(value) is wanted


def test_what_conforms_is_told_from_what_does_not() -> None:
    assert conforms(instantly.Page(({},), None), instantly.Page)
    assert not conforms(instantly.Page((1,), None), instantly.Page)
    assert not conforms(True, int)
    assert not conforms([1, "2"], list[int])
    assert not conforms(float("inf"), float | None)


def plain(value: Any) -> Any:
    """Return a value as what an operator makes an XCom of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return len(value) if isinstance(value, bytes) else value


def assert_storable(value: Any) -> None:
    """Every database of Airflow's has to take it: JSON that UTF-8 can say, without noughts in its texts."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")


def assert_tellable(error: ApiError) -> None:
    """An error has to fit into an event and into one line of a log, and come back as what it was."""
    assert type(error) in vars(exceptions).values()
    assert len(str(error)) < 1000
    assert str(error).isprintable()
    assert_storable(error.as_dict())
    assert type(ApiError.from_dict(error.as_dict())) is type(error)


DECLARED = {
    name: typing.get_args(typing.get_type_hints(function)["return"])[0]
    for name, function in FUNCTIONS.items()
}


@tried(1600)
@given(answer=ANSWERS)
def test_an_answer_gives_a_value_of_the_declared_type_or_an_error(answer: Response) -> None:
    for name, call in CALLS.items():
        value = outcome(lambda call=call: read(call, answer, now=NOW), ApiError)
        if isinstance(value, ApiError):
            assert_tellable(value)
            continue
        assert 200 <= answer.status < 300
        assert conforms(value, DECLARED[name]), f"{name} gave {value!r}"
        assert_storable(plain(value))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_answers_that_are_made_are_not_all_refused(shape: Any) -> None:
    """The property above must not hold because nothing is ever read."""
    if isinstance(shape, dict):
        shape = {**shape, "error": None}
    taken = set()
    for name, call in CALLS.items():
        try:
            read(call, Response(200, {}, written(shape)), now=NOW)
        except ApiError:
            continue
        taken.add(name)
    assert taken - {"instantly.request"}


# Events.

TRIGGERS: dict[type[WaitTrigger[Any]], dict[str, Any]] = {
    cleaner_triggers.CampaignCleanerCampaignTrigger: {"campaign_id": UUID, "paused": ["processing"]},
    cleaner_triggers.CampaignCleanerInboxTestTrigger: {"job_id": EXAMPLES["job_id"]},
    instantly_triggers.InstantlySendGateTrigger: {"campaign_id": UUID, "max_status_age": 3600.0},
    instantly_triggers.InstantlyActivationTrigger: {"campaign_id": UUID},
    instantly_triggers.InstantlyBackgroundJobTrigger: {"job_id": EXAMPLES["job_id"]},
}


def trigger_of(kind: type[WaitTrigger[Any]]) -> WaitTrigger[Any]:
    service = "campaign_cleaner" if kind.__module__ == cleaner_triggers.__name__ else "instantly"
    rhythm = {"poke_interval": 1.0, "deadline": 1.0, f"{service}_conn_id": "c"}
    return kind(**TRIGGERS[kind], **rhythm)


def test_all_triggers_are_here() -> None:
    assert set(TRIGGERS) == set(WaitTrigger.__subclasses__())


@tried(500)
@given(answer=ANSWERS)
def test_what_a_trigger_makes_of_an_answer_can_be_stored(answer: Response) -> None:
    for trigger in map(trigger_of, TRIGGERS):
        for outcome in outcomes_of(trigger, answer):
            look = trigger.judge(outcome)
            assert isinstance(look.ends, bool)
            assert look.next_poll_at is None or math.isfinite(look.next_poll_at)
            said = trigger.as_json(look.said)
            assert_storable(said)
            assert len(json.dumps(said)) < 3000


def outcomes_of(trigger: WaitTrigger[Any], answer: Response) -> list[Any]:
    """Return what a trigger may be asked to judge of an answer: values, and errors that it takes for one."""
    question, thing = trigger.question()
    one = outcome(lambda: read(question.one(thing), answer, now=NOW), ApiError)
    many = outcome(lambda: read(question.many(), answer, now=NOW), ApiError) if question.many else {}
    judged = not isinstance(one, ApiError) or isinstance(one, question.answers)
    return [*([one] if judged else []), *([] if isinstance(many, ApiError) else many.values())]


# The gate.

HEALTHY = {
    "diagnostics": {"campaign_id": UUID, "status": "healthy", "last_updated": "2026-05-11T21:12:43Z"},
    "summary": {"status": "healthy"},
}
NOT_QUITE = [
    {**HEALTHY, "Error": "no"},
    *(
        {**HEALTHY, "diagnostics": {**HEALTHY["diagnostics"], "status": code}}
        for code in ("Healthy", "healthy ")
    ),
]
NEAR_THE_GATE = damaged([HEALTHY, *NOT_QUITE]).map(written) | spliced([written(HEALTHY)]) | BODIES


@tried(1000)
@given(
    answer=st.builds(Response, status=st.just(200), headers=HEADERS, body=NEAR_THE_GATE),
    overrides=st.dictionaries(
        st.sampled_from([code.value for code in instantly.SendingCode]),
        st.sampled_from([each.value for each in send_gate.Disposition]),
        max_size=3,
    ),
)
def test_no_garbage_opens_the_gate(answer: Response, overrides: dict[str, str]) -> None:
    try:
        status = read(CALLS["instantly.get_sending_status"], answer, now=NOW)
    except ApiError as error:
        verdict = send_gate.unreadable_verdict(error, NOW)
    else:
        verdict = send_gate.judge(status, send_gate.Policy.of(overrides), NOW)
    assert_storable(verdict.as_dict())
    assert str(verdict).isprintable()
    assert len(str(verdict)) < 2000
    if verdict.open:
        said = json.loads(answer.body)
        inner, outer = said["diagnostics"], said.get("summary") or {}
        code = inner.get("status") if inner.get("status") is not None else outer["status"]
        assert overrides.get(code, "open" if code == "healthy" else "closed") == "open"
        assert not any(name.lower() == "error" and told for name, told in said.items())
        updated = datetime.fromisoformat(inner["last_updated"].strip().upper().replace("Z", "+00:00"))
        assert timedelta(minutes=-5) <= NOW - updated <= timedelta(hours=1)


def test_the_gate_does_open() -> None:
    """The property above must not hold by never opening."""
    body = written({"diagnostics": {"status": "healthy", "last_updated": "2026-05-11T21:12:43Z"}})
    status = read(CALLS["instantly.get_sending_status"], Response(200, {}, body), now=NOW)
    assert send_gate.judge(status, send_gate.Policy.of(), NOW).open


# The quality gate.

LIMITS = st.none() | st.floats(0, 1000) | st.integers(0, 1000)
THRESHOLDS = st.fixed_dictionaries(
    {each.name: LIMITS for each in dataclasses.fields(quality_gate.Thresholds)}
).filter(lambda limits: any(limit is not None for limit in limits.values()))
ANALYSIS = {
    "broken_links": [{"link_url": "u"}], "all_link_list": [{"link_is_broken": True, "link_url": "u"}],
    "blacklisted_links": ["u"], "blacklisted_links_found": 1, "spam_keyword_ratio": 0.1,
    "spam_keyword_list": [{"word": "free"}], "all_capitalized_word_ratio": "2%", "text_image_ratio": 3,
    "os_image_list": [{"image_url": "u"}],
}  # fmt: skip


@tried(300)
@given(analysis=damaged([ANALYSIS]), limits=THRESHOLDS)
def test_every_analysis_is_judged_and_told(analysis: dict[str, Any], limits: dict[str, Any]) -> None:
    try:
        analysis = decode_json(written(analysis))
    except ValueError:
        return
    found = quality_gate.breaches(analysis, quality_gate.Thresholds(**limits))
    assert {breach.threshold for breach in found} <= {
        name for name, limit in limits.items() if limit is not None
    }
    for breach in found:
        assert_storable(breach.as_dict())
        assert len(str(breach)) < 5000


@tried(100)
@given(
    analysis=st.dictionaries(st.text(max_size=8), JSON, max_size=5),
    limits=THRESHOLDS,
)
def test_an_analysis_without_figures_breaks_every_threshold(
    analysis: dict[str, Any], limits: dict[str, Any]
) -> None:
    analysis = {name: value for name, value in analysis.items() if name not in WORDS}
    broken = {breach.threshold for breach in quality_gate.breaches(analysis, quality_gate.Thresholds(**limits))}
    assert broken == {name for name, limit in limits.items() if limit is not None}


# Small values.

DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Xyz", ""]),
    st.integers(-5, 99),
    st.sampled_from(["Jan", "Dec", "Foo", "1"]),
    st.sampled_from([0, 69, 1900, 2026, 9999, 10**20]),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 10**6),
    st.sampled_from(["GMT", "+0000", "-9999", "+99999999999", "EST", "", "(x)", "+\u0663"]),
)


@tried(500)
@given(st.none() | st.text() | DATES | st.floats().map(str) | st.integers().map(str))
def test_a_retry_after_is_a_span_or_nothing(value: str | None) -> None:
    seconds = retry_after_seconds(value, now=NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


INSTANTS = st.builds(
    "{:0{}}-{}-{}{}{}:{}:{}{}".format,
    st.integers(0, 99999),
    st.integers(1, 5),
    st.sampled_from(["01", "12", "13", "00", "\u0660\u0661"]),
    st.sampled_from(["01", "31", "32", "00"]),
    st.sampled_from(["T", "t", " ", "", "TT"]),
    st.sampled_from(["00", "23", "24", "99"]),
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["00", "60", "59.999999999", "00,5", "00.", "00.1234567890"]),
    st.sampled_from(["Z", "z", "+00:00", "-23:59", "+24:00", "+99:99", "", "+0000", "+00", "[UTC]"]),
)


@tried(500)
@given(JSON | INSTANTS | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
def test_a_time_is_an_instant_in_utc_or_nothing(value: Any) -> None:
    instant = parse_instant(value)
    assert instant is None or (type(instant) is datetime and instant.tzinfo is timezone.utc)


# Leads.

LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "email",
                "email,company",
                'a@b.c,"',
                '"a@b.c","x\ny"',
                "a@b.c,\rx",
                "a@b.c,x",
                ",,,",
                "\x00",
                "\ufeffemail",
            ]
        ),
        JSON.map(json.dumps),
        damaged([{"email": "a@b.c", "company": "x", "score": 1.5, "tags": ["a"]}]).map(json.dumps),
    ),
    max_size=6,
).map("\n".join)


@pytest.mark.parametrize("reader", [lead_files.from_csv, lead_files.from_json_lines])
@tried(400)
@given(text=LINES)
def test_a_file_of_leads_gives_leads_or_says_where_it_is_broken(reader: Any, text: str) -> None:
    found = outcome(lambda: list(reader(io.StringIO(text, newline=""), "people")), ValueError)
    if isinstance(found, ValueError):
        assert type(found) is ValueError
        assert str(found).startswith("people, line ")
        return
    for lead in found:
        assert "@" in lead["email"]
        json.dumps(lead, allow_nan=False)


@pytest.mark.parametrize("file_format", leads.FORMATS)
@tried(200)
@given(content=st.binary(max_size=100) | LINES.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_file_may_hold_any_bytes(file_format: str, content: bytes) -> None:
    opened = lambda: io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")  # noqa: E731
    found = outcome(
        lambda: lead_files.checked(lambda: lead_files.from_file(opened, "people", file_format), "people"), ValueError
    )
    if isinstance(found, ValueError):
        assert type(found) is ValueError
        assert str(found).startswith("people")
        return
    assert found.count == sum(len(batch) for batch in found.batches())


# Connections.

EXTRA = {"timeout": 5, "max_requests_per_second": "2.5", "workspace_id": UUID}
HOSTS = [
    None, "https://proxy.example.com", "proxy.example.com", "http://127.0.0.1:80/x/", "http://evil.test",
    "::1", "[::1", "https://user:word@host.test", "ftp://host.test", "https://host.test:99999",
    "https://h.test?x", "//", "%", "https://h.test/\r\nX-Injected: 1",
]  # fmt: skip


@pytest.mark.parametrize("kind", [CampaignCleanerHook, InstantlyHook])
@tried(400)
@given(
    host=st.sampled_from(HOSTS) | st.text(max_size=12),
    extra=(damaged([EXTRA, {**EXTRA, "timeout": math.inf}]) | JSON).map(json.dumps) | TEXTS,
    port=st.none() | st.integers(0, 70000),
    key=st.sampled_from(["k3y-of-the-account", "k3y-\r\nX-Injected: 1", "k3y-\ud800", "", None]),
)
def test_a_connection_gives_an_account_or_says_what_is_wrong(
    kind: Any, host: str | None, extra: str, port: int | None, key: str | None
) -> None:
    """Not by way of Airflow, which would keep whatever it sees here for a secret, to mask it ever after."""
    connection: Any = types.SimpleNamespace(host=host, schema=None, port=port, extra=extra, password=key)
    account = outcome(lambda: kind("fuzzed")._account_of(connection), ValueError)
    if isinstance(account, ValueError):
        assert type(account) is ValueError
        assert "'fuzzed'" in str(account)
        assert "k3y" not in str(account)
        return
    assert account.base_url.startswith(("https://", "http://127.0.0.1", "http://[::1]", "http://localhost"))
    assert (urlsplit(account.base_url).port or 1) > 0
    assert math.isfinite(account.timeout + account.max_requests_per_second)
    assert min(account.timeout, account.max_requests_per_second) > 0
    for name, value in account.headers().items():
        assert (name + value).isascii()
        assert (name + value).isprintable()


# The sandbox.

ASKED_OF_THE_SANDBOX = [
    {"send_campaign": {"campaign_html": "<p>", "campaign_name": "n", "custom_info": "", "webhook_url": "u"}},
    {"campaign": {"id": UUID, "minimize_html": True}},
    {"campaign_id": HEALTHY_CAMPAIGN_ID, "leads": [{"email": "a@b.c", "custom_variables": {"x": 1}}]},
    {"name": "n", "campaign_schedule": {"schedules": [{"name": "s", "timing": {"from": "0", "to": "9"}}]}},
    {"ids": [UUID], "to_list_id": UUID, "campaign": HEALTHY_CAMPAIGN_ID, "email": "a@b.c", "limit": 5},
    {"accounts": ["ada@sender.test"], "emails": ["ada@sender.test"], "daily_limit": 5, "search": "x"},
]
QUERIES = st.dictionaries(
    st.sampled_from(
        ["limit", "starting_after", "search", "ids", "id", "status", "campaign_id", "data_fields"]
    ),
    st.text(max_size=6) | st.sampled_from([UUID, "1", "-1", "9" * 30, "true"]),
    max_size=3,
)


@tried(150)
@given(
    body=damaged(ASKED_OF_THE_SANDBOX),
    query=QUERIES,
    name=st.sampled_from([HEALTHY_CAMPAIGN_ID, UUID]) | st.text(max_size=8),
)
def test_whatever_the_sandbox_is_asked_it_answers(body: Any, query: dict[str, str], name: str) -> None:
    state = SandboxState(Options())
    for route in (*cleaner_routes.ROUTES, *instantly_routes.ROUTES):
        params = dict.fromkeys(re.findall(r"{(\w+)", route.path), name)
        asked = Asked(params, query, deepcopy(body))
        if route in instantly_routes.ROUTES and outcome(check(state, route, asked), Refused) is not None:
            continue
        reply = outcome(lambda route=route, asked=asked: route.answer(state, asked), Refused)
        reply = reply.reply if isinstance(reply, Refused) else reply
        assert isinstance(reply, Reply)
        if reply.content_type == JSON_TYPE and reply.content:
            json.loads(reply.content)


def check(state: SandboxState, route: Route, asked: Asked) -> Callable[[], None]:
    return lambda: instantly_routes.check_route(state, route, asked)
