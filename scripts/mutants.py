"""Mutation tests: change the code in one place, and check that a test fails. Run by ``make mutants``.

A *part* is a list of source files with the tests that cover them; ``mutants.ini`` beside this script lists
the parts. For each part, mutmut changes one place at a time (a *mutant*) and runs the tests that reach it. A
mutant *survives* if no test fails: a test is missing, or the change makes no difference.

Only the bodies of functions are mutated; properties, other decorated functions and module constants are not.

The output is in ``.airflow/mutants``: ``survivors.txt`` and ``mutmut.log`` per part, and ``scores.json``.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import asdict, dataclass
from difflib import unified_diff
from fnmatch import fnmatch
from itertools import zip_longest
from pathlib import Path

import libcst as cst
from mutmut.configuration import reset_config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name, orig_function_and_class_names_from_key

ROOT = Path.cwd()
PACKAGE = "airflow_provider_campaigns"
OUT = ROOT / ".airflow" / "mutants"
SEED = 20261130
# What the tests need beside the package.
BESIDE = ("pyproject.toml", "tests", "scripts", "example_dags", "docs")


@dataclass(frozen=True)
class Part:
    """Source files and the tests that cover them.

    :param sources: files of the package.
    :param tests: arguments for pytest.
    :param only: patterns that select mutants by mutmut's names; empty selects all.
    :param sample: the maximum number of mutants to test, chosen with a fixed seed; 0 tests all.
    :param children: how many mutants to test in parallel; useful if the tests mostly sleep.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    sample: int = 0
    children: int = 1


@dataclass(frozen=True)
class Score:
    """The result of a part; a mutant is killed if a test fails, crashes or hangs."""

    mutants: int
    tested: int
    killed: int
    timeout: int
    survived: int
    percent: float
    seconds: int


def main() -> None:
    """Test the named parts, or all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="the parts to test; all by default")
    parser.add_argument(
        "--table", type=Path, default=Path(__file__).with_suffix(".ini"), help="the file that lists the parts"
    )
    parser.add_argument("--sample", type=int, help="the maximum number of mutants per part; 0 tests all")
    arguments = parser.parse_args()
    parts = read_parts(arguments.table)
    if unknown := set(arguments.parts) - parts.keys():
        sys.exit(f"No such part: {', '.join(sorted(unknown))}. There are {', '.join(parts)}.")
    file = OUT / "scores.json"
    for name in arguments.parts or parts:
        sample = parts[name].sample if arguments.sample is None else arguments.sample
        score = asdict(measure(parts[name], sample))
        scores = json.loads(file.read_text()) if file.exists() else {}  # another run may have changed it
        file.write_text(json.dumps({**scores, name: score}, indent=2) + "\n")
        print(f"{name}: {score}", flush=True)


def read_parts(table: Path) -> dict[str, Part]:
    """Read the list of parts."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(table.read_text())
    return {
        name: Part(
            name,
            sources=tuple(f"{PACKAGE}/{source}" for source in parser[name]["sources"].split()),
            tests=tuple(parser[name]["tests"].split()),
            only=tuple(parser[name].get("only", "").split()),
            sample=parser[name].getint("sample", 0),
            children=parser[name].getint("children", 1),
        )
        for name in parser.sections()
    }


def measure(part: Part, sample: int) -> Score:
    """Test the mutants of a part."""
    started = time.monotonic()
    folder = prepare(part)
    os.chdir(folder)  # where mutmut reads and writes
    try:
        names = sorted(mutants_of(part))
        tested = sorted(random.Random(SEED).sample(names, sample)) if 0 < sample < len(names) else names
        command = [
            Path(sys.executable).with_name("mutmut"),
            "run",
            f"--max-children={part.children}",
            *tested,
        ]
        with Path("mutmut.log").open("w") as output:
            if subprocess.run(command, check=False, stdout=output, stderr=output).returncode:
                sys.exit(f"{part.name}: mutmut failed. Do the tests pass? See {folder / 'mutmut.log'}.")
        results = dict(results_of(part))
        survivors = [describe(name, results[name], part) for name in tested if not is_killed(results[name])]
    finally:
        os.chdir(ROOT)
    (folder / "survivors.txt").write_text("\n".join(sorted(survivors, key=place_of)))
    counts = Counter(results[name] for name in tested)
    return Score(
        mutants=len(names),
        tested=len(tested),
        killed=len(tested) - len(survivors) - counts["timeout"],
        timeout=counts["timeout"],
        survived=len(survivors),
        percent=round(100 * (1 - len(survivors) / len(tested)), 1),
        seconds=round(time.monotonic() - started),
    )


def prepare(part: Part) -> Path:
    """Create the working directory of mutmut, with links to the code and the tests."""
    folder = OUT / part.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in (PACKAGE, *BESIDE):
        (folder / name).symlink_to(ROOT / name)
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": part.sources,
        "also_copy": BESIDE,
        "pytest_add_cli_args": ["--hypothesis-seed=0", "--no-header", "-pno:cacheprovider"],
        "pytest_add_cli_args_test_selection": part.tests,
        "timeout_multiplier": "2",
        # In seconds; less would count slow tests on a busy machine as killed mutants.
        "timeout_constant": "8",
        "use_git_change_detection": "false",
        # Tests with event loops fail in a process that is forked after other tests ran.
        "process_isolation": "forkserver",
    }
    parser = ConfigParser(interpolation=None)
    parser["mutmut"] = {
        name: value if isinstance(value, str) else "\n".join(["", *value]) for name, value in settings.items()
    }
    with (folder / "setup.cfg").open("w") as file:
        parser.write(file)
    reset_config()
    return folder


def mutants_of(part: Part) -> Iterator[str]:
    """Return mutmut's names of the mutants."""
    for source in part.sources:
        for mutant in mutate_file_contents(source, Path(source).read_text()).mutant_names:
            name = get_mutant_name(Path(source), mutant)
            if not part.only or any(fnmatch(name, pattern) for pattern in part.only):
                yield name


def results_of(part: Part) -> Iterator[tuple[str, str]]:
    """Return the name and the result of each mutant."""
    for source in part.sources:
        data = SourceFileMutationData(path=source)
        data.load()
        yield from ((name, status_by_exit_code[code]) for name, code in data.exit_code_by_key.items())


def is_killed(result: str) -> bool:
    """Return whether the tests failed, crashed or hung."""
    return result in ("killed", "timeout", "segfault")


def describe(name: str, result: str, part: Part) -> str:
    """Return the place of a mutant and its diff."""
    source = next(each for each in part.sources if name.startswith(get_mutant_name(Path(each), "x")))
    functions = read_functions_from_index(name, source)
    assert functions is not None  # noqa: S101 - mutmut wrote the index
    before, after = (cst.Module([function]).code.strip().splitlines() for function in functions)
    first = next(number for number, pair in enumerate(zip_longest(before, after)) if len(set(pair)) > 1)
    head = next(number for number, line in enumerate(before) if line.startswith(("def ", "async def ")))
    line = line_of(source, *orig_function_and_class_names_from_key(name)) + first - head
    changed = list(unified_diff(before, after, n=0, lineterm=""))[3:]
    return "\n".join([f"{source}:{line} {result} {name.rpartition('.')[2]}", *changed, ""])


def line_of(source: str, function: str, class_name: str | None) -> int:
    """Return the line number of a function."""
    body = ast.parse(Path(source).read_text()).body
    if class_name:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == class_name).body
    return next(
        node.lineno
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    )


def place_of(survivor: str) -> tuple[str, int]:
    """Return the sort key of a survivor: its file and line."""
    source, _, line = survivor.split(maxsplit=1)[0].partition(":")
    return source, int(line)


if __name__ == "__main__":
    main()
