"""Audits the pinned versions: on the index, not yanked, installed as pinned, without known vulnerabilities.

pip checks the index that it is configured for. pip-audit looks up
vulnerabilities if its service is reachable. Exit code 1 if there is a finding. A check
that could not run is printed and is not a finding.
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
    """Run all checks, print the findings, and return the exit code."""
    seen: set[str] = set()
    findings: list[str] = []
    for path in PINNED:
        pins = [pin for pin in pins_of(path.read_text()) if pin not in seen]
        seen.update(pins)
        findings += report(f"{path.name}: on the index", ask_index(pins))
    findings += report("installed as pinned", compare_installed(pins_of(PINNED[0].read_text())))
    findings += report("consistent dependencies", check_installed())
    findings += report("known vulnerabilities", ask_advisories(sorted(seen)))
    print(f"{len(findings)} findings." if findings else "No findings.")
    return bool(findings)


def report(what: str, outcome: tuple[str, list[str]]) -> list[str]:
    """Print the outcome of a check, and return its findings."""
    summary, findings = outcome
    print(f"{what}: {summary}")
    for finding in findings:
        print(f"  {finding}")
    return findings


def pins_of(text: str) -> list[str]:
    """Return the pins of a constraints file, with their markers."""
    return [line.strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9][^#]*==", line)]


def ask_index(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Look up each pin that this Python would install on the index."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, result = Path(folder, "wanted.txt"), Path(folder, "report.json")
        wanted.write_text("\n".join(pins))
        command = [
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--quiet",
            "--report",
            str(result),
        ]
        done = subprocess.run(
            [*PIP, *command, "--requirement", str(wanted)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return read_report(json.loads(result.read_text()), done.stderr)
    missing = re.findall(r"No matching distribution found for (\S+)", done.stderr)
    if missing and "from versions: none" not in done.stderr:
        return "incomplete", [f"{pin} is not on the index" for pin in missing]
    lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
    return f"could not be checked ({lines[-1][:200]})", []


def read_report(report: dict, warnings: str) -> tuple[str, list[str]]:
    """Return what pip found; an older pip reports a yanked version only in a warning."""
    found = [
        (f"{each['metadata']['name']}=={each['metadata']['version']}", each) for each in report["install"]
    ]
    yanked = {name for name, each in found if each.get("is_yanked")}
    warned = re.findall(r"yanked version: '(\S+)' candidate \(version (\S+)", warnings)
    yanked |= {f"{name}=={number}" for name, number in warned}
    return f"{len(found)} found", [f"{each} was yanked" for each in sorted(yanked)]


def compare_installed(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Compare what is installed with the pins."""
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
            findings.append(f"{name} {found} is installed, {' or '.join(sorted(numbers))} is pinned")
    return f"{installed} of {len(wanted)} are installed", findings


def check_installed() -> tuple[str, list[str]]:
    """Check with ``pip check`` that the requirements of all installed packages are met."""
    checked = subprocess.run([*PIP, "check"], capture_output=True, text=True, check=False)
    lines = checked.stdout.strip().splitlines()
    return ("yes", []) if checked.returncode == 0 else (f"{len(lines)} are not met", lines)


def ask_advisories(pins: Iterable[str]) -> tuple[str, list[str]]:
    """Look up the pins with pip-audit."""
    skipped = "not looked up: no advisory service is reachable"
    if not PIP_AUDIT.exists():
        return "not looked up: pip-audit is not installed", []
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
        done = subprocess.run(
            [*command, "--requirement", str(wanted)], capture_output=True, text=True, check=False
        )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return skipped, []
    known = [each for each in packages if "skip_reason" not in each]
    if not known:
        return skipped, []
    findings = [
        f"{each['name']}=={each['version']}: {found['id']}, fixed in: {', '.join(found['fix_versions'])}"
        for each in known
        for found in each["vulns"]
    ]
    return f"{len(known)} of {len(packages)} looked up", findings


if __name__ == "__main__":
    sys.exit(main())
