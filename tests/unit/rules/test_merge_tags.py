"""Which strings are merge tags, which URLs are placeholders, and what looks like HTML."""

from __future__ import annotations

import time

import pytest

from airflow_provider_campaigns.rules.merge_tags import (
    DIALECTS,
    MERGE_TAG,
    is_placeholder,
    is_resolved_placeholder,
    looks_like_html,
    merge_tags,
)

EXAMPLES = [example for dialect in DIALECTS for example in dialect.examples]


class TestMergeTags:
    @pytest.mark.parametrize("tag", EXAMPLES)
    def test_tag_of_every_dialect_is_found_whole(self, tag: str) -> None:
        assert [match.group() for match in MERGE_TAG.finditer(f"Hi {tag}, bye")] == [tag]

    @pytest.mark.parametrize(
        "tag",
        [
            "{{ first_name | default: 'there' }}",
            "{{first_name|default:&quot;there&quot;}}",
            "{{RANDOM | Hi {{firstName}} | Hello }}",
            "{{${first_name}}}",
            "{{#if city}}",
            "{{> footer}}",
            "{{TRACK:https://example.com/a?b=c}}",
            "{%- if a % 2 -%}",
            "{% if a < b %}",
            "{%%UNSUBSCRIBE%%}",
            "*|IFNOT:ARCHIVE_PAGE|*",
            "*|DATE:d/m/y|*",
            "{Hi {{firstName}}|Hello|Hey}",
            "[[data:firstname:there]]",
            "[link:subscription_unsubscribe_url]",
            "</unsubscribe>",
        ],
    )
    def test_tag_seen_in_public_mails_is_found_whole(self, tag: str) -> None:
        assert [match.group() for match in MERGE_TAG.finditer(f'<a href="{tag}">')] == [tag]

    def test_adjacent_tags_are_counted_individually(self) -> None:
        assert list(merge_tags("*|IFNOT:A|**|LIST:B|**|END:IF|*")) == [
            "*|IFNOT:A|*",
            "*|LIST:B|*",
            "*|END:IF|*",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "https://example.com/f%C3%BCr%20dich/%D0%BF%D1%80",
            "/caf%E2%80%99s-guide%20/%ABc%20",
            'width="100%" height="50%"',
            "5%% and 6%%",
            "me@Example.com @home",
            "<!--[if mso]><![endif]-->",
            "[sic] [1] {} {{}} {1}",
            "{{firstName",
        ],
    )
    def test_text_that_only_resembles_a_tag_is_none(self, text: str) -> None:
        assert not merge_tags(text)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("{{firstName}}", "{{ firstName }}"),
            ("{{a|default:'b'}}", "{{a | default: &quot;b&quot;}}"),
            ("{{RANDOM | <b>Hi</b> | Hey}}", "{{RANDOM | Hi | Hey}}"),
            ("{{first name}}", "{{first\xa0name}}"),
        ],
    )
    def test_spelling_of_a_tag_does_not_count(self, one: str, other: str) -> None:
        assert merge_tags(one) == merge_tags(other)

    def test_search_is_linear_in_hostile_text(self) -> None:
        units = [
            "{",
            "{{a",
            "{{a{b}",
            "{%",
            "{%a",
            "<%",
            "%%a",
            "{a|",
            "[[",
            "*|",
            "${",
            "{{{",
            "{{{a}",
            "[a_",
            "~a.",
        ]
        source = "\n".join(unit * (5_000_000 // len(units) // len(unit)) for unit in units)
        started = time.process_time()
        merge_tags(source)
        assert time.process_time() - started < 20


class TestPlaceholder:
    @pytest.mark.parametrize(
        "url",
        [
            *(example for example in EXAMPLES if " " not in example),
            "%7Bunsubscribe_link%7D",
            "%7B%7Bunsubscribe_link%7D%7D",
            "*%7CUNSUB%7C*",
            "http://{unsubscribe_link}",
            "https://{{domain}}/path",
            "http:///{unsubscribe_link}",
            "{{base_url}}/path?a=b",
            "mailto:{{email}}",
            " {unsubscribe_link} ",
        ],
    )
    def test_url_without_a_known_host_is_a_placeholder(self, url: str) -> None:
        assert is_placeholder(url)

    @pytest.mark.parametrize(
        "url",
        ["", "#", "https://example.com/", "https://example.com/{{slug}}?u={{id}}", "mailto:a@b.c", "/{x"],
    )
    def test_url_with_a_host_is_no_placeholder(self, url: str) -> None:
        assert not is_placeholder(url)

    @pytest.mark.parametrize(
        ("url", "is_resolved"),
        [
            ("https://base.example/{unsubscribe_link}", True),
            ("https://base.example/%7Bunsubscribe_link%7D", True),
            ("https://base.example/u/{{id}}", False),
            ("https://base.example/", False),
            ("{unsubscribe_link}", False),
        ],
    )
    def test_path_that_is_a_tag_is_a_resolved_placeholder(self, url: str, is_resolved: bool) -> None:
        assert is_resolved_placeholder(url) is is_resolved


class TestLooksLikeHtml:
    @pytest.mark.parametrize(
        "text", ["<p>", "Hi<br/>", "<!DOCTYPE html>", "<!-- x --><P>", "<td class='a'>", "a<b>"]
    )
    def test_text_with_an_element_is_html(self, text: str) -> None:
        assert looks_like_html(text)

    @pytest.mark.parametrize(
        "text",
        ["newsletter.html", "s3://bucket/a.html", "None", "", "a < b > c", "Ann <ann@example.com>", "<https://a.b>",
         "{{ html }}", "<unknown>"],
    )  # fmt: skip
    def test_text_without_an_element_is_not_html(self, text: str) -> None:
        assert not looks_like_html(text)
