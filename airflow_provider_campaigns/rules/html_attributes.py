"""Write the attributes of an element in a form in which values that mean the same are equal.

A sanitiser or an editor writes ``#fff`` as ``rgb(255, 255, 255)``, ``0px`` as ``0``, ``disabled`` as
``disabled="disabled"``, and adds ``rel`` and ``target`` to links.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from airflow_provider_campaigns.rules.html_urls import plain_url
from airflow_provider_campaigns.rules.merge_tag_places import HIDDEN_TAG, shown_tags
from airflow_provider_campaigns.rules.merge_tags import INVISIBLE

_BOOLEANS = frozenset({
    "async", "autofocus", "autoplay", "checked", "compact", "controls", "default", "defer", "disabled",
    "hidden", "ismap", "loop", "multiple", "muted", "noshade", "novalidate", "nowrap", "open", "readonly",
    "required", "reversed", "selected",
})  # fmt: skip
_SAY_NOTHING_IF_EMPTY = frozenset({
    "align", "alt", "bgcolor", "class", "dir", "height", "id", "lang", "style", "title",
    "valign", "width",
})  # fmt: skip
_URLS = frozenset({"action", "background", "href", "src"})
# Where a link opens, and what a crawler may make of it. A mail displays a link alike without them.
_OF_LINKS = frozenset({"rel", "target"})

_DECLARATION = re.compile(r"(?:[^;'()]|'[^']*'|\([^()]*\)|['()])+")
_DECLARATION_SPACE = re.compile(r"\s*([:,!()])\s*")
# What is not the same in capitals.
_CASED = re.compile(rf"({HIDDEN_TAG.pattern}|(?i:url)\([^()]*\))")
_NUMBER = re.compile(r"(?<![\w#.])[+-]?(\d*)(?:\.(\d+))?([a-z%]*)(?![\w.])")
_LENGTHS = frozenset({"px", "pt", "em", "rem", "ex", "in", "cm", "mm", "pc"})
_HAS_COLOUR = re.compile("color|background|border|outline|shadow")
_HEX_COLOUR = re.compile(r"(?<=#)[0-9a-f]{3,8}(?![\w-])")
_RGB_COLOUR = re.compile(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(?:,1(?:\.0*)?)?\)")
_NAMED_COLOURS = {
    "aqua": "#00ffff", "black": "#000000", "blue": "#0000ff", "cyan": "#00ffff", "fuchsia": "#ff00ff",
    "gray": "#808080", "green": "#008000", "grey": "#808080", "lime": "#00ff00", "magenta": "#ff00ff",
    "maroon": "#800000", "navy": "#000080", "olive": "#808000", "orange": "#ffa500", "purple": "#800080",
    "red": "#ff0000", "silver": "#c0c0c0", "teal": "#008080", "white": "#ffffff", "yellow": "#ffff00",
}  # fmt: skip
_NAMED_COLOUR = re.compile(rf"(?<![\w#-])(?:{'|'.join(_NAMED_COLOURS)})(?![\w-])")
_SHORT_HEX = (3, 4)
_OPAQUE_HEX = 8
_FOUR_SIDES = frozenset({"margin", "padding", "border-width", "border-style", "border-color"})
_WEIGHTS = {"normal": "400", "bold": "700"}
_MAX_DEPTH = 3
_SIDES = ("top", "right", "bottom", "left")
# Properties that another one does not set, though their names begin with its name; and the reverse.
_PATHS: dict[str, tuple[tuple[str, ...], ...]] = {
    **{
        name: ((name,),)
        for name in ("border-collapse", "border-radius", "border-spacing", "flex-direction", "flex-wrap")
    },
    **{
        f"border-{kind}": tuple(("border", side, kind) for side in _SIDES)
        for kind in ("color", "style", "width")
    },
    "line-height": (("font", "line-height"),),
}
_NONE: frozenset[Any] = frozenset()


def plain_attributes(tag: str, attributes: Mapping[str, str | None]) -> frozenset[Any]:
    """Return the attributes of a start tag that change the display."""
    if not attributes:
        return _NONE
    return frozenset(
        plain
        for name, value in attributes.items()
        if (tag == "link" or name not in _OF_LINKS)
        and (plain := _plain_attribute(name, value or "")) is not None
    )


@lru_cache(maxsize=4096)
def _plain_attribute(name: str, value: str) -> tuple[str, Any] | None:
    """Return an attribute in a form in which equal values are equal; None if it says nothing."""
    if name in _URLS:
        return (name, plain) if (plain := plain_url(shown_tags(value))) or name != "background" else None
    value = " ".join(unicodedata.normalize("NFC", value).split())
    if name in _BOOLEANS:
        return name, ""
    if not value and name in _SAY_NOTHING_IF_EMPTY:
        return None
    plain = _PLAIN_VALUES[name](value) if name in _PLAIN_VALUES else value
    return (name, plain) if plain or name != "style" else None


def _plain_style(value: str) -> frozenset[Any]:
    declarations = _DECLARATION.findall(value.replace('"', "'"))
    return _in_order(_plain_declaration(each) for each in declarations if each.strip())


def _plain_declaration(declaration: str) -> tuple[str, str]:
    name, colon, value = declaration.partition(":")
    name = name.strip().lower()
    value, mark, important = _DECLARATION_SPACE.sub(r"\1", value.strip()).partition("!")
    return name, name + colon + _plain_value(name, value) + mark + important.lower()


def _plain_value(name: str, value: str) -> str:
    """Return the value of a style declaration with its colours and numbers in one form."""
    parts = _CASED.split(value)
    parts[::2] = [_plain_part(name, part) for part in parts[::2]]
    parts[1::2] = [_plain_image(part) for part in parts[1::2]]
    plain = "".join(parts)
    sides = plain.split()
    if name in _FOUR_SIDES and "(" not in plain:
        for at, opposite in ((3, 1), (2, 0), (1, 0)):
            if len(sides) == at + 1 and sides[at] == sides[opposite]:
                sides.pop()
    return " ".join(sides)


def _plain_image(part: str) -> str:
    """Return ``url('a')`` without quotes; a hidden merge tag stays as it is."""
    url = part[len("url(") : -1].strip(" '")
    return f"url({url})" if part.endswith(")") else part


def _plain_part(name: str, value: str) -> str:
    value = value.lower().replace("'", "")
    if name == "font-weight":
        return _WEIGHTS.get(value, value)
    if _HAS_COLOUR.search(name):
        value = _RGB_COLOUR.sub(_rgb_as_hex, value)
        value = _NAMED_COLOUR.sub(lambda colour: _NAMED_COLOURS[colour.group()], value)
        value = _HEX_COLOUR.sub(_long_hex, value)
    return _NUMBER.sub(_plain_number, value) if name != "font-family" else value


def _rgb_as_hex(colour: re.Match[str]) -> str:
    return "#" + "".join(f"{min(int(part), 255):02x}" for part in colour.groups())


def _long_hex(colour: re.Match[str]) -> str:
    digits = colour.group()
    if len(digits) in _SHORT_HEX:
        digits = "".join(digit * 2 for digit in digits)
    return digits.removesuffix("ff") if len(digits) == _OPAQUE_HEX else digits


def _plain_number(number: re.Match[str]) -> str:
    """Return a number without what does not change it: zeros at its ends, and the unit of a zero."""
    whole, fraction, unit = number[1].lstrip("0"), (number[2] or "").rstrip("0"), number[3]
    if not number[1] and not number[2]:
        return number.group()
    if not whole and not fraction:
        return "0" if unit in _LENGTHS else f"0{unit}"
    sign = "-" if number.group().startswith("-") else ""
    return f"{sign}{whole or '0'}{f'.{fraction}' if fraction else ''}{unit}"


_PLAIN_VALUES: Mapping[str, Callable[[str], Any]] = {
    "style": _plain_style,
    "class": lambda value: frozenset(value.split()),
    **dict.fromkeys(("alt", "title"), lambda value: INVISIBLE.sub("", value)),
    **dict.fromkeys(("align", "charset", "dir", "lang", "method", "scope", "type", "valign"), str.lower),
    **dict.fromkeys(
        ("alink", "bgcolor", "bordercolor", "color", "link", "text", "vlink"),
        lambda value: _plain_value("color", value),
    ),
    **dict.fromkeys(
        ("border", "cellpadding", "cellspacing", "height", "hspace", "vspace", "width"),
        lambda value: value.lower().removesuffix("px"),
    ),
}


def _in_order(declarations: Iterable[tuple[str, str]]) -> frozenset[Any]:
    """Return style declarations in a form that is the same in every order that displays alike.

    :param declarations: the name and the whole text of each.
    """
    families: dict[str, list[_Group]] = {}
    for name, text in declarations:
        paths = _PATHS.get(name) or (tuple(name.split("-", _MAX_DEPTH)),)
        groups = families.setdefault(paths[0][0], [_Group()])
        if groups[-1].sets_one_of(paths):
            groups.append(_Group())
        groups[-1].add(paths, text)
    return frozenset(tuple(frozenset(group.texts) for group in groups) for groups in families.values())


class _Group:
    """Declarations of which none sets what another one sets."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._paths: set[tuple[str, ...]] = set()
        self._above: set[tuple[str, ...]] = set()

    def sets_one_of(self, paths: Iterable[tuple[str, ...]]) -> bool:
        """Return whether a declaration here and one of these properties replace each other."""
        return any(
            path in self._above or any(path[:end] in self._paths for end in range(len(path) + 1))
            for path in paths
        )

    def add(self, paths: Iterable[tuple[str, ...]], text: str) -> None:
        """Add a declaration."""
        self.texts.append(text)
        for path in paths:
            self._paths.add(path)
            self._above.update(path[:end] for end in range(len(path)))
