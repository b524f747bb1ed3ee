"""Read leads from a list or a file, check them, and put them into batches.

- A file is read row by row, twice, and never held in memory as a whole. The first pass checks every row,
  counts them and computes a fingerprint; nothing is sent before it has reached the end. The second pass
  sends.
- An error names the place of a lead and its fields, never its data.
- A fingerprint tells whether the leads are the same as those of an earlier try, which can then be resumed.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from airflow_provider_campaigns.api.instantly import LEAD_FIELDS, MAX_LEADS_PER_CALL, check_lead

Lead = dict[str, Any]
# A CSV cell or a line of a JSON Lines file that is longer than this means a broken file.
MAX_LINE_LENGTH = 1024 * 1024
FORMATS = ("csv", "jsonl")


@dataclass(frozen=True)
class Leads:
    """Leads that passed the check.

    :param read: yields them from the first one, each time it is called.
    :param count: how many there are.
    :param fingerprint: the same for the same leads in the same order.
    """

    read: Callable[[], Iterator[Lead]]
    count: int
    fingerprint: str

    def batches(self, *, after: int = 0, size: int = MAX_LEADS_PER_CALL) -> Iterator[list[Lead]]:
        """Yield the leads in batches.

        :param after: how many to leave out at the beginning.
        :param size: leads in a batch, at most.
        :raises ValueError: they differ from the leads that were checked, because the file was replaced.
        """
        digest = _Digest()
        leads = islice(digest.of(self.read()), after, None)
        while batch := list(islice(leads, size)):
            yield batch
        if digest.fingerprint != self.fingerprint:
            raise ValueError(
                f"The leads changed between being checked ({self.count:,} of them) and being sent "
                f"({digest.count:,}). Do not replace a file while it is being sent."
            )


class _Digest:
    """Counts leads and computes their fingerprint as they pass through."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def of(self, leads: Iterable[Lead]) -> Iterator[Lead]:
        for lead in leads:
            self.count += 1
            self._hash.update(json.dumps(lead, sort_keys=True).encode())
            yield lead

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()


def check_leads(read: Callable[[], Iterator[Lead]], name: str = "leads") -> Leads:
    """Check all leads in one pass.

    :param name: the argument or file, named in an error.
    :raises ValueError: one is invalid, or there are none; names the place.
    """
    digest = _Digest()
    for _ in digest.of(read()):
        pass
    if not digest.count:
        raise ValueError(f"{name} holds no leads.")
    return Leads(read, digest.count, digest.fingerprint)


def from_sequence(leads: Sequence[Any], name: str = "leads") -> Iterator[Lead]:
    """Yield the leads of a list.

    :param name: the argument, named in an error.
    """
    for position, lead in enumerate(leads):
        yield check_lead(lead, f"{name}[{position}]")


def from_csv(file: IO[str], name: str) -> Iterator[Lead]:
    """Yield the leads of a CSV file with a header.

    A column that is a field of a lead becomes that field, any other a custom variable. An empty cell is left
    out.

    :param file: opened in text mode with ``newline=""``.
    :param name: the file, named in an error.
    """
    rows = csv.reader(_lines(file, name), strict=True)
    header = [column.strip() for column in _next_row(rows, name) or []]
    if "email" not in header:
        raise ValueError(f"{name}, line 1: the header needs a column 'email'.")
    if len(set(header)) != len(header) or "" in header:
        raise ValueError(f"{name}, line 1: the header has a duplicate or empty column name.")
    while (row := _next_row(rows, name)) is not None:
        if not row:
            continue
        place = f"{name}, line {rows.line_num}"
        if len(row) != len(header):
            raise ValueError(f"{place}: {len(row)} cells, where the header has {len(header)}.")
        yield check_lead(_from_cells(zip(header, row, strict=True), place), place)


def from_json_lines(file: IO[str], name: str) -> Iterator[Lead]:
    """Yield the leads of a file with one JSON object per line; empty lines are left out.

    :param file: opened in text mode.
    :param name: the file, named in an error.
    """
    for number, line in enumerate(_lines(file, name), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            lead = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"{place}: not JSON.") from None
        yield check_lead(lead, place)


def from_file(open_file: Callable[[], IO[str]], name: str, file_format: str) -> Iterator[Lead]:
    """Yield the leads of a file, and close it.

    :param open_file: opens it from the beginning as UTF-8 text with ``newline=""``.
    :param name: the file, named in an error.
    :param file_format: ``"csv"`` or ``"jsonl"``.
    """
    with open_file() as file:
        try:
            yield from (from_csv if file_format == "csv" else from_json_lines)(file, name)
        except UnicodeDecodeError:
            raise ValueError(f"{name}: the file is not UTF-8.") from None


def format_of(path: Any, name: str) -> str:
    """Return the format of a file by the ending of its path.

    :param name: the argument, named in an error.
    :raises ValueError: the path has another ending.
    """
    ending = path.lower() if isinstance(path, str) else ""
    if ending.endswith(".csv"):
        return "csv"
    if ending.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    raise ValueError(f"{name} must be the path of a file that ends in .csv, .jsonl or .ndjson, got {path!r}.")


def _from_cells(cells: Iterable[tuple[str, str]], place: str) -> Lead:
    filled = {column: cell.strip() for column, cell in cells if cell.strip()}
    lead: Lead = {column: cell for column, cell in filled.items() if column in LEAD_FIELDS}
    variables = {column: cell for column, cell in filled.items() if column not in LEAD_FIELDS}
    if "lt_interest_status" in lead:
        try:
            lead["lt_interest_status"] = int(lead["lt_interest_status"])
        except ValueError:
            raise ValueError(f"{place}: lt_interest_status must be an integer.") from None
    return {**lead, "custom_variables": variables} if variables else lead


def _next_row(rows: Any, name: str) -> list[str] | None:
    try:
        row: list[str] | None = next(rows, None)
    except csv.Error as error:
        raise ValueError(f"{name}, line {rows.line_num}: {error}.") from None
    return row


def _lines(file: IO[str], name: str) -> Iterator[str]:
    """Yield the lines of a file, without a byte order mark at its beginning."""
    number = 0
    while line := file.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > MAX_LINE_LENGTH:
            raise ValueError(f"{name}, line {number}: longer than {MAX_LINE_LENGTH:,} characters.")
        yield line.removeprefix("\ufeff") if number == 1 else line
