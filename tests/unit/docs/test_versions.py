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

from airflow_provider_campaigns import __version__
from scripts import matrix
from tests.support import ROOT
from tests.support.airflow_versions import HAS_RETRY_POLICIES, DagBag, needs
from tests.support.package_classes import KINDS, classes

PAGE = (ROOT / "docs" / "operate" / "versions.md").read_text()
PYPROJECT, CHANGELOG = (ROOT / "pyproject.toml").read_text(), (ROOT / "CHANGELOG.md").read_text()


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


class TestPolicy:
    """What the page and the metadata of the package say about versions."""

    def test_package_requires_what_the_page_says(self) -> None:
        floor = re.search(r"supports Airflow ([\d.]+) and later, and Python ([\d.]+) and later", PAGE)
        assert floor is not None
        airflow, python = floor.groups()
        assert f'"apache-airflow>={airflow}.0"' in PYPROJECT
        assert f'requires-python = ">={python}"' in PYPROJECT

    def test_classifiers_name_each_tested_python(self) -> None:
        named = re.findall(r'"Programming Language :: Python :: (\d\.\d+)"', PYPROJECT)
        assert named == sorted(named, key=lambda version: int(version.partition(".")[2]))
        assert {each.pythons[0] for each in matrix.CELLS} <= set(named)

    def test_no_supported_airflow_is_past_its_end_at_a_release(self) -> None:
        ends = re.findall(r"^\| `[\w.-]+` \| [\d.]+ \| [\d.]+ \| (\d{4}-\d{2}) \|", PAGE, re.MULTILINE)
        assert len(ends) == len(matrix.CELLS)
        releases = re.findall(r"^## [\d.]+, (\d{4}-\d{2})-\d{2}$", CHANGELOG, re.MULTILINE)
        assert all(end >= release for release in releases[:1] for end in ends)

    @pytest.mark.parametrize("kind", sorted(set(KINDS) - {"triggers", "extra-links", "plugins"}))
    def test_changelog_names_every_class(self, kind: str) -> None:
        names = {path.rpartition(".")[2] for path in classes(kind)}
        assert {name for name in names if f"`{name}`" not in CHANGELOG} == set()

    def test_changelog_has_this_version_first(self) -> None:
        newest = re.search(r"^## ([\d.]+)", CHANGELOG, re.MULTILINE)
        assert newest is not None
        assert newest[1] == __version__

    def test_project_urls_are_those_that_an_index_shows(self) -> None:
        urls = PYPROJECT.partition("[project.urls]")[2].partition("\n[")[0]
        names = re.findall(r"^(\w+) = ", urls, re.MULTILINE)
        assert names == ["Documentation", "Changelog", "Source", "Issues"]
