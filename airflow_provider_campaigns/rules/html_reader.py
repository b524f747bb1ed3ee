"""Read an HTML once: its visible text, links and images, and a form in which equal displays are equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_campaigns.rules.html_attributes import plain_attributes
from airflow_provider_campaigns.rules.html_display import Display, StyleSheet
from airflow_provider_campaigns.rules.merge_tag_places import (
    COMMENT,
    HIDDEN_TAG,
    HIDDEN_TEXT,
    TEXT,
    UNSHOWN,
    UNUSED,
    PlacedTag,
    shown_tags,
    tags_in,
    tags_in_attribute,
    tags_in_outlook_comment,
)
from airflow_provider_campaigns.rules.merge_tags import INVISIBLE

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
_CONDITIONAL_COMMENT = re.compile(r"\s*(?:<!\s*)?\[(?:if|endif)", re.IGNORECASE)
# Without a start tag, they begin a new line all the same, but lxml does not report them.
_END_OF_BREAK = re.compile(r"</br\s*/?>", re.IGNORECASE)
_END_OF_PARAGRAPH = re.compile(r"</p\s*>", re.IGNORECASE)
_MARKER = "basefont"
_MARKER_TAG = f"<{_MARKER}>"
_NEW_LINE = ("\n", "")
_EMPTY_PARAGRAPH = ("p", frozenset[Any]())
_WITHOUT_FIRST_LINE_BREAK = frozenset({"pre", "textarea", "listing"})
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
    :ivar is_blank: whether there is nothing at all but ``html``, ``head`` and ``body``.
    :ivar text: the pieces of visible text, line breaks, and all hidden merge tags: those that are not in
        the text or in a comment after the mark ``UNSHOWN``.
    :ivar tags: the merge tags with their places, in the order of ``text``.
    :ivar links: the URLs of links in order.
    :ivar anchors: the links that have a content, in order.
    :ivar images: the URLs of images in order.
    :ivar has_background: whether an element shows a background image.
    """

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.is_blank = True
        self.text: list[str] = []
        self.tags: list[PlacedTag] = []
        self.links: list[str] = []
        self.anchors: list[Anchor] = []
        self.images: list[str] = []
        self.has_background = False
        self._buffer: list[str] = []
        self._raw: str | None = None
        self._anchor: Anchor | None = None
        self._sheet = StyleSheet()
        self._displays = [Display()]
        self._after_space = True
        self._last_text: int | None = None

    # lxml passes the namespaces wherever the signature has room; mutation tests wrap this in one that has.
    def start(self, tag: str, attributes: Mapping[str, str | None], _namespaces: object = None) -> None:
        """Receive a start tag."""
        self._flush()
        self._displays.append(self._sheet.display(tag, attributes, self._displays[-1]))
        if tag == _MARKER:
            self._add_new_line()
            return
        values = {name: (value or "").replace(_MARKER_TAG, "") for name, value in attributes.items()}
        if tag in _RAW:
            self._raw = tag
        if tag not in _INLINE:
            self._break_line()
        elif tag in _INLINE_CONTENT:
            self._after_space, self._last_text = False, None
        for name, value in values.items():
            if HIDDEN_TAG.search(value):
                self._add_unshown(tags_in_attribute(tag, name, value), value)
        self._add_targets(tag, values)
        found = plain_attributes(tag, values)
        is_encoding = tag == "meta" and ("charset" in values or "http-equiv" in values)
        if not is_encoding and (found or tag not in _SHELL):
            self._add((_DISPLAYED_AS.get(tag, tag), found))

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        self._buffer.append(text.replace(_MARKER_TAG, ""))

    def end(self, tag: str) -> None:
        """Receive an end tag."""
        self._flush()
        self._displays.pop()
        if tag == _MARKER:
            return
        if tag == self._raw:
            self._raw = None
        if tag == "a":
            self._anchor = None
        if tag not in _INLINE:
            self._break_line()
        if tag == "p" and self.tokens[-1:] == [_EMPTY_PARAGRAPH]:
            self.tokens.pop()
            self._add_new_line()
        elif tag not in _SHELL and tag not in _VOID:
            self._add(("/", _DISPLAYED_AS.get(tag, tag)))

    def comment(self, text: str) -> None:
        """Receive a comment; only a conditional one, and a merge tag in it, changes the display."""
        if _CONDITIONAL_COMMENT.match(text):
            self._flush()
            self._add_unshown(tags_in_outlook_comment(text), text)
            self._add(("!--", *text.split()))
        elif tags := HIDDEN_TAG.findall(text):
            self._flush()
            self._add(("!--", *tags))
            self.tags += tags_in(text, COMMENT)
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
            self._add_raw(self._raw, text)
            return
        text = text if text.isascii() else INVISIBLE.sub("", text)
        display = self._displays[-1]
        self.tags += tags_in(text, HIDDEN_TEXT if display.is_hidden or display.is_tiny else TEXT)
        collapsed = _SPACE.sub(" ", text)
        self.text.append(collapsed)
        if self._anchor is not None:
            self._anchor.text.append(collapsed)
        if display.preserves_space:
            self._add_kept(text.replace("\r\n", "\n"))
            return
        if self._after_space and collapsed[:1] == " ":
            collapsed = collapsed[1:]
        if collapsed:
            self._after_space = collapsed[-1] == " "
            self._last_text = len(self.tokens)
            self._add(collapsed)

    def _add(self, token: Any) -> None:
        self.is_blank = False
        self.tokens.append(token)

    def _add_raw(self, element: str, text: str) -> None:
        """Add the content of an element that is not displayed."""
        self._add_unshown(tags_in(text, UNUSED, f"<{element}>"), text)
        if element == "style":
            self._sheet.add(text)
        if element != "title" and not text.isspace():
            self._add(" ".join(text.split()))

    def _add_kept(self, text: str) -> None:
        """Add a text with its white space; a line break right after the start tag is not displayed."""
        if self.tokens and self.tokens[-1][0] in _WITHOUT_FIRST_LINE_BREAK:
            text = text.removeprefix("\n")
        self._after_space, self._last_text = False, None
        if text:
            self._add(text)

    def _add_unshown(self, tags: Iterable[PlacedTag], text: str) -> None:
        self.tags += tags
        self.text += [UNSHOWN + tag for tag in HIDDEN_TAG.findall(text)]

    def _break_line(self) -> None:
        """Begin a new line: white space at the end of the last one is not displayed."""
        if self._last_text is not None:
            text = self.tokens[self._last_text].rstrip()
            if text:
                self.tokens[self._last_text] = text
            else:
                del self.tokens[self._last_text]
        if self.tokens and self.tokens[-1] is _NEW_LINE:
            self.tokens.pop()
        if self.text and self.text[-1] != "\n":
            self.text.append("\n")
        self._after_space, self._last_text = True, None

    def _add_new_line(self) -> None:
        """Add a line break between two texts, as an empty paragraph makes one."""
        self._break_line()
        if self.tokens and not _is_block(self.tokens[-1]):
            self._add(_NEW_LINE)

    def _add_targets(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Add the links and images of a start tag."""
        if tag in {"a", "area"}:
            self._add_url(self.links, attributes.get("href"))
            self._begin_anchor(tag, attributes.get("href"))
        elif tag == "img":
            self._add_url(self.images, attributes.get("src"))
            if self._anchor is not None:
                self._anchor.images.append(attributes.get("alt") or attributes.get("src") or "")
        if attributes.get("background") or "url(" in (attributes.get("style") or ""):
            self.has_background = True

    def _begin_anchor(self, tag: str, url: str | None) -> None:
        self._anchor = None
        if tag == "a" and url and (stripped := url.strip()):
            self._anchor = Anchor(shown_tags(stripped), [], [])
            self.anchors.append(self._anchor)

    def _add_url(self, urls: list[str], url: str | None) -> None:
        if url and (stripped := url.strip()):
            urls.append(shown_tags(stripped))


def mark_line_ends(source: str) -> str:
    """Return an HTML of which :class:`Reader` also receives ``</br>``, and ``</p>`` without a start tag."""
    return _END_OF_PARAGRAPH.sub(rf"\g<0>{_MARKER_TAG}", _END_OF_BREAK.sub("<br>", source))


def _is_block(token: Any) -> bool:
    """Return whether a token begins or ends a line."""
    if isinstance(token, str):
        return False
    return token[0] != "!--" and (token[1] if token[0] == "/" else token[0]) not in _INLINE
