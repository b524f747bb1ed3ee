"""What a transport reports to an object that counts."""

from __future__ import annotations

from airflow_provider_campaigns.exceptions import ApiError


class Observer:
    """Receives what a transport does; the base class ignores it."""

    def request(self, error: ApiError | None) -> None:
        """Handle the end of a request: a response, or an error."""

    def retry(self) -> None:
        """Handle a failed request that will be sent again."""


NULL_OBSERVER = Observer()
