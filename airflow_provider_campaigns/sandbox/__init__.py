"""A local server with both APIs, to try Dags without an account. Not a production server.

::

    python -m airflow_provider_campaigns.sandbox

In Python, :func:`running` starts one in a background thread. Names are imported at their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_campaigns import lazy_names

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
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "DRAFT_CAMPAIGN_ID": "seed",
            "HEALTHY_CAMPAIGN_ID": "seed",
            "PAUSED_CAMPAIGN_ID": "seed",
            "SUBSEQUENCE_ID": "seed",
            "UNHEALTHY_CAMPAIGN_ID": "seed",
            "Options": "options",
            "RunningSandbox": "server",
            "SandboxState": "state",
            "create_app": "app",
            "running": "server",
        },
    )

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
