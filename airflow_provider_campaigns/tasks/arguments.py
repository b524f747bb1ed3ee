"""Check the arguments of every task in one way, as early as their values are known.

A task has a table, ``arguments``, with a check for each argument. A literal is checked when the Dag is
parsed; a template or another task's output on the worker, once it is rendered. A check returns the value in
the form that the task uses, or raises a ``ValueError`` that names the argument.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_provider_campaigns.api import values
from airflow_provider_campaigns.api.field_types import parsed
from airflow_provider_campaigns.tasks.templates import (
    NestedFields,
    has_missing_part,
    is_templated,
    rendered_value,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

Check = Callable[[Any, str], Any]

shown = values.shown

_BYTE_ORDER_MARK = "\ufeff"
_MAX_SECONDS = 10 * 366 * 24 * 3600.0
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_MISSING_PART = re.compile(r"(^|/)None(\.\w+)*(/|$)")


def check_at_parse(task: BaseOperator) -> None:
    """Check the arguments that are known when the Dag is parsed; call it last in ``__init__``.

    :raises ValueError: a value is not valid, or is a template where the argument does not take one.
    """
    arguments: Mapping[str, Check] = task.arguments  # type: ignore[attr-defined]
    known_names: Mapping[str, Collection[str]] = getattr(task, "known_names", {})
    templates = {}
    for name, check in arguments.items():
        value = _plain(getattr(task, name))
        if not is_templated(value, task):
            value = (strict_flag if check is flag else check)(value, name)
        elif name not in task.template_fields:
            raise ValueError(f"{name} does not take a template or another task's output, got {shown(value)}.")
        else:
            templates[name] = value
            if isinstance(value, Mapping) and name in known_names:
                _check_known(value, known_names[name], name)
        setattr(task, name, value)
    task._templates = templates
    _check_paths_differ({name: getattr(task, name) for name in arguments.keys() - templates.keys()})


def check_rendered(task: BaseOperator) -> None:
    """Check the rendered arguments of a task; call it first in ``execute``.

    :raises ValueError: a value is not valid, or rendered to nothing.
    """
    arguments: Mapping[str, Check] = task.arguments  # type: ignore[attr-defined]
    nested_fields: Mapping[str, NestedFields] = getattr(task, "nested_fields", {})
    templates: Mapping[str, Any] = task._templates  # type: ignore[attr-defined]
    for name in task.template_fields:
        if name not in arguments:
            continue
        value = getattr(task, name)
        if name in templates:
            value = rendered_value(templates[name], value, task, name, nested_fields.get(name))
            if isinstance(templates[name], str):
                value = _as_text(value, arguments[name], name)
            if name.endswith("path") and has_missing_part(templates[name], value):
                raise _missing_part(value, name)
        setattr(task, name, arguments[name](value, name))
    _check_paths_differ({name: getattr(task, name) for name in arguments})


def rendered_fields(task: BaseOperator) -> dict[str, Any]:
    """Return the rendered arguments of a task that is about to wait elsewhere, as plain JSON values."""
    return {name: getattr(task, name) for name in task.template_fields if name in task.arguments}  # type: ignore[attr-defined]


def restore(task: BaseOperator, *fields: Mapping[str, Any] | None) -> None:
    """Set the arguments that a wait was about on a resumed task.

    Airflow renders the templates of a resumed task again, and they may render to other values then.
    """
    for mapping in fields:
        for name, value in (mapping or {}).items():
            setattr(task, name, value)
    vars(task).pop("_hook", None)  # it may have been made for another connection


def _plain(value: Any) -> Any:
    """Return a path object as a string, which Airflow renders."""
    return str(value) if isinstance(value, os.PathLike) or hasattr(value, "as_uri") else value


def _check_known(value: Mapping[str, Any], known: Collection[str], name: str) -> None:
    """Refuse an unknown name in a mapping whose values are not rendered yet."""
    for each in value:
        if each not in known:
            raise ValueError(f"{name}: unknown name {shown(each)}.{values.near(each, known)}")


def _check_paths_differ(values: Mapping[str, Any]) -> None:
    """Refuse two arguments with the path of one file, of which one would be lost."""
    names: dict[str, str] = {}
    for name, value in sorted(values.items()):
        if name.endswith("path") and value is not None:
            local = value.removeprefix("file://")
            other = names.setdefault(local if "://" in local else os.path.realpath(local), name)
            if other != name:
                raise ValueError(f"{other} and {name} must not be the same file, got {shown(value)}.")


def _as_text(value: Any, check: Check, name: str) -> Any:
    """Return a date, number or flag of a Dag with native objects as text, if the argument holds text.

    The check of an id refuses a float: it may be another id that was read as a number.
    """
    if isinstance(value, (float, Collection)):
        return value
    try:
        checked = check(str(value), name)
    except ValueError:
        return value
    return str(value) if isinstance(checked, str) else value


def optional(check: Check) -> Check:
    """Return a check that also accepts None."""

    def checked(value: Any, name: str) -> Any:
        return None if value is None else check(value, name)

    return checked


def text(value: Any, name: str) -> str:
    """Return a string that is not empty; native rendering may have made a number of it."""
    string = any_text(value, name)
    if values.is_nothing(string):
        raise ValueError(f"{name} must not be empty, got {shown(value)}.")
    return string


def html_text(value: Any, name: str) -> str:
    """Return HTML without a byte order mark.

    :raises ValueError: it is empty, or a string without any HTML tag, such as a file name.
    """
    # Imported here: few tasks have HTML, and all import this module.
    from airflow_provider_campaigns.rules.merge_tags import looks_like_html

    string = text(value, name).removeprefix(_BYTE_ORDER_MARK)
    if not looks_like_html(string):
        raise ValueError(
            f"{name} contains no HTML tag, got {shown(string)}. The path of a file belongs into html_path, "
            f"or read the file in a task."
        )
    return string


def any_text(value: Any, name: str) -> str:
    """Return a string, which may be empty."""
    if isinstance(value, (int, float, Decimal, date, UUID)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}.")
    return value


def flag(value: Any, name: str) -> bool:
    """Return a boolean; a template renders to ``True`` or ``False``, a literal is one of them."""
    return strict_flag(parsed(value) if isinstance(value, str) else value, name)


def strict_flag(value: Any, name: str) -> bool:
    """Return a boolean that is not a template."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")
    return value


def choice(*choices: str) -> Check:
    """Return a check for one of a few words."""

    def checked(value: Any, name: str) -> str:
        value = getattr(value, "value", value)  # a member of an enum
        if not isinstance(value, str) or value not in choices:
            words = ", ".join(map(repr, choices))
            raise ValueError(
                f"{name} must be one of {words}, got {shown(value)}.{values.near(value, choices)}"
            )
        return value

    return checked


def duration(value: Any, name: str) -> float:
    """Return a duration in seconds: from a timedelta, a number, or a string that writes one of them."""
    number = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if number is None and isinstance(value, str):
        number = values.parse_duration(value)
    if number is None or not 0 <= number <= _MAX_SECONDS:
        raise ValueError(
            f"{name} must be a timedelta or a number of seconds, from 0 to ten years, or a string such as "
            f"'90', '01:30:00' or 'PT1H30M'; got {shown(value)}."
        )
    return float(number)


def count(value: Any, name: str) -> int:
    """Return an integer from 1 up."""
    number = _number(value)
    if number is None or number != int(number) or number < 1:
        raise ValueError(f"{name} must be an integer, 1 or more; got {shown(value)}.")
    return int(number)


def limit(value: Any, name: str) -> float:
    """Return a number from 0 up."""
    number = _number(value)
    if number is None or number < 0:
        raise ValueError(f"{name} must be a number, 0 or more; got {shown(value)}.")
    return number


def path(value: Any, name: str) -> str:
    """Return a path or URL as a string, from a string, a ``pathlib.Path`` or an ``ObjectStoragePath``."""
    string = _plain(value)
    if not isinstance(string, str):
        raise ValueError(f"{name} must be a path, got {type(value).__name__}.")
    string = text(string, name)
    if _MISSING_PART.search(string):
        raise _missing_part(string, name)
    scheme, separator, rest = string.rpartition("file://")
    return f"{scheme}{separator}{Path(rest).expanduser()}" if rest.startswith("~") else string


def _missing_part(path: str, name: str) -> ValueError:
    return ValueError(
        f"{name} contains 'None' or an empty part, to which a missing value renders; got {shown(path)}. If "
        f"a part comes from another task, did that task push it?"
    )


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return a mapping with strings as keys; a template renders it to its JSON or its Python literal."""
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"{name} must be a mapping, got {shown(value)}.")
    return found


def uuid(value: Any, name: str) -> str:
    """Return a UUID as a string."""
    return values.check_uuid(value, name)


def opaque_id(value: Any, name: str) -> str:
    """Return an id of Campaign Cleaner."""
    return values.check_opaque_id(values.id_of_number(value), name)


def path_id(value: Any, name: str) -> str:
    """Return an id that may be part of a URL path."""
    return values.check_path_id(values.id_of_number(value), name)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return float(value) if math.isfinite(value) else None
