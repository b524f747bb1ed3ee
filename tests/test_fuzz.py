"""Whatever comes over the network, or out of a file: a value of the declared type, or an error of the package.

Hypothesis feeds bytes and JSON of every shape to whatever reads something from outside. The calls are found by
introspection, so that a new one is covered by being written; where its arguments are new as well, ``EXAMPLES``
has to learn them, and says so.

``EXPLORE=20000 pytest tests/test_fuzz.py`` looks beyond the examples that every run repeats.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import math
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_campaigns import exceptions, gate, leads, quality
from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api._call import Answer, Call, decoded, read, retry_after_seconds
from airflow_provider_campaigns.api._values import parse_instant
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.triggers import campaign_cleaner as cleaner_triggers
from airflow_provider_campaigns.triggers import instantly as instantly_triggers
from airflow_provider_campaigns.triggers._waiting import WaitTrigger

EXPLORE = int(os.environ.get("EXPLORE", "0"))
NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
# Nothing that is read here is long, so that what takes this long hangs. Only a very busy machine is as slow.
HANGS = timedelta(seconds=5)


def tried(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=EXPLORE or examples,
        derandomize=not EXPLORE,
        database=None,
        deadline=HANGS,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


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
    "Error", "message", "detail", "credits", "job_id", "send_to", "summary", "results", "total_seeds", "items",
    "inbox_rate", "next_starting_after", "diagnostics", "last_updated", "issue_tracking", "issue_started_at",
    "current_status_code", "issue_first_seen_at", "status_message", "accounts_summary", "total_connected",
    "unavailable", "disconnected", "campaign_daily_limit", "new_lead_limit", "limit", "follow_ups_waiting",
    "earliest_wait_time_seconds", "leads_uploaded", "total_sent", "remaining_in_plan", "created_leads", "type",
    "progress", "data", "success_list", "failure_list", "date_added", "campaign_name", "healthy", "completed",
    "processing", "paused", "success", "pending", "out_of_schedule", "campaign_paused", UUID,
    "2026-05-11T21:12:43Z", "2026-05-11T21:00:00+00:00", "broken_links", "all_link_list", "link_is_broken",
    "blacklisted_links", "blacklisted_links_found", "spam_keyword_ratio", "spam_keyword_list", "link_url",
    "all_capitalized_word_ratio", "text_image_ratio", "os_image_list",
})  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    # A half of a surrogate pair, a nought, an escape sequence, a line of a log, and more than anybody reads.
    st.sampled_from(["\ud800", "x\udfff", "\x00", "a\x00b", "\x1b[2J", "x\nINFO gate open", "9" * 400]),
    st.sampled_from(["NaN", "1e999", "-1", "12%", "", " ", "0x10", "1_000", "٣", "y" * 5000]),
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 2**63, 10**400, 1e308, -0.0, 5e-324]),
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=25,
)


def answers_like(shape: Any) -> st.SearchStrategy[Any]:
    """Make answers of a shape in which any part may be missing, or be anything else."""
    if isinstance(shape, dict):
        parts = {name: answers_like(part) for name, part in shape.items()}
        return st.fixed_dictionaries({}, optional=parts) | st.fixed_dictionaries(parts) | JSON
    if isinstance(shape, list):
        return st.lists(answers_like(shape[0]) if shape else JSON, max_size=3) | JSON
    return st.just(shape) | JSON


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
WELL_MEANT = st.one_of([answers_like(shape) for shape in SHAPES])


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES = st.one_of(
    WELL_MEANT.map(written),
    JSON.map(written),
    st.binary(max_size=200),
    st.builds(lambda value, cut: written(value)[:cut], WELL_MEANT, st.integers(0, 60)),
    st.builds(lambda value, code: json.dumps(value).encode(code), WELL_MEANT, st.sampled_from(["utf-16", "utf-32"])),
    st.builds(
        lambda value, constant: written({"campaign": value, "x": 7}).replace(b"7", constant),
        JSON,
        st.sampled_from([b"NaN", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"1" + b"0" * 400 + b".0"]),
    ),
    st.sampled_from([b"[" * 100_000, b'{"error":' * 50_000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"\xef\xbb\xbf{}"]),
    st.builds(lambda value: b"%PDF-1.7 " + value, st.binary(max_size=40)),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text(max_size=30) | st.sampled_from(["7", "-1", "1e999", "soon"]),
        "content-type": st.sampled_from(["application/pdf", "application/json", "text/html", "\x00"]),
    },
)
ANSWERS = st.builds(
    Answer, status=st.just(200) | st.integers(200, 599), headers=HEADERS, body=BODIES
)


# What may come of it.


def conforms(value: Any, wanted: Any) -> bool:
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
    if origin is not None and issubclass(origin, Sequence):
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
    if isinstance(value, (list, tuple)):
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
    assert type(error) in {getattr(exceptions, name) for name in vars(exceptions)}
    assert len(str(error)) < 1000
    assert str(error).isprintable()
    assert_storable(error.as_dict())
    assert type(ApiError.from_dict(error.as_dict())) is type(error)


@pytest.mark.parametrize("name", CALLS)
@tried(60)
@given(answer=ANSWERS)
def test_an_answer_gives_a_value_of_the_declared_type_or_an_error(name: str, answer: Answer) -> None:
    (declared,) = typing.get_args(typing.get_type_hints(FUNCTIONS[name])["return"])
    try:
        value = read(CALLS[name], answer, now=NOW)
    except ApiError as error:
        assert_tellable(error)
        return
    assert 200 <= answer.status < 300
    assert conforms(value, declared)
    assert_storable(plain(value))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_answers_that_are_made_are_not_all_refused(shape: Any) -> None:
    """The property above must not hold because nothing is ever read."""
    if isinstance(shape, dict):
        shape = {**shape, "error": None}
    taken = set()
    for name, call in CALLS.items():
        try:
            read(call, Answer(200, {}, written(shape)), now=NOW)
        except ApiError:
            continue
        taken.add(name)
    assert taken - {"instantly.request"}


# Events.

TRIGGERS: dict[type[WaitTrigger[Any]], dict[str, Any]] = {
    cleaner_triggers.CampaignCleanerCampaignTrigger: {"campaign_id": UUID, "waiting_states": ["processing"]},
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


@pytest.mark.parametrize("kind", TRIGGERS)
@tried(150)
@given(answer=ANSWERS)
def test_what_a_trigger_makes_of_an_answer_can_be_stored(kind: type[WaitTrigger[Any]], answer: Answer) -> None:
    trigger = trigger_of(kind)
    question, thing = trigger.question()
    outcomes: list[Any] = []
    try:
        outcomes.append(read(question.one(thing), answer, now=NOW))
    except ApiError as error:
        outcomes += [error] if isinstance(error, question.answers) else []
    if question.many is not None:
        try:
            listed = read(question.many(), answer, now=NOW)
        except ApiError:
            listed = {}
        outcomes += listed.values()
    for outcome in outcomes:
        look = trigger.judge(outcome)
        assert isinstance(look.ends, bool)
        said = trigger.as_json(look.said)
        assert_storable(said)
        assert len(json.dumps(said)) < 2000
        assert look.next_look is None or math.isfinite(look.next_look)


# The gate.


@tried(400)
@given(
    answer=st.builds(Answer, status=st.just(200), headers=HEADERS, body=BODIES),
    overrides=st.dictionaries(
        st.sampled_from([code.value for code in instantly.SendingCode]),
        st.sampled_from([each.value for each in gate.Disposition]),
        max_size=3,
    ),
)
def test_no_garbage_opens_the_gate(answer: Answer, overrides: dict[str, str]) -> None:
    try:
        status = read(CALLS["instantly.get_sending_status"], answer, now=NOW)
    except ApiError as error:
        verdict = gate.unreadable(error, NOW)
    else:
        verdict = gate.judge(status, gate.Policy.of(overrides), NOW)
    assert_storable(verdict.as_dict())
    assert str(verdict).isprintable()
    assert len(str(verdict)) < 2000
    if verdict.open:
        said = json.loads(answer.body)
        inner, outer = said["diagnostics"], said.get("summary") or {}
        code = inner.get("status") if inner.get("status") is not None else outer["status"]
        assert overrides.get(code, "open" if code == "healthy" else "closed") == "open"
        updated = datetime.fromisoformat(inner["last_updated"].strip().replace("Z", "+00:00").replace("z", "+00:00"))
        assert timedelta(minutes=-5) <= NOW - updated <= timedelta(hours=1)


def test_the_gate_does_open() -> None:
    """The property above must not hold by never opening."""
    body = written({"diagnostics": {"status": "healthy", "last_updated": "2026-05-11T21:12:43Z"}})
    status = read(CALLS["instantly.get_sending_status"], Answer(200, {}, body), now=NOW)
    assert gate.judge(status, gate.Policy.of(), NOW).open


# The quality gate.

LIMITS = st.none() | st.floats(0, 1000) | st.integers(0, 1000)
THRESHOLDS = st.fixed_dictionaries(
    {each.name: LIMITS for each in dataclasses.fields(quality.Thresholds)}
).filter(lambda limits: any(limit is not None for limit in limits.values()))
ANALYSES = answers_like({
    "broken_links": [{"link_url": "u"}], "all_link_list": [{"link_is_broken": True, "link_url": "u"}],
    "blacklisted_links": ["u"], "blacklisted_links_found": 1, "spam_keyword_ratio": 0.1,
    "spam_keyword_list": [{"word": "free"}], "all_capitalized_word_ratio": "2%", "text_image_ratio": 3,
    "os_image_list": [{"image_url": "u"}],
}).filter(lambda analysis: isinstance(analysis, dict))  # fmt: skip


@tried(300)
@given(analysis=ANALYSES, limits=THRESHOLDS)
def test_every_analysis_is_judged_and_told(analysis: dict[str, Any], limits: dict[str, Any]) -> None:
    try:
        analysis = decoded(written(analysis))
    except ValueError:
        return
    found = quality.breaches(analysis, quality.Thresholds(**limits))
    assert {breach.threshold for breach in found} <= {name for name, limit in limits.items() if limit is not None}
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
    broken = {breach.threshold for breach in quality.breaches(analysis, quality.Thresholds(**limits))}
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
    st.sampled_from(["GMT", "+0000", "-9999", "+99999999999", "EST", "", "(x)", "+٣"]),
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
    st.sampled_from(["01", "12", "13", "00", "٠١"]),
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
            ["email", "email,company", 'a@b.c,"', '"a@b.c","x\ny"', "a@b.c,x", ",,,", "\x00", "\ufeffemail"]
        ),
        JSON.map(json.dumps),
        st.builds(lambda lead: json.dumps({"email": "a@b.c", **lead}), st.dictionaries(TEXTS, JSON, max_size=3)),
    ),
    max_size=6,
).map("\n".join)


@pytest.mark.parametrize("reader", [leads.from_csv, leads.from_json_lines])
@tried(400)
@given(text=LINES)
def test_a_file_of_leads_gives_leads_or_says_where_it_is_broken(reader: Any, text: str) -> None:
    given_leads = []
    try:
        given_leads = list(reader(io.StringIO(text, newline=""), "people"))
    except ValueError as error:
        assert type(error) is ValueError
        assert str(error).startswith("people, line ")
    for lead in given_leads:
        assert "@" in lead["email"]
        json.dumps(lead, allow_nan=False)


@pytest.mark.parametrize("file_format", leads.FORMATS)
@tried(200)
@given(content=st.binary(max_size=100) | LINES.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_file_may_hold_any_bytes(file_format: str, content: bytes) -> None:
    opened = lambda: io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")  # noqa: E731
    try:
        found = leads.checked(lambda: leads.from_file(opened, "people", file_format), "people")
    except ValueError as error:
        assert type(error) is ValueError
        assert str(error).startswith("people")
        return
    assert found.count == sum(len(batch) for batch in found.batches())
