"""Report to Airflow's lineage which campaigns and files a task read or wrote.

Airflow itself reports files, but not those that are read line by line, and local ones without the scheme that
OpenLineage needs. Where no plugin and no OpenLineage reads the lineage, nothing is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.assets import CAMPAIGN_CLEANER, INSTANTLY, campaign_uri, file_uri

if TYPE_CHECKING:
    from airflow_provider_campaigns.hooks.base import ServiceHook

log = logging.getLogger(__name__)

_SCHEMES = {"campaign_cleaner": CAMPAIGN_CLEANER, "instantly": INSTANTLY}


def read_campaign(hook: ServiceHook, campaign_id: str) -> None:
    """Report that a task read a campaign."""
    _report("add_input_asset", hook, lambda: _campaign_uri(hook, campaign_id))


def wrote_campaign(hook: ServiceHook, campaign_id: str) -> None:
    """Report that a task created or changed a campaign."""
    _report("add_output_asset", hook, lambda: _campaign_uri(hook, campaign_id))


def read_file(hook: ServiceHook, path: str) -> None:
    """Report that a task read a file."""
    _report("add_input_asset", hook, lambda: file_uri(path))


def wrote_file(hook: ServiceHook, path: str) -> None:
    """Report that a task wrote a file."""
    _report("add_output_asset", hook, lambda: file_uri(path))


def _campaign_uri(hook: ServiceHook, campaign_id: str) -> str:
    return campaign_uri(_SCHEMES[hook.conn_type], campaign_id, base_url=hook.account.base_url)


def _report(method: str, hook: ServiceHook, uri: Callable[[], str]) -> None:
    """Report an asset. The work of the task is done by then, so an error must not fail it."""
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        if type(collector).__name__ != "NoOpCollector":
            getattr(collector, method)(context=hook, uri=uri())
    except Exception:
        log.warning("Airflow's lineage failed; continuing without it.", exc_info=True)
