"""``.airflow-registry.yaml``, which Apache Airflow's registry of providers reads, is complete."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, get_origin

import pytest
import yaml
from airflow.providers.common.compat.sdk import (
    BaseHook,
    BaseNotifier,
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
)
from airflow.triggers.base import BaseTrigger

import airflow_provider_campaigns
from airflow_provider_campaigns.get_provider_info import get_provider_info
from tests.support import ROOT
from tests.support.airflow_versions import HAS_RETRY_POLICIES, first_of

REGISTRY = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
BASES: dict[str, Any] = {
    "hooks": BaseHook,
    "sensors": BaseSensorOperator,
    "operators": BaseOperator,
    "triggers": BaseTrigger,
    "notifications": BaseNotifier,
    "extra-links": BaseOperatorLink,
    "retry-policies": first_of("airflow.sdk.RetryPolicy"),
}


def modules(kind: str) -> list[str]:
    """Return the public modules with the classes of a kind."""
    single = {"extra-links": "links", "notifications": "notifications", "retry-policies": "retries"}
    package = airflow_provider_campaigns.__name__
    if kind in single:
        return [f"{package}.{single[kind]}"]
    folder = importlib.import_module(f"{package}.{kind}")
    found = pkgutil.iter_modules(folder.__path__)
    return [f"{folder.__name__}.{module.name}" for module in found if module.name != "base"]


def classes(kind: str) -> set[str]:
    """Return the public classes of a kind, by the path with which a Dag imports them."""
    return {
        f"{module}.{name}"
        for module in modules(kind)
        for name, value in vars(importlib.import_module(module)).items()
        # On Python 3.10 an alias such as list[str] is an instance of type too.
        if isinstance(value, type) and get_origin(value) is None and not name.startswith("_")
        if issubclass(value, BASES[kind])
        if f"{value.__module__}.".startswith(f"{module}.")
    }


@pytest.mark.parametrize("kind", BASES)
def test_registry_lists_every_class_and_nothing_else(kind: str) -> None:
    if kind == "retry-policies" and not HAS_RETRY_POLICIES:
        pytest.skip("the retry policy needs Airflow 3.3")
    listed = [entry["module"] for entry in REGISTRY[kind]]
    assert sorted(listed) == sorted(classes(kind))


def test_registry_has_no_other_section() -> None:
    assert set(REGISTRY) == {"package-name", "display-name", "description", *BASES}
    assert REGISTRY["package-name"] == get_provider_info()["package-name"]


@pytest.mark.parametrize("kind", BASES)
def test_registry_describes_every_class(kind: str) -> None:
    descriptions = [entry["description"] for entry in REGISTRY[kind]]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)
