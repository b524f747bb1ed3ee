"""Builds the sdist and the wheel, checks them, and tests the wheel as a user installs it.

Both are built twice from the committed files, the wheel from the sdist; the two builds have to be the same.
The wheel is then installed into a new environment with the newest Airflow, and into one with the oldest
Airflow if its Python is installed; if not, the output says so. Tests of the sdist run there without the
package of the checkout. The result is in ``dist/``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import matrix

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_campaigns"
MAX_WHEEL = 400 * 1024
# The tests that see what a user sees: providers, forms, the sandbox's command, the example Dags, the API.
TESTS = (
    "tests/unit/test_provider_info.py",
    "tests/unit/test_public_names.py",
    "tests/unit/test_example_dags.py",
    "tests/unit/sandbox/test_command_line.py",
)
NEWEST = matrix.Cell("newest", "airflow-3.3.txt", ())  # on the Python that runs this
OLDEST = matrix.Cell("oldest", "matrix/lowest.txt", matrix.FLOOR)


def main() -> int:
    """Build, check and test; returns 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--no-install", action="store_true", help="do not install and test the wheel")
    options = parser.parse_args()
    pythons = {NEWEST: None, OLDEST: None}
    if not options.no_install:
        pythons = {NEWEST: sys.executable, OLDEST: matrix.python_of(OLDEST)}
    os.environ["SOURCE_DATE_EPOCH"] = output("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory(prefix="dist-") as folder:
        first, second = (build(Path(folder) / name) for name in ("first", "second"))
        if digests(first) != digests(second):
            return fail(f"Two builds differ: {digests(first)} and {digests(second)}.")
        shutil.rmtree(CHECKOUT / "dist", ignore_errors=True)
        shutil.copytree(first, CHECKOUT / "dist")
        sdist, wheel = sorted((CHECKOUT / "dist").iterdir(), key=lambda path: path.suffix == ".whl")
        if problem := problem_of(wheel):
            return fail(problem)
        run(tool("twine"), "check", "--strict", str(sdist), str(wheel))
        run(tool("check-wheel-contents"), str(wheel))
        run(tool("validate-pyproject"), "pyproject.toml")
        if not options.no_install:
            shutil.unpack_archive(sdist, folder)
            unpacked = Path(folder) / sdist.name.removesuffix(".tar.gz")
            (unpacked / PACKAGE).rename(unpacked / "not_imported")
            for cell, python in pythons.items():
                if python:
                    test(wheel, cell, python, unpacked, Path(folder))
    for path in (sdist, wheel):
        print(f"{path.name}  {path.stat().st_size:,} bytes  sha256 {digest(path)}")
    for cell, python in pythons.items():
        if not python:
            print(f"not tested: Airflow {matrix.airflow_of(cell)}")
    print("Passed: two builds are the same, the checks pass, and the installed wheel passes its tests.")
    return 0


def build(folder: Path) -> Path:
    """Build both distributions from the committed files, and return their folder."""
    source = folder / "source"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    run("git", "archive", f"--output={archive}", "HEAD")
    shutil.unpack_archive(archive, source)
    run(tool("python"), "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(source))
    return folder / "dist"


def problem_of(wheel: Path) -> str | None:
    """Return what a wheel holds that it should not; None where nothing is wrong."""
    names = zipfile.ZipFile(wheel).namelist()
    if foreign := [name for name in names if not name.startswith(PACKAGE)]:
        return f"The wheel holds {', '.join(foreign)}."
    if wheel.stat().st_size > MAX_WHEEL:
        return f"The wheel has {wheel.stat().st_size:,} bytes, more than {MAX_WHEEL:,}."
    return None


def test(wheel: Path, cell: matrix.Cell, python: str, tests: Path, folder: Path) -> None:
    """Install the wheel into a new environment, and run the tests of the sdist there."""
    environment = folder / f"environment-{cell.name}"
    print(f"-- installing the wheel, Airflow {matrix.airflow_of(cell)}", flush=True)
    matrix.install(environment, python, cell.constraints, f"{wheel}[{cell.extras}]")
    python = str(environment / "bin" / "python")
    where = output(python, "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)", cwd=tests).strip()
    if not where.startswith(str(environment)):
        raise RuntimeError(f"{PACKAGE} was imported from {where}.")
    print("-- tests of the installed wheel", flush=True)
    home = {"AIRFLOW_HOME": str(folder / f"home-{cell.name}")}
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--disable-warnings",
        "-p",
        "no:cacheprovider",
        *TESTS,
    ]
    subprocess.run(command, cwd=tests, env=os.environ | home, check=True)


def tool(name: str) -> str:
    """Return the path of a tool beside this Python."""
    return str(Path(sys.executable).parent / name)


def run(*command: str) -> None:
    """Run a command in the checkout."""
    subprocess.run(command, cwd=CHECKOUT, check=True)


def output(*command: str, cwd: Path = CHECKOUT) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a folder."""
    return {path.name: digest(path) for path in sorted(folder.iterdir())}


def digest(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fail(message: str) -> int:
    """Print why the distributions are not good."""
    print(f"Failed: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
