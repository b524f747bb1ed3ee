"""What a closed gate asks, and which answers count."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.rules.quality_gate import Check
from airflow_provider_campaigns.rules.questions import (
    Answer,
    Choice,
    InvalidAnswerError,
    Topic,
    about_breaches,
    about_error,
    about_verdict,
    code,
    question,
    read_answer,
    with_campaign,
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

    def test_question_has_all_that_a_person_needs(self) -> None:
        asked = question(
            Topic("Send gate", "Spring\nnews", ["a fact", "another"], source="the analysis"),
            number=2,
            asked_at=NOW,
            ends_at=NOW + timedelta(hours=2),
            end="skip",
            allow_override=True,
            note="it `lacks` a reason",
            recheck_at=NOW + timedelta(hours=1),
        )
        assert asked.subject == "Send gate closed: Spring news"
        assert asked.body.splitlines() == [
            "**Question 2, written at 2026-11-30 10:00:00 UTC.** If the gate has asked again since, this "
            "text may be old: the newest verdict is in the XComs and the log of this task.",
            "",
            "**The last answer did not count:** ``it `lacks` a reason``",
            "",
            "- a fact",
            "- another",
            "- **Decides again:** 2026-11-30 11:00:00 UTC",
            "- **Asks until:** 2026-11-30 12:00:00 UTC, then the gate is skipped",
            "",
            "What you can choose:",
            "",
            "- **Look again:** the gate decides by the analysis. It asks again if it is still closed.",
            "- **Wait and look again:** the same after `hours`. You can answer earlier.",
            "- **Skip the send:** the gate and the tasks behind it are skipped.",
            "- **Fail:** the gate fails.",
            "- **Send anyway:** the tasks behind the gate run although it is closed. Needs a `reason`; both "
            "it and your name are recorded.",
        ]
        assert asked.params == {
            "hours": {
                "value": 1,
                "description": "For 'Wait and look again': how many hours.",
                "schema": {"type": ["number", "null"]},
            },
            "reason": {
                "value": None,
                "description": "For 'Send anyway': why.",
                "schema": {"type": ["string", "null"]},
            },
        }

    def test_question_without_more_has_no_empty_items(self) -> None:
        body = ask().body
        assert "decides by fresh data" in body
        assert "then the gate fails" in body
        assert "Decides again" not in body
        assert "did not count" not in body

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

    def test_verdict_without_name_code_and_times_is_shown(self) -> None:
        verdict = Verdict(False, Disposition.WAIT, None, "No data.", checked_at=NOW)
        topic = about_verdict(verdict, "Campaign 17", None, "https://in.stantly/17")
        assert topic == Topic(
            "Send gate",
            "Campaign 17",
            [
                "**Name:** not known",
                "**Campaign 17:** [open in Instantly](https://in.stantly/17)",
                "**Code:** `no status` (wait)",
                "**Meaning, and what to do:** `No data.`",
                "**Age of the data:** unknown",
            ],
        )

    def test_breaches_are_shown_with_the_report(self) -> None:
        breaches = [Check("max_broken_links", 0, 1, ("https://x.test",)), Check("min_text", 5, None)]
        topic = about_breaches(breaches, "Spring", "/report")
        assert (topic.gate, topic.campaign) == ("Quality gate", "Spring")
        assert topic.facts == [
            "**Campaign:** `Spring`",
            "**Threshold:** `max_broken_links=0: found 1 (https://x.test)`",
            "**Threshold:** `min_text=5: the analysis does not hold this value`",
            "**Report:** [cleaning report](/report)",
            "**What to do:** repair the newsletter, clear the tasks that submit and get it, then look again",
        ]
        assert topic.source.startswith("the analysis, which is the same unless")
        assert len(about_breaches(breaches, "Spring").facts) == 4

    def test_error_is_shown_as_code(self) -> None:
        topic = about_error("Send gate", "Campaign 17", ValueError("<b>"))
        facts = ["**Campaign:** `Campaign 17`", "**No response:** `<b>`"]
        assert topic == Topic("Send gate", "Campaign 17", facts)

    def test_message_names_the_campaign_once(self) -> None:
        topic = Topic("Send gate", "Spring\nnews", [])
        assert with_campaign("Campaign 17: closed", topic) == "'Spring news': Campaign 17: closed"
        assert with_campaign("Spring news: closed", topic) == "Spring news: closed"


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
            (answered("Wait and look again", hours=720), Answer(Choice.WAIT, "Jane (jane)", hours=720)),
            (answered("Wait and look again", hours=0.01), Answer(Choice.WAIT, "Jane (jane)", hours=0.01)),
            ({"error": "too late", "error_type": "timeout"}, Answer(None)),
            ({"timedout": True, "chosen_options": ["Send anyway"]}, Answer(None)),
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
            ({}, "one of the options"),
            ({"error": "bad form", "error_type": "validation"}, "bad form"),
            *[
                (answered("Wait and look again", hours=hours), "hours must be")
                for hours in (0, -1, 720.1, "soon", True, [1], float("nan"), 1e9)
            ],
        ],
    )
    def test_other_answer_does_not_count(self, event: dict[str, Any], reason: str) -> None:
        with pytest.raises(InvalidAnswerError, match=reason):
            read_answer(event, overriders={"jane"})
