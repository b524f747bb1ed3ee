"""Campaign Cleaner as a service: how a request is built, and how an error in its response is found.

- The service returns 200 for success and failure alike, so every response is checked for an error before it
  is parsed.
- Where the vendor's pages contradict each other about the place of a value, a parser checks each place, the
  best documented one first.

Vendor pages: https://docs.campaigncleaner.com/api-reference/introduction
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from airflow_provider_campaigns.api.call import Call, Service
from airflow_provider_campaigns.api.response import as_object, describe_error, printable
from airflow_provider_campaigns.exceptions import MalformedResponseError, RejectedError

T = TypeVar("T")

SERVICE = Service(
    title="Campaign Cleaner", base_url="https://api.campaigncleaner.com", key_header="X-CC-API-Key"
)
MAX_STATUS_LENGTH = 100
MAX_STATUS_BYTES = 1024 * 1024


def get_call(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Call[T]:
    """Build a GET of an endpoint.

    :param name: the endpoint, such as ``get_credits``.
    :param parse: parses a response that describes no error.
    """
    return Call(SERVICE, "GET", f"/v1/{name}", _unless_rejected(name, parse), idempotent=True)


def post_call(
    name: str, body: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], T], *, idempotent: bool = True
) -> Call[T]:
    """Build a POST to an endpoint; most of them only read.

    :param name: the endpoint, such as ``get_campaign``.
    :param body: the JSON body.
    :param parse: parses a response that describes no error.
    :param idempotent: whether sending it twice has the same effect as sending it once.
    """
    return Call(
        SERVICE, "POST", f"/v1/{name}", _unless_rejected(name, parse), body=body, idempotent=idempotent
    )


def raise_if_rejected(response: Mapping[str, Any], name: str) -> None:
    """Raise the error that a response describes, if any, under ``error`` in upper or lower case.

    :param name: the endpoint, named in the error.
    :raises RejectedError: the response describes an error.
    :raises MalformedResponseError: it describes an error and contains a campaign's id.
    """
    for key, value in response.items():
        if key.lower() == "error" and value:
            if campaign_id_in(response):
                raise MalformedResponseError(f"{name}: the response contains both a campaign and an error.")
            raise RejectedError(
                f"Campaign Cleaner refused {name}: {describe_error(response) or printable(repr(value))}",
                status_code=200,
            )


def campaign_id_in(response: Mapping[str, Any]) -> Any:
    """Return ``campaign.id`` of a response as it is; None where it is missing."""
    campaign = response.get("campaign")
    return campaign.get("id") if isinstance(campaign, Mapping) else None


def _unless_rejected(name: str, parse: Callable[[Mapping[str, Any]], T]) -> Callable[[Any], T]:
    def parse_unless_rejected(payload: Any) -> T:
        response = as_object(payload, name)
        raise_if_rejected(response, name)
        return parse(response)

    return parse_unless_rejected
