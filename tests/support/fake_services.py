"""Both services, as they are when things go wrong, for the network of :mod:`tests.support.simulation`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any, Protocol

from tests.support.fake_server import Reply, Request
from tests.support.guarantees import A_MOMENT, NEVER, REQUEST_TIMEOUT
from tests.support.simulation import Exchange, Loop, Worker, World

# What goes wrong.


@dataclass(frozen=True)
class Fault:
    """One way for a request to fail.

    :param error: the class of the error that it has to become.
    :param reply: what the service answers, or what connecting to it raises.
    :param final: no wait can heal it.
    :param rest: for how many seconds the service asks to be left alone.
    :param unreadable_verdict: an answer that says nothing. A gate takes it for one, and does not open.
    :param taken: a submission may have been taken all the same.
    """

    error: str
    reply: Reply | OSError = field(repr=False)
    final: bool = False
    rest: float = 0.0
    unreadable_verdict: bool = False
    taken: bool = False


def refused(status: int, error: str = "BadRequestError", body: Any = b"{}") -> Fault:
    return Fault(error, Reply(body, status, {"Location": "https://elsewhere.test/"}), final=True)


def asks_for_rest(asked: str, seconds: float, status: int = 429) -> Fault:
    error = "RateLimitedError" if status == 429 else "ServiceUnavailableError"
    reply = Reply({}, status, {"Retry-After": asked})
    return Fault(error, reply, rest=seconds, taken=status != 429)


def broken(error: str, **reply: Any) -> Fault:
    return Fault(error, Reply(**{"body": {"x": "y" * 20}, **reply}), taken=True)


def unreadable_verdict(body: Any, error: str = "MalformedResponseError") -> Fault:
    return Fault(error, Reply(body), unreadable_verdict=True, taken=error == "MalformedResponseError")


def good_news(about: str, **more: Any) -> Callable[[Request], bytes]:
    """Write an answer that would end every wait well, if it were about the right one and no more."""

    def body(request: Request) -> bytes:
        told = about if about != "the right one" else next((n for n in NAMES if n in repr(request)), NAMES[0])
        now = datetime.now(timezone.utc).isoformat()
        diagnostics = {"campaign_id": told, "status": "healthy", "last_updated": now}
        status = {"id": told, "status": "completed"}
        return json.dumps({"diagnostics": diagnostics, "campaign_status": status, **more}).encode()

    return body


NAMES = [f"019e18e2-a52f-78e7-96f2-{number:012d}" for number in range(2)]
IN_90_SECONDS = "a date"
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
    asks_for_rest("7", 7.0),
    asks_for_rest("200", 200.0),
    asks_for_rest("99999999", 99999999.0),
    asks_for_rest("-5", 0.0),
    asks_for_rest("soon", 0.0),
    asks_for_rest(IN_90_SECONDS, 90.0),
    asks_for_rest("20", 20.0, 503),
    Fault("ConnectError", ConnectionRefusedError(111, "Connection refused")),
    broken("IncompleteResponseError", drop="body"),
    broken("IncompleteResponseError", delay=REQUEST_TIMEOUT * 3),
    broken("IncompleteResponseError", drip=1.0),
    unreadable_verdict(b"<html>healthy completed"),
    unreadable_verdict(b'{"diagnostics": {"status": "healt'),
    unreadable_verdict(b"\xff\xfe\x00"),
    unreadable_verdict(["healthy", "completed"]),
    unreadable_verdict({}),
    *[unreadable_verdict(good_news("another one"))] * 3,
    *[unreadable_verdict(good_news("the right one", ERROR="not today"), "RejectedError")] * 3,
]

# What the services say.

# Accounts that waits share, with their budget of requests a second; from ``OWN`` on they are not shared.
SHARED, BUDGET, OWN = (2000, 2001), 2, 2002


@dataclass(frozen=True)
class Sending:
    """What Instantly says of a campaign.

    :param age: seconds since its data was refreshed, negative for the future; None for no time at all.
    :param place: where the code stands.
    :param due: seconds until the first follow-up falls due; None where it does not say.
    """

    code: Any = "out_of_schedule"
    age: float | None = 0.0
    place: str = "diagnostics"
    due: float | None = None


@dataclass
class Account:
    """One account with one of the services.

    :param states: what is said of each campaign.
    :param faults: what goes wrong with the next requests, one after another.
    :param delay: how long an answer takes.
    :param taken: what was submitted, by the id that it got.
    """

    states: dict[str, Any]
    faults: deque[Fault | None] = field(default_factory=deque)
    delay: float = 0.0
    missing_from_list: set[str] = field(default_factory=set)
    taken: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """What came of a request: what was said of which campaign and how recent that was, or what went wrong."""

    asker: Any
    fault: Fault | None
    said: dict[str, Any] = field(default_factory=dict)
    updated: float | None = None
    rest_until: float = 0.0

    def word(self, campaign: str) -> Any:
        """Return the state or the code that was said of a campaign."""
        said = self.said[campaign]
        return said.code if isinstance(said, Sending) else said


class Stage(Protocol):
    """Whoever wants to know what is asked and heard."""

    world: World
    tasks: list[Any]

    def note(self, check: Callable[[], None]) -> None:
        """Take a check in whose failure must not look like one of the network."""


class Services:
    """Plays both services: even ports are accounts with Campaign Cleaner, odd ones with Instantly."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.accounts: dict[int, Account] = {}
        self.exchanges: list[Exchange] = []
        self._next: dict[tuple[Any, int], float] = {}

    def open_account(self, port: int) -> Account:
        """Return an account, a new one unless it is there."""
        said = Sending() if port % 2 else "processing"
        return self.accounts.setdefault(port, Account(dict.fromkeys(NAMES, said)))

    def connected(self, exchange: Exchange) -> None:
        account, asker = self.accounts[exchange.port], self._asker(exchange)
        fault = account.faults.popleft() if account.faults else None
        exchange.told = Heard(asker, fault)
        self.exchanges.append(exchange)
        self.stage.note(lambda: self._check_budget(exchange))
        if asker is not None:
            self.stage.note(asker.asks)
        if fault is not None and isinstance(fault.reply, OSError):
            exchange.ended_at = exchange.at
            self.ended(exchange)
            raise fault.reply

    def _asker(self, exchange: Exchange) -> Any:
        """Return whose request it is; None where several waits share it."""
        if isinstance(exchange.side, Worker):
            return exchange.side.owner
        return next((task for task in self.stage.tasks if task.port == exchange.port and task.alone), None)

    def _check_budget(self, exchange: Exchange) -> None:
        """Hold what leaves a triggerer against what the connection allows, and the service has asked for."""
        if isinstance(exchange.side, Loop) and exchange.port in SHARED:
            early = self._next.get((exchange.side, exchange.port), -NEVER) - exchange.at
            assert early < A_MOMENT, f"a request {early} s sooner than the budget, or a 429, allows"
            self._next[exchange.side, exchange.port] = exchange.at + 1 / BUDGET

    def answer(self, exchange: Exchange) -> Reply:
        account, heard, request = self.accounts[exchange.port], exchange.told, exchange.request
        assert request is not None
        if heard.fault is None:
            return Reply(self._said(account, heard, request), delay=account.delay)
        if heard.fault.taken and "send_campaign" in request.path:
            self._take(account, request)
        reply, rest = heard.fault.reply, heard.fault.rest
        heard.rest_until = self.stage.world.clock.wall + rest
        if isinstance(reply, Reply) and reply.headers.get("Retry-After") == IN_90_SECONDS:
            heard.rest_until = float(int(heard.rest_until))
            return replace(reply, headers={"Retry-After": formatdate(heard.rest_until, usegmt=True)})
        return reply

    def _said(self, account: Account, heard: Heard, request: Request) -> dict[str, Any]:
        if "send_campaign" in request.path:
            return {"campaign": {"id": self._take(account, request)}}
        if "get_campaign_list" in request.path:
            heard.said = {name: said for name, said in account.states.items() if name not in account.missing_from_list}
            listed = [{"id": name, "status": said} for name, said in heard.said.items()]
            taken = [{"id": taken, "campaign_name": name} for taken, name in account.taken.items()]
            return {"campaign_list": listed + taken}
        cleaner = "get_campaign_status" in request.path
        about = request.json["campaign"]["id"] if cleaner else request.path.split("/")[-2]
        said = account.states[about]
        heard.said = {about: said}
        return {"campaign_status": {"id": about, "status": said}} if cleaner else self._sending(about, heard)

    def _take(self, account: Account, request: Request) -> str:
        account.taken[taken := f"taken-{len(account.taken)}"] = request.json["send_campaign"]["campaign_name"]
        return taken

    def _sending(self, about: str, heard: Heard) -> dict[str, Any]:
        said: Sending = heard.said[about]
        details: dict[str, Any] = {"campaign_id": about, "issue_tracking": {"current_status_code": "healthy"}}
        if said.age is not None:
            heard.updated = self.stage.world.clock.wall - said.age
            details["last_updated"] = datetime.fromtimestamp(heard.updated, timezone.utc).isoformat()
        if said.due is not None:
            details["follow_ups_waiting"] = {"earliest_wait_time_seconds": said.due}
        inside = said.place == "diagnostics" and said.code is not None
        details["status"] = said.code if inside else None
        return {"diagnostics": details, "summary": {"status": "healthy" if inside else said.code}}

    def ended(self, exchange: Exchange) -> None:
        heard = exchange.told
        if exchange.given_up:
            if self.stage.world.clock.now - exchange.at < REQUEST_TIMEOUT - A_MOMENT:
                return  # whoever asked has come to its end, not to that of its patience
            heard.fault, heard.said = heard.fault or Fault("IncompleteResponseError", Reply()), {}
        if heard.fault is not None and heard.fault.error == "RateLimitedError":
            rest = min(heard.rest_until - self.stage.world.clock.wall, 300.0)
            whose = exchange.side, exchange.port
            self._next[whose] = max(self._next.get(whose, -NEVER), self.stage.world.clock.now + rest)
        if heard.asker is not None:
            self.stage.note(lambda: heard.asker.hears(exchange))
