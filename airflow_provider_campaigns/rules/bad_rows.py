"""Collect the rows of a file or list that are not leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

ON_BAD_ROW_CHOICES = ("fail", "skip")
_MAX_NAMED = 10


@dataclass
class BadRows:
    """The rows that are not leads.

    :param name: the file, or the argument that holds the list.
    :param on_row: gets each one as a sentence with its place and the reason, never its data.
    :param advice: what to do about some of them, as a sentence.
    :param count: how many there are.
    :param first: the first ten of these sentences.
    """

    name: str
    on_row: Callable[[str], None] | None = None
    advice: str = ""
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """Add a row."""
        self.count += 1
        if len(self.first) < _MAX_NAMED:
            self.first.append(sentence)
        if self.on_row is not None:
            self.on_row(sentence)

    def __str__(self) -> str:
        return f"{self._summary()} {self.advice}".rstrip()

    def _summary(self) -> str:
        if self.count == 1:
            (only,) = self.first
            # The place of a lead of a list contains the argument's name.
            return only if only.startswith(self.name) else f"{self.name}, {only}"
        named = "; ".join(sentence.removesuffix(".") for sentence in self.first)
        more = self.count - len(self.first)
        and_more = f"; and {more:,} more" if more else ""
        return f"{self.name}: {self.count:,} rows are not leads: {named}{and_more}."
