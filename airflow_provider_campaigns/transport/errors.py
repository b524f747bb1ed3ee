"""The errors of requests that failed before a complete response arrived; both transports use the same."""

from __future__ import annotations

import logging
import re
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.response import printable
from airflow_provider_campaigns.exceptions import (
    ApiError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    RejectedError,
)
from airflow_provider_campaigns.transport.account import Account

# The repr of received bytes in a library's message: it may end in the middle of a key, so the rest is removed
# too.
_BYTES_REPR = re.compile(r"""\bb\\*['"].*""", re.DOTALL)

# Advice for responses with status 200; other errors carry their own.
_ADVICE: dict[type[ApiError], str] = {
    MalformedResponseError: "Does the connection's host belong to {service}? If so, {service} changed its "
    "responses.",
    RejectedError: "{service} gives no error code: check the id, the credits and the API key.",
}

log = logging.getLogger("airflow_provider_campaigns.transport")


def incomplete_response(
    call: Call[Any], account: Account, cause: BaseException, *, is_url_error: bool = False
) -> ApiError:
    """Return the error of a request that broke before its response was complete.

    The cause is quoted and not chained, because a library's exception may hold the key.

    :param is_url_error: the cause concerns a URL from the environment, which may hold a proxy's password.
    """
    reason = _reason(account, cause, is_url_error)
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        return CertificateError(
            f"{call}: the certificate of {account.base_url} is not valid for {account.service.title} "
            f"({reason}). "
            f"Nothing was sent. Check the host of connection {account.conn_id!r} and this machine's "
            f"certificate authorities."
        )
    return IncompleteResponseError(
        f"{call}: no complete response from {account.base_url} ({reason}). "
        f"Check the network, and the host of connection {account.conn_id!r}."
    )


def connect_error(
    call: Call[Any], account: Account, cause: BaseException, *, is_url_error: bool = False
) -> ConnectError:
    """Return the error of a request without a connection; see :func:`incomplete_response`."""
    return ConnectError(
        f"{call}: cannot connect to {account.base_url}; nothing was sent "
        f"({_reason(account, cause, is_url_error)}). "
        f"Check the network, and the host of connection {account.conn_id!r}."
    )


def timed_out(call: Call[Any], account: Account) -> IncompleteResponseError:
    """Return the error of a request whose response did not arrive in time."""
    return IncompleteResponseError(
        f"{call}: no complete response from {account.base_url} within {account.timeout:g} s, "
        f"the timeout of connection {account.conn_id!r}. Check the network, or raise the timeout."
    )


def too_large(call: Call[Any]) -> MalformedResponseError:
    """Return the error of a response that is longer than the call allows."""
    return MalformedResponseError(
        f"{call}: the response is longer than {call.max_bytes:,} bytes and was not read."
    )


def with_connection(error: ApiError, account: Account) -> ApiError:
    """Return an error whose message names the connection, says what to do, and does not hold the key."""
    service = account.service.title
    message = f"{service}, connection {account.conn_id!r}: {account.redact(str(error))}"
    for kind, advice in _ADVICE.items():
        if isinstance(error, kind) and not message.endswith("?"):
            message = f"{message.rstrip('.')}. {advice.format(service=service)}"
    return type(error)(message, status_code=error.status_code, retry_after=error.retry_after)


def log_retry(error: ApiError, attempt: int, pause: float) -> None:
    """Log that a request failed and will be sent again."""
    log.warning("Attempt %d failed, retrying in %.1f s: %s", attempt, pause, error)


def _reason(account: Account, cause: BaseException, is_url_error: bool) -> str:  # noqa: FBT001
    if is_url_error:
        return f"{type(cause).__name__}: is the proxy's address in the environment a URL?"
    return printable(account.redact(_BYTES_REPR.sub("b'…'", f"{type(cause).__name__}: {cause}")))
