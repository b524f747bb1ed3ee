"""``.airflow-registry.yaml``, which Apache Airflow's registry of providers reads, is complete."""

from __future__ import annotations

import pytest
import yaml

from airflow_provider_campaigns.get_provider_info import get_provider_info
from tests.support import ROOT
from tests.support.airflow_versions import HAS_RETRY_POLICIES
from tests.support.package_classes import KINDS, classes

REGISTRY = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
# The kinds of which there is a class.
PRESENT = [kind for kind in KINDS if classes(kind) or kind in REGISTRY]


@pytest.mark.parametrize("kind", PRESENT)
def test_registry_lists_every_class_and_nothing_else(kind: str) -> None:
    if kind == "retry-policies" and not HAS_RETRY_POLICIES:
        pytest.skip("the retry policy needs Airflow 3.3")
    listed = [entry["module"] for entry in REGISTRY[kind]]
    assert sorted(listed) == sorted(classes(kind))


def test_registry_lists_the_decorators_of_the_provider_info() -> None:
    listed = [(entry["name"], entry["module"]) for entry in REGISTRY["task-decorators"]]
    decorators = get_provider_info()["task-decorators"]
    assert listed == [(entry["name"], entry["class-name"]) for entry in decorators]


def test_registry_has_no_other_section() -> None:
    assert set(REGISTRY) == {
        "package-name",
        "display-name",
        "description",
        "task-decorators",
        *PRESENT,
    }
    assert REGISTRY["package-name"] == get_provider_info()["package-name"]


@pytest.mark.parametrize("kind", [*PRESENT, "task-decorators"])
def test_registry_describes_every_class(kind: str) -> None:
    descriptions = [entry["description"] for entry in REGISTRY[kind]]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)
