"""Name what a version of a mail no longer holds of another one."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from airflow_provider_campaigns.rules.html import Html, Link
from airflow_provider_campaigns.rules.html_urls import plain_url
from airflow_provider_campaigns.rules.merge_tag_moves import first_moved, moved_tags
from airflow_provider_campaigns.rules.merge_tag_places import (
    COMMENT,
    HIDDEN_TEXT,
    MARKUP,
    PlacedTag,
    is_control,
)
from airflow_provider_campaigns.rules.merge_tags import is_merge_tag, merge_tags

_MAX_NAMED = 5
_MAX_PLACES = 2
_MAX_DEPTH = 20
_MOVED = "it is elsewhere now"


@dataclass(frozen=True)
class Loss:
    """Something that an HTML no longer holds.

    :param kind: ``"the whole"`` (body), ``"merge tag"``, ``"link"``, ``"image"`` or ``"text"``.
    :param value: the merge tag, the URL or the words.
    :param before: how often it was there.
    :param after: how often it still is.
    :param note: where it was and what happened to it, where that is known.
    :param is_serious: whether the mail must not be sent like that: a lost or moved merge tag, or an empty
        body.
    """

    kind: str
    value: str
    before: int = 1
    after: int = 0
    note: str = ""
    is_serious: bool = False

    def __str__(self) -> str:
        count = f"{self.before} before, {self.after} now" if 0 < self.after < self.before else ""
        notes = "; ".join(filter(None, (self.note, count)))
        return f"{self.kind} {self.value}{f' ({notes})' if notes else ''}"


EMPTY_BODY = Loss("the whole", "body", note="it is empty now", is_serious=True)


def losses(before: str, after: str, *, fold: bool = False) -> list[Loss]:
    """Return what the second version no longer holds of the first, the most serious first.

    :param fold: compare words without accents and ignore other characters, for a cleaner that replaces them.
    """
    old, new = Html(before), Html(after)
    lost = [EMPTY_BODY] if new.is_empty and not old.is_empty else []
    tags = list(_lost_tags(old, new))
    moved = moved_tags(old, new, {each.value for each in tags if each.is_serious}, fold=fold)
    tags += (Loss("merge tag", tag, note=_MOVED, is_serious=True) for tag in moved)
    lost += tags
    lost += _lost_links(old, new)
    # A cleaner may store images elsewhere.
    if not fold or new.images.total() < old.images.total():
        lost += _lost_urls("image", old.images, new.images)
    words, words_now = (each.folded_words if fold else each.symbols for each in (old, new))
    if missing := list(Counter(words) - Counter(words_now)):
        more = f" and {len(missing) - _MAX_NAMED} more words" if len(missing) > _MAX_NAMED else ""
        lost.append(Loss("text", _words(missing) + more))
    elif not moved and (at := first_moved(words, words_now)) is not None:
        lost.append(Loss("text", _words(words[at:]), note="in another order now"))
    return sorted(lost, key=lambda each: not each.is_serious)


def damage(original: str, cleaned: str) -> list[Loss]:
    """Return what cleaning lost of the original: merge tags, links, images and visible text."""
    return losses(original, cleaned, fold=True)


def encoded_tags(source: str) -> list[str]:
    """Return the merge tags that are URL-encoded, so that the sending program does not replace them."""
    return list(merge_tags(unquote(source)) - merge_tags(source)) if "%" in source else []


def _lost_tags(old: Html, new: Html) -> Iterator[Loss]:
    before, after = _by_plain(old), _by_plain(new)
    encoded = entities = Counter[str]()
    if old.merge_tags - new.merge_tags:
        encoded = merge_tags(unquote(unquote(new.source)))
        entities = merge_tags(html.unescape(new.source))
    for plain, tags in before.items():
        left = after.get(plain, [])
        gone = Counter(tag.zone for tag in tags) - Counter(tag.zone for tag in left)
        if len(left) >= len(tags):
            del gone[MARKUP]
        shown = [tag for tag in tags if tag.is_shown and gone[tag.zone]]
        used, used_now = (sum(tag.is_used for tag in each) for each in (tags, left))
        if not shown and used_now >= used and len(left) >= len(tags):
            continue
        notes = [_places(tags, left)]
        if encoded[plain] > len(left):
            notes.append("URL-encoded now")
        elif entities[plain] > len(left):
            notes.append("its braces are written as entities now")
        elif len(left) >= len(tags):
            notes.append(_MOVED)
        is_serious = bool(
            shown
            or (gone[HIDDEN_TEXT] and used_now < used)
            or (gone[COMMENT] and is_control(plain))
            or (used and not used_now)
        )
        yield Loss(
            "merge tag",
            old.written_tags[plain],
            len(tags),
            len(left),
            "; ".join(notes),
            is_serious,
        )


def _by_plain(version: Html) -> dict[str, list[PlacedTag]]:
    found: dict[str, list[PlacedTag]] = {}
    for tag in version.tags:
        found.setdefault(tag.plain, []).append(tag)
    return found


def _places(before: Sequence[PlacedTag], after: Sequence[PlacedTag]) -> str:
    """Return the places where a merge tag is missing, in words."""
    places = list(Counter(tag.place for tag in before) - Counter(tag.place for tag in after))
    more = f" and {len(places) - _MAX_PLACES} more places" if len(places) > _MAX_PLACES else ""
    return f"in {', '.join(places[:_MAX_PLACES])}{more}"


def _lost_links(old: Html, new: Html) -> Iterator[Loss]:
    """Yield the links that are gone, and those that lead elsewhere now."""
    changed: dict[str, tuple[Link, Link]] = {}
    for one, other in _changed_links(old, new):
        changed.setdefault(one.plain, (one, other))
    paths = {f"/{path}" for url in new.links for path in _paths(plain_url(url))}
    for loss in _lost_urls("link", old.links, new.links):
        plain = plain_url(loss.value)
        if loss.after or not _is_relative(plain) or "/" + plain.lstrip("./") not in paths:
            yield replace(loss, note=_target(*changed.pop(plain))) if plain in changed else loss
    for one, other in changed.values():
        is_serious = any(is_merge_tag(link.url) for link in (one, other)) and one.plain not in other.plain
        yield Loss("link", one.url, note=_target(one, other), is_serious=is_serious)


def _target(link: Link, now: Link) -> str:
    return f"{link.text!r} leads to {now.url} now"


def _changed_links(old: Html, new: Html) -> Iterator[tuple[Link, Link]]:
    """Yield the links that have the same label and another target now, before and after."""
    for one, other in _same_labels(old.labelled_links, new.labelled_links):
        is_resolved = _is_relative(one.plain) and other.plain.endswith("/" + one.plain.lstrip("./"))
        if one.plain != other.plain and (not is_resolved or is_merge_tag(one.url)):
            yield one, other


def _same_labels(before: Sequence[Link], after: Sequence[Link]) -> Iterator[tuple[Link, Link]]:
    """Yield pairs of links with the same label: in their order, or else those whose target is not there."""
    if [link.label for link in before] == [link.label for link in after]:
        yield from zip(before, after, strict=True)
        return
    by_label: dict[str, list[Link]] = {}
    for link in reversed(_without(after, before)):
        by_label.setdefault(link.label, []).append(link)
    for link in _without(before, after):
        if same_label := by_label.get(link.label):
            yield link, same_label.pop()


def _without(links: Sequence[Link], others: Sequence[Link]) -> list[Link]:
    """Return the links that others do not hold with the same label and target."""
    left = Counter((link.label, link.plain) for link in others)
    found = []
    for link in links:
        left[link.label, link.plain] -= 1
        if left[link.label, link.plain] < 0:
            found.append(link)
    return found


def _is_relative(url: str) -> bool:
    return ":" not in url.partition("/")[0]


def _paths(url: str) -> Iterator[str]:
    """Yield what a URL may have been before it was resolved against a base URL."""
    parts = url.partition("://")[2].split("/")[1:]
    return ("/".join(parts[at:]) for at in range(min(len(parts), _MAX_DEPTH)))


def _lost_urls(kind: str, old: Counter[str], new: Counter[str]) -> Iterator[Loss]:
    before, after = _by_plain_url(old), _by_plain_url(new)
    shown = {plain_url(url): url for url in reversed(old)}
    for plain, count in (before - after).items():
        yield Loss(kind, shown[plain], before[plain], before[plain] - count)


def _by_plain_url(urls: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for url, count in urls.items():
        found[plain_url(url)] += count
    return found


def _words(words: Sequence[str]) -> str:
    return " ".join(map(repr, words[:_MAX_NAMED]))
