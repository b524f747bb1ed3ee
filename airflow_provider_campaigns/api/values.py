"""Check the ids that go into a request, and parse the values that come back from both services."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pendulum

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})")
# As str() writes a timedelta, with or without days.
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OPAQUE = re.compile(r"[\x21-\x7e]{1,200}")
_PATH_ID = re.compile(r"[0-9A-Za-z_-]{1,200}")
_MAX_SHOWN = 80
_URL = re.compile(r"(\b[a-zA-Z][\w+.-]*://)((?:[^\s/?#@'\":]*:[^\s?#@'\"]*@)?)([^\s?#'\"]*)(\?[^\s'\"]*)?")
# What str() of a missing value looks like in Python, JSON and JavaScript.
_MISSING = {"none", "null", "undefined"}
_NOTHING = {*_MISSING, "", "nan"}


def parse_instant(value: Any) -> datetime | None:
    """Parse an ISO 8601 time that has an offset.

    :returns: the time in UTC; None for anything else. Without an offset, the moment is unknown.
    """
    if not isinstance(value, str) or not _INSTANT.fullmatch(value.strip()):
        return None
    text = value.strip()
    try:
        # The standard library parses what the services write; Python 3.10 accepts fewer formats than 3.11.
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return _parse_leniently(text)


def _parse_leniently(text: str) -> datetime | None:
    try:
        utc = pendulum.parse(text, exact=True).in_timezone("UTC")  # type: ignore[union-attr]
    except (AttributeError, ValueError, OverflowError):
        return None
    # A standard datetime: pendulum's own loses its zone in some arithmetic with standard zones.
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=timezone.utc
    )


def parse_duration(text: str) -> float | None:
    """Parse a duration as ISO 8601 (``PT1H30M``) or as a clock (``01:30:00``, ``1 day, 1:30:00``).

    :returns: seconds; None for anything else, also for years and months, whose length differs.
    """
    if clock := _CLOCK.fullmatch(text.strip()):
        days, hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not text.strip().startswith("P") or text.strip().endswith("T"):
        return None
    try:
        found = pendulum.parse(text.strip())
    except (AttributeError, TypeError, ValueError, OverflowError):  # of an interval, such as P1D/2026-11-30
        return None
    if not isinstance(found, pendulum.Duration) or found.years or found.months:
        return None
    return found.total_seconds()


def is_nothing(value: Any) -> bool:
    """Return whether a value is None, empty, or a word that means None."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def number_or_none(value: Any) -> float | None:
    """Return a finite number, which a service may also write as a string, with or without a percent sign.

    :returns: the number; None for anything else.
    """
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def objects_in(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the JSON objects of a list, without its other items; empty if it is not a list."""
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as a dict, without the values that are None."""
    return {name: value for name, value in values.items() if value is not None}


def can_be_a_status(text: str, max_length: int) -> bool:
    """Return whether a string may be a status, documented or not: printable, not empty and not too long.

    :param max_length: in characters.
    """
    return 0 < len(text) <= max_length and text.isprintable()


def check_uuid(value: Any, name: str) -> str:
    """Return an id that may be part of a path, from a string or a ``uuid.UUID``.

    :param name: the argument, named in the error.
    :raises ValueError: it is not a UUID.
    """
    text = _id_text(value)
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text
    raise ValueError(
        f"{name} must be a UUID such as 019e18e2-a52f-78e7-96f2-b33ee19bb50a, got {shown(value)}."
    )


def check_path_id(value: Any, name: str) -> str:
    """Return an id that may be part of a path, of an undocumented format: letters, digits, ``-`` and ``_``.

    :param name: the argument, named in the error.
    :raises ValueError: it is not a valid id.
    """
    text = _id_text(value)
    if isinstance(text, str) and _PATH_ID.fullmatch(text) and text.lower() not in _MISSING:
        return text
    raise ValueError(f"{name} must be an id of letters, digits and hyphens, got {shown(value)}.")


def is_opaque_id(value: Any) -> bool:
    """Return whether a string may be an id of an undocumented format."""
    return isinstance(value, str) and bool(_OPAQUE.fullmatch(value)) and value.lower() not in _MISSING


def check_opaque_id(value: Any, name: str) -> str:
    """Return an id of an undocumented format: visible ASCII without spaces, at most 200 characters.

    :param name: the argument, named in the error.
    :raises ValueError: it is not a valid id.
    """
    text = _id_text(value)
    if is_opaque_id(text):
        return str(text)
    raise ValueError(
        f"{name} must be an id that Campaign Cleaner returned, got {shown(value)}. "
        f"If it comes from another task, did that task push it?"
    )


def id_of_number(value: Any) -> Any:
    """Return an id as text, of which native rendering, or the text of a list, made a number."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    # A database may return the integer of an id as a decimal.
    is_decimal = isinstance(value, Decimal) and value.as_tuple().exponent == 0
    return str(value) if is_integer or is_decimal else value


def _id_text(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def shown(value: Any) -> str:
    """Return a value as an error may show it: short, and a URL without its query and password."""
    text = repr(hide_url_secrets(value)) if isinstance(value, str) else hide_url_secrets(repr(value))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def hide_url_secrets(text: str) -> str:
    """Return a text whose URLs have no query, which may be a signature, and no password."""
    return _URL.sub(lambda url: f"{url[1]}{'…@' if url[2] else ''}{url[3]}{'?…' if url[4] else ''}", text)


def check_names(options: Mapping[str, Any], known: Collection[str], name: str) -> dict[str, Any]:
    """Return options whose names are all known; ``more`` in them holds names that are not checked.

    A service may ignore a misspelt option without an error.

    :param name: the argument, named in the error.
    :raises ValueError: a name is unknown; the error suggests the nearest known one.
    """
    more = options.get("more") or {}
    for each in options:
        if each not in known and each != "more":
            hint = near(each, known) or f" Known are {', '.join(sorted(known))}."
            raise ValueError(
                f"{name}: unknown option {each!r}.{hint} Pass an undocumented option as "
                f"{name}={{'more': {{{each!r}: ...}}}}."
            )
    if not isinstance(more, Mapping):
        raise ValueError(f"{name}: 'more' must be a mapping of undocumented options, got {shown(more)}.")
    if twice := sorted(set(more) & set(options)):
        raise ValueError(f"{name}: {', '.join(twice)} must not be in 'more' as well.")
    return {**{key: value for key, value in options.items() if key in known}, **more}


def near(word: Any, known: Collection[str]) -> str:
    """Return a hint at the known word that is nearest to a misspelt one."""
    # Imported here: it is for an error, and every Dag file imports this module.
    from difflib import get_close_matches

    match = get_close_matches(word, known, n=1, cutoff=0.6) if isinstance(word, str) else []
    return f" Did you mean {match[0]!r}?" if match else ""
