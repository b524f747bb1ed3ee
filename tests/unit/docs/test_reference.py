"""The reference has every class that users import."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.support import ROOT
from tests.support.package_classes import KINDS, classes

PAGE = (ROOT / "docs" / "reference.md").read_text()


def documented() -> set[str]:
    """Return the full names of what the page documents with a directive of its own."""
    found, module = set(), ""
    for directive, name in re.findall(r"^\.\. (currentmodule|auto\w+):: (\S+)$", PAGE, re.MULTILINE):
        if directive == "currentmodule":
            module = name
        else:
            found.add(name if "." in name else f"{module}.{name}")
    return found


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"plugins"}))
def test_reference_has_every_class(kind: str) -> None:
    assert set(classes(kind)) - documented() == set()


@pytest.mark.parametrize("name", ["sandbox", "watchers"])
def test_reference_has_every_function(name: str) -> None:
    module = import_module(f"airflow_provider_campaigns.{name}")
    functions = {each for each in module.__all__ if callable(getattr(module, each))}
    assert {f"{module.__name__}.{each}" for each in functions} - documented() == set()
