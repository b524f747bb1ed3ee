"""The arguments of a task that hold HTML: which of them Airflow renders, and what may be sent.

HTML for mails contains merge tags such as ``{{firstName}}``, which look like templates. HTML that another
task returned, mapped or not, is sent exactly as it is; HTML in the Dag is rendered unless it is a
``literal``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_campaigns.airflow_compat import is_from_mapping, mapped_arguments
from airflow_provider_campaigns.rules.merge_tags import looks_like_html
from airflow_provider_campaigns.tasks.arguments import shown, text
from airflow_provider_campaigns.tasks.templates import comment_start

if TYPE_CHECKING:
    from airflow.sdk import Context

_BYTE_ORDER_MARK = "\ufeff"
_ADVICE = "Pass it as another task's output, as literal(...), or in a file: none of these is rendered."


def html_text(value: Any, name: str) -> str:
    """Return HTML without a byte order mark.

    :raises ValueError: it is empty, or a string without any HTML tag, such as a file name.
    """
    string = text(value, name).removeprefix(_BYTE_ORDER_MARK)
    if not looks_like_html(string):
        raise ValueError(
            f"{name} contains no HTML tag, got {shown(string)}. The path of a file belongs into html_path, "
            f"or read the file in a task."
        )
    return string


class MappedAsIsOperator(BaseOperator):
    """Sends mapped HTML as it is, and refuses a text of which rendering would lose a part."""

    # The arguments that are not rendered where they are mapped.
    unrendered_if_mapped: ClassVar[Sequence[str]]
    # The arguments whose text, written in the Dag, must not contain the start of a template's comment.
    without_comment: ClassVar[Sequence[str]] = ()

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Any,
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
        **kwargs: Any,
    ) -> None:
        """Render the templates, but nothing that is mapped as it is; explain an error of a merge tag."""
        from jinja2 import TemplateError

        names = self.unrendered_if_mapped
        mapped = mapped_arguments(self, context)
        seen_oids.update(id(getattr(self, name)) for name in names if name in mapped)
        if is_from_mapping(self):
            self._refuse_comment(seen_oids)
        try:
            super()._do_render_template_fields(
                parent, template_fields, context, jinja_env, seen_oids, **kwargs
            )
        except TemplateError as error:
            raise ValueError(
                f"A template of this task cannot be rendered: {error}. If it is a merge tag for the mail "
                f"(such as {{{{firstName}}}}) in {' or '.join(names)}: {_ADVICE}"
            ) from error

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
            if isinstance(value, str) and id(value) not in unrendered and start in value:
                raise ValueError(
                    f"{name} contains {start!r}, which begins a comment in a template: the text after it "
                    f"would be lost. {_ADVICE}"
                )
