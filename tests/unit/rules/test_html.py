"""What two versions of a mail have in common, and what the second one lost."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.rules.html import Html, same_meaning
from airflow_provider_campaigns.rules.html_losses import Loss, damage, encoded_tags, losses

# Look-alikes of public newsletter templates: Mailchimp's, Foundation's, Ghost's and a cold mail.
MAILCHIMP = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1.dtd">
<html><head><meta property="og:title" content="*|MC:SUBJECT|*" /><title>*|MC:SUBJECT|*</title>
<style type="text/css">/* /\\/\\ PAGE */ #outlook a{padding:0;} @media print{b{color:red}}</style></head>
<body leftmargin="0"><center><table id="t"><tr><td><div mc:edit="header">
<!-- *|IFNOT:ARCHIVE_PAGE|* -->Not displaying?<br />
<a href="*|ARCHIVE|*" target="_blank">View it</a>.<!-- *|END:IF|* -->
</div><em>Copyright &copy; *|CURRENT_YEAR|* *|LIST:COMPANY|*</em>&nbsp;<a href="*|UNSUB|*">unsubscribe</a>
</td></tr></table></center></body></html>"""
OUTLOOK = """<p>Hi {{firstName}}</p>
<!--[if mso]><v:roundrect href="{{link}}"><center>Go</center></v:roundrect><![endif]-->
<!--[if !mso]><!--><a href="{{link}}">Go</a><!--<![endif]-->"""


def lost(before: str, after: str) -> list[str]:
    return [str(each) for each in losses(before, after)]


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
        assert lost(before, before.replace("a{{x}}", "b")) == ["merge tag {{x}} (in text)", "text 'a'"]


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


class TestDamage:
    @pytest.mark.parametrize(
        ("original", "cleaned"),
        [
            ("<p>Café “naïve” - straße</p>", '<p>Cafe "naive" - strasse</p>'),
            ("<p>a&nbsp;b…</p>", "<p>a b...</p>"),
            ("<h1>Big</h1>", '<p style="font-size:32px">Big</p>'),
            ("<table><tr><td>a</td><td>b</td></tr></table>", "<div><div>a</div><div>b</div></div>"),
            ('<p>x<img src="/a.png"></p>', '<p>x<img src="https://cdn.example/1.png"></p>'),
            ('<a href="/about">x</a>', '<a href="https://example.com/about">x</a>'),
            ('<a href="HTTPS://Example.com/">x</a>', '<a href="https://example.com">x</a>'),
            ("<p><b>spr</b>ing</p>", "<p>spring</p>"),
            ('<a href="/a:b/c">x</a>', '<a href="https://x.io/news/a:b/c">x</a>'),
            ('<a href="../a/b">x</a>', '<a href="https://x.io/a/b">x</a>'),
            ("<p>Hi {{a}}, bye</p>", "<p>Hi, {{a}} bye</p>"),
            ("<p>Hi {{a}} bye</p>", "<p>Hi you, bye</p><p>Hi {{a}} bye</p>"),
            (
                '<a href="/a">More</a><a href="/b">More</a>',
                '<a href="https://a.b/a">more</a><a href="https://a.b/b">more</a>',
            ),
            ('<a href="/a"><img src="1"></a>', '<a href="/a"><img src="https://cdn.example/1.png"></a>'),
            ('<a href="/a"></a><a href="/b">x</a>', '<a href="/b">x</a><a href="/a"></a>'),
            ("<p>a b</p>", "<p>preheader b</p><p>a footer b</p>"),
            ("<p>Café {{a}}, “b”…</p>", "<p>new Cafe {{ a }} new, 'b'... Cafe</p>"),
            ("<center>Hi<br>{{a}}</center><table><tr><td>b", "<div>Hi</div><div>{{a}}</div>b"),
            ('<p class="x" id="y" onclick="z()">a</p><script>b</script>', "<p>a</p>"),
        ],
    )
    def test_what_a_cleaner_is_for_is_no_damage(self, original: str, cleaned: str) -> None:
        assert damage(original, cleaned) == []

    @pytest.mark.parametrize(
        ("original", "cleaned"),
        [
            ("<p>Café {{a}} Thé</p>", "<p>{{a}} Cafe The</p>"),
            ("<p>Café</p><p>{{a}} thé</p>", "<p>Cafe {{a}}</p><p>the</p>"),
        ],
    )
    def test_tag_between_other_words_is_serious(self, original: str, cleaned: str) -> None:
        assert damage(original, cleaned) == [
            Loss("merge tag", "{{a}}", note="it is elsewhere now", is_serious=True)
        ]

    def test_text_of_another_script_that_is_gone_is_reported(self) -> None:
        assert damage("<p>Hi Привет</p>", "<p>Hi</p>") == [Loss("text", "'привет'")]

    def test_dropped_conditional_tags_are_serious(self) -> None:
        cleaned = MAILCHIMP.replace("<!-- *|IFNOT:ARCHIVE_PAGE|* -->", "").replace("<!-- *|END:IF|* -->", "")
        assert [(str(each), each.is_serious) for each in damage(MAILCHIMP, cleaned)] == [
            ("merge tag *|IFNOT:ARCHIVE_PAGE|* (in a comment)", True),
            ("merge tag *|END:IF|* (in a comment)", True),
        ]

    def test_dropped_outlook_comment_is_only_reported(self) -> None:
        cleaned = OUTLOOK[: OUTLOOK.index("<!--[if mso]")] + '<a href="{{link}}">Go</a>'
        (found,) = damage(OUTLOOK, cleaned)
        assert str(found) == "merge tag {{link}} (in an Outlook comment; 2 before, 1 now)"
        assert not found.is_serious

    @pytest.mark.parametrize("source", [MAILCHIMP, OUTLOOK])
    def test_unchanged_html_has_no_damage(self, source: str) -> None:
        assert damage(source, source.replace("&nbsp;", "\xa0").replace("\n", " ")) == []

    def test_encoded_tags_are_found_without_the_original(self) -> None:
        assert encoded_tags('<a href="%7B%7Bu%7D%7D">{{v}}</a>') == ["{{u}}"]
        assert encoded_tags('<a href="/50%25">{{v}}</a>') == []


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
