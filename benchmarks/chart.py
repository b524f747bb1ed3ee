"""Bar charts as SVG: a panel per quantity, a bar per contender, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 860
_LABELS = 300
_VALUES = 90
_BAR = 18
_GAP = 8
_TITLE = 38
_MARGIN = 16
_OURS, _OTHERS = "#1f7a4d", "#9aa3ad"
# With its own background, so that it is readable on a dark page too.
_STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:13px;fill:#1c2126}"
    ".title{font-weight:600;font-size:14px}.note{font-size:11px;fill:#59626b}"
)


@dataclass(frozen=True)
class Bar:
    """The value of one contender.

    :param shown: the value as text.
    """

    label: str
    value: float
    shown: str
    ours: bool


@dataclass(frozen=True)
class Panel:
    """One quantity."""

    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return _TITLE + len(self.bars) * (_BAR + _GAP)


def draw(title: str, note: str, panels: Sequence[Panel]) -> str:
    """Return an SVG document."""
    height = 2 * _MARGIN + 44 + sum(panel.height for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 14}">{escape(title)}</text>',
        f'<text class="note" x="{_MARGIN}" y="{_MARGIN + 32}">{escape(note)}</text>',
    ]
    top = _MARGIN + 44
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    parts = [f'<text class="title" x="{_MARGIN}" y="{top + 24}">{escape(panel.title)}</text>']
    for position, bar in enumerate(panel.bars):
        y = top + _TITLE + position * (_BAR + _GAP)
        width = _width(bar.value, [other.value for other in panel.bars])
        middle = y + _BAR - 5
        parts += [
            f'<text x="{_LABELS - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" '
            f'fill="{_OURS if bar.ours else _OTHERS}"/>',
            f'<text x="{_LABELS + width + 6:.1f}" y="{middle}">{escape(bar.shown)}</text>',
        ]
    return parts


def _width(value: float, values: Sequence[float]) -> float:
    """Return the length of a bar in pixels: each power of ten has the same length."""
    positive = [other for other in values if other > 0]
    if value <= 0 or not positive:
        return 2.0
    lowest = math.floor(math.log10(min(positive)) - 0.2)
    highest = max(math.log10(max(positive)), lowest + 1)
    available = _WIDTH - _LABELS - _VALUES - _MARGIN
    return max(2.0, available * (math.log10(value) - lowest) / (highest - lowest))
