"""Summarise the verdicts on many campaigns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus, SendingCode
from airflow_provider_campaigns.api.response import printable, text_or_none
from airflow_provider_campaigns.api.values import check_uuid
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError
from airflow_provider_campaigns.rules.gate_rules import Intent
from airflow_provider_campaigns.rules.send_gate import Verdict

# How many ids the XCom holds: Airflow maps over at most 1,024 by default ([core] max_map_length).
MAX_IDS = 1000
MAX_MESSAGES = 100
_CODES = frozenset(code.value for code in SendingCode)
# For other intents, a draft is no campaign yet: it would only be one more that needs a person.
_DRAFT_INTENTS = (Intent.ACTIVATE, Intent.EDIT)


def excluded_status(intent: str) -> LifecycleStatus | None:
    """Return the status of the campaigns that a report on a whole workspace leaves out."""
    return None if intent in _DRAFT_INTENTS else LifecycleStatus.DRAFT


def names_of(
    campaigns: Iterable[Mapping[str, Any]],
    *,
    wanted: Collection[str] | None = None,
    excluded: LifecycleStatus | None = None,
) -> dict[str, str | None]:
    """Return the names of listed campaigns by id; None where a campaign has none.

    Without ``wanted``, a campaign of which the id is no string gets its position in the list instead.

    :param wanted: only these ids, all of them in this order, and no more of the list than that takes.
    :param excluded: no campaign of this status.
    """
    missing = {each.lower(): each for each in wanted or ()}
    found: dict[str, str | None] = dict.fromkeys(wanted or ())
    for position, campaign in enumerate(campaigns, 1):
        campaign_id = text_or_none(campaign.get("id")) or f"item {position} of the list"
        name = text_or_none(campaign.get("name"))
        if wanted is None:
            if excluded is None or campaign.get("status") != excluded:
                found[campaign_id] = name
        elif campaign_id.lower() in missing:
            found[missing.pop(campaign_id.lower())] = name
            if not missing:
                break
    return found


@dataclass
class HealthReport:
    """The verdicts on campaigns. Its string is for the log.

    :param names: the names of the campaigns by id, in the order of the report.
    """

    names: Mapping[str, str | None]
    _results: dict[str, Verdict | ApiError] = field(default_factory=dict)
    _needs_person: int = 0
    _failed: int = 0

    def add(self, campaign_id: str, result: Verdict | ApiError) -> None:
        """Add a verdict, or the error of a campaign that could not be checked."""
        self._results[campaign_id] = result
        if isinstance(result, ApiError):
            self._failed += 1
        else:
            self._needs_person += result.needs_person

    def ids(self) -> list[str]:
        """Return the ids to check; a campaign of the list that has no valid one cannot be checked."""
        valid = list(filter(_is_uuid, self.names))
        for each in self.names.keys() - set(valid):
            self.add(each, MalformedResponseError("Its id in the list is not a UUID."))
        return valid

    @property
    def checked(self) -> int:
        """How many campaigns have a verdict or an error."""
        return len(self._results)

    def needs_person(self) -> list[str]:
        """Return the ids of the campaigns that need a person."""
        return [each for each, verdict in self.verdicts() if verdict.needs_person]

    def error_of_all(self) -> ApiError | None:
        """Return the error of the first campaign if none could be checked."""
        errors = [each for each in self._results.values() if isinstance(each, ApiError)]
        return errors[0] if errors and len(errors) == len(self.names) else None

    def messages(self) -> list[str]:
        """Return one line for each campaign that needs a person, then for each that could not be checked."""
        lines = [
            f"{self._title(each)}: {verdict.code or 'no status'}: {printable(verdict.message)}"
            for each, verdict in self.verdicts()
            if verdict.needs_person
        ]
        return lines + [
            f"{self._title(each)}: could not be checked: {printable(str(result))}"
            for each in self.names
            if isinstance(result := self._results.get(each), ApiError)
        ]

    def summary(self) -> dict[str, Any]:
        """Return the counts as plain JSON values, the most frequent first, and the first messages."""
        verdicts = [verdict for _, verdict in self.verdicts()]
        return {
            "campaigns": len(self.names),
            "needs_person": self._needs_person,
            "failed": self._failed,
            "dispositions": _counts(verdict.disposition.value for verdict in verdicts),
            "codes": _counts(_code_of(verdict) for verdict in verdicts),
            "messages": self.messages()[:MAX_MESSAGES],
        }

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield the line of each campaign in the report."""
        for campaign_id, name in self.names.items():
            row = {"campaign_id": campaign_id, "name": name}
            result = self._results[campaign_id]
            if isinstance(result, ApiError):
                yield {**row, "error": type(result).__name__, "message": str(result)}
            else:
                yield {**row, "needs_person": result.needs_person, **result.as_dict()}

    def verdicts(self) -> Iterable[tuple[str, Verdict]]:
        """Yield each campaign that has a verdict, in the order of the report."""
        for each in self.names:
            if isinstance(verdict := self._results.get(each), Verdict):
                yield each, verdict

    def _title(self, campaign_id: str) -> str:
        name = self.names[campaign_id]
        campaign_id = printable(campaign_id)  # it may be any text
        return f"{printable(name)} ({campaign_id})" if name else campaign_id

    def __str__(self) -> str:
        need = "needs" if self._needs_person == 1 else "need"
        failed = f", {self._failed:,} could not be checked" if self._failed else ""
        progress = f"{self.checked:,} of {len(self.names):,} campaigns"
        return f"{progress}: {self._needs_person:,} {need} a person{failed}"


def _is_uuid(campaign_id: str) -> bool:
    try:
        check_uuid(campaign_id, "id")
    except ValueError:
        return False
    return True


def _counts(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _code_of(verdict: Verdict) -> str:
    """Return a code as the metrics count it, so that there are few."""
    if verdict.code is None:
        return "none"
    return verdict.code if verdict.code in _CODES else "unknown"
