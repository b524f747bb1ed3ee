"""What a shared poller fetches: a kind of status query, and the objects that are waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.waits.subscription import Subscription

T = TypeVar("T")

# The key of a subscription that gets each list as a whole; no object has an empty id.
ALL = ""


@dataclass(frozen=True)
class StatusQuery(Generic[T]):
    """A kind of status query.

    :param kind: its name, in logs and to distinguish it from other kinds.
    :param fetch_one: returns the call that fetches one target.
    :param fetch_all: returns the call that fetches all targets, by id in lower case, where the service has
        one.
    :param fetch_details: returns a call like ``fetch_all``, whose response subscriptions to :data:`ALL` get.
    :param expected_errors: errors that count as a response.
    """

    kind: str
    fetch_one: Callable[[str], Call[T]]
    fetch_all: Callable[[], Call[Mapping[str, T]]] | None = None
    fetch_details: Callable[[], Call[Mapping[str, T]]] | None = None
    expected_errors: tuple[type[ApiError], ...] = ()

    def is_failure(self, result: T | ApiError) -> bool:
        """Return whether a poll failed: an error that is not an expected response."""
        return isinstance(result, ApiError) and not isinstance(result, self.expected_errors)


@dataclass(eq=False, slots=True)
class Target(Generic[T]):
    """An object that is waited for, with all its waits; or all objects, with those who follow the list."""

    key: str
    subscriptions: set[Subscription[T]] = field(default_factory=set)
    call: Call[T] | None = None
    in_flight: bool = False
    missing_from_list: bool = False
