"""Which failed request is sent again, and after how long."""

from __future__ import annotations

import pytest

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


def pause_after(
    error: ApiError,
    attempt: int = 1,
    *,
    idempotent: bool = True,
    jitter: float = 1,
    retry: Retry | None = None,
) -> float | None:
    return (retry or Retry()).after_failure(error, attempt, idempotent=idempotent, jitter=jitter)


class TestWhatIsRetried:
    @pytest.mark.parametrize(
        "kind", [RateLimitedError, ServiceUnavailableError, IncompleteResponseError, ConnectError]
    )
    def test_read_is_retried_after_a_passing_error(self, kind: type[ApiError]) -> None:
        assert [pause_after(kind("x"), attempt) for attempt in range(1, 6)] == [1, 2, 4, 8, None]

    @pytest.mark.parametrize(
        "kind",
        [
            AuthenticationError, BadRequestError, PaymentRequiredError, NotFoundError, RejectedError,
            MalformedResponseError, CertificateError,
        ],
    )  # fmt: skip
    def test_other_errors_are_not_retried(self, kind: type[ApiError]) -> None:
        assert pause_after(kind("x")) is None

    @pytest.mark.parametrize("kind", [RateLimitedError, ServiceUnavailableError, IncompleteResponseError])
    def test_change_is_not_retried_once_sent(self, kind: type[ApiError]) -> None:
        assert pause_after(kind("x"), idempotent=False) is None

    def test_change_is_retried_if_nothing_was_sent(self) -> None:
        assert pause_after(ConnectError("x"), idempotent=False) == 1

    def test_not_received_decides_what_a_change_survives(self) -> None:
        retry = Retry(not_received=(ConnectError, RateLimitedError))
        assert pause_after(RateLimitedError("x"), idempotent=False, retry=retry) == 1
        assert pause_after(IncompleteResponseError("x"), idempotent=False, retry=retry) is None
        # An error that no repetition can help stays final.
        final = Retry(not_received=(BadRequestError,))
        assert pause_after(BadRequestError("x"), idempotent=False, retry=final) is None

    def test_no_retry_sends_once(self) -> None:
        assert pause_after(IncompleteResponseError("x"), retry=NO_RETRY) is None


class TestPause:
    def test_jitter_halves_it_at_most(self) -> None:
        assert pause_after(IncompleteResponseError("x"), 3, jitter=0) == 2

    @pytest.mark.parametrize(("jitter", "pause"), [(0, 0.5), (0.5, 0.75), (1, 1)])
    def test_first_pause_is_half_a_second_to_one(self, jitter: float, pause: float) -> None:
        assert pause_after(IncompleteResponseError("x"), jitter=jitter) == pause

    @pytest.mark.parametrize(("attempt", "pause"), [(6, 32), (7, 60), (8, 60), (5000, 60)])
    def test_pause_grows_to_a_minute_at_most(self, attempt: int, pause: float) -> None:
        assert pause_after(IncompleteResponseError("x"), attempt, retry=Retry(attempts=9999)) == pause

    @pytest.mark.parametrize(("asked", "pause"), [(0, 1), (7, 7), (60, 60), (61, None), (86_400, None)])
    def test_retry_after_is_a_lower_bound_up_to_60_s(self, asked: float, pause: float | None) -> None:
        assert pause_after(RateLimitedError("x", retry_after=asked)) == pause
