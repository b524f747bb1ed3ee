"""How the documentation is built: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
# Importing Airflow creates its home folder; without this it would be the user's own.
os.environ.setdefault("AIRFLOW_HOME", str(HERE / "_build" / "airflow"))

from docutils import nodes  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.util.docutils import SphinxDirective  # noqa: E402

from airflow_provider_campaigns import __version__  # noqa: E402
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError  # noqa: E402
from airflow_provider_campaigns.rules.gate_rules import FRESHNESS, RULES, Intent  # noqa: E402
from airflow_provider_campaigns.rules.lead_columns import KNOWN_HEADERS  # noqa: E402
from airflow_provider_campaigns.rules.merge_tags import DIALECTS  # noqa: E402
from airflow_provider_campaigns.triggers._task_end import NEEDS_WORKER  # noqa: E402

# The content of a table cell: a string, or nodes.
Cell = str | Sequence[nodes.Node]

project = "airflow-provider-campaigns"
author = "The airflow-provider-campaigns maintainers"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
# A console session with JSON quoted over several lines is valid for a shell, but not for the lexer.
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"{project} {release}"


class SendingCodes(SphinxDirective):
    """Render the rules of the send gate as a table, from the code, so that the page stays up to date."""

    def run(self) -> list[nodes.Node]:
        rows = [
            ([_code(code.value)], *(rule.dispositions[intent].value for intent in Intent), rule.advice)
            for code, rule in RULES.items()
        ]
        heads = ("Code", *(intent.value for intent in Intent), "Meaning and advice")
        return [_table(heads, (30, 9, 9, 9, 9, 34), rows)]


class SendingFreshness(SphinxDirective):
    """Render how fresh a code has to be for each intent as a table, from the code."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                [_code(intent.value)],
                f"{freshness.max_age.total_seconds() / 60:.0f} minutes",
                "confirmed by the campaign" if freshness.campaign_confirms else "does not open",
            )
            for intent, freshness in FRESHNESS.items()
        ]
        return [_table(("Intent", "Maximum age", "Older, or without a time"), (20, 30, 50), rows)]


class LeadColumns(SphinxDirective):
    """Render the well-known headers of lead files as a table, from the code."""

    def run(self) -> list[nodes.Node]:
        rows = [([_code(field)], ", ".join(headers)) for field, headers in KNOWN_HEADERS.items() if headers]
        return [_table(("Field", "Headers, the first one found counts"), (20, 80), rows)]


class MergeTagDialects(SphinxDirective):
    """Render a table of the merge tags that the tasks know, from the code."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                _codes(dialect.examples),
                dialect.used_by,
                "as literal only" if dialect.is_template else "passes",
            )
            for dialect in DIALECTS
        ]
        return [_table(("Merge tag", "Used by", "In a Dag"), (40, 44, 16), rows)]


class ApiErrors(SphinxDirective):
    """Render a table of what each failed call means for retries and for a wait, from the code."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                [_code(error.__name__)],
                "yes" if error.retryable else "no",
                "at once" if error.final else "after max_failures in a row",
                self.parse_inline((error.__doc__ or "").splitlines()[0])[0],
            )
            for error in ApiError.__subclasses__()
        ]
        heads = ("Class", "Sent again within a call", "Ends a wait", "Meaning")
        return [_table(heads, (24, 14, 18, 44), rows)]


class OtherErrors(SphinxDirective):
    """Render a table of the other exceptions and what they mean for Airflow's retries, from the code."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                [_code(error.__name__)],
                "yes" if error.final else "no",
                self.parse_inline((error.__doc__ or "").splitlines()[0])[0],
            )
            for error in CampaignsError.__subclasses__()
            if error is not ApiError
        ]
        return [_table(("Class", "Final", "Meaning"), (28, 10, 62), rows)]


class NeedsWorker(SphinxDirective):
    """Render a table of what makes a worker end a task, from the code."""

    def run(self) -> list[nodes.Node]:
        return [_table(("A worker ends the task if",), (100,), [(each,) for each in NEEDS_WORKER.values()])]


def _table(heads: Sequence[str], widths: Sequence[int], rows: Sequence[Sequence[Cell]]) -> nodes.table:
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", _row(heads))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-given"])


def _row(cells: Sequence[Cell]) -> nodes.row:
    contents = ([nodes.Text(cell)] if isinstance(cell, str) else cell for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *content)) for content in contents))


def _codes(texts: Sequence[str]) -> list[nodes.Node]:
    """Return literals that are separated by commas."""
    cells = [each for text in texts for each in (nodes.Text(", "), _code(text))]
    return cells[1:]


def _code(text: str) -> nodes.literal:
    return nodes.literal(text, text)


def _drop_docstring_of_type(_app: Sphinx, what: str, *described: Any) -> None:
    """Drop the docstring of a constant that has none of its own: autodoc shows its type's."""
    _name, value, _options, lines = described
    if what == "data" and value.__doc__ == type(value).__doc__:
        lines.clear()


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", _drop_docstring_of_type)
    app.add_directive("sending-codes", SendingCodes)
    app.add_directive("sending-freshness", SendingFreshness)
    app.add_directive("lead-columns", LeadColumns)
    app.add_directive("merge-tag-dialects", MergeTagDialects)
    app.add_directive("api-errors", ApiErrors)
    app.add_directive("other-errors", OtherErrors)
    app.add_directive("needs-worker", NeedsWorker)
