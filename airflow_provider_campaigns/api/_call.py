"""A call is data: what to send, how to read the answer, and whether it is safe to repeat.

The rule of this room: nothing here opens a socket, reads a clock or knows Airflow. A transport takes a
:class:`Call`, carries it, and hands back an :class:`Answer`; :func:`read` turns that into a value or raises
an error of :mod:`airflow_provider_campaigns.exceptions`. Both transports therefore agree on every outcome.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedAtEdgeError,
    MalformedAnswerError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    ServiceUnavailableError,
)

T = TypeVar("T")

MAX_JSON_BYTES = 16 * 1024 * 1024
_MESSAGE_LENGTH = 300
# What JSON can say and no database of Airflow's can store: half of a surrogate pair, and a nought in a text.
_UNSTORABLE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_NOUGHT = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


@dataclass(frozen=True)
class Service:
    """One of the two services, as far as carrying a call to it needs to know.

    :param title: its name for people.
    :param base_url: where it lives when the connection names no host.
    :param key_header: the one header that carries the key.
    :param key_prefix: what stands before the key in that header.
    """

    title: str
    base_url: str
    key_header: str
    key_prefix: str = ""

    @property
    def name(self) -> str:
        """Its name for machines: ``campaign_cleaner``."""
        return self.title.lower().replace(" ", "_")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to a service, and how to read what comes back.

    :param service: whom to call.
    :param method: HTTP method.
    :param path: path below the base URL, starting with a slash; ids in it are already checked.
    :param parse: turns the decoded JSON body into a value, or the :class:`Answer` if the call is binary; or
        raises.
    :param params: query parameters; those that are None are left out.
    :param body: JSON body; None sends no body and no content type.
    :param repeatable: sending it twice is the same as sending it once.
    :param max_bytes: the longest answer that is read.
    :param binary: what comes back is a PDF, so ``parse`` gets the answer as it is.
    :param of_each: what to make of each JSON object while the answer is decoded, so that a long one is never
        in memory as a whole; None leaves them as they are.
    :param unambiguous: an answer that names a member of an object twice is refused.
    """

    service: Service
    method: str
    path: str
    parse: Callable[[Any], T]
    params: Mapping[str, Any] | None = None
    body: Any = field(default=None, repr=False)
    repeatable: bool = False
    max_bytes: int = MAX_JSON_BYTES
    binary: bool = False
    of_each: Callable[[dict[str, Any]], Any] | None = None
    unambiguous: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """The path with its query.

        Parameters that are None are left out, booleans are in lower case, and one that is a list is repeated.
        """
        query = [
            (name, _query_text(each))
            for name, value in (self.params or {}).items()
            for each in (value if isinstance(value, (list, tuple)) else (value,))
            if each is not None
        ]
        return f"{self.path}?{urlencode(query)}" if query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """What the call itself has to say in its headers; a content type only where there is content."""
        accepted = {
            "Accept": "application/pdf, application/json" if self.binary else "application/json",
            "Accept-Encoding": "gzip",
        }
        return accepted if self.body is None else {**accepted, "Content-Type": "application/json"}

    def encoded_body(self) -> bytes | None:
        """Return the body as JSON.

        :raises ValueError: it holds what JSON cannot say.
        """
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{self}: the body cannot be sent as JSON: {error}") from None


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers (found whatever their case) and the body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def read(call: Call[T], answer: Answer, *, now: datetime) -> T:
    """Turn an answer into the value that was asked for.

    :param now: the time of the answer, to which a ``Retry-After`` date is relative.
    :raises ApiError: the answer is a failure, or cannot be read.
    """
    if answer.status < HTTPStatus.OK or answer.status == HTTPStatus.PARTIAL_CONTENT:
        raise MalformedAnswerError(
            f"{call} was answered {answer.status}, which is no whole answer to it.", status_code=answer.status
        )
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _failure(call, answer, now)
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise RedirectRefusedError(
            f"{call} was answered with a redirect ({answer.status}), which is not followed because the key "
            f"would travel along. Set the connection's host to the address that {call.service.title} "
            f"really answers at.",
            status_code=answer.status,
        )
    if call.binary:
        return call.parse(answer)
    try:
        if call.unambiguous and answer.body.strip():
            json.loads(answer.body, object_pairs_hook=partial(_check_each_is_there_once, call))
        payload = decoded(answer.body, call.of_each) if answer.body.strip() else None
    except (ValueError, RecursionError):
        raise MalformedAnswerError(
            f"{call} was answered {answer.status} with a body that is not JSON.",
            status_code=answer.status,
        ) from None
    return call.parse(payload)


def decoded(body: bytes, of_each: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Decode JSON to values that can be written again, and be stored by any database of Airflow's.

    There is no NaN in them, no infinite number, no half of a surrogate pair, and no nought in a text.

    :param of_each: what to make of each object; see :class:`Call`.
    :raises ValueError: it is not JSON.
    """
    text = body.decode("utf-8-sig")
    if _UNSTORABLE.search(text):
        told = json.dumps(json.loads(text, parse_constant=_refuse), ensure_ascii=False)
        text = _NOUGHT.sub(r"\1\\ufffd", told.encode("utf-8", "replace").decode())
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_hook=of_each)


def _check_each_is_there_once(call: Call[Any], members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise MalformedAnswerError(f"{call}: the answer says a thing twice, and nobody knows which counts.")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number beyond all numbers")
    return number


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """Read a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3).

    :returns: seconds from ``now``, never negative; None where the header is missing or unreadable.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.utc)
            seconds = (moment - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def as_object(payload: Any, call_name: str) -> Mapping[str, Any]:
    """Return the payload if it is a JSON object.

    :raises MalformedAnswerError: it is something else.
    """
    if isinstance(payload, Mapping):
        return payload
    raise MalformedAnswerError(f"{call_name}: expected a JSON object, got {_json_type(payload)}.")


def text_or_none(value: Any) -> str | None:
    """Return a string that says something, else None."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def describe_error(payload: Any, *, depth: int = 5) -> str | None:
    """Return what a body says about an error, wherever and however it is spelled.

    Campaign Cleaner writes ``error``, ``Error`` or ``message``, possibly as an object; Instantly writes
    ``error`` for the class of the failure and ``message`` for the failure itself.

    :param depth: how many objects deep to look.
    """
    if not isinstance(payload, Mapping):
        said = text_or_none(payload)
        return one_line(said) if said else None
    if not depth:
        return None
    lowered = {str(name).lower(): value for name, value in payload.items()}
    for name in ("message", "error", "detail"):
        if lowered.get(name):
            found = describe_error(lowered[name], depth=depth - 1)
            if found:
                return found
    return None


def _failure(call: Call[Any], answer: Answer, now: datetime) -> ApiError:
    status = answer.status
    payload: Any = None
    said: str | None
    try:
        payload = decoded(answer.body)
    except (ValueError, RecursionError):
        said = one_line(answer.body.decode("utf-8", "replace"))
    else:
        said = describe_error(payload)
    said = said.rstrip(".") if said else None
    error, advice = _classify(call.service, status, said, is_json=isinstance(payload, Mapping))
    return error(
        f"{call} was answered {_status_line(status)}{f': {said}' if said else ''}. {advice}",
        status_code=status,
        retry_after=retry_after_seconds(answer.headers.get("retry-after"), now=now),
    )


_ADVICE: dict[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "Check the API key, which is the connection's password."),
    402: (PaymentRequiredError, "The account needs an active paid plan, or more credits, for this call."),
    403: (PermissionDeniedError, "The API key is known and may not do this: give it the missing permission."),
    404: (
        NotFoundError,
        "Check the id, and that the API key belongs to the account or workspace that owns it.",
    ),
    408: (ServiceUnavailableError, "The service gave up waiting for the request; try again later."),
    429: (RateLimitedError, "Too many requests for this account: lower the connection's "
          "max_requests_per_second, or look less often."),
}  # fmt: skip


def _classify(
    service: Service, status: int, said: str | None, *, is_json: bool
) -> tuple[type[ApiError], str]:
    if status == HTTPStatus.UNAUTHORIZED and said and "scope" in said.lower():
        return (
            PermissionDeniedError,
            "The API key is right and lacks a scope: create a key that has the scope named here.",
        )
    if status == HTTPStatus.FORBIDDEN and not is_json:
        return (
            BlockedAtEdgeError,
            f"This is not an answer of {service.title} itself: something in front of it refused the client. "
            f"Check the outgoing proxy and the user agent.",
        )
    if status in _ADVICE:
        return _ADVICE[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailableError, f"{service.title} failed on its side; try again later."
    return BadRequestError, "The request was refused as it is; sending it again will not help."


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def one_line(text: str) -> str:
    """Return as much of a text as a message may quote: one line, with nothing that a terminal acts upon."""
    head = text.strip()[: 10 * _MESSAGE_LENGTH]
    line = " ".join("".join(each if each.isprintable() else " " for each in head).split())
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}…"


def _query_text(value: Any) -> str:
    value = value.value if isinstance(value, Enum) else value
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"A query parameter must be a text, a number or a boolean, got {value!r}.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_type(payload: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return names.get(type(payload), "a number")
