"""Which column of a lead file becomes which field of a lead.

- A column that ``columns`` names becomes what it says.
- A column with a well-known header, such as ``First Name``, becomes the field of a lead.
- Any other column becomes a custom variable of its own name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from airflow_provider_campaigns.api.instantly import LEAD_FIELDS, ONE_ADDRESS
from airflow_provider_campaigns.api.values import shown

# The headers that become a field, the best first: those of Apollo, HubSpot, Salesforce, Clay, Google
# Contacts, LinkedIn and the programs that export from its Sales Navigator. Case, spaces and punctuation do
# not count. If a file has several headers of one field, the best becomes the field and the others become
# custom variables.
KNOWN_HEADERS: Mapping[str, tuple[str, ...]] = {
    "email": (
        "Email", "Email Address", "Work Email", "Business Email", "Professional Email", "Primary Email",
        "Contact Email", "E-mail 1 - Value", "Email 1", "Person Email", "Lead Email", "Find Work Email",
    ),
    "first_name": (
        "First Name", "Given Name", "Forename", "Contact First Name", "Lead First Name", "First",
    ),
    "last_name": ("Last Name", "Family Name", "Surname", "Contact Last Name", "Lead Last Name", "Last"),
    "company_name": (
        "Company Name for Emails", "Company Name", "Company", "Account Name", "Organization Name",
        "Organization", "Organization 1 - Name", "Associated Company", "Associated Company (Primary)",
        "Current Company", "Company / Account", "Employer",
    ),
    "job_title": (
        "Job Title", "Title", "Position", "Current Position", "Current Job", "Current Job Title",
        "Organization Title", "Organization 1 - Title",
    ),
    "phone": (
        "Phone", "Phone Number", "Work Direct Phone", "Direct Phone", "Mobile Phone", "Mobile",
        "Mobile Phone Number", "Phone 1 - Value", "Business Phone", "Corporate Phone", "Telephone",
    ),
    "website": (
        "Website", "Company Website", "Website URL", "Company Website URL", "Website 1 - Value",
        "Account Website", "Company Domain", "Company Domain Name", "Company URL", "Domain",
    ),
    "personalization": ("Personalization", "Personalisation", "Icebreaker", "First Line"),
    "lt_interest_status": (), "pl_value_lead": (), "assigned_to": (),
}  # fmt: skip

# What programs and databases write into a cell without a value; "Null" and "Nan" are also names.
NO_VALUE = frozenset({
    "", "-", "--", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "N/A", "n/a", "NULL", "null", "[NULL]",
    "\\N", "NaN", "nan", "None", "<NA>",
})  # fmt: skip
_NEAR = 0.8


def _squeezed(header: str) -> str:
    """Return a header without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", header).casefold()


_FIELD_OF = {
    _squeezed(header): (field, rank)
    for field, headers in KNOWN_HEADERS.items()
    for rank, header in enumerate((field, *headers))
}
_SQUEEZED_FIELDS = {_squeezed(field): field for field in LEAD_FIELDS}


@dataclass(frozen=True)
class ColumnPlan:
    """What becomes of each column of a file.

    :param header: the names in the file.
    :param fields: for each column the field of a lead, or None.
    :param variables: for each column the custom variable, or None; a column with neither is left out.
    :param ignores_nameless: whether columns without a name are left out even if they have cells.
    :param by_own_name: whether the well-known headers are turned off.
    """

    header: tuple[str, ...]
    fields: tuple[str | None, ...]
    variables: tuple[str | None, ...]
    ignores_nameless: bool = False
    by_own_name: bool = False

    def __str__(self) -> str:
        unused = zip(self.header, self.fields, self.variables, strict=True)
        left_out = [name for name, field, variable in unused if name and not field and not variable]
        left_out += ["columns without a name"] * self.ignores_nameless
        parts = (
            ("; custom: ", [name for name in self.variables if name]),
            ("; left out: ", left_out),
            (f"; the address is from {self.header[self.email]}, not from ", self._other_email_headers),
        )
        return (
            f"{sum(map(bool, self.header))} columns -> {', '.join(field for field in self.fields if field)}"
            + "".join(f"{title}{', '.join(names)}" for title, names in parts if names)
        )

    @property
    def email(self) -> int:
        """The position of the column with the e-mail address."""
        return self.fields.index("email")

    @property
    def _other_email_headers(self) -> list[str]:
        """The custom variables with a well-known header of an e-mail address."""
        custom = zip(self.header, self.variables, strict=True)
        return [name for name, variable in custom if variable and _field_of(name) == "email"]

    def near_misses(self) -> dict[str, str]:
        """Return the custom variables whose name looks like a misspelt header, with the field."""
        free = frozenset() if self.by_own_name else LEAD_FIELDS - {field for field in self.fields if field}
        found = {name: _nearest_field(name) for name in self.variables if name}
        return {name: field for name, field in found.items() if field in free}

    def builder(self) -> Callable[[Sequence[str]], dict[str, Any]]:
        """Return the function that makes a lead of a row; cells without a value are left out."""
        fields = [(at, name) for at, name in enumerate(self.fields) if name]
        variables = [(at, name) for at, name in enumerate(self.variables) if name]

        def build(row: Sequence[str]) -> dict[str, Any]:
            lead: dict[str, Any] = {
                name: cell for at, name in fields if (cell := row[at].strip()) not in NO_VALUE
            }
            if custom := {name: cell for at, name in variables if (cell := row[at].strip()) not in NO_VALUE}:
                lead["custom_variables"] = custom
            if "lt_interest_status" in lead:
                lead["lt_interest_status"] = int(lead["lt_interest_status"])
            return lead

        return build


def _field_of(header: str) -> str | None:
    """Return the field that a well-known header becomes; None for another header."""
    return _FIELD_OF.get(_squeezed(header), (None, 0))[0]


def check_columns(columns: Any, name: str = "columns") -> None:
    """Refuse a mapping of columns that is not valid for any file.

    :param name: the argument, named in errors.
    :raises ValueError: it is not a mapping of strings to strings or None, or maps two columns to one name.
    """
    if not isinstance(columns, Mapping):
        raise ValueError(f"{name} must be a mapping of headers to fields, got {type(columns).__name__}.")
    for header, target in columns.items():
        if not isinstance(header, str):
            raise ValueError(f"{name} must have strings as keys, got {header!r}.")
        if target is not None and not header.strip():
            raise ValueError(f"{name}[{header!r}]: a column without a name can only be left out (None).")
        if target is not None and (not isinstance(target, str) or not target.strip()):
            raise ValueError(
                f"{name}[{header!r}] must be a field of a lead, a custom variable or None, got "
                f"{shown(target)}."
            )
        field = _SQUEEZED_FIELDS.get(_squeezed(target or ""))
        if field is not None and field != target:
            raise ValueError(f"{name}[{header!r}]: {target!r} is not a field. Did you mean {field!r}?")
    if twice := _repeated(filter(None, columns.values())):
        raise ValueError(f"{name} maps more than one column to {', '.join(twice)}.")


def plan_columns(header: Sequence[str], columns: Mapping[str, str | None] | None, place: str) -> ColumnPlan:
    """Return what becomes of the columns of a file.

    :param header: the names in the first line.
    :param columns: what a column becomes, by its name: a field of a lead, a custom variable, or None to leave
        it out; ``""`` is the name of columns without a name. Of the other columns, those with a well-known
        header become a field, the rest custom variables. An empty mapping turns the well-known headers off.
    :param place: where the header is, named in errors.
    :raises ValueError: the header or the mapping is not valid, or no column is the e-mail address.
    """
    names = [name.strip() for name in header]
    if any(ONE_ADDRESS.fullmatch(name) for name in names):  # the names may be shown from here on
        raise ValueError(
            f"{place}: this line is a lead, not a header. Add a first line that names the columns."
        )
    check_columns({} if columns is None else columns)
    chosen = dict(columns or {})
    if twice := _repeated(name for name in names if name and chosen.get(name, name) is not None):
        raise ValueError(
            f"{place}: the header contains {', '.join(map(repr, twice))} more than once. Rename all but one, "
            f"or leave them out with columns={{{twice[0]!r}: None}}."
        )
    _refuse_missing(chosen, names, place)
    fields = {name: target for name, target in chosen.items() if target in LEAD_FIELDS}
    free = [name for name in names if name and name not in chosen]
    fields |= {name: name for name in free if name in LEAD_FIELDS - set(fields.values())}
    if columns != {}:
        fields |= _known_fields([name for name in free if name not in fields], set(fields.values()))
    variables = {
        name: chosen.get(name, name)
        for name in names
        # A second column with the name of a field would be a custom variable that hides the field.
        if name and name not in fields and chosen.get(name, name) not in LEAD_FIELDS
    }
    if twice := _repeated(filter(None, variables.values())):
        raise ValueError(f"{place}: more than one column becomes the custom variable {', '.join(twice)}.")
    plan = ColumnPlan(
        tuple(names),
        tuple(fields.get(name) for name in names),
        tuple(variables.get(name) for name in names),
        ignores_nameless="" in chosen,
        by_own_name=columns == {},
    )
    _check_email(plan, place)
    return plan


def known_names(header: Sequence[str], columns: Mapping[str, str | None] | None) -> int:
    """Return how many names of a header are well known or mapped, to recognise the delimiter."""
    names = {name.strip() for name in header}
    return sum(_squeezed(name) in _FIELD_OF or name in (columns or {}) for name in names)


def _nearest_field(name: str) -> str | None:
    """Return the field whose header a name misspells with the same letters; None where there is none.

    Words that are only similar, such as ``Company Size`` and ``Company Website``, are different columns.
    """
    squeezed = _squeezed(name)
    same_letters = [header for header in _FIELD_OF if set(header) == set(squeezed)]
    match = get_close_matches(squeezed, same_letters, n=1, cutoff=_NEAR)
    return _FIELD_OF[match[0]][0] if match else None


def _known_fields(names: Sequence[str], taken: set[str]) -> dict[str, str]:
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        field, rank = _FIELD_OF.get(_squeezed(name), ("", 0))
        if field and field not in taken and (field not in best or rank < best[field][0]):
            best[field] = (rank, name)
    return {name: field for field, (_, name) in best.items()}


def _refuse_missing(columns: Mapping[str, str | None], names: Sequence[str], place: str) -> None:
    for name in columns:
        if name not in names:
            near = {_squeezed(each): each for each in names if each}
            match = get_close_matches(_squeezed(name), near, n=1)
            hint = f" Did you mean {near[match[0]]!r}?" if match else ""
            raise ValueError(f"{place}: columns names {name!r}, which is not in the header.{hint}")


def _check_email(plan: ColumnPlan, place: str) -> None:
    if "email" in plan.fields:
        return
    misses = plan.near_misses()
    like_email = [name for name in plan.variables if name and "mail" in _squeezed(name)]
    near = next((name for name, field in misses.items() if field == "email"), next(iter(like_email), None))
    hint = f"Did you mean {near!r}? Set" if near else "Set"
    raise ValueError(
        f"{place}: no column 'email', 'Email Address' or the like. {hint} "
        f"columns={{{near or 'name of the column'!r}: 'email'}}."
    )


def _repeated(names: Iterable[str | None]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if name and count > 1)
