"""A retry policy for the tasks of this provider, for Airflow 3.3 and later.

Set ``retry_policy=CampaignsRetryPolicy()`` on a task or in a Dag's ``default_args``, together with
``retries``.
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

# The longest delay between two tries, whatever the service asks for.
MAX_DELAY = timedelta(hours=6)


class CampaignsRetryPolicy(RetryPolicy):
    """Retries a task only after errors that a retry can resolve.

    - A final error (a bad key, a missing plan, a 404, a paused campaign) fails the task at once.
    - After a rate limit, the next try comes when the service allows it, at most six hours later.
    - For everything else, the task's own ``retries`` and ``retry_delay`` apply.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Return the decision for an error."""
        if isinstance(exception, RateLimitedError) and exception.retry_after:
            delay = timedelta(seconds=min(exception.retry_after, MAX_DELAY.total_seconds()))
            return RetryDecision.retry(delay, f"The service asks to wait {delay.total_seconds():g} s.")
        if isinstance(exception, CampaignsError) and exception.final:
            return RetryDecision.fail(f"{type(exception).__name__}: a retry cannot help.")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the policy as plain JSON values: it has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CampaignsRetryPolicy:
        """Return the policy."""
        return cls()
