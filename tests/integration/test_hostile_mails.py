"""HTML that is made to take long is compared in bounded time."""

from __future__ import annotations

import time

import pytest

from airflow_provider_campaigns.rules.html import same_meaning
from airflow_provider_campaigns.rules.html_losses import losses


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "<",
        "{{a}}",
        "<div>",
        "<style>",
        "<title>",
        "<!--",
        '<a href="{{x}}">',
        "<a {{x}} ",
        "<a b='",
        "%7B",
        "&",
        "</p>",
        "{{a}} b ",
        "<style>.a{display:none}</style><p class=a>",
    ],
)
def test_hostile_html_is_compared_in_bounded_time(unit: str) -> None:
    # Quadratic behaviour takes minutes at this size already.
    source = unit * (200_000 // len(unit))
    started = time.process_time()
    losses(source, f"{source} x")
    same_meaning(source, f"{source} x")
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        ('<p style="', "a-"),
        ('<p style="', "margin-top:0;margin:0;"),
        ('<a href="https://xn--a-', "zz9"),
        ("<style>", "{"),
        ("{{RANDOM|", "{{a}} "),
    ],
)
def test_hostile_value_is_compared_in_bounded_time(start: str, unit: str) -> None:
    source = start + unit * (1_000_000 // len(unit)) + '}}">x'
    started = time.process_time()
    losses(source, f"{source} x")
    same_meaning(source, f"{source} x")
    assert time.process_time() - started < 30


def test_hostile_html_of_megabytes_is_compared_in_bounded_time() -> None:
    source = "{" * 1_000_000 + "<" * 1_000_000
    started = time.process_time()
    losses(source, f"{source} x")
    assert time.process_time() - started < 60


def test_many_losses_are_found_in_bounded_time() -> None:
    source = "".join(f'<a href="/{n}">{{{{t{n}}}}} w{n}</a>' for n in range(20_000))
    started = time.process_time()
    assert len(losses(source, "<p>x</p>")) == 40_001
    assert time.process_time() - started < 30
