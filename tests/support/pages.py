"""The pages of the documentation: their headings, links and code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts)]
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    :param line: the number of its first line.
    """

    page: str
    line: int
    language: str
    text: str


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Return the fenced blocks of a page."""
    text, found = page.read_text(), []
    for match in re.finditer(r"^```(\S*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start(2)) + 1
        found.append(Block(page.relative_to(ROOT).as_posix(), line, match[1], match[2]))
    return tuple(found)


@cache
def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def indexed(page: Path) -> set[str]:
    """Return the words that a page puts into the index."""
    entries = re.findall(r"^```\{index\} (.+)\n```$", page.read_text(), re.MULTILINE)
    return {word.strip() for each in entries for word in each.split(",")}


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and MyST make them."""
    plain = (re.sub(r"[^\w -]", "", each.lower()) for each in headings(page))
    return {each.replace(" ", "-") for each in plain}


def links(page: Path) -> Iterator[str]:
    """Yield the targets of the links and images of a page."""
    yield from re.findall(r"\]\(([^()\s]+)\)", prose(page))


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of the console blocks of a page, each without its output."""
    for block in blocks(page):
        if block.language == "console":
            text = re.sub(r"\\\n\s*", " ", block.text)
            starts = r"^\$ " if re.search(r"^\$ ", text, re.MULTILINE) else r"^"
            for each in re.split(starts, text, flags=re.MULTILINE):
                if (command := _first_command(each)) and not command.startswith("#"):
                    yield command


def _first_command(text: str) -> str:
    """Return a command at the start of a text: its first line, and what belongs to its quotes."""
    command = ""
    for line in text.splitlines():
        command += line + "\n"
        try:
            shlex.split(command)
        except ValueError:
            continue
        break
    return command.strip()
