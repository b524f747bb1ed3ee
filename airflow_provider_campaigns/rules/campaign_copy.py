"""Change one variant of a campaign's copy, and compare what a campaign shows with what was written.

Instantly passes HTML through a sanitiser and reorders lists, so equal values may be written differently.
Bodies are compared by meaning (:mod:`~airflow_provider_campaigns.rules.html`), lists of strings as sets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.values import shown

if TYPE_CHECKING:
    from airflow_provider_campaigns.rules.html_losses import Loss

_MAX_NAMED = 5
_LETTERS = 26
_HTML_PLACE = re.compile(r"sequences\[\d+\]\.steps\[\d+\]\.variants\[\d+\]\.body")
_SEQUENCE_PLACE = re.compile(
    r"sequences\[\d+\]\.steps\[(?P<step>\d+)\]"
    r"(?:\.variants\[(?P<variant>\d+)\](?:\.(?P<field>\S+))?|\.(?P<step_field>\S+))?"
)


def step_index(value: Any, name: str) -> int:
    """Return the index of a step: an index from 0, or ``"Step 2"`` as Instantly shows it.

    :raises ValueError: it is neither.
    """
    match = re.fullmatch(r"(?i)step\s*([0-9]{1,9})", value.strip()) if isinstance(value, str) else None
    return _index(int(match[1]) - 1 if match else value, name, "or 'Step 1' as in Instantly")


def variant_index(value: Any, name: str) -> int:
    """Return the index of a variant: an index from 0, or ``"B"`` as Instantly shows it.

    :raises ValueError: it is neither.
    """
    match = re.fullmatch(r"(?i)(?:variant\s*)?([a-z])", value.strip()) if isinstance(value, str) else None
    return _index(ord(match[1].upper()) - ord("A") if match else value, name, "or 'A' as in Instantly")


def variant_name(step: int, variant: int, steps: int) -> str:
    """Return how Instantly names a variant: ``step 2 of 3, variant B``."""
    return f"step {step + 1} of {steps}, variant {_letter(variant)}"


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
                f"one, or set enable_variant=True."
            )
        variants[variant]["v_disabled"] = False
    variants[variant].update(copy)
    return list(sequences), name


@dataclass(frozen=True)
class Shown:
    """How a campaign shows fields that were written.

    :param lost: what it does not show, in words; the update has failed.
    :param altered: bodies that it shows in another form, without their styles or comments for example.
    """

    lost: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


def differing(wanted: Mapping[str, Any], campaign: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted fields that a campaign does not show yet."""
    return {name: value for name, value in wanted.items() if not _same(campaign.get(name), value, name)}


def shown_of(written: Mapping[str, Any], campaign: Mapping[str, Any]) -> Shown:
    """Return what a campaign does not show, or shows in another form, of the written fields."""
    found = [each for name, value in written.items() for each in _problems(campaign.get(name), value, name)]
    return Shown(
        tuple(sorted(text for text, is_lost in found if is_lost)),
        tuple(sorted(text for text, is_lost in found if not is_lost)),
    )


def _same(found: Any, wanted: Any, place: str) -> bool:
    """Return whether a found value means the same as the wanted one."""
    return not any(_problems(found, wanted, place))


def _problems(found: Any, wanted: Any, place: str) -> Iterator[tuple[str, bool]]:
    """Yield where a found value differs from the wanted one, and whether something is lost there.

    An object may have more fields than the wanted one.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            yield from _problems(found.get(name), value, f"{place}.{name}")
    elif _is_list(wanted) and _is_list(found):
        yield from _list_problems(found, wanted, place)
    elif _HTML_PLACE.fullmatch(place) and isinstance(wanted, str) and isinstance(found, str):
        yield from _html_problems(found, wanted, place)
    elif isinstance(wanted, str) and isinstance(found, str):
        if _words(found) != _words(wanted):
            yield _readable(place), True
    elif not (found == wanted or (found is None and wanted == [])):
        yield _readable(place), True


def _list_problems(found: Sequence[Any], wanted: Sequence[Any], place: str) -> Iterator[tuple[str, bool]]:
    if all(isinstance(each, str) for each in wanted):
        if _as_set(found) != _as_set(wanted):
            yield _readable(place), True
    elif not place.startswith("sequences"):
        left = list(found)
        for value in wanted:
            same = next((each for each in left if _same(each, value, place)), None)
            if same is None:
                yield _readable(place), True
                return
            left.remove(same)
        if left:
            yield _readable(place), True
    elif len(found) != len(wanted):
        yield f"{_readable(place)}: {len(found)} instead of {len(wanted)}", True
    else:
        for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _problems(one, other, f"{place}[{at}]")


def _html_problems(found: str, wanted: str, place: str) -> Iterator[tuple[str, bool]]:
    # Imported here and below, because only a worker reads HTML.
    from airflow_provider_campaigns.rules.html import same_meaning
    from airflow_provider_campaigns.rules.html_losses import EMPTY_BODY, losses

    if same_meaning(wanted, found):
        return
    lost = [each for each in losses(wanted, found) if each.kind != "merge tag" or each.is_serious]
    # A merge tag that is shown, and was hidden, is not added.
    added = [each for each in losses(found, wanted) if each.before > each.after]
    if lost:
        hint = (
            " (Instantly drops text outside of elements)"
            if lost[-1].kind == "text" and not lost[-1].note and lost[0] != EMPTY_BODY
            else ""
        )
        yield f"{_readable(place)}: lost {_named(lost)}{hint}", True
    elif any(each.kind != "merge tag" or each.is_serious for each in added):
        yield f"{_readable(place)}: still holds {_named(added)}", True
    else:
        yield _readable(place), False


def _named(found: Sequence[Loss]) -> str:
    more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
    return "; ".join(map(str, found[:_MAX_NAMED])) + more


def _readable(place: str) -> str:
    """Return a place in the sequences as Instantly names it: ``step 2, variant B, body``."""
    match = _SEQUENCE_PLACE.fullmatch(place)
    if match is None:
        return re.sub(r"sequences\[\d+\]\.steps", "steps", place)
    step = f"step {int(match['step']) + 1}"
    if match["variant"] is None:
        return f"{step}, {match['step_field']}" if match["step_field"] else step
    variant = f"{step}, variant {_letter(int(match['variant']))}"
    return f"{variant}, {match['field']}" if match["field"] else variant


def _letter(variant: int) -> str:
    return chr(ord("A") + variant) if variant < _LETTERS else str(variant)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _as_set(values: Sequence[Any]) -> set[str]:
    return {" ".join(_words(str(each))).casefold() for each in values}


def _words(text: str) -> list[str]:
    from airflow_provider_campaigns.rules.merge_tags import INVISIBLE

    return INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split()


def _index(value: Any, name: str, also: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be an integer, counted from 0, {also}; got {shown(value)}.")
    return value


def _list_at(items: Any, position: int, field: str) -> list[Any]:
    """Return the list in a field of an item of a list; an empty list where there is none."""
    item = items[position] if isinstance(items, list) and position < len(items) else None
    found = item.get(field) if isinstance(item, dict) else None
    return found if isinstance(found, list) else []
