"""Compare the HTML of two versions of a mail by what they mean to a reader and to the program that sends it.

- *Meaning* is the visible text, the links, the images and the merge tags. How entities, quotes and white
  space are written, and the order of attributes, classes and style declarations, do not count.
- A merge tag counts only where it is written plainly: a URL-encoded ``%7B%7Bname%7D%7D`` is a lost one,
  because the sending program does not replace it.
- lxml parses the HTML: it accepts every fragment and broken markup, and is fast enough for a mail of
  megabytes. It builds no tree, so elements may be nested to any depth.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

from airflow_provider_campaigns.rules.html_reader import INVISIBLE, Reader, plain_url
from airflow_provider_campaigns.rules.merge_tag_places import (
    COMMENT,
    HIDDEN,
    HIDDEN_TAG,
    TEXT,
    PlacedTag,
    hide_tags,
    is_control,
    shown_tags,
)
from airflow_provider_campaigns.rules.merge_tags import MERGE_TAG, merge_tags

_WORD = re.compile(r"\w+")
_HIDDEN_OR_WORD = re.compile(rf"{HIDDEN_TAG.pattern}|\w+")
_WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
# Letters that have no decomposition in Unicode.
_PLAIN_LETTERS = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "\u0131": "i",
})  # fmt: skip
_MAX_NAMED = 5
_MAX_PLACES = 2
_MAX_DEPTH = 20


@dataclass(frozen=True)
class Loss:
    """Something that an HTML no longer holds.

    :param kind: ``"the whole"`` (body), ``"merge tag"``, ``"link"``, ``"image"`` or ``"text"``.
    :param value: the merge tag, the URL or the words.
    :param before: how often it was there.
    :param after: how often it still is.
    :param note: where it was and what happened to it, where that is known.
    :param is_serious: whether the mail must not be sent like that: a lost merge tag, or an empty body.
    """

    kind: str
    value: str
    before: int = 1
    after: int = 0
    note: str = ""
    is_serious: bool = False

    def __str__(self) -> str:
        count = f"{self.before} before, {self.after} now" if self.after else ""
        notes = "; ".join(filter(None, (self.note, count)))
        return f"{self.kind} {self.value}{f' ({notes})' if notes else ''}"


EMPTY_BODY = Loss("the whole", "body", note="it is empty now", is_serious=True)


class Html:
    """One version of a mail.

    :param source: the HTML, a whole document or a fragment.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    @property
    def is_empty(self) -> bool:
        """Whether a reader sees nothing: no text, no image, no merge tag."""
        has_images = self._read.images or self._read.has_background
        return not (has_images or self.symbols or any(tag.zone == TEXT for tag in self.tags))

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing at all but ``html``, ``head`` and ``body``."""
        return not self._read.tokens

    @cached_property
    def merge_tags(self) -> Counter[str]:
        """How often each merge tag is written, in its plain form."""
        return Counter(tag.plain for tag in self.tags)

    @property
    def tags(self) -> list[PlacedTag]:
        """The merge tags with their places."""
        return self._hidden[1]

    @cached_property
    def words(self) -> Counter[str]:
        """How often each visible word occurs."""
        return Counter(_WORD.findall(self._text))

    @cached_property
    def symbols(self) -> Counter[str]:
        """How often each visible word, punctuation mark and other character occurs."""
        found = Counter(_WORD_OR_SYMBOL.findall(self._text.translate(_QUOTES)))
        return Counter({each: n for each, n in found.items() if len(each) > 1 or _is_visible(each)})

    @cached_property
    def links(self) -> Counter[str]:
        """How often each URL is linked; a link that consists of a merge tag is not one of them."""
        return Counter(url for url in self._read.links if not MERGE_TAG.fullmatch(url))

    @cached_property
    def images(self) -> Counter[str]:
        """How often each image is shown."""
        return Counter(url for url in self._read.images if not MERGE_TAG.fullmatch(url))

    @cached_property
    def passages(self) -> list[tuple[str, Counter[str]]]:
        """The tags that begin or end a condition or a loop, each with the words and tags up to the next."""
        found: list[tuple[str, Counter[str]]] = [("", Counter())]
        for part in _HIDDEN_OR_WORD.findall("".join(self._read.text)):
            if not HIDDEN_TAG.fullmatch(part):
                found[-1][1][_fold(part)] += 1
            elif is_control(plain := shown_tags(part)):
                found.append((plain, Counter()))
            else:
                found[-1][1][plain] += 1
        return found

    @property
    def canonical(self) -> Sequence[Any]:
        """The elements and texts, without everything that does not change the display.

        Two versions with an equal canonical form are displayed alike.
        """
        return self._read.tokens

    @cached_property
    def _hidden(self) -> tuple[str, list[PlacedTag]]:
        return hide_tags(self.source)

    @cached_property
    def _text(self) -> str:
        text = HIDDEN_TAG.sub(" ", "".join(self._read.text))
        return text if text.isascii() else INVISIBLE.sub("", text)

    @cached_property
    def _read(self) -> Reader:
        # Imported here, because Dag parsing imports this module and parses no HTML.
        from lxml import etree

        reader = Reader()
        parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True)
        parser.feed(self._hidden[0].encode("utf-8", "replace") or b" ")
        try:
            parser.close()
        except etree.XMLSyntaxError:  # nothing in it but white space
            reader.close()
        return reader


def same_meaning(one: str, other: str) -> bool:
    """Return whether two versions are displayed alike and hold the same merge tags."""
    if one == other:
        return True
    first, second = Html(one), Html(other)
    return first.merge_tags == second.merge_tags and first.canonical == second.canonical


def losses(before: str, after: str, *, fold: bool = False) -> list[Loss]:
    """Return what the second version no longer holds of the first, the most serious first.

    :param fold: compare words without accents and ignore other characters, for a cleaner that replaces them.
    """
    old, new = Html(before), Html(after)
    lost = [EMPTY_BODY] if new.is_empty and not old.is_empty else []
    lost += _lost_tags(old, new)
    moved = [] if lost else _moved_tags(old, new)
    lost += _lost_links(old.links, new.links)
    if new.images.total() < old.images.total():
        lost += [
            Loss("image", url, count, new.images[url]) for url, count in (old.images - new.images).items()
        ]
    missing = _folded(old.words) - _folded(new.words) if fold else old.symbols - new.symbols
    if missing:
        words = list(missing)
        more = f" and {len(words) - _MAX_NAMED} more words" if len(words) > _MAX_NAMED else ""
        lost.append(Loss("text", " ".join(map(repr, words[:_MAX_NAMED])) + more))
    else:
        lost = [*moved, *lost]
    return lost


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
        was, now = (Counter(tag.zone for tag in each) for each in (tags, left))
        gone = was - now
        if not gone or (not gone[TEXT] and len(left) >= len(tags)):
            continue
        notes = [_places(tags, left)]
        if encoded[plain] > len(left):
            notes.append("URL-encoded now")
        elif entities[plain] > len(left):
            notes.append("its braces are written as entities now")
        is_serious = bool(
            gone[TEXT] or (gone[COMMENT] and is_control(plain)) or not (left or set(was) == {HIDDEN})
        )
        yield Loss(
            "merge tag", tags[0].written, len(tags), len(left), "; ".join(filter(None, notes)), is_serious
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
    return f"in {', '.join(places[:_MAX_PLACES])}{more}" if places else ""


def _moved_tags(old: Html, new: Html) -> list[Loss]:
    """Return conditions and loops that hold something else now: some parsers move them out of tables."""
    if not any(tag.is_control for tag in old.tags) or len(old.passages) != len(new.passages):
        return []
    written = {tag.plain: tag.written for tag in old.tags}
    return [
        Loss("merge tag", written[tag], note="it is elsewhere now", is_serious=True)
        for (tag, before), (other, after) in zip(old.passages, new.passages, strict=True)
        if tag and (tag != other or before - after)
    ]


def _lost_links(old: Counter[str], new: Counter[str]) -> Iterator[Loss]:
    before, after = _by_plain_url(old), _by_plain_url(new)
    shown = {plain_url(url): url for url in reversed(old)}
    paths = {f"/{path}" for url in after for path in _paths(url)}
    for plain, count in (before - after).items():
        is_relative = ":" not in plain.partition("/")[0] and not after[plain]
        if not (is_relative and "/" + plain.lstrip("./") in paths):
            yield Loss("link", shown[plain], before[plain], before[plain] - count)


def _paths(url: str) -> Iterator[str]:
    """Yield what a URL may have been before it was resolved against a base URL."""
    parts = url.partition("://")[2].split("/")[1:]
    return ("/".join(parts[at:]) for at in range(min(len(parts), _MAX_DEPTH)))


def _by_plain_url(urls: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for url, count in urls.items():
        found[plain_url(url)] += count
    return found


def _folded(words: Counter[str]) -> Counter[str]:
    folded: Counter[str] = Counter()
    for word, count in words.items():
        folded[_fold(word)] += count
    return folded


@lru_cache(maxsize=4096)
def _fold(word: str) -> str:
    """Return a word without accents and case; one of another script stays as it is."""
    if word.isascii():
        return word.casefold()
    plain = unicodedata.normalize("NFKD", word.translate(_PLAIN_LETTERS)).encode("ascii", "ignore").decode()
    return (plain or word).casefold()


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"
