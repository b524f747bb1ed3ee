"""Which merge tags of a mail stand between other words now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from airflow_provider_campaigns.rules.html import Html
from airflow_provider_campaigns.rules.merge_tag_places import HIDDEN_TEXT, TEXT, PlacedTag

# Before or after a merge tag, a word, and how many equal ones there are up to it; none at the ends of a mail.
_Word: TypeAlias = tuple[str, str, int]
_BEFORE, _AFTER = "before", "after"
_START: _Word = (_BEFORE, "", 0)
_END: _Word = (_AFTER, "", 0)
# A line break that is gone moves no tag; one that is on its other side does.
_SAME_SIDES = {0: (0, 1, -1), 1: (0, 1), -1: (0, -1)}


class _Place(NamedTuple):
    """Where a merge tag stands among the words that both versions hold equally often.

    :param before: the last word before it.
    :param after: the first word after it.
    :param side: 1 if only the word before it is in the same line, -1 if only the word after it is.
    """

    before: _Word
    after: _Word
    side: int


def moved_tags(old: Html, new: Html, lost: Collection[str], *, fold: bool) -> list[str]:
    """Return the merge tags that are elsewhere now, as they were written.

    Conditions and loops hold something else then: some parsers move them out of tables.

    :param lost: merge tags that are lost, as they were written.
    :param fold: see :func:`~airflow_provider_campaigns.rules.html_losses.losses`.
    """
    if not old.tags:
        return []
    moved = list(_changed_passages(old, new)) or list(_between_other_words(old, new, fold=fold))
    written = [tag for plain in moved if (tag := old.written_tags[plain]) not in lost]
    if written:
        return list(dict.fromkeys(written))
    before = [tag.plain for tag in old.tags if tag.zone == TEXT and old.written_tags[tag.plain] not in lost]
    at = first_moved(before, (tag.plain for tag in new.tags if tag.zone == TEXT))
    return [] if at is None else [old.written_tags[before[at]]]


def first_moved(before: Sequence[str], after: Iterable[str]) -> int | None:
    """Return the index of the first value that does not follow the earlier ones any more."""
    rest = iter(after)
    return next((at for at, each in enumerate(before) if each not in rest), None)


def _changed_passages(old: Html, new: Html) -> Iterator[str]:
    """Yield the conditions and loops that do not hold what they held, though the mail still does."""
    if len(old.passages) != len(new.passages) or len(old.passages) == 1:
        return
    gone = sum((held for _, held in old.passages), Counter[str]())
    gone -= sum((held for _, held in new.passages), Counter[str]())
    for (tag, before), (other, after) in zip(old.passages, new.passages, strict=True):
        if tag and (tag != other or before - after - gone):
            yield tag


def _between_other_words(old: Html, new: Html, *, fold: bool) -> Iterator[str]:
    """Yield the merge tags that follow another word, and precede another word, than they did."""
    parts, parts_now = list(old.parts(fold=fold)), list(new.parts(fold=fold))
    words, words_now = (
        Counter(each for each in both if isinstance(each, str)) for both in (parts, parts_now)
    )
    shared = {word for word, count in words.items() if words_now[word] == count}
    now: dict[tuple[str, str], set[tuple[_Word, int]]] = {}
    for tag, place in _places(parts_now, shared):
        found = now.setdefault((tag.plain, tag.zone), set())
        found |= {(place.before, place.side), (place.after, place.side)}
    for tag, place in _places(parts, shared):
        places_now = now.get((tag.plain, tag.zone))
        same = {(word, side) for word in (place.before, place.after) for side in _SAME_SIDES[place.side]}
        if places_now and places_now.isdisjoint(same):
            yield tag.plain


def _places(parts: Iterable[str | PlacedTag], shared: Collection[str]) -> Iterator[tuple[PlacedTag, _Place]]:
    seen = Counter[str]()
    before, line, line_before = _START, 0, -1
    waiting: list[tuple[PlacedTag, _Word, int, bool]] = []
    for part in parts:
        if part == "\n":
            line += 1
        elif not isinstance(part, str):
            if part.is_shown or part.zone == HIDDEN_TEXT:
                waiting.append((part, before, line, line == line_before))
        elif part in shared:
            seen[part] += 1
            for tag, word, at, is_joined in waiting:
                yield tag, _Place(word, (_AFTER, part, seen[part]), is_joined - (at == line))
            waiting.clear()
            before, line_before = (_BEFORE, part, seen[part]), line
    for tag, word, _, is_joined in waiting:
        yield tag, _Place(word, _END, int(is_joined))
