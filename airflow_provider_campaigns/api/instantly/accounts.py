"""Sending accounts: list and get them, and check their domains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import (
    PAGE_SIZE,
    Page,
    get_call,
    page_params,
    parse_page,
    unchanged,
    write_call,
)
from airflow_provider_campaigns.api.values import objects_in
from airflow_provider_campaigns.exceptions import MalformedResponseError

# One address, without any character that could end a path segment or a header.
_EMAIL = re.compile(r"[^@\s/?#\\]+@[^@\s/?#\\]+")


@dataclass(frozen=True)
class AccountVitals:
    """The result of a check of the senders' domains: of their DNS records alone, not of any login.

    Each domain is as the service wrote it: ``domain``, ``allPass``, ``mx``, ``spf``, ``dkim``, ``dmarc``.

    :param passed: domains that passed.
    :param failed: domains that failed.
    :param indeterminate: domains that could not be checked.
    :param raw: the whole response.
    """

    passed: tuple[Mapping[str, Any], ...]
    failed: tuple[Mapping[str, Any], ...]
    indeterminate: tuple[Mapping[str, Any], ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


_FILTERS = frozenset({
    "search", "status", "provider_code", "tag_ids", "tag_ids_all", "include_tags", "filter", "sort_by",
    "sort_order", "skip",
})  # fmt: skip


def list_accounts(*, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any) -> Call[Page]:
    """Get one page of the sending accounts. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/list-account

    :param starting_after: the cursor that the previous page returned, unchanged.
    :param limit: items per page, 1 to 100.
    :param filters: ``status``, ``provider_code``, ``search``, ``tag_ids``, ``tag_ids_all``, ``include_tags``.
    :raises ValueError: the limit is not 1 to 100.
    """
    return get_call(
        "/accounts", parse_page, params=page_params(filters, limit, starting_after, known=_FILTERS)
    )


def get_account(email: str) -> Call[Mapping[str, Any]]:
    """Get a sending account. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/get-account

    :raises ValueError: it is not a valid e-mail address.
    """
    return get_call(f"/accounts/{quote(_check_email(email), safe='@')}", unchanged)


def check_account_vitals(emails: Iterable[str]) -> Call[AccountVitals]:
    """Check the DNS records of the senders' domains. Needs ``accounts:read``.

    https://developer.instantly.ai/api-reference/account/test-account-vitals

    :param emails: addresses of sending accounts.
    :raises ValueError: there is no address, or one is not valid.
    """
    addresses = [_check_email(email) for email in emails]
    if not addresses:
        raise ValueError("emails must contain at least one address.")
    body = {"accounts": addresses}
    return write_call("POST", "/accounts/test/vitals", _parse_vitals, body=body, idempotent=True)


def _parse_vitals(response: Mapping[str, Any]) -> AccountVitals:
    if not all(isinstance(response.get(name), list) for name in ("success_list", "failure_list")):
        raise MalformedResponseError(
            "POST /accounts/test/vitals: the response contains no success_list or no failure_list."
        )
    return AccountVitals(
        passed=objects_in(response["success_list"]),
        failed=objects_in(response["failure_list"]),
        indeterminate=objects_in(response.get("indeterminate")),
        raw=response,
    )


def _check_email(email: Any) -> str:
    if isinstance(email, str) and _EMAIL.fullmatch(email):
        return email
    raise ValueError(f"{email!r} is not a valid e-mail address.")
