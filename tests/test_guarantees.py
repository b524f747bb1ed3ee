"""The pages that promise something name the tests that hold it, and these exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("guarantees.md", "threat-model.md")
# Sections that promise nothing.
WITHOUT = {"What is left to you", "Out of reach"}


def proofs(text: str) -> list[tuple[str, str]]:
    """Return the tests that a text names, each with its file."""
    lists = re.findall(r"^- `(tests/[\w/]+\.py)`:((?:\s*`test_\w+`,?)+)", text, re.MULTILINE)
    return [(file, name) for file, names in lists for name in re.findall(r"`(test_\w+)`", names)]


def tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = proofs(text)
    missing = [f"{file}::{name}" for file, name in named if name not in tests_in(file)]
    assert not missing
    # None of them may be overlooked because it is written otherwise.
    assert len(named) == len(re.findall(r"`test_\w+`", text))


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_a_test(page: str) -> None:
    _, *sections = re.split(r"^## ", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    promises = {section.partition("\n")[0]: section for section in sections}
    assert [title for title, text in promises.items() if not proofs(text)] == [
        title for title in promises if title in WITHOUT
    ]
