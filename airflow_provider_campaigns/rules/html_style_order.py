"""Which style declarations may be in another order without another display.

``margin-top:5px;margin:0`` is not ``margin:0;margin-top:5px``: the later one replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_MAX_DEPTH = 3
_SIDES = ("top", "right", "bottom", "left")
# Properties that another one does not set, though their names begin with its name; and the reverse.
_PATHS: dict[str, tuple[tuple[str, ...], ...]] = {
    **{
        name: ((name,),)
        for name in ("border-collapse", "border-radius", "border-spacing", "flex-direction", "flex-wrap")
    },
    **{
        f"border-{kind}": tuple(("border", side, kind) for side in _SIDES)
        for kind in ("color", "style", "width")
    },
    "line-height": (("font", "line-height"),),
}


def in_order(declarations: Iterable[tuple[str, str]]) -> frozenset[Any]:
    """Return style declarations in a form that is the same in every order that displays alike.

    :param declarations: the name and the whole text of each.
    """
    families: dict[str, list[_Group]] = {}
    for name, text in declarations:
        paths = _PATHS.get(name) or (tuple(name.split("-", _MAX_DEPTH)),)
        groups = families.setdefault(paths[0][0], [_Group()])
        if groups[-1].sets_one_of(paths):
            groups.append(_Group())
        groups[-1].add(paths, text)
    return frozenset(tuple(frozenset(group.texts) for group in groups) for groups in families.values())


class _Group:
    """Declarations of which none sets what another one sets."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._paths: set[tuple[str, ...]] = set()
        self._above: set[tuple[str, ...]] = set()

    def sets_one_of(self, paths: Iterable[tuple[str, ...]]) -> bool:
        """Return whether a declaration here and one of these properties replace each other."""
        return any(
            path in self._above or any(path[:end] in self._paths for end in range(len(path) + 1))
            for path in paths
        )

    def add(self, paths: Iterable[tuple[str, ...]], text: str) -> None:
        """Add a declaration."""
        self.texts.append(text)
        for path in paths:
            self._paths.add(path)
            self._above.update(path[:end] for end in range(len(path)))
