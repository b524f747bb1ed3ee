"""Change one variant of a campaign's copy, and compare what a campaign shows with what was written.

Instantly passes HTML through a sanitiser and reorders lists, so equal values may be written differently.
Bodies are compared by meaning (:mod:`~airflow_provider_campaigns.rules.html`), lists of strings as sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_campaigns.rules.html import losses, same_meaning

_HTML_FIELDS = frozenset({"body"})
_MAX_NAMED = 3


def step_index(value: Any, name: str) -> int:
    """Return the index of a step: an index from 0, or ``"Step 2"`` as Instantly shows it.

    :raises ValueError: it is neither.
    """
    match = re.fullmatch(r"(?i)step\s*(\d+)", value.strip()) if isinstance(value, str) else None
    return _index(int(match[1]) - 1 if match else value, name, "or 'Step 1' as in Instantly")


def variant_index(value: Any, name: str) -> int:
    """Return the index of a variant: an index from 0, or ``"B"`` as Instantly shows it.

    :raises ValueError: it is neither.
    """
    match = re.fullmatch(r"(?i)(?:variant\s*)?([a-z])", value.strip()) if isinstance(value, str) else None
    return _index(ord(match[1].upper()) - ord("A") if match else value, name, "or 'A' as in Instantly")


def variant_name(step: int, variant: int, steps: int) -> str:
    """Return how Instantly names a variant: ``step 2 of 3, variant B``."""
    letter = chr(ord("A") + variant) if variant < 26 else str(variant)  # noqa: PLR2004
    return f"step {step + 1} of {steps}, variant {letter}"


def change_variant(
    campaign: Mapping[str, Any], step: int, variant: int, copy: Mapping[str, str], *, enable: bool
) -> tuple[list[Any], str]:
    """Return a campaign's sequences with one variant changed, and the name of the variant.

    :param copy: the new ``body`` and ``subject``, as far as they change.
    :param enable: also enable a disabled variant.
    :raises ValueError: there is no such variant, or it is disabled.
    """
    sequences: Any = deepcopy(campaign.get("sequences"))
    steps = _list_at(sequences, 0, "steps")
    if step >= len(steps):
        raise ValueError(f"The campaign has no step {step}, counted from 0: it has {len(steps)}.")
    variants = _list_at(steps, step, "variants")
    if variant >= len(variants) or not isinstance(variants[variant], dict):
        raise ValueError(
            f"Step {step} of the campaign has no variant {variant}, counted from 0: it has {len(variants)}."
        )
    name = variant_name(step, variant, len(steps))
    if variants[variant].get("v_disabled") is True:
        if not enable:
            raise ValueError(
                f"The variant is disabled in Instantly ({name}), so its copy is never sent. Choose another "
                f"one, or set "
                f"enable_variant=True."
            )
        variants[variant]["v_disabled"] = False
    variants[variant].update(copy)
    return list(sequences), name


def differing(wanted: Mapping[str, Any], campaign: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted fields that a campaign does not show yet."""
    return {name: value for name, value in wanted.items() if not _same(campaign.get(name), value, name)}


def missing(written: Mapping[str, Any], campaign: Mapping[str, Any]) -> list[str]:
    """Return what a campaign does not show of the written fields, in words."""
    found = [each for name, value in written.items() for each in _lost(campaign.get(name), value, name)]
    return sorted(found)


def _same(found: Any, wanted: Any, name: str) -> bool:
    """Return whether a found value means the same as the wanted one; an object may have more fields."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _same(found.get(key), value, str(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, (list, tuple))
            and len(found) == len(wanted)
            and _same_items(found, wanted, name)
        )
    if isinstance(wanted, str) and isinstance(found, str):
        return same_meaning(found, wanted) if name in _HTML_FIELDS else found.split() == wanted.split()
    return bool(found == wanted)


def _same_items(found: Sequence[Any], wanted: Sequence[Any], name: str) -> bool:
    if _is_set(wanted):
        return _as_set(found) == _as_set(wanted)
    return all(_same(one, other, name) for one, other in zip(found, wanted, strict=True))


def _lost(found: Any, wanted: Any, place: str) -> list[str]:
    """Return where a found value lacks something of the wanted one."""
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [place]
        return [
            each for key, value in wanted.items() for each in _lost(found.get(key), value, f"{place}.{key}")
        ]
    if isinstance(wanted, (list, tuple)) and not _is_set(wanted):
        if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
            return [place]
        pairs = enumerate(zip(found, wanted, strict=True))
        return [each for at, (one, other) in pairs for each in _lost(one, other, f"{place}[{at}]")]
    name = place.rpartition(".")[2]
    if name in _HTML_FIELDS and isinstance(found, str) and isinstance(wanted, str):
        gone = losses(wanted, found)
        shown = "; ".join(map(str, gone[:_MAX_NAMED]))
        return [f"{_readable(place)}: lost {shown}"] if gone else []
    return [] if _same(found, wanted, name) else [_readable(place)]


def _readable(place: str) -> str:
    """Return a place in the sequences as Instantly names it."""
    match = re.fullmatch(r"sequences\[\d+\]\.steps\[(\d+)\]\.variants\[(\d+)\]\.(\w+)", place)
    if not match:
        return place
    letter = chr(ord("A") + int(match[2]) % 26)
    return f"step {int(match[1]) + 1}, variant {letter}, {match[3]}"


def _is_set(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(each, str) for each in values)


def _as_set(values: Sequence[Any]) -> set[str]:
    return {str(each).strip().casefold() for each in values}


def _index(value: Any, name: str, also: str) -> int:
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be an integer, counted from 0, {also}; got {value!r}.")
    return value


def _list_at(items: Any, position: int, field: str) -> list[Any]:
    """Return the list in a field of an item of a list; an empty list where there is none."""
    item = items[position] if isinstance(items, list) and position < len(items) else None
    found = item.get(field) if isinstance(item, dict) else None
    return found if isinstance(found, list) else []
