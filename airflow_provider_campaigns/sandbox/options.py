"""The options of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_campaigns.sandbox.habits import check_habits

# Two loops over the same campaign were reported 6 minutes and 32 seconds apart.
LOOP_SECONDS = 390.0
MIN_LOOP_SECONDS = 1.0
MAX_SECONDS = 1e9


@dataclass(frozen=True)
class Options:
    """The options of a sandbox.

    :param processing_seconds: how long a campaign is processing.
    :param credits: how many campaigns can be submitted.
    :param campaign_cleaner_key: the only accepted key; None accepts any key that is not empty.
    :param campaign_cleaner_key_status: HTTP status for a wrong key, which the vendor does not document.
    :param instantly_key: as for Campaign Cleaner.
    :param instantly_scopes: the scopes of Instantly's keys.
    :param unaccounted_leads: a habit of Instantly: addresses that it accepts, but neither adds nor counts.
    :param habits: the names of the habits that are on.
    :param loop_seconds: the time from one loop over Instantly's campaigns to the next, for the habits that
        need it.
    """

    processing_seconds: float = 3.0
    credits: int = 100
    campaign_cleaner_key: str | None = field(default=None, repr=False)
    campaign_cleaner_key_status: int = 401
    instantly_key: str | None = field(default=None, repr=False)
    instantly_scopes: tuple[str, ...] = ("all:all",)
    unaccounted_leads: tuple[str, ...] = ()
    habits: tuple[str, ...] = ()
    loop_seconds: float = LOOP_SECONDS

    def __post_init__(self) -> None:
        """Refuse unknown habits and a loop that is too short or too long.

        :raises ValueError: names the habit or the option.
        """
        check_habits(self.habits)
        if not MIN_LOOP_SECONDS <= self.loop_seconds <= MAX_SECONDS:
            raise ValueError(f"loop_seconds must be {MIN_LOOP_SECONDS:g} to {MAX_SECONDS:g}")
