"""The accounts that the waits of a triggerer share: 1,000 waits on one connection look it up once."""

from __future__ import annotations

from airflow_provider_campaigns.hooks.base import ServiceHook
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.transport.shared_result import SharedResults

# How long a wait may begin with an account that another wait looked up. A changed connection counts after it.
MAX_AGE_SECONDS = 60.0

_accounts: SharedResults[Account] = SharedResults()


async def shared_account(hook: ServiceHook, rejected: Account | None = None) -> Account:
    """Return the account of a hook's connection, looked up at most a minute ago.

    :param rejected: an account that this function returned, and whose key the service does not accept any
        more: look the connection up again, if no other wait has done so.
    """
    name = (hook.conn_type, hook.conn_id)
    return await _accounts.get(name, hook.aaccount, max_age=MAX_AGE_SECONDS, rejected=rejected)
