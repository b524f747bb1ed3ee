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
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "app": ["create_app"],
            "options": ["Options"],
            "seed": [
                "DRAFT_CAMPAIGN_ID",
                "HEALTHY_CAMPAIGN_ID",
                "PAUSED_CAMPAIGN_ID",
                "SUBSEQUENCE_ID",
                "UNHEALTHY_CAMPAIGN_ID",
            ],
            "server": ["RunningSandbox", "running"],
            "state": ["SandboxState"],
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
