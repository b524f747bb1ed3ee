"""The layers of the package are checked completely: a module that no layer names fails the check."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = "airflow_provider_campaigns"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with its import-linter contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    # Python puts the working directory first in sys.path, before the installed package.
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_module_in_no_layer_fails_the_check(copy: Path) -> None:
    assert lint_imports(copy).returncode == 0
    (copy / PACKAGE / "helpers.py").write_text('"""A module that no layer names."""\n')
    checked = lint_imports(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "helpers" in checked.stdout
