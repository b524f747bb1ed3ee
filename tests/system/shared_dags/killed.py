"""Tasks whose worker process is killed once, each at another point, and which Airflow then retries.

Each point is at a border of the process (the request leaves, the response arrives, the task state store is
written), never a function of the provider. A file in ``KILLS_FOLDER`` marks a task that was killed already.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from airflow.providers.common.compat.sdk import DAG
from airflow.sdk.execution_time.context import TaskStateStoreAccessor

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerSubmitCampaignOperator,
    submit_campaign,
)
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator

# The sandbox lists a submitted campaign immediately, so a retry need not wait for that.
submit_campaign.LISTING_DELAY_SECONDS = 0.5

POINTS = (
    "before_request",
    "after_acceptance",
    "after_response",
    "before_store",
    "after_store",
)
CALLS = {"submit": "/v1/send_campaign", "leads": "/api/v2/leads/add"}
# The upload of leads is killed at its second batch, so that a retry continues after the first.
OCCURRENCE = {"submit": 1, "leads": 2}


def kill_once(context: Any) -> None:
    """Arrange for this process to be killed at the point that the task id names."""
    kind, _, point = context["task"].task_id.partition("_")
    flag = Path(os.environ["KILLS_FOLDER"], context["task"].task_id)
    if flag.exists():
        return

    def die() -> None:
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    if point == "before_request":
        _wrap(requests.Session, "send", OCCURRENCE[kind], before=die, only=CALLS[kind])
    elif point == "after_acceptance":
        _wrap(
            http.client.HTTPConnection, "getresponse", OCCURRENCE[kind], before=lambda: (time.sleep(1), die())
        )
    elif point == "after_response":
        _wrap(requests.Session, "send", OCCURRENCE[kind], after=die, only=CALLS[kind])
    elif point == "before_store":
        _wrap(TaskStateStoreAccessor, "set", OCCURRENCE[kind], before=die)
    else:
        _wrap(TaskStateStoreAccessor, "set", OCCURRENCE[kind], after=die)


def _wrap(
    owner: Any,
    name: str,
    occurrence: int,
    *,
    before: Callable[[], Any] = lambda: None,
    after: Callable[[], Any] = lambda: None,
    only: str = "",
) -> None:
    original, calls = getattr(owner, name), [0]

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if only and not args[0].path_url.startswith(only):
            return original(self, *args, **kwargs)
        calls[0] += 1
        if calls[0] == occurrence:
            before()
        result = original(self, *args, **kwargs)
        if calls[0] == occurrence:
            after()
        return result

    setattr(owner, name, wrapped)


with DAG("killed", params={"campaign_ids": [], "leads_path": ""}, max_active_tasks=4):
    for number, point in enumerate(POINTS):
        CampaignCleanerSubmitCampaignOperator(
            task_id=f"submit_{point}",
            campaign_html="<p>Spring</p>",
            campaign_name="Spring",
            retries=2,
            retry_delay=timedelta(seconds=1),
            pre_execute=kill_once,
        )
        InstantlyAddLeadsOperator(
            task_id=f"leads_{point}",
            campaign_id=f"{{{{ params.campaign_ids[{number}] }}}}",
            leads_path="{{ params.leads_path }}",
            retries=2,
            retry_delay=timedelta(seconds=1),
            pre_execute=kill_once,
        )
