"""A local server with both APIs, to try Dags without an account. Not a production server.

::

    python -m airflow_provider_campaigns.sandbox

In Python, :func:`running` starts one in a background thread. Names are imported at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_campaigns.sandbox.app import create_app
    from airflow_provider_campaigns.sandbox.options import Options
    from airflow_provider_campaigns.sandbox.seed import (
        DRAFT_CAMPAIGN_ID,
        HEALTHY_CAMPAIGN_ID,
        PAUSED_CAMPAIGN_ID,
        SUBSEQUENCE_ID,
        UNHEALTHY_CAMPAIGN_ID,
    )
    from airflow_provider_campaigns.sandbox.server import RunningSandbox, running
    from airflow_provider_campaigns.sandbox.state import SandboxState

__all__ = [
    "DRAFT_CAMPAIGN_ID",
    "HEALTHY_CAMPAIGN_ID",
    "PAUSED_CAMPAIGN_ID",
    "SUBSEQUENCE_ID",
    "UNHEALTHY_CAMPAIGN_ID",
    "Options",
    "RunningSandbox",
    "SandboxState",
    "create_app",
    "running",
]

_MODULES = {
    "create_app": "app",
    "RunningSandbox": "server",
    "running": "server",
    "Options": "options",
    "SandboxState": "state",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'seed')}"), name)
