"""The errors of Instantly, in its own words."""

from __future__ import annotations

from airflow_provider_campaigns.sandbox.exchange import RefusedError, json_reply, reason_phrase

_MESSAGES = {
    401: "Missing Authorization header",
    402: "Workspace does not have an active paid plan",
    404: "Resource not found",
    429: "Rate limit exceeded",
}


def refusal(message: str, status: int = 400) -> RefusedError:
    """Return an error in the usual form."""
    body = {"statusCode": status, "error": reason_phrase(status), "message": message}
    return RefusedError(json_reply(body, status))


def default_refusal(status: int) -> RefusedError:
    """Return the usual error for an HTTP status; an unknown method counts as not found."""
    status = 404 if status == 405 else status  # noqa: PLR2004
    return refusal(_MESSAGES.get(status, reason_phrase(status)), status)


def not_found() -> RefusedError:
    """Return the error for an unknown id or path."""
    return default_refusal(404)


def refuse_if(problem: str | None) -> None:
    """Refuse the request if there is a problem."""
    if problem:
        raise refusal(problem)
