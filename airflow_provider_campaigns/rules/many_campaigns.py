"""One wait for many campaigns of Campaign Cleaner: their ids, how far they are, and when the wait ends."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    CampaignsFailedError,
    NotFoundError,
    RejectedError,
)

MAX_CAMPAIGNS = 10_000
ON_FAILURE_CHOICES = ("fail", "collect")
# How many campaigns a message names.
_MAX_FAILED, _MAX_WAITING = 100, 10
_ABOUT_ONE_CAMPAIGN = (NotFoundError, BadRequestError, RejectedError)


def one_or_many(
    value: Any, name: str, check: Callable[[Any, str], str], on_duplicates: Callable[[str], object]
) -> str | list[str]:
    """Return one id as it is, or a list with each of its ids once.

    :param value: an id, a list of ids, or the text to which a template renders a list.
    :param check: returns a valid id, given the value and what to call it.
    :param on_duplicates: called with a message if the list has an id more than once.
    :raises ValueError: an id is not valid, or the list is empty or too long.
    """
    listed = _list_in(value)
    if listed is None:
        return check(value, name)
    if not 1 <= len(listed) <= MAX_CAMPAIGNS:
        raise ValueError(f"{name} must have 1 to {MAX_CAMPAIGNS:,} ids, got a list of {len(listed):,}.")
    ids: dict[str, str] = {}
    for position, each in enumerate(listed):
        campaign_id = check(each, f"{name}[{position}]")
        ids.setdefault(campaign_id.lower(), campaign_id)
    if len(ids) < len(listed):
        on_duplicates(f"{name} has {len(listed):,} ids, {len(ids):,} of them different; each counts once.")
    return list(ids.values())


def _list_in(value: Any) -> Sequence[Any] | None:
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return None
        for parse in (json.loads, ast.literal_eval):
            try:
                value = parse(value)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return None
    return value[:]  # one request for all XComs of a mapped task


def ended_by(error: ApiError | None) -> str | None:
    """Return the status of a campaign whose polls failed; None where the error is about more than it."""
    return type(error).__name__ if isinstance(error, _ABOUT_ONE_CAMPAIGN) else None


@dataclass(frozen=True)
class Progress:
    """How far a wait for many campaigns has come. Its string is for messages.

    :param total: the number of campaigns.
    :param failed: the status of each campaign that ended without being completed, by id.
    :param waiting: the number of campaigns that have not ended.
    :param waiting_for: the first of them.
    """

    total: int
    failed: Mapping[str, str]
    waiting: int
    waiting_for: Sequence[str]

    @classmethod
    def of(cls, ids: Collection[str], ended: Mapping[str, str]) -> Progress:
        """Return the progress of campaigns.

        :param ended: the status of each campaign that has ended, by id.
        """
        completed = CampaignState.COMPLETED.value
        failed = {each: ended[each] for each in ids if ended.get(each, completed) != completed}
        waiting = [each for each in ids if each not in ended]
        return cls(len(ids), failed, len(waiting), waiting[:_MAX_WAITING])

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
            raise CampaignsFailedError(
                f"{progress.headline}: {_named(failed[:_MAX_FAILED], len(failed))}. Look at them in Campaign "
                f"Cleaner. With on_failure='collect' the wait goes on for the others."
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
