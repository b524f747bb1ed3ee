"""Writes the matrix into its page of the documentation: ``python -m tests.integration.faults.render``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from tests.integration.faults.components import CALLS, CHANGES, COMPONENTS, GATES, SENSORS, Component
from tests.integration.faults.expected import (
    CLOCKS,
    DONE,
    NO_STATUS,
    Cell,
    expected,
    expected_once_over,
    may_be_over,
)
from tests.support import ROOT
from tests.support.faults import FAULTS, Fault

PAGE = ROOT / "docs" / "develop" / "fault-matrix.md"
# How often a fault is met before it is over.
TIMES = 4
_PLACE = re.compile(r"(?<=^% table: )(\w+)\n.*?(?=^% end$)", re.MULTILINE | re.DOTALL)


def rendered(page: str) -> str:
    """Return a page with the tables that its comments ask for."""
    tables = _tables()
    return _PLACE.sub(lambda place: f"{place[1]}\n\n{tables[place[1]]}\n", page)


def _tables() -> dict[str, str]:
    clocks = [fault for fault in FAULTS if fault.name in CLOCKS]
    others = [fault for fault in FAULTS if fault.name not in CLOCKS]
    passing = [fault for fault in FAULTS if may_be_over(fault)]
    waits = (*SENSORS, *GATES)
    return {
        "calls": _table(others, (*CALLS, *CHANGES), expected),
        "waits": _table(others, waits, expected),
        "clocks": _table(clocks, waits, expected),
        "over": _table(passing, COMPONENTS, lambda fault, met: expected_once_over(fault, met, TIMES)),
    }


def _table(
    faults: Sequence[Fault], components: Sequence[Component], cell: Callable[[Fault, Component], Cell]
) -> str:
    """Make a table; rows that follow each other and are alike are one, and so are such columns."""
    columns = [
        (component.name, tuple(_shown(cell(each, component)) for each in faults)) for component in components
    ]
    columns = _together(columns)
    rows = _together(
        [
            (fault.name, cells)
            for fault, cells in zip(faults, zip(*(cells for _, cells in columns), strict=True), strict=True)
        ]
    )
    heads = ("Fault", *(names for names, _ in columns))
    lines = [heads, ["---"] * len(heads), *((names, *cells) for names, cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _together(named: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("<br>".join(name for name, _ in alike), cells)
        for cells, alike in groupby(named, lambda each: each[1])
    ]


def _shown(cell: Cell) -> str:
    words = {DONE: f"**{DONE}**", NO_STATUS: "a status without a code"}
    parts = [words.get(cell.outcome) or f"`{cell.outcome.__name__}`", f"{cell.requests}"]
    if cell.tries > 1:
        parts.append(f"{cell.tries} tries")
    elif cell.seconds:
        parts.append(f"{cell.seconds:g} s")
    return " · ".join(parts)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
