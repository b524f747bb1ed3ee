"""Which arguments of a task Airflow renders, and what a template renders to.

- An expression that is None becomes no part of a text: :func:`check_rendered` refuses it.
- Text stays text: in a Dag with native objects, Airflow reads the text of a template as Python.
- Some arguments, such as HTML, hold merge tags such as ``{{firstName}}``, which look like templates. Where
  another task returned them, mapped or not, they are sent exactly as they are.
- A task that resumes after a deferred wait has the arguments of the wait. Where Airflow itself ended the
  wait, an argument that cannot be rendered again stays a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_campaigns.airflow_compat import is_from_mapping, mapped_arguments, resumed_with
from airflow_provider_campaigns.tasks.arguments import restore
from airflow_provider_campaigns.tasks.templates import (
    comment_start,
    expressions_in,
    is_templated,
    texts_in,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

_ADVICE = "Pass it as another task's output, as literal(...), or in a file: none of these is rendered."


class RenderedTask(BaseOperator):
    """Base class of all tasks; Airflow calls its methods when it renders the arguments."""

    # The arguments that are not rendered where another task returned them through a mapping.
    unrendered_if_mapped: ClassVar[Sequence[str]] = ()
    # The arguments whose text, written in the Dag, must not contain the start of a template's comment.
    without_comment: ClassVar[Sequence[str]] = ()
    # The templates with an expression that was None, and their expressions.
    templates_with_none: dict[str, list[str]]
    _met_none = False

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Any,
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
        **kwargs: Any,
    ) -> None:
        """Render the templates, except those of an earlier wait; explain an error of a merge tag."""
        from jinja2 import TemplateError

        if parent is self:  # otherwise an object inside an argument
            template_fields = self._fields_to_render(template_fields, context, seen_oids)
            if getattr(self, "render_template_as_native_obj", None) is not None:
                jinja_env = self.get_template_env()  # Airflow 3.3 passes that of the Dag
            self.templates_with_none = {}
            jinja_env = self._noting_none(jinja_env)
        render = super()._do_render_template_fields
        if parent is self and "error" in resumed_with(context):
            # Airflow ended the deferral, and replaced the arguments of the wait by this error, which matters
            # more than a Variable that is gone by now.
            for name in template_fields:
                with suppress(Exception):
                    render(parent, [name], context, jinja_env, seen_oids, **kwargs)
            return
        try:
            render(parent, template_fields, context, jinja_env, seen_oids, **kwargs)
        except TemplateError as error:
            if not self.unrendered_if_mapped:
                raise
            raise ValueError(
                f"A template of this task cannot be rendered: {error}. If it is a merge tag for the mail "
                f"(such as {{{{firstName}}}}) in {' or '.join(self.unrendered_if_mapped)}: {_ADVICE}"
            ) from error

    def _fields_to_render(self, fields: Sequence[str], context: Context, unrendered: set[int]) -> list[str]:
        """Return the fields that a wait has not set; add what other tasks returned to the unrendered ones."""
        wait = _arguments_of_wait(context)
        restore(self, wait)
        mapped = mapped_arguments(self, context).intersection(self.unrendered_if_mapped)
        unrendered.update(id(getattr(self, name)) for name in mapped)
        if is_from_mapping(self) and not wait:
            self._refuse_comment(unrendered)
        return [name for name in fields if name not in wait and not self._is_list_without_templates(name)]

    def _is_list_without_templates(self, name: str) -> bool:
        """Return whether an argument is a list of texts without any template: Airflow would compile each."""
        value = getattr(self, name)
        is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return is_list and not self.template_ext and not is_templated(value, self)

    def _noting_none(self, environment: Any) -> Any:
        """Return a Jinja environment that does the same, and notes where an expression is None."""
        own = environment.finalize or (lambda value: value)

        @wraps(own)  # with its mark, if it takes the context
        def finalize(*arguments: Any) -> Any:
            value = own(*arguments)
            self._met_none = self._met_none or value is None
            return value

        return environment.overlay(finalize=finalize)

    def render_template(
        self, content: Any, context: Context, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a value, at any depth; note a template with an expression that is None."""
        self._met_none = False
        value = super().render_template(content, context, jinja_env, seen_oids)
        if self._met_none and isinstance(content, str):
            self.templates_with_none[content] = expressions_in(content, jinja_env)
        return value

    def _render(self, template: Any, context: Context, dag: Any = None) -> Any:
        """Return the text of a template; in a Dag with native objects, the value of a single expression.

        Airflow's own method makes the float 1000.0 of the text ``1e3`` in such a Dag.
        """
        from jinja2 import Undefined

        environment = template.environment
        names: Any = copy(context)
        names.update({name: value for name, value in template.globals.items() if name not in names})
        parts = list(
            template.root_render_func(
                environment.context_class(environment, names, template.name, template.blocks)
            )
        )
        if len(parts) == 1 and not isinstance(parts[0], (str, Undefined)):
            return parts[0]
        return "".join(map(str, parts))

    def check_no_comment(self) -> None:
        """Refuse a text with ``{#``, of which Airflow would drop a part when it renders the template.

        Call it in ``__init__``. Of a mapped task, it is known on the worker which arguments are rendered.

        :raises ValueError: names the argument.
        """
        if not is_from_mapping(self):
            self._refuse_comment(set())

    def _refuse_comment(self, unrendered: set[int]) -> None:
        start = comment_start(self)
        for name in self.without_comment:
            value = getattr(self, name)
            if id(value) not in unrendered and any(start in text for text in texts_in(value)):
                raise ValueError(
                    f"{name} contains {start!r}, which begins a comment in a template: the text after it "
                    f"would be lost. {_ADVICE}"
                )


def _arguments_of_wait(context: Context) -> dict[str, Any]:
    """Return the arguments that a deferred wait was about; empty where the task does not resume from one."""
    resumed = resumed_with(context)
    event = resumed.get("event") or {}
    return {**event.get("target", {}), **(resumed.get("rendered") or {})}
