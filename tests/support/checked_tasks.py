"""Tasks of the simulated Airflow that check themselves: a wait against the reference model, and a submission.

Gates are in :mod:`tests.support.checked_gate`.

A wait that has an account to itself is checked poll by poll. Waits that share an account get the results of
each other's polls: in the triggerer, they are checked for when and why they end, and for their request rate.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.support.fake_airflow import Store, TaskInstance
from tests.support.fake_services import LIMIT, SHARED, Result
from tests.support.gate_model import WAITING
from tests.support.reference_model import (
    DEFERRAL_GRACE,
    FINAL_STATUSES,
    MAX_DELAY,
    TIMED_OUT,
    TOLERANCE,
    WaitModel,
    outcome_of_status,
)
from tests.support.simulated_airflow import SimulatedAirflow
from tests.support.simulated_network import Exchange
from tests.support.simulation import Loop

MAX_TASKS = 7


class WaitingTask:
    """A sensor or a gate, with the model of what is guaranteed.

    :ivar alone: whether it has its account to itself.
    :ivar in_process_since: when it came to its present process, on the steady clock.
    :ivar event_outcome: the outcome in the trigger's event, until a worker resumes the task.
    """

    is_submission = False
    is_gate = False

    def __init__(
        self, airflow: SimulatedAirflow, port: int, campaign_id: str, timeout: float, **arguments: Any
    ) -> None:
        self.airflow, self.port, self.campaign_id, self.arguments = airflow, port, campaign_id, arguments
        self.alone, self.timeout = port not in SHARED, timeout
        self.started_at = airflow.now
        self.event_outcome: str | None = None
        self.outcome: str | None = None
        self.model = self._model_class()(
            arguments["poke_interval"], self.started_at + timeout, arguments["max_failures"]
        )
        self._enter_process(in_triggerer=False)
        self.model.start(airflow.now)

    def __repr__(self) -> str:
        return f"{type(self).__name__} on {self.port} for {self.timeout} s, {self.arguments}"

    def operator(self) -> Any:
        """Return the operator, as a new process creates it."""
        raise NotImplementedError

    @property
    def common_arguments(self) -> dict[str, Any]:
        return {"task_id": "wait", "campaign_id": self.campaign_id, **self.arguments}

    @property
    def conn_id(self) -> str:
        return f"model_{self.port}"

    @property
    def seconds_left(self) -> float:
        return self.model.deadline - self.airflow.now

    def _model_class(self) -> type[WaitModel]:
        return WaitModel

    def _enter_process(self, *, in_triggerer: bool) -> None:
        self.event_outcome, self.in_triggerer = None, in_triggerer
        self.in_process_since = self.airflow.simulation.clock.now

    def _outcome_of(self, result: Result) -> str:
        """Return what a response means for this wait, in its present process."""
        raise NotImplementedError

    # What happens to it.

    def on_poll(self) -> None:
        assert self.outcome is None, f"{self} polls after its end"
        self.model.on_poll(self.airflow.now)

    def on_result(self, exchange: Exchange) -> None:
        if isinstance(exchange.client, Loop) == self.in_triggerer and self.model.expected == WAITING:
            self._check_result(exchange)  # else it has gone to another process since

    def _check_result(self, exchange: Exchange) -> None:
        if exchange.result.fault is None:
            self.model.on_response(self._outcome_of(exchange.result), self.airflow.now)
        else:
            self._fail(exchange.result)

    def _fail(self, result: Result) -> None:
        fault, now = result.fault, self.airflow.now
        assert fault is not None
        retry_after = max(result.retry_at - now, 0.0)
        self.model.on_failure(fault.error, now, final=fault.final, retry_after=retry_after)

    def on_deferral(self) -> None:
        self._enter_process(in_triggerer=True)
        self.model.defer(self.airflow.now)

    def on_new_triggerer(self) -> None:
        self._enter_process(in_triggerer=True)
        self.model.start_in_triggerer(self.airflow.now)

    def on_deferral_timeout(self) -> None:
        self.event_outcome, self.in_triggerer = TIMED_OUT, False
        self.model.expected = TIMED_OUT
        left = self.seconds_left
        assert left < TOLERANCE, f"{self}: Airflow's own timeout ended it {left} s early"

    def on_event(self, event: dict[str, Any]) -> None:
        """Check the event of the trigger."""
        outcomes = {"done": FINAL_STATUSES, "timed_out": {TIMED_OUT}}.get(event["outcome"])
        outcomes = outcomes or {event["error"]["class"]}
        assert abs(event["deadline"] - self.model.deadline) < TOLERANCE, f"{self}: another deadline"
        if not self.alone and TIMED_OUT not in outcomes:
            self.model.expected = self._shared_outcome(outcomes, event)
        expected, now = self.model.expected, self.airflow.now
        self.event_outcome = TIMED_OUT if TIMED_OUT in outcomes else expected
        message = f"{self}: {event} {self.seconds_left} s early, must be: {expected}"
        assert self.event_outcome in outcomes, message
        assert self.model.may_end(self.event_outcome, now), message

    def _shared_outcome(self, outcomes: set[str], event: dict[str, Any]) -> str:
        """Find an event's outcome among the results of this triggerer since the wait is in it."""
        exchanges = [each for each in self.airflow.services.exchanges if each.port == self.port]
        results = [
            each.result
            for each in exchanges
            if isinstance(each.client, Loop)
            and each.started_at >= self.in_process_since
            and each.ended_at is not None
        ]
        if outcomes is FINAL_STATUSES:
            status = self._status_in(event)
            same = [
                each
                for each in results
                if self.campaign_id in each.statuses and status == each.status_of(self.campaign_id)
            ]
            return next((found for each in same if (found := self._outcome_of(each)) != WAITING), WAITING)
        faults = [each.fault for each in results if each.fault is not None]
        is_final = any(each.final and each.error in outcomes for each in faults)
        failures = self.model.failures_before + len(faults)
        is_enough = is_final or failures >= self.arguments["max_failures"]
        return next((each.error for each in faults if is_enough and each.error in outcomes), WAITING)

    def _status_in(self, event: dict[str, Any]) -> Any:
        return event["status"]

    def on_resume(self) -> None:
        """Go on, on a worker, after the trigger's event."""
        self.model.expected, self.in_triggerer = str(self.event_outcome), False

    def on_end(self, outcome: str) -> None:
        """Check the end of the task."""
        assert self.outcome is None, f"{self} ended twice: {self.outcome}, {outcome}"
        message = f"{self} ended: {outcome}, must be: {self.model.expected}; {self.seconds_left} s left"
        assert self.model.may_end(outcome, self.airflow.now), message
        self.outcome = outcome

    def check(self) -> None:
        """Check a wait while nothing is left to do at this time."""
        if self.outcome is not None:
            return
        if self.in_triggerer and (self.event_outcome or self.airflow.triggerer_is_down):
            in_time = self.seconds_left > -DEFERRAL_GRACE - TOLERANCE
            assert in_time, f"{self}: Airflow's own timeout did not end it"
        elif self.in_triggerer and not self.alone:
            in_time = self.airflow.now <= self.model.ends_by + TOLERANCE
            assert in_time, f"{self}: the trigger's timer did not end it"
        else:
            max_delay = MAX_DELAY if self.alone else MAX_TASKS / LIMIT
            violation = self.model.violation(self.airflow.now, max_delay=max_delay)
            assert violation is None, f"{self} {violation}"


class SensorTask(WaitingTask):
    """A sensor."""

    def operator(self) -> CampaignCleanerCampaignSensor:
        return CampaignCleanerCampaignSensor(
            campaign_cleaner_conn_id=self.conn_id, timeout=self.timeout, **self.common_arguments
        )

    def _outcome_of(self, result: Result) -> str:
        return outcome_of_status(result.statuses[self.campaign_id], paused=self.arguments["paused"])


class SubmittingTask:
    """A task that submits a campaign, and is retried by Airflow until it succeeds."""

    alone = True
    is_submission = True

    def __init__(self, airflow: SimulatedAirflow, port: int, *, has_store: bool) -> None:
        self.airflow, self.port = airflow, port
        self.store: dict[str, Any] | None = {} if has_store else None
        self.tries = 0
        self.outcome: str | None = None

    def run_try(self) -> str:
        """Run the task once, and return the id of the campaign."""
        self.tries += 1
        context: dict[str, Any] = {"ti": TaskInstance(task_id="submit", try_number=self.tries, max_tries=5)}
        if self.store is not None:
            context["task_state_store"] = Store(self.store)
        task = CampaignCleanerSubmitCampaignOperator(
            task_id="submit",
            campaign_html="<p>",
            campaign_name="launch",
            campaign_cleaner_conn_id=f"model_{self.port}",
        )
        return task.execute(context)  # type: ignore[arg-type]

    def on_poll(self) -> None:
        assert self.outcome is None

    def on_result(self, exchange: Exchange) -> None:
        submitted = self.airflow.services.accounts[self.port].submitted
        assert len(submitted) <= 1, f"submitted twice: {submitted}"

    def on_end(self, outcome: str) -> None:
        assert self.outcome is None
        assert outcome in self.airflow.services.accounts[self.port].submitted, "an unknown id"
        self.outcome = outcome

    def check(self) -> None:
        pass
