"""Change the code in small ways, and see whether the tests notice. Run by ``make mutants``.

A *part* is a piece of the code with the tests that are to notice: ``mutants.ini`` beside this script names
them. For each part mutmut changes one place after the other and runs the tests that reach it. A change that
no test notices is a survivor: a test is missing there, or the change makes no difference.

Everything is written below ``.airflow/mutants``: per part ``survivors.txt`` and ``mutmut.log``, and
``figures.json`` for all parts together.
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
BESIDE = ("pyproject.toml", "tests", "scripts", "example_dags")


@dataclass(frozen=True)
class Part:
    """A piece of the code, and the tests that are to notice a change of it.

    :param sources: files of the package.
    :param tests: what pytest is given.
    :param only: patterns of the changes that count, by mutmut's names; empty for all.
    :param sample: how many changes to try at most, drawn with a fixed seed; 0 for all.
    :param children: how many to try at once; more than one where the tests sleep most of the time.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    sample: int = 0
    children: int = 1


@dataclass(frozen=True)
class Figures:
    """What came of a part."""

    mutants: int
    tried: int
    killed: int
    timeout: int
    survived: int
    percent: float
    seconds: int


def main() -> None:
    """Try the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="names of parts; all of them if none is named")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_suffix(".ini"), help="the parts")
    parser.add_argument("--sample", type=int, help="how many changes to try per part at most; 0 for all")
    arguments = parser.parse_args()
    parts = read_parts(arguments.table)
    if unknown := set(arguments.parts) - parts.keys():
        sys.exit(f"No such part: {', '.join(sorted(unknown))}. There are {', '.join(parts)}.")
    kept = OUT / "figures.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    for name in arguments.parts or parts:
        sample = parts[name].sample if arguments.sample is None else arguments.sample
        figures[name] = asdict(measure(parts[name], sample))
        kept.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"{name}: {figures[name]}", flush=True)


def read_parts(table: Path) -> dict[str, Part]:
    """Read the table of parts."""
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


def measure(part: Part, sample: int) -> Figures:
    """Try the changes of a part."""
    started = time.monotonic()
    folder = prepare(part)
    os.chdir(folder)  # mutmut works in the current directory
    try:
        names = sorted(mutants_of(part))
        tried = sorted(random.Random(SEED).sample(names, sample)) if 0 < sample < len(names) else names
        command = [Path(sys.executable).with_name("mutmut"), "run", f"--max-children={part.children}", *tried]
        with Path("mutmut.log").open("w") as output:
            if subprocess.run(command, check=False, stdout=output, stderr=output).returncode:
                sys.exit(f"mutmut did not get through {part.name}; see {folder / 'mutmut.log'}.")
        statuses = {name: status for name, status in results(part) if name in set(tried)}
        survivors = [describe(name, status, part) for name, status in statuses.items() if not noticed(status)]
    finally:
        os.chdir(ROOT)
    (folder / "survivors.txt").write_text("\n".join(sorted(survivors, key=place_of)))
    counts = Counter(statuses.values())
    return Figures(
        mutants=len(names),
        tried=len(tried),
        killed=sum(map(noticed, statuses.values())) - counts["timeout"],
        timeout=counts["timeout"],
        survived=len(survivors),
        percent=round(100 * (1 - len(survivors) / len(tried)), 1),
        seconds=round(time.monotonic() - started),
    )


def prepare(part: Part) -> Path:
    """Make the directory that mutmut works in, with links to the code and the tests."""
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
        "timeout_constant": "3",
        "use_git_change_detection": "false",
        # Straight from the process that ran all tests once, those that use loops and threads would fail.
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
    """Give mutmut's names of the changes."""
    for source in part.sources:
        for changed in mutate_file_contents(source, Path(source).read_text()).mutant_names:
            name = get_mutant_name(Path(source), changed)
            if not part.only or any(fnmatch(name, pattern) for pattern in part.only):
                yield name


def results(part: Part) -> Iterator[tuple[str, str]]:
    """Give what mutmut found out about each change."""
    for source in part.sources:
        data = SourceFileMutationData(path=source)
        data.load()
        yield from ((name, status_by_exit_code[code]) for name, code in data.exit_code_by_key.items())


def noticed(status: str) -> bool:
    """Tell whether the tests noticed a change: they failed, crashed or hung."""
    return status in ("killed", "timeout", "segfault")


def describe(name: str, status: str, part: Part) -> str:
    """Say where a change is, and what it changes."""
    source = next(each for each in part.sources if name.startswith(get_mutant_name(Path(each), "x")))
    functions = read_functions_from_index(name, source)
    assert functions is not None  # noqa: S101 - mutmut has just written the index
    before, after = (cst.Module([function]).code.strip().splitlines() for function in functions)
    first = next(number for number, pair in enumerate(zip_longest(before, after)) if len(set(pair)) > 1)
    head = next(number for number, line in enumerate(before) if line.startswith(("def ", "async def ")))
    line = line_of(source, *orig_function_and_class_names_from_key(name)) + first - head
    changed = list(unified_diff(before, after, n=0, lineterm=""))[3:]
    return "\n".join([f"{source}:{line} {status} {name.rpartition('.')[2]}", *changed, ""])


def line_of(source: str, function: str, class_name: str | None) -> int:
    """Tell the line at which a function of the package begins."""
    body = ast.parse(Path(source).read_text()).body
    if class_name:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == class_name).body
    return next(
        node.lineno
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    )


def place_of(survivor: str) -> tuple[str, int]:
    """Order survivors as they stand in the files."""
    source, _, line = survivor.split(maxsplit=1)[0].partition(":")
    return source, int(line)


if __name__ == "__main__":
    main()
