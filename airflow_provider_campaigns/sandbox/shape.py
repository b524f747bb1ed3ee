"""Checks the shape of JSON values. Types have their JSON names, as in ``"string|null"``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def has_type(value: Any, types: str) -> bool:
    """Return whether a JSON value has one of the types, which are separated by bars."""
    names = types.split("|")
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def first_problem(
    value: Any,
    fields: Mapping[str, str],
    *,
    required: Collection[str] = (),
    where: str = "body",
    closed: bool = True,
) -> str | None:
    """Return the first problem of an object, in the words of a JSON validator; None if there is none.

    :param fields: the known fields with their types.
    :param closed: whether an unknown field is a problem.
    """
    if not isinstance(value, dict):
        return f"{where} must be object"
    for name in required:
        if name not in value:
            return f"{where} must have required property '{name}'"
    for name, found in value.items():
        if name in fields:
            if not has_type(found, fields[name]):
                return f"{where}/{name} must be {fields[name].replace('|', ',')}"
        elif closed:
            return f"{where} must NOT have additional properties: '{name}' (known: {', '.join(fields)})"
    return None
