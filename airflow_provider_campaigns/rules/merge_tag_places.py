"""Find the merge tags of an HTML, hide them from the parser, and say where they stand.

A parser takes ``{% if a < b %}`` or a quote inside a merge tag for markup. So each merge tag is replaced by
its plain form between two marks, in which no character is markup, white space or invisible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from airflow_provider_campaigns.rules.merge_tags import plain_tag, tag_spans

# Characters that no mail uses.
_OPEN, _CLOSE = "\U000f4a00", "\U000f4a01"
#: Stands before a hidden merge tag that is not in the text.
UNSHOWN = "\U000f4a02"
_ESCAPED = (
    "<>&'=/ \u034f\u2060\ufeff\xad"
    + "".join(map(chr, range(0x200B, 0x2010)))
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)
_ESCAPES = {ord(each): chr(0xF4A10 + at) for at, each in enumerate(_ESCAPED)}
_UNESCAPES = {ord(escape): chr(character) for character, escape in _ESCAPES.items()}
_RESERVED = re.compile("[\U000f4a00-\U000f4aff]")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")
HIDDEN_TAG = re.compile(f"{_OPEN}[^{_OPEN}{_CLOSE}]*{_CLOSE}")

# Elements whose content is no markup, and their ends.
_RAW_START = re.compile(r"<(style|script|title)(?=[\s>/])[^<>]*>", re.IGNORECASE)
_RAW_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("style", "script", "title")}
_HIDDEN_ATTRIBUTES = frozenset({"style", "class", "id"})
_CONTROL = re.compile(r"\{%|\{\{-?(?:[#/^~]|else|if|end)|\*\|(?:IF|ELSE|END)|<%(?!=)|%%\[", re.IGNORECASE)

TEXT, HIDDEN_TEXT = "text", "hidden text"
COMMENT, OUTLOOK, UNUSED = "a comment", "an Outlook comment", "unused"
# What is not parsed, such as the name of an attribute.
MARKUP = "the markup"


class PlacedTag(NamedTuple):
    """A merge tag in an HTML.

    :param plain: its plain form.
    :param zone: ``TEXT``, ``HIDDEN_TEXT``, ``COMMENT``, ``OUTLOOK``, ``UNUSED`` (of no importance to what a
        reader sees, such as a style), ``MARKUP``, or an attribute such as ``href=``.
    :param place: where it is, in words.
    """

    plain: str
    zone: str
    place: str

    @property
    def is_control(self) -> bool:
        """Whether it begins or ends a condition or a loop."""
        return is_control(self.plain)

    @property
    def is_shown(self) -> bool:
        """Whether a reader sees it, or follows it as a link."""
        return self.zone not in {HIDDEN_TEXT, COMMENT, OUTLOOK, UNUSED}

    @property
    def is_used(self) -> bool:
        """Whether it is known to be where some reader sees it."""
        return self.zone not in {COMMENT, UNUSED, MARKUP}


def is_control(plain: str) -> bool:
    """Return whether a merge tag begins or ends a condition or a loop."""
    return _CONTROL.match(plain) is not None


def hide_tags(source: str) -> tuple[str, list[str]]:
    """Return an HTML with hidden merge tags, and the merge tags as they are written, in order."""
    pieces: list[str] = []
    found: list[str] = []
    for raw, text in _segments(_RESERVED.sub("", source)):
        at = 0
        for start, end in tag_spans(text, is_css=raw not in (None, "title")):
            found.append(text[start:end])
            pieces += (text[at:start], _OPEN, plain_tag(found[-1]).translate(_ESCAPES), _CLOSE)
            at = end
        pieces.append(text[at:])
    return "".join(pieces), found


def shown_tags(text: str) -> str:
    """Return a part of an HTML with its hidden merge tags in plain form."""
    return _MARKS.sub("", text).translate(_UNESCAPES) if _OPEN in text else text


def tags_in(text: str, zone: str, place: str = "") -> Iterator[PlacedTag]:
    """Yield the hidden merge tags in a part of an HTML."""
    for tag in HIDDEN_TAG.findall(text):
        yield PlacedTag(shown_tags(tag), zone, place or zone)


def tags_in_attribute(element: str, name: str, value: str) -> Iterator[PlacedTag]:
    """Yield the hidden merge tags in the value of an attribute."""
    is_unused = element == "meta" or name in _HIDDEN_ATTRIBUTES
    place = HIDDEN_TAG.sub("", f"{name} of <{element}>")
    return tags_in(value, UNUSED if is_unused else f"{name}=", place)


def tags_in_outlook_comment(text: str) -> Iterator[PlacedTag]:
    """Yield the hidden merge tags in a conditional comment; its styles are of no importance."""
    for raw, part in _segments(text):
        yield from tags_in(part, UNUSED if raw else OUTLOOK, f"<{raw}>" if raw else "")


def _segments(source: str) -> Iterator[tuple[str | None, str]]:
    """Split an HTML into the content of style, script and title elements (with their name), and the rest."""
    at = searched = 0
    without_end: set[str] = set()
    while start := _RAW_START.search(source, searched):
        name = start[1].lower()
        end = None if name in without_end else _RAW_END[name].search(source, start.end())
        if end is None:
            without_end.add(name)
            searched = start.end()
            continue
        yield None, source[at : start.end()]
        yield name, source[start.end() : end.start()]
        at = searched = end.start()
    yield None, source[at:]
