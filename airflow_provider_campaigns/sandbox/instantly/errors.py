"""The errors of Instantly, worded as it words them."""

from __future__ import annotations

from airflow_provider_campaigns.sandbox.exchange import Refused, json_reply, phrase_of

_MESSAGES = {
    401: "Missing Authorization header",
    402: "Workspace does not have an active paid plan",
    404: "Resource not found",
    429: "Rate limit exceeded",
}


def refusal(message: str, status: int = 400) -> Refused:
    """Return an error in the shape that nearly all of them have."""
    body = {"statusCode": status, "error": phrase_of(status), "message": message}
    return Refused(json_reply(body, status))


def usual_refusal(status: int) -> Refused:
    """Return the error that a status usually comes with; a method that a path lacks counts as not found."""
    status = 404 if status == 405 else status  # noqa: PLR2004
    return refusal(_MESSAGES.get(status, phrase_of(status)), status)


def not_found() -> Refused:
    """Return the error about an id or a path that is not known."""
    return usual_refusal(404)


def unless_right(problem: str | None) -> None:
    """End the request if there is a problem with it."""
    if problem:
        raise refusal(problem)
