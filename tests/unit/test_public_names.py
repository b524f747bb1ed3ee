"""The public names of the package, as the text file ``public_names.txt`` lists them.

A name that disappears breaks Dags. ``python -m tests.unit.test_public_names`` writes the file.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
from airflow.triggers.base import BaseTrigger

import airflow_provider_campaigns
from tests.support.airflow_versions import HAS_RETRY_POLICIES

FILE = Path(__file__).with_name("public_names.txt")
COMMAND = "python -m tests.unit.test_public_names"
PACKAGE = airflow_provider_campaigns.__name__
# The folders of which users import each module, except the base classes.
FOLDERS = ("hooks", "operators", "sensors", "triggers")
# Single modules that users import.
MODULES = (
    "api.campaign_cleaner",
    "api.instantly",
    "assets",
    "decorators",
    "exceptions",
    "get_provider_info",
    "links",
    "notifications",
    "retries",
    "watchers",
)


def public_modules() -> list[str]:
    found = list(MODULES)
    for folder in FOLDERS:
        package = importlib.import_module(f"{PACKAGE}.{folder}")
        modules = pkgutil.iter_modules(package.__path__)
        found += [f"{folder}.{module.name}" for module in modules if module.name != "base"]
    return sorted(name for name in found if not any(part.startswith("_") for part in name.split(".")))


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a module exports: ``__all__``, or what it defines itself."""
    exported = getattr(module, "__all__", None)
    if exported is None:
        body = ast.parse(inspect.getsource(module)).body
        exported = [name for statement in body for name in _defined(statement)]
    return sorted(name for name in exported if not name.startswith("_"))


def _defined(statement: ast.stmt) -> list[str]:
    """Return the names that a statement defines; an import defines none."""
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return [statement.name]
    if isinstance(statement, ast.AnnAssign):
        return [ast.unparse(statement.target)]
    return [ast.unparse(each) for each in statement.targets] if isinstance(statement, ast.Assign) else []


def listing() -> str:
    lines = []
    for name in public_modules():
        module = importlib.import_module(f"{PACKAGE}.{name}")
        lines += [f"{name}.{each}" for each in public_names(module)]
    return "\n".join(lines) + "\n"


@pytest.mark.skipif(not HAS_RETRY_POLICIES, reason="the retry policy needs Airflow 3.3")
def test_public_names_are_those_of_the_file() -> None:
    listed, found = set(FILE.read_text().split()), set(listing().split())
    assert found == listed, (
        f"removed: {sorted(listed - found)}; added: {sorted(found - listed)}. If that is intended, "
        f"run `{COMMAND}` and commit {FILE.name}."
    )


def triggers() -> list[type[BaseTrigger]]:
    names = [name for name in public_modules() if name.startswith("triggers.")]
    modules = [importlib.import_module(f"{PACKAGE}.{name}") for name in names]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseTrigger)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]


@pytest.mark.parametrize("trigger", triggers(), ids=lambda trigger: trigger.__name__)
def test_class_path_of_a_trigger_is_where_it_is(trigger: type[BaseTrigger]) -> None:
    """Airflow stores the class path with a deferred task, so a move would break tasks that wait."""
    path = trigger.class_path
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is trigger
    assert path == f"{trigger.__module__}.{trigger.__qualname__}"


if __name__ == "__main__":
    FILE.write_text(listing())
