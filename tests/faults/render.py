"""Writes the matrix into the documentation: ``python -m tests.faults.render``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.components import CALLS, CHANGES, COMPONENTS, GATES, SENSORS, Component
from tests.faults.expected import CLOCKS, DONE, NO_STATUS, Cell, expected, expected_once_over, may_be_over
from tests.faults.faults import FAULTS, Fault

PAGE = Path(__file__).parent.parent.parent / "docs" / "fault-matrix.md"
TIMES = 4

HEAD = """\
# The fault matrix

What goes wrong with a service, held against everything of this provider that asks one. Each cell is run by the tests,
against a real server on the same machine, as `tests/faults` has it; this page is made of what they assert.

A cell says

- what it ends with: an [error](errors.md), or **done**;
- how many requests the service saw, with two figures where it is so: those before and after a wait included;
- for how long it paused, in seconds, where it did. The random part of each [pause](deferral-and-timeouts.md) is left
  out.

In every cell, the tests also hold that

- no connection went to another server, so no key did;
- the key, which the service repeats in each of its answers, is in no message, log line (at `DEBUG`), traceback, event,
  XCom, trigger or result;
- the message names the connection, or the campaign where no call failed, and says what to do.

Instantly's calls are those named after `sending_status`, the gates and *add leads*; all others are Campaign Cleaner's.
"""

STAYS = """\
## Faults that stay

### Calls and changes

*get* is the operator without its wait. *submit* appears twice, since Campaign Cleaner may have taken a campaign
although its answer was lost: *listed* where its list shows the campaign then, *not listed* where it does not.
The requests of *submit* include the looks at that list.
"""

WAITS = """\
### Waits

Waits with the defaults, but for a gate's `wait_timeout` of an hour: a sensor looks every 10 s for up to 900 s, a gate
every 60 s. *One look* is a gate without `wait_timeout`. A gate that is *deferred* has looked once on a worker before the
fault begins, which counts as 60 s and no request; and it looks once more on a worker after its wait, which counts.
"""

CLOCK = """\
### When the clock jumps

The machine's clock is put forward or back by an hour in the first pause, while the service is not ready, or just before
it gets ready. A jump changes nothing about calls and changes: they pause by a clock that does not jump.

A deadline is an [instant on the clock](deferral-and-timeouts.md#one-deadline), so a clock that is put forward ends a
wait at the next look, and one that is put back draws it out by as much; except where a second clock ends it, that of
Airflow's sensors in mode `poke` or that of the triggerer's event loop. A gate does not open on what a wrong clock makes
old, or from the future.
"""

OVER = f"""\
## Faults that are over after {TIMES} times

The fault is met {TIMES} times, then the service works again. Where a task does not survive that by itself, it is run
again, by Airflow's `retries` or by a person who clears it, until it ends well; a cell says in how many tries, and how
many requests the service saw in all of them. No campaign was submitted again that the list shows.
"""


def page() -> str:
    """Return the page."""
    clocks = [fault for fault in FAULTS if fault.name in CLOCKS]
    others = [fault for fault in FAULTS if fault not in clocks]
    passing = [fault for fault in FAULTS if may_be_over(fault)]
    parts = [
        HEAD,
        STAYS,
        _table(others, (*CALLS, *CHANGES), expected),
        WAITS,
        _table(others, (*SENSORS, *GATES), expected),
        CLOCK,
        _table(clocks, (*SENSORS, *GATES), expected),
        OVER,
        _table(passing, COMPONENTS, lambda fault, component: expected_once_over(fault, component, TIMES)),
    ]
    return "\n".join(parts)


def _table(
    faults: Iterable[Fault], components: Sequence[Component], cell: Callable[[Fault, Component], Cell]
) -> str:
    """Make a table: rows that are alike and follow each other are one, and so are such columns."""
    faults = list(faults)
    columns = [
        (list(alike), cells)
        for cells, alike in groupby(components, lambda component: [_shown(cell(f, component)) for f in faults])
    ]
    heads = ["Fault", *("<br>".join(component.name for component in alike) for alike, _ in columns)]
    rows = zip(faults, *(cells for _, cells in columns), strict=True)
    lines = [heads, ["---"] * len(heads)]
    for cells, alike in groupby(rows, lambda row: row[1:]):
        lines.append(["<br>".join(fault.name for fault, *_ in alike), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(cell: Cell) -> str:
    words = {DONE: f"**{DONE}**", NO_STATUS: "a status without a code"}
    outcome = words.get(cell.outcome) or f"`{cell.outcome.__name__}`"
    parts = [outcome, f"{cell.requests}"]
    if cell.tries > 1:
        parts.append(f"{cell.tries} tries")
    elif cell.seconds:
        parts.append(f"{cell.seconds:g} s")
    return " · ".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
