from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.rules.board import MAX_BYTES, board_of
from airflow_provider_campaigns.rules.send_gate import Disposition, Intent, Policy, Verdict

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
SECONDS = int(NOW.timestamp())


MESSAGE = f'Do this. {Policy.of({"out_of_schedule": "open"}).what_opens} Instantly: "No."'


def verdict(disposition: Disposition, code: str, **fields: Any) -> Verdict:
    return Verdict(disposition is Disposition.OPEN, disposition, code, MESSAGE, NOW, **fields)


OPEN = verdict(Disposition.OPEN, "healthy", last_updated=NOW - timedelta(minutes=1))
CLOSED = verdict(Disposition.CLOSED, "all_accounts_unhealthy", issue_seconds=60.0)


def test_row_has_what_the_board_shows() -> None:
    board = board_of([("a", CLOSED)], {"a": "Spring\nlaunch"})
    assert board == {
        "v": 1,
        "kind": "campaign",
        "checked_at": SECONDS,
        "intent": "send",
        "campaigns": {
            "a": [
                "all_accounts_unhealthy",
                "closed",
                SECONDS - 60,
                None,
                "Spring launch",
                'Do this. Instantly: "No."',
            ]
        },
    }
    assert json.loads(json.dumps(board)) == board


def test_name_of_the_verdict_is_shown_where_no_other_is_known() -> None:
    board = board_of([("a", replace(CLOSED, campaign_name="Spring"))], {"a": None})
    assert board is not None
    assert board["campaigns"]["a"][4] == "Spring"


def test_campaigns_that_need_a_person_come_first() -> None:
    board = board_of([("open", OPEN), ("closed", CLOSED)], max_messages=5)
    assert board is not None
    assert list(board["campaigns"]) == ["closed", "open"]
    assert board["campaigns"]["open"] == ["healthy", "open", None, SECONDS - 60, None, None]


def test_only_the_first_campaign_has_its_message() -> None:
    board = board_of([("a", CLOSED), ("b", CLOSED)])
    assert board is not None
    assert [row[5] is not None for row in board["campaigns"].values()] == [True, False]


@pytest.mark.parametrize(
    ("intent", "disposition", "code", "shown"),
    [
        (Intent.ACTIVATE, Disposition.OPEN, "campaign_paused", "closed"),
        (Intent.EDIT, Disposition.WAIT, "healthy", "open"),
        (Intent.ADD_LEADS, Disposition.OPEN, "campaign_completed", "finished"),
        # The data is old, or a detail shows that the state does not end.
        (Intent.ACTIVATE, Disposition.WAIT, "healthy", "wait"),
        (Intent.ACTIVATE, Disposition.CLOSED, "healthy", "closed"),
        (Intent.ACTIVATE, Disposition.WAIT, "splendid", "wait"),
        (Intent.ACTIVATE, Disposition.WAIT, None, "wait"),
        (Intent.SEND, Disposition.OPEN, "campaign_paused", "open"),
    ],
)
def test_state_is_about_mail_whatever_the_intent(
    intent: Intent, disposition: Disposition, code: Any, shown: str
) -> None:
    board = board_of([("b", OPEN), ("a", verdict(disposition, code, intent=intent))])
    assert board is not None
    assert board["campaigns"]["a"][1] == shown
    assert next(iter(board["campaigns"])) == ("b" if shown in {"open", "finished"} else "a")


def test_no_verdict_makes_no_board() -> None:
    assert board_of([]) is None


def test_board_of_many_campaigns_keeps_its_size_and_says_so() -> None:
    verdicts = [(f"{number:036}", OPEN) for number in range(5000)] + [("x" * 36, CLOSED)]
    board = board_of(verdicts, dict.fromkeys(dict(verdicts), "n" * 500))
    assert board is not None
    assert len(json.dumps(board)) <= MAX_BYTES + 200
    assert board["campaigns"]["x" * 36][1] == "closed"
    assert board["left_out"] == 5001 - len(board["campaigns"]) > 0


def test_2000_campaigns_fit() -> None:
    board = board_of([(f"{number:036}", OPEN) for number in range(2000)], {f"{0:036}": "Spring"})
    assert board is not None
    assert "left_out" not in board
