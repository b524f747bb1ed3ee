"""The CPU time of Airflow's components, read from /proc."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_by_component(leaders: Mapping[str, int]) -> Counter[str]:
    """Return the CPU seconds of each component; those of the scheduler's children are the workers'.

    A process that has ended counts with the parent that waited for it.

    :param leaders: the process of each component, which leads its own session.
    """
    names = {pid: name for name, pid in leaders.items()}
    cpu: Counter[str] = Counter()
    for pid, session, own, of_children in _processes():
        if (name := names.get(session)) is None:
            continue
        is_worker = name == "scheduler" and pid != session
        cpu["workers" if is_worker else name] += own / _TICKS  # type: ignore[assignment]
        cpu["workers" if name == "scheduler" else name] += of_children / _TICKS  # type: ignore[assignment]
    return cpu


def _processes() -> Iterator[tuple[int, int, int, int]]:
    """Yield id, session, CPU ticks and those of its ended children, of every process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name is in brackets and can contain any character.
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        own, of_children = fields[11:13], fields[13:15]
        yield int(entry.name), int(fields[3]), sum(map(int, own)), sum(map(int, of_children))
