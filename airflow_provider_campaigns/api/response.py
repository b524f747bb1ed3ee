"""Turn a response into the value that a call asks for, or into an error that says what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from airflow_provider_campaigns.api.call import Call, Service
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RedirectRefusedError,
    ServiceUnavailableError,
)

T = TypeVar("T")

_MESSAGE_LENGTH = 300
# Cloudflare's error code of a rate limit; its other codes mean that it blocks the client.
_PROXY_RATE_LIMIT = 1015
_PROXY_CODE = re.compile(r"1\d{3}", re.ASCII)
# Valid in JSON, but not storable in every database of Airflow: half a surrogate pair, and a null character.
_UNSTORABLE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_NULL_CHARACTER = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


@dataclass(frozen=True)
class Response:
    """The status, the headers (a mapping that ignores case) and the decompressed body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def parse_response(call: Call[T], response: Response, *, now: datetime) -> T:
    """Turn a response into the value that the call asks for.

    :param now: the time of the response; a ``Retry-After`` date is relative to it.
    :raises ApiError: the call failed, or the response cannot be parsed.
    """
    status = response.status
    if status < HTTPStatus.OK or status == HTTPStatus.PARTIAL_CONTENT:
        raise MalformedResponseError(
            f"{call} returned {status}, which is not a complete response.", status_code=status
        )
    if status >= HTTPStatus.BAD_REQUEST:
        raise _failure(call, response, now)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise RedirectRefusedError(
            f"{call} returned a redirect ({status}). It is not followed, because it would send the API key "
            f"to another address. Set the connection's host to the address where {call.service.title} "
            f"responds without a redirect.",
            status_code=status,
        )
    if call.binary:
        return call.parse(response)
    try:
        pairs_hook = partial(_without_duplicates, call) if call.reject_duplicate_keys else None
        payload = decode_json(response.body, call.object_hook, pairs_hook) if response.body.strip() else None
    except (ValueError, RecursionError):
        raise MalformedResponseError(
            f"{call} returned {status} with a body that is not JSON.", status_code=status
        ) from None
    return call.parse(payload)


def decode_json(
    body: bytes,
    object_hook: Callable[[dict[str, Any]], Any] | None = None,
    pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Decode JSON into values that can be encoded again and stored in every database of Airflow.

    They hold no NaN, no infinite number, no half surrogate pair and no null character.

    :param object_hook: converts each object; see :class:`~airflow_provider_campaigns.api.call.Call`.
    :param pairs_hook: the same, from its pairs of key and value.
    :raises ValueError: it is not JSON.
    """
    text = body.decode("utf-8-sig")
    if _UNSTORABLE.search(text):
        values = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=pairs_hook)
        cleaned = json.dumps(values, ensure_ascii=False)
        text = _NULL_CHARACTER.sub(r"\1\\ufffd", cleaned.encode("utf-8", "replace").decode())
    return json.loads(
        text,
        parse_constant=_reject_constant,
        parse_float=_finite,
        object_hook=object_hook,
        object_pairs_hook=pairs_hook,
    )


def _without_duplicates(call: Call[Any], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedResponseError(f"{call}: the response contains a duplicate key.")
    return found


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("the number is too large")
    return number


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """Parse a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3).

    :returns: seconds from ``now``, never negative; None where the header is missing or invalid.
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

    :raises MalformedResponseError: it is something else.
    """
    if isinstance(payload, Mapping):
        return payload
    raise MalformedResponseError(f"{call_name}: expected a JSON object, got {_json_type(payload)}.")


def text_or_none(value: Any) -> str | None:
    """Return a string without surrounding white space; None for an empty one and for anything else."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def describe_error(payload: Any, *, depth: int = 5) -> str | None:
    """Return the error message in a body, under whatever field and in whatever case.

    Campaign Cleaner writes ``error``, ``Error`` or ``message``, possibly as an object. Instantly writes the
    class of the failure under ``error`` and the failure itself under ``message``.

    :param depth: how many objects deep to search.
    """
    if not isinstance(payload, Mapping):
        message = text_or_none(payload)
        return printable(message) if message else None
    if not depth:
        return None
    lowered = {str(name).lower(): value for name, value in payload.items()}
    for name in ("message", "error", "detail", "title"):
        if lowered.get(name):
            found = describe_error(lowered[name], depth=depth - 1)
            if found:
                return found
    return None


def _failure(call: Call[Any], response: Response, now: datetime) -> ApiError:
    status = response.status
    payload: Any = None
    message: str | None
    try:
        payload = decode_json(response.body)
    except (ValueError, RecursionError):
        message = printable(response.body.decode("utf-8", "replace"))
    else:
        message = describe_error(payload)
    message = message.rstrip(".") if message else None
    proxy_code = _proxy_error_code(payload)
    from_service = isinstance(payload, Mapping) and proxy_code is None
    if proxy_code == _PROXY_RATE_LIMIT:
        error, advice = _ADVICE[HTTPStatus.TOO_MANY_REQUESTS]
    else:
        error, advice = _classify(call.service, status, message, from_service=from_service)
    wait = response.headers.get("retry-after") or (payload.get("retry_after") if proxy_code else None)
    return error(
        f"{call} returned {_status_line(status)}{f': {message}' if message else ''}. {advice}",
        status_code=status,
        retry_after=retry_after_seconds(str(wait) if wait is not None else None, now=now),
    )


def _proxy_error_code(payload: Any) -> int | None:
    """Return the error code of a response that Cloudflare wrote as JSON; None for every other response.

    https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/
    """
    if not isinstance(payload, Mapping):
        return None
    code = str(payload.get("error_code"))
    number = int(code) if _PROXY_CODE.fullmatch(code) else 0
    return number if number or {"cloudflare_error", "ray_id"} & payload.keys() else None


_ADVICE: dict[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "Check the API key, which is the connection's password."),
    402: (PaymentRequiredError, "The account needs an active paid plan, or more credits, for this call."),
    403: (PermissionDeniedError, "The API key is valid but lacks a permission: grant it."),
    404: (
        NotFoundError,
        "Check the id, and that the API key belongs to the account or workspace that owns it.",
    ),
    408: (ServiceUnavailableError, "The service timed out waiting for the request; try again later."),
    429: (RateLimitedError, "Too many requests for this account: lower the connection's "
          "max_requests_per_second, or poll less often."),
}  # fmt: skip


def _classify(
    service: Service, status: int, message: str | None, *, from_service: bool
) -> tuple[type[ApiError], str]:
    if status == HTTPStatus.UNAUTHORIZED and message and "scope" in message.lower():
        return (
            PermissionDeniedError,
            "The API key is valid but lacks a scope: create a key that has the scope named here.",
        )
    if status == HTTPStatus.FORBIDDEN and not from_service:
        return (
            BlockedByProxyError,
            f"This response is not from {service.title}: a proxy in front of it refused the client. Check "
            f"the outgoing proxy and the user agent.",
        )
    if status in _ADVICE:
        return _ADVICE[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailableError, f"{service.title} failed on its side; try again later."
    return BadRequestError, "The request was refused; sending it again will not help."


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def printable(text: str) -> str:
    """Return a string as a message may quote it: one line, no control characters, at most 300 characters."""
    line = text.strip()[: 10 * _MESSAGE_LENGTH]
    if not line.isprintable():
        line = "".join(each if each.isprintable() else " " for each in line)
    line = " ".join(line.split())
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}…"


def name_or_none(name: Any) -> str | None:
    """Return a name that a service returned, on one line; None for an empty one and for anything else."""
    known = text_or_none(name)
    return printable(known) if known else None


def subject_of(kind: str, object_id: Any, name: Any) -> str:
    """Return how messages name a campaign or subsequence: ``Campaign 'Spring' (<id>)``.

    :param name: its name, as a service returned it; anything but a string counts as not known.
    """
    known = name_or_none(name)
    return f"{kind} {known!r} ({object_id})" if known else f"{kind} {object_id}"


def _json_type(payload: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return names.get(type(payload), "a number")
