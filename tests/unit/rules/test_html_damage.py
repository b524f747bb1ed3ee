"""Which losses stop a campaign, and which rewrites do not."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.rules.html_losses import Loss, damage, encoded_tags

# Look-alikes of a template of Mailchimp's, and of a mail that Outlook shows in another way.
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
