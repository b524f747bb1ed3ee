"""Read the rows of a CSV file of leads.

- The delimiter is recognised by the header, or named by a first line ``sep=;``.
- A row that is not a lead is a bad row; a file whose rows cannot be told apart is an error.
- A good row costs one comparison and one regular expression; a lead is made of it only to be sent.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from airflow_provider_campaigns.api.instantly import ONE_ADDRESS, clean_address
from airflow_provider_campaigns.rules.bad_rows import BadRows
from airflow_provider_campaigns.rules.lead_columns import ColumnPlan, known_names, plan_columns

# A longer cell means a broken file.
MAX_CELL_LENGTH = 1024 * 1024
DELIMITERS = ",;\t|"
_SEP = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


@contextmanager
def long_cells() -> Iterator[None]:
    """Allow cells of the maximum length meanwhile; the limit is one of the whole process."""
    before = csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class CsvRows:
    """The rows below the header of a CSV file, each with the checked address in its cell.

    :param lines: the lines of the file.
    :param name: the file, named in errors.
    :param columns: as for :func:`~airflow_provider_campaigns.rules.lead_columns.plan_columns`.
    :ivar plan: what becomes of each column.
    """

    def __init__(
        self, lines: Iterator[str], name: str, columns: Mapping[str, str | None] | None = None
    ) -> None:
        self._name = name
        self._before, first, delimiter = _header_line(lines, name)
        delimiter = delimiter or _delimiter(first, columns)
        self._reader = csv.reader(chain((first,), lines), delimiter=delimiter, strict=True)
        try:
            header = next(self._reader)
        except csv.Error as error:
            raise ValueError(f"{self._place}: {error}.") from None
        self.plan = plan_columns(header, columns, self._place)

    def good(self, bad_rows: BadRows) -> Iterator[list[str]]:
        """Yield the rows that are leads, and collect the others.

        :raises ValueError: the quotes of a row are broken, and it is not known where the row ends.
        """
        reader, width, email = self._reader, len(self.plan.header), self.plan.email
        is_address, problem = ONE_ADDRESS.fullmatch, _problem_in(self.plan, bad_rows)
        while True:
            begin = reader.line_num
            try:
                for row in reader:
                    begin = reader.line_num
                    if len(row) == width and is_address(row[email]) and (problem is None or not problem(row)):
                        yield row
                    elif any(map(str.strip, row)):
                        if sentence := self._repair(row, email, problem):
                            bad_rows.add(sentence)
                        else:
                            yield row
            except csv.Error as error:
                if reader.line_num > begin + 1:
                    raise ValueError(f"{self._name}, line {self._line}: {error}.") from None
                bad_rows.add(f"line {self._line}: {error}.")
            else:
                return

    def _repair(self, row: list[str], email: int, problem: Callable[[list[str]], str | None] | None) -> str:
        """Clean the address in a row; return why it is not a lead, or an empty string."""
        width = len(self.plan.header)
        if len(row) != width:
            return f"line {self._line}: {len(row)} cells, where the header has {width}."
        address = clean_address(row[email])
        if address is None:
            if "@" in row[email]:
                return f"line {self._line}: the e-mail address is not a single plain address."
            return f"line {self._line} has no e-mail address."
        row[email] = address
        reason = problem(row) if problem is not None else None
        return f"line {self._line}: {reason}." if reason else ""

    @property
    def _line(self) -> int:
        return self._before + self._reader.line_num

    @property
    def _place(self) -> str:
        return f"{self._name}, line {self._line}"


def _problem_in(plan: ColumnPlan, bad_rows: BadRows) -> Callable[[list[str]], str | None] | None:
    """Return a check of the cells that not every file has; None where this file has none of them."""
    nameless = [at for at, name in enumerate(plan.header) if not name and not plan.ignores_nameless]
    status = plan.fields.index("lt_interest_status") if "lt_interest_status" in plan.fields else None
    if not nameless and status is None:
        return None

    def problem(row: list[str]) -> str | None:
        if any(row[at].strip() for at in nameless):
            bad_rows.advice = "columns={'': None} leaves such columns out."
            return "a cell in a column without a name"
        if (
            status is not None
            and row[status].strip()
            and not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", row[status])
        ):
            return "lt_interest_status must be an integer"
        return None

    return problem


def _header_line(lines: Iterator[str], name: str) -> tuple[int, str, str | None]:
    """Return how many lines precede the header, its first line, and the delimiter that the file names.

    LinkedIn writes ``Notes:``, a text and an empty line before the header of ``Connections.csv``.
    """
    delimiter, in_notes = None, False
    for before, line in enumerate(lines):
        text = line.strip()
        if found := _SEP.fullmatch(line) if not before else None:
            delimiter = found.group(1)
        elif text.strip('",;') == "Notes:":
            in_notes = True
        elif not text:
            in_notes = False
        elif not in_notes:
            return before, line, delimiter
    raise ValueError(f"{name}, line 1: the file has no header with a column 'email'.")


def _delimiter(header: str, columns: Mapping[str, str | None] | None) -> str:
    """Return the delimiter that splits a header into the most names, known ones first."""

    def score(delimiter: str) -> tuple[int, int]:
        names = _split(header, delimiter)
        return known_names(names, columns), len(names)

    return max(DELIMITERS, key=score)


def _split(header: str, delimiter: str) -> Sequence[str]:
    row: Any = next(csv.reader((header,), delimiter=delimiter), ())
    return tuple(row)
