from __future__ import annotations

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CertificateError,
    ConnectError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitedError,
    RejectedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry

READ = campaign_cleaner.get_campaign_status("e8c8af95")
SPEND = campaign_cleaner.send_campaign("<p>", "name")
CHANGE = instantly.pause_campaign("019e18e2-a52f-78e7-96f2-b33ee19bb50a")


@pytest.mark.parametrize(
    "kind", [RateLimitedError, ServiceUnavailableError, IncompleteResponseError, ConnectError]
)
def test_a_read_is_repeated_after_what_a_moment_can_heal(kind: type[ApiError]) -> None:
    pauses = [Retry().after_failure(READ, kind("x"), attempt, jitter=1) for attempt in range(1, 6)]
    assert pauses == [1, 2, 4, 8, None]


@pytest.mark.parametrize(
    "kind",
    [
        AuthenticationError, BadRequestError, PaymentRequiredError, NotFoundError, RejectedError,
        MalformedResponseError, CertificateError,
    ],
)  # fmt: skip
def test_nothing_else_is_repeated(kind: type[ApiError]) -> None:
    assert Retry().after_failure(READ, kind("x"), 1, jitter=1) is None


@pytest.mark.parametrize("call", [SPEND, CHANGE])
@pytest.mark.parametrize("kind", [RateLimitedError, ServiceUnavailableError, IncompleteResponseError])
def test_what_changes_something_is_not_repeated_once_it_was_sent(call: Call, kind: type[ApiError]) -> None:
    assert Retry().after_failure(call, kind("x"), 1, jitter=1) is None


def test_what_was_never_sent_may_be_sent_again() -> None:
    assert Retry().after_failure(SPEND, ConnectError("x"), 1, jitter=1) == 1


def test_pauses_are_drawn_from_their_upper_half() -> None:
    assert Retry().after_failure(READ, IncompleteResponseError("x"), 3, jitter=0) == 2


@pytest.mark.parametrize(("asked", "pause"), [(0, 1), (7, 7), (60, 60), (61, None), (86_400, None)])
def test_retry_after_is_obeyed_and_not_for_long(asked: float, pause: float | None) -> None:
    assert Retry().after_failure(READ, RateLimitedError("x", retry_after=asked), 1, jitter=1) == pause


def test_once_is_once() -> None:
    assert NO_RETRY.after_failure(READ, IncompleteResponseError("x"), 1, jitter=1) is None
