"""The type that a service documents for a field, and how a value that a user has becomes one.

A template renders everything to text, and databases and other tasks return UUIDs, dates, decimals and sets.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from airflow_provider_campaigns.api.values import shown

_FLAGS = {"true": True, "false": False}


class FieldType(Enum):
    """A type, in the words of an error."""

    STRING = "a string"
    FLAG = "True or False"
    INTEGER = "an integer, 0 or more"
    NUMBER = "a number"
    STRINGS = "a list of strings"
    MAPPING = "a mapping"
    MAPPINGS = "a list of mappings"


def typed(fields: Mapping[str, Any], types: Mapping[str, FieldType | None], name: str) -> dict[str, Any]:
    """Return fields in their types; None and fields of no known type stay as they are.

    :param name: the argument, named in errors.
    :raises ValueError: a field has another type; names it.
    """

    def value_of(key: str, value: Any) -> Any:
        wanted = types.get(key)
        return value if wanted is None or value is None else as_type(value, wanted, f"{name}[{key!r}]")

    return {key: value_of(key, value) for key, value in fields.items()}


def as_type(value: Any, wanted: FieldType, place: str) -> Any:
    """Return a value in a type, as JSON values; text becomes the value that it writes.

    :param place: the argument or field, named in errors.
    :raises ValueError: it has another type.
    """
    is_text = isinstance(value, str) and wanted is not FieldType.STRING
    found = _as_json(parsed(value) if is_text else value, place)
    if wanted is FieldType.INTEGER and isinstance(found, float) and found.is_integer():
        found = int(found)
    if not _is(found, wanted):
        raise ValueError(f"{place} must be {wanted.value}, got {shown(value)}.")
    return found


def parsed(text: str) -> Any:
    """Return the value that a text writes as JSON or as a Python literal, or the text if it writes none."""
    if (flag := _FLAGS.get(text.strip().lower())) is not None:
        return flag
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.literal_eval(text.strip())
    return text


def json_form(value: Any) -> Any:
    """Return the JSON form of a value that ``json.dumps`` does not know; its ``default``.

    :raises TypeError: it is none of a UUID, date, decimal, set, mapping and sequence.
    """
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        number = float(value)
        return int(value) if number.is_integer() else number
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def _as_json(value: Any, place: str) -> Any:
    try:
        return json.loads(json.dumps(value, default=json_form))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{place} cannot be sent as JSON: {error}.") from None


def _is(value: Any, wanted: FieldType) -> bool:
    if wanted in {FieldType.STRINGS, FieldType.MAPPINGS}:
        item = str if wanted is FieldType.STRINGS else dict
        return isinstance(value, list) and all(isinstance(each, item) for each in value)
    if wanted is FieldType.INTEGER:
        return _is_number(value) and isinstance(value, int) and value >= 0
    if wanted is FieldType.NUMBER:
        return _is_number(value)
    return isinstance(value, {FieldType.STRING: str, FieldType.FLAG: bool, FieldType.MAPPING: dict}[wanted])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
