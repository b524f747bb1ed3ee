"""A retry policy for the tasks of this provider, for Airflow 3.3 and later.

``retry_policy=CampaignsRetryPolicy()`` on a task, or in a Dag's ``default_args``, with ``retries`` as usual.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as error:  # Airflow before 3.3
    raise ImportError(
        "Retry policies need Airflow 3.3 or later; use retries and retry_delay here."
    ) from error

from airflow_provider_campaigns.exceptions import CampaignsError, RateLimitedError

if TYPE_CHECKING:
    from airflow.sdk import Context

# What a service may ask to be left alone; a retry that is to come later than this is a matter for a person.
LONGEST_DELAY = timedelta(hours=6)


class CampaignsRetryPolicy(RetryPolicy):
    """Retries what a retry can heal.

    - A final error (a bad key, a missing plan, a 404, a campaign that is paused) fails the task at once.
    - A rate limit is retried when the service asked to be asked again, up to six hours later.
    - Everything else is left to the task's own ``retries`` and ``retry_delay``.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide by what failed."""
        if isinstance(exception, RateLimitedError) and exception.retry_after:
            delay = timedelta(seconds=min(exception.retry_after, LONGEST_DELAY.total_seconds()))
            return RetryDecision.retry(delay, f"The service asked for {delay.total_seconds():g} s of rest.")
        if isinstance(exception, CampaignsError) and exception.final:
            return RetryDecision.fail(f"{type(exception).__name__}: no retry can help.")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the policy as plain JSON values: it has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CampaignsRetryPolicy:
        """Return the policy."""
        return cls()
