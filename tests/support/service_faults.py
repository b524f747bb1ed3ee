"""The faults of the model test: how a request to a fake service fails, and the error that it must lead to.

:mod:`tests.integration.faults` has a longer list, for a real network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.support.fake_server import Reply, Request
from tests.support.gate_model import ACTIVE
from tests.support.reference_model import REQUEST_TIMEOUT

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
        campaign = {"id": campaign_id, "status": ACTIVE}
        return json.dumps(
            {"diagnostics": diagnostics, "campaign_status": status, **campaign, **more}
        ).encode()

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
