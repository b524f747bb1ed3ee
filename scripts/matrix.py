"""Runs the tests on every supported Airflow, each in its own environment, and prints a table of the results.

A cell of the matrix is an Airflow with pinned dependencies on a Python. Its environment is in ``.matrix/``
and is reused until a pin, ``pyproject.toml``, ``__version__`` or the Python changes. A cell whose Python is
not installed is skipped and named. Options after ``--`` go to pytest; paths among them replace the cell's
test folders.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".matrix"
CONSTRAINTS = CHECKOUT / "constraints"
# Has __version__.
VERSION = CHECKOUT / "airflow_provider_campaigns" / "__init__.py"
# Python 3.10, or another one that Airflow 2.11 supports.
FLOOR = ("3.10", "3.11", "3.12")
_TESTS = ("tests/unit", "tests/integration")
# On the oldest Airflow, also those with real processes that need no second task at the same time.
_OLDEST = (*_TESTS, "tests/system/test_real_airflow.py", "tests/system/test_ends_from_trigger.py")
# The lowest versions of the libraries, beside that Airflow: what the transports do with them.
_LOWEST = ("tests/unit", "tests/integration/faults")
# On the oldest Airflow that has the pages, also those in a browser.
_WITH_PAGES = (*_TESTS, "tests/system/test_pages.py")
# The share of generated examples; the newest Airflow tries all of them.
_EXAMPLES_SHARE = "0.25"
# How many lines of a failed test's traceback are printed.
_TRACEBACK_LINES = 40
# The processes of pytest.
_running: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    :param name: its name, and that of its folder.
    :param constraints: the file that pins all its packages.
    :param pythons: the Python to use, then the ones to use if it is not installed.
    :param tests: the folders of its tests.
    :param extras: the optional dependencies of its tests.
    """

    name: str
    constraints: str
    pythons: tuple[str, ...]
    tests: tuple[str, ...] = _TESTS
    extras: str = "dev"


CELLS = (
    Cell("2.11", "matrix/airflow-2.11.txt", FLOOR, _OLDEST),
    Cell("lowest", "matrix/lowest.txt", FLOOR, _LOWEST),
    Cell("3.0", "matrix/airflow-3.0.txt", ("3.12",)),
    Cell("3.1", "matrix/airflow-3.1.txt", ("3.12",), _WITH_PAGES, "dev,browser"),
    Cell("3.2", "matrix/airflow-3.2.txt", ("3.12",)),
    Cell("3.3-py3.10", "airflow-3.3.txt", ("3.10",)),
    Cell("3.3-py3.11", "airflow-3.3.txt", ("3.11",)),
    Cell("3.3-py3.13", "airflow-3.3.txt", ("3.13",)),
)


@dataclass(frozen=True)
class Outcome:
    """The result of a cell; if its Python is not installed, only the problem."""

    cell: Cell
    python: str = "-"
    counts: tuple[int, int, int] = (0, 0, 0)
    seconds: float = 0.0
    problem: str = ""
    ran: bool = True

    @property
    def failed(self) -> bool:
        """Whether the tests did not pass."""
        return self.ran and (self.counts[2] > 0 or bool(self.problem))


def main() -> int:
    """Run the chosen cells, and print the table; returns 1 if one failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cells, pytest_options, jobs = arguments()
    if not cells:
        for cell in CELLS:
            say(f"{cell.name:<11} Airflow {airflow_of(cell):<7} Python {' or '.join(cell.pythons)}")
        return 0
    FOLDER.mkdir(exist_ok=True)
    outcomes = run_all(cells, pytest_options, jobs)
    skips = Counter(reason for outcome in outcomes if outcome.ran for reason in reasons(outcome.cell))
    say()
    print_table(outcomes, skips)
    return int(any(outcome.failed for outcome in outcomes) or not any(outcome.ran for outcome in outcomes))


def run_all(cells: Sequence[Cell], pytest_options: Sequence[str], jobs: int) -> list[Outcome]:
    """Run cells, some of them at the same time; on an interrupt, stop the tests of all."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(lambda cell: run(cell, pytest_options), cells))
        except KeyboardInterrupt:
            say("  stopping ...")
            pool.shutdown(wait=False, cancel_futures=True)
            for tests in _running:
                tests.send_signal(signal.SIGINT)
            raise


def arguments() -> tuple[list[Cell], list[str], int]:
    """Return the cells to run, or none to list them, the options for pytest, and how many to run at once."""
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], usage="%(prog)s [options] [-- pytest options]"
    )
    parser.add_argument("--list", action="store_true", help="list the cells, and run none")
    names = [cell.name for cell in CELLS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help="run these cells"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N cells at the same time")
    options = parser.parse_args(given[:split])
    cells = [cell for cell in CELLS if cell.name in options.only and not options.list]
    return cells, given[split + 1 :], options.jobs


def run(cell: Cell, pytest_options: Sequence[str]) -> Outcome:
    """Create a cell's environment if necessary, and run its tests there."""
    path = python_of(cell)
    if path is None:
        return Outcome(cell, problem=f"Python {' or '.join(cell.pythons)} is not installed", ran=False)
    exact = output_of(path, "import platform; print(platform.python_version())")
    instead = "" if exact.startswith(f"{cell.pythons[0]}.") else f" ({cell.pythons[0]} is not installed)"
    begun = time.monotonic()
    try:
        python = environment(cell, path)
    except subprocess.CalledProcessError as error:
        return Outcome(cell, exact, seconds=time.monotonic() - begun, problem=f"cannot be installed: {error}")
    say(f"{cell.name}: Airflow {airflow_of(cell)} on Python {exact}{instead} ...")
    report(cell).unlink(missing_ok=True)
    code = run_tests(cell, python, pytest_options)
    seconds = time.monotonic() - begun
    lines = log(cell).read_text(errors="replace").splitlines()
    counted = counts(cell)
    problem = ""
    if code and not counted[2]:
        problem = f"pytest exited with {code}: {lines[-1] if lines else 'no output'}"
    say(f"{cell.name}: {lines[-1].strip(' =') if lines else ''}")
    return Outcome(cell, exact, counted, seconds, problem)


def run_tests(cell: Cell, python: str, pytest_options: Sequence[str]) -> int:
    """Run pytest, and return its exit code."""
    paths = [option for option in pytest_options if option.startswith("tests")]
    with (
        log(cell).open("w") as output,
        subprocess.Popen(
            [
                python,
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                f"--junitxml={report(cell)}",
                *pytest_options,
                *([] if paths else cell.tests),
            ],
            cwd=CHECKOUT,
            env=os.environ
            | {"AIRFLOW_HOME": str(FOLDER / f"{cell.name}.home"), "EXAMPLES_SHARE": _EXAMPLES_SHARE},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it gets an interrupt once; a second one would end it early
        ) as tests,
    ):
        _running.append(tests)
        try:
            return tests.wait()
        finally:
            _running.remove(tests)


def environment(cell: Cell, python: str) -> str:
    """Return the Python of a cell's environment, which is created again if its inputs changed."""
    folder = FOLDER / cell.name
    inputs = output_of(python, "import sys; print(sys.version)") + "".join(
        path.read_text() for path in (CONSTRAINTS / cell.constraints, CHECKOUT / "pyproject.toml", VERSION)
    )
    mark = folder / "inputs"
    digest = hashlib.sha256(inputs.encode()).hexdigest()
    inside = str(folder / "bin" / "python")
    if mark.is_file() and mark.read_text() == digest:
        return inside
    say(f"{cell.name}: installing ...")
    shutil.rmtree(folder, ignore_errors=True)
    install(folder, python, cell.constraints, "--editable", f"{CHECKOUT}[{cell.extras}]")
    mark.write_text(digest)
    return inside


def install(folder: Path, python: str, constraints: str, *packages: str) -> None:
    """Create an environment with pinned packages."""
    inside = str(folder / "bin" / "python")
    packages = ("--constraint", str(CONSTRAINTS / constraints), *packages)
    if uv := find_uv():
        call(uv, "venv", "--quiet", "--python", python, str(folder))
        call(uv, "pip", "install", "--quiet", "--python", inside, *packages)
    else:
        call(python, "-m", "venv", str(folder))
        call(inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *packages)


def python_of(cell: Cell) -> str | None:
    """Return the path of the first of a cell's Pythons that is installed."""
    return next((path for version in cell.pythons if (path := find_python(version))), None)


def find_python(version: str) -> str | None:
    """Return the path of a Python of a version: from the PATH, or from pyenv."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}"),
        *sorted((str(path) for path in root.glob(f"versions/{version}.*/bin/python")), reverse=True),
    ]
    for candidate in candidates:
        if candidate is None:
            continue
        try:  # a shim of pyenv may exist for a version that is not enabled
            path, found = output_of(
                candidate, "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"
            ).split()
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue
        if found == version:
            return path
    return None


def find_uv() -> str | None:
    """Return the path of uv, which is much faster than pip; None if it is not installed."""
    try:
        from uv import find_uv_bin
    except ImportError:
        return shutil.which("uv")
    return str(find_uv_bin())


def call(*command: str) -> None:
    """Run an installer with the package index that pip is configured for."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = dict(re.findall(r"^\S*\.(index-url|cert)='(.*)'$", listed, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    environment = {names[name]: value for name, value in settings.items()}
    subprocess.run(command, cwd=CHECKOUT, env=environment | dict(os.environ), check=True)


def output_of(python: str, code: str) -> str:
    """Return the output of a Python program."""
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def airflow_of(cell: Cell) -> str:
    """Return the version of Airflow that a cell pins."""
    pinned = re.search(r"^apache-airflow==(\S+)", (CONSTRAINTS / cell.constraints).read_text(), re.MULTILINE)
    return pinned[1] if pinned else "?"


def log(cell: Cell) -> Path:
    """Return the path of pytest's output."""
    return FOLDER / f"{cell.name}.log"


def report(cell: Cell) -> Path:
    """Return the path of pytest's report."""
    return FOLDER / f"{cell.name}.xml"


def counts(cell: Cell) -> tuple[int, int, int]:
    """Return how many tests passed, were skipped and failed."""
    if not report(cell).is_file():
        return 0, 0, 0
    (suite,) = ET.parse(report(cell)).getroot()  # noqa: S314, written by pytest
    total, skipped, failures, errors = (
        int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors")
    )
    return total - skipped - failures - errors, skipped, failures + errors


def reasons(cell: Cell) -> Iterator[str]:
    """Return the reason of each skipped test."""
    if report(cell).is_file():
        for skip in ET.parse(report(cell)).iter("skipped"):  # noqa: S314, written by pytest
            # For a file that is skipped as a whole, pytest writes the reason into the text.
            found = re.search(r"'Skipped: (.*)'\)", skip.text or "")
            yield f"{cell.name}: {found[1] if found else skip.attrib.get('message', '')}"


def failures(cell: Cell) -> Iterator[str]:
    """Return the name of each failed test, with the end of its traceback."""
    if report(cell).is_file():
        for test in ET.parse(report(cell)).iter("testcase"):  # noqa: S314, written by pytest
            for failure in (*test.iterfind("failure"), *test.iterfind("error")):
                end = "\n".join((failure.text or "").splitlines()[-_TRACEBACK_LINES:])
                yield f"{test.attrib['classname']}::{test.attrib['name']}\n{end}"


def print_table(outcomes: Sequence[Outcome], skips: Counter[str]) -> None:
    """Print the table, the reasons of skipped tests, the failed tests, and a summary line."""
    row = "{:<11} {:<8} {:<8} {:>7} {:>8} {:>7} {:>8}"
    say(row.format("cell", "Airflow", "Python", "passed", "skipped", "failed", "seconds"))
    for outcome in outcomes:
        numbers = [*outcome.counts, f"{outcome.seconds:.0f}"] if outcome.ran else ["-"] * 4
        line = row.format(outcome.cell.name, airflow_of(outcome.cell), outcome.python, *numbers)
        say(f"{line}  {outcome.problem}".rstrip())
    if skips:
        say("\nSkipped tests:")
        for reason, number in sorted(skips.items()):
            say(f"  {number:>4}  {reason}")
    for outcome in outcomes:
        for line in failures(outcome.cell) if outcome.failed else ():
            say(f"\n{outcome.cell.name}: {line}")
    failed = [outcome.cell.name for outcome in outcomes if outcome.failed]
    missing = [f"{outcome.cell.name} ({outcome.problem})" for outcome in outcomes if not outcome.ran]
    passed = len(outcomes) - len(failed) - len(missing)
    parts = [f"{passed} of {len(outcomes)} cells passed"]
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not run: {', '.join(missing)}"] if missing else []
    say(f"\n{'; '.join(parts)}.")


def say(text: str = "") -> None:
    """Print a line without delay."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
