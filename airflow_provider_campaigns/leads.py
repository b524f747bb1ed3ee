"""Leads on their way to a campaign: read one by one from wherever they are, checked, and put into batches.

The rules of this room:

- A file is never in memory as a whole: its rows are read one by one, twice. The first reading checks every
  row, counts, and takes a fingerprint; nothing is sent before it has reached the end. The second one sends.
- What is wrong with a lead is said with the place where it stands.
- A fingerprint tells whether leads are the same as those of an earlier attempt, which can then be resumed.

Nothing here asks a service, knows Airflow, or says a lead's data in an error beyond the name of a member.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import IO, Any

from airflow_provider_campaigns.api.instantly import LEAD_MEMBERS, MAX_LEADS_PER_CALL, AddedLeads, check_lead

Lead = dict[str, Any]
# A cell of a CSV file, or a line of a JSON Lines file, beyond this length is a broken file, not a lead.
LONGEST_LINE = 1024 * 1024
FORMATS = ("csv", "jsonl")


@dataclass(frozen=True)
class Leads:
    """Leads that were found to be in order.

    :param read: gives them, from the first one on, as often as it is called.
    :param count: how many there are.
    :param fingerprint: the same for the same leads in the same order.
    """

    read: Callable[[], Iterator[Lead]]
    count: int
    fingerprint: str

    def batches(self, *, after: int = 0, size: int = MAX_LEADS_PER_CALL) -> Iterator[list[Lead]]:
        """Give the leads in batches.

        :param after: how many to leave out at the beginning.
        :param size: leads in a batch, at most.
        :raises ValueError: they are not those that were checked, as where a file was replaced meanwhile.
        """
        digest = _Digest()
        leads = islice(digest.of(self.read()), after, None)
        while batch := list(islice(leads, size)):
            yield batch
        if digest.fingerprint != self.fingerprint:
            raise ValueError(
                f"The leads changed between being checked ({self.count:,} of them) and being sent "
                f"({digest.count:,}). Do not replace a file that is being sent."
            )


class _Digest:
    """Takes a fingerprint of the leads that pass through."""

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


_COUNTS = (
    "total_sent",
    "leads_uploaded",
    "duplicated_leads",
    "skipped_count",
    "in_blocklist",
    "invalid_email_count",
    "incomplete_count",
    "duplicate_email_count",
)


@dataclass
class Sent:
    """How far an upload has come.

    :param campaign_id: whose leads they are.
    :param fingerprint: of all the leads.
    :param leads: how many there are.
    :param done: how many of them the service has answered for.
    :param counts: what became of these, by the service's names.
    :param remaining_in_plan: leads that the plan still has room for; None where the service does not say.
    """

    campaign_id: str
    fingerprint: str
    leads: int
    done: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    remaining_in_plan: int | None = None

    @classmethod
    def of(cls, kept: Any) -> Sent | None:
        """Return what :meth:`as_dict` described; None where that is nothing, or not of this version."""
        try:
            return cls(**kept)
        except TypeError:
            return None

    def count(self, added: AddedLeads, batch: int) -> int:
        """Take in what became of a batch; return of how many of its leads the service says nothing.

        A batch with such leads is not done: it is where the next try goes on.
        """
        told: int = sum(getattr(added, name) for name in _COUNTS if name != "total_sent")
        unaccounted = max(batch - told, 0)
        if not unaccounted:
            self.done += batch
        self.counts = {name: before + getattr(added, name) for name, before in self.counts.items()}
        self.remaining_in_plan = added.remaining_in_plan
        return unaccounted

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values, to be kept."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling, as plain JSON values."""
        return {
            "campaign_id": self.campaign_id,
            "complete": self.done >= self.leads,
            "leads": self.leads,
            **self.counts,
            "remaining_in_plan": self.remaining_in_plan,
        }

    def __str__(self) -> str:
        return f"{self.done:,} of {self.leads:,} leads sent, {self.counts['leads_uploaded']:,} of them new"


def checked(read: Callable[[], Iterator[Lead]], name: str = "leads") -> Leads:
    """Go through all leads once.

    :param name: where they are, to name in an error.
    :raises ValueError: one is not in order, or there are none; says where.
    """
    digest = _Digest()
    for _ in digest.of(read()):
        pass
    if not digest.count:
        raise ValueError(f"{name} holds no leads.")
    return Leads(read, digest.count, digest.fingerprint)


def from_sequence(leads: Sequence[Any], name: str = "leads") -> Iterator[Lead]:
    """Give the leads of a list.

    :param name: the argument to name in an error.
    """
    for position, lead in enumerate(leads):
        yield check_lead(lead, f"{name}[{position}]")


def from_csv(file: IO[str], name: str) -> Iterator[Lead]:
    """Give the leads of a CSV file with a header.

    A column that is a member of a lead is taken as it is, any other as a custom variable; an empty cell says
    nothing. Cells are text.

    :param file: opened as text with ``newline=""``.
    :param name: the file, to name in an error.
    """
    rows = csv.reader(_lines(file, name), strict=True)
    header = [column.strip() for column in _next_row(rows, name) or []]
    if "email" not in header:
        raise ValueError(f"{name}, line 1: the header of a file of leads needs a column 'email'.")
    if len(set(header)) != len(header) or "" in header:
        raise ValueError(f"{name}, line 1: the header names a column twice, or not at all.")
    while (row := _next_row(rows, name)) is not None:
        if not row:
            continue
        place = f"{name}, line {rows.line_num}"
        if len(row) != len(header):
            raise ValueError(f"{place}: {len(row)} cells, where the header has {len(header)}.")
        yield check_lead(_from_cells(zip(header, row, strict=True), place), place)


def from_json_lines(file: IO[str], name: str) -> Iterator[Lead]:
    """Give the leads of a file with one JSON object a line; empty lines say nothing.

    :param file: opened as text.
    :param name: the file, to name in an error.
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
    """Give the leads of a file, and close it.

    :param open_file: opens it as UTF-8 text with ``newline=""``, from its beginning.
    :param name: the file, to name in an error.
    :param file_format: ``"csv"`` or ``"jsonl"``.
    """
    with open_file() as file:
        try:
            yield from (from_csv if file_format == "csv" else from_json_lines)(file, name)
        except UnicodeDecodeError:
            raise ValueError(f"{name}: the file is not UTF-8.") from None


def format_of(path: Any, name: str) -> str:
    """Tell the format of a file by its path.

    :param name: the argument to name in an error.
    :raises ValueError: the path does not tell.
    """
    ending = path.lower() if isinstance(path, str) else ""
    if ending.endswith(".csv"):
        return "csv"
    if ending.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    raise ValueError(f"{name} must be the path of a file that ends in .csv, .jsonl or .ndjson, got {path!r}.")


def _from_cells(cells: Iterable[tuple[str, str]], place: str) -> Lead:
    said = {column: cell.strip() for column, cell in cells if cell.strip()}
    lead: Lead = {column: cell for column, cell in said.items() if column in LEAD_MEMBERS}
    more = {column: cell for column, cell in said.items() if column not in LEAD_MEMBERS}
    if "lt_interest_status" in lead:
        try:
            lead["lt_interest_status"] = int(lead["lt_interest_status"])
        except ValueError:
            raise ValueError(f"{place}: lt_interest_status must be a whole number.") from None
    return {**lead, "custom_variables": more} if more else lead


def _next_row(rows: Any, name: str) -> list[str] | None:
    try:
        row: list[str] | None = next(rows, None)
    except csv.Error as error:
        raise ValueError(f"{name}, line {rows.line_num}: {error}.") from None
    return row


def _lines(file: IO[str], name: str) -> Iterator[str]:
    """Give the lines of a file, without the mark that some programs write at its beginning."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise ValueError(f"{name}, line {number}: longer than {LONGEST_LINE:,} characters.")
        yield line.removeprefix("\ufeff") if number == 1 else line
