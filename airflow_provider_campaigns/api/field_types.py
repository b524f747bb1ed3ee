"""The type that a service documents for a field, and how a value that a user has becomes one.

A template renders everything to text, and databases and other tasks return UUIDs, dates, decimals and sets.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

from airflow_provider_campaigns.api.values import is_nothing, near, shown

_FLAGS = {"true": True, "false": False}


class FieldType(Enum):
    """A type, in the words of an error."""

    STRING = "a string that is not empty"
    FLAG = "True or False"
    INTEGER = "an integer, 0 or more"
    NUMBER = "a number, 0 or more"


# Also a list of one type, and a mapping with the types of its fields; an empty one has any fields.
JsonType: TypeAlias = "FieldType | list[JsonType] | Mapping[str, JsonType]"


def typed(
    fields: Mapping[str, Any],
    types: Mapping[str, JsonType | None],
    name: str,
    *,
    not_null: Collection[str] = (),
) -> dict[str, Any]:
    """Return fields in their types; None and fields of no known type stay as they are.

    :param name: the argument, named in errors.
    :param not_null: the fields that must not be None.
    :raises ValueError: a field has another type; names it.
    """

    def value_of(key: str, value: Any) -> Any:
        wanted = types.get(key)
        is_free = wanted is None or (value is None and key not in not_null)
        return value if is_free else as_type(value, wanted, f"{name}[{key!r}]")

    return {key: value_of(key, value) for key, value in fields.items()}


def as_type(value: Any, wanted: JsonType | None, place: str) -> Any:
    """Return a value in a type, as JSON values; text becomes the value that it writes, at any depth.

    :param place: the argument or field, named in errors.
    :raises ValueError: it has another type, or a field that its type does not have.
    """
    is_text = isinstance(value, str) and wanted is not FieldType.STRING
    found = _as_json(parsed(value) if is_text else value, place)
    if wanted is FieldType.INTEGER and isinstance(found, float) and found.is_integer():
        found = int(found)
    if not _is(found, wanted):
        raise ValueError(f"{place} must be {_words(wanted)}, got {shown(value)}.")
    if isinstance(wanted, list):
        return [as_type(each, wanted[0], f"{place}[{at}]") for at, each in enumerate(found)]
    if isinstance(wanted, Mapping) and wanted:
        for key in found.keys() - wanted.keys():
            raise ValueError(
                f"{place}: unknown name {key!r}.{near(key, wanted)} A field with undocumented names belongs "
                f"under 'more'."
            )
        return typed(found, wanted, place)
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


def _is(value: Any, wanted: JsonType | None) -> bool:
    if isinstance(wanted, list):
        return isinstance(value, list)
    if isinstance(wanted, Mapping):
        return isinstance(value, dict) and bool(value or not wanted)
    if wanted is FieldType.STRING:
        return isinstance(value, str) and not is_nothing(value)
    if wanted is FieldType.FLAG:
        return isinstance(value, bool)
    is_number = isinstance(value, int if wanted is FieldType.INTEGER else (int, float))
    return is_number and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _words(wanted: JsonType | None) -> str:
    if isinstance(wanted, list):
        return f"a list of {'strings' if wanted[0] is FieldType.STRING else 'mappings'}"
    return wanted.value if isinstance(wanted, FieldType) else "a mapping that is not empty"
