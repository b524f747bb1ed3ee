"""Check the arguments of every task in one way, as early as their values are known.

A task has a table, ``arguments``, with a check for each argument. A literal is checked when the Dag is
parsed; a template or another task's output on the worker, once it is rendered. A check returns the value in
the form that the task uses, or raises a ``ValueError`` that names the argument.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_provider_campaigns.api import values

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

Check = Callable[[Any, str], Any]

_MAX_SECONDS = 10 * 366 * 24 * 3600.0
_MAX_SHOWN = 80
_NOTHING = {"", "none", "null", "undefined", "nan"}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


def check_at_parse(task: BaseOperator) -> None:
    """Check the arguments that are known when the Dag is parsed; call it last in ``__init__``.

    :raises ValueError: a value is not valid, or is a template where the argument does not take one.
    """
    arguments: Mapping[str, Check] = task.arguments  # type: ignore[attr-defined]
    given = []
    for name, check in arguments.items():
        value = getattr(task, name)
        if value is not None:
            given.append(name)
        if not is_templated(value, task):
            setattr(task, name, check(value, name))
        elif name not in task.template_fields:
            raise ValueError(f"{name} does not take a template or another task's output, got {shown(value)}.")
    task._given_arguments = tuple(given)


def check_rendered(task: BaseOperator) -> None:
    """Check the rendered arguments of a task; call it first in ``execute``.

    :raises ValueError: a value is not valid, or rendered to nothing.
    """
    arguments: Mapping[str, Check] = task.arguments  # type: ignore[attr-defined]
    for name in task.template_fields:
        if name not in arguments:
            continue
        value = getattr(task, name)
        if name in task._given_arguments and is_nothing(value):  # type: ignore[attr-defined]
            raise ValueError(
                f"{name} was set, but it rendered to nothing ({shown(value)}). If it comes from another "
                f"task, did that task push it?"
            )
        setattr(task, name, arguments[name](value, name))


def rendered_fields(task: BaseOperator) -> dict[str, Any]:
    """Return the rendered arguments of a task that is about to defer, as plain JSON values."""
    return {name: getattr(task, name) for name in task.template_fields if name in task.arguments}  # type: ignore[attr-defined]


def restore(task: BaseOperator, *values: Mapping[str, Any] | None) -> None:
    """Set the arguments that a wait was about on a resumed task.

    Airflow renders the templates of a resumed task again, and they may render to other values then.
    """
    for mapping in values:
        for name, value in (mapping or {}).items():
            setattr(task, name, value)


def is_nothing(value: Any) -> bool:
    """Return whether a rendered value is None, empty, or a word that means None."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def is_templated(value: Any, task: BaseOperator | None = None) -> bool:
    """Return whether a value is or holds a template or another task's output, so that it is not known yet.

    :param task: the task, whose Dag may have its own template delimiters.
    """
    return _is_templated(value, _delimiters(task))


def _is_templated(value: Any, delimiters: tuple[str, ...]) -> bool:
    if isinstance(value, str):
        return any(each in value for each in delimiters)
    if isinstance(value, Mapping):
        return any(_is_templated(each, delimiters) for each in value.values())
    if isinstance(value, (list, tuple)):
        return any(_is_templated(each, delimiters) for each in value)
    return hasattr(value, "iter_references")


def _delimiters(task: BaseOperator | None) -> tuple[str, ...]:
    dag = task.get_dag() if task is not None else None
    own = (getattr(dag, "jinja_environment_kwargs", None) or {}) if dag is not None else {}
    return own.get("variable_start_string", "{{"), own.get("block_start_string", "{%")


def shown(value: Any) -> str:
    """Return a value as an error may show it: short, and a URL without its query."""
    text = repr(value)
    if isinstance(value, str) and "://" in value and "?" in value:
        text = repr(f"{value.partition('?')[0]}?…")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def optional(check: Check) -> Check:
    """Return a check that also accepts None."""

    def checked(value: Any, name: str) -> Any:
        return None if value is None else check(value, name)

    return checked


def text(value: Any, name: str) -> str:
    """Return a string that is not empty; native rendering may have made a number of it."""
    string = any_text(value, name)
    if is_nothing(string):
        raise ValueError(f"{name} must not be empty, got {shown(value)}.")
    return string


def any_text(value: Any, name: str) -> str:
    """Return a string, which may be empty."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}.")
    return value


def flag(value: Any, name: str) -> bool:
    """Return a boolean; a template renders to ``True`` or ``False``."""
    words = {"true": True, "false": False}
    known = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")
    return known


def strict_flag(value: Any, name: str) -> bool:
    """Return a boolean that is not a template."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")
    return value


def choice(*choices: str) -> Check:
    """Return a check for one of a few words."""

    def checked(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in choices:
            words = ", ".join(map(repr, choices))
            raise ValueError(
                f"{name} must be one of {words}, got {shown(value)}.{values.near(value, choices)}"
            )
        return value

    return checked


def duration(value: Any, name: str) -> float:
    """Return a duration in seconds: from a timedelta, a number, or a string with a number."""
    number = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if number is None or not 0 <= number <= _MAX_SECONDS:
        raise ValueError(
            f"{name} must be a timedelta or a number of seconds, from 0 to ten years; got {shown(value)}."
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
    if isinstance(value, os.PathLike) or hasattr(value, "as_uri"):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a path, got {type(value).__name__}.")
    string = text(value, name)
    return str(Path(string).expanduser()) if string.startswith("~") else string


def uuid(value: Any, name: str) -> str:
    """Return a UUID as a string."""
    return values.check_uuid(str(value) if isinstance(value, UUID) else value, name)


def opaque_id(value: Any, name: str) -> str:
    """Return an id of Campaign Cleaner; native rendering may have made a number of it."""
    is_number = isinstance(value, (int, UUID)) and not isinstance(value, bool)
    return values.check_opaque_id(str(value) if is_number else value, name)


def path_id(value: Any, name: str) -> str:
    """Return an id that may be part of a URL path."""
    is_number = isinstance(value, (int, UUID)) and not isinstance(value, bool)
    return values.check_path_id(str(value) if is_number else value, name)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
