"""One wait for many targets, over the poller that all waits on the account share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from airflow_provider_campaigns.waits.shared_poller import SharedPoller
from airflow_provider_campaigns.waits.subscription import Subscription

# The results of one response reach the waits one after the other, within this time.
SAME_RESPONSE_SECONDS = 0.5


async def wait_for_group(
    poller: SharedPoller[Any], subscriptions: Sequence[Subscription[Any]], is_over: Callable[[], bool]
) -> None:
    """Wait until all waits have ended, or until it is over before.

    :param subscriptions: the waits, with one deadline.
    :param is_over: called when waits have ended, once for all that one response ends.
    """
    changed = asyncio.Event()

    def remove(subscription: Subscription[Any]) -> None:
        poller.remove(subscription)
        changed.set()

    def expire() -> None:
        for each in subscriptions:
            each.expire()

    left = poller.time_left(subscriptions[0])
    timer = asyncio.get_running_loop().call_later(left, expire) if left < math.inf else None
    try:
        for each in subscriptions:
            poller.add(each, partial(remove, each))
        over = False
        while not over:
            await changed.wait()
            if not _have_ended(subscriptions):
                await asyncio.sleep(SAME_RESPONSE_SECONDS)
            changed.clear()
            over = is_over() or _have_ended(subscriptions)
    finally:
        if timer is not None:
            timer.cancel()
        for each in subscriptions:
            poller.remove(each)


def _have_ended(subscriptions: Sequence[Subscription[Any]]) -> bool:
    """Return whether all waits have ended.

    :raises RuntimeError: an error of this provider ended one of them.
    """
    if broken := next(filter(None, (each.broken for each in subscriptions)), None):
        raise broken
    return all(each.has_ended for each in subscriptions)
