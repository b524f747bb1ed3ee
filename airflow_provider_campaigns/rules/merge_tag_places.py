"""Find the merge tags of an HTML with their places, and hide them from the parser.

A parser takes ``{% if a < b %}`` or a quote inside a merge tag for markup. So each merge tag is replaced by
its plain form between two marks, in which no character is markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from airflow_provider_campaigns.rules.merge_tags import plain_tag, tag_spans

# Characters that no mail uses.
_OPEN, _CLOSE = "\U000f4a00", "\U000f4a01"
_ESCAPES = str.maketrans({
    "<": "\U000f4a02", ">": "\U000f4a03", "&": "\U000f4a04", "'": "\U000f4a05", "=": "\U000f4a06",
    "/": "\U000f4a07",
})  # fmt: skip
_UNESCAPES = {ord(escape): chr(character) for character, escape in _ESCAPES.items()}
_RESERVED = re.compile("[\U000f4a00-\U000f4a07]")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")
HIDDEN_TAG = re.compile(f"{_OPEN}[^{_OPEN}{_CLOSE}]*{_CLOSE}")

# Elements whose content is no markup, and their ends.
_RAW_START = re.compile(r"<(style|script|title)(?=[\s>/])[^<>]*>", re.IGNORECASE)
_RAW_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("style", "script", "title")}
_MARKUP = re.compile(r"<!--|<[a-zA-Z/!?][^<>]*")
_NAME = re.compile(r"</?([a-zA-Z][\w:-]*)")
_ATTRIBUTE = re.compile(r"""\s([^\s"'<>/=]+)\s*=\s*(?:"[^"]*|'[^']*|[^\s"']*)$""")
_HIDDEN_ATTRIBUTES = frozenset({"style", "class", "id"})
_CONTROL = re.compile(r"\{%|\{\{-?(?:[#/^~]|else|if|end)|\*\|(?:IF|ELSE|END)|<%(?!=)|%%\[", re.IGNORECASE)
# How much of a start tag is searched for the name of an attribute.
_MAX_ATTRIBUTE = 4000

TEXT, COMMENT, OUTLOOK, HIDDEN = "text", "a comment", "an Outlook comment", "hidden"


class PlacedTag(NamedTuple):
    """A merge tag in an HTML.

    :param plain: its plain form.
    :param written: how it is written.
    :param zone: ``TEXT`` (also attributes), ``COMMENT``, ``OUTLOOK`` or ``HIDDEN`` (of no importance to what
        a reader sees, such as a style).
    :param place: where it is, in words.
    """

    plain: str
    written: str
    zone: str
    place: str

    @property
    def is_control(self) -> bool:
        """Whether it begins or ends a condition or a loop."""
        return is_control(self.plain)


def is_control(plain: str) -> bool:
    """Return whether a merge tag begins or ends a condition or a loop."""
    return _CONTROL.match(plain) is not None


def hide_tags(source: str) -> tuple[str, list[PlacedTag]]:
    """Return an HTML with hidden merge tags, and the merge tags in order."""
    pieces: list[str] = []
    found: list[tuple[str, str | None]] = []
    for raw, text in _segments(_RESERVED.sub("", source)):
        at = 0
        for start, end in tag_spans(text, is_css=raw not in (None, "title")):
            found.append((text[start:end], raw))
            plain = plain_tag(text[start:end]).translate(_ESCAPES)
            pieces += (text[at:start], _OPEN, plain, _CLOSE)
            at = end
        pieces.append(text[at:])
    hidden = "".join(pieces)
    return hidden, list(_placed(hidden, found)) if found else []


def shown_tags(text: str) -> str:
    """Return a part of an HTML with its hidden merge tags in plain form."""
    return _MARKS.sub("", text).translate(_UNESCAPES) if _OPEN in text else text


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


def _placed(hidden: str, found: list[tuple[str, str | None]]) -> Iterator[PlacedTag]:
    zones = _zones(hidden)
    start, end, zone, name = next(zones)
    for (written, raw), match in zip(found, HIDDEN_TAG.finditer(hidden), strict=True):
        while end <= match.start():
            start, end, zone, name = next(zones)
        plain = plain_tag(written)
        shown = " ".join(written.split())
        if raw is not None:
            yield PlacedTag(plain, shown, HIDDEN, f"<{raw}>")
        elif match.start() < start:
            yield PlacedTag(plain, shown, TEXT, "text")
        elif name:
            before = hidden[max(start, match.start() - _MAX_ATTRIBUTE) : match.start()]
            attribute = _ATTRIBUTE.search(before)
            attribute_name = attribute[1].lower() if attribute else ""
            place = f"{attribute_name} of <{name}>" if attribute else f"<{name}>"
            is_hidden = name == "meta" or attribute_name in _HIDDEN_ATTRIBUTES
            yield PlacedTag(plain, shown, HIDDEN if is_hidden else TEXT, place)
        else:
            yield PlacedTag(plain, shown, zone, zone)


def _zones(hidden: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield begin, end, zone and element of each comment and each start or end tag in order."""
    at = 0
    while markup := _MARKUP.search(hidden, at):
        if markup.group() == "<!--":
            closing = hidden.find("-->", markup.start() + 2)
            at = closing + 3 if closing >= 0 else len(hidden)
            is_outlook = hidden.startswith("[if", markup.end())
            yield markup.start(), at, OUTLOOK if is_outlook else COMMENT, ""
        else:
            at = markup.end()
            name = _NAME.match(markup.group())
            yield markup.start(), at, TEXT, name[1].lower() if name else "!"
    yield len(hidden), len(hidden) + 1, TEXT, ""
