"""Passes the tests on every supported Airflow, each in an environment of its own, and says how it went.

A cell of the matrix is an Airflow with pinned dependencies on a Python. Its environment is in ``.matrix/``
and is used again until a pin, ``pyproject.toml`` or the Python changes. A cell whose Python is not on this
machine is left out, and named. What stands behind ``--`` goes to pytest.
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
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".matrix"
CONSTRAINTS = CHECKOUT / "constraints"
# Python 3.10, or what else Airflow 2.11 runs on.
_FLOOR = ("3.10", "3.11", "3.12")


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    :param name: its name, and that of its folder.
    :param constraints: the file that pins all that it installs.
    :param pythons: the Python that it is for, then what will do where that one is missing.
    """

    name: str
    constraints: str
    pythons: tuple[str, ...]


CELLS = (
    Cell("2.11", "matrix/airflow-2.11.txt", _FLOOR),
    Cell("lowest", "matrix/lowest.txt", _FLOOR),
    Cell("3.0", "matrix/airflow-3.0.txt", ("3.12",)),
    Cell("3.1", "matrix/airflow-3.1.txt", ("3.12",)),
    Cell("3.2", "matrix/airflow-3.2.txt", ("3.12",)),
    Cell("3.3-py3.10", "airflow-3.3.txt", ("3.10",)),
    Cell("3.3-py3.11", "airflow-3.3.txt", ("3.11",)),
    Cell("3.3-py3.13", "airflow-3.3.txt", ("3.13",)),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a cell; without a Python, only why."""

    cell: Cell
    python: str = "-"
    counts: tuple[int, int, int] = (0, 0, 0)
    seconds: float = 0.0
    trouble: str = ""
    ran: bool = True

    @property
    def failed(self) -> bool:
        """Whether the tests did not pass."""
        return self.ran and (self.counts[2] > 0 or bool(self.trouble))


def main() -> int:
    """Run the cells that were asked for, and print the table; 1 where one has failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cells, pytest_options = arguments()
    if not cells:
        for cell in CELLS:
            say(f"{cell.name:<11} Airflow {airflow_of(cell):<7} Python {' or '.join(cell.pythons)}")
        return 0
    FOLDER.mkdir(exist_ok=True)
    outcomes = []
    skips: Counter[str] = Counter()
    for cell in cells:
        outcome = run(cell, pytest_options)
        outcomes.append(outcome)
        skips += Counter(reasons(cell) if outcome.ran else ())
    say()
    tell(outcomes, skips)
    return int(any(outcome.failed for outcome in outcomes) or not any(outcome.ran for outcome in outcomes))


def arguments() -> tuple[list[Cell], list[str]]:
    """Return the cells to run, none where they are to be listed, and what goes to pytest."""
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], usage="%(prog)s [options] [-- pytest options]"
    )
    parser.add_argument("--list", action="store_true", help="name the cells, and run none")
    names = [cell.name for cell in CELLS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help="run these cells"
    )
    asked = parser.parse_args(given[:split])
    return [cell for cell in CELLS if cell.name in asked.only and not asked.list], given[split + 1 :]


def run(cell: Cell, pytest_options: Sequence[str]) -> Outcome:
    """Build a cell's environment if need be, and pass the tests there."""
    found = next(((version, path) for version in cell.pythons if (path := find_python(version))), None)
    if found is None:
        return Outcome(cell, trouble=f"Python {' or '.join(cell.pythons)} is not on this machine", ran=False)
    version, path = found
    begun = time.monotonic()
    try:
        python = environment(cell, path)
    except subprocess.CalledProcessError as error:
        return Outcome(
            cell, version, seconds=time.monotonic() - begun, trouble=f"cannot be installed: {error}"
        )
    exact = said_by(python, "import platform; print(platform.python_version())")
    instead = f" (in place of {cell.pythons[0]}, which is not here)" if version != cell.pythons[0] else ""
    say(f"{cell.name}: Airflow {airflow_of(cell)} on Python {exact}{instead} ...")
    report(cell).unlink(missing_ok=True)
    code = run_tests(cell, python, pytest_options)
    seconds = time.monotonic() - begun
    lines = log(cell).read_text(errors="replace").splitlines()
    for line in lines:
        if re.match(r"(FAILED|ERROR) tests", line):
            say(f"  {line}")
    counted = counts(cell)
    trouble = ""
    if code and not counted[2]:
        trouble = f"pytest ended with {code}: {lines[-1] if lines else 'it said nothing'}"
    say(f"  {lines[-1].strip(' =') if lines else ''}")
    return Outcome(cell, exact, counted, seconds, trouble)


def run_tests(cell: Cell, python: str, pytest_options: Sequence[str]) -> int:
    """Run pytest, and return how it ended; interrupted, it has the time to end what it has started."""
    with (
        log(cell).open("w") as output,
        subprocess.Popen(
            [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report(cell)}", *pytest_options],
            cwd=CHECKOUT,
            env=os.environ | {"AIRFLOW_HOME": str(FOLDER / f"{cell.name}.home")},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that an interrupt reaches it once: a second one would cut it short
        ) as tests,
    ):
        try:
            return tests.wait()
        except KeyboardInterrupt:
            say("  stopping ...")
            tests.send_signal(signal.SIGINT)
            tests.wait()
            raise


def environment(cell: Cell, python: str) -> str:
    """Return the Python of a cell's environment, made anew unless what is there was made of the same."""
    folder = FOLDER / cell.name
    made_of = said_by(python, "import sys; print(sys.version)") + "".join(
        path.read_text() for path in (CONSTRAINTS / cell.constraints, CHECKOUT / "pyproject.toml")
    )
    mark = folder / "made-of"
    digest = hashlib.sha256(made_of.encode()).hexdigest()
    inside = str(folder / "bin" / "python")
    if mark.is_file() and mark.read_text() == digest:
        return inside
    say(f"{cell.name}: installing ...")
    shutil.rmtree(folder, ignore_errors=True)
    what = ["--constraint", str(CONSTRAINTS / cell.constraints), "--editable", f"{CHECKOUT}[dev]"]
    if uv := find_uv():
        call(uv, "venv", "--quiet", "--python", python, str(folder))
        call(uv, "pip", "install", "--quiet", "--python", inside, *what)
    else:
        call(python, "-m", "venv", str(folder))
        call(inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *what)
    mark.write_text(digest)
    return inside


def find_python(version: str) -> str | None:
    """Return a Python of a version: one on the path that works, or one of pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}"),
        *sorted((str(path) for path in root.glob(f"versions/{version}.*/bin/python")), reverse=True),
    ]
    for candidate in candidates:
        if candidate is None:
            continue
        try:  # a shim may be there for a version that is switched off
            path, found = said_by(
                candidate, "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"
            ).split()
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue
        if found == version:
            return path
    return None


def find_uv() -> str | None:
    """Return uv, which installs in seconds what takes pip minutes; None where it is not installed."""
    try:
        from uv import find_uv_bin
    except ImportError:
        return shutil.which("uv")
    return str(find_uv_bin())


def call(*command: str) -> None:
    """Run an installer, from the registry that pip is set up for."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = dict(re.findall(r"^\S*\.(index-url|cert)='(.*)'$", listed, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    ours = {names[name]: value for name, value in settings.items()}
    subprocess.run(command, cwd=CHECKOUT, env=ours | dict(os.environ), check=True)


def said_by(python: str, code: str) -> str:
    """Return what a Python prints."""
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def airflow_of(cell: Cell) -> str:
    """Return the version of Airflow that a cell pins."""
    pinned = re.search(r"^apache-airflow==(\S+)", (CONSTRAINTS / cell.constraints).read_text(), re.MULTILINE)
    return pinned[1] if pinned else "?"


def log(cell: Cell) -> Path:
    """Return the file of what pytest said."""
    return FOLDER / f"{cell.name}.log"


def report(cell: Cell) -> Path:
    """Return the file of pytest's results."""
    return FOLDER / f"{cell.name}.xml"


def counts(cell: Cell) -> tuple[int, int, int]:
    """Return how many tests passed, were skipped and failed."""
    if not report(cell).is_file():
        return 0, 0, 0
    (suite,) = ET.parse(report(cell)).getroot()  # noqa: S314, pytest's own
    total, skipped, failures, errors = (
        int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors")
    )
    return total - skipped - failures - errors, skipped, failures + errors


def reasons(cell: Cell) -> Iterator[str]:
    """Return why tests were skipped, for each of them."""
    if report(cell).is_file():
        for skip in ET.parse(report(cell)).iter("skipped"):  # noqa: S314, pytest's own
            # Of a file that is skipped as a whole, pytest tells the reason elsewhere.
            told = re.search(r"'Skipped: (.*)'\)", skip.text or "")
            yield f"{cell.name}: {told[1] if told else skip.attrib.get('message', '')}"


def tell(outcomes: Sequence[Outcome], skips: Counter[str]) -> None:
    """Print the table, why tests were skipped, and one line in the end."""
    row = "{:<11} {:<8} {:<8} {:>7} {:>8} {:>7} {:>8}"
    say(row.format("cell", "Airflow", "Python", "passed", "skipped", "failed", "seconds"))
    for outcome in outcomes:
        numbers = [*outcome.counts, f"{outcome.seconds:.0f}"] if outcome.ran else ["-"] * 4
        line = row.format(outcome.cell.name, airflow_of(outcome.cell), outcome.python, *numbers)
        say(f"{line}  {outcome.trouble}".rstrip())
    if skips:
        say("\nSkipped tests:")
        for reason, number in sorted(skips.items()):
            say(f"  {number:>4}  {reason}")
    failed = [outcome.cell.name for outcome in outcomes if outcome.failed]
    missing = [f"{outcome.cell.name} ({outcome.trouble})" for outcome in outcomes if not outcome.ran]
    passed = len(outcomes) - len(failed) - len(missing)
    parts = [f"{passed} of {len(outcomes)} cells passed"]
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not run: {', '.join(missing)}"] if missing else []
    say(f"\n{'; '.join(parts)}.")


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
