"""Fetch the verdicts on many campaigns at the same time, from a worker.

The requests run in an event loop, over the transport of the triggerer: few connections, one rate limit, and
a pause for all of them where the service asks for one. The loop has a thread of its own: Airflow raises a
timeout of the task in the main thread, where it might hit a callback of the loop, which would drop it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    NotFoundError,
    RateLimitedError,
)
from airflow_provider_campaigns.hooks._verdicts import VerdictSource
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.send_gate import Verdict
from airflow_provider_campaigns.transport.account import MAX_CONNECTIONS
from airflow_provider_campaigns.transport.rate_limit import MAX_PAUSE
from airflow_provider_campaigns.transport.retry import Retry

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.instantly import InstantlyHook

T = TypeVar("T")
Result = tuple[str, Verdict | ApiError]

# So many campaigns in a row without a response are an outage, which ends the whole.
MAX_FAILED_IN_A_ROW = 20
_ABOUT_ONE_CAMPAIGN = (NotFoundError, BadRequestError)
# By the longest pause of an account that its rate limiter keeps.
LONG_RETRY_AFTER = Retry(max_retry_after=MAX_PAUSE)
# How long the thread may take to close its connections.
_CLOSING_SECONDS = 5.0


def verdicts_on(
    hook: InstantlyHook, campaign_ids: Collection[str], policy: Policy, retry: Retry
) -> Generator[Result, None, None]:
    """Yield each campaign with its verdict or its error, as they arrive; closing this ends the requests.

    :raises ApiError: the error concerns all campaigns.
    """
    hook.account  # noqa: B018 - read here, because that may block an event loop
    results: SimpleQueue[Result | BaseException | None] = SimpleQueue()
    cancel: list[Callable[[], object]] = []

    async def fetch() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        cancel.append(lambda: loop.call_soon_threadsafe(task.cancel))
        await _fetch(hook, campaign_ids, policy, retry, results.put)

    def run() -> None:
        try:
            asyncio.run(fetch())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that reads the results
            results.put(error)
        else:
            results.put(None)

    thread = Thread(target=run, name="verdicts", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        for each in cancel:
            with suppress(RuntimeError):  # the loop is closed
                each()
        thread.join(_CLOSING_SECONDS)


async def _fetch(
    hook: InstantlyHook,
    campaign_ids: Collection[str],
    policy: Policy,
    retry: Retry,
    on_result: Callable[[Result], object],
) -> None:
    remaining, failed_in_a_row = iter(campaign_ids), 0

    async with hook.aclient(hook.metrics) as client:

        async def send(call: Call[T], /) -> T:
            return await client.send(call, retry)

        async def result_of(campaign_id: str) -> Verdict | ApiError:
            nonlocal failed_in_a_row
            try:
                verdict, _ = await VerdictSource(send, campaign_id).read(policy)
            except ApiError as error:
                failed_in_a_row = failed_in_a_row + 1 if error.retryable else 0
                if _is_about_all(error) or failed_in_a_row >= MAX_FAILED_IN_A_ROW:
                    raise
                return error
            failed_in_a_row = 0
            hook.metrics.verdict(verdict)
            return verdict

        async def work() -> None:
            for campaign_id in remaining:
                on_result((campaign_id, await result_of(campaign_id)))

        workers = [asyncio.create_task(work()) for _ in range(MAX_CONNECTIONS)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def _is_about_all(error: ApiError) -> bool:
    """Return whether an error concerns the account, or is a rate limit longer than any pause."""
    is_final = error.final and not isinstance(error, _ABOUT_ONE_CAMPAIGN)
    return is_final or (isinstance(error, RateLimitedError) and (error.retry_after or 0.0) > MAX_PAUSE)
