"""Read leads from a list or a file, check them, and put them into batches.

- A file is read row by row, twice, and never held in memory as a whole. The first pass checks every row,
  counts them and computes a fingerprint; nothing is sent before it has reached the end. The second pass
  sends.
- An error names the place of a lead and its fields, never its data.
- A fingerprint shows whether the leads are the same as those of an earlier try, which can then be resumed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

from airflow_provider_campaigns.api.instantly import MAX_LEADS_PER_CALL, CheckedLeads, check_lead
from airflow_provider_campaigns.api.values import shown
from airflow_provider_campaigns.rules.file_encoding import not_utf8, utf16_without_mark
from airflow_provider_campaigns.rules.lead_columns import ColumnPlan
from airflow_provider_campaigns.rules.lead_csv import BadRows, CsvRows, long_cells

Lead = dict[str, Any]
FORMATS = ("csv", "jsonl")
# A longer line means a broken file. A line of a CSV file holds several cells.
MAX_LINE_LENGTH = 1024 * 1024
_MAX_CSV_LINE_LENGTH = 4 * MAX_LINE_LENGTH
# Characters that are read at once.
_PIECE = 16 * 1024


@dataclass
class Reading:
    """One pass over the leads.

    :param bad_rows: collects the rows that are not leads.
    :param plan: what becomes of the columns of a CSV file; set once the header is read.
    :param to_lead: makes a lead of a row of the source.
    :param several_addresses: how many of the leads had more than one address.
    """

    bad_rows: BadRows
    plan: ColumnPlan | None = None
    to_lead: Callable[[Any], Lead] = dict
    several_addresses: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, text: str) -> None:
        """Add what was read to the fingerprint."""
        self._hash.update(text.encode(errors="surrogatepass"))

    @property
    def fingerprint(self) -> str:
        """The same for the same leads in the same order, read in the same way."""
        digest: str = self._hash.hexdigest()
        return digest


@dataclass(frozen=True)
class LeadSource:
    """Leads that can be read from the first one as often as needed.

    :param name: the file, or the argument that holds the list, named in errors.
    :param rows: yields the rows that are leads, in the form that ``Reading.to_lead`` takes.
    """

    name: str
    rows: Callable[[Reading], Iterator[Any]]


@dataclass(frozen=True)
class Leads:
    """Leads that passed the check.

    :param source: yields them.
    :param count: how many there are.
    :param fingerprint: of all of them.
    :param bad_rows: the rows that were left out.
    :param plan: what becomes of the columns of a CSV file.
    :param several_addresses: how many of them had more than one address, of which the first counts.
    """

    source: LeadSource
    count: int
    fingerprint: str
    bad_rows: BadRows
    plan: ColumnPlan | None = None
    several_addresses: int = 0

    def batches(self, *, after: int = 0, size: int = MAX_LEADS_PER_CALL) -> Iterator[CheckedLeads]:
        """Yield the leads in batches.

        :param after: how many to leave out at the beginning.
        :param size: leads in a batch, at most.
        :raises ValueError: they differ from the leads that were checked, because the file was replaced.
        """
        reading = Reading(BadRows(self.source.name))
        rows = islice(self.source.rows(reading), after, None)
        while batch := _next_batch(rows, reading, size):
            yield batch
        if reading.fingerprint != self.fingerprint:
            raise ValueError(
                f"{self.source.name}: the leads changed between being checked and being uploaded. Do not "
                f"replace a file while it is uploaded."
            )


def _next_batch(rows: Iterator[Any], reading: Reading, size: int) -> CheckedLeads:
    with long_cells():
        # The rows set to_lead when they begin.
        return CheckedLeads([reading.to_lead(row) for row in islice(rows, size)])


def check_leads(
    source: LeadSource, *, skip_bad_rows: bool = False, on_bad_row: Callable[[str], None] | None = None
) -> Leads:
    """Check all leads in one pass.

    :param skip_bad_rows: leave out rows that are not leads.
    :param on_bad_row: gets each of these as a sentence with its place and the reason.
    :raises ValueError: a row is not a lead, and ``skip_bad_rows`` is not set; names the first ten and counts
        all. Or there are no leads, or the file is broken.
    """
    reading = Reading(BadRows(source.name, on_bad_row))
    with long_cells():
        count = sum(1 for _ in source.rows(reading))
    bad_rows = reading.bad_rows
    if bad_rows.count and not skip_bad_rows:
        raise ValueError(str(bad_rows))
    if not count:
        raise ValueError(f"{source.name} holds no leads.{f' {bad_rows}' if bad_rows.count else ''}")
    return Leads(source, count, reading.fingerprint, bad_rows, reading.plan, reading.several_addresses)


def from_sequence(leads: Sequence[Any], name: str = "leads") -> LeadSource:
    """Return the leads of a list.

    :param name: the argument, named in errors.
    """

    def rows(reading: Reading) -> Iterator[Lead]:
        for position, lead in enumerate(leads):
            checked = _checked(lead, f"{name}[{position}]", reading.bad_rows)
            if checked is not None:
                reading.add(json.dumps(checked, sort_keys=True))
                yield checked

    return LeadSource(name, rows)


def from_file(
    open_file: Callable[[], AbstractContextManager[IO[str]]],
    name: str,
    file_format: str,
    columns: Mapping[str, str | None] | None = None,
) -> LeadSource:
    """Return the leads of a file, which is closed after each pass.

    :param open_file: opens it from the beginning as UTF-8 text with ``newline=""``.
    :param name: the file, named in errors.
    :param file_format: ``"csv"`` (with a header), or ``"jsonl"`` (one JSON object per line).
    :param columns: for CSV: what becomes of the columns.
    """

    def rows(reading: Reading) -> Iterator[Any]:
        with open_file() as file:
            lines = _Lines(
                file, name, reading, _MAX_CSV_LINE_LENGTH if file_format == "csv" else MAX_LINE_LENGTH
            )
            try:
                if file_format == "csv":
                    table = CsvRows(iter(lines), name, columns)
                    reading.plan, reading.to_lead = table.plan, table.plan.builder()
                    reading.add(str(table.plan))
                    yield from table.good(reading.bad_rows)
                    reading.several_addresses = table.several_addresses
                else:
                    yield from _json_lines(lines, reading.bad_rows)
            except UnicodeDecodeError:
                raise _not_utf8_error(open_file, name) from None

    return LeadSource(name, rows)


def format_of(path: Any, name: str) -> str:
    """Return the format of a file by the ending of its path; the query of a URL does not count.

    :param name: the argument, named in an error.
    :raises ValueError: the path has another ending.
    """
    given = path.lower() if isinstance(path, str) else ""
    for ending in (given, given.partition("?")[0]):
        if ending.endswith(".csv"):
            return "csv"
        if ending.endswith((".jsonl", ".ndjson")):
            return "jsonl"
    raise ValueError(
        f"{name} must be the path of a file that ends in .csv, .jsonl or .ndjson, got {shown(path)}."
    )


def _json_lines(lines: Iterable[str], bad_rows: BadRows) -> Iterator[Lead]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            lead = json.loads(line)
        except (ValueError, RecursionError):
            bad_rows.add(f"{place}: not JSON.")
            continue
        checked = _checked(lead, place, bad_rows)
        if checked is not None:
            yield checked


def _checked(lead: Any, place: str, bad_rows: BadRows) -> Lead | None:
    try:
        return check_lead(lead, place)
    except ValueError as error:
        bad_rows.add(str(error))
        return None


class _Lines:
    """The lines of a file, without a byte order mark at its beginning.

    The file is read piece by piece: a call for each line would cost more than all other work on it.

    :param reading: gets the text for its fingerprint.
    :param max_length: the longest line that is read.
    """

    def __init__(self, file: IO[str], name: str, reading: Reading, max_length: int) -> None:
        self._file, self._name, self._reading, self._max_length = file, name, reading, max_length

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[list[str]]:
        """Yield the lines of each piece; an incomplete one is kept for the next piece."""
        rest, count = "", 0
        for piece in iter(lambda: self._file.read(_PIECE), ""):
            self._reading.add(piece)
            text = rest + piece
            if not count:
                if "\0" in text[:2]:
                    raise utf16_without_mark(self._name, text)
                text = text.removeprefix("\ufeff")
            lines = io.StringIO(text, newline="").readlines()
            # After a "\r", the next piece may begin with its "\n".
            rest = "" if not lines or lines[-1].endswith("\n") else lines.pop()
            if len(rest) > self._max_length or (lines and len(lines[0]) > self._max_length):
                raise ValueError(
                    f"{self._name}, line {count + 1}: longer than {self._max_length:,} characters."
                )
            count += len(lines)
            yield lines
        yield [rest] if rest else []


def _not_utf8_error(open_file: Callable[[], AbstractContextManager[IO[str]]], name: str) -> ValueError:
    """Return the error for a file that is not UTF-8, with the line; reads it line by line."""
    count = 0
    try:
        with open_file() as file:
            while file.readline():
                count += 1
    except UnicodeDecodeError as error:
        return not_utf8(name, error, count)
    return ValueError(f"{name}: the file is not UTF-8.")
