"""Whether two HTML texts mean the same, and whether a mail shows something."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.rules.html import Html, same_meaning
from airflow_provider_campaigns.rules.html_losses import losses

SAME = {
    "entity": ("<p>Hi</p><p>&nbsp;</p>", "<p>Hi</p><p>\xa0</p>"),
    "numeric entity": ("<p>&#8217;&eacute;</p>", "<p>\u2019é</p>"),
    "ampersand": ('<a href="/?a=1&b=2">Q&A</a>', '<a href="/?a=1&amp;b=2">Q&amp;A</a>'),
    "attribute order": ('<td width="1" align="left">', '<td align="left" width="1">'),
    "quotes": ("<a href='/x' title=y>a</a>", '<a href="/x" title="y">a</a>'),
    "bare attribute": ("<td nowrap>a</td>", '<td nowrap="">a</td>'),
    "case of names": ('<P ALIGN="left">a</P>', '<p align="left">a</p>'),
    "class order": ('<p class="a  b">x</p>', '<p class="b a">x</p>'),
    "empty attributes": ("<p>x</p>", '<p class="" style=" ">x</p>'),
    "empty declarations": ("<p>x</p>", '<p style="; ;">x</p>'),
    "style order": ('<p style="color:#FFF;margin : 0 auto">x', '<p style="margin: 0 auto; color: #fff;">x'),
    "style quotes": ("""<p style="font-family:'A B'">x</p>""", """<p style='font-family:"A B"'>x</p>"""),
    "white space": ("<div>\r\n  <p>a \t b</p>\n</div>", "<div><p>a b</p></div>"),
    "white space at a line end": ("<td> a <b>b </b> </td>", "<td>a <b>b</b></td>"),
    "comment": ("<p>a<!-- note -->b</p>", "<p>ab</p>"),
    "zero-width characters": ("<p>a&zwnj;&#847; b</p>", "<p>a b</p>"),
    "shell": ("<!DOCTYPE html><html><head><title>x</title></head><body><p>a</p></body></html>", "<p>a</p>"),
    "encoding": ('<meta charset="utf-8"><p>a</p>', '<meta http-equiv="Content-Type"><p>a</p>'),
    "implied elements": ("<table><tr><td>a", "<table><tbody><tr><td>a</td></tr></tbody></table>"),
    "implied end tags": ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
    "void element": ("a<br>b", "a<br />b"),
    "escaped URL": ('<a href="/a b">x</a>', '<a href="/a%20b">x</a>'),
    "space in a tag": ("<p>{{ firstName }}</p>", "<p>{{firstName}}</p>"),
    "quotes in a tag": ("<p>{{a | default: 'b'}}</p>", "<p>{{a|default:&quot;b&quot;}}</p>"),
    "markup in a tag": ("<p>{% if a < b %}x{% endif %}</p>", "<p>{% if a &lt; b %}x{% endif %}</p>"),
    "entities around a tag": ("<p><<First Name>></p>", "<p>&lt;&lt;First Name&gt;&gt;</p>"),
    "composed letters": ("<p>cafe\u0301 e&#769;</p>", "<p>café é</p>"),
    "composed letters in attributes": (
        '<a href="/cafe\u0301" title="e\u0301">x</a>', '<a href="/caf%C3%A9" title="é">x</a>'
    ),
    "composed letters in a tag": ("<p>{{pre\u0301nom}}</p>", "<p>{{prénom}}</p>"),
    "short colour": (
        '<p style="color:#fff;background:#AB8F url(A)">',
        '<p style="color:#FFFFFF;background:#aabb88 url(A)">',
    ),
    "rgb colour": (
        '<p style="color:rgb(255, 255,0);border:1px solid rgba(0,0,0,1.0)">',
        '<p style="color:#ff0;border:1px solid #000000">',
    ),
    "named colour": (
        '<td bgcolor="White" style="border: 1px solid RED">',
        '<td bgcolor="#FFF" style="border:1px solid #f00">',
    ),
    "zero with a unit": ('<p style="margin:0px 0.0em;top:-0">', '<p style="margin:0;top:0pt">'),
    "zeros of a number": ('<p style="line-height:1.50;top:-.5em">', '<p style="line-height:1.5;top:-0.5EM">'),
    "sides of a box": (
        '<p style="margin:0 auto 0 auto;padding:1px 2px 3px 2px">',
        '<p style="margin:0 auto;padding:1px 2px 3px">',
    ),
    "important": ('<p style="margin:0px 0px !Important">', '<p style="margin:0!important">'),
    "capitals in a style": (
        '<p style="DISPLAY:Block;font-family:Arial">', "<p style=\"display:block;font-family:'arial'\">",
    ),
    "quotes in a style": ("""<p style="background:URL('a;B.png')">""", '<p style="background:url(a;B.png)">'),
    "font weight": ('<p style="font-weight:bold">', '<p style="font-weight:700">'),
    "pixels": ('<td width="600px" align="LEFT">', '<td width="600" align="left">'),
    "bold and italics": ("<p><strong>a</strong><em>b</em></p>", "<p><b>a</b><i>b</i></p>"),
    "struck and underlined": ("<p><del>a</del><strike>b</strike><ins>c</ins>", "<p><s>a</s><s>b</s><u>c</u>"),
    "rel and target": ('<a href="/x">a</a>', '<a href="/x" rel="noopener noreferrer" target="_blank">a</a>'),
    "empty alternative text": ('<img src="a">', '<img src="a" alt="">'),
    "boolean attribute": ('<input disabled CHECKED="checked">', '<input disabled="disabled" checked="">'),
    "escaped unreserved character": ('<a href="/%7ea?b=%2d%e9">x</a>', '<a href="/~a?b=-%E9">x</a>'),
    "empty path": ('<a href="https://x.io?utm=a">x</a>', '<a href="https://x.io/?utm=a">x</a>'),
    "line break in a URL": ('<a href="https://x.io/\n\ta&#13;b">x</a>', '<a href="https://x.io/ab">x</a>'),
    "URL without a scheme": ('<a href="//x.io/a">x</a>', '<a href="https://x.io/a">x</a>'),
    "case of a scheme": ('<a href="MAILTO:a@b.c">x</a>', '<a href="mailto:a@b.c">x</a>'),
    "usual port": ('<a href="https://x.io:443/a">x</a>', '<a href="https://x.io/a">x</a>'),
    "international host": (
        '<a href="https://Straße.bücher.de">x</a>', '<a href="https://xn--strae-oqa.xn--bcher-kva.de/">x</a>'
    ),
    "form of an emoji": ('<p>a ❤\ufe0f</p><img src="b" alt="☎\ufe0f">', '<p>a ❤</p><img src="b" alt="☎">'),
    "end tag of a line break": ("<p>a</br>b</BR/>c</p>", "<p>a<br>b<br>c</p>"),
    "end tag of no paragraph": ("<div>a</P >b</p></div>", "<div>a<p></p>b<p></p></div>"),
    "end tag in an attribute": ('<p title="a</p>b">x</p>', '<p title="a&lt;/p&gt;b">x</p>'),
    "empty paragraph": ("<td><p></p>a<p> </p><h1>b</h1><p></p></td>", "<td>a<h1>b</h1></td>"),
    "centre in a paragraph": ("<p><center>a</center></p>", "<p></p><center>a</center><p></p>"),
    "block in a paragraph": (
        '<p class="x">a<div>b</div>c</p>d', '<p class="x">a</p><div>b</div>c<p></p>d'
    ),
    "table in a paragraph": (
        "<p><table><tr><td>a</table></p>", "<p></p><table><tbody><tr><td>a</td></tr></tbody></table><p></p>"
    ),
    "space at the end of the first line": ("a <p>b</p>", "a<p>b</p>"),
    "line break at the start of kept white space": ("<pre>\r\n a\r\n</pre>", "<pre> a\n</pre>"),
    "white space that is not kept": (
        '<pre style="white-space:normal">a  b</pre>', '<pre style="white-space:normal">a b</pre>'
    ),
    "order of separate declarations": (
        '<p style="border-collapse:collapse;border:0;border-top:1px;border-left:2px">',
        '<p style="border:0;border-left:2px;border-top:1px;border-collapse:collapse">',
    ),
    "address in a style": (
        """<p style="background:URL('https://a.b/c')">""", '<p style="background:url(https://a.b/c)">',
    ),
    "two addresses in a style": (
        """<p style="background:url('a'),url('B')">""", '<p style="background:url(a),url(B)">',
    ),
    "colour beyond 255": ('<p style="color:rgb(256,0,0)">', '<p style="color:#f00">'),
    "opaque colour": ('<p style="color:#00ff">', '<p style="color:#00f">'),
    "encoded letter in a host": ('<a href="https://xn--é.de">x</a>', '<a href="https://xn--%C3%A9.de">x</a>'),
    "longest label of a host": (
        f'<a href="https://xn--{"a" * 55}-8yf.de">x</a>', f'<a href="https://{"a" * 55}ü.de">x</a>',
    ),
    "empty port": ('<a href="ftp://x.io:/a">x</a>', '<a href="ftp://X.io/a">x</a>'),
    "encoded line end in kept white space": ("<pre>a&#13;&#10;b</pre>", "<pre>a\nb</pre>"),
    "empty paragraph at the start": ("<div><p></p>a</div>", "<div>a</div>"),
    "reserved characters": ("<p>a\U000f4a00b\U000f4a02</p>", "<p>ab</p>"),
}  # fmt: skip
DIFFERENT = {
    "text": ("<p>a b</p>", "<p>a c</p>"),
    "symbol": ("<p>5 €</p>", "<p>5 $</p>"),
    "space between inline elements": ("<p><b>a</b> b</p>", "<p><b>a</b>b</p>"),
    "order": ("<p>a</p><p>b</p>", "<p>b</p><p>a</p>"),
    "element": ("<p><b>a</b></p>", "<p>a</p>"),
    "link": ('<a href="https://a.b/X">a</a>', '<a href="https://a.b/x">a</a>'),
    "style": ('<p style="color:red">a</p>', '<p style="color:blue">a</p>'),
    "case of a style's URL": ('<p style="background:url(A)">', '<p style="background:url(a)">'),
    "case of a tag in a style": ('<p style="color:{{A}};top:{{a}}">', '<p style="color:{{a}};top:{{A}}">'),
    "colour of another length": ('<p style="color:#fff">', '<p style="color:#ffffff80">'),
    "transparent colour": ('<p style="color:rgba(0,0,0,0.1)">', '<p style="color:#000">'),
    "name of a font": ('<p style="font-family:Arial Black">', '<p style="font-family:Arial #000">'),
    "number": ('<p style="margin:10px">', '<p style="margin:1px">'),
    "zero percent": ('<p style="height:0%">', '<p style="height:0">'),
    "empty address": ('<a href="">a</a>', "<a>a</a>"),
    "sign": ('<p style="margin:-1px">', '<p style="margin:1px">'),
    "unit": ('<p style="margin:1px">', '<p style="margin:1em">'),
    "side of a box": ('<p style="margin:1px 2px">', '<p style="margin:1px">'),
    "side of a box with a function": (
        '<p style="padding:0 calc(1px) 0 0">',
        '<p style="padding:0 calc(1px) 0">',
    ),
    "important": ('<p style="margin:0!important">', '<p style="margin:0">'),
    "alternative text": ('<img src="a" alt="b">', '<img src="a" alt="">'),
    "boolean attribute": ("<input disabled>", "<input>"),
    "bold": ("<p><b>a</b></p>", "<p><i>a</i></p>"),
    "kind of a linked file": ('<link rel="icon" href="a">', '<link rel="stylesheet" href="a">'),
    "stripped style": ('<p style="color:red">a</p>', "<p>a</p>"),
    "CSS": ("<style>a{b:c}</style><p>a</p>", "<style>a{b:d}</style><p>a</p>"),
    "Outlook comment": ("<!--[if mso]>a<![endif]--><p>a</p>", "<!--[if mso]>b<![endif]--><p>a</p>"),
    "tag": ("<p>{{a}}</p>", "<p>{{b}}</p>"),
    "place of a tag": ("<p>{{a}} {{b}}</p>", "<p>{{b}} {{a}}</p>"),
    "tag in a comment": ("<!-- {{a}} --><p>a</p>", "<p>a</p>"),
    "encoded tag": ('<a href="{{a}}">x</a>', '<a href="%7B%7Ba%7D%7D">x</a>'),
    "line break of an empty paragraph": ("<div>a<p></p>b</div>", "<div>ab</div>"),
    "line break of an end tag": ("<div>a</p>b</div>", "<div>ab</div>"),
    "kept white space": ("<pre>a  b\nc</pre>", "<pre>a b c</pre>"),
    "white space that a style keeps": (
        '<div style="white-space:pre-wrap">a\n<b>b </b></div>',
        '<div style="white-space:pre-wrap">a <b>b</b></div>',
    ),
    "white space that a class keeps": (
        "<style>p.a, td .b{white-space:pre}</style><p class='x b'>a  b</p>",
        "<style>p.a, td .b{white-space:pre}</style><p class='x b'>a b</p>",
    ),
    "white space that an id keeps": (
        "<style>#b{white-space:pre}</style><p id='b'>a  b</p>",
        "<style>#b{white-space:pre}</style><p id='b'>a b</p>",
    ),
    "order of a property and its side": (
        '<p style="margin-top:5px;margin:0">',
        '<p style="margin:0;margin-top:5px">',
    ),
    "order of a property twice": ('<p style="color:red;color:blue">', '<p style="color:blue;color:red">'),
    "order of a side and a kind": (
        '<p style="border-top:1px solid red;border-color:blue">',
        '<p style="border-color:blue;border-top:1px solid red">',
    ),
    "order of a font and its line": (
        '<p style="line-height:2;font:9px a">',
        '<p style="font:9px a;line-height:2">',
    ),
    **{
        f"escaped {escape}": (f'<a href="/a{escape}b">x</a>', f'<a href="/a{character}b">x</a>')
        for escape, character in {
            "%2F": "/",
            "%3F": "?",
            "%23": "#",
            "%2B": "+",
            "%26": "&amp;",
            "%3D": "=",
            "%25": "%",
            "%E9": "%E8",
            "%2f%E9": "/%E9",
        }.items()
    },
    "end of a path": ('<a href="https://x.io/a/">x</a>', '<a href="https://x.io/a">x</a>'),
    "scheme": ('<a href="https://x.io/">x</a>', '<a href="http://x.io/">x</a>'),
    "user of a host": ('<a href="https://A@x.io/">x</a>', '<a href="https://a@x.io/">x</a>'),
    "markup in a tag": ("<p>{{firstName}}</p>", "<p>{{<span>firstName</span>}}</p>"),
    "order of a tag and a word": ("<p>{{a}} b</p>", "<p>b {{a}}</p>"),
    "tags of two comments": ("<!-- {{a}} --><p>x</p><!-- {{b}} -->", "<!-- {{b}} --><p>x</p><!-- {{a}} -->"),
    "void element": ("<p>a<br>b</p>", "<p>a<wbr>b</p>"),
    "nesting": ("<p><b>a</b><u>b</u></p>", "<p><b>a<u>b</u></b></p>"),
    "content of a meta element": (
        '<meta name="a" content="b"><p>c</p>',
        '<meta name="a" content="d"><p>c</p>',
    ),
    "space before an image": ('<p>a <img src="b"></p>', '<p>a<img src="b"></p>'),
    "space after an image": ('<p><img src="b"> a</p>', '<p><img src="b">a</p>'),
    "line break before bold text": ("<div>a</p><b>b</b></div>", "<div>a<b>b</b></div>"),
    "line break at the start of bold text": ("<div><b></p>a</b></div>", "<div><b>a</b></div>"),
    "line break after bold text": ("<div><b>a</b></p>c</div>", "<div><b>a</b>c</div>"),
    "line break after an Outlook comment": (
        "<div>a<!--[if mso]>b<![endif]--></p>c</div>",
        "<div>a<!--[if mso]>b<![endif]-->c</div>",
    ),
    "line break after a tag in a comment": ("<div>a<!-- {{b}} --></p>c</div>", "<div>a<!-- {{b}} -->c</div>"),
    "line break inside kept white space": ("<pre>a<b>\nb</b></pre>", "<pre>a<b>b</b></pre>"),
    "space after kept white space": (
        '<p><i style="white-space:pre">a</i> b</p>',
        '<p><i style="white-space:pre">a</i>b</p>',
    ),
    "white space that the first of two classes keeps": (
        "<style>.a, .b{white-space:pre}</style><p class='a'>a  b</p>",
        "<style>.a, .b{white-space:pre}</style><p class='a'>a b</p>",
    ),
    "weight of a font": ('<p style="font-weight:600">', '<p style="font-weight:500">'),
    "number in the name of a font": (
        '<p style="font-family:Univers 05">',
        '<p style="font-family:Univers 5">',
    ),
    "path of a style's URL": ('<p style="background:url(X/a)">', '<p style="background:url(/a)">'),
    "host that resembles an international one": (
        '<a href="https://bcher-kva.de">x</a>',
        '<a href="https://bücher.de">x</a>',
    ),
}


class TestSameMeaning:
    @pytest.mark.parametrize("case", SAME)
    def test_another_spelling_means_the_same(self, case: str) -> None:
        one, other = SAME[case]
        assert same_meaning(one, other)
        assert same_meaning(other, one)
        assert losses(one, other) == []

    @pytest.mark.parametrize("case", DIFFERENT)
    def test_another_display_does_not_mean_the_same(self, case: str) -> None:
        one, other = DIFFERENT[case]
        assert not same_meaning(one, other)
        assert not same_meaning(other, one)

    def test_deeply_nested_elements_are_compared_to_the_end(self) -> None:
        before = "<div>" * 10_000 + "a{{x}}"
        assert same_meaning(before, before.replace("<div>", "<div >"))
        assert [str(each) for each in losses(before, before.replace("a{{x}}", "b"))] == [
            "merge tag {{x}} (in text)",
            "text 'a'",
        ]


class TestEmptiness:
    @pytest.mark.parametrize(
        ("source", "is_blank"),
        [("", True), ("<html><head><title>a</title></head><body> </body></html>", True), ("<p>", False)],
    )
    def test_html_without_any_element_is_blank(self, source: str, is_blank: bool) -> None:
        assert Html(source).is_blank is is_blank

    @pytest.mark.parametrize(
        "source",
        [
            "", " ", "<p>", "<!-- a -->", "<p>&nbsp;&zwnj;</p>", "<title>a</title>", "<style>a{b:c}</style>",
            "<!--[if mso]>a<![endif]-->",
        ],
    )  # fmt: skip
    def test_html_that_shows_nothing_is_empty(self, source: str) -> None:
        assert Html(source).is_empty

    @pytest.mark.parametrize(
        "source",
        [
            "a",
            "<p>🌷</p>",
            '<td background="a">',
            '<p style="background:url(a)">',
            '<img src="a">',
            "<p>{{body}}</p>",
            "<p>a",
        ],
    )
    def test_html_that_shows_something_is_not_empty(self, source: str) -> None:
        assert not Html(source).is_empty
