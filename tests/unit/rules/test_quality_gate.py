from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_campaigns.rules.quality_gate import Breach, Thresholds, breaches

NAMES = [each.name for each in fields(Thresholds)]


def link(url: str, *, broken: Any = True) -> dict[str, Any]:
    return {"link_url": url, "link_status": "404", "link_is_broken": broken}


def found(analysis: Any, **thresholds: float) -> list[tuple[str, float | None]]:
    return [(breach.threshold, breach.value) for breach in breaches(analysis, Thresholds(**thresholds))]


def offending(analysis: Any, **thresholds: float) -> tuple[str, ...]:
    (breach,) = breaches(analysis, Thresholds(**thresholds))
    return breach.offending


# What each threshold reads: an analysis that is at the limit, one that is beyond it, and the figure there.
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


def test_the_table_names_every_threshold() -> None:
    assert list(TABLE) == NAMES


@pytest.mark.parametrize("name", TABLE)
class TestEveryThreshold:
    def test_allows_what_is_at_its_limit_and_not_what_is_beyond(self, name: str) -> None:
        limit, within, beyond, figure = TABLE[name]
        assert found(within, **{name: limit}) == []
        assert found(beyond, **{name: limit}) == [(name, figure)]

    def test_reads_a_figure_that_was_written_as_text(self, name: str) -> None:
        limit, within, beyond, figure = TABLE[name]
        as_text = [
            {member: f" {value} " if isinstance(value, (int, float)) else str(len(value))}
            for analysis in (within, beyond)
            for member, value in analysis.items()
        ]
        assert found(as_text[0], **{name: limit}) == []
        assert found(as_text[1], **{name: limit}) == [(name, figure)]

    @pytest.mark.parametrize(
        "nonsense",
        [None, True, False, "", "n/a", "0,1", math.nan, math.inf, "nan", "inf", {}, {"count": 0}, -1, "-1"],
    )
    def test_is_broken_by_what_is_no_figure(self, name: str, nonsense: Any) -> None:
        limit, within, _, _ = TABLE[name]
        analysis = dict.fromkeys(within, nonsense)
        assert found(analysis, **{name: limit}) == [(name, None)]

    def test_is_broken_by_a_missing_figure(self, name: str) -> None:
        assert found({}, **{name: TABLE[name][0]}) == [(name, None)]
        (breach,) = breaches({}, Thresholds(**{name: 1}))
        assert str(breach) == f"{name}=1: the analysis does not hold the figure"

    def test_is_not_checked_where_it_is_not_set(self, name: str) -> None:
        (other,) = NAMES[:1] if name != NAMES[0] else NAMES[1:2]
        limit, within, _, _ = TABLE[other]
        assert found({**TABLE[name][2], **within}, **{other: limit}) == []

    @pytest.mark.parametrize("bad", ["1", -1, -0.01, math.nan, math.inf, True, [1], {}])
    def test_has_to_be_a_number_from_zero_on(self, name: str, bad: Any) -> None:
        with pytest.raises(ValueError, match=rf"{name} must be a number from 0 on"):
            Thresholds(**{name: bad})


def test_at_least_one_threshold_has_to_be_set() -> None:
    with pytest.raises(ValueError, match=r"at least one threshold: max_broken_links, .*max_oversized_images"):
        Thresholds()


def test_all_that_is_wrong_is_told_at_once() -> None:
    limits = {name: limit for name, (limit, _, _, _) in TABLE.items()}
    everything = {member: value for _, _, beyond, _ in TABLE.values() for member, value in beyond.items()}
    assert [name for name, _ in found(everything, **limits)] == NAMES
    assert found({}, **limits) == [(name, None) for name in NAMES]


@pytest.mark.parametrize(
    ("analysis", "count"),
    [
        ({"broken_links": 0, "all_link_list": []}, 0),
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
def test_where_a_list_and_a_count_disagree_about_broken_links_the_worse_one_counts(
    analysis: dict[str, Any], count: int
) -> None:
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
def test_where_a_list_and_a_count_disagree_about_blacklisted_links_the_worse_one_counts(
    analysis: dict[str, Any], count: int
) -> None:
    assert found(analysis, max_blacklisted_links=count) == []
    assert found(analysis, max_blacklisted_links=count - 1) == [("max_blacklisted_links", count)]


def test_a_percentage_is_read_as_the_service_gives_it() -> None:
    assert found({"spam_keyword_ratio": "3.5%"}, max_spam_keyword_ratio=3) == [
        ("max_spam_keyword_ratio", 3.5)
    ]
    assert found({"spam_keyword_ratio": "3.5 %"}, max_spam_keyword_ratio=4) == []


class TestWhatIsToBeRepaired:
    def test_broken_links_are_named_and_good_ones_are_not(self) -> None:
        analysis = {"broken_links": 2, "all_link_list": [link("a"), link("b", broken=False), link("c")]}
        assert offending(analysis, max_broken_links=0) == ("a", "c")

    def test_broken_links_are_named_by_the_other_list_where_there_is_only_that(self) -> None:
        analysis = {"broken_links": ["a", {"url": "b"}], "all_link_list": []}
        assert offending(analysis, max_broken_links=0) == ("a", "b")

    def test_links_of_which_nobody_says_whether_they_work_are_no_figure(self) -> None:
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

    def test_what_has_no_known_name_is_named_by_its_first_text_and_else_not_at_all(self) -> None:
        images = [{"bytes": 9, "where": "top"}, {"bytes": 9}, None, 7, [], ""]
        (breach,) = breaches({"os_image_list": images}, Thresholds(max_oversized_images=0))
        assert (breach.value, breach.offending) == (6, ("top",))

    def test_a_ratio_names_nothing(self) -> None:
        assert offending({"all_capitalized_word_ratio": 1}, max_capitals_ratio=0) == ()
        assert offending({"text_image_ratio": 0}, min_text_image_ratio=1) == ()

    def test_ten_are_told_and_the_rest_is_counted(self) -> None:
        (breach,) = breaches(
            {"broken_links": [f"https://example.com/{number}" for number in range(12)]},
            Thresholds(max_broken_links=1),
        )
        assert str(breach).startswith("max_broken_links=1: found 12 (https://example.com/0, https://")
        assert str(breach).endswith("https://example.com/9 and 2 more)")
        assert len(breach.as_dict()["offending"]) == 12

    def test_a_long_one_is_told_in_part(self) -> None:
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
def test_whatever_an_analysis_holds_it_is_judged_and_told(hostile: dict[Any, Any]) -> None:
    limits = {name: 0 for name in NAMES if name != "min_text_image_ratio"}
    told = breaches(hostile, Thresholds(**limits, min_text_image_ratio=1))
    assert told
    assert all(str(breach).startswith(f"{breach.threshold}=") for breach in told)
    json.dumps([breach.as_dict() for breach in told], allow_nan=False)


def test_a_breach_is_told_as_plain_values() -> None:
    assert Breach("max_broken_links", 0, 1.0, ("a",)).as_dict() == {
        "threshold": "max_broken_links",
        "limit": 0,
        "value": 1.0,
        "offending": ["a"],
    }
    assert str(Breach("max_broken_links", 0, 1.0, ("a",))) == "max_broken_links=0: found 1 (a)"
