"""What is deprecated is not used, and the page about versions names every cell of the matrix."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from scripts import matrix
from tests.support import ROOT
from tests.support.airflow_versions import HAS_RETRY_POLICIES, DagBag, needs

PAGE = (ROOT / "docs" / "operate" / "versions.md").read_text()


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize(
    "module", ["airflow_provider_campaigns.hooks.instantly", "unusual_prefix_12ab_a_dag"]
)
def test_deprecation_in_our_code_fails_a_test(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="old"):
        warnings.warn_explicit("old", category, "somewhere.py", 1, module=module)


@pytest.mark.filterwarnings("ignore:ignored:DeprecationWarning")
def test_deprecation_in_other_code_fails_no_test() -> None:
    warnings.warn_explicit("ignored", DeprecationWarning, "somewhere.py", 1, module="requests.sessions")


def test_dag_that_uses_a_deprecated_name_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "import warnings\nwarnings.warn('old', DeprecationWarning)\n"
        "from airflow.providers.common.compat.sdk import DAG\nwith DAG('old', schedule=None): ...\n"
    )
    (error,) = DagBag(dag_folder=str(tmp_path)).import_errors.values()
    assert "DeprecationWarning: old" in error


# When Airflow is imported, it adds warning filters that come before those of pytest, so that a deprecation is
# shown and is not an error. So all modules are imported again in a process where our filters come first.
_IMPORT_ALL = """
import importlib, json, pkgutil, sys, warnings
import airflow, airflow.configuration
import airflow_provider_campaigns as package

for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
    warnings.filterwarnings("error", category=category, module=package.__name__)
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
errors = {}
for name in [*(name for name in names if not name.endswith(".__main__")), *sys.argv[1:]]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        # Airflow 2 has no FastAPI, and never imports what sends the pages.
        assert "Airflow 3.3 or later" in str(error) or error.name == "fastapi", error
    except Warning as warning:
        errors[name] = repr(warning)
print(json.dumps(errors))
"""


def test_no_module_import_uses_a_deprecated_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An additional module that uses one shows that the test would detect it."""
    name = "airflow_provider_campaigns_deprecated"
    (tmp_path / f"{name}.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {name: "DeprecationWarning('old')"}


@needs(not HAS_RETRY_POLICIES, "there are retry policies")
def test_import_without_retry_policies_names_the_alternative() -> None:
    with pytest.raises(ImportError, match=r"need Airflow 3\.3 or later; use retries and retry_delay here"):
        importlib.import_module("airflow_provider_campaigns.retries")


@pytest.mark.parametrize("cell", matrix.CELLS, ids=lambda cell: cell.name)
def test_page_names_each_cell_with_its_airflow(cell: matrix.Cell) -> None:
    cells = (f"`{cell.name}`", matrix.airflow_of(cell), cell.pythons[0])
    row = "^" + "".join(rf"\| {re.escape(each)} " for each in cells) + r"\|"
    assert re.search(row, PAGE, re.MULTILINE)


def test_page_names_no_other_cell() -> None:
    named = re.findall(r"^\| `([\w.-]+)` \| \d+\.\d+\.\d+ \|", PAGE, re.MULTILINE)
    assert named == [cell.name for cell in matrix.CELLS]
