"""What an operator that waits in the triggerer tells when nobody ends its wait."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, BaseOperator

from airflow_provider_campaigns.hooks._service import ServiceHook
from airflow_provider_campaigns.triggers._waiting import is_backstop

if TYPE_CHECKING:
    from airflow.sdk import Context


class DeferringOperator(BaseOperator):
    """Base of the operators that may wait in the triggerer."""

    # What is raised where time is up.
    timeout_error: type[AirflowSensorTimeout] = AirflowSensorTimeout

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is waited for, in words: "Campaign 17"."""

    @property
    @abstractmethod
    def _hook(self) -> ServiceHook:
        """The hook on the connection that the wait uses."""

    def count_end(self, ending: str) -> None:
        """Count a wait that did not come back as an event: ``timed_out``, or ``failed`` in the triggerer."""
        self._hook.metrics.wait_ended(ending)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Tell a deferral that outlived its deadline as what it is: a wait that ran out of time."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except Exception as error:
            if is_backstop(error):
                self.count_end("timed_out")
                raise self.timeout_error(
                    f"{self.subject}: the triggerer did not end the wait in time. Is one running?"
                ) from error
            if type(error).__name__ == "TaskDeferralError":
                self.count_end("failed")
            raise
