"""Campaign Cleaner and Instantly for Apache Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__version__ = "0.1.0"


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that imports each name at its first use (PEP 562).

    A Dag file then imports only what it names.

    :param modules: the module of each name, relative to the package.
    """

    def get(name: str) -> Any:
        # Imported here, because Airflow imports this module whenever it starts.
        from importlib import import_module

        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{modules[name]}", package), name)

    return get
