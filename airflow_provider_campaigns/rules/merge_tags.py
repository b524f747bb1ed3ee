"""Merge tags: the placeholders in a mail that the sending program replaces.

Every pattern begins with a fixed character and cannot match across its own opening characters, so a search is
linear in the length of the text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import unquote

# Common names of the fields of a lead and of the links of a mail. Where the marks around a name are usual in
# text, only these make it a merge tag.
_NAME = (
    r"(?i:(?:(?:contact|customer|lead|my|recipient|sender|subscriber|user|your)[ _.-]?)?(?:"
    r"(?:(?:company|first|full|last|middle|nick|sur)[ _.-]?)?name|[fl]name|e-?mail(?:[ _.-]?address)?|company"
    r"|job[ _.-]?title|phone(?:[ _.-]?number)?|city|website|signature)"
    r"|unsub(?:scribe)?(?:[ _.-]?(?:here|link|url))?|opt[ _.-]?out(?:[ _.-]?(?:link|url))?"
    r"|web[ _.-]?(?:version|view)|view[ _.-]?in[ _.-]?browser|(?:update[ _.-]?)?preferences)"
)
_BRACED = r"[^{}]*(?:\{[^{}]*\}[^{}]*|\{\{[^{}]*\}\}[^{}]*)*"
_CHOICE = r"(?:[^{}|<>]|\{\{[^{}]{0,100}\}\}){0,500}"


@dataclass(frozen=True)
class Dialect:
    """A notation of merge tags.

    :param used_by: the programs that use it.
    :param examples: how it is written.
    :param pattern: a regular expression.
    :param in_css: whether it cannot be confused with CSS or a script.
    :param is_template: whether Airflow takes it for a template.
    """

    used_by: str
    examples: tuple[str, ...]
    pattern: str
    in_css: bool = False
    is_template: bool = False


DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        "Instantly, HubSpot, Klaviyo, Brevo, Braze, SendGrid; Handlebars, Liquid, Jinja",
        ("{{firstName}}", "{{{body}}}", "{{RANDOM | Hi | Hello}}"),
        rf"\{{\{{\{{(?![{{}}]){_BRACED}\}}\}}\}}|\{{\{{(?![{{}}]){_BRACED}\}}\}}",
        in_css=True,
        is_template=True,
    ),
    Dialect(
        "Liquid, Jinja, Django: conditions and loops",
        ("{% if city %}", "{% unsubscribe %}"),
        r"\{%(?:[^%{]|%(?!\})|\{(?!%)){1,2000}%\}",
        in_css=True,
        is_template=True,
    ),
    Dialect(
        "Mailchimp, Mandrill", ("*|FNAME|*", "*|IF:CITY|*"), r"\*\|[^|<>]{1,200}\|\*", in_css=True
    ),
    Dialect(
        "Pardot, Salesforce Marketing Cloud, Acoustic",
        ("%%first_name%%", "%%=v(@x)=%%"),
        r"%%(?=[^%\s<])(?:[^%]|%(?!%)){1,300}%%",
        in_css=True,
    ),
    Dialect(
        "EJS, ERB, Adobe Campaign",
        ("<%= name %>", "<% if (city) { %>"),
        r"<%(?:[^%<]|%(?!>)|<(?!%)){1,2000}%>",
        in_css=True,
    ),
    Dialect(
        "Power Automate, Thymeleaf", ("@{email}",), r"@(?<!\w@)\{[A-Za-z_][\w. /-]{0,80}\}(?!\})"
    ),
    Dialect(
        "Mautic",
        ("{contactfield=firstname}", "{pagelink=3}"),
        r"\{[a-z]{1,20}(?:field|link|content)=[^{}|<>]{1,100}\}",
    ),
    Dialect(
        "Instantly (links), Sailthru, GMass, MailerLite",
        ("{unsubscribe_link}", "{First Name}", "{$name}"),
        r"\{(?<![{$]\{)\$?[A-Za-z_][\w. -]{0,80}\}(?!\})",
    ),
    Dialect(
        "Spintax", ("{Hi|Hello}",), rf"\{{(?<!\{{\{{){_CHOICE}(?:\|{_CHOICE})+\}}(?!\}})"
    ),
    Dialect(
        "Salesforce, AWeber", ("{!Contact.FirstName}",), r"\{![A-Za-z_][\w.]{0,80}\}"
    ),
    Dialect(
        "ActiveCampaign",
        ("%FIRSTNAME%",),
        r"%(?<![%\w]%)[A-Z][A-Z0-9_-]{2,80}%(?![%0-9A-Fa-f])",
    ),
    Dialect(
        "Sendy, MailWizz, Emarsys and others, for common names",
        ("[firstname]", "[unsubscribe]", "%first_name%", "#NAME#", "$FirstName$"),
        rf"\[(?<![\w\]]\[){_NAME}\]|%{_NAME}%(?![0-9A-Fa-f])|#(?<![\w#]#){_NAME}#(?![\w#])"
        rf"|\$(?<![\w$]\$){_NAME}\$(?![\w$])",
    ),
    Dialect(
        "SendGrid (substitutions), Zoho", ("-name-", "-unsub-"), rf"-(?<![\w-]-){_NAME}-(?![\w-])"
    ),
    Dialect(
        "Autocrat, documents for mail merge",
        ("<<First Name>>", "&lt;&lt;Email&gt;&gt;"),
        rf"(?:<<|&lt;&lt;)(?:{_NAME}|[A-Z][A-Za-z]{{1,40}}(?:[ _][A-Za-z]{{1,40}}){{0,5}})(?:>>|&gt;&gt;)",
    ),
    Dialect(
        "Mailgun",
        ("%recipient.name%", "%unsubscribe_url%"),
        r"%(?:recipient[._][\w.-]{1,60}|(?:tag_|mailing_list_)?unsubscribe_(?:url|email))%",
    ),
    Dialect("GetResponse, Omnisend, Mailjet", ("[[firstname]]",), r"\[\[[^\[\]<>]{1,200}\]\]"),
    Dialect(
        "Campaign Monitor, MailPoet, Mosaico, phpList",
        ("[firstname,fallback=there]", "[subscriber:firstname]", "[unsubscribe_link]", "[UNSUBSCRIBEURL]"),
        r"\[(?:[A-Za-z]{1,40},\s{0,9}fallback=[^\[\]]{0,100}|[a-z]{1,40}:[^\[\]<>\s][^\[\]<>]{0,100}"
        r"|(?<![\w\]]\[)[A-Za-z]+(?:_[A-Za-z]+)+|[A-Z]{4,40}URL)\]",
    ),
    Dialect(
        "Campaign Monitor: elements",
        ("<unsubscribe>", "<webversion>"),
        r"</?(?i:unsubscribe|webversion|preferences|forwardtoafriend|currentday|currentmonthname|currentyear)"
        r"(?=[\s/>])[^<>]{0,2000}>",
    ),
    Dialect(
        "Adobe Journey Optimizer, Marketo, Zoho",
        ("${lead.FirstName}", "$[FNAME|there]$"),
        r"\$\{[A-Za-z_][\w.:\- ]{0,100}\}|\$\[[^\[\]<>]{1,100}\]\$",
    ),
    Dialect("Keap", ("~Contact.FirstName~",), r"~[A-Za-z]{1,40}(?:\.[A-Za-z_]{1,40}){1,9}~"),
    Dialect(
        "TYPO3 and others",
        ("###unsubscribe_url###", "##NAME##"),
        r"##(?:#[A-Za-z_][\w.-]{0,80}#|(?<![\w#]##)[A-Za-z_][\w.-]{1,80})##",
    ),
    Dialect("Dotdigital", ("@FIRSTNAME@",), r"@[A-Z][A-Z0-9_]{2,40}@"),
)  # fmt: skip
# A link that consists of one of these is no address, whatever the name.
_LINK = (
    r"\[[A-Za-z][\w .:-]{1,60}\]|-[A-Za-z]\w{1,60}-|%[A-Za-z]\w{1,60}%|#[A-Za-z]\w{1,60}#"
    r"|\$[A-Za-z]\w{1,60}\$"
)
_WHOLE_LINK = re.compile(_LINK)
# What may stand before a merge tag in the host of a URL.
_HOST_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:(?:///?)?[^/?#]*|(?i:www\.)|")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")
# Characters without a width, and those that choose the form of an emoji.
INVISIBLE = re.compile("[\u200b-\u200f\u034f\u2060\ufeff\xad\ufe00-\ufe0f]+")
_CURLY_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''''")
# Where the sending program ignores white space: beside the marks at both ends, ``|`` and ``:``.
_FREE_SPACE = re.compile(r"^([^\w\s]+) | ?([|:]) ?| ([^\w\s]+)$")
# A choice between texts; a merge tag in one of them is not text.
_CHOICE_START = re.compile(r"\{\{\s*RANDOM\s*\||\{(?![{%$!])[^|]*\|", re.IGNORECASE)
_NESTED = re.compile(r"(?<=.)(\{\{[^{}]*\}\})(?=.)", re.DOTALL)
# What a list, an object, bytes or a string look like as text of Python or JSON.
_STRUCTURE = re.compile(r"\s*(?:[\[{(]\s*b?['\"]|b['\"]|(['\"])\s*<.*\1\s*\Z)", re.DOTALL)
_HTML_ELEMENT = re.compile(
    r"<(?:!doctype|!--|/?(?:html|head|body|title|meta|style|link|center|div|p|span|font|a|b|i|u|s|em|strong"
    r"|small|big|br|hr|img|table|thead|tbody|tfoot|tr|td|th|caption|ul|ol|li|dl|dt|dd|h[1-6]|pre|blockquote"
    r"|section|article|header|footer|main|nav|aside|figure|figcaption|button|sub|sup|code|del|ins|mark|abbr"
    r"|address|picture|video|map|area|label|form|input|svg|o:p|v:\w+)(?=[\s/>]))",
    re.IGNORECASE,
)


def merge_tags(text: str) -> Counter[str]:
    """Return how often each merge tag occurs in a string, in its plain form (:func:`plain_tag`)."""
    return Counter(plain_tag(text[start:end]) for start, end in tag_spans(text))


def tag_spans(text: str, *, is_css: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where the merge tags in a string begin and end, in order.

    :param is_css: whether it is CSS or a script, with braces and brackets of its own.
    """
    for match in _pattern(is_css=is_css).finditer(text):
        yield match.span("link" if match["tag"] is None else "tag")


@cache
def _pattern(*, is_css: bool) -> re.Pattern[str]:
    # Compiled when it is first used, because Dag parsing imports this module.
    tags = "|".join(each.pattern for each in DIALECTS if each.in_css or not is_css)
    link = rf"|(?i:\bhref)\s{{0,9}}=\s{{0,9}}[\"']?\s?(?P<link>{_LINK})(?=[\s\"'>])"
    return re.compile(f"(?P<tag>{tags}){'' if is_css else link}")


def is_merge_tag(url: str) -> bool:
    """Return whether a whole URL is a merge tag."""
    return _pattern(is_css=False).fullmatch(url) is not None or _WHOLE_LINK.fullmatch(url) is not None


@lru_cache(maxsize=4096)
def plain_tag(tag: str) -> str:
    """Return a merge tag with decoded entities, single quotes, and no white space that does not count.

    Two tags with an equal plain form mean the same. Markup, curly quotes and invisible characters count,
    except in the texts of a choice such as ``{{RANDOM | Hi | Hello}}``.
    """
    text = unicodedata.normalize("NFC", html.unescape(tag) if "&" in tag else tag)
    if _CHOICE_START.match(text):
        parts = _NESTED.split(text)
        parts[::2] = [_plain_text(part) for part in parts[::2]]
        parts[1::2] = map(plain_tag, parts[1::2])
        text = "".join(parts)
    return _FREE_SPACE.sub(r"\1\2\3", " ".join(text.split())).replace('"', "'")


def _plain_text(text: str) -> str:
    return INVISIBLE.sub("", _MARKUP.sub("", text)).translate(_CURLY_QUOTES)


def is_placeholder(url: str) -> bool:
    """Return whether a URL has a merge tag in its host or in place of it, such as ``{unsubscribe_link}``.

    Such a URL cannot be checked, because it leads nowhere before the mail is sent.
    """
    address = unquote(html.unescape(url)).strip()
    tag = _pattern(is_css=False).search(address)
    return is_merge_tag(address) or (tag is not None and bool(_HOST_START.fullmatch(address, 0, tag.start())))


def is_resolved_placeholder(url: str) -> bool:
    """Return whether the path of a URL is a merge tag: a placeholder that was resolved against a base URL."""
    _, separator, rest = unquote(html.unescape(url)).strip().partition("://")
    path = rest.partition("/")[2]
    return bool(separator) and is_merge_tag(path)


def looks_like_html(text: str) -> bool:
    """Return whether a string contains at least one element of HTML, and is no literal of Python or JSON."""
    return _HTML_ELEMENT.search(text) is not None and not _STRUCTURE.match(text)
