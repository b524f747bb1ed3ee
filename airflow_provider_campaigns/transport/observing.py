"""What a transport tells to whoever keeps count."""

from __future__ import annotations

from airflow_provider_campaigns.exceptions import ApiError


class Observer:
    """Is told what a transport does, and keeps no count; one that does overrides what it wants to know."""

    def request(self, error: ApiError | None) -> None:
        """Hear that a request has ended: with an answer, or in an error."""

    def retry(self) -> None:
        """Hear that a request that failed will be sent again."""


NOBODY = Observer()
