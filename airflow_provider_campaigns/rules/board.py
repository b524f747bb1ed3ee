"""What a task stores for the health board about campaigns: small, plain JSON under one XCom key.

``{"v": 1, "kind": "campaign", "checked_at": 1796040000, "intent": "send", "campaigns": {id: [code,
disposition, since, last_updated, name, message]}}``, times in Unix seconds. ``left_out`` is the number of
campaigns that did not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.rules.gate_rules import RULES, Disposition, Intent
from airflow_provider_campaigns.rules.send_gate import Verdict

# The key of the XCom. The board finds the tasks of all Dags by it.
VERDICT_KEY = "campaigns_verdict"
# How long it may be as JSON, in bytes.
MAX_BYTES = 250 * 1024
_VERSION = 1
_MAX_NAME = 100
_MAX_MESSAGE = 400
# A sentence of the message that the board leaves out.
_WHAT_OPENS = re.compile(r" ?Intent '\w+': the gate opens on [^.]*\.")
_ORDER = (Disposition.CLOSED, Disposition.WAIT, Disposition.OPEN, Disposition.FINISHED)


def board_of(
    verdicts: Iterable[tuple[str, Verdict]],
    names: Mapping[str, str | None] | None = None,
    *,
    kind: str = "campaign",
    max_messages: int = 1,
) -> dict[str, Any] | None:
    """Return verdicts as the board reads them, those that need a person first; None where there are none.

    :param verdicts: the verdict on each campaign, by its id.
    :param names: the names that are known, besides those of the verdicts.
    :param kind: ``"campaign"`` or ``"subsequence"``.
    :param max_messages: how many campaigns that do not open have their message.
    """
    ordered = sorted(verdicts, key=lambda each: _ORDER.index(_state(each[1])))
    if not ordered:
        return None
    rows: dict[str, list[Any]] = {}
    size = 0
    for number, (campaign_id, verdict) in enumerate(ordered):
        has_message = number < max_messages and not verdict.open
        row = _row(verdict, (names or {}).get(campaign_id), verdict.message if has_message else None)
        size += len(json.dumps({campaign_id: row}))
        if size > MAX_BYTES:
            break
        rows[campaign_id] = row
    newest = max(verdict.checked_at for _, verdict in ordered)
    left_out = len(ordered) - len(rows)
    return {
        "v": _VERSION,
        "kind": kind,
        "checked_at": _seconds(newest),
        "intent": ordered[0][1].intent.value,
        "campaigns": rows,
        **({"left_out": left_out} if left_out else {}),
    }


def _state(verdict: Verdict) -> Disposition:
    """Return what a verdict means for mail: for another intent, a gate may open on a paused campaign."""
    own = verdict.disposition
    if verdict.intent is Intent.SEND or own is Disposition.CLOSED:
        return own
    try:
        by_intent = RULES[SendingCode(verdict.code)].dispositions
    except ValueError:
        return own
    waits_for_data = own is Disposition.WAIT and by_intent[verdict.intent] is not own
    return own if waits_for_data else by_intent[Intent.SEND]


def _row(verdict: Verdict, name: str | None, message: str | None) -> list[Any]:
    name = name or verdict.campaign_name
    since = None
    if verdict.issue_seconds is not None:
        since = verdict.checked_at - timedelta(seconds=verdict.issue_seconds)
    return [
        verdict.code,
        _state(verdict).value,
        _seconds(since),
        _seconds(verdict.last_updated),
        printable(name)[:_MAX_NAME] if name else None,
        _WHAT_OPENS.sub("", message)[:_MAX_MESSAGE] if message else None,
    ]


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
