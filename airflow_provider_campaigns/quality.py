"""Is a campaign good enough to send? An analysis and thresholds in, a report out.

The rules of this room:

- A threshold that is not set is not checked. One that is set needs its figure: an analysis that does not
  hold it, or holds something that is no number from 0 on, breaks the threshold.
- Every threshold is checked, so that one report names all that is wrong, with what is to be repaired.

Nothing here asks a service. What a member of an analysis means is documented for some only; where a count is
missing, it is taken from the list that it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from airflow_provider_campaigns.api._call import one_line
from airflow_provider_campaigns.api._values import number_or_none

_SHOWN = 10
_LONGEST_SHOWN = 200
_MOST_NAMED = 100


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The limits of what may be sent; None is no limit.

    :param max_broken_links: links that did not work.
    :param max_blacklisted_links: links to blacklisted domains.
    :param max_spam_keyword_ratio: share of spam words, as the service gives it.
    :param max_capitals_ratio: share of words in capitals, 0 to 1.
    :param min_text_image_ratio: text in relation to images, as the service gives it.
    :param max_oversized_images: images that are too large.
    """

    max_broken_links: float | None = None
    max_blacklisted_links: float | None = None
    max_spam_keyword_ratio: float | None = None
    max_capitals_ratio: float | None = None
    min_text_image_ratio: float | None = None
    max_oversized_images: float | None = None

    def __post_init__(self) -> None:
        """Refuse thresholds that are none.

        :raises ValueError: names the threshold.
        """
        for each in fields(self):
            limit = getattr(self, each.name)
            if limit is not None and (isinstance(limit, str) or number_or_none(limit) is None or limit < 0):
                raise ValueError(f"{each.name} must be a number from 0 on, got {limit!r}.")
        if all(getattr(self, each.name) is None for each in fields(self)):
            raise ValueError(f"Set at least one threshold: {', '.join(each.name for each in fields(self))}.")


@dataclass(frozen=True)
class Breach:
    """A threshold that an analysis breaks.

    :param threshold: its name.
    :param limit: what it allows.
    :param value: what the analysis says; None where it does not.
    :param offending: links, words or images to repair, as far as the analysis names them.
    """

    threshold: str
    limit: float
    value: float | None
    offending: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the breach as plain JSON values: of what offends, the first 100, 200 characters of each."""
        return {
            "threshold": self.threshold,
            "limit": self.limit,
            "value": self.value,
            "offending": [each[:_LONGEST_SHOWN] for each in self.offending[:_MOST_NAMED]],
        }

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.threshold}={self.limit:g}: the analysis does not hold the figure"
        shown = ", ".join(one_line(each)[:_LONGEST_SHOWN] for each in self.offending[:_SHOWN])
        more = len(self.offending) - _SHOWN
        return (
            f"{self.threshold}={self.limit:g}: found {self.value:g}"
            + (f" ({shown}" if shown else "")
            + (f" and {more} more" if more > 0 else "")
            + (")" if shown else "")
        )


def breaches(analysis: Mapping[str, Any], thresholds: Thresholds) -> list[Breach]:
    """Return the thresholds that an analysis breaks.

    :param analysis: as ``get_campaign`` returned it, the lists included.
    """
    found = (
        _most("max_broken_links", thresholds.max_broken_links, *_broken_links(analysis)),
        _most("max_blacklisted_links", thresholds.max_blacklisted_links, *_blacklisted_links(analysis)),
        _most(
            "max_spam_keyword_ratio",
            thresholds.max_spam_keyword_ratio,
            _figure(analysis.get("spam_keyword_ratio")),
            _names(analysis.get("spam_keyword_list")),
        ),
        _most(
            "max_capitals_ratio",
            thresholds.max_capitals_ratio,
            _figure(analysis.get("all_capitalized_word_ratio")),
            (),
        ),
        _least(
            "min_text_image_ratio",
            thresholds.min_text_image_ratio,
            _figure(analysis.get("text_image_ratio")),
        ),
        _most(
            "max_oversized_images",
            thresholds.max_oversized_images,
            _count(analysis.get("os_image_list")),
            _names(analysis.get("os_image_list")),
        ),
    )
    return [breach for breach in found if breach is not None]


def _most(name: str, limit: float | None, value: float | None, offending: Iterable[str]) -> Breach | None:
    if limit is None or (value is not None and value <= limit):
        return None
    return Breach(name, limit, value, tuple(offending))


def _least(name: str, limit: float | None, value: float | None) -> Breach | None:
    if limit is None or (value is not None and value >= limit):
        return None
    return Breach(name, limit, value)


def _broken_links(analysis: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    links = analysis.get("all_link_list")
    scanned = [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, Mapping) and isinstance(link.get("link_is_broken"), bool)
    ]
    broken = [link for link in scanned if link["link_is_broken"]]
    # A list that leaves out of any link whether it works holds no figure, unless what it says is bad enough.
    whole = isinstance(links, list) and len(scanned) == len(links)
    counted = float(len(broken)) if whole or broken else None
    listed = analysis.get("broken_links")
    return _larger(_count(listed), counted), _names(broken or listed)


def _blacklisted_links(analysis: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    listed = analysis.get("blacklisted_links")
    return _larger(_count(analysis.get("blacklisted_links_found")), _count(listed)), _names(listed)


def _larger(one: float | None, other: float | None) -> float | None:
    """Where two members tell the same figure, believe the worse one."""
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None


def _count(told: Any) -> float | None:
    return float(len(told)) if isinstance(told, list) else _figure(told)


def _figure(told: Any) -> float | None:
    """Read a number from 0 on: whatever a service means by a negative one, it is not what was measured."""
    number = number_or_none(told)
    return number if number is not None and number >= 0 else None


_NAMING = ("link_url", "image_url", "url", "src", "word", "keyword", "spam_keyword", "name", "domain", "link")


def _names(listed: Any) -> tuple[str, ...]:
    """Name the things of a list, whose members are documented for links only."""
    if not isinstance(listed, list):
        return ()
    return tuple(filter(None, map(_name, listed)))


def _name(each: Any) -> str:
    if isinstance(each, Mapping):
        told = [each[member] for member in _NAMING if isinstance(each.get(member), str)]
        return str(told[0]) if told else str(next((v for v in each.values() if isinstance(v, str)), ""))
    return each if isinstance(each, str) else ""
