"""Every class of the package that Airflow knows a kind of, found by walking the package.

A new module or class cannot be forgotten where a list is compared with these.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, get_origin

from airflow.providers.common.compat.sdk import (
    AirflowPlugin,
    BaseHook,
    BaseNotifier,
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
)
from airflow.triggers.base import BaseTrigger

import airflow_provider_campaigns
from tests.support.airflow_versions import first_of

PACKAGE = airflow_provider_campaigns.__name__
# The kinds that have a class of their own in Airflow. A sensor is an operator too; here it is a sensor only.
KINDS: dict[str, Any] = {
    "hooks": BaseHook,
    "sensors": BaseSensorOperator,
    "operators": BaseOperator,
    "triggers": BaseTrigger,
    "notifications": BaseNotifier,
    "extra-links": BaseOperatorLink,
    "plugins": AirflowPlugin,
    "retry-policies": first_of("airflow.sdk.RetryPolicy"),
}


@cache
def modules() -> dict[str, ModuleType]:
    """Return all modules by name, but not commands, and not what this Airflow is too old for."""
    found = {}
    for module in pkgutil.walk_packages(airflow_provider_campaigns.__path__, f"{PACKAGE}."):
        if module.name.endswith(".__main__"):
            continue
        try:
            found[module.name] = import_module(module.name)
        except ImportError as error:
            # Airflow 2 has no fastapi, which the pages need.
            if "Airflow 3.3 or later" not in str(error) and error.name != "fastapi":
                raise
    return found


@cache
def all_classes() -> frozenset[type]:
    """Return the classes that the package defines."""
    return frozenset(
        each
        for name, module in modules().items()
        for each in vars(module).values()
        # On Python 3.10 an alias such as list[str] is an instance of type too.
        if isinstance(each, type) and get_origin(each) is None and each.__module__ == name
    )


@cache
def classes(kind: str) -> dict[str, type]:
    """Return the classes of a kind by the path with which users import them.

    A class from which other public classes derive is a base, not for users.
    """
    base = KINDS[kind]
    if base is None:
        return {}
    public = [each for each in all_classes() if issubclass(each, base) and not each.__name__.startswith("_")]
    return {
        path_of(each): each
        for each in public
        if not any(other is not each and issubclass(other, each) for other in public)
        if kind != "operators" or not issubclass(each, BaseSensorOperator)
    }


def path_of(wanted: type) -> str:
    """Return the path of a class: the shortest of the modules that contain it and export it."""
    parts = wanted.__module__.split(".")
    names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    exporting = (name for name in names if getattr(import_module(name), wanted.__name__, None) is wanted)
    return f"{next(exporting)}.{wanted.__name__}"


def options_read() -> Iterator[tuple[str, str]]:
    """Yield the section and the name of each option of Airflow's configuration that the package reads."""
    for module in modules().values():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and (node.func.value.id, node.func.attr[:3]) == ("conf", "get")
            ):
                section, option = node.args[:2]
                assert isinstance(section, ast.Constant)
                assert isinstance(option, ast.Constant)
                yield str(section.value), str(option.value)
