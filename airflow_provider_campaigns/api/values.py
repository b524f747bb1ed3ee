"""Small values that both services use: ids on their way out, instants on their way in."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any

import pendulum

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OPAQUE = re.compile(r"[\x21-\x7e]{1,200}")
_PATH_ID = re.compile(r"[0-9A-Za-z_-]{1,200}")
_SHOWN_LENGTH = 80
_NOTHING = {"none", "null", "undefined"}


def parse_instant(value: Any) -> datetime | None:
    """Read an ISO 8601 time that carries its own offset.

    :returns: the instant in UTC; None for anything else, since a time without an offset names no instant.
    """
    if not isinstance(value, str) or not _INSTANT.fullmatch(value.strip()):
        return None
    text = value.strip()
    try:
        # The standard library reads what the services write; Python 3.10's reads less than later ones.
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return _parse_leniently(text)


def _parse_leniently(text: str) -> datetime | None:
    try:
        utc = pendulum.parse(text, exact=True).in_timezone("UTC")  # type: ignore[union-attr]
    except (AttributeError, ValueError, OverflowError):
        return None
    # A plain datetime: pendulum's own loses its zone in some sums with standard zones.
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=timezone.utc
    )


def number_or_none(value: Any) -> float | None:
    """Read a finite number, which a service may also write as a text, with a percent sign or without.

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


def check_uuid(value: Any, name: str) -> str:
    """Return an id that may stand in a path.

    :param name: the argument to name in the error.
    :raises ValueError: it is not a UUID.
    """
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value
    raise ValueError(
        f"{name} must be a UUID such as 019e18e2-a52f-78e7-96f2-b33ee19bb50a, got {_shown(value)}."
    )


def check_path_id(value: Any, name: str) -> str:
    """Return an id of no promised format that may stand in a path: letters, digits, hyphens, underscores.

    :param name: the argument to name in the error.
    :raises ValueError: it is something else.
    """
    if isinstance(value, str) and _PATH_ID.fullmatch(value) and value.lower() not in _NOTHING:
        return value
    raise ValueError(f"{name} must be an id of letters, digits and hyphens, got {_shown(value)}.")


def check_opaque_id(value: Any, name: str) -> str:
    """Return an id whose format its service does not promise: visible ASCII, no spaces, at most 200 long.

    :param name: the argument to name in the error.
    :raises ValueError: it cannot be an id.
    """
    if isinstance(value, str) and _OPAQUE.fullmatch(value) and value.lower() not in _NOTHING:
        return value
    raise ValueError(
        f"{name} must be the id that Campaign Cleaner gave, got {_shown(value)}. "
        f"If it comes from another task, did that task push it?"
    )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"
