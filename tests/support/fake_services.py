"""Fake services for the simulated network, with the faults of the model test.

:mod:`tests.integration.faults` has a longer list of faults, for a real network.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any, Protocol

from tests.support.fake_server import Reply, Request
from tests.support.reference_model import NEVER, REQUEST_TIMEOUT, TOLERANCE
from tests.support.simulated_network import Exchange
from tests.support.simulation import Loop, Simulation, Worker

# The campaigns.
IDS = [f"019e18e2-a52f-78e7-96f2-{number:012d}" for number in range(2)]


@dataclass(frozen=True)
class Fault:
    """One way for a request to fail.

    :param error: the class of the error that the package must raise.
    :param reply: the response, or the error of connecting.
    :param final: a retry cannot help.
    :param retry_after: seconds that the service asks a client to wait.
    :param malformed: the response contains no verdict: a gate stays closed and waits.
    :param accepted: a submission may have been accepted all the same.
    """

    error: str
    reply: Reply | OSError = field(repr=False)
    final: bool = False
    retry_after: float = 0.0
    malformed: bool = False
    accepted: bool = False


def refused(status: int, error: str = "BadRequestError", body: Any = b"{}") -> Fault:
    return Fault(error, Reply(body, status, {"Location": "https://elsewhere.test/"}), final=True)


def limited(header: str, seconds: float, status: int = 429) -> Fault:
    error = "RateLimitedError" if status == 429 else "ServiceUnavailableError"
    reply = Reply({}, status, {"Retry-After": header})
    return Fault(error, reply, retry_after=seconds, accepted=status != 429)


def broken(error: str, **reply: Any) -> Fault:
    return Fault(error, Reply(**{"body": {"x": "y" * 20}, **reply}), accepted=True)


def malformed(body: Any, error: str = "MalformedResponseError") -> Fault:
    return Fault(error, Reply(body), malformed=True, accepted=error == "MalformedResponseError")


def success_of(target: str, **more: Any) -> Callable[[Request], bytes]:
    """Return the body of a response that would end every wait well, if it were for the right target."""

    def body(request: Request) -> bytes:
        campaign_id = (
            next((each for each in IDS if each in repr(request)), IDS[0]) if target == SAME else target
        )
        now = datetime.now(timezone.utc).isoformat()
        diagnostics = {"campaign_id": campaign_id, "status": "healthy", "last_updated": now}
        status = {"id": campaign_id, "status": "completed"}
        return json.dumps({"diagnostics": diagnostics, "campaign_status": status, **more}).encode()

    return body


SAME = "the id in the request"
IN_90_SECONDS = "a date in 90 s"
FAULTS = [
    *map(refused, (400, 409, 413, 422)),
    refused(401, "AuthenticationError"),
    refused(401, "PermissionDeniedError", {"message": "Invalid scope. Required: campaigns:read"}),
    refused(402, "PaymentRequiredError"),
    refused(403, "PermissionDeniedError"),
    refused(403, "BlockedByProxyError", b"error code: 1010"),
    refused(404, "NotFoundError"),
    refused(302, "RedirectRefusedError"),
    *[broken("ServiceUnavailableError", status=status) for status in (408, 500, 502, 503, 504)],
    limited("7", 7.0),
    limited("200", 200.0),
    limited("99999999", 99999999.0),
    limited("-5", 0.0),
    limited("soon", 0.0),
    limited(IN_90_SECONDS, 90.0),
    limited("20", 20.0, 503),
    Fault("ConnectError", ConnectionRefusedError(111, "Connection refused")),
    broken("IncompleteResponseError", drop="body"),
    broken("IncompleteResponseError", delay=REQUEST_TIMEOUT * 3),
    broken("IncompleteResponseError", byte_interval=1.0),
    malformed(b"<html>healthy completed"),
    malformed(b'{"diagnostics": {"status": "healt'),
    malformed(b"\xff\xfe\x00"),
    malformed(["healthy", "completed"]),
    malformed({}),
    # Three times each, so that they are drawn more often.
    *[malformed(success_of("another id"))] * 3,
    *[malformed(success_of(SAME, ERROR="not today"), "RejectedError")] * 3,
]

# Two accounts that waits share, and their limit of requests a second; from OWN on, an account has one wait.
SHARED, LIMIT, OWN = (2000, 2001), 2, 2002


@dataclass(frozen=True)
class Sending:
    """Instantly's sending status of a campaign.

    :param age: seconds since it was updated, negative for the future; None where it has no time.
    :param place: where the code is in the response.
    :param due: seconds until the first follow-up is due; None where the response does not name it.
    """

    code: Any = "out_of_schedule"
    age: float | None = 0.0
    place: str = "diagnostics"
    due: float | None = None


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
    :ivar retry_at: when the service allows the next request.
    """

    task: Any
    fault: Fault | None
    statuses: dict[str, Any] = field(default_factory=dict)
    updated_at: float | None = None
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

    def respond(self, exchange: Exchange) -> Reply:
        account, result, request = self.accounts[exchange.port], exchange.result, exchange.request
        assert request is not None
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
        campaign_id = request.json["campaign"]["id"] if is_cleaner else request.path.split("/")[-2]
        status = account.statuses[campaign_id]
        result.statuses = {campaign_id: status}
        if is_cleaner:
            return {"campaign_status": {"id": campaign_id, "status": status}}
        return self._sending_status(campaign_id, result)

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
