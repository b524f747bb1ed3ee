"""What the second of two versions of a mail lost."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.rules.html import Html
from airflow_provider_campaigns.rules.html_losses import losses


def lost(before: str, after: str) -> list[str]:
    return [str(each) for each in losses(before, after)]


LOST: dict[str, tuple[str, str, list[str]]] = {
    "text": ("<p>Hi Ann</p>", "<p>Hi</p>", ["text 'Ann'"]),
    "text outside elements": ("Hi <p>there</p>", "<p>there</p>", ["text 'Hi'"]),
    "emoji": ("<p>a 🌷</p>", "<p>a</p>", ["text '🌷'"]),
    "accent": ("<p>café</p>", "<p>cafe</p>", ["text 'café'"]),
    "link": ('<a href="https://a.b/c">x</a>', "<a>x</a>", ["link https://a.b/c"]),
    "one of two links": (
        '<a href="/c">x</a><a href="/c">y</a>', '<a href="/c">x</a>y', ["link /c (2 before, 1 now)"],
    ),
    "target of a link": (
        '<a href="/a">Buy <b>it</b></a>', '<a href="/b">Buy it</a>', ["link /a ('Buy it' leads to /b now)"],
    ),
    "target of one of two links": (
        '<a href="/a">x</a><a href="/a">y</a>', '<a href="/a">x</a><a href="/b">y</a>',
        ["link /a ('y' leads to /b now; 2 before, 1 now)"],
    ),
    "swapped links": (
        '<a href="/a">x</a><a href="/b">y</a>', '<a href="/b">x</a><a href="/a">y</a>',
        ["link /a ('x' leads to /b now)", "link /b ('y' leads to /a now)"],
    ),
    "swapped links with the same text": (
        '<p>a <a href="/a">more</a></p><p>b <a href="/b">more</a></p>',
        '<p>a <a href="/b">more</a></p><p>b <a href="/a">more</a></p>',
        ["link /a ('more' leads to /b now)", "link /b ('more' leads to /a now)"],
    ),
    "swapped links beside a new one": (
        '<a href="/a">x</a> <a href="/b">y</a>', '<a href="/c">z</a> <a href="/b">x</a> <a href="/a">y</a>',
        ["link /a ('x' leads to /b now)", "link /b ('y' leads to /a now)"],
    ),
    "link beside another one with the same text": (
        '<a href="/a">x</a> <a href="/b">x</a>', '<a href="/c">y</a> <a href="/a">x</a> <a href="/d">x</a>',
        ["link /b ('x' leads to /d now)"],
    ),
    "swapped links of images": (
        '<a href="/a"><img src="1" alt="Shop"></a><a href="/b"><img src="2"></a>',
        '<a href="/b"><img src="1" alt="Shop"></a><a href="/a"><img src="2"></a>',
        ["link /a ('Shop' leads to /b now)", "link /b ('2' leads to /a now)"],
    ),
    "link of an image with a tag": (
        '<a href="/a"><img src="{{b}}/c"></a>', '<a href="/d"><img src="{{b}}/c"></a>',
        ["link /a ('{{b}}/c' leads to /d now)"],
    ),
    "link of two images": (
        '<a href="/a"><img alt="Big"><img alt="Shop"></a>',
        '<a href="/b"><img alt="Big"><img alt="Shop"></a>',
        ["link /a ('Big Shop' leads to /b now)"],
    ),
    "link of an image without a source": (
        '<a href="/a"><img></a>', '<a href="/b"><img></a>', ["link /a"],
    ),
    "link of a symbol": ('<a href="/a">→</a>', '<a href="/b">→</a>', ["link /a ('→' leads to /b now)"]),
    "link inside a sentence": (
        '<a href="/a">Buy <b>it</b> now</a> or go', '<a href="/b">Buy <b>it</b> now</a> or go',
        ["link /a ('Buy it now' leads to /b now)"],
    ),
    "link beside one that moved": (
        '<a href="/a">x</a> <a href="/b">x</a>', '<a href="/c">y</a> <a href="/d">x</a> <a href="/a">x</a>',
        ["link /b ('x' leads to /d now)"],
    ),
    "link of an image map": (
        '<map><area href="/a"></map><p>x</p>', "<map><area></map><p>x</p>", ["link /a"],
    ),
    "link through another site": (
        '<a href="https://a.b/c">x</a>', '<a href="https://d.e/https://a.b/c">x</a>',
        ["link https://a.b/c ('x' leads to https://d.e/https://a.b/c now)"],
    ),
    "link swapped with a tag": (
        '<a href="/a">x</a><a href="{{u}}">y</a>', '<a href="{{u}}">x</a><a href="/a">y</a>',
        ["link /a ('x' leads to {{u}} now)", "link {{u}} ('y' leads to /a now)"],
    ),
    "swapped paragraphs": ("<p>a b</p><p>c</p>", "<p>c</p><p>a b</p>", ["text 'c' (in another order now)"]),
    "swapped tags": ("<p>{{a}} {{b}}</p>", "<p>{{b}} {{a}}</p>", ["merge tag {{b}} (it is elsewhere now)"]),
    "swapped tags in a condition": (
        "<p>{% if a %}{{b}} {{c}}{% endif %}</p>", "<p>{% if a %}{{c}} {{b}}{% endif %}</p>",
        ["merge tag {{c}} (it is elsewhere now)"],
    ),
    "image": ('<p>x</p><img src="a.png">', "<p>x</p>", ["image a.png"]),
    "other image": ('<p>x</p><img src="a.png">', '<p>x</p><img src="b.png">', ["image a.png"]),
    "tag in text": ("<p>Hi {{firstName}}</p>", "<p>Hi</p>", ["merge tag {{firstName}} (in text)"]),
    "tag in an attribute": (
        '<a href="{{u}}">x</a>', "<a>x</a>", ["merge tag {{u}} (in href of <a>)"],
    ),
    "tag in two places": (
        '<a href="{{u}}">{{u}}</a> x', "<a></a> x", ["merge tag {{u}} (in href of <a>, text)"],
    ),
    "tag in many places": (
        '<a href="{{u}}">{{u}}</a><img alt="{{u}}"><!-- {{u}} --> x', "<a></a><img> x",
        ["merge tag {{u}} (in href of <a>, text and 2 more places)"],
    ),
    "tag in the title": ("<title>{name}</title><p>a</p>", "<p>a</p>", ["merge tag {name} (in <title>)"]),
    "tag in a style of an Outlook comment": (
        "<!--[if mso]><style>a{b:{{c}}}</style><![endif]--><p>a</p>", "<p>a</p>",
        ["merge tag {{c}} (in <style>)"],
    ),
    "encoded tag": (
        '<a href="{{u}}">x</a>', '<a href="%7B%7Bu%7D%7D">x</a>',
        ["merge tag {{u}} (in href of <a>; URL-encoded now)"],
    ),
    "encoded tag with spaces": (
        '<a href="/{{ u }}">x</a>', '<a href="/{{%20u%20}}">x</a>',
        ["merge tag {{ u }} (in href of <a>; URL-encoded now)"],
    ),
    "tag encoded in small letters": (
        "<a href={{{u}}}>x</a>", "<a href=%7b%7b%7bu%7d%7d%7d>x</a>",
        ["merge tag {{{u}}} (in href of <a>; URL-encoded now)"],
    ),
    "encoded tag in a query": (
        '<a href="/?a=###u###&b={u}">x</a>', '<a href="/?a=%23%23%23u%23%23%23&amp;b=%7Bu%7D">x</a>',
        [
            "merge tag ###u### (in href of <a>; URL-encoded now)",
            "merge tag {u} (in href of <a>; URL-encoded now)",
        ],
    ),
    "tag encoded twice": (
        '<a href="/?a={{u}}">x</a>', '<a href="/?a=%257B%257Bu%257D%257D">x</a>',
        [
            "merge tag {{u}} (in href of <a>; URL-encoded now)",
            "link /?a={{u}} ('x' leads to /?a=%257B%257Bu%257D%257D now)",
        ],
    ),
    "tag as entities": (
        "<p>{{u}}</p>", "<p>&#123;&#123;u&#125;&#125;</p>",
        ["merge tag {{u}} (in text; its braces are written as entities now)"],
    ),
    "one of two tags": (
        "<p>{{a}}</p><p>{{a}}</p>", "<p>{{a}}</p><p></p>", ["merge tag {{a}} (in text; 2 before, 1 now)"],
    ),
    "loop moved out of a table": (
        "<table>{% for a in b %}<tr><td>{{a}}</td></tr>{% endfor %}</table>",
        "{% for a in b %}{% endfor %}<table><tr><td>{{a}}</td></tr></table>",
        ["merge tag {% for a in b %} (it is elsewhere now)"],
    ),
    "condition moved in comments": (
        "<p>a</p><!-- *|IF:B|* --><p>b</p><!-- *|END:IF|* -->",
        "<!-- *|IF:B|* --><!-- *|END:IF|* --><p>a</p><p>b</p>",
        ["merge tag *|IF:B|* (it is elsewhere now)"],
    ),
    "tag in another attribute": (
        '<a href="{{u}}">x</a>', '<a data-href="{{u}}">x</a>',
        ["merge tag {{u}} (in href of <a>; it is elsewhere now)"],
    ),
    "tag of a link in the text": (
        '<a href="{{u}}">x</a>', "<a>x</a>{{u}}", ["merge tag {{u}} (in href of <a>; it is elsewhere now)"],
    ),
    "tag of the text in a link": (
        "<p>{{u}} x</p>", '<p><a href="{{u}}">x</a></p>', ["merge tag {{u}} (in text; it is elsewhere now)"],
    ),
    "tag of one of two links": (
        '<a href="{{u}}">x</a> <a href="{{u}}">y</a>', '<a href="{{u}}">x</a> <a>y {{u}}</a>',
        ["merge tag {{u}} (in href of <a>; it is elsewhere now)"],
    ),
    "tag of a link on another word": (
        '<p><a href="{{u}}">x</a> y</p>', '<p>x <a href="{{u}}">y</a></p>',
        ["merge tag {{u}} (it is elsewhere now)"],
    ),
    "tag between other words": (
        "<p>Hi {{a}},</p><p>bye</p>", "<p>Hi ,</p><p>bye {{a}}</p>",
        ["merge tag {{a}} (it is elsewhere now)"],
    ),
    "tag in another paragraph": (
        "<p>Hi {{a}},</p><p>bye</p>", "<p>Hi ,</p><p>{{a}} bye</p>",
        ["merge tag {{a}} (it is elsewhere now)"],
    ),
    "one of two tags between other words": (
        "<p>a {{t}} b c d {{t}} e</p>", "<p>a b {{t}} c d {{t}} e</p>",
        ["merge tag {{t}} (it is elsewhere now)"],
    ),
    "tag between other words beside a lost word": (
        "<p>Hi {{a}}, one two three</p>", "<p>Hi , one three {{a}}</p>",
        ["merge tag {{a}} (it is elsewhere now)", "text 'two'"],
    ),
    "tag between other words beside a lost comment": (
        "<p>Hi {{a}}, one<!-- {{b}} --></p>", "<p>Hi , one {{a}}</p>",
        ["merge tag {{a}} (it is elsewhere now)", "merge tag {{b}} (in a comment)"],
    ),
    "tag in hidden text": (
        "<p>Hi {{a}}</p>", '<p>Hi </p><div style="color:red; DISPLAY : none">{{a}}</div>',
        ["merge tag {{a}} (in text; it is elsewhere now)"],
    ),
    "tag in text without a size": (
        '<p style="font-size:0px"><b style="font-size:9px">{{a}} b</b></p>',
        '<p style="font-size:0px">{{a}} <b style="font-size:9px">b</b></p>',
        ["merge tag {{a}} (in text; it is elsewhere now)"],
    ),
    "tag in text that a style sheet hides": (
        '<p class="x">{{a}} b</p><p class="y">c</p>',
        '<style>.x {display:none} .y {color:red}</style><p class="x">{{a}} b</p><p class="y">c</p>',
        ["merge tag {{a}} (in text; it is elsewhere now)"],
    ),
    "tag in text that a media query hides": (
        '<p class="x">{{a}} b</p>', '<style>@media x{.x{display:none}}</style><p class="x">{{a}} b</p>',
        ["merge tag {{a}} (in text; it is elsewhere now)"],
    ),
    "tag between other hidden words": (
        "<p hidden>{{a}} x</p><p>b</p>", "<p hidden>x</p><p>b</p><p hidden>{{a}}</p>",
        ["merge tag {{a}} (it is elsewhere now)"],
    ),
    "tag before a line break": (
        "<p>x y</p><p>Hi</p><p>{{a}} bye</p>", "<p>x<br>y</p><p>Hi {{a}}</p><p>bye</p>",
        ["merge tag {{a}} (it is elsewhere now)"],
    ),
    "tag after a line break": (
        "<p>x</p><p>Hi {{a}}</p><p>bye</p>", "<p>x</p><p>Hi</p><p>{{a}} bye</p>",
        ["merge tag {{a}} (it is elsewhere now)"],
    ),
    "tag beside the same words elsewhere": (
        "<p>a {{t}} b</p><p>a b</p>", "<p>a b</p><p>a {{t}} b</p>", ["merge tag {{t}} (it is elsewhere now)"],
    ),
    "broken tag": ("<p>{{a b}}</p>", "<p>{{a\u200b b}}</p>", ["merge tag {{a b}} (in text)"]),
    "five words": ("<p>a b c d e</p>", "<p>x</p>", ["text 'a' 'b' 'c' 'd' 'e'"]),
    "empty body": ("<p>a</p>", "", ["the whole body (it is empty now)", "text 'a'"]),
    "body without content": (
        '<p><img src="a"></p>', "<html><body></body></html>", ["the whole body (it is empty now)", "image a"],
    ),
}  # fmt: skip


class TestLosses:
    @pytest.mark.parametrize("case", LOST)
    def test_loss_is_named_with_its_place(self, case: str) -> None:
        before, after, named = LOST[case]
        assert lost(before, after) == named

    def test_many_lost_words_are_counted(self) -> None:
        assert lost("<p>a b c d e f g</p>", "<p>x</p>") == ["text 'a' 'b' 'c' 'd' 'e' and 2 more words"]

    def test_lost_tags_come_before_links_and_text(self) -> None:
        kinds = [each.kind for each in losses('<p>a {{b}}</p><a href="/c">c</a>', "<p>x</p>")]
        assert kinds == ["merge tag", "link", "text"]


class TestSeriousness:
    @pytest.mark.parametrize(
        ("before", "after", "is_serious"),
        [
            ("<p>{{a}}</p>", "<p></p>x", True),
            ('<a href="*|UNSUB|*">x</a>', '<a href="*%7CUNSUB%7C*">x</a>', True),
            ("<p>a<!-- {% if b %} --></p>", "<p>a</p>", True),
            ("<p>{% if b %}<!-- {% if b %} --></p>", "<p>{% if b %}</p>", True),
            ("<p>{{b}}<!-- {{b}} --></p>", "<p>{{b}}</p>", False),
            ("<p>a<!-- {{b}} --></p>", "<p>a</p>", False),
            ("<p>{{a}}<!-- x: {{b}} --></p>", "<p>{{a}}</p>", False),
            ("<!--[if mso]>{{b}}<![endif]--><p>a</p>", "<!-- {{b}} --><p>a</p>", True),
            ('<a href="{{u}}">x</a>', '<a data-href="{{u}}">x</a>', True),
            ("<p>Hi {{a}},</p><p>bye</p>", "<p>Hi ,</p><p>bye {{a}}</p>", True),
            ("<p>Hi {{a}}</p>", "<p>Hi</p><p hidden>{{a}}</p>", True),
            ("<p hidden>{{a}}</p><p>Hi {{a}}</p>", "<p>Hi {{a}}</p>", True),
            ("<p hidden>{{a}}</p><p>Hi</p>", "<!-- {{a}} --><p>Hi</p>", True),
            ("<p hidden>{{a}}</p><!-- {{a}} --><p>b</p>", "<p>{{a}} b</p>", False),
            ("<td {{a}}>b</td>", "<td>b</td>", True),
            ("<!--[if mso]><style>a{b:{{c}}}</style><![endif]--><p>a</p>", "<p>a</p>", False),
            ("<p>a {{b}}</p><p>c</p>", "<p>c</p><p>a {{b}}</p>", False),
            ("{% if a %}b c {{d}}{% endif %}<!-- {{e}} -->", "{% if a %}c {{d}}{% endif %}", False),
            ("<!--[if mso]>{{b}}<![endif]--><p>a</p>", "<p>a</p>", True),
            ("<!--[if mso]>{{b}}<![endif]--><p>{{b}}</p>", "<p>{{b}}</p>", False),
            ("<!--[if mso]>{{b}}<![endif]--><p>{{b}}</p>", "<!--[if mso]>{{b}}<![endif]--><p></p>x", True),
            ('<p style="color:{{c}}">a</p>', "<p>a</p>", False),
            ("<style>p{color:{{c}}}</style><p>a</p>", "<p>a</p>", False),
            ("<title>{{t}}</title><p>a</p>", "<p>a</p>", False),
            ('<meta content="{{t}}"><p>a</p>', "<p>a</p>", False),
            ("<p>a b</p>", "<p>a</p>", False),
            ("<p>{{#if a}}b{{/if}}</p>", "<p>b{{#if a}}{{/if}}</p>", True),
            ("<p>a</p>", "<p> </p>", True),
            ('<a href="/a">x</a><a href="/b">y</a>', '<a href="/b">x</a><a href="/a">y</a>', False),
            ('<a href="{{u}}">x</a><a href="/b">y</a>', '<a href="/b">x</a><a href="{{u}}">y</a>', True),
            ('<a href="{{u}}">x</a>', '<a href="https://a.b/{{u}}">x</a>', False),
            ("<p>{{a}} {{b}}</p>", "<p>{{b}} {{a}}</p>", True),
            ("<p>a</p><p>b</p>", "<p>b</p><p>a</p>", False),
        ],
    )
    def test_lost_tag_or_empty_body_is_serious(self, before: str, after: str, is_serious: bool) -> None:
        found = losses(before, after)
        assert found
        assert any(each.is_serious for each in found) is is_serious

    def test_tag_that_moves_out_of_a_comment_is_not_lost(self) -> None:
        assert losses("<!-- {{a}} --><p>b</p>", "<p>b{{a}}</p>") == []

    def test_tag_in_a_comment_may_stand_elsewhere(self) -> None:
        assert losses("<p>a<!-- {{b}} --> c</p>", "<p>a c<!-- {{b}} --></p>") == []

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("<p>Hi {{a}} bye</p>", "<p>Hi</p><p>{{a}} bye</p>"),
            ("<p>Hi {{a}} bye</p>", "<p>Hi {{a}}</p><p>bye</p>"),
            ("<p>Hi {{a}}</p>", "<p>Hi</p><p>{{a}}</p>"),
            ("<p>{{a}} Hi</p>", "<p>{{a}}</p><p>Hi</p>"),
        ],
    )
    def test_line_break_beside_a_tag_is_no_loss(self, one: str, other: str) -> None:
        assert losses(one, other) == losses(other, one) == []

    def test_hidden_tag_that_is_shown_is_not_lost(self) -> None:
        assert losses('<p style="display:none">{{a}} b</p><p>c</p>', "<p>{{a}} b</p><p>c</p>") == []

    def test_style_sheet_that_hides_a_tag_may_be_inlined(self) -> None:
        before = "<style>@media x{.a{b:c}} p.pre{display:none}</style><p class='pre'>{{a}}</p><p>b</p>"
        assert losses(before, '<p class="pre" style="display:none">{{a}}</p><p>b</p>') == []

    def test_nested_rule_does_not_hide_the_outer_class(self) -> None:
        after = "<style>.a, .b{color:red; .c{display:none}}</style><p class='a'>{{a}} b</p>"
        assert losses("<p class='a'>{{a}} b</p>", after) == []

    def test_attribute_that_the_parser_did_not_find_is_not_moved(self) -> None:
        assert losses('a<body class="{{b}}" lang="{{c}}">', '<body class="{{b}}" lang="{{c}}">a') == []

    def test_inlined_css_is_no_loss(self) -> None:
        assert losses("<style>p{color:{{c}}}</style><p>a</p>", '<p style="color:{{c}}">a</p>') == []

    def test_braces_in_css_are_no_merge_tags(self) -> None:
        source = (
            "<style>@media x{p{b}a{c|d}}</style><script>f={a};[[1]]</script><p>a</p><style>p{c|d}</style>"
        )
        assert not Html(source).merge_tags
        assert losses(source, "<p>a</p>") == []

    def test_braces_in_css_after_an_open_title_are_no_tags(self) -> None:
        assert not Html("<title>a<style>p{b}a{c|d}</style><p>a</p>").merge_tags

    def test_tag_in_css_is_found_beside_braces(self) -> None:
        assert list(Html("<style>p{color:{{c}}}</style>").merge_tags) == ["{{c}}"]
