"""How far an upload of leads has come, and what the service did with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_campaigns.api.instantly import AddedLeads

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


@dataclass
class UploadProgress:
    """How far an upload has come.

    :param campaign_id: the campaign.
    :param fingerprint: of all leads.
    :param leads: how many leads there are.
    :param done: how many of them the service has accounted for.
    :param counts: what the service did with these, by its own field names.
    :param remaining_in_plan: how many more leads the plan allows; None where the service does not say.
    """

    campaign_id: str
    fingerprint: str
    leads: int
    done: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    remaining_in_plan: int | None = None

    @classmethod
    def from_dict(cls, stored: Any) -> UploadProgress | None:
        """Return the progress that :meth:`as_dict` stored; None where there is none in this format."""
        try:
            return cls(**stored)
        except TypeError:
            return None

    def count(self, added: AddedLeads, batch: int) -> int:
        """Add the counts of a batch; return how many of its leads the service does not account for.

        A batch with such leads is not done: the next try sends it again.
        """
        accounted: int = sum(getattr(added, name) for name in _COUNTS if name != "total_sent")
        unaccounted = max(batch - accounted, 0)
        if not unaccounted:
            self.done += batch
        self.counts = {name: before + getattr(added, name) for name, before in self.counts.items()}
        self.remaining_in_plan = added.remaining_in_plan
        return unaccounted

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values, for the task's state store."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return the XCom of the upload, as plain JSON values."""
        return {
            "campaign_id": self.campaign_id,
            "complete": self.done >= self.leads,
            "leads": self.leads,
            **self.counts,
            "remaining_in_plan": self.remaining_in_plan,
        }

    def __str__(self) -> str:
        return f"{self.done:,} of {self.leads:,} leads sent, {self.counts['leads_uploaded']:,} of them new"
