"""What a closed gate asks, and which answers count."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.rules.questions import (
    Answer,
    Choice,
    InvalidAnswerError,
    Topic,
    about_verdict,
    code,
    question,
    read_answer,
)
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict

NOW = datetime(2026, 11, 30, 10, tzinfo=timezone.utc)
JANE = {"id": "jane", "name": "Jane"}
HOSTILE = (
    "[click](javascript:alert(1)) <img src=x onerror=y> `` ` ![](https://e.vil/p.gif)\n\n# https://e.vil"
)


def ask(**arguments: Any) -> Any:
    defaults = {"number": 1, "asked_at": NOW, "ends_at": NOW, "end": "fail", "allow_override": False}
    return question(Topic("Send gate", "Spring", ["a fact"]), **{**defaults, **arguments})


def answered(choice: str, user: Any = JANE, **params: Any) -> dict[str, Any]:
    return {"chosen_options": [choice], "params_input": params, "responded_by_user": user}


class TestQuestion:
    def test_override_is_an_option_only_where_allowed(self) -> None:
        assert "Send anyway" not in ask().options
        assert "reason" not in ask().params
        assert ask(allow_override=True).options[-1] == "Send anyway"
        assert "reason" in ask(allow_override=True).params

    def test_subject_holds_nothing_that_changes(self) -> None:
        assert ask(number=1).subject == ask(number=2, note="x", end="skip").subject

    def test_body_says_when_it_was_written_and_where_to_look(self) -> None:
        body = ask(newest="https://air.flow/xcom").body
        assert body.startswith("**Question 1, written at 2026-11-30 10:00:00 UTC.**")
        assert "[XComs](https://air.flow/xcom)" in body

    def test_verdict_is_shown_with_age_and_duration(self) -> None:
        verdict = Verdict(
            open=False,
            disposition=Disposition.CLOSED,
            code="campaign_paused",
            message="Somebody paused the campaign.",
            checked_at=NOW,
            last_updated=NOW - timedelta(minutes=3),
            issue_seconds=7200,
        )
        facts = "\n".join(about_verdict(verdict, "Campaign 17", "Spring", "https://in.stantly/17").facts)
        for part in ("`Spring`", "`campaign_paused` (closed)", "at least 2.0 h", "3 min", "in.stantly/17"):
            assert part in facts


class TestCode:
    @pytest.mark.parametrize("text", [HOSTILE, "`", "a`b", "``x", "", "\u202etxt.exe", "a\x00b\r\n\r\n- c"])
    def test_text_stays_in_one_code_span(self, text: str) -> None:
        """The fence is a run of backticks that the text does not have, so that only the end closes it."""
        shown = code(text)
        fence, inner = re.fullmatch(r"(`+)([^`].*)\1", shown).groups()  # type: ignore[union-attr]
        assert not inner.endswith("`")
        assert fence not in re.findall("`+", inner)
        assert shown.isprintable()

    def test_long_text_is_cut(self) -> None:
        assert len(code("x" * 9999)) == 1002


class TestAnswer:
    @pytest.mark.parametrize(
        ("event", "answer"),
        [
            (answered("Look again"), Answer(Choice.RECHECK, "Jane (jane)")),
            (answered("Fail", user=None), Answer(Choice.FAIL, "an unknown user")),
            (answered("Wait and look again"), Answer(Choice.WAIT, "Jane (jane)", hours=1)),
            (answered("Wait and look again", hours="2.5"), Answer(Choice.WAIT, "Jane (jane)", hours=2.5)),
            (
                answered("Wait and look again", hours={"value": 3}),
                Answer(Choice.WAIT, "Jane (jane)", hours=3),
            ),
            (answered("Send anyway", reason=" ok\n"), Answer(Choice.OVERRIDE, "Jane (jane)", reason="ok")),
            ({"error": "too late", "error_type": "timeout"}, Answer(None)),
        ],
    )
    def test_answer_is_read(self, event: dict[str, Any], answer: Answer) -> None:
        assert read_answer(event, overriders={"jane"}) == answer

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (answered("Send anyway"), "needs a reason"),
            (answered("Send anyway", reason=" \n"), "needs a reason"),
            (answered("Send anyway", reason=True), "needs a reason"),
            (answered("Send anyway", user={"id": "bob", "name": "Jane"}, reason="x"), "may not choose"),
            (answered("Send anyway", user=None, reason="x"), "may not choose"),
            (answered("Send it"), "one of the options"),
            ({"chosen_options": ["Fail", "Look again"]}, "one of the options"),
            ({"chosen_options": []}, "one of the options"),
            ({"error": "bad form", "error_type": "validation"}, "bad form"),
            *[
                (answered("Wait and look again", hours=hours), "hours must be")
                for hours in (0, -1, "soon", True, [1], float("nan"), 1e9)
            ],
        ],
    )
    def test_other_answer_does_not_count(self, event: dict[str, Any], reason: str) -> None:
        with pytest.raises(InvalidAnswerError, match=reason):
            read_answer(event, overriders={"jane"})
