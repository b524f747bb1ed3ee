"""Compare the HTML of two versions of a mail by what they mean to a reader and to the program that sends it.

- *Meaning* is the visible text, the links, the images and the merge tags. Entities, attribute order, style
  declarations and white space do not count.
- A merge tag counts only where it is written plainly: a URL-encoded ``%7B%7Bname%7D%7D`` is a lost one,
  because the sending program does not replace it.
- lxml parses the HTML: it accepts every fragment and broken markup, and is fast enough for a mail of
  megabytes.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from airflow_provider_campaigns.rules.merge_tags import MERGE_TAG, is_placeholder, merge_tags

_WORD = re.compile(r"\w+", re.UNICODE)
_INVISIBLE = frozenset({"head", "title", "script", "style", "template", "noscript"})
_MAX_NAMED = 5


@dataclass(frozen=True)
class Loss:
    """Something that an HTML no longer holds.

    :param kind: ``"merge tag"``, ``"link"``, ``"image"`` or ``"text"``.
    :param value: the merge tag, the URL or the words.
    :param before: how often it was there.
    :param after: how often it still is.
    :param note: what happened to it, where that is known.
    :param is_serious: whether the mail must not be sent like that: a lost merge tag, or an empty body.
    """

    kind: str
    value: str
    before: int
    after: int = 0
    note: str = ""
    is_serious: bool = False

    def __str__(self) -> str:
        count = f" ({self.before} before, {self.after} now)" if self.after else ""
        return f"{self.kind} {self.value}{count}{f', {self.note}' if self.note else ''}"


class Html:
    """One version of a mail.

    :param source: the HTML, a whole document or a fragment.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    @property
    def is_empty(self) -> bool:
        """Whether a reader sees nothing: no text, no image."""
        return not self.words and not self.images

    @cached_property
    def merge_tags(self) -> Counter[str]:
        """How often each merge tag is written, in text, attributes and comments."""
        return merge_tags(html.unescape(self.source))

    @cached_property
    def words(self) -> Counter[str]:
        """How often each visible word occurs."""
        return Counter(_WORD.findall(MERGE_TAG.sub(" ", " ".join(self._visible_text()))))

    @cached_property
    def links(self) -> Counter[str]:
        """How often each URL is linked; a link that consists of a merge tag is not one of them."""
        return Counter(url for url in self._attributes("href", "a", "area") if not is_placeholder(url))

    @cached_property
    def images(self) -> Counter[str]:
        """How often each image is shown."""
        return Counter(url for url in self._attributes("src", "img") if not is_placeholder(url))

    @cached_property
    def canonical(self) -> tuple[Any, ...]:
        """The elements and texts, without comments and everything that does not change the display.

        Two versions with an equal canonical form are displayed alike.
        """
        return tuple(_canonical(self._tree)) if self._tree is not None else ()

    @cached_property
    def _tree(self) -> Any:
        # Imported here, because Dag parsing imports this module and parses no HTML.
        import lxml.html
        from lxml import etree

        parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
        try:
            return lxml.html.document_fromstring(self.source.encode("utf-8", "replace"), parser=parser)
        except (etree.ParserError, ValueError):  # nothing in it but comments or white space
            return None

    def _visible_text(self) -> Iterator[str]:
        if self._tree is None:
            return
        from lxml import etree

        hidden = 0
        for event, element in etree.iterwalk(self._tree, events=("start", "end", "comment", "pi")):
            is_invisible = element.tag in _INVISIBLE
            if event == "start":
                hidden += is_invisible
                if element.text and not hidden:
                    yield element.text
            else:
                hidden -= event == "end" and is_invisible
                if element.tail and not hidden:
                    yield element.tail

    def _attributes(self, name: str, *tags: str) -> Iterator[str]:
        if self._tree is None:
            return
        for element in self._tree.iter(*tags):
            value = (element.get(name) or "").strip()
            if value:
                yield value


def same_meaning(one: str, other: str) -> bool:
    """Return whether two versions are displayed alike and hold the same merge tags."""
    if one == other:
        return True
    first, second = Html(one), Html(other)
    return first.canonical == second.canonical and first.merge_tags == second.merge_tags


def losses(before: str, after: str, *, fold: bool = False) -> list[Loss]:
    """Return what the second version no longer holds of the first, merge tags first.

    :param fold: compare words without accents, for a cleaner that replaces them.
    """
    old, new = Html(before), Html(after)
    encoded = merge_tags(unquote(html.unescape(after)))
    lost = [
        Loss("merge tag", tag, count, new.merge_tags[tag],
             "URL-encoded" if encoded[tag] > new.merge_tags[tag] else "", is_serious=True)
        for tag, count in old.merge_tags.items() if new.merge_tags[tag] < count
    ]  # fmt: skip
    for kind, was, now in (("link", old.links, new.links), ("image", old.images, new.images)):
        known = {_plain_url(url) for url in now}
        lost += [Loss(kind, url, count) for url, count in was.items() if _plain_url(url) not in known]
    missing = _fold(old.words, fold=fold) - _fold(new.words, fold=fold)
    if missing:
        words = list(missing)
        more = f" and {len(words) - _MAX_NAMED} more words" if len(words) > _MAX_NAMED else ""
        lost.append(Loss("text", " ".join(map(repr, words[:_MAX_NAMED])) + more, sum(missing.values())))
    return lost


def damage(original: str, cleaned: str) -> list[Loss]:
    """Return what cleaning lost of the original: merge tags, links, images and visible text."""
    if Html(cleaned).is_empty and not Html(original).is_empty:
        return [Loss("body", "is empty", 1, is_serious=True), *losses(original, cleaned, fold=True)]
    return losses(original, cleaned, fold=True)


def _plain_url(url: str) -> str:
    """Return a URL in a form that is the same however its characters are escaped."""
    return unquote(url).rstrip("/").casefold()


def _fold(words: Counter[str], *, fold: bool) -> Counter[str]:
    if not fold:
        return words
    folded: Counter[str] = Counter()
    for word, count in words.items():
        plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().casefold()
        if plain:
            folded[plain] += count
    return folded


def _canonical(tree: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the elements and texts of a tree in document order."""
    from lxml import etree

    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        if event == "start":
            yield ("<", element.tag, frozenset(_canonical_attributes(element.attrib.items())))
            yield from _canonical_text(element.text)
        elif event == "end":
            yield (">", element.tag)
        if event != "start":
            yield from _canonical_text(element.tail)


def _canonical_text(text: str | None) -> Iterator[tuple[str, str]]:
    words = " ".join((text or "").split())
    if words:
        yield ("text", words)


def _canonical_attributes(attributes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    for name, value in attributes:
        if name == "style":
            yield (
                name,
                frozenset(
                    " ".join(each.replace(":", ": ").split()) for each in value.split(";") if each.strip()
                ),
            )
        elif name == "class":
            yield name, frozenset(value.split())
        else:
            yield name, " ".join(value.split())
