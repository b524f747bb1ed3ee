"""Which strings are merge tags, which URLs are placeholders, and what looks like HTML."""

from __future__ import annotations

import time

import pytest

from airflow_provider_campaigns.rules.merge_tags import (
    DIALECTS,
    is_merge_tag,
    is_placeholder,
    is_resolved_placeholder,
    looks_like_html,
    merge_tags,
    tag_spans,
)

EXAMPLES = [example for dialect in DIALECTS for example in dialect.examples]


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in tag_spans(text)]


class TestMergeTags:
    @pytest.mark.parametrize("tag", EXAMPLES)
    def test_tag_of_every_dialect_is_found_whole(self, tag: str) -> None:
        assert found(f"Hi {tag}, bye") == [tag]

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
            "[FNAME]",
            "[Your Name]",
            "[first_name]",
            "[unsubscribe]",
            "%firstname%",
            "%email%",
            "##first_name##",
            "#Company#",
            "$First Name$",
            "-unsubscribe_link-",
            "-firstName-",
            "<<Job Title>>",
            "<<email>>",
            "&lt;&lt;Plan_Name&gt;&gt;",
            "{contactfield=firstname|Friend}",
            "%%FirstName%%",
            "@{u}",
        ],
    )
    def test_tag_seen_in_public_mails_is_found_whole(self, tag: str) -> None:
        assert found(f'<a href="{tag}">') == [tag]

    @pytest.mark.parametrize("tag", ["[offer]", "-shop-", "%offer%", "#TOP_DEAL#", "$shop$"])
    @pytest.mark.parametrize("link", ['<a HREF="{}">', "<a href = '{}' >", "<a href={}>"])
    def test_tag_of_any_name_is_found_as_a_whole_link(self, tag: str, link: str) -> None:
        assert found(link.format(tag)) == [tag]
        assert not merge_tags(f"{tag} <a href='/{tag}'>")
        assert is_merge_tag(tag)

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
            "[offer] [1] [email protected] [x@y.z]",
            "-x- first-name-last /company-name-change --name-- <!--name--> phone-email-web",
            "%name%20 100%name%25 50% email 10% of %emails%",
            "?fields[email]=x&lead[0][first_name]=y",
            "#1 #name #email#2 #SALE#NEW# ###",
            "$5$ US$name$x $$name$$ $offer$",
            "&lt;&lt; back &gt;&gt; <<b>> a<<b>>c &lt;&lt;back&gt;&gt;",
            "me@{} {field=x} {a=b}",
            '<a href="[1]"><a href="#top"><a href="-"><a href="/a-name-b">',
            "<a href='[offer]/x'><a href=\"-offer-x\">",
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
            ("<<First Name>>", "&lt;&lt;First Name&gt;&gt;"),
            ("{{pre\u0301nom}}", "{{prénom}}"),
            (
                "{{RANDOM|Hi there|{{ a }} ❤\ufe0f Don\u2019t}}",
                "{{ RANDOM | Hi\n there | {{a}} <i>❤</i> Don't }}",
            ),
            ("{Hi|Don\u2019t <b>}", "{Hi |Don't <b>}"),
            ("{%- if a -%}", "{%-if a-%}"),
        ],
    )
    def test_spelling_of_a_tag_does_not_count(self, one: str, other: str) -> None:
        assert merge_tags(one) == merge_tags(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("{{firstName}}", "{{<span>firstName</span>}}"),
            ("{{firstName}}", "{{first\u200bName}}"),
            ("{{firstName}}", "{{first&shy;Name}}"),
            ("{{firstName}}", "{{\ufefffirstName}}"),
            ("{{lead.First Name}}", "{{lead.FirstName}}"),
            ("{First Name}", "{FirstName}"),
            ("{{RANDOM | Hi there | Hello}}", "{{RANDOM|Hithere|Hello}}"),
            ("{{RANDOM | Hi {{a}} | Hello}}", "{{RANDOM | Hi {{<b>a</b>}} | Hello}}"),
            ("{{RANDOM | Hi | Hello}}", "{{<b>RANDOM</b> | Hi | Hello}}"),
            ("{Hi {{a b}}|Hello}", "{Hi {{ab}}|Hello}"),
            ('{{x | default: "y"}}', "{{x | default: “y”}}"),
            ("{% if a == 'b' %}", "{% if a == \u2018b\u2019 %}"),
            ("<unsubscribe>", "<unsubscribe a>"),
        ],
    )
    def test_tag_that_the_program_would_not_find_is_another(self, one: str, other: str) -> None:
        assert merge_tags(one)
        assert merge_tags(one) != merge_tags(other)

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
            "@{a",
            "{field=",
            "[name",
            "-unsub",
            "%your name",
            "#a#",
            "$first name",
            "<<A B ",
            "&lt;&lt;A_",
            "##a",
            "href= [a",
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
            "[unsubscribe]",
            "-unsub-",
            "%5Bunsubscribe%5D",
            "#offer#",
            "www.{{domain}}.com",
            "https://www.{{domain}}.com/path",
            "https://{{company}}-[name].example.com",
            "mailto:sales@{{domain}}",
            "https://##DOMAIN##/",
        ],
    )
    def test_url_without_a_known_host_is_a_placeholder(self, url: str) -> None:
        assert is_placeholder(url)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "#",
            "https://example.com/",
            "https://example.com/{{slug}}?u={{id}}",
            "mailto:a@b.c",
            "/{x",
            "#top",
            "[1]",
            "page-{{id}}.html",
            "www.example.com/{{slug}}",
            "https://example.com?u={{id}}",
            "https://example.com#{{id}}",
            "/u/[email]",
            "https://example.com/-unsub-",
        ],
    )
    def test_url_with_a_host_is_no_placeholder(self, url: str) -> None:
        assert not is_placeholder(url)

    @pytest.mark.parametrize(
        ("url", "is_resolved"),
        [
            ("https://base.example/{unsubscribe_link}", True),
            ("https://base.example/{{TRACK:https://example.com/a}}", True),
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
