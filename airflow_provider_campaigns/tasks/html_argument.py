"""The arguments of a task that hold HTML: which of them Airflow renders, and what may be sent.

HTML for mails contains merge tags such as ``{{firstName}}``, which look like templates. HTML that another
task returned, mapped or not, is sent exactly as it is; HTML in the Dag is rendered unless it is a
``literal``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.airflow_compat import is_from_mapping, mapped_arguments
from airflow_provider_campaigns.rules.merge_tags import looks_like_html
from airflow_provider_campaigns.tasks.arguments import shown, text
from airflow_provider_campaigns.tasks.templates import comment_start

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

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


def check_no_comment(task: BaseOperator, *names: str) -> None:
    """Refuse a text with ``{#``, of which Airflow would drop a part when it renders the template.

    :raises ValueError: names the argument.
    """
    if not is_from_mapping(task):  # which of its arguments are mapped is known on the worker
        _refuse_comment(task, *names)


def _refuse_comment(task: BaseOperator, *names: str) -> None:
    start = comment_start(task)
    for name in names:
        value = getattr(task, name)
        if isinstance(value, str) and start in value:
            raise ValueError(
                f"{name} contains {start!r}, which begins a comment in a template: the text after it would "
                f"be lost. {_ADVICE}"
            )


@contextmanager
def unrendered_if_mapped(
    task: BaseOperator, names: Sequence[str], context: Context, seen_oids: set[int]
) -> Iterator[None]:
    """Keep Airflow from rendering mapped HTML, and explain a template error that a merge tag may have caused.

    :param names: the arguments that hold HTML or mail text.
    :param seen_oids: the ids of values that Airflow does not render again.
    """
    from jinja2 import TemplateError

    mapped = mapped_arguments(task, context)
    if is_from_mapping(task):
        _refuse_comment(task, *(name for name in names if name not in mapped))
    seen_oids.update(id(getattr(task, name)) for name in names if name in mapped)
    try:
        yield
    except TemplateError as error:
        raise ValueError(
            f"A template of this task cannot be rendered: {error}. If it is a merge tag for the mail (such "
            f"as {{{{firstName}}}}) in {' or '.join(names)}: {_ADVICE}"
        ) from error
