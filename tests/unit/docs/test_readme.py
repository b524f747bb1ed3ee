"""The README and the documentation of operators, sensors and hooks, compared with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.package_classes import classes

ROW = re.compile(r"^\| \[`(\w+)`\]\((docs/[\w/-]+\.md)#([\w-]+)\) \| .+ \|$", re.MULTILINE)
ROWS = {name: (ROOT / page, anchor) for name, page, anchor in ROW.findall((ROOT / "README.md").read_text())}


TASKS: dict[str, Any] = {
    each.__name__: each for kind in ("operators", "sensors") for each in classes(kind).values()
}
HOOKS: dict[str, Any] = {each.__name__: each for each in classes("hooks").values()}


def arguments(cls: type[Any]) -> set[str]:
    """Return the arguments that a class itself defines."""
    wanted = inspect.signature(vars(cls)["__init__"]).parameters.values()
    return {each.name for each in wanted if each.kind is not each.VAR_KEYWORD} - {"self"}


def section(page: Path, anchor: str) -> str:
    """Return the part of a page below a heading, up to the next heading of its level or above."""
    text, found, fenced = [], None, False
    for line in page.read_text().splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else re.match(r"(#+) (.+)", line)
        if heading:
            level, title = len(heading[1]), heading[2]
            if found and level <= found:
                break
            if re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") == anchor:
                found = level
        if found:
            text.append(line)
    assert text, f"{page.name} has no heading #{anchor}"
    return "\n".join(text)


def rows(name: str, head: str) -> list[str]:
    """Return the rows of the tables with a head, from the section about a class."""
    tables = re.findall(rf"^\| {head} \|.*\n\|[ |-]+\n((?:\|.*\n?)+)", section(*ROWS[name]), re.MULTILINE)
    return [row for table in tables for row in table.splitlines()]


def parameters(name: str) -> dict[str, str]:
    """Return the rows about parameters, by name."""
    found = {row.split("|")[1].strip(" `"): row for row in rows(name, "Parameter")}
    assert len(found) == len(rows(name, "Parameter"))
    return found


def test_readme_lists_every_operator_sensor_and_hook() -> None:
    assert set(ROWS) == set(TASKS) | set(HOOKS)


@pytest.mark.parametrize("name", ROWS)
def test_readme_links_to_the_section_about_each_class(name: str) -> None:
    assert name in section(*ROWS[name])


@pytest.mark.parametrize("name", TASKS)
def test_page_has_a_row_for_each_argument_and_no_other(name: str) -> None:
    known = {each for base in TASKS[name].__mro__ if "__init__" in vars(base) for each in arguments(base)}
    assert arguments(TASKS[name]) <= parameters(name).keys() <= known


@pytest.mark.parametrize("name", TASKS)
def test_page_says_which_arguments_are_templated(name: str) -> None:
    documented = {
        each for each, row in parameters(name).items() if re.search(r"(?<!Not )\b[Tt]emplated", row)
    }
    assert documented == set(TASKS[name].template_fields)


@pytest.mark.parametrize("name", HOOKS)
def test_page_has_a_row_for_each_hook_method_and_no_other(name: str) -> None:
    documented = {each for row in rows(name, "Method") for each in re.findall(r"`(\w+)`", row.split("|")[1])}
    methods = {each for each, value in vars(HOOKS[name]).items() if inspect.isfunction(value)}
    assert documented == {each for each in methods if not each.startswith(("_", "aget_"))}
