"""Checks what the author of a Dag wrote, as early as it can be known.

An argument that stands in the Dag as a literal is checked when the Dag is parsed. One that is a template or
the output of another task is checked on the worker, once it is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

_LONGEST = 10 * 366 * 24 * 3600.0


def is_rendered_later(value: Any) -> bool:
    """Tell whether an argument is or holds a template or another task's output: a value not known yet."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_rendered_later, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_rendered_later, value))
    return hasattr(value, "iter_references")


def check_if_literal(check: Callable[[Any, str], Any], value: Any, name: str) -> None:
    """Check an argument now if its value is known now.

    :raises ValueError: by ``check``; names the argument.
    """
    if not is_rendered_later(value):
        check(value, name)


def check_choice(value: str, choices: Collection[str], name: str) -> str:
    """Return an argument that must be one of a few words.

    :raises ValueError: it is not; names the argument and the choices.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value


def seconds(value: timedelta | float, name: str) -> float:
    """Return a span of time in seconds.

    :raises ValueError: it is negative, or no span of time.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= _LONGEST:
        raise ValueError(
            f"{name} must be a timedelta or a number of seconds, from 0 to ten years; got {value!r}."
        )
    return float(number)


def check_count(value: int, name: str) -> int:
    """Return an argument that counts something: a whole number from 1 on.

    :raises ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 or more; got {value!r}.")
    return value
