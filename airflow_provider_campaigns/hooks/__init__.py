"""Hooks: one method per call, with the credentials of an Airflow connection.

The rule of this package: no call is built and no response parsed here; that is in
:mod:`airflow_provider_campaigns.api`. Every method takes ``retry``, how often to send the request.
"""

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks import campaign_cleaner, instantly
else:
    __getattr__, __dir__ = lazy_names(
        __name__, {"campaign_cleaner": ["campaign_cleaner"], "instantly": ["instantly"]}
    )

__all__ = ["campaign_cleaner", "instantly"]
