"""Which variant changes, and whether a campaign shows what was written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_campaigns.rules.campaign_copy import (
    Shown,
    change_variant,
    differing,
    shown_of,
    step_index,
    variant_index,
    variant_name,
)


def campaign(*steps: list[str], **fields: Any) -> dict[str, Any]:
    """A campaign with a body for each variant of each step."""
    as_steps = [{"variants": [{"subject": "S", "body": body} for body in bodies]} for bodies in steps]
    return {"sequences": [{"steps": as_steps}], **fields}


STEPS = campaign(["<p>a</p>"], ["<p>b</p>", "<p>c</p>"])["sequences"][0]["steps"]
LINKS = [f'<a href="/{number}">a</a>' for number in range(7)]


def shown(wanted: str, found: str) -> Shown:
    """What the second variant of the first step shows."""
    return shown_of(campaign(["<p>x</p>", wanted]), campaign(["<p>x</p>", found]))


class TestStepAndVariant:
    @pytest.mark.parametrize(
        ("value", "index"), [(0, 0), ("2", 2), ("Step 1", 0), ("step 2", 1), (" STEP 10 ", 9), ("Step2", 1)]
    )
    def test_step_is_an_index_or_as_instantly_shows_it(self, value: Any, index: int) -> None:
        assert step_index(value, "step") == index

    @pytest.mark.parametrize(
        ("value", "index"), [(0, 0), ("1", 1), ("A", 0), ("b", 1), ("Variant C", 2), (" variant z ", 25)]
    )
    def test_variant_is_an_index_or_as_instantly_shows_it(self, value: Any, index: int) -> None:
        assert variant_index(value, "variant") == index

    @pytest.mark.parametrize(
        "value", [-1, True, None, 1.5, "Step 0", "second", "", "-1", "AB", [0], "²", "9" * 5000]
    )
    def test_invalid_step_and_variant_are_refused(self, value: Any) -> None:
        with pytest.raises(ValueError, match="step must be an integer, counted from 0, or 'Step 1'"):
            step_index(value, "step")
        with pytest.raises(ValueError, match="variant must be an integer, counted from 0, or 'A'"):
            variant_index(value, "variant")

    def test_invalid_step_is_shown(self) -> None:
        with pytest.raises(ValueError, match="; got 'second'"):
            step_index("second", "step")

    def test_name_of_a_variant_is_the_one_in_instantly(self) -> None:
        assert variant_name(1, 1, 3) == "step 2 of 3, variant B"
        assert variant_name(0, 26, 1) == "step 1 of 1, variant 26"


class TestChangeVariant:
    def test_disabled_variant_is_refused_or_enabled(self) -> None:
        before = campaign(["<p>a</p>", "<p>b</p>"])
        before["sequences"][0]["steps"][0]["variants"][1]["v_disabled"] = True
        with pytest.raises(ValueError, match=r"step 1 of 1, variant B.*enable_variant=True"):
            change_variant(before, 0, 1, {"body": "<p>c</p>"}, enable=False)
        sequences, name = change_variant(before, 0, 1, {"body": "<p>c</p>"}, enable=True)
        assert name == "step 1 of 1, variant B"
        assert sequences[0]["steps"][0]["variants"][1] == {
            "subject": "S",
            "body": "<p>c</p>",
            "v_disabled": False,
        }
        assert before["sequences"][0]["steps"][0]["variants"][1]["v_disabled"] is True

    @pytest.mark.parametrize("enable", [False, True])
    def test_enabled_variant_stays_enabled(self, enable: bool) -> None:
        sequences, _ = change_variant(campaign(["<p>a</p>"]), 0, 0, {"subject": "T"}, enable=enable)
        assert sequences[0]["steps"][0]["variants"] == [{"subject": "T", "body": "<p>a</p>"}]


class TestEquality:
    @pytest.mark.parametrize(
        ("name", "wanted", "found"),
        [
            ("email_list", ["a@b.c", "d@e.f"], ["D@e.f", "a@b.c"]),
            ("email_list", ["a@b.c", "a@b.c"], ["a@b.c"]),
            ("email_list", [], None),
            ("email_tag_list", ["x"], ["x "]),
            ("name", "Spring  sale", "Spring sale"),
            ("name", "Cafe\u0301", "Café"),
            ("name", "Sale ❤\ufe0f", "Sale ❤"),
            ("email_tag_list", ["Cafe\u0301"], ["Café"]),
            ("daily_limit", 50, 50.0),
            ("text_only", None, None),
            (
                "campaign_schedule",
                {"schedules": [{"name": "a"}]},
                {"schedules": [{"name": "a", "id": 1}], "x": 1},
            ),
            (
                "provider_routing_rules",
                [{"action": "a"}, {"action": "b"}],
                [{"action": "b"}, {"action": "a"}],
            ),
            ("x_new", [1, 2], [2, 1]),
        ],
    )
    def test_equal_values_may_be_written_differently(self, name: str, wanted: Any, found: Any) -> None:
        assert differing({name: wanted}, {name: found}) == {}
        assert shown_of({name: wanted}, {name: found}) == Shown()

    @pytest.mark.parametrize(
        ("name", "wanted", "found"),
        [
            ("email_list", ["a@b.c"], ["a@b.c", "d@e.f"]),
            ("email_list", [], ["a@b.c"]),
            ("email_list", ["a@b.c"], None),
            ("name", "Spring", "Summer"),
            ("name", "Café", "Cafe"),
            ("daily_limit", 50, None),
            ("daily_limit", 50, "50 a day"),
            ("text_only", True, 0),
            ("campaign_schedule", {"schedules": [{"name": "a"}]}, {"schedules": []}),
            ("provider_routing_rules", [{"action": "a"}], [{"action": "b"}]),
            (
                "provider_routing_rules",
                [{"action": "a"}, {"action": "a"}],
                [{"action": "a"}, {"action": "b"}],
            ),
            ("provider_routing_rules", [{"action": "a"}], [{"action": "a"}, {"action": "b"}]),
        ],
    )
    def test_other_values_are_named(self, name: str, wanted: Any, found: Any) -> None:
        assert differing({name: wanted}, {name: found}) == {name: wanted}
        (lost,) = shown_of({name: wanted}, {name: found}).lost
        assert lost.startswith(name)


class TestShownCopy:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("<p>a</p><p>&nbsp;</p>", "<p>a</p><p>\xa0</p>"),
            ('<p style="b:c;d:e">a &amp; b</p>', "<p style='d:e; b:c;'>a & b</p>"),
            ("\n<p>a</p>\n", "<p>a</p>"),
        ],
    )
    def test_body_in_another_spelling_is_shown(self, wanted: str, found: str) -> None:
        assert shown(wanted, found) == Shown()
        assert differing(campaign([wanted]), campaign([found])) == {}

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ('<p style="color:red">a</p>', "<p>a</p>"),
            ("<!--[if mso]>a<![endif]--><p>a</p>", "<p>a</p>"),
            ("<!--[if mso]>{{a}}<![endif]--><p>{{a}}</p>", "<p>{{a}}</p>"),
            ("<style>p{a:b}</style><p>a</p>", "<p>a</p>"),
            ('<p style="display:none">{{a}} b</p><p>c</p>', "<p>{{a}} b</p><p>c</p>"),
            ("<p>a</p><!-- {{b}} -->", "<p>a</p>"),
            ("<p>a</p>", "<div><p>a</p></div>"),
            ("<p>a</p>", "<p>a</p><!-- {{b}} -->"),
        ],
    )
    def test_body_without_its_styles_is_altered_but_not_lost(self, wanted: str, found: str) -> None:
        assert shown(wanted, found) == Shown(altered=("step 1, variant B, body",))
        assert differing(campaign([wanted]), campaign([found]))

    @pytest.mark.parametrize(
        ("wanted", "found", "named"),
        [
            ("<p>a</p>", "", "lost the whole body (it is empty now); text 'a'"),
            ("<p>{{a}}</p>", "<p></p>", "lost the whole body (it is empty now); merge tag {{a}} (in text)"),
            ("<p>b {{a}}</p>", "<p>b</p>", "lost merge tag {{a}} (in text)"),
            ('<a href="/x">a</a>', "a", "lost link /x"),
            ("Hi <p>a</p>", "<p>a</p>", "lost text 'Hi' (Instantly drops text outside of elements)"),
            ("<p>a</p><p>b</p>", "<p>b</p><p>a</p>", "lost text 'b' (in another order now)"),
            ('<a href="/x">a</a>', '<a href="/y">a</a>', "lost link /x ('a' leads to /y now)"),
            (
                '<a href="{{u}}">a</a>',
                '<a data-x="{{u}}">a</a>',
                "lost merge tag {{u}} (in href of <a>; it is elsewhere now)",
            ),
            ("<p>a {{b}}.</p>", "<p>a. {{b}}</p>", "lost merge tag {{b}} (it is elsewhere now)"),
            ("<p>a</p>", "<p>a old</p>", "still holds text 'old'"),
            ("<p>a</p>", "<p>a {{old}}</p>", "still holds merge tag {{old}} (in text)"),
            ("".join(LINKS[:5]), "a" * 5, "lost link /0; link /1; link /2; link /3; link /4"),
            ("".join(LINKS), "a" * 7, "lost link /0; link /1; link /2; link /3; link /4 and 2 more"),
        ],
    )
    def test_lost_content_names_step_variant_and_content(self, wanted: str, found: str, named: str) -> None:
        assert shown(wanted, found) == Shown(lost=(f"step 1, variant B, body: {named}",))

    @pytest.mark.parametrize(
        ("found", "named"),
        [
            (campaign(["<p>a</p>"], ["<p>b</p>", "<p>c</p>"]), ()),
            (campaign(["<p>a</p>"], ["<p>b</p>"]), ("step 2, variants: 1 instead of 2",)),
            (campaign(["<p>a</p>"]), ("steps: 1 instead of 2",)),
            ({"sequences": [{"steps": ["x", *STEPS[1:]]}]}, ("step 1",)),
            ({"sequences": [{"steps": [{"variants": ["x"]}, *STEPS[1:]]}]}, ("step 1, variant A",)),
            ({"sequences": None}, ("sequences",)),
            ({"sequences": [{"steps": None}]}, ("steps",)),
            ({}, ("sequences",)),
        ],
    )
    def test_lost_variant_or_step_is_named(self, found: dict[str, Any], named: tuple[str, ...]) -> None:
        assert shown_of({"sequences": [{"steps": STEPS}]}, found).lost == named

    def test_other_fields_of_a_variant_are_named(self) -> None:
        wanted = campaign(["<p>a</p>"])
        found = deepcopy(wanted)
        found["sequences"][0]["steps"][0]["variants"][0].update(subject="T", extra=1)
        assert shown_of(wanted, found).lost == ("step 1, variant A, subject",)
