"""What both transports say alike of a call that failed before its answer could be read."""

from __future__ import annotations

import logging
import re
from typing import Any

from airflow_provider_campaigns.api._call import Call, one_line
from airflow_provider_campaigns.exceptions import (
    ApiError,
    MalformedAnswerError,
    NotConnectedError,
    RejectedError,
    UnreachableError,
    UntrustedServerError,
)
from airflow_provider_campaigns.transport.account import Account

# What a library quotes of the bytes that came, perhaps cut off in the middle of a key. Once it has been
# quoted again its end is not to be seen, so all behind it goes.
_QUOTED_BYTES = re.compile(r"""\bb\\*['"].*""", re.DOTALL)

# What to do about an answer that was read, and is none; errors of other kinds say it themselves.
_ADVICE: dict[type[ApiError], str] = {
    MalformedAnswerError: "Is the connection's host really {service}? If it is, {service} answers otherwise "
    "than it used to.",
    RejectedError: "{service} gives no code for it: check the id, the credits and the API key.",
}

log = logging.getLogger("airflow_provider_campaigns.transport")


def no_answer(call: Call[Any], account: Account, cause: BaseException) -> ApiError:
    """Return the error for a request that broke before its answer was complete.

    The cause is told in words and not chained: what an HTTP library writes about a request is not ours to
    vouch for.
    """
    reason = _reason(account, cause)
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        return UntrustedServerError(
            f"{call}: {account.base_url} could not prove that it is {account.service.title} ({reason}). "
            f"Nothing was sent. Check the host of connection {account.conn_id!r} and this machine's "
            f"certificate authorities."
        )
    return UnreachableError(
        f"{call}: no complete answer from {account.base_url} ({reason}). "
        f"Check the network, and the host of connection {account.conn_id!r}."
    )


def not_connected(call: Call[Any], account: Account, cause: BaseException) -> NotConnectedError:
    """Return the error for a request that found nobody to take it."""
    return NotConnectedError(
        f"{call}: cannot connect to {account.base_url}; nothing was sent ({_reason(account, cause)}). "
        f"Check the network, and the host of connection {account.conn_id!r}."
    )


def too_slow(call: Call[Any], account: Account) -> UnreachableError:
    """Return the error for an answer that did not arrive in time."""
    return UnreachableError(
        f"{call}: no complete answer from {account.base_url} within {account.timeout:g} s, "
        f"the timeout of connection {account.conn_id!r}. Check the network, or raise the timeout."
    )


def too_large(call: Call[Any]) -> MalformedAnswerError:
    """Return the error for an answer that is longer than anything the service has reason to send."""
    return MalformedAnswerError(
        f"{call}: the answer is longer than {call.max_bytes:,} bytes and was not read."
    )


def told_of(error: ApiError, account: Account) -> ApiError:
    """Return an error that names the connection, says what to do, and does not name the key."""
    service = account.service.title
    told = f"{service}, connection {account.conn_id!r}: {account.redact(str(error))}"
    for kind, advice in _ADVICE.items():
        if isinstance(error, kind) and not told.endswith("?"):
            told = f"{told.rstrip('.')}. {advice.format(service=service)}"
    return type(error)(told, status_code=error.status_code, retry_after=error.retry_after)


def log_retry(error: ApiError, attempt: int, pause: float) -> None:
    """Say that a call failed and will be sent again."""
    log.warning("Attempt %d failed, next one in %.1f s: %s", attempt, pause, error)


def _reason(account: Account, cause: BaseException) -> str:
    if type(cause).__name__ in {"InvalidURL", "InvalidProxyURL", "TypeError"}:
        # The account's own address has been checked; and what is told of a proxy's may be its password.
        return f"{type(cause).__name__}: is the proxy's address in the environment a URL?"
    return one_line(account.redact(_QUOTED_BYTES.sub("b'…'", f"{type(cause).__name__}: {cause}")))
