"""Whether an element shows its text, and whether it preserves the white space in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_HIDES = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*(?:\.0*)?\s*(?=[;!]|$))",
    re.IGNORECASE,
)
_FONT_SIZE = re.compile(r"(?:^|;)\s*font-size\s*:\s*([\d.]*)", re.IGNORECASE)
_WHITE_SPACE = re.compile(r"(?:^|;)\s*white-space\s*:\s*([a-z-]*)", re.IGNORECASE)
_PRESERVING = frozenset({"pre", "pre-wrap", "pre-line", "break-spaces"})
_PRESERVING_ELEMENTS = frozenset({"pre", "textarea", "listing", "xmp"})
_NAME = re.compile(r"[.#][\w-]+$")


class Display(NamedTuple):
    """How an element shows its text.

    :param is_hidden: it does not show it.
    :param is_tiny: its font has no size, which an element in it may change.
    :param preserves_space: white space in it is shown.
    """

    is_hidden: bool = False
    is_tiny: bool = False
    preserves_space: bool = False


class StyleSheet:
    """The classes and ids with which the styles of a mail hide an element, or preserve its white space."""

    def __init__(self) -> None:
        self._hiding: set[str] = set()
        self._preserving: set[str] = set()

    def add(self, css: str) -> None:
        """Read the rules of a ``<style>`` element."""
        for rule in css.split("}"):
            start, _, body = rule.rpartition("{")
            names = [
                found.group()
                for selector in start.rpartition("{")[2].split(",")
                if (found := _NAME.search(selector.strip()))
            ]
            if _HIDES.search(body):
                self._hiding.update(names)
            if _preserves_space(body):
                self._preserving.update(names)

    def display(self, tag: str, attributes: Mapping[str, str | None], parent: Display) -> Display:
        """Return the display of an element inside another one."""
        if not attributes and tag not in _PRESERVING_ELEMENTS:
            return parent
        style = attributes.get("style") or ""
        names = [f".{each}" for each in (attributes.get("class") or "").split()]
        names.append(f"#{attributes.get('id')}")
        is_hidden = "hidden" in attributes or bool(_HIDES.search(style)) or not self._hiding.isdisjoint(names)
        size = _FONT_SIZE.search(style)
        preserves = _preserves_space(style)
        if preserves is None and (tag in _PRESERVING_ELEMENTS or not self._preserving.isdisjoint(names)):
            preserves = True
        return Display(
            parent.is_hidden or is_hidden,
            parent.is_tiny if size is None or not size[1] else not size[1].strip("0."),
            parent.preserves_space if preserves is None else preserves,
        )


def _preserves_space(style: str) -> bool | None:
    found = _WHITE_SPACE.search(style)
    return found[1].lower() in _PRESERVING if found else None
