"""A campaign before and after cleaning, small enough for an XCom, for the page that shows both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_campaigns.rules.html import Html

# How much of each version is kept, in bytes as JSON.
MAX_BYTES = 100 * 1024
_VERSION = 1
_COUNTS: Mapping[str, Callable[[Html], int]] = {
    "words": lambda html: len(html.folded_words),
    "links": lambda html: html.links.total(),
    "images": lambda html: html.images.total(),
    "merge_tags": lambda html: html.merge_tags.total(),
}


def preview(original: str | None, cleaned: str, lost: Sequence[str] | None) -> dict[str, Any]:
    """Return both versions as plain JSON: the HTML, its size, and how much of what it holds.

    :param original: what was submitted; None where that is not known.
    :param lost: what cleaning lost; None where that is not known.
    """
    before = None if original is None else _version(original)
    return {"v": _VERSION, "before": before, "after": _version(cleaned), "lost": lost}


def _version(source: str) -> dict[str, Any]:
    html = Html(source)
    kept = _cut(source)
    return {
        "html": kept,
        "is_cut": len(kept) < len(source),
        "bytes": len(source.encode(errors="replace")),
        **{name: count(html) for name, count in _COUNTS.items()},
    }


def _cut(source: str) -> str:
    """Return the beginning of a text that takes at most :data:`MAX_BYTES` as JSON."""
    kept = source[:MAX_BYTES]
    while (size := len(json.dumps(kept))) > MAX_BYTES:
        kept = kept[: len(kept) * MAX_BYTES // size - 1]
    return kept
