"""Compare the HTML of two versions of a mail by what they mean to a reader and to the program that sends it.

- *Meaning* is the visible text, the links, the images and the merge tags. How entities, quotes and white
  space are written, and the order of attributes, classes and style declarations, do not count.
- A merge tag counts only where it is written plainly: a URL-encoded ``%7B%7Bname%7D%7D`` is a lost one,
  because the sending program does not replace it.
- lxml parses the HTML: it accepts every fragment and broken markup, and is fast enough for a mail of
  megabytes. It builds no tree, so elements may be nested to any depth.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from airflow_provider_campaigns.rules.html_reader import Reader, mark_line_ends
from airflow_provider_campaigns.rules.html_urls import plain_url
from airflow_provider_campaigns.rules.merge_tag_places import (
    COMMENT,
    HIDDEN_TAG,
    HIDDEN_TEXT,
    MARKUP,
    TEXT,
    UNSHOWN,
    PlacedTag,
    hide_tags,
    shown_tags,
)
from airflow_provider_campaigns.rules.merge_tags import is_merge_tag, plain_tag

_WORD = re.compile(r"\w+")
_WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")
_UNSHOWN_TAG = re.compile(UNSHOWN + HIDDEN_TAG.pattern)
_PART = re.compile(rf"{UNSHOWN}?{HIDDEN_TAG.pattern}|\n|{_WORD_OR_SYMBOL.pattern}")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
# Letters that have no decomposition in Unicode.
_PLAIN_LETTERS = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "\u0131": "i",
})  # fmt: skip
_MAX_LABEL = 40


class Link(NamedTuple):
    """A link that a reader can distinguish from others.

    :param label: what it is recognised by: its words, or what its images show.
    :param plain: its URL in plain form.
    :param url: its URL as it is written.
    :param text: its label as it is written, shortened.
    """

    label: str
    plain: str
    url: str
    text: str


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
        has_tags = any(tag.is_shown or tag.zone == HIDDEN_TEXT for tag in self.tags)
        return not (has_images or has_tags or self.symbols)

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing at all but ``html``, ``head`` and ``body``."""
        return self._read.is_blank

    @cached_property
    def merge_tags(self) -> Counter[str]:
        """How often each merge tag is written, in its plain form."""
        return Counter(map(plain_tag, self._hidden[1]))

    @cached_property
    def written_tags(self) -> dict[str, str]:
        """How each merge tag is written where it is first, by its plain form."""
        return {plain_tag(tag): " ".join(tag.split()) for tag in reversed(self._hidden[1])}

    @cached_property
    def tags(self) -> list[PlacedTag]:
        """The merge tags with their places."""
        unread = self.merge_tags - Counter(tag.plain for tag in self._read.tags)
        return [*self._read.tags, *(PlacedTag(plain, MARKUP, MARKUP) for plain in unread.elements())]

    @cached_property
    def folded_words(self) -> list[str]:
        """The visible words in order, without accents and case."""
        return list(map(_fold, _WORD.findall(self._text)))

    @cached_property
    def symbols(self) -> list[str]:
        """The visible words, punctuation marks and other characters in order."""
        found = _WORD_OR_SYMBOL.findall(self._text.translate(_QUOTES))
        return [each for each in found if len(each) > 1 or _is_visible(each)]

    @cached_property
    def links(self) -> Counter[str]:
        """How often each URL is linked; a link that consists of a merge tag is not one of them."""
        return Counter(url for url in self._read.links if not is_merge_tag(url))

    @cached_property
    def labelled_links(self) -> list[Link]:
        """The links that have a label, in order."""
        return list(self._labelled_links())

    def _labelled_links(self) -> Iterator[Link]:
        for anchor in self._read.anchors:
            written = shown_tags("".join(anchor.text)), shown_tags(" ".join(anchor.images))
            text = next((each for each in written if _WORD.search(each)), written[0]).strip()
            if label := " ".join(map(_fold, _WORD.findall(text))) or text:
                yield Link(label, plain_url(anchor.url), anchor.url, " ".join(text.split())[:_MAX_LABEL])

    @cached_property
    def images(self) -> Counter[str]:
        """How often each image is shown."""
        return Counter(url for url in self._read.images if not is_merge_tag(url))

    @cached_property
    def passages(self) -> list[tuple[str, Counter[str]]]:
        """The tags that begin or end a condition or a loop, each with the words and tags up to the next."""
        found: list[tuple[str, Counter[str]]] = [("", Counter())]
        for part in self.parts(fold=True):
            if isinstance(part, str):
                if part != "\n":
                    found[-1][1][part] += 1
            elif part.is_control and part.zone in {TEXT, HIDDEN_TEXT, COMMENT}:
                found.append((part.plain, Counter()))
            elif part.zone in {TEXT, HIDDEN_TEXT, COMMENT}:
                found[-1][1][part.plain] += 1
        return found

    def parts(self, *, fold: bool) -> Iterator[str | PlacedTag]:
        """Yield words, line breaks and merge tags in order.

        :param fold: words without accents and case, and no other characters.
        """
        tags = iter(self._read.tags)
        for part in _PART.findall("".join(self._read.text).translate(_QUOTES)):
            if HIDDEN_TAG.search(part):
                yield next(tags)
            elif not fold or part == "\n":
                yield part
            elif _WORD.match(part):
                yield _fold(part)

    @property
    def canonical(self) -> Sequence[Any]:
        """The elements and texts, without everything that does not change the display.

        Two versions with an equal canonical form are displayed alike.
        """
        return self._read.tokens

    @cached_property
    def _hidden(self) -> tuple[str, list[str]]:
        return hide_tags(self.source)

    @cached_property
    def _text(self) -> str:
        return HIDDEN_TAG.sub(" ", _UNSHOWN_TAG.sub("", "".join(self._read.text)))

    @cached_property
    def _read(self) -> Reader:
        # Imported here, because Dag parsing imports this module and parses no HTML.
        from lxml import etree

        reader = Reader()
        parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True)
        parser.feed(mark_line_ends(self._hidden[0]).encode("utf-8", "replace") or b" ")
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


@lru_cache(maxsize=4096)
def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"


@lru_cache(maxsize=4096)
def _fold(word: str) -> str:
    """Return a word without accents and case; one of another script stays as it is."""
    if word.isascii():
        return word.casefold()
    plain = unicodedata.normalize("NFKD", word.translate(_PLAIN_LETTERS)).encode("ascii", "ignore").decode()
    return (plain or word).casefold()
