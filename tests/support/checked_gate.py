"""A send gate of the simulated Airflow that checks itself against the reference model."""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from tests.support.checked_tasks import WaitingTask
from tests.support.fake_services import Result
from tests.support.gate_model import CLOSED, DRAFT, MAY_CLOSE, MAY_OPEN, OPENED, WAITING, Campaign, Gate
from tests.support.reference_model import FINAL_STATUSES, TIMED_OUT, SinglePollModel, WaitModel
from tests.support.simulated_network import Exchange
from tests.support.simulation import Worker

# The sending status was refused, as Instantly does for a draft: the campaign itself says whether it is one.
MAY_BE_DRAFT = "may be a draft"


class GateTask(WaitingTask):
    """A send gate. A poll on a worker has a second request where the campaign itself decides.

    :ivar depends: how the poll depends on the campaign that it reads now; None where it does not.
    :ivar status: the last sending status that it received or was refused.
    :ivar campaign: the campaign that it read after that status.
    """

    is_gate = True

    def __init__(self, *args: Any, **arguments: Any) -> None:
        self.depends: str | None = None
        self.status: Exchange | None = None
        self.campaign: Exchange | None = None
        super().__init__(*args, **arguments)
        self.gate = Gate(*(self.arguments[name] for name in ("intent", "policy", "max_status_age")))

    def operator(self) -> InstantlySendGateOperator:
        return InstantlySendGateOperator(
            instantly_conn_id=self.conn_id, wait_timeout=self.timeout, **self.common_arguments
        )

    def _model_class(self) -> type[WaitModel]:
        return WaitModel if self.timeout else SinglePollModel

    def _enter_process(self, *, in_triggerer: bool) -> None:
        super()._enter_process(in_triggerer=in_triggerer)
        self.depends = None

    def _outcome_of(self, result: Result) -> str:
        outcome = self._verdict(result)
        return WAITING if self.in_triggerer and outcome == MAY_CLOSE else outcome

    def _verdict(self, result: Result, campaign: Campaign | None = None) -> str:
        """Return what a sending status means, and the campaign that was read after it."""
        code = "campaign_draft" if result.fault else result.status_of(self.campaign_id)
        age = None if result.updated_at is None else self.airflow.now - result.updated_at
        return self.gate.outcome(code, age, campaign)

    def _next_poll_at(self, result: Result) -> float:
        """Return when polling again is worthwhile according to a sending status."""
        status, now = result.statuses.get(self.campaign_id), self.airflow.now
        if status is None or status.code != "follow_up_delay_not_met" or not status.due:
            return now
        return min(now if result.updated_at is None else result.updated_at, now) + float(status.due)

    def _check_result(self, exchange: Exchange) -> None:
        if exchange.request is not None:  # else it did not connect
            reads_campaign = not exchange.request.path.endswith("/sending-status")
            assert reads_campaign == (self.depends is not None), f"{self} reads {exchange.request.path}"
        if self.depends is not None:
            self._check_campaign(exchange, self.depends)
            return
        self.status, self.campaign = exchange, None
        result, fault, now = exchange.result, exchange.result.fault, self.airflow.now
        if fault is None:
            outcome = self._outcome_of(result)
            if outcome in {MAY_OPEN, MAY_CLOSE} and not self.in_triggerer:
                self._go_on(outcome)
            else:
                self.model.on_response(outcome, now, next_poll_at=self._next_poll_at(result))
        elif fault.malformed:
            self.model.on_response(WAITING, now)
        elif fault.error == "BadRequestError" and self.gate.reads_refused_drafts:
            if self.in_triggerer:
                self.model.on_response(MAY_OPEN, now)
            else:
                self._go_on(MAY_BE_DRAFT)
        else:
            self._fail(result)

    def _go_on(self, depends: str) -> None:
        self.depends = depends
        self.model.on_first_part(self.airflow.now)

    def _check_campaign(self, exchange: Exchange, depends: str) -> None:
        """Check the second request of a poll."""
        assert self.status is not None
        self.depends, self.campaign = None, exchange
        result, fault, now = exchange.result, exchange.result.fault, self.airflow.now
        if fault is None and depends == MAY_BE_DRAFT and result.campaign.status != DRAFT:
            self._fail(self.status.result)
        elif fault is None:
            outcome = self._verdict(self.status.result, result.campaign)
            self.model.on_response(outcome, now, next_poll_at=self._next_poll_at(self.status.result))
        elif fault.malformed:
            self.model.on_response(WAITING, now)
        elif fault.error == "NotFoundError" and depends != MAY_CLOSE:
            self.model.on_response(CLOSED, now)
        elif depends == MAY_CLOSE and self.timeout:
            self.model.on_response(WAITING, now)
        else:
            self._fail(result)
            if self.model.expected == WAITING and not self.timeout:
                self.depends = depends  # this request is sent again
            elif depends == MAY_CLOSE:
                self.model.on_response(WAITING, now)

    def _shared_outcome(self, outcomes: set[str], event: dict[str, Any]) -> str:
        is_refused = outcomes is FINAL_STATUSES and self._status_in(event) is None
        if is_refused and self.gate.reads_refused_drafts:
            return MAY_OPEN
        return super()._shared_outcome(outcomes, event)

    def _status_in(self, event: dict[str, Any]) -> Any:
        return event["status"]["code"]

    def on_resume(self) -> None:
        """Poll again: an event does not open a gate."""
        if self.event_outcome in {TIMED_OUT, *FINAL_STATUSES}:
            self._enter_process(in_triggerer=False)
            self.model.start(self.airflow.now)
        else:
            super().on_resume()

    def on_end(self, outcome: str) -> None:
        super().on_end(outcome)
        assert self.depends is None, f"{self} ended before it read the campaign"
        if outcome == OPENED:
            self._check_evidence()

    def _check_evidence(self) -> None:
        """Check that what opened the gate was read on a worker, by this task: no event and no other wait."""
        assert self.status is not None
        read = [self.status] if self.campaign is None else [self.status, self.campaign]
        clock = self.airflow.simulation.clock
        for earlier, exchange in zip([None, *read], read, strict=False):
            assert isinstance(exchange.client, Worker)
            assert exchange.client.owner is self
            assert clock.wall_at(exchange.started_at) >= self.started_at
            assert earlier is None or exchange.started_at >= (earlier.ended_at or 0.0)
        campaign = None if self.campaign is None else self.campaign.result.campaign
        assert self._verdict(self.status.result, campaign) == OPENED
