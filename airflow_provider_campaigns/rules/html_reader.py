"""Read an HTML once: its visible text, links and images, and a form in which equal displays are equal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from airflow_provider_campaigns.rules.merge_tag_places import HIDDEN_TAG, shown_tags

# What the content of an element is, where it is not displayed text.
_RAW = frozenset({"style", "script", "title", "template"})
# Elements that a parser adds, and that display nothing by themselves.
_SHELL = frozenset({"html", "head", "body", "title", "tbody", "colgroup"})
_VOID = frozenset({"br", "img", "hr", "input", "meta", "link", "area", "col", "base", "wbr"})
# All other elements begin a new line, at which white space is not displayed.
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "img", "input", "ins", "kbd", "label", "map", "mark", "o:p", "q", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
_INLINE_CONTENT = frozenset({"img", "input"})
_URLS = frozenset({"href", "src", "background", "action"})
_SPACE = re.compile(r"\s+")
INVISIBLE = re.compile("[\u200b-\u200f\u034f\u2060\ufeff\xad]+")
_CONDITIONAL_COMMENT = re.compile(r"\s*(?:<!\s*)?\[(?:if|endif)", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_DECLARATION_SPACE = re.compile(r"\s*([:,!()])\s*")
_HEX_COLOUR = re.compile(r"#[0-9A-Fa-f]{3,8}(?![\w-])")
_NO_ATTRIBUTES: frozenset[Any] = frozenset()


class Reader:
    """Receives the events of a parser that builds no tree.

    :ivar tokens: start tags, end tags, texts and conditional comments, without what does not change the
        display.
    :ivar text: the pieces of visible text, and the hidden merge tags of comments.
    :ivar links: the URLs of links in order.
    :ivar images: the URLs of images in order.
    :ivar has_background: whether an element shows a background image.
    """

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.has_background = False
        self._buffer: list[str] = []
        self._raw: str | None = None
        self._after_space = True
        self._last_text = -1

    def start(self, tag: str, attributes: Mapping[str, str | None]) -> None:
        """Receive a start tag."""
        self._flush()
        if tag in _RAW:
            self._raw = tag
        if tag not in _INLINE:
            self._break_line()
        elif tag in _INLINE_CONTENT:
            self._after_space, self._last_text = False, -1
        found = _plain_attributes(attributes) if attributes else _NO_ATTRIBUTES
        if tag in {"a", "area"}:
            self._add_url(self.links, attributes.get("href"))
        elif tag == "img":
            self._add_url(self.images, attributes.get("src"))
        if attributes.get("background") or "url(" in (attributes.get("style") or ""):
            self.has_background = True
        is_encoding = tag == "meta" and ("charset" in attributes or "http-equiv" in attributes)
        if not is_encoding and (found or tag not in _SHELL):
            self.tokens.append((tag, found))

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        self._buffer.append(text)

    def end(self, tag: str) -> None:
        """Receive an end tag."""
        self._flush()
        if tag == self._raw:
            self._raw = None
        if tag not in _INLINE:
            self._break_line()
        if tag not in _SHELL and tag not in _VOID:
            self.tokens.append(("/", tag))

    def comment(self, text: str) -> None:
        """Receive a comment; only a conditional one, and a merge tag in it, changes the display."""
        if _CONDITIONAL_COMMENT.match(text):
            self._flush()
            self.tokens.append(("!--", " ".join(text.split())))
        elif tags := HIDDEN_TAG.findall(text):
            self._flush()
            self.tokens.append(("!--", *tags))
            self.text += tags

    def close(self) -> Reader:
        """Receive the end of the HTML."""
        self._flush()
        self._break_line()
        return self

    def _flush(self) -> None:
        if not self._buffer:
            return
        text = "".join(self._buffer)
        self._buffer.clear()
        if self._raw is not None:
            if self._raw != "title" and not text.isspace():
                self.tokens.append(" ".join(text.split()))
            return
        self.text.append(text)
        text = _SPACE.sub(" ", text if text.isascii() else INVISIBLE.sub("", text))
        if self._after_space and text[:1] == " ":
            text = text[1:]
        if text:
            self._after_space = text[-1] == " "
            self._last_text = len(self.tokens)
            self.tokens.append(text)

    def _break_line(self) -> None:
        """Begin a new line: white space at the end of the last one is not displayed."""
        if self._last_text >= 0:
            text = self.tokens[self._last_text].rstrip(" ")
            if text:
                self.tokens[self._last_text] = text
            else:
                del self.tokens[self._last_text]
        if self.text and self.text[-1] != "\n":
            self.text.append("\n")
        self._after_space, self._last_text = True, -1

    def _add_url(self, urls: list[str], url: str | None) -> None:
        if url and (stripped := url.strip()):
            urls.append(shown_tags(stripped))


@lru_cache(maxsize=4096)
def plain_url(url: str) -> str:
    """Return a URL in a form that is the same however its characters are escaped."""
    plain = unquote(url).strip().rstrip("/")
    host = _HOST.match(plain)
    return host.group().lower() + plain[host.end() :] if host else plain


def _plain_attributes(attributes: Mapping[str, str | None]) -> frozenset[Any]:
    return frozenset(
        plain
        for name, value in attributes.items()
        if (plain := _plain_attribute(name, value or "")) is not None
    )


@lru_cache(maxsize=4096)
def _plain_attribute(name: str, value: str) -> tuple[str, Any] | None:
    """Return an attribute in a form in which equal values are equal; None if it says nothing."""
    if name == "style":
        declarations = frozenset(map(_plain_declaration, filter(str.strip, value.split(";"))))
        return (name, declarations) if declarations else None
    if name == "class":
        classes = frozenset(value.split())
        return (name, classes) if classes else None
    return name, plain_url(value) if name in _URLS else " ".join(value.split())


def _plain_declaration(declaration: str) -> str:
    name, colon, value = " ".join(declaration.split()).partition(":")
    value = _DECLARATION_SPACE.sub(r"\1", value.strip().replace('"', "'"))
    return name.strip().lower() + colon + _HEX_COLOUR.sub(lambda match: match.group().lower(), value)
