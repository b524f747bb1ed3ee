"""The accounts that the waits of a triggerer share: 1,000 waits on one connection look it up once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from airflow_provider_campaigns.hooks.base import ServiceHook
from airflow_provider_campaigns.transport.account import Account

# How long a wait may begin with an account that another wait looked up. A changed connection counts after it.
MAX_AGE_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class _Lookup:
    """One look-up of a connection, in a task of its own, so that no wait's end cancels it."""

    account: asyncio.Task[Account]
    started_at: float

    def is_outdated(self, now: float, rejected: Account | None) -> bool:
        """Return whether a wait has to look the connection up again."""
        if not self.account.done():
            return False
        failed = self.account.cancelled() or self.account.exception() is not None
        return failed or now - self.started_at >= MAX_AGE_SECONDS or self.account.result() is rejected


_lookups: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], _Lookup]] = WeakKeyDictionary()


async def shared_account(hook: ServiceHook, rejected: Account | None = None) -> Account:
    """Return the account of a hook's connection, looked up at most a minute ago.

    :param rejected: an account that this function returned, and whose key the service does not accept any
        more: look the connection up again, if no other wait has done so.
    """
    loop = asyncio.get_running_loop()
    lookups = _lookups.setdefault(loop, {})
    name = (hook.conn_type, hook.conn_id)
    lookup = lookups.get(name)
    if lookup is None or lookup.is_outdated(loop.time(), rejected):
        lookup = lookups[name] = _Lookup(loop.create_task(hook.aaccount()), loop.time())
    return await asyncio.shield(lookup.account)
