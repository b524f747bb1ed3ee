"""Which thresholds an analysis breaks, and what the report names."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_campaigns.rules.quality_gate import Check, Thresholds, breaches

NAMES = [each.name for each in fields(Thresholds)]


def link(url: str, *, broken: Any = True) -> dict[str, Any]:
    return {"link_url": url, "link_status": "404", "link_is_broken": broken}


def found(analysis: Any, **thresholds: float) -> list[tuple[str, float | None]]:
    return [(breach.threshold, breach.value) for breach in breaches(analysis, Thresholds(**thresholds))]


def offending(analysis: Any, **thresholds: float) -> tuple[str, ...]:
    (breach,) = breaches(analysis, Thresholds(**thresholds))
    return breach.offending


# What each threshold reads: an analysis that is at the limit, one that is beyond it, and the value there.
TABLE: dict[str, tuple[float, dict[str, Any], dict[str, Any], float]] = {
    "max_broken_links": (2, {"broken_links": 2}, {"broken_links": 3}, 3),
    "max_blacklisted_links": (0, {"blacklisted_links_found": 0}, {"blacklisted_links_found": 1}, 1),
    "max_spam_keyword_ratio": (0.1, {"spam_keyword_ratio": 0.1}, {"spam_keyword_ratio": 0.11}, 0.11),
    "max_capitals_ratio": (
        0.2,
        {"all_capitalized_word_ratio": 0.2},
        {"all_capitalized_word_ratio": 0.5},
        0.5,
    ),
    "min_text_image_ratio": (0.6, {"text_image_ratio": 0.6}, {"text_image_ratio": 0.59}, 0.59),
    "max_oversized_images": (1, {"os_image_list": ["a.png"]}, {"os_image_list": ["a.png", "b.png"]}, 2),
}


INVALID_VALUES: list[Any] = [
    None, True, False, "", "n/a", "0,1", math.nan, math.inf, "nan", "inf", {}, {"count": 0}, -1, "-1",
]  # fmt: skip


def test_table_has_a_row_for_every_threshold() -> None:
    assert list(TABLE) == NAMES


@pytest.mark.parametrize("name", TABLE)
class TestEveryThreshold:
    def test_limit_is_allowed_and_more_is_not(self, name: str) -> None:
        limit, within, beyond, value = TABLE[name]
        assert found(within, **{name: limit}) == []
        assert found(beyond, **{name: limit}) == [(name, value)]

    def test_value_as_a_string_is_read(self, name: str) -> None:
        limit, within, beyond, value = TABLE[name]
        as_strings = [
            {field: f" {written} " if isinstance(written, (int, float)) else str(len(written))}
            for analysis in (within, beyond)
            for field, written in analysis.items()
        ]
        assert found(as_strings[0], **{name: limit}) == []
        assert found(as_strings[1], **{name: limit}) == [(name, value)]

    def test_invalid_value_breaks_it(self, name: str) -> None:
        limit, within, _, _ = TABLE[name]
        for invalid in INVALID_VALUES:
            analysis = dict.fromkeys(within, invalid)
            assert found(analysis, **{name: limit}) == [(name, None)], invalid

    def test_missing_value_breaks_it(self, name: str) -> None:
        assert found({}, **{name: TABLE[name][0]}) == [(name, None)]
        (breach,) = breaches({}, Thresholds(**{name: 1}))
        assert str(breach) == f"{name}=1: the analysis does not hold this value"

    def test_unset_threshold_is_not_checked(self, name: str) -> None:
        (other,) = NAMES[:1] if name != NAMES[0] else NAMES[1:2]
        limit, within, _, _ = TABLE[other]
        assert found({**TABLE[name][2], **within}, **{other: limit}) == []

    def test_negative_limit_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"{name} must be a number, 0 or more; got -1"):
            Thresholds(**{name: -1})


@pytest.mark.parametrize("invalid", ["1", -0.01, math.nan, math.inf, True, [1], {}])
def test_invalid_limit_is_refused(invalid: Any) -> None:
    with pytest.raises(ValueError, match="max_broken_links must be a number, 0 or more"):
        Thresholds(max_broken_links=invalid)


def test_no_threshold_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least one threshold: max_broken_links, .*max_oversized_images"):
        Thresholds()


def test_every_broken_threshold_is_reported() -> None:
    limits = {name: limit for name, (limit, _, _, _) in TABLE.items()}
    everything = {field: value for _, _, beyond, _ in TABLE.values() for field, value in beyond.items()}
    assert [name for name, _ in found(everything, **limits)] == NAMES
    assert found({}, **limits) == [(name, None) for name in NAMES]


@pytest.mark.parametrize(
    ("analysis", "count"),
    [
        ({"broken_links": 0, "all_link_list": []}, 0),
        ({"all_link_list": [link("a", broken=False)]}, 0),
        ({"broken_links": 2, "all_link_list": [link("a")]}, 2),
        ({"broken_links": 1, "all_link_list": [link("a"), link("b"), link("c", broken=False)]}, 2),
        ({"all_link_list": [link("a"), link("b", broken=False)]}, 1),
        ({"broken_links": ["a", "b"]}, 2),
        ({"broken_links": ["a", "b"], "all_link_list": [link("c")]}, 2),
        ({"broken_links": "3", "all_link_list": [link("c")]}, 3),
        ({"broken_links": None, "all_link_list": [link("c")]}, 1),
        ({"broken_links": -1, "all_link_list": [link("c")]}, 1),
        ({"broken_links": 1, "all_link_list": "none"}, 1),
    ],
)
def test_higher_of_list_and_count_of_broken_links_counts(analysis: dict[str, Any], count: int) -> None:
    assert found(analysis, max_broken_links=count) == []
    if count:
        assert found(analysis, max_broken_links=count - 1) == [("max_broken_links", count)]


@pytest.mark.parametrize(
    ("analysis", "count"),
    [
        ({"blacklisted_links_found": 1, "blacklisted_links": []}, 1),
        ({"blacklisted_links_found": 0, "blacklisted_links": ["https://bad.example"]}, 1),
        ({"blacklisted_links": ["a", "b"]}, 2),
        ({"blacklisted_links": 3}, 3),
        ({"blacklisted_links_found": "2"}, 2),
    ],
)
def test_higher_of_list_and_count_of_blacklisted_links_counts(analysis: dict[str, Any], count: int) -> None:
    assert found(analysis, max_blacklisted_links=count) == []
    assert found(analysis, max_blacklisted_links=count - 1) == [("max_blacklisted_links", count)]


def test_percentage_is_compared_as_the_service_gives_it() -> None:
    assert found({"spam_keyword_ratio": "3.5%"}, max_spam_keyword_ratio=3) == [
        ("max_spam_keyword_ratio", 3.5)
    ]
    assert found({"spam_keyword_ratio": "3.5 %"}, max_spam_keyword_ratio=4) == []


class TestOffending:
    def test_only_broken_links_are_named(self) -> None:
        analysis = {"broken_links": 2, "all_link_list": [link("a"), link("b", broken=False), link("c")]}
        assert offending(analysis, max_broken_links=0) == ("a", "c")

    def test_broken_links_may_come_from_broken_links_itself(self) -> None:
        analysis = {"broken_links": ["a", {"url": "b"}], "all_link_list": []}
        assert offending(analysis, max_broken_links=0) == ("a", "b")

    def test_links_without_a_state_give_no_value(self) -> None:
        links = [{"link_url": "a"}, {"url": "b", "is_broken": False}, link("c", broken="false"), "d"]
        assert found({"all_link_list": links}, max_broken_links=9) == [("max_broken_links", None)]
        assert found({"all_link_list": links, "broken_links": 1}, max_broken_links=1) == []

    def test_blacklisted_links_are_named(self) -> None:
        analysis = {"blacklisted_links_found": 2, "blacklisted_links": [{"domain": "a"}, {"link_url": "b"}]}
        assert offending(analysis, max_blacklisted_links=0) == ("a", "b")

    def test_spam_words_are_named(self) -> None:
        analysis = {
            "spam_keyword_ratio": 1,
            "spam_keyword_list": ["free", {"keyword": "win"}, {"word": "cash"}],
        }
        assert offending(analysis, max_spam_keyword_ratio=0) == ("free", "win", "cash")

    def test_oversized_images_are_named(self) -> None:
        analysis = {"os_image_list": [{"width": 9000, "image_url": "a.png"}, {"src": "b.png"}, "c.png"]}
        assert offending(analysis, max_oversized_images=0) == ("a.png", "b.png", "c.png")

    def test_item_without_known_field_is_named_by_its_first_string(self) -> None:
        images = [{"bytes": 9, "where": "top"}, {"bytes": 9}, None, 7, [], "", "b.png"]
        (breach,) = breaches({"os_image_list": images}, Thresholds(max_oversized_images=0))
        assert (breach.value, breach.offending) == (7, ("top", "b.png"))

    def test_known_field_names_an_item_before_other_strings(self) -> None:
        images = [{"alt": "our logo", "image_url": "a.png"}]
        assert offending({"os_image_list": images}, max_oversized_images=0) == ("a.png",)

    def test_ratio_names_nothing(self) -> None:
        assert offending({"all_capitalized_word_ratio": 1}, max_capitals_ratio=0) == ()
        assert offending({"text_image_ratio": 0}, min_text_image_ratio=1) == ()

    def test_long_name_is_shortened(self) -> None:
        (breach,) = breaches({"os_image_list": ["data:" + "x" * 5000]}, Thresholds(max_oversized_images=0))
        assert len(str(breach)) < 300


@pytest.mark.parametrize(
    "hostile",
    [
        {"all_link_list": {"0": link("a")}, "broken_links": {"a": "b"}},
        {"all_link_list": [[link("a")]], "broken_links": [None, 1, {"x": {"y": "z"}}, [["a"]]]},
        {"all_link_list": [{"link_is_broken": True}], "broken_links": [{"link_url": 5}]},
        {"spam_keyword_list": "free", "spam_keyword_ratio": "9" * 400},
        {"os_image_list": [{"image_url": {"a": 1}}]},
        {"blacklisted_links": None, "blacklisted_links_found": [None]},
        {"text_image_ratio": ["1"]},
        {5: "five", None: None},
    ],
)
def test_hostile_analysis_is_reported_as_plain_json(hostile: dict[Any, Any]) -> None:
    limits = {name: 0 for name in NAMES if name != "min_text_image_ratio"}
    broken = breaches(hostile, Thresholds(**limits, min_text_image_ratio=1))
    assert broken
    assert all(str(breach).startswith(f"{breach.threshold}=") for breach in broken)
    json.dumps([breach.as_dict() for breach in broken], allow_nan=False)


class TestBreach:
    def test_plain_values_hold_every_field(self) -> None:
        assert Check("max_broken_links", 0, 1.0, ("a",)).as_dict() == {
            "threshold": "max_broken_links",
            "limit": 0,
            "value": 1.0,
            "offending": ["a"],
        }

    @pytest.mark.parametrize(
        ("count", "shown"),
        [
            (0, ""),
            (1, " (0)"),
            (10, " (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"),
            (11, " (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more)"),
            (12, " (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more)"),
        ],
    )
    def test_text_names_ten_items_and_counts_the_rest(self, count: int, shown: str) -> None:
        breach = Check("max_broken_links", 0, 20.0, tuple(map(str, range(count))))
        assert str(breach) == f"max_broken_links=0: found 20{shown}"

    def test_plain_values_hold_up_to_a_hundred_items(self) -> None:
        breach = Check("max_broken_links", 0, 101.0, ("x" * 201,) * 101)
        assert breach.as_dict()["offending"] == ["x" * 200] * 100


class TestLinksThatDoNotCount:
    @pytest.mark.parametrize(
        "url",
        [
            "{unsubscribe_link}",
            "{{unsubscribe_link}}",
            "%7B%7Bunsubscribe_link%7D%7D",
            "*|UNSUB|*",
            "%%unsubscribe%%",
            "[unsubscribe_link]",
            "http://{unsubscribe_link}",
            "https://{{domain}}/x",
            "https://base.example/{unsubscribe_link}",
        ],
    )
    def test_placeholder_is_no_broken_link(self, url: str) -> None:
        analysis = {"broken_links": 2, "all_link_list": [link(url), link("https://example.com/gone")]}
        assert offending(analysis, max_broken_links=0) == ("https://example.com/gone",)
        assert found(analysis, max_broken_links=1) == []
        assert found({"broken_links": [url]}, max_broken_links=0) == []

    @pytest.mark.parametrize(
        "url", ["https://example.com/{{slug}}/x", "https://example.com/?u={{id}}", "/gone", "#"]
    )
    def test_link_with_a_merge_tag_in_it_counts(self, url: str) -> None:
        assert found({"all_link_list": [link(url)]}, max_broken_links=0) == [("max_broken_links", 1)]

    def test_blacklisted_domain_counts_with_a_merge_tag_as_its_path(self) -> None:
        urls = ["https://bad.example/{{x}}", "{unsubscribe_link}"]
        analysis = {"blacklisted_links_found": 2, "blacklisted_links": urls}
        assert found(analysis, max_blacklisted_links=0) == [("max_blacklisted_links", 1)]

    @pytest.mark.parametrize(
        ("pattern", "url", "is_ignored"),
        [
            ("https://example.com/a", "https://example.com/a", True),
            ("https://example.com", "https://Example.com/", True),
            ("https://example.com/*", "https://example.com/a?b=[c]", True),
            ("*.example.com/*", "https://www.example.com/x", True),
            ("https://example.com/?a=1", "https://example.com/?a=1", True),
            ("https://example.com/[a]", "https://example.com/a", False),
            ("https://example.com/a", "https://example.com/ab", False),
            ("https://example.com/?a", "https://example.com/xa", False),
        ],
    )
    def test_ignored_link_counts_neither_as_broken_nor_blacklisted(
        self, pattern: str, url: str, is_ignored: bool
    ) -> None:
        analysis = {"all_link_list": [link(url)], "blacklisted_links": [url], "blacklisted_links_found": 1}
        thresholds = Thresholds(max_broken_links=0, max_blacklisted_links=0)
        assert len(breaches(analysis, thresholds, ignore_links=[pattern])) == (0 if is_ignored else 2)

    def test_count_of_the_service_is_lowered_by_ignored_links_only(self) -> None:
        links = [link("{a}"), link("{b}", broken=False), link("https://example.com")]
        assert found({"broken_links": 5, "all_link_list": links}, max_broken_links=0) == [
            ("max_broken_links", 4)
        ]
