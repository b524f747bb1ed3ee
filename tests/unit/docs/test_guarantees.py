"""Every guarantee and every defence of the documentation names its tests, and these tests exist.

The tests are searched in the source, because some files cannot be imported with every Airflow.
"""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support import ROOT

PAGES = ("develop/guarantees.md", "develop/threat-model.md")
# Sections without a guarantee.
WITHOUT_TESTS = {"What is left to you", "Out of reach"}


def page_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def named_tests(text: str) -> list[tuple[str, str]]:
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
def test_every_named_test_exists(page: str) -> None:
    named = named_tests(page_of(page))
    assert [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file()] == []
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []
    # No test is named in another notation.
    assert len(named) == len(re.findall(r"`test_\w+`", page_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_every_guarantee_names_a_test(page: str) -> None:
    _, *sections = re.split(r"^## ", page_of(page), flags=re.MULTILINE)
    guarantees = {section.partition("\n")[0]: section for section in sections}
    assert {title for title, text in guarantees.items() if not named_tests(text)} <= WITHOUT_TESTS
    assert len(guarantees) > 5


def test_every_defence_names_a_test() -> None:
    lists = re.findall(
        r"^\*\*Cannot\*\*\n\n((?:- .*\n|  .*\n)+)", page_of("develop/threat-model.md"), re.MULTILINE
    )
    defences = [each for defended in lists for each in re.split(r"^- ", defended, flags=re.MULTILINE) if each]
    assert len(lists) > 5
    assert [each for each in defences if not named_tests(each)] == []
    assert len(named_tests("".join(lists))) == len(named_tests(page_of("develop/threat-model.md")))
