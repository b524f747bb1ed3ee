"""Audits what is pinned: that it is there, not withdrawn, what is installed, and without a known hole.

Whether a version is there and stands is asked of the index that pip is set up to ask, by pip itself. Known
holes are looked up by pip-audit, where its service answers. Exit code 1 for findings alone: what could not be
asked is said, and is none.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PINNED = sorted((CHECKOUT / "constraints").glob("*.txt"))
PIP_AUDIT = CHECKOUT / ".airflow" / "audit" / "bin" / "pip-audit"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def main() -> int:
    """Check everything, say what was found, and return the exit code."""
    seen: set[str] = set()
    findings: list[str] = []
    for path in PINNED:
        pins = [pin for pin in pins_of(path.read_text()) if pin not in seen]
        seen.update(pins)
        findings += told(f"{path.name}: on the index", ask_index(pins))
    findings += told("installed as pinned", compare_installed(pins_of(PINNED[0].read_text())))
    findings += told("dependencies that agree", check_installed())
    findings += told("known vulnerabilities", ask_advisories(sorted(seen)))
    print(f"{len(findings)} findings." if findings else "Nothing found.")
    return bool(findings)


def told(what: str, outcome: tuple[str, list[str]]) -> list[str]:
    """Print the outcome of a check, and return its findings."""
    summary, findings = outcome
    print(f"{what}: {summary}")
    for finding in findings:
        print(f"  {finding}")
    return findings


def pins_of(text: str) -> list[str]:
    """Return the lines of a file of constraints that pin something, markers included."""
    return [line.strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9][^#]*==", line)]


def ask_index(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Ask the index for each pin that this Python would install."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder, "wanted.txt"), Path(folder, "report.json")
        wanted.write_text("\n".join(pins))
        command = [
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--quiet",
            "--report",
            str(report),
        ]
        asked = subprocess.run(
            [*PIP, *command, "--requirement", str(wanted)], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return of_report(json.loads(report.read_text()), asked.stderr)
    missing = re.findall(r"No matching distribution found for (\S+)", asked.stderr)
    if missing and "from versions: none" not in asked.stderr:
        return "not all is there", [f"{pin} is not on the index" for pin in missing]
    lines = asked.stderr.strip().splitlines() or ["pip gave no reason"]
    return f"could not be asked ({lines[-1][:200]})", []


def of_report(report: dict, said: str) -> tuple[str, list[str]]:
    """Read what pip found; an older pip tells only by a warning that a version was withdrawn."""
    found = [
        (f"{each['metadata']['name']}=={each['metadata']['version']}", each) for each in report["install"]
    ]
    withdrawn = {name for name, each in found if each.get("is_yanked")}
    warned = re.findall(r"yanked version: '(\S+)' candidate \(version (\S+)", said)
    withdrawn |= {f"{name}=={number}" for name, number in warned}
    return f"{len(found)} found", [f"{each} was withdrawn by its maker" for each in sorted(withdrawn)]


def compare_installed(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Hold what is installed here against the pins."""
    wanted: dict[str, set[str]] = {}
    for pin in pins:
        name, number = re.split(r"==", pin.partition(";")[0].strip())
        wanted.setdefault(name.partition("[")[0], set()).add(number)
    installed, findings = 0, []
    for name, numbers in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        installed += 1
        if found not in numbers:
            findings.append(f"{name} {found} is installed, and {' or '.join(sorted(numbers))} is pinned")
    return f"{installed} of {len(wanted)} are installed", findings


def check_installed() -> tuple[str, list[str]]:
    """Ask pip whether all that is installed has what it needs."""
    checked = subprocess.run([*PIP, "check"], capture_output=True, text=True, check=False)
    lines = checked.stdout.strip().splitlines()
    return ("they do", []) if checked.returncode == 0 else (f"{len(lines)} do not", lines)


def ask_advisories(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Look the pins up with pip-audit; whatever its service did not answer was not looked up."""
    unasked = "no advisory service was reached; checked instead: the pins on the index, and what is installed"
    if not PIP_AUDIT.exists():
        return f"pip-audit is not installed. {unasked}", []
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("\n".join(pins))
        command = [
            str(PIP_AUDIT),
            "--no-deps",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "--format",
            "json",
        ]
        asked = subprocess.run(
            [*command, "--requirement", str(wanted)], capture_output=True, text=True, check=False
        )
    try:
        answers = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        return unasked, []
    answered = [each for each in answers if "skip_reason" not in each]
    if not answered:
        return unasked, []
    findings = [
        f"{each['name']}=={each['version']}: {hole['id']}, repaired in: {', '.join(hole['fix_versions'])}"
        for each in answered
        for hole in each["vulns"]
    ]
    return f"{len(answered)} of {len(answers)} were looked up", findings


if __name__ == "__main__":
    sys.exit(main())
