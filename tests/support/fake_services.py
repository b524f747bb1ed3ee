"""Fake services for the simulated network. How they fail is in :mod:`tests.support.service_faults`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any, Protocol

from tests.support.fake_server import Reply, Request
from tests.support.gate_model import AGREES, AS_REPORTED, Campaign, own_status
from tests.support.reference_model import NEVER, REQUEST_TIMEOUT, TOLERANCE
from tests.support.service_faults import IDS, IN_90_SECONDS, Fault
from tests.support.simulated_network import Exchange
from tests.support.simulation import Loop, Simulation, Worker

# Two accounts that waits share, and their limit of requests a second; from OWN on, an account has one wait.
SHARED, LIMIT, OWN = (2000, 2001), 2, 2002


@dataclass(frozen=True)
class Sending:
    """Instantly's sending status of a campaign, and the campaign itself.

    :param age: seconds since it was updated, negative for the future; None where it has no time.
    :param place: where the code is in the response.
    :param due: seconds until the first follow-up is due; None where the response does not name it.
    :param campaign_fault: what happens to each request for the campaign.
    """

    # It waits for every intent.
    code: Any = "campaign_running_subsequences"
    age: float | None = 0.0
    place: str = "diagnostics"
    due: float | None = None
    campaign: Campaign = AGREES
    campaign_fault: Fault | None = None


@dataclass
class Account:
    """One account with one of the services.

    :param statuses: the status of each campaign.
    :param faults: what happens to the next requests, one after another.
    :param delay: how long a response takes.
    :param missing_from_list: the campaigns that the list does not contain.
    :param submitted: the name of each submitted campaign, by its id.
    """

    statuses: dict[str, Any]
    faults: deque[Fault | None] = field(default_factory=deque)
    delay: float = 0.0
    missing_from_list: set[str] = field(default_factory=set)
    submitted: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """The result of a request: the status of each campaign in the response, or a fault.

    :param task: the task that sent the request; None where several waits share it.
    :ivar updated_at: when the status was updated.
    :ivar campaign: the campaign itself, where the response shows that.
    :ivar retry_at: when the service allows the next request.
    """

    task: Any
    fault: Fault | None
    statuses: dict[str, Any] = field(default_factory=dict)
    updated_at: float | None = None
    campaign: Campaign | None = None
    retry_at: float = 0.0

    def status_of(self, campaign_id: str) -> Any:
        """Return the status, or the code, of a campaign."""
        status = self.statuses[campaign_id]
        return status.code if isinstance(status, Sending) else status


class Tasks(Protocol):
    """The part of the simulated Airflow that the services use."""

    simulation: Simulation
    tasks: list[Any]

    def record_error(self, check: Callable[[], None]) -> None:
        """Run a check, and keep its error: it must not look like one of the network."""


class Services:
    """Both services: even ports are accounts with Campaign Cleaner, odd ones with Instantly."""

    def __init__(self, airflow: Tasks) -> None:
        self.airflow = airflow
        self.accounts: dict[int, Account] = {}
        self.exchanges: list[Exchange] = []
        self._next_allowed: dict[tuple[Any, int], float] = {}

    def open_account(self, port: int) -> Account:
        """Return an account; it is created if it does not exist."""
        status = Sending() if port % 2 else "processing"
        return self.accounts.setdefault(port, Account(dict.fromkeys(IDS, status)))

    def on_connect(self, exchange: Exchange) -> None:
        account, task = self.accounts[exchange.port], self._task_of(exchange)
        fault = account.faults.popleft() if account.faults else None
        exchange.result = Result(task, fault)
        self.exchanges.append(exchange)
        self.airflow.record_error(lambda: self._check_rate(exchange))
        if task is not None:
            self.airflow.record_error(task.on_poll)
        if fault is not None and isinstance(fault.reply, OSError):
            exchange.ended_at = exchange.started_at
            self.on_end(exchange)
            raise fault.reply

    def _task_of(self, exchange: Exchange) -> Any:
        if isinstance(exchange.client, Worker):
            return exchange.client.owner
        return next((task for task in self.airflow.tasks if task.port == exchange.port and task.alone), None)

    def _check_rate(self, exchange: Exchange) -> None:
        """Check that a triggerer keeps to the limit of the connection, and to a ``Retry-After``."""
        if isinstance(exchange.client, Loop) and exchange.port in SHARED:
            client = exchange.client, exchange.port
            early = self._next_allowed.get(client, -NEVER) - exchange.started_at
            assert early < TOLERANCE, f"a request {early} s earlier than the limit, or a 429, allows"
            self._next_allowed[client] = exchange.started_at + 1 / LIMIT

    def _check_path(self, client: Worker | Loop, path: str) -> None:
        """Check that a triggerer only polls: it reads no campaign."""
        polls = path.endswith(("/sending-status", "/get_campaign_status", "/get_campaign_list"))
        assert polls or isinstance(client, Worker), f"the triggerer reads {path}"

    def respond(self, exchange: Exchange) -> Reply:
        account, result, request = self.accounts[exchange.port], exchange.result, exchange.request
        assert request is not None
        self.airflow.record_error(lambda: self._check_path(exchange.client, request.path))
        folder, _, name = request.path.rpartition("/")
        if result.fault is None and folder.endswith("/campaigns"):
            result.fault = account.statuses[name].campaign_fault
        if result.fault is None:
            return Reply(self._body(account, result, request), delay=account.delay)
        if result.fault.accepted and "send_campaign" in request.path:
            self._accept(account, request)
        reply = result.fault.reply
        result.retry_at = self.airflow.simulation.clock.wall + result.fault.retry_after
        if isinstance(reply, Reply) and reply.headers.get("Retry-After") == IN_90_SECONDS:
            result.retry_at = float(int(result.retry_at))
            return replace(reply, headers={"Retry-After": formatdate(result.retry_at, usegmt=True)})
        return reply

    def _body(self, account: Account, result: Result, request: Request) -> dict[str, Any]:
        if "send_campaign" in request.path:
            return {"campaign": {"id": self._accept(account, request)}}
        if "get_campaign_list" in request.path:
            result.statuses = {
                campaign_id: status
                for campaign_id, status in account.statuses.items()
                if campaign_id not in account.missing_from_list
            }
            listed = [{"id": each, "status": status} for each, status in result.statuses.items()]
            submitted = [{"id": each, "campaign_name": name} for each, name in account.submitted.items()]
            return {"campaign_list": listed + submitted}
        is_cleaner = "get_campaign_status" in request.path
        campaign_id = request.json["campaign"]["id"] if is_cleaner else request.path.split("/")[4]
        status = account.statuses[campaign_id]
        if request.path.endswith(f"/campaigns/{campaign_id}"):
            return self._campaign(campaign_id, status, result)
        result.statuses = {campaign_id: status}
        if is_cleaner:
            return {"campaign_status": {"id": campaign_id, "status": status}}
        return self._sending_status(campaign_id, result)

    def _campaign(self, campaign_id: str, sending: Sending, result: Result) -> dict[str, Any]:
        campaign = sending.campaign
        if campaign.status == AS_REPORTED:
            campaign = replace(campaign, status=own_status(sending.code))
        result.campaign = campaign
        return {
            "id": campaign_id,
            "status": campaign.status,
            "not_sending_status": campaign.not_sending,
            "campaign_schedule": {"end_date": "2020-02-20" if campaign.has_ended else None},
        }

    def _accept(self, account: Account, request: Request) -> str:
        campaign_id = f"submitted-{len(account.submitted)}"
        account.submitted[campaign_id] = request.json["send_campaign"]["campaign_name"]
        return campaign_id

    def _sending_status(self, campaign_id: str, result: Result) -> dict[str, Any]:
        sending: Sending = result.statuses[campaign_id]
        diagnostics: dict[str, Any] = {
            "campaign_id": campaign_id,
            "issue_tracking": {"current_status_code": "healthy"},
        }
        if sending.age is not None:
            result.updated_at = self.airflow.simulation.clock.wall - sending.age
            diagnostics["last_updated"] = datetime.fromtimestamp(result.updated_at, timezone.utc).isoformat()
        if sending.due is not None:
            diagnostics["follow_ups_waiting"] = {"earliest_wait_time_seconds": sending.due}
        is_inside = sending.place == "diagnostics" and sending.code is not None
        diagnostics["status"] = sending.code if is_inside else None
        return {
            "diagnostics": diagnostics,
            "summary": {"status": "healthy" if is_inside else sending.code},
        }

    def on_end(self, exchange: Exchange) -> None:
        result, clock = exchange.result, self.airflow.simulation.clock
        if exchange.aborted:
            if clock.now - exchange.started_at < REQUEST_TIMEOUT - TOLERANCE:
                return  # the wait ended, not the request
            result.fault = result.fault or Fault("IncompleteResponseError", Reply())
            result.statuses = {}
        if result.fault is not None and result.fault.error == "RateLimitedError":
            client = exchange.client, exchange.port
            allowed = clock.now + min(result.retry_at - clock.wall, 300.0)
            self._next_allowed[client] = max(self._next_allowed.get(client, -NEVER), allowed)
        if result.task is not None:
            self.airflow.record_error(lambda: result.task.on_result(exchange))
