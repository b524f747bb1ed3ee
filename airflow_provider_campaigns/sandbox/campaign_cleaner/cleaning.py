"""Cleans submitted HTML. No I/O.

Merge tags and conditional comments must not change, so placeholders replace them before the HTML is parsed.
The same is done with entities, which the parser would decode. This only imitates the real service: it repairs
some problems, inlines no CSS and fetches nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

DEFAULT_SETTINGS: dict[str, Any] = {
    "adjust_font_colors": True,
    "adjust_font_size": True,
    "min_font_size_allowed": 10,
    "max_font_size_allowed": 32,
    "convert_h_to_p_tags": False,
    "convert_tables_to_divs": False,
    "inline_css": True,
    "inline_css_important": False,
    "preserve_media_queries": True,
    "media_queries_important": True,
    "remove_css_inheritance": True,
    "remove_classes_and_ids": True,
    "remove_comments": True,
    "remove_control_non_printable": True,
    "remove_successive_punctuation": False,
    "replace_diacritics": True,
    "replace_non_ascii_characters": True,
    "remove_image_height": False,
    "resize_and_host": False,
    "host_extensionless_images": False,
}

Attributes = list[tuple[str, str | None]]

# Placeholders are private-use characters: a number between two marks, and a character for "&".
_OPEN, _CLOSE, _AMPERSAND = "\ue000", "\ue001", "\ue002"
_HIDDEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_CONDITIONAL = re.compile(
    r"<!--\[if[^\]]*\]>\s*(?:<!-->|-->)"
    r"|<!--\[if[^\]]*\]>.*?<!\[endif\]-->"
    r"|<!--\s*<!\[endif\]-->"
    r"|<!\[(?:if[^\]]*|endif)\]>",
    re.DOTALL | re.IGNORECASE,
)
_MERGE_TAG = re.compile(r"\{\{\{[^{}]*\}\}\}|\{\{[^{}]*\}\}|\{%[^{}]*?%\}|\*\|[^|<>]+\|\*")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
_REPEATED_MARK = re.compile(r"([!?.,;:$*])\1+")
_UNSAFE_SCHEME = re.compile(r"(?:javascript|vbscript|data:text/html)", re.IGNORECASE)
_LINK_ATTRIBUTES = {"href", "src", "action", "formaction", "background", "xlink:href"}
_ASCII_EQUIVALENTS = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": ",", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2013": "-",
    "\u2014": "-", "\u2026": "...", "\u00a0": " ", "\u2022": "*", "\u00ab": '"', "\u00bb": '"', "\u00d7": "x",
})  # fmt: skip
_BLOCKS = frozenset({
    "html", "head", "body", "title", "meta", "link", "style", "center", "div", "p", "table", "thead", "tbody",
    "tfoot", "tr", "td", "th", "ul", "ol", "li", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "section",
    "article", "header", "footer", "blockquote",
})  # fmt: skip
_HEADINGS = {"h1": 32, "h2": 24, "h3": 19, "h4": 16, "h5": 13, "h6": 11}
_VERBATIM = {"pre", "textarea", "style"}


def clean(html: str, settings: Mapping[str, Any], *, minimize: bool = False) -> str:
    """Return cleaned HTML.

    :param settings: the options of the submission by their names in the API; missing ones have defaults.
    :param minimize: reduce white space, except where it is content.
    """
    hidden: list[str] = []
    rewriter = _Rewriter({**DEFAULT_SETTINGS, **settings}, minimize=minimize)
    rewriter.feed(_hide(html, hidden))
    rewriter.close()
    return _show("".join(rewriter.out), hidden).strip()


def absolute_link(base: str, address: str) -> str:
    """Return a link resolved against a base address, or unchanged if it is invalid."""
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def is_unsafe_link(address: str) -> bool:
    """Return whether a link runs code."""
    return bool(_UNSAFE_SCHEME.match(re.sub(r"[\x00-\x20]", "", unescape(address))))


def _hide(html: str, hidden: list[str]) -> str:
    def replace(found: re.Match[str]) -> str:
        hidden.append(found.group())
        return f"{_OPEN}{len(hidden) - 1}{_CLOSE}"

    html = re.sub(f"[{_OPEN}{_CLOSE}{_AMPERSAND}]", "", html)
    html = _CONDITIONAL.sub(replace, html)
    count = 1
    while count:  # a merge tag may contain another
        html, count = _MERGE_TAG.subn(replace, html)
    return html.replace("&", _AMPERSAND)


def _show(html: str, hidden: list[str]) -> str:
    html = html.replace(_AMPERSAND, "&")
    while _HIDDEN.search(html):
        html = _HIDDEN.sub(lambda found: hidden[int(found.group(1))], html)
    return html


class _Rewriter(HTMLParser):
    """Writes the HTML again, without what does not belong into an e-mail."""

    def __init__(self, settings: Mapping[str, Any], *, minimize: bool) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._settings = settings
        self._minimize = minimize
        self._verbatim = 0
        self._in_script = False
        self._after_block = True

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag == "script":
            self._in_script = True
            return
        self._verbatim += tag in _VERBATIM
        self._write_tag(tag, f"<{self._renamed(tag)}{self._attributes(tag, attrs)}>")

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if tag != "script":
            self._write_tag(tag, f"<{self._renamed(tag)}{self._attributes(tag, attrs)} />")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False
            return
        self._verbatim -= tag in _VERBATIM and self._verbatim > 0
        self._write_tag(tag, f"</{self._renamed(tag)}>")

    def handle_data(self, data: str) -> None:
        if self._in_script:
            return
        if self._verbatim:
            self.out.append(data)
            return
        data = self._plain(data)
        if self._minimize:
            data = _SPACE.sub(" ", data)
            data = data.lstrip(" ") if self._after_block else data
        if data:
            self.out.append(data)
            self._after_block = False

    def handle_comment(self, data: str) -> None:
        if not self._settings["remove_comments"]:
            self.out.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._write_tag("html", f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._write_tag("html", f"<?{data}>")

    def _write_tag(self, tag: str, text: str) -> None:
        block = tag in _BLOCKS
        if block and self._minimize and not self._verbatim and self.out:
            self.out[-1] = self.out[-1].rstrip(" ")
        self.out.append(text)
        self._after_block = block

    def _renamed(self, tag: str) -> str:
        return "p" if tag in _HEADINGS and self._settings["convert_h_to_p_tags"] else tag

    def _attributes(self, tag: str, attrs: Attributes) -> str:
        if tag in _HEADINGS and self._settings["convert_h_to_p_tags"]:
            attrs = _styled(attrs, f"font-size:{_HEADINGS[tag]}px;font-weight:bold")
        if tag == "img":
            attrs = self._sized(attrs)
        return "".join(self._attribute(name, value) for name, value in attrs if self._keeps(name, value))

    def _keeps(self, name: str, value: str | None) -> bool:
        if name.startswith("on"):
            return False
        if name in {"class", "id"} and self._settings["remove_classes_and_ids"]:
            return False
        shown = (value or "").replace(_AMPERSAND, "&")
        return not (name in _LINK_ATTRIBUTES and is_unsafe_link(shown))

    def _attribute(self, name: str, value: str | None) -> str:
        if value is None:
            return f" {name}"
        base = self._settings.get("relative_links_base_url")
        if base and name in _LINK_ATTRIBUTES and not value.startswith((_OPEN, "#")):
            value = absolute_link(base, value)
        quote = "'" if '"' in value else '"'
        return f" {name}={quote}{value}{quote}"

    def _sized(self, attrs: Attributes) -> Attributes:
        if self._settings["remove_image_height"]:
            attrs = [(name, value) for name, value in attrs if name != "height"]
        width = self._settings.get("image_max_width") or self._settings.get("set_image_max_width")
        return _styled(attrs, f"max-width:{width}px") if width else attrs

    def _plain(self, text: str) -> str:
        if self._settings["remove_control_non_printable"]:
            text = _CONTROL.sub("", text)
        if self._settings["replace_non_ascii_characters"]:
            text = text.translate(_ASCII_EQUIVALENTS)
        if self._settings["replace_diacritics"] and not text.isascii():
            text = "".join(_without_diacritic(character) for character in text)
        if self._settings["remove_successive_punctuation"]:
            text = _REPEATED_MARK.sub(r"\1", text)
        return text


def _styled(attrs: Attributes, declaration: str) -> Attributes:
    """Add a CSS declaration to the style of a tag."""
    present = next((value.rstrip("; ") + ";" for name, value in attrs if name == "style" and value), "")
    return [*(each for each in attrs if each[0] != "style"), ("style", present + declaration)]


def _without_diacritic(character: str) -> str:
    """Return a letter without its diacritic, or another character unchanged."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
    return plain if character.isalpha() and plain else character
