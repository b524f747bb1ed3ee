"""Instantly API v2 as a service: how a request is built, and how a page of a list is parsed.

Responses are parsed leniently: a field that is missing or of another type is None, never an exception,
because the vendor omits most fields for some campaigns. What a status *means* is decided in
:mod:`airflow_provider_campaigns.rules.send_gate`.

Vendor pages: https://developer.instantly.ai/api-reference
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_campaigns.api.call import MAX_JSON_BYTES, Call, Service
from airflow_provider_campaigns.api.response import as_object, describe_error, text_or_none
from airflow_provider_campaigns.api.values import check_names, objects_in
from airflow_provider_campaigns.exceptions import MalformedResponseError

T = TypeVar("T")

SERVICE = Service(
    title="Instantly", base_url="https://api.instantly.ai", key_header="Authorization", key_prefix="Bearer "
)
WORKSPACE_HEADER = "x-as-workspace"
ROOT = "/api/v2"
PAGE_SIZE = 100
MAX_CODE_LENGTH = 100


def get_call(
    path: str,
    parse: Callable[[Mapping[str, Any]], T],
    *,
    params: Mapping[str, Any] | None = None,
    max_bytes: int = MAX_JSON_BYTES,
) -> Call[T]:
    """Build a GET whose response is a JSON object.

    :param path: path below ``/api/v2``.
    :param parse: parses the object.
    :param params: query parameters; those that are None are left out.
    :param max_bytes: the longest response body that is read.
    """
    return Call(
        SERVICE,
        "GET",
        f"{ROOT}{path}",
        lambda payload: parse(as_object(payload, f"GET {path}")),
        params=params,
        idempotent=True,
        max_bytes=max_bytes,
    )


def write_call(
    method: str,
    path: str,
    parse: Callable[[Mapping[str, Any]], T],
    *,
    body: Any = None,
    idempotent: bool = False,
) -> Call[T]:
    """Build a POST, PATCH or DELETE whose response is a JSON object.

    :param path: path below ``/api/v2``.
    :param parse: parses the object.
    :param body: JSON body; None sends none.
    :param idempotent: whether sending it twice has the same effect as sending it once.
    """
    return Call(
        SERVICE,
        method,
        f"{ROOT}{path}",
        lambda payload: parse(as_object(payload, f"{method} {path}")),
        body=body,
        idempotent=idempotent,
    )


def unchanged(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response as it is, for the calls that have no dataclass of their own."""
    return response


def without_error(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response that decides about a gate, unless it contains an error, whatever else it contains.

    :raises MalformedResponseError: it contains an error.
    """
    if any(name.lower() == "error" and value for name, value in response.items()):
        message = describe_error(response) or "without a message"
        raise MalformedResponseError(f"The response contains an error: {message}.")
    return response


def object_field(response: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a field that is a JSON object; empty where it is missing or something else."""
    found = response.get(name)
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Page:
    """One page of a list.

    :param items: the JSON objects on the page.
    :param next_starting_after: the cursor of the next page; None on the last page.
    """

    items: tuple[Mapping[str, Any], ...]
    next_starting_after: str | None


def page_params(
    filters: Mapping[str, Any], limit: Any, starting_after: str | None, *, known: Collection[str]
) -> dict[str, Any]:
    """Return the filters of a list call together with the page that is requested.

    :param known: the filters of the call; the service ignores others without an error.
    :raises ValueError: a filter is unknown, or the limit is not 1 to 100. For more, the service returns no
        items and no error.
    """
    filters = check_names(filters, known, "filters")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE_SIZE:
        raise ValueError(f"limit must be 1 to {PAGE_SIZE} items per page, got {limit!r}.")
    return {**filters, "limit": limit, "starting_after": starting_after}


def parse_page(response: Mapping[str, Any]) -> Page:
    """Parse one page of a list.

    :raises MalformedResponseError: the response contains no list of items.
    """
    items = response.get("items")
    if not isinstance(items, list):
        raise MalformedResponseError("The response to a list call contains no items.")
    return Page(objects_in(items), text_or_none(response.get("next_starting_after")))
