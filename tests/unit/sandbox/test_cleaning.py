"""What cleaning takes out, what it changes, and what it must never touch."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.sandbox.campaign_cleaner.cleaning import clean

OUTLOOK = "<!--[if mso]>\n<table   class='x'><tr onclick='y'><td><![endif]-->"
NOT_OUTLOOK = "<!--[if !mso]><!-->\n<b>shown</b><!--<![endif]-->"


@pytest.mark.parametrize(
    ("submitted", "cleaned"),
    [
        ("<p>a<!-- note -->b</p>", "<p>ab</p>"),
        ("<p>a<script>if (a < b) alert('<p>')</script>b</p>", "<p>ab</p>"),
        ("<script src='x.js'></script>b", "b"),
        ("<p ONCLICK='x()' style=\"color:red\">a</p>", '<p style="color:red">a</p>'),
        ("<a href='JavaScript:alert(1)' title=t>a</a>", '<a title="t">a</a>'),
        ("<a href='java\nscript&colon;x'>a</a>", "<a>a</a>"),
        ("<p class=a id=b align=center>a</p>", '<p align="center">a</p>'),
        ("AT&T &amp; &copy; &#8212; a&b=c", "AT&T &amp; &copy; &#8212; a&b=c"),
        ('<a href="/?a=1&b=2&amp;c=3">x</a>', '<a href="/?a=1&b=2&amp;c=3">x</a>'),
        ("<img alt=''><input disabled>", '<img alt=""><input disabled>'),
        ("<a title='say \"hi\"'>x</a>", "<a title='say \"hi\"'>x</a>"),
        ("<!DOCTYPE html><html><body>x</body></html>", "<!DOCTYPE html><html><body>x</body></html>"),
        ("caf\u00e9 \u201cna\u00efve\u201d \u2014 ok", 'cafe "naive" - ok'),
        ("\u4f60\u597d \U0001f600 \u20ac", "\u4f60\u597d \U0001f600 \u20ac"),
        ("a\u200bb\x07c", "abc"),
    ],
)
def test_html_is_cleaned(submitted: str, cleaned: str) -> None:
    assert clean(submitted, {}) == cleaned


@pytest.mark.parametrize(
    "kept",
    [
        "Hello {{firstName}}",
        "{{RANDOM|caf\u00e9|{{ companyName }}}}",
        "{{#if a && b}}x  {{/if}}",
        "{% if a < b %}x{% endif %}",
        "*|FNAME|*",
        '<a href="{{unsubscribe_url | default: "x"}}">x</a>',
        "<td {{rowStyle}}>x</td>",
        OUTLOOK,
        NOT_OUTLOOK,
        "<![if !mso]><b>x</b><![endif]>",
    ],
)
@pytest.mark.parametrize("minimize", [False, True])
def test_merge_tags_and_conditional_comments_are_kept(kept: str, *, minimize: bool) -> None:
    if minimize:
        kept = kept.replace("x  {{", "x {{").replace("<!-->\n<b>", "<!--> <b>")
    assert kept in clean(f"<div>{kept}</div>", {"remove_successive_punctuation": True}, minimize=minimize)


def test_conditional_content_is_cleaned_too() -> None:
    shown = NOT_OUTLOOK.replace("<b>", "<script>x()</script><b onclick='y'>")
    assert clean(shown, {}) == NOT_OUTLOOK


@pytest.mark.parametrize(
    ("submitted", "squeezed"),
    [
        ("<p>\n  a   b\n  <b>c</b> <i>d</i>\n</p>\n\n<p> e </p>", "<p>a b <b>c</b> <i>d</i></p><p>e</p>"),
        ("<table>\n <tr>\n  <td>a</td>\n </tr>\n</table>", "<table><tr><td>a</td></tr></table>"),
        ("<pre>a\n  b</pre> <textarea>c\n\n d</textarea>", "<pre>a\n  b</pre> <textarea>c\n\n d</textarea>"),
        ("<style>\n a  { b: c }\n</style>", "<style>\n a  { b: c }\n</style>"),
        ("a\u00a0\u00a0b&nbsp; c", "a b&nbsp; c"),
    ],
)
def test_white_space_is_minimized(submitted: str, squeezed: str) -> None:
    assert clean(submitted, {}, minimize=True) == squeezed


@pytest.mark.parametrize(
    ("settings", "submitted", "cleaned"),
    [
        ({"remove_comments": False}, "a<!-- b -->c", "a<!-- b -->c"),
        ({"remove_classes_and_ids": False}, '<p class="a" id="b">c</p>', '<p class="a" id="b">c</p>'),
        ({"remove_successive_punctuation": True}, "Now!!!! {{a}} ok...", "Now! {{a}} ok."),
        (
            {"replace_diacritics": False, "replace_non_ascii_characters": False},
            "\u00e9\u2014",
            "\u00e9\u2014",
        ),
        ({"remove_control_non_printable": False}, "a\u200bb", "a\u200bb"),
        ({"remove_image_height": True}, "<img height=1 width=2>", '<img width="2">'),
        ({"image_max_width": 600}, "<img src=a>", '<img src="a" style="max-width:600px">'),
        (
            {"set_image_max_width": 600},
            "<img style='border:0;'>",
            '<img style="border:0;max-width:600px">',
        ),
        (
            {"convert_h_to_p_tags": True},
            "<h2>a</h2>",
            '<p style="font-size:24px;font-weight:bold">a</p>',
        ),
        (
            {"relative_links_base_url": "https://x.test/a/"},
            "<a href=b>c</a><a href='{{url}}'>d</a><a href='#e'>f</a>",
            '<a href="https://x.test/a/b">c</a><a href="{{url}}">d</a><a href="#e">f</a>',
        ),
    ],
)
def test_settings_are_applied(settings: dict[str, Any], submitted: str, cleaned: str) -> None:
    assert clean(submitted, settings) == cleaned


@pytest.mark.parametrize(
    "broken", ["<", "<p", "<!--", "<![", "<script>", "{{", "&", "</", "<a b='", "\ue0000\ue001"]
)
def test_broken_html_is_no_error(broken: str) -> None:
    assert "\ue000" not in clean(f"<p>a</p>{broken}", {})
