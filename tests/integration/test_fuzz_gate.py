"""No response opens a gate that the table of the intents does not open.

A real local server returns sending statuses, campaigns and senders that Hypothesis generates, some damaged.
The table is :mod:`tests.support.gate_model`; the test reads the responses by itself.

``EXPLORE=20000 pytest tests/integration/test_fuzz_gate.py`` tries more examples than every run repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from tests.integration.fuzzing import (
    BODIES,
    NOW,
    UUID,
    assert_storable,
    damaged,
    encoded,
    examples,
    outcome,
    spliced,
)
from tests.support.fake_server import FakeServer, Reply
from tests.support.gate_model import (
    CODES,
    DISPOSITIONS,
    INTENTS,
    MAX_AGES,
    MAY_OPEN,
    OPENED,
    OWN_STATUSES,
    Campaign,
    Gate,
    own_status,
)

CAMPAIGN = f"/api/v2/campaigns/{UUID}"
STATUS = f"{CAMPAIGN}/sending-status"
ACCOUNTS = "/api/v2/accounts"
SENDERS = ["ada@sender.test", "grace@sender.test", f"\x1b[2J\nINFO gate open {'y' * 5000}"]
# With these, a gate often depends on the campaign itself.
DEPENDENT = ["out_of_schedule", "out_of_schedule", *OWN_STATUSES]
ACCOUNTS_SUMMARIES = [
    {"total_connected": 0},
    {"total_connected": 2, "unavailable": {"disconnected": 2}},
    {"total_connected": 3, "unavailable": {"disconnected": 2}},
]
AGES = [0.0, 0.0, 0.0, 840.0, 960.0, 1740.0, 1860.0, 86400.0, 86400.0, -240.0, -360.0]


@pytest.fixture
def no_time_passes() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def time_of(age: float) -> str:
    return (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")


TIMES = [None, *map(time_of, AGES)]


def status_body(code: Any, last_updated: Any, **diagnostics: Any) -> dict[str, Any]:
    reported = {"campaign_id": UUID, "status": code, "last_updated": last_updated, **diagnostics}
    return {"diagnostics": reported, "summary": {"status": code}}


CHOICES = st.sampled_from(["open", "open_anyway", "wait", "closed", "finished"])


def mostly(good: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Return the good value four times of five: a gate needs many good ones to open."""
    return st.sampled_from([*[good] * 4 * len(others), *others])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Gate, dict[str, Reply]]:
    """Return a gate, and responses by their paths; mostly, the campaign agrees with the sending status."""
    code = draw(st.sampled_from([*CODES, *DEPENDENT, "healthy", "Healthy", "healthy "]))
    status = status_body(
        code,
        draw(st.sampled_from(TIMES)),
        accounts_summary=draw(mostly(None, *ACCOUNTS_SUMMARIES)),
        campaign_daily_limit={"limit": draw(mostly(30, 0))},
        new_lead_limit={"limit": draw(mostly(None, 0))},
    )
    campaign = {
        "id": draw(mostly(UUID, UUID.upper(), UUID.replace("0", "1"))),
        "status": draw(mostly(own_status(code), 1, 0, 3, 4, -1, 7, True, "1")),
        "not_sending_status": draw(mostly(None, 1, 4, 99, 99)),
        "email_list": draw(st.lists(st.sampled_from(SENDERS), max_size=2)),
        "campaign_schedule": {
            "end_date": draw(st.sampled_from([None, "2026-05-08", "2026-05-11", "2026-05-13"])),
            "schedules": [{"timezone": draw(mostly("Asia/Tokyo", None, 5, "Atlantis"))}],
        },
        **draw(mostly({}, {"Error": "no"})),
    }
    sender = st.builds(dict, email=st.sampled_from(SENDERS), status=mostly(1, 2, 3, -1, True))
    policy = {draw(mostly(code, *CODES)): draw(CHOICES)} if code in CODES else {}
    gate = Gate(
        draw(st.sampled_from(INTENTS)),
        draw(st.sampled_from([None, policy])),
        draw(mostly(None, 60.0, 7200.0)),
    )
    return gate, {
        STATUS: Reply(draw(bodies(status)), status=draw(mostly(200, 400))),
        CAMPAIGN: Reply(draw(bodies(campaign)), status=draw(mostly(200, 404))),
        ACCOUNTS: Reply(draw(bodies({"items": draw(st.lists(sender, max_size=2))}))),
    }


def bodies(value: Any) -> st.SearchStrategy[bytes]:
    """Return the body of a value, mostly undamaged."""
    damages = (damaged([value]).map(encoded), spliced([encoded(value)]), BODIES)
    return mostly(st.just(encoded(value)), *damages).flatmap(lambda kind: kind)


def decide(gate: Gate, *, check_senders: bool = False) -> Any:
    """Return the verdict of a gate, or its error."""
    max_age = None if gate.max_age is None else timedelta(seconds=gate.max_age)
    return outcome(
        lambda: InstantlyHook().get_verdict(
            UUID, intent=gate.intent, policy=gate.policy, max_status_age=max_age, check_senders=check_senders
        ),
        ApiError,
    )


@pytest.mark.usefixtures("no_time_passes")
@examples(1500)
@given(case=cases(), check_senders=mostly(False, True))
def test_no_response_opens_a_gate_beyond_the_table(
    connections: FakeServer, case: tuple[Gate, dict[str, Reply]], check_senders: bool
) -> None:
    gate, replies = case
    for path, reply in replies.items():
        connections.respond(reply, path=path)
    verdict = decide(gate, check_senders=check_senders)
    if isinstance(verdict, ApiError):
        return
    assert_storable(verdict.as_dict())
    assert str(verdict).isprintable()
    assert len(str(verdict)) < 4000
    if verdict.open:
        assert_opens(gate, replies[STATUS], replies[CAMPAIGN])
        assert not check_senders or any_sender_can_send(replies[CAMPAIGN], replies[ACCOUNTS])


def assert_opens(gate: Gate, status: Reply, campaign: Reply) -> None:
    """Check that the table opens a gate on these responses."""
    code, age, diagnostics = reported(status)
    assert status.status == 200 or gate.reads_refused_drafts
    found = gate.outcome(code, age)
    if found == MAY_OPEN:
        found = gate.outcome(code, age, campaign_in(campaign))
    assert found == OPENED
    max_age = MAX_AGES[gate.intent] if gate.max_age is None else gate.max_age
    has_old_details = code in OWN_STATUSES and age is not None and age > max_age
    assert has_old_details or not is_hopeless(gate, code, diagnostics)


def reported(reply: Reply) -> tuple[Any, float | None, Mapping[str, Any]]:
    """Return the code of a sending status, its age, and its diagnostics; a refused one may be of a draft."""
    if reply.status == 400:
        return "campaign_draft", None, {}
    payload = json_in(reply)
    inner, outer = mapping(payload.get("diagnostics")), mapping(payload.get("summary"))
    code = outer.get("status") if inner.get("status") is None else inner["status"]
    return code, age_of(inner.get("last_updated")), inner


def age_of(updated: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(updated.strip().upper().replace("Z", "+00:00"))
        return (NOW - moment).total_seconds()
    except (AttributeError, ValueError, TypeError):
        return None


def campaign_in(reply: Reply) -> Campaign:
    payload = json_in(reply)
    assert reply.status == 200
    assert payload["id"].lower() == UUID
    # With this end date, it has ended in every time zone.
    end = mapping(payload.get("campaign_schedule")).get("end_date")
    has_ended = (
        isinstance(end, str) and end[:1] == "2" and date.fromisoformat(end) < NOW.date() - timedelta(days=1)
    )
    return Campaign(payload["status"], payload.get("not_sending_status"), has_ended)


def json_in(reply: Reply) -> Mapping[str, Any]:
    """Return the JSON object in a response, which must not contain an error."""
    payload = json.loads(reply.body)
    assert not any(name.lower() == "error" and value for name, value in payload.items())
    return payload


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def is_hopeless(gate: Gate, code: str, diagnostics: Mapping[str, Any]) -> bool:
    """Return whether a detail shows that the state will not resolve; without a sender, no policy helps."""
    summary = mapping(diagnostics.get("accounts_summary"))
    total, gone = summary.get("total_connected"), mapping(summary.get("unavailable")).get("disconnected")
    if total == 0 and total is not False and gate.intent != "edit":
        return True
    limits = {"daily_limit_met": "campaign_daily_limit", "new_lead_limit_met": "new_lead_limit"}
    limit = mapping(diagnostics.get(limits.get(code, ""))).get("limit")
    is_number = all(type(each) in {int, float} for each in (total, gone))
    nobody_left = is_number and gone >= total > 0
    return gate.details_matter(code) and (nobody_left or (limit == 0 and limit is not False))


def any_sender_can_send(campaign: Reply, senders: Reply) -> bool:
    named = json_in(campaign).get("email_list") or ()
    tags = json_in(campaign).get("email_tag_list")
    items = [each for each in json_in(senders)["items"] if isinstance(each, dict)]
    return any(each.get("status") == 1 and (tags or each.get("email") in named) for each in items)


@pytest.mark.usefixtures("no_time_passes")
@pytest.mark.parametrize("intent", INTENTS)
def test_gate_opens_on_each_code_of_its_intent(connections: FakeServer, intent: str) -> None:
    """Otherwise the test above could pass although no gate ever opens."""
    opened = set()
    for code in CODES:
        connections.respond(status_body(code, time_of(60.0)), path=STATUS)
        connections.respond({"id": UUID, "status": own_status(code)}, path=CAMPAIGN)
        if decide(Gate(intent)).open:
            opened.add(code)
    assert opened == {code for code in CODES if DISPOSITIONS[code][intent] == "open"}
