"""The faults: one value each, with its name, its kind and how it is injected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    ServiceUnavailableError,
)
from tests.integration.faults import injection
from tests.integration.faults.components import Component, key_in
from tests.integration.faults.injection import Inject

HOUR = 3600.0
ERROR_FIELDS = ("error", "Error", "ERROR")


class Kind(Enum):
    """What a fault means for the component that meets it."""

    ACCEPTED = "the response is read all the same"
    FINAL = "a retry cannot help"
    RETRIED = "a retry may help; the service may have acted on the request"
    NOT_CONNECTED = "a retry may help; nothing was sent"
    RATE_LIMITED = "a retry may help; the service has not acted on the request"
    LONG_RETRY_AFTER = "a retry may help, but not soon"
    REJECTED = "the service reports an error without a reason; a wait survives it"
    MALFORMED = "the response cannot be read"
    NO_STATUS = "a response without the code that opens a gate"
    CLOCK = "the wall clock jumps, and the service is not ready"
    CLOCK_THEN_READY = "the wall clock jumps, and the service is ready"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    :param name: the name of its row in the documentation.
    :param kind: what it means.
    :param inject: injects it into a scenario.
    :param error: the error that a component raises, if one does.
    :param of_instantly: kind and error for Instantly's calls, where they differ.
    :param retry_after: seconds that the service asks a client to wait.
    :param tolerance: by how many seconds the client may wait less.
    :param slow: a component notices it by a timeout, in real time.
    :param not_received: the service receives no request.
    :param before_response: the connection breaks before the headers are complete.
    """

    name: str
    kind: Kind
    inject: Inject
    error: type[ApiError] | None = None
    of_instantly: tuple[Kind, type[ApiError]] | None = None
    retry_after: float = 0.0
    tolerance: float = 0.0
    slow: bool = False
    not_received: bool = False
    before_response: bool = False

    def __str__(self) -> str:
        return self.name

    def kind_for(self, component: Component) -> Kind:
        return self._kind_and_error(component)[0]

    def error_for(self, component: Component) -> type[ApiError] | None:
        return self._kind_and_error(component)[1]

    def _kind_and_error(self, component: Component) -> tuple[Kind, type[ApiError] | None]:
        if self.of_instantly is not None and component.conn_type == "instantly":
            return self.of_instantly
        return self.kind, self.error

    def requests_per_occurrence(self, component: Component) -> int:
        """Return how many requests the service receives each time that the fault happens."""
        if self.not_received:
            return 0
        return 2 if self.before_response and component.uses_aiohttp_get else 1


def _statuses() -> tuple[Fault, ...]:
    scope = '{"error": "Unauthorized", "message": "Invalid scope. Required: all:all. KEY"}'
    plain = {"Content-Type": "text/plain"}
    status = injection.status
    return (
        Fault("400", Kind.FINAL, status(400), BadRequestError),
        Fault("401, invalid key", Kind.FINAL, status(401), AuthenticationError),
        Fault("401, missing scope", Kind.FINAL, status(401, scope), PermissionDeniedError),
        Fault("402", Kind.FINAL, status(402), PaymentRequiredError),
        Fault("403, JSON", Kind.FINAL, status(403), PermissionDeniedError),
        Fault(
            "403, plain text (a proxy's)",
            Kind.FINAL,
            status(403, "error code: 1010 KEY", plain),
            BlockedByProxyError,
        ),
        Fault("404", Kind.FINAL, status(404), NotFoundError),
        Fault("409", Kind.FINAL, status(409), BadRequestError),
        Fault("413", Kind.FINAL, status(413), BadRequestError),
        Fault("408", Kind.RETRIED, status(408), ServiceUnavailableError),
        Fault("500", Kind.RETRIED, status(500), ServiceUnavailableError),
        Fault("502, HTML", Kind.RETRIED, status(502, "<html>KEY</html>"), ServiceUnavailableError),
        Fault("503", Kind.RETRIED, status(503), ServiceUnavailableError),
        Fault("504", Kind.RETRIED, status(504), ServiceUnavailableError),
    )


def _rate_limits() -> tuple[Fault, ...]:
    def limited(name: str, asked: str | None, **more: float) -> Fault:
        headers = None if asked is None else {"Retry-After": asked}
        return Fault(
            name, Kind.RATE_LIMITED, injection.status(429, headers=headers), RateLimitedError, **more
        )

    return (
        limited("429", None),
        limited("429, Retry-After 17 s", "17", retry_after=17),
        Fault(
            "429, Retry-After a date in 45 s",
            Kind.RATE_LIMITED,
            injection.retry_after_date(45),
            RateLimitedError,
            retry_after=45,
            tolerance=1,
        ),
        Fault(
            "429, Retry-After a year",
            Kind.LONG_RETRY_AFTER,
            injection.status(429, headers={"Retry-After": "31536000"}),
            RateLimitedError,
        ),
        limited("429, Retry-After -5 s", "-5"),
    )


def _connections() -> tuple[Fault, ...]:
    refused, unknown = injection.refuse_connections, injection.unknown_host
    broken = injection.broken_connection
    error = IncompleteResponseError
    return (
        Fault("connection refused", Kind.NOT_CONNECTED, refused, ConnectError, not_received=True),
        Fault("unknown host", Kind.NOT_CONNECTED, unknown, ConnectError, not_received=True),
        Fault("reset before the headers", Kind.RETRIED, broken("before"), error, before_response=True),
        Fault("reset within the headers", Kind.RETRIED, broken("headers"), error, before_response=True),
        Fault("reset within the body", Kind.RETRIED, broken("body"), error),
        Fault("closed within the body", Kind.RETRIED, broken("end"), error),
        Fault("no response until the timeout", Kind.RETRIED, injection.no_response, error, slow=True),
        Fault("body slower than the timeout", Kind.RETRIED, injection.slow_body, error, slow=True),
    )


def _bodies() -> tuple[Fault, ...]:
    body, error = injection.changed_body, MalformedResponseError
    utf_8 = {"Content-Type": "application/json; charset=utf-8"}
    return (
        Fault("truncated JSON", Kind.MALFORMED, body(lambda body, _: body[:-5]), error),
        Fault("HTML", Kind.MALFORMED, body(lambda _, request: f"<html>{key_in(request)}</html>"), error),
        Fault("a JSON list", Kind.MALFORMED, injection.json_body(["KEY"]), error),
        Fault(
            "JSON without the expected fields",
            Kind.MALFORMED,
            injection.json_body({"hello": {"world": "KEY"}}),
            error,
            of_instantly=(Kind.NO_STATUS, error),
        ),
        *(
            Fault(
                f"200 with `{name}`",
                Kind.REJECTED,
                injection.json_body({name: {"message": "Refused for KEY"}}),
                RejectedError,
                of_instantly=(Kind.MALFORMED, error),
            )
            for name in ERROR_FIELDS
        ),
        Fault("body not in UTF-8", Kind.MALFORMED, body(injection.in_latin_1, utf_8), error),
        Fault(
            "compression bomb",
            Kind.MALFORMED,
            body(injection.compression_bomb, {"Content-Encoding": "gzip"}),
            error,
        ),
        Fault("body over the size limit", Kind.MALFORMED, body(injection.too_large), error),
        Fault("wrong content type", Kind.ACCEPTED, body(lambda body, _: body, {"Content-Type": "text/html"})),
        Fault(
            "wrong charset name",
            Kind.ACCEPTED,
            body(lambda body, _: body, {"Content-Type": "application/json; charset=utf-16"}),
        ),
    )


def _redirects_and_certificates() -> tuple[Fault, ...]:
    same, other = (
        injection.redirect(lambda _: "/elsewhere"),
        injection.redirect(lambda scenario: scenario.other_server.url),
    )

    def certificate(name: str, inject: Inject) -> Fault:
        return Fault(name, Kind.FINAL, inject, CertificateError, not_received=True)

    return (
        Fault("redirect to the same host", Kind.FINAL, same, RedirectRefusedError),
        Fault("redirect to another host", Kind.FINAL, other, RedirectRefusedError),
        certificate(
            "TLS certificate: expired", injection.bad_certificate(lambda certificates: certificates.expired)
        ),
        certificate(
            "TLS certificate: of another host",
            injection.bad_certificate(lambda certificates: certificates.of_another_host),
        ),
        certificate(
            "TLS certificate: unknown authority",
            injection.bad_certificate(lambda certificates: certificates.of_unknown_authority),
        ),
    )


def _clock_jumps() -> tuple[Fault, ...]:
    jump = injection.clock_jump
    return (
        Fault("clock an hour forward", Kind.CLOCK, jump(HOUR, ready=False), ServiceUnavailableError),
        Fault("clock an hour back", Kind.CLOCK, jump(-HOUR, ready=False), ServiceUnavailableError),
        Fault(
            "clock an hour forward, then ready",
            Kind.CLOCK_THEN_READY,
            jump(HOUR, ready=True),
            ServiceUnavailableError,
        ),
        Fault(
            "clock an hour back, then ready",
            Kind.CLOCK_THEN_READY,
            jump(-HOUR, ready=True),
            ServiceUnavailableError,
        ),
    )


CLOCK_JUMPS = _clock_jumps()
FAULTS = (
    *_statuses(),
    *_rate_limits(),
    *_connections(),
    *_bodies(),
    *_redirects_and_certificates(),
    *CLOCK_JUMPS,
)

# One fault of each kind that can end.
_ENDING = {
    "404",
    "503",
    "429, Retry-After 17 s",
    "429, Retry-After a year",
    "connection refused",
    "reset before the headers",
    "no response until the timeout",
    "truncated JSON",
    "JSON without the expected fields",
    "200 with `error`",
    "TLS certificate: expired",
}
ENDING_FAULTS = tuple(fault for fault in FAULTS if fault.name in _ENDING)
