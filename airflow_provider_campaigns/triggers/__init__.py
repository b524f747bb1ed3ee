"""Triggers: waits in the triggerer.

The rule of this package: class paths and arguments are stored in users' databases. A released path stays
importable, and a new argument has a default.
"""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.triggers import campaign_cleaner, instantly
else:
    __getattr__, __dir__ = lazy_names(
        __name__, {"campaign_cleaner": ["campaign_cleaner"], "instantly": ["instantly"]}
    )

__all__ = ["campaign_cleaner", "instantly"]
