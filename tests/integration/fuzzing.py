"""Hypothesis strategies for what comes from outside: JSON values, bodies, responses, and damaged values."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import datetime, timezone
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from airflow_provider_campaigns.api.response import Response
from tests.conftest import EXPLORE

# The matrix tries fewer examples: what they test hardly knows Airflow.
EXAMPLES_SHARE = float(os.environ.get("EXAMPLES_SHARE", "1"))
NOW = datetime(2026, 5, 11, 21, 12, 43, tzinfo=timezone.utc)
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
# CPU seconds. No input is long, so code that takes this long does not end.
MAX_SECONDS = 5.0


def examples(count: int, **others: Any) -> settings:
    """Return the settings of a property test with its own number of examples."""
    return settings(
        max_examples=EXPLORE or math.ceil(count * EXAMPLES_SHARE),
        phases=(Phase.generate, Phase.shrink),
        **others,
    )


def outcome(do: Callable[[], Any], error_class: type[Exception]) -> Any:
    """Return the value or the error of a function; another error fails the test."""
    started = time.thread_time()
    try:
        return do()
    except error_class as error:
        return error
    finally:
        assert time.thread_time() - started < MAX_SECONDS


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
    # Half of a surrogate pair, a zero byte, an escape sequence, a log line, and a long string.
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
# At most two levels deep: deeper values take longer to generate, and find no more.
FLAT = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXTS, LEAVES, max_size=4)
JSON = LEAVES | FLAT | st.lists(FLAT, max_size=3) | st.dictionaries(TEXTS, FLAT, max_size=4)


@st.composite
def damaged(draw: st.DrawFn, goods: Sequence[Any]) -> Any:
    """Return a good value in which up to three parts are missing or replaced."""
    value = deepcopy(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(0, 3))):
        if parts := list(parts_of(value)):
            container, name = draw(st.sampled_from(parts))
            if draw(st.booleans()):
                del container[name]
            else:
                container[name] = draw(JSON)
    return value


def parts_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Return every part of a JSON value, as its container and its name or index."""
    names = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from parts_of(value[name])


@st.composite
def spliced(draw: st.DrawFn, goods: Sequence[bytes]) -> bytes:
    """Return a good body in which bytes are inserted, missing or replaced."""
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


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


DAMAGED_SHAPES = damaged(SHAPES)


# Bodies that json.dumps does not write, by name, because some are long.
UNUSUAL_BODIES = {
    "not a number": b'{"x": NaN}',
    "infinite": b'{"status": "healthy", "x": [-Infinity]}',
    "too large a number": b'{"campaign": {"id": "%s", "ratio": 1e999}}' % UUID.encode(),
    "too small a number": b'{"items": [{"x": -1e999}]}',
    "many digits": b'{"credits": %s}' % (b"9" * 5000),
    "many digits and a decimal point": b'{"credits": 1%s.0}' % (b"0" * 400),
    "deep list": b"[" * 100_000,
    "deep error": b'{"error":' * 50_000,
    "deep and complete": b'{"error":' * 400 + b"1" + b"}" * 400,
    "byte order mark": b'\xef\xbb\xbf{"credits": 1}',
    "half of a surrogate pair": b'{"campaign": {"id": "x", "note": "\xed\xa0\x80"}}',
    "nothing": b"",
    "blank": b" \r\n",
    "zero bytes": b"\x00" * 50,
    "escape sequences": b"\x1b[2J\x1b]0;x\x07 no\nINFO gate open",
}
BODIES = st.one_of(
    DAMAGED_SHAPES.map(encoded),
    spliced([encoded(shape) for shape in SHAPES]),
    JSON.map(encoded),
    st.binary(max_size=60),
    st.sampled_from(sorted(UNUSUAL_BODIES)).map(UNUSUAL_BODIES.__getitem__),
    st.builds(lambda value, cut: encoded(value)[:cut], DAMAGED_SHAPES, st.integers(0, 60)),
    st.sampled_from(
        [encoded(SHAPES[0]).decode().encode("utf-16"), b"%PDF-1.7 x", b"%PDF-", b"\x1f\x8b\x08\x00"]
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text(max_size=30) | st.sampled_from(["7", "-1", "1e999", "soon"]),
        "content-type": st.sampled_from(["application/pdf", "application/json", "text/html", "\x00"]),
    },
)
RESPONSES = st.builds(Response, status=st.just(200) | st.integers(200, 599), headers=HEADERS, body=BODIES)


def assert_storable(value: Any) -> None:
    """Check that every database of Airflow can store a value: JSON in UTF-8, without zero characters."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
