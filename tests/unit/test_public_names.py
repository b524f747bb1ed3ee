"""The public names of the package and their arguments, as two text files list them.

A name or an argument that disappears breaks Dags: docs/operate/versions.md says when that may be.
``python -m tests.unit.test_public_names`` writes the files.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

import airflow_provider_campaigns
from tests.support.airflow_versions import HAS_RETRY_POLICIES

FILE = Path(__file__).with_name("public_names.txt")
ARGUMENTS = Path(__file__).with_name("public_arguments.txt")
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
    "sandbox",
    "transport.retry",
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


def signatures() -> str:
    """Return what users call, with the arguments: functions, classes, and the methods of hooks."""
    lines = []
    for name in public_modules():
        module = importlib.import_module(f"{PACKAGE}.{name}")
        for each in public_names(module):
            value = getattr(module, each)
            if name.startswith("api.") and inspect.isfunction(value):
                continue  # a hook has a method for each
            if name.startswith("hooks."):
                methods = [method for method in dir(value) if not method.startswith("_")]
                members = {f".{method}": getattr(value, method) for method in methods}
                ours = {path: found for path, found in members.items() if _is_ours(found)}
                lines += [f"{name}.{each}{path}{_signature(found)}" for path, found in ours.items()]
            if inspect.isfunction(value) or (isinstance(value, type) and not issubclass(value, Enum)):
                called = inspect.unwrap(value.__init__) if isinstance(value, type) else value
                lines.append(f"{name}.{each}{_signature(called)}")
    return "\n".join(lines) + "\n"


def _is_ours(value: Any) -> bool:
    return inspect.isfunction(value) and value.__module__.startswith(PACKAGE)


def _signature(function: Any) -> str:
    """Return the signature without types, and without the values of defaults."""
    parameters = inspect.signature(function).parameters.values()
    plain = [
        each.replace(annotation=each.empty, default=each.default if each.default is each.empty else ...)
        for each in parameters
        if each.name != "self"
    ]
    return str(inspect.Signature(plain)).replace("Ellipsis", "...")


@pytest.mark.skipif(not HAS_RETRY_POLICIES, reason="the retry policy needs Airflow 3.3")
@pytest.mark.parametrize(("file", "write"), [(FILE, listing), (ARGUMENTS, signatures)])
def test_public_names_are_those_of_the_file(file: Path, write: Callable[[], str]) -> None:
    listed, found = set(file.read_text().splitlines()), set(write().splitlines())
    assert found == listed, (
        f"removed: {sorted(listed - found)}; added: {sorted(found - listed)}. If that is intended, "
        f"run `{COMMAND}` and commit {file.name}."
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
    ARGUMENTS.write_text(signatures())
