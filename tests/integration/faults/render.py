"""Write the matrix into its page of the documentation: ``python -m tests.integration.faults.render``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from tests.integration.faults.components import CALLS, CHANGES, COMPONENTS, GATES, SENSORS, Component
from tests.integration.faults.expected import DONE, NO_STATUS, Cell, expected, expected_after
from tests.integration.faults.faults import CLOCK_JUMPS, ENDING_FAULTS, FAULTS, Fault
from tests.support import ROOT

PAGE = ROOT / "docs" / "develop" / "fault-matrix.md"
# How often a fault happens before it ends.
TIMES = 4
_PLACE = re.compile(r"(?<=^% table: )(\w+)\n.*?(?=^% end$)", re.MULTILINE | re.DOTALL)


def rendered(page: str) -> str:
    """Return a page with the tables between its comments."""
    tables = _tables()
    return _PLACE.sub(lambda place: f"{place[1]}\n\n{tables[place[1]]}\n", page)


def _tables() -> dict[str, str]:
    others = [fault for fault in FAULTS if fault not in CLOCK_JUMPS]
    waits = (*SENSORS, *GATES)
    return {
        "calls": _table(others, (*CALLS, *CHANGES), expected),
        "waits": _table(others, waits, expected),
        "clocks": _table(CLOCK_JUMPS, waits, expected),
        "ends": _table(
            ENDING_FAULTS, COMPONENTS, lambda fault, component: expected_after(fault, component, TIMES)
        ),
    }


def _table(
    faults: Sequence[Fault], components: Sequence[Component], cell: Callable[[Fault, Component], Cell]
) -> str:
    """Return a table; adjacent rows with the same cells become one, and so do such columns."""
    columns = _merged(
        [
            (component.name, tuple(_shown(cell(each, component)) for each in faults))
            for component in components
        ]
    )
    rows = _merged(
        [
            (fault.name, cells)
            for fault, cells in zip(faults, zip(*(cells for _, cells in columns), strict=True), strict=True)
        ]
    )
    head = ("Fault", *(names for names, _ in columns))
    lines = [head, ["---"] * len(head), *((names, *cells) for names, cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _merged(named: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("<br>".join(name for name, _ in same), cells) for cells, same in groupby(named, lambda each: each[1])
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
