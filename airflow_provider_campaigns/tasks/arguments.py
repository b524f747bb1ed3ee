"""Check the arguments of a task, as early as their values are known.

A literal is checked when the Dag is parsed; a template or another task's output on the worker, once it is
rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

_MAX_SECONDS = 10 * 366 * 24 * 3600.0


def is_templated(value: Any) -> bool:
    """Return whether a value is or holds a template or another task's output, so that it is not known yet."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_templated, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_templated, value))
    return hasattr(value, "iter_references")


def check_unless_templated(check: Callable[[Any, str], Any], value: Any, name: str) -> None:
    """Check an argument now if its value is known now.

    :param check: takes the value and the name of the argument.
    :raises ValueError: from ``check``.
    """
    if not is_templated(value):
        check(value, name)


def check_choice(value: str, choices: Collection[str], name: str) -> str:
    """Return an argument that must be one of a few words.

    :raises ValueError: it is another; names the argument and the choices.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value


def seconds(value: timedelta | float, name: str) -> float:
    """Return a duration in seconds.

    :raises ValueError: it is negative, too long, or not a duration.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= _MAX_SECONDS:
        raise ValueError(
            f"{name} must be a timedelta or a number of seconds, from 0 to ten years; got {value!r}."
        )
    return float(number)


def check_count(value: int, name: str) -> int:
    """Return an argument that must be an integer from 1 up.

    :raises ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an integer, 1 or more; got {value!r}.")
    return value
