"""One wait for many campaigns of Campaign Cleaner: their ids, how far they are, and when the wait ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.api.field_types import parsed
from airflow_provider_campaigns.api.values import id_of_number, shown
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    CampaignsFailedError,
    NotFoundError,
    RejectedError,
)

MAX_CAMPAIGNS = 10_000
ON_FAILURE_CHOICES = ("fail", "collect")
# How many campaigns a line of the log names.
_MAX_WAITING = 10
# How the text of a list or a tuple begins, and what an id of Campaign Cleaner does not contain.
_OPENING, _IN_A_LIST = ("[", "("), frozenset("[](){},'\"")
_ABOUT_ONE_CAMPAIGN = (NotFoundError, BadRequestError, RejectedError)


def one_or_many(
    value: Any, name: str, check: Callable[[Any, str], str], on_duplicates: Callable[[str], object]
) -> str | list[str]:
    """Return one id as it is, or a list with each of its ids once.

    :param value: an id, a list of ids, or the text to which a template renders a list.
    :param check: returns a valid id, given the value and what to call it.
    :param on_duplicates: called with a message if the list has an id more than once.
    :raises ValueError: an id is not valid, the list is empty or too long, or it is another collection, such
        as a set, or text that starts like a list but is not a valid one.
    """
    listed = _list_in(value, name)
    if listed is None:
        return check(_one(value, name), name)
    if not 1 <= len(listed) <= MAX_CAMPAIGNS:
        raise ValueError(f"{name} must have 1 to {MAX_CAMPAIGNS:,} ids, got a list of {len(listed):,}.")
    ids: dict[str, str] = {}
    for position, each in enumerate(listed):
        campaign_id = check(_one(each, f"{name}[{position}]"), f"{name}[{position}]")
        ids.setdefault(campaign_id.lower(), campaign_id)
    if len(ids) < len(listed):
        on_duplicates(f"{name} has {len(listed):,} ids, {len(ids):,} of them different; each counts once.")
    return list(ids.values())


def refuse_collecting_one(on_failure: str) -> None:
    """Refuse ``on_failure="collect"`` for one id, whose result would not be two lists.

    :raises ValueError: names the argument.
    """
    if on_failure == "collect":
        raise ValueError("on_failure='collect' is for a list of campaigns, but campaign_id is one id.")


def _list_in(value: Any, name: str) -> Sequence[Any] | None:
    found = parsed(value) if isinstance(value, str) and value.lstrip()[:1] in _OPENING else value
    if isinstance(found, (str, bytes, bytearray)) or not isinstance(found, Iterable):
        return None
    if not isinstance(found, Sequence):
        raise ValueError(f"{name} must be one id or a list of ids, got {shown(value)}: pass a list.")
    return list(found)


def _one(value: Any, name: str) -> Any:
    """Return a value that may be one id, as text: not text with the characters of a list."""
    if isinstance(value, str) and not _IN_A_LIST.isdisjoint(value):
        raise ValueError(
            f"{name} must be one id or a list of ids, got the text {shown(value)}, which is neither: pass a "
            f"list, or text that is a list in JSON or Python, with each id in quotes."
        )
    return id_of_number(value)


def by_position(ids: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each id in the short form in which it is stored: ``{"completed": "0-811,813"}``.

    :param ids: all ids of the wait, in its order.
    :param values: the status, or another value, of some of them.
    """
    positions: dict[str, list[int]] = {}
    for position, each in enumerate(ids):
        if each in values:
            positions.setdefault(values[each], []).append(position)
    return {value: ",".join(_ranges(found)) for value, found in positions.items()}


def _ranges(positions: Iterable[int]) -> Iterable[str]:
    # Positions that follow each other have the same distance from their own number.
    for _, run in groupby(enumerate(positions), lambda pair: pair[1] - pair[0]):
        found = [position for _, position in run]
        yield str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def by_id(ids: Sequence[str], stored: Mapping[str, str] | None) -> dict[str, str]:
    """Return the value of each id that :func:`by_position` stored."""
    values: dict[str, str] = {}
    for value, ranges in (stored or {}).items():
        for each in ranges.split(","):
            first, _, last = each.partition("-")
            values.update(dict.fromkeys(ids[int(first) : int(last or first) + 1], value))
    return values


def ended_by(error: ApiError | None) -> str | None:
    """Return the status of a campaign whose polls failed; None where the error is about the whole service."""
    return type(error).__name__ if isinstance(error, _ABOUT_ONE_CAMPAIGN) else None


@dataclass(frozen=True)
class Progress:
    """How far a wait for many campaigns has come. Its string is for messages.

    :param total: the number of campaigns.
    :param failed: the status of each campaign that ended without being completed, by id.
    :param waiting: the number of campaigns that have not ended.
    :param waiting_for: the first of them.
    :param not_polled: how many of them the list lacks and no request was about.
    """

    total: int
    failed: Mapping[str, str]
    waiting: int
    waiting_for: Sequence[str]
    not_polled: int = 0

    @classmethod
    def of(cls, ids: Collection[str], ended: Mapping[str, str], not_polled: int = 0) -> Progress:
        """Return the progress of campaigns.

        :param ended: the status of each campaign that has ended, by id.
        """
        completed = CampaignState.COMPLETED.value
        failed = {each: ended[each] for each in ids if ended.get(each, completed) != completed}
        waiting = [each for each in ids if each not in ended]
        return cls(len(ids), failed, len(waiting), waiting[:_MAX_WAITING], not_polled)

    @property
    def headline(self) -> str:
        """The counts: ``812 of 1,000 completed, 2 failed``."""
        completed = self.total - len(self.failed) - self.waiting
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        return f"{completed:,} of {self.total:,} completed{failed}"

    def __str__(self) -> str:
        waiting = f"; waiting for {_named(self.waiting_for, self.waiting)}" if self.waiting else ""
        return f"{self.headline}{waiting}"


@dataclass(frozen=True)
class CampaignsRule:
    """Waits until all campaigns are completed.

    :param on_failure: what a campaign that fails does: ``"fail"`` ends the wait, ``"collect"`` ends nothing.
    """

    on_failure: str

    def keeps_waiting(self, progress: Progress) -> bool:
        """Return whether a campaign has not ended, and none ends the wait."""
        return progress.waiting > 0 and not self._fails(progress)

    def check(self, progress: Progress) -> None:
        """Raise if a campaign failed, unless failures are collected.

        :raises CampaignsFailedError: names the campaigns and their statuses.
        """
        if self._fails(progress):
            failed = [f"{campaign_id} ({status})" for campaign_id, status in progress.failed.items()]
            not_polled = f" Not polled yet: {progress.not_polled:,}." if progress.not_polled else ""
            raise CampaignsFailedError(
                f"{progress.headline}: {', '.join(failed)}.{not_polled} Look at them "
                f"in Campaign Cleaner. With on_failure='collect' the wait goes on for the others."
            )

    def result(self, ids: Collection[str], progress: Progress) -> list[str] | dict[str, list[Any]]:
        """Return the ids; where failures are collected, the lists of the completed and the failed ones."""
        if self.on_failure == "fail":
            return list(ids)
        failed = progress.failed
        return {
            "completed": [each for each in ids if each not in failed],
            "failed": [{"campaign_id": each, "status": failed[each]} for each in ids if each in failed],
        }

    def _fails(self, progress: Progress) -> bool:
        return bool(progress.failed) and self.on_failure == "fail"


def _named(names: Sequence[str], count: int) -> str:
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return f"{', '.join(names)}{more}"
