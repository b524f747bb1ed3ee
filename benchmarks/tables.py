"""Tables in Markdown, and limits with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A limit, and the measured value."""

    what: str
    limit: str
    measured: str
    met: bool

    @classmethod
    def at_most(cls, what: str, limit: float, measured: float, unit: str = "") -> Limit:
        """Return a limit for a value that must be small."""
        return cls(what, f"at most {limit:,g}{unit}", f"{measured:,.4g}{unit}", measured <= limit)

    @classmethod
    def at_least(cls, what: str, limit: float, measured: float) -> Limit:
        """Return a limit for a ratio that must be large."""
        return cls(what, f"at least {limit:,g} times", f"{measured:,.4g} times", measured >= limit)


def ratio(one: float, other: float) -> float:
    """Return one value divided by another; infinity where that is zero."""
    return one / other if other > 0 else float("inf")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
