"""The pages that promise something name the tests that hold it, and these exist.

They are looked for in the source, so that this holds on every Airflow, whatever else can be imported there.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

PAGES = ("develop/guarantees.md", "develop/threat-model.md")
# Sections that promise nothing.
WITHOUT = {"What is left to you", "Out of reach"}


def page_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def proofs(text: str) -> list[tuple[str, str]]:
    """Return the tests that a text names, each with its file."""
    lists = re.findall(r"^ *- `(tests/[\w/]+\.py)`:((?:\s*`test_\w+`,?)+)", text, re.MULTILINE)
    return [(file, name) for file, names in lists for name in re.findall(r"`(test_\w+)`", names)]


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the tests that pytest would find in a file."""
    body = ast.parse((ROOT / file).read_text()).body
    body += [inner for each in body if isinstance(each, ast.ClassDef) for inner in each.body]
    return frozenset(each.name for each in body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    named = proofs(page_of(page))
    assert [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file()] == []
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []
    # None of them may be overlooked because it is written otherwise.
    assert len(named) == len(re.findall(r"`test_\w+`", page_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_a_test(page: str) -> None:
    _, *sections = re.split(r"^## ", page_of(page), flags=re.MULTILINE)
    promises = {section.partition("\n")[0]: section for section in sections}
    assert {title for title, text in promises.items() if not proofs(text)} <= WITHOUT
    assert len(promises) > 5


def test_every_defence_names_a_test() -> None:
    lists = re.findall(r"^\*\*Cannot\*\*\n\n((?:- .*\n|  .*\n)+)", page_of("develop/threat-model.md"), re.MULTILINE)
    defences = [each for defended in lists for each in re.split(r"^- ", defended, flags=re.MULTILINE) if each]
    assert len(lists) > 5
    assert [each for each in defences if not proofs(each)] == []
    assert len(proofs("".join(lists))) == len(proofs(page_of("develop/threat-model.md")))
