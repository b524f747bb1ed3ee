"""How far an upload of leads has come, and what the service did with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_campaigns.api.instantly import AddedLeads
from airflow_provider_campaigns.exceptions import LeadsUnaccountedError

_COUNTS = (
    "total_sent",
    "leads_uploaded",
    "duplicated_leads",
    "skipped_count",
    "in_blocklist",
    "invalid_email_count",
    "incomplete_count",
    "duplicate_email_count",
)
_MAX_NAMED = 10


@dataclass
class UploadProgress:
    """How far an upload has come.

    :param campaign_id: the campaign.
    :param fingerprint: of all leads.
    :param leads: how many leads there are.
    :param done: how many of them were uploaded, from the first one on.
    :param counts: what the service did with these, by its own field names.
    :param remaining_in_plan: how many more leads the plan allows; None where the service does not say.
    :param unaccounted: how many of the uploaded leads are in none of the service's counts.
    :param unaccounted_leads: the numbers of the first ten of these, from 1; fewer where the response does not
        show which ones they are.
    """

    campaign_id: str
    fingerprint: str
    leads: int
    done: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    remaining_in_plan: int | None = None
    unaccounted: int = 0
    unaccounted_leads: list[int] = field(default_factory=list)

    @classmethod
    def from_dict(cls, stored: Any) -> UploadProgress | None:
        """Return the progress that :meth:`as_dict` stored; None where there is none in this format."""
        try:
            return cls(**stored)
        except TypeError:
            return None

    def count(self, added: AddedLeads, batch: int) -> int:
        """Add the counts of a batch, and return how many of its leads a full plan kept out.

        A batch with such leads is not done: the next try uploads it again. Where the plan has room, or the
        service does not say, leads that the service does not account for never block the leads after them.
        """
        accounted: int = sum(getattr(added, name) for name in _COUNTS if name != "total_sent")
        unaccounted = max(batch - accounted, 0)
        self.counts = {name: before + getattr(added, name) for name, before in self.counts.items()}
        self.remaining_in_plan = added.remaining_in_plan
        if unaccounted and added.remaining_in_plan == 0:
            return unaccounted
        if unaccounted:
            created = {each.get("index") for each in added.created_leads}
            missing = [self.done + index + 1 for index in range(batch) if index not in created]
            if len(missing) == unaccounted:  # otherwise some of them are counted as something else
                self.unaccounted_leads = (self.unaccounted_leads + missing)[:_MAX_NAMED]
            self.unaccounted += unaccounted
        self.done += batch
        return 0

    @property
    def complete(self) -> bool:
        """Whether all leads were uploaded and accounted for."""
        return self.done >= self.leads and not self.unaccounted

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values, for the task's state store."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return the XCom of the upload, as plain JSON values."""
        unaccounted = {"unaccounted": self.unaccounted, "unaccounted_leads": self.unaccounted_leads}
        return {
            "campaign_id": self.campaign_id,
            "complete": self.complete,
            "leads": self.leads,
            **self.counts,
            "remaining_in_plan": self.remaining_in_plan,
            **(unaccounted if self.unaccounted else {}),
        }

    def check_room(self, kept_out: int) -> None:
        """End the upload where the plan is full.

        :param kept_out: what :meth:`count` returned.
        :raises LeadsUnaccountedError: there are such leads.
        """
        if kept_out:
            raise LeadsUnaccountedError(
                f"Instantly does not account for {kept_out:,} leads of a batch, because the plan is full. "
                f"Leads left in the plan: 0. Make room, then run the task again: it continues at this "
                f"batch, and leaves out what the campaign already has. {self}."
            )

    def check_accounted(self) -> None:
        """End an upload of which the service does not account for every lead.

        :raises LeadsUnaccountedError: names the numbers of these leads, as far as they are known.
        """
        if not self.unaccounted:
            return
        more = self.unaccounted - len(self.unaccounted_leads)
        numbers = ", ".join(f"{number:,}" for number in self.unaccounted_leads)
        which = f" (number {numbers}{f' and {more:,} more' if more else ''})" if numbers else ""
        raise LeadsUnaccountedError(
            f"Instantly does not account for {self.unaccounted:,} of {self.leads:,} leads{which}. All others "
            f"are uploaded. Search for these in Instantly: add them there, or mark the task as success. A "
            f"retry uploads nothing twice, and reports them again. {self}."
        )

    def __str__(self) -> str:
        added = self.counts["leads_uploaded"]
        unaccounted = f", {self.unaccounted:,} unaccounted for" if self.unaccounted else ""
        return f"{self.done:,} of {self.leads:,} leads uploaded, {added:,} added{unaccounted}"
