"""Inbox tests: in which folder the mails to a set of seed mailboxes arrive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.campaign_cleaner.base import (
    MAX_STATUS_BYTES,
    MAX_STATUS_LENGTH,
    post_call,
)
from airflow_provider_campaigns.api.response import printable, text_or_none
from airflow_provider_campaigns.api.values import (
    can_be_a_status,
    check_opaque_id,
    number_or_none,
    objects_in,
    without_none,
)
from airflow_provider_campaigns.exceptions import MalformedResponseError

_COUNTS = (
    "total_seeds",
    "received",
    "inbox",
    "spam",
    "pending",
    "unknown_placement",
    "inbox_rate",
    "spam_rate",
)


class InboxTestState(str, Enum):
    """The two states of an inbox test. The vendor capitalises them; the case is ignored here."""

    PROCESSING = "processing"
    COMPLETED = "completed"


@dataclass(frozen=True)
class InboxTest:
    """A new inbox test: send your campaign to its addresses.

    :param job_id: identifies the test.
    :param send_to: the seed addresses; empty where the response contains no valid ones.
    :param raw: the whole response.
    """

    job_id: str
    send_to: tuple[str, ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class InboxTestResults:
    """Where the mails of an inbox test have arrived so far; a count is None where the response has none.

    :param job_id: identifies the test.
    :param status: in lower case; see :class:`InboxTestState`.
    :param test_name: its name.
    :param total_seeds: mailboxes in the test.
    :param received: mailboxes that the mail has reached.
    :param inbox: of those, how many in the inbox.
    :param spam: of those, how many in the spam folder.
    :param pending: mailboxes that the mail has not reached yet.
    :param unknown_placement: mailboxes that the mail has reached in an unknown folder.
    :param inbox_rate: percent of all seeds.
    :param spam_rate: percent of all seeds.
    :param results: one for each seed, as the service wrote it.
    :param raw: the whole response.
    """

    job_id: str
    status: str
    test_name: str | None
    total_seeds: float | None
    received: float | None
    inbox: float | None
    spam: float | None
    pending: float | None
    unknown_placement: float | None
    inbox_rate: float | None
    spam_rate: float | None
    results: tuple[Mapping[str, Any], ...] = field(repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def summary(self) -> dict[str, Any]:
        """The test's id, status and name, and the counts that the response has."""
        names = ("job_id", "status", "test_name", *_COUNTS)
        return without_none({name: getattr(self, name) for name in names})


def create_inbox_test(test_name: str | None = None, **options: Any) -> Call[InboxTest]:
    """Create an inbox test. Its options, and whether it costs a credit, are not documented.

    https://docs.campaigncleaner.com/api-reference/endpoint/create-inbox-test

    :param test_name: a name for the test.
    :param options: further options, under the vendor's names.
    """
    body = without_none({"test_name": test_name, **options})
    return post_call("create_inbox_test", body, _parse_test, idempotent=False)


def _parse_test(response: Mapping[str, Any]) -> InboxTest:
    for place in (response, *(value for value in response.values() if isinstance(value, Mapping))):
        try:
            job_id = check_opaque_id(str(place["job_id"]), "job_id")
        except (KeyError, ValueError):
            continue
        return InboxTest(job_id, _addresses(place.get("send_to")), raw=response)
    raise MalformedResponseError("create_inbox_test: the response contains no job_id.")


def _addresses(send_to: Any) -> tuple[str, ...]:
    """Return the seed addresses, which may be a list, a string with separators, or objects."""
    if isinstance(send_to, str):
        send_to = re.split(r"[,;\s]+", send_to)
    if not isinstance(send_to, list):
        return ()
    found = [
        next((str(value) for value in each.values() if "@" in str(value)), "")
        if isinstance(each, Mapping)
        else str(each)
        for each in send_to
    ]
    return tuple(address for address in found if "@" in address)


def get_inbox_test_results(job_id: str) -> Call[InboxTestResults]:
    """Get where the mails of an inbox test have arrived so far.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :raises ValueError: the id is not valid.
    """
    job_id = check_opaque_id(job_id, "job_id")
    call = post_call(
        "get_inbox_test_results", {"job_id": job_id}, lambda response: _parse_results(response, job_id)
    )
    return replace(call, max_bytes=MAX_STATUS_BYTES)


def _parse_results(response: Mapping[str, Any], job_id: str) -> InboxTestResults:
    status = text_or_none(response.get("status"))
    if status is None or not can_be_a_status(status, MAX_STATUS_LENGTH):
        raise MalformedResponseError("get_inbox_test_results: the response contains no status.")
    found = response.get("job_id")
    if found is not None and str(found).lower() != job_id.lower():
        raise MalformedResponseError(
            f"get_inbox_test_results: requested test {job_id}, got test {printable(str(found))}."
        )
    summary = response.get("summary")
    counts = summary if isinstance(summary, Mapping) else {}
    return InboxTestResults(
        job_id=job_id,
        status=status.lower(),
        test_name=text_or_none(response.get("test_name")),
        **{name: number_or_none(counts.get(name)) for name in _COUNTS},
        results=objects_in(response.get("results")),
        raw=response,
    )
