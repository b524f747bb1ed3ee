"""What holds on every supported Airflow, and that the page about versions tells of all cells."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import matrix
import pytest

from tests.support import ROOT
from tests.support.airflow_versions import HAS_RETRY_POLICIES, DagBag, needs

PAGE = (ROOT / "docs" / "operate" / "versions.md").read_text()


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize(
    "module", ["airflow_provider_campaigns.hooks.instantly", "unusual_prefix_12ab_a_dag"]
)
def test_what_is_deprecated_fails_the_test_that_uses_it(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="old"):
        warnings.warn_explicit("old", category, "somewhere.py", 1, module=module)


@pytest.mark.filterwarnings("ignore:ours to make:DeprecationWarning")
def test_what_others_use_among_themselves_does_not() -> None:
    warnings.warn_explicit("ours to make", DeprecationWarning, "somewhere.py", 1, module="requests.sessions")


def test_a_dag_that_uses_what_is_deprecated_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "import warnings\nwarnings.warn('old', DeprecationWarning)\n"
        "from airflow.providers.common.compat.sdk import DAG\nwith DAG('old', schedule=None): ...\n"
    )
    (told,) = DagBag(dag_folder=str(tmp_path)).import_errors.values()
    assert "DeprecationWarning: old" in told


# At its import Airflow puts filters for warnings in front of those that hold while tests are collected: what
# begins with its name is shown, and no error. So all is imported once more, where our filters come last.
_IMPORT_ALL = """
import importlib, pkgutil, sys, warnings
import airflow, airflow.configuration
import airflow_provider_campaigns as package

for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
    warnings.filterwarnings("error", category=category, module=package.__name__)
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in sys.argv[1:] or [name for name in names if not name.endswith(".__main__")]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        assert "Airflow 3.3 or later" in str(error), error
"""


def _import_all(*names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *names], capture_output=True, text=True, check=False
    )


def test_no_module_uses_what_is_deprecated_at_its_import() -> None:
    imported = _import_all()
    assert imported.returncode == 0, imported.stderr


def test_a_module_that_did_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "airflow_provider_campaigns_would"
    (tmp_path / f"{name}.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "DeprecationWarning: old" in _import_all(name).stderr


@needs(not HAS_RETRY_POLICIES, "there are retry policies")
def test_without_retry_policies_the_import_says_what_to_use() -> None:
    with pytest.raises(ImportError, match=r"need Airflow 3\.3 or later; use retries and retry_delay here"):
        importlib.import_module("airflow_provider_campaigns.retries")


@pytest.mark.parametrize("cell", matrix.CELLS, ids=lambda cell: cell.name)
def test_the_page_names_each_cell_with_its_airflow(cell: matrix.Cell) -> None:
    cells = (f"`{cell.name}`", matrix.airflow_of(cell), cell.pythons[0])
    row = "^" + "".join(rf"\| {re.escape(each)} " for each in cells) + r"\|"
    assert re.search(row, PAGE, re.MULTILINE)


def test_the_page_names_no_other_cell() -> None:
    named = re.findall(r"^\| `([\w.-]+)` \| \d+\.\d+\.\d+ \|", PAGE, re.MULTILINE)
    assert named == [cell.name for cell in matrix.CELLS]
