"""Campaign Cleaner and Instantly for Apache Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__version__ = "0.1.0"


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports each name at its first use (PEP 562).

    A Dag file then imports only what it names.

    :param names: the names in each module, which is relative to the package. A module listed under its own
        name is the value itself.
    """
    # Imported here, because Airflow imports this module whenever it starts.
    import sys
    from importlib import import_module

    modules = {name: module for module, its_names in names.items() for name in its_names}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f".{modules[name]}", package)
        except AttributeError as error:  # which the import system would take for a misspelt name
            raise ImportError(f"{package}: {modules[name]} cannot be imported: {error}") from error
        value = module if modules[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)  # so that a later use does not come here
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *modules})
