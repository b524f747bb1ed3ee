"""Decide whether an analysis is within thresholds.

- A threshold that is not set is not checked. A threshold that is set needs its value: an analysis without it,
  or with something other than a number from 0 up, breaks the threshold.
- Every threshold is checked, so that one report names everything to fix.

Only some fields of an analysis are documented. Where a count is missing, it is taken from the list that it
counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.api.values import number_or_none

_MAX_SHOWN = 10
_MAX_SHOWN_LENGTH = 200
_MAX_NAMED = 100


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The limits of a campaign; None sets no limit.

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
        """Refuse values that are not thresholds.

        :raises ValueError: names the threshold.
        """
        for each in fields(self):
            limit = getattr(self, each.name)
            if limit is not None and (isinstance(limit, str) or number_or_none(limit) is None or limit < 0):
                raise ValueError(f"{each.name} must be a number, 0 or more; got {limit!r}.")
        if all(getattr(self, each.name) is None for each in fields(self)):
            raise ValueError(f"Set at least one threshold: {', '.join(each.name for each in fields(self))}.")


@dataclass(frozen=True)
class Check:
    """A threshold, and the value that an analysis has for it.

    :param threshold: its name.
    :param limit: the value that it allows.
    :param value: the value in the analysis; None where there is none.
    :param offending: links, words or images to fix, as far as the analysis names them.
    """

    threshold: str
    limit: float
    value: float | None
    offending: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether the analysis breaks the threshold."""
        if self.value is None:
            return True
        return self.value < self.limit if self.threshold.startswith("min_") else self.value > self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``offending`` holds at most 100 entries of 200 characters."""
        return {
            "threshold": self.threshold,
            "limit": self.limit,
            "value": self.value,
            "offending": [each[:_MAX_SHOWN_LENGTH] for each in self.offending[:_MAX_NAMED]],
        }

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.threshold}={self.limit:g}: the analysis does not hold this value"
        shown = ", ".join(printable(each)[:_MAX_SHOWN_LENGTH] for each in self.offending[:_MAX_SHOWN])
        more = len(self.offending) - _MAX_SHOWN
        return (
            f"{self.threshold}={self.limit:g}: found {self.value:g}"
            + (f" ({shown}" if shown else "")
            + (f" and {more} more" if more > 0 else "")
            + (")" if shown else "")
        )


def checks(
    analysis: Mapping[str, Any], thresholds: Thresholds, *, ignore_links: Sequence[str] = ()
) -> list[Check]:
    """Compare an analysis with the thresholds that are set.

    :param analysis: the analysis of a campaign, lists included.
    :param ignore_links: URLs that may be broken or blacklisted; ``*`` in one stands for any text.
    """
    analysis = _without_links(analysis, ignore_links)
    spam_words, images = analysis.get("spam_keyword_list"), analysis.get("os_image_list")
    found: dict[str, tuple[float | None, tuple[str, ...]]] = {
        "max_broken_links": _broken_links(analysis),
        "max_blacklisted_links": _blacklisted_links(analysis),
        "max_spam_keyword_ratio": (_number(analysis.get("spam_keyword_ratio")), _names(spam_words)),
        "max_capitals_ratio": (_number(analysis.get("all_capitalized_word_ratio")), ()),
        "min_text_image_ratio": (_number(analysis.get("text_image_ratio")), ()),
        "max_oversized_images": (_count(images), _names(images)),
    }
    limits = {name: getattr(thresholds, name) for name in found}
    return [Check(name, limits[name], *found[name]) for name in found if limits[name] is not None]


def breaches(
    analysis: Mapping[str, Any], thresholds: Thresholds, *, ignore_links: Sequence[str] = ()
) -> list[Check]:
    """Return the thresholds that an analysis breaks; the parameters are those of :func:`checks`."""
    return [each for each in checks(analysis, thresholds, ignore_links=ignore_links) if each.is_broken]


def _without_links(analysis: Mapping[str, Any], ignored: Sequence[str]) -> Mapping[str, Any]:
    """Return an analysis without the links that do not count: merge tags, and those that are ignored.

    A count of the service that includes such links is lowered by their number.
    """
    # Imported here, because only a worker reads links.
    from airflow_provider_campaigns.rules.merge_tags import is_placeholder, is_resolved_placeholder

    patterns = [_pattern(each) for each in ignored]

    def counts(link: Any) -> bool:
        url = _name(link)
        return not (is_placeholder(url) or any(each.fullmatch(_plain(url)) for each in patterns))

    def counts_as_broken(link: Any) -> bool:
        return counts(link) and not is_resolved_placeholder(_name(link))

    changed = dict(analysis)
    _drop(changed, "broken_links", None, counts_as_broken)
    _drop(changed, "blacklisted_links", "blacklisted_links_found", counts)
    links = analysis.get("all_link_list")
    if isinstance(links, list):
        changed["all_link_list"] = [link for link in links if counts_as_broken(link)]
        excused = sum(
            isinstance(link, Mapping) and link.get("link_is_broken") is True and not counts_as_broken(link)
            for link in links
        )
        number = _number(analysis.get("broken_links"))
        if number is not None:
            changed["broken_links"] = max(number - excused, 0.0)
    return changed


def _pattern(ignored: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, _plain(ignored).split("*"))), re.DOTALL)


def _plain(url: str) -> str:
    return url.strip().rstrip("/").casefold()


def _drop(analysis: dict[str, Any], listed: str, count: str | None, counts: Callable[[Any], bool]) -> None:
    links = analysis.get(listed)
    if not isinstance(links, list):
        return
    analysis[listed] = [link for link in links if counts(link)]
    number = _number(analysis.get(count)) if count is not None else None
    if count is not None and number is not None:
        analysis[count] = max(number - (len(links) - len(analysis[listed])), 0.0)


def _broken_links(analysis: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    links = analysis.get("all_link_list")
    scanned = [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, Mapping) and isinstance(link.get("link_is_broken"), bool)
    ]
    broken = [link for link in scanned if link["link_is_broken"]]
    # A list with a link that was not scanned gives no count, unless it holds broken links.
    whole = isinstance(links, list) and len(scanned) == len(links)
    counted = float(len(broken)) if whole or broken else None
    listed = analysis.get("broken_links")
    return _larger(_count(listed), counted), _names(broken or listed)


def _blacklisted_links(analysis: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    listed = analysis.get("blacklisted_links")
    return _larger(_count(analysis.get("blacklisted_links_found")), _count(listed)), _names(listed)


def _larger(one: float | None, other: float | None) -> float | None:
    """Return the worse of two fields that hold the same value."""
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None


def _count(value: Any) -> float | None:
    return float(len(value)) if isinstance(value, list) else _number(value)


def _number(value: Any) -> float | None:
    """Return a number from 0 up; a negative one is not a measured value."""
    number = number_or_none(value)
    return number if number is not None and number >= 0 else None


_NAME_FIELDS = (
    "link_url",
    "image_url",
    "url",
    "src",
    "word",
    "keyword",
    "spam_keyword",
    "name",
    "domain",
    "link",
)


def _names(listed: Any) -> tuple[str, ...]:
    """Return a name for each entry of a list; the fields of an entry are documented for links only."""
    if not isinstance(listed, list):
        return ()
    return tuple(filter(None, map(_name, listed)))


def _name(each: Any) -> str:
    if isinstance(each, Mapping):
        names = [each[field] for field in _NAME_FIELDS if isinstance(each.get(field), str)]
        return str(names[0]) if names else str(next((v for v in each.values() if isinstance(v, str)), ""))
    return each if isinstance(each, str) else ""
