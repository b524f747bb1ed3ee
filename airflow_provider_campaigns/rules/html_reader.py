"""Read an HTML once: its visible text, links and images, and a form in which equal displays are equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_campaigns.rules.html_attributes import plain_attributes
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
_SPACE = re.compile(r"\s+")
INVISIBLE = re.compile("[\u200b-\u200f\u034f\u2060\ufeff\xad]+")
_CONDITIONAL_COMMENT = re.compile(r"\s*(?:<!\s*)?\[(?:if|endif)", re.IGNORECASE)
# Elements that are displayed as another one is.
_DISPLAYED_AS = {"strong": "b", "em": "i", "strike": "s", "del": "s", "ins": "u"}


class Anchor(NamedTuple):
    """A link with its content.

    :param url: where it leads.
    :param text: the pieces of its text.
    :param images: the alternative text of each image in it, or else the image's URL.
    """

    url: str
    text: list[str]
    images: list[str]


class Reader:
    """Receives the events of a parser that builds no tree.

    :ivar tokens: start tags, end tags, texts and conditional comments, without what does not change the
        display.
    :ivar text: the pieces of visible text, and the hidden merge tags of comments.
    :ivar links: the URLs of links in order.
    :ivar anchors: the links that have a content, in order.
    :ivar images: the URLs of images in order.
    :ivar has_background: whether an element shows a background image.
    """

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.anchors: list[Anchor] = []
        self.images: list[str] = []
        self.has_background = False
        self._buffer: list[str] = []
        self._raw: str | None = None
        self._anchor: Anchor | None = None
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
        found = plain_attributes(tag, attributes)
        if tag in {"a", "area"}:
            self._add_url(self.links, attributes.get("href"))
            self._begin_anchor(tag, attributes.get("href"))
        elif tag == "img":
            self._add_url(self.images, attributes.get("src"))
            if self._anchor is not None:
                self._anchor.images.append(attributes.get("alt") or attributes.get("src") or "")
        if attributes.get("background") or "url(" in (attributes.get("style") or ""):
            self.has_background = True
        is_encoding = tag == "meta" and ("charset" in attributes or "http-equiv" in attributes)
        if not is_encoding and (found or tag not in _SHELL):
            self.tokens.append((_DISPLAYED_AS.get(tag, tag), found))

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        self._buffer.append(text)

    def end(self, tag: str) -> None:
        """Receive an end tag."""
        self._flush()
        if tag == self._raw:
            self._raw = None
        if tag == "a":
            self._anchor = None
        if tag not in _INLINE:
            self._break_line()
        if tag not in _SHELL and tag not in _VOID:
            self.tokens.append(("/", _DISPLAYED_AS.get(tag, tag)))

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
        text = unicodedata.normalize("NFC", "".join(self._buffer))
        self._buffer.clear()
        if self._raw is not None:
            if self._raw != "title" and not text.isspace():
                self.tokens.append(" ".join(text.split()))
            return
        self.text.append(text)
        if self._anchor is not None:
            self._anchor.text.append(text)
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

    def _begin_anchor(self, tag: str, url: str | None) -> None:
        self._anchor = None
        if tag == "a" and url and (stripped := url.strip()):
            self._anchor = Anchor(shown_tags(stripped), [], [])
            self.anchors.append(self._anchor)

    def _add_url(self, urls: list[str], url: str | None) -> None:
        if url and (stripped := url.strip()):
            urls.append(shown_tags(stripped))
