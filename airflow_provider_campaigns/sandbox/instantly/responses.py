"""The errors of Instantly, in its own words, and the pages of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_campaigns.sandbox.exchange import RefusedError, Reply, json_reply, reason_phrase

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100
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


def page(
    items: list[dict[str, Any]],
    request: Mapping[str, Any],
    cursor_of: Callable[[dict[str, Any]], str] = lambda item: str(item["id"]),
) -> Reply:
    """Return the page that is requested, and the cursor of the next.

    A limit above 100 gives no items and no error, and a full page always has a cursor, even when it is the
    last: the live service does both, and a client has to cope.

    :param request: holds ``limit`` and ``starting_after``: query parameters, or a body.
    """
    try:
        limit = int(request.get("limit", _DEFAULT_LIMIT))
    except (ValueError, OverflowError):
        raise refusal("querystring/limit must be integer") from None
    if limit < 1:
        raise refusal("querystring/limit must be >= 1")
    if limit > _MAX_LIMIT:
        return json_reply({"items": []})
    cursors = [cursor_of(item) for item in items]
    start, after = 0, request.get("starting_after")
    if after:
        start = cursors.index(after) + 1 if after in cursors else len(items)
    found = items[start : start + limit]
    if len(found) < limit:
        return json_reply({"items": found})
    return json_reply({"items": found, "next_starting_after": cursors[start + limit - 1]})
