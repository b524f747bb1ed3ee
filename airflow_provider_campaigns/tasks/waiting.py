"""One wait of a task: the same on a worker and in the triggerer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow_provider_campaigns.airflow_compat import AirflowSensorTimeout
from airflow_provider_campaigns.exceptions import DeadlineExceededError
from airflow_provider_campaigns.rules.polling import Polling
from airflow_provider_campaigns.waits.events import PollResult, result_of_event
from airflow_provider_campaigns.waits.worker import Pause, poll_until, poll_with_retries

if TYPE_CHECKING:
    from airflow_provider_campaigns.metrics import Metrics


class StatusRule(Protocol):
    """What the statuses of one kind of wait mean."""

    def keeps_waiting(self, status: Any) -> bool:
        """Return whether the wait goes on."""

    def check(self, status: Any) -> None:
        """Raise unless a status is the one that the wait is for."""


@dataclass(frozen=True)
class Wait:
    """A wait for a status.

    :param subject: what the wait is about, as messages name it: ``Campaign 17``.
    :param goal: what the wait is for: ``completed``.
    :param rule: what each status means.
    :param fetch: polls once and returns the status.
    :param polling: the interval, the deadline and how many failures the wait survives.
    :param timeout: the seconds that the wait may take, named in the error of a timeout.
    :param advice: what to do after a timeout.
    :param metrics: counts the polls.
    """

    subject: str
    goal: str
    rule: StatusRule
    fetch: Callable[[], Any]
    polling: Polling
    timeout: float
    advice: str
    metrics: Metrics

    def poll(self, pause: Pause | None = None, failures: int = 0) -> PollResult:
        """Poll once, surviving single failures.

        :param pause: what to do after a failed poll; sleeps by default.
        :param failures: how many polls in a row have failed before.
        :raises AirflowSensorTimeout: the wait timed out before the service responded.
        """
        try:
            return poll_with_retries(
                self._poll_once, self.polling, self.metrics, pause=pause, failures=failures
            )
        except DeadlineExceededError as error:
            self.time_out(error.status, str(error.error) if error.error else None)

    def run(self, pause: Pause | None = None) -> Any:
        """Poll until the wait ends well, and return the last status.

        :param pause: what to do between two polls; sleeps by default.
        :raises AirflowSensorTimeout: the wait timed out.
        :raises CampaignsError: a poll failed finally, or the status is a bad one.
        """
        try:
            status = poll_until(self._poll_once, self.polling, self.metrics, pause=pause)
        except DeadlineExceededError as error:
            self.time_out(error.status, str(error.error) if error.error else None)
        self.rule.check(status)
        return status

    def result_of(self, event: Mapping[str, Any]) -> Any:
        """Return the status with which the trigger's wait ended well; raises what :meth:`run` raises."""
        status = result_of_event(event, self.time_out)
        self.rule.check(status)
        return status

    def time_out(self, status: Any, error: str | None = None) -> NoReturn:
        """Raise the error of a timeout.

        :param status: the last status; None where no poll succeeded.
        :param error: the message of the last poll's error, if it failed.
        """
        raise AirflowSensorTimeout(
            f"{self.subject} was not {self.goal} within {self.timeout:g} s. "
            f"Last status: {status or 'unknown'}."
            + (f" The last poll failed: {error}" if error else "")
            + f" {self.advice}"
        )

    def _poll_once(self) -> PollResult:
        status = self.fetch()
        return PollResult(status, is_final=not self.rule.keeps_waiting(status))
