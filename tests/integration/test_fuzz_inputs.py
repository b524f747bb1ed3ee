"""Any input gives a value or a ``ValueError``: analyses, dates, lead files, connections, sandbox requests.

``EXPLORE=20000 pytest tests/integration/test_fuzz_inputs.py`` tries more examples than every run repeats.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
import types
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.api.response import decode_json, retry_after_seconds
from airflow_provider_campaigns.api.values import parse_instant
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules import lead_files, quality_gate
from airflow_provider_campaigns.sandbox import HEALTHY_CAMPAIGN_ID, Options, SandboxState
from airflow_provider_campaigns.sandbox.campaign_cleaner import routes as cleaner_routes
from airflow_provider_campaigns.sandbox.exchange import JSON_TYPE, RefusedError, Reply, Request, Route
from airflow_provider_campaigns.sandbox.instantly import routes as instantly_routes
from tests.integration.fuzzing import (
    JSON,
    NOW,
    TEXTS,
    UUID,
    WORDS,
    assert_storable,
    damaged,
    encoded,
    examples,
    outcome,
)

# The quality gate.

LIMITS = st.none() | st.floats(0, 1000) | st.integers(0, 1000)
THRESHOLDS = st.fixed_dictionaries(
    {each.name: LIMITS for each in dataclasses.fields(quality_gate.Thresholds)}
).filter(lambda limits: any(limit is not None for limit in limits.values()))
ANALYSIS = {
    "broken_links": [{"link_url": "u"}], "all_link_list": [{"link_is_broken": True, "link_url": "u"}],
    "blacklisted_links": ["u"], "blacklisted_links_result": 1, "spam_keyword_ratio": 0.1,
    "spam_keyword_list": [{"word": "free"}], "all_capitalized_word_ratio": "2%", "text_image_ratio": 3,
    "os_image_list": [{"image_url": "u"}],
}  # fmt: skip


@examples(300)
@given(analysis=damaged([ANALYSIS]), limits=THRESHOLDS)
def test_any_analysis_gives_storable_breaches(analysis: dict[str, Any], limits: dict[str, Any]) -> None:
    try:
        analysis = decode_json(encoded(analysis))
    except ValueError:
        return
    result = quality_gate.breaches(analysis, quality_gate.Thresholds(**limits))
    assert {breach.threshold for breach in result} <= {
        name for name, limit in limits.items() if limit is not None
    }
    for breach in result:
        assert_storable(breach.as_dict())
        assert len(str(breach)) < 5000


@examples(100)
@given(
    analysis=st.dictionaries(st.text(max_size=8), JSON, max_size=5),
    limits=THRESHOLDS,
)
def test_analysis_without_values_breaks_every_threshold(
    analysis: dict[str, Any], limits: dict[str, Any]
) -> None:
    analysis = {name: value for name, value in analysis.items() if name not in WORDS}
    broken = {
        breach.threshold for breach in quality_gate.breaches(analysis, quality_gate.Thresholds(**limits))
    }
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


@examples(500)
@given(st.none() | st.text() | DATES | st.floats().map(str) | st.integers().map(str))
def test_retry_after_is_a_number_of_seconds_or_none(value: str | None) -> None:
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


@examples(500)
@given(JSON | INSTANTS | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
def test_time_is_in_utc_or_none(value: Any) -> None:
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


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("file_format", lead_files.FORMATS)
@examples(300)
@given(text=LINES)
def test_lead_file_gives_leads_or_names_the_broken_line(file_format: str, skip: bool, text: str) -> None:
    source = lead_files.from_file(lambda: io.StringIO(text, newline=""), "people", file_format)
    result = outcome(lambda: lead_files.check_leads(source, skip_bad_rows=skip), ValueError)
    if isinstance(result, ValueError):
        assert type(result) is ValueError
        assert "line " in str(result) or str(result) == "people holds no leads."
        return
    batches = list(result.batches())
    assert result.count == sum(map(len, batches))
    for batch in batches:
        for lead in batch:
            assert "@" in lead["email"]
            json.dumps(lead, allow_nan=False)


@pytest.mark.parametrize("file_format", lead_files.FORMATS)
@examples(200)
@given(content=st.binary(max_size=100) | LINES.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_lead_file_with_any_bytes_gives_leads_or_an_error(file_format: str, content: bytes) -> None:
    opened = lambda: io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")  # noqa: E731
    source = lead_files.from_file(opened, "people", file_format)
    result = outcome(lambda: lead_files.check_leads(source), ValueError)
    if isinstance(result, ValueError):
        assert type(result) is ValueError
        assert str(result).startswith("people")
        return
    assert result.count == sum(len(batch) for batch in result.batches())


# Connections.

EXTRA = {"timeout": 5, "max_requests_per_second": "2.5", "workspace_id": UUID}
HOSTS = [
    None, "https://proxy.example.com", "proxy.example.com", "http://127.0.0.1:80/x/", "http://evil.test",
    "::1", "[::1", "https://user:word@host.test", "ftp://host.test", "https://host.test:99999",
    "https://h.test?x", "//", "%", "https://h.test/\r\nX-Injected: 1",
]  # fmt: skip


@pytest.mark.parametrize("kind", [CampaignCleanerHook, InstantlyHook])
@examples(400)
@given(
    host=st.sampled_from(HOSTS) | st.text(max_size=12),
    extra=(damaged([EXTRA, {**EXTRA, "timeout": math.inf}]) | JSON).map(json.dumps) | TEXTS,
    port=st.none() | st.integers(0, 70000),
    key=st.sampled_from(["k3y-of-the-account", "k3y-\r\nX-Injected: 1", "k3y-\ud800", "", None]),
)
def test_connection_gives_an_account_or_an_error(
    kind: Any, host: str | None, extra: str, port: int | None, key: str | None
) -> None:
    """The connection does not come from Airflow, which would mask each of these passwords from now on."""
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

SANDBOX_BODIES = [
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


@examples(150)
@given(
    body=damaged(SANDBOX_BODIES),
    query=QUERIES,
    name=st.sampled_from([HEALTHY_CAMPAIGN_ID, UUID]) | st.text(max_size=8),
)
def test_sandbox_responds_to_any_request(body: Any, query: dict[str, str], name: str) -> None:
    state = SandboxState(Options())
    for route in (*cleaner_routes.ROUTES, *instantly_routes.ROUTES):
        params = dict.fromkeys(re.findall(r"{(\w+)", route.path), name)
        request = Request(params, query, deepcopy(body))
        if (
            route in instantly_routes.ROUTES
            and outcome(check(state, route, request), RefusedError) is not None
        ):
            continue
        reply = outcome(lambda route=route, request=request: route.handler(state, request), RefusedError)
        reply = reply.reply if isinstance(reply, RefusedError) else reply
        assert isinstance(reply, Reply)
        if reply.content_type == JSON_TYPE and reply.content:
            json.loads(reply.content)


def check(state: SandboxState, route: Route, request: Request) -> Callable[[], None]:
    return lambda: instantly_routes.check_route(state, route, request)
