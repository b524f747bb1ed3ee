"""Recognise templates in the arguments of a task, and templates that rendered to nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.values import is_nothing, shown

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

# Names in a template whose values are the same in the triggerer and on a worker.
_TRIGGERER_NAMES = frozenset({
    "params", "run_id", "ds", "ds_nodash", "ts", "ts_nodash", "logical_date", "data_interval_start",
    "data_interval_end", "dag_run",
})  # fmt: skip
_MAX_NAMED = 5
_MISSING_START = re.compile(r"(^|/)None[._-]")


@dataclass(frozen=True)
class NestedFields:
    """The fields of the mappings in an argument.

    :param texts: those that hold text, so that a number of a Dag with native objects becomes text.
    :param required: those whose template must not render to nothing; None: all. Another one is left out if
        its template renders to an empty string or None.
    """

    texts: Collection[str] = ()
    required: Collection[str] | None = None


def is_templated(value: Any, task: BaseOperator | None = None) -> bool:
    """Return whether a value is or holds a template or another task's output, so that it is not known yet.

    :param task: the task, whose Dag may have its own template delimiters.
    """
    return _is_templated(value, _delimiters(task))


def rendered_value(
    template: Any, value: Any, task: BaseOperator, place: str, fields: NestedFields | None = None
) -> Any:
    """Return what the templates of an argument rendered to, with the fields inside it in their form.

    :param template: what the user passed.
    :param value: what it rendered to.
    :param place: the argument, named in errors.
    :param fields: the fields inside it.
    :raises ValueError: a template rendered to nothing, or a part of it to None; names its place.
    """
    with_none = getattr(task, "templates_with_none", {})
    return _Rendered(fields or NestedFields(), _delimiters(task), with_none).read(template, value, place)


def has_missing_part(template: Any, path: Any) -> bool:
    """Return whether a rendered path holds 'None' or nothing where a name was.

    :param template: what the user passed.
    """
    if not isinstance(path, str):
        return False
    if _has_empty_part(template, path):
        return True
    in_template = isinstance(template, str) and _MISSING_START.search(template)
    return bool(_MISSING_START.search(path)) and not in_template


def _has_empty_part(template: Any, path: str) -> bool:
    """Return whether a part of a path or the stem of its file name is empty, but not in the template."""
    wanted = list(map(str.strip, template.split("/"))) if isinstance(template, str) else [None]
    parts = list(map(str.strip, path.partition("?")[0].split("/")))
    is_nameless = not parts[-1] or (parts[-1].startswith(".") and parts[-1].count(".") == 1)
    if is_nameless and parts[-1] != wanted[-1]:
        return True
    # With another number of parts, an expression holds a slash, and it is not known which part it became.
    return len(parts) == len(wanted) and any(
        each and not part for each, part in zip(wanted, parts, strict=True)
    )


def texts_in(value: Any) -> Iterator[str]:
    """Yield the strings in a value, which may be nested."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from texts_in(each)


def expressions_in(template: str, environment: Any) -> list[str]:
    """Return the expressions of a template, without their delimiters.

    :param environment: the Jinja environment in which it was rendered.
    """
    tokens = environment.lex(template)
    return [
        "".join(text for _, _, text in takewhile(lambda token: token[1] != "variable_end", tokens)).strip()
        for _, kind, _ in tokens
        if kind == "variable_begin"
    ]


def comment_start(task: BaseOperator) -> str:
    """Return what begins a comment in the templates of the task's Dag."""
    return str(_dag_delimiters(task).get("comment_start_string", "{#"))


@dataclass(frozen=True)
class _Rendered:
    """Reads what the templates of an argument rendered to, at any depth."""

    fields: NestedFields
    delimiters: tuple[str, ...]
    with_none: Mapping[str, Sequence[str]]

    def read(self, template: Any, value: Any, place: str, name: str | None = None) -> Any:
        """Return the rendered value at a place.

        :param name: the field in which it is.
        """
        if isinstance(template, Mapping) and isinstance(value, Mapping):
            return {
                key: self.read(template.get(key), each, f"{place}[{key!r}]", key)
                for key, each in value.items()
                if not self._is_left_out(template.get(key), each, key)
            }
        if _are_lists(template, value):
            pairs = enumerate(zip(template, value, strict=True))
            return [self.read(one, other, f"{place}[{at}]", name) for at, (one, other) in pairs]
        if not _is_templated(template, self.delimiters):
            return value
        required = self.fields.required
        if is_nothing(value) and (required is None or name is None or name in required):
            raise ValueError(
                f"{place} was set, but it rendered to nothing ({value!r}). If it comes from another task, "
                f"did that task push it?"
            )
        for text in texts_in(template):
            if text in self.with_none and not (isinstance(template, str) and is_nothing(value)):
                raise ValueError(
                    f"{place} contains 'None', the value of {_one_of(self.with_none[text])}. If it comes "
                    f"from another task, did that task push it?"
                )
        is_text = name is not None and isinstance(template, str) and not self._keeps_type(value, name)
        return str(value) if is_text else value

    def _is_left_out(self, template: Any, value: Any, name: str) -> bool:
        if self.fields.required is None or name in self.fields.required:
            return False
        is_empty = value is None or (isinstance(value, str) and value.strip() in {"", "None"})
        return is_empty and _is_templated(template, self.delimiters)

    def _keeps_type(self, value: Any, name: str) -> bool:
        return isinstance(value, Collection if name in self.fields.texts else (Collection, int, float))


def _one_of(expressions: Sequence[str]) -> str:
    named = ", ".join(map(shown, expressions[:_MAX_NAMED]))
    return (
        named if len(expressions) == 1 else f"an expression (such as {named})" if named else "an expression"
    )


def _are_lists(template: Any, value: Any) -> bool:
    both_lists = isinstance(template, (list, tuple)) and isinstance(value, (list, tuple))
    return both_lists and len(template) == len(value)


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


def triggerer_can_render(value: Any, task: BaseOperator) -> bool:
    """Return whether the triggerer renders a template to the same value as a worker.

    It does so from Airflow 3.3 on, for an expression of values of the Dag run. It has no XComs (with one, a
    trigger of Airflow 3.3.2 waits for ever), no macros, filters or delimiters of the Dag's own, and no native
    objects. In a text around the expression, nobody would notice None.
    """
    from airflow_provider_campaigns.airflow_triggers import TRIGGERER_RENDERS_TEMPLATES

    if not isinstance(value, str) or not TRIGGERER_RENDERS_TEMPLATES:
        return False
    dag: Any = task.get_dag()
    own = ("user_defined_macros", "user_defined_filters", "jinja_environment_kwargs")
    if dag is None or dag.render_template_as_native_obj or any(getattr(dag, name) for name in own):
        return False
    from jinja2 import TemplateError, meta, nodes
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment()
    try:
        environment.from_string(value)  # raises for a filter of Airflow or of the user
        tree = environment.parse(value)
    except TemplateError:
        return False
    output = tree.body[0] if len(tree.body) == 1 else None
    is_one = isinstance(output, nodes.Output) and len(output.nodes) == 1
    return is_one and meta.find_undeclared_variables(tree) <= _TRIGGERER_NAMES
