"""Recognise templates in the arguments of a task, and templates that rendered to nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

# What str() of a missing value looks like in Python, JSON and JavaScript.
_NOTHING = {"", "none", "null", "undefined", "nan"}
_MISSING_START = re.compile(r"(^|/)None[._-]")
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def is_templated(value: Any, task: BaseOperator | None = None) -> bool:
    """Return whether a value is or holds a template or another task's output, so that it is not known yet.

    :param task: the task, whose Dag may have its own template delimiters.
    """
    return _is_templated(value, _delimiters(task))


def is_nothing(value: Any) -> bool:
    """Return whether a rendered value is None, empty, or a word that means None."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def rendered_to_nothing(template: Any, value: Any, task: BaseOperator, place: str) -> str | None:
    """Return the place of a template that rendered to nothing; None where there is none.

    :param template: what the user passed.
    :param value: what it rendered to.
    :param place: the argument.
    """
    return _nothing_in(template, value, _delimiters(task), place)


def has_missing_part(template: Any, path: Any) -> bool:
    """Return whether a rendered path holds 'None' at the start of a name or in place of an expression.

    :param template: what the user passed.
    """
    template = template if isinstance(template, str) else ""
    if not isinstance(path, str):
        return False
    if _MISSING_START.search(path) and not _MISSING_START.search(template):
        return True
    literals = map(re.escape, _EXPRESSION.split(template))
    match = re.fullmatch("(.*?)".join(literals), path, re.DOTALL)
    return match is not None and "None" in match.groups()


def with_literals(passed: Any, value: Any, task: BaseOperator) -> Any:
    """Return a rendered value in which the strings that are no templates are strings again.

    Airflow makes numbers of them in a Dag with ``render_template_as_native_obj=True``.

    :param passed: what the user passed.
    """
    if isinstance(passed, Mapping) and isinstance(value, Mapping):
        return {key: with_literals(passed.get(key), each, task) for key, each in value.items()}
    if isinstance(passed, (list, tuple)) and isinstance(value, (list, tuple)) and len(passed) == len(value):
        return [with_literals(one, other, task) for one, other in zip(passed, value, strict=True)]
    return passed if _is_native_form(passed, value) and not is_templated(passed, task) else value


def comment_start(task: BaseOperator) -> str:
    """Return what begins a comment in the templates of the task's Dag."""
    return str(_dag_delimiters(task).get("comment_start_string", "{#"))


def _is_native_form(passed: Any, value: Any) -> bool:
    """Return whether native rendering made a value of a string; any other value was set by the user."""
    if not isinstance(passed, str) or isinstance(value, str):
        return False
    try:
        return bool(ast.literal_eval(passed) == value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


def _nothing_in(template: Any, value: Any, delimiters: tuple[str, ...], place: str) -> str | None:
    if isinstance(template, Mapping) and isinstance(value, Mapping):
        pairs = [(f"{place}[{key!r}]", template[key], value.get(key)) for key in template]
    elif isinstance(template, (list, tuple)) and isinstance(value, (list, tuple)):
        pairs = [(f"{place}[{at}]", *both) for at, both in enumerate(zip(template, value, strict=False))]
    else:
        return place if is_nothing(value) and _is_templated(template, delimiters) else None
    found = (_nothing_in(one, other, delimiters, name) for name, one, other in pairs)
    return next(filter(None, found), None)


def _is_templated(value: Any, delimiters: tuple[str, ...]) -> bool:
    if isinstance(value, str):
        return any(each in value for each in delimiters)
    if isinstance(value, Mapping):
        return any(_is_templated(each, delimiters) for each in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_is_templated(each, delimiters) for each in value)
    return hasattr(value, "iter_references")


def _delimiters(task: BaseOperator | None) -> tuple[str, ...]:
    own = _dag_delimiters(task)
    prefix = own.get("line_statement_prefix")
    return (
        own.get("variable_start_string", "{{"),
        own.get("block_start_string", "{%"),
        *([prefix] if prefix else []),
    )


def _dag_delimiters(task: BaseOperator | None) -> Mapping[str, Any]:
    dag: Any = task.get_dag() if task is not None else None
    return getattr(dag, "jinja_environment_kwargs", None) or {}
