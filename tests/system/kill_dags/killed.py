"""Tasks whose worker process is killed once, each at a point of its own, and which Airflow then retries.

The point is an edge to the outside (the request goes out, the answer comes in, Airflow's state store is
written), never a function of the provider. A file in ``KILLS_FOLDER`` tells that a task was killed already.
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

from airflow_provider_campaigns.operators import campaign_cleaner
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerSubmitCampaignOperator
from airflow_provider_campaigns.operators.instantly import InstantlyAddLeadsOperator

# A retry need not wait here for a service that is slow to list what it took.
campaign_cleaner.LISTING_DELAY_SECONDS = 0.5

POINTS = (
    "before_the_call",
    "after_it_was_taken",
    "after_the_answer",
    "before_it_is_stored",
    "after_it_is_stored",
)
CALLS = {"submit": "/v1/send_campaign", "leads": "/api/v2/leads/add"}
# Leads are killed at the second batch, so that there is one to go on behind.
TURN = {"submit": 1, "leads": 2}


def kill_once(context: Any) -> None:
    """Arrange for this process to die at the point that the task's name tells."""
    kind, _, point = context["task"].task_id.partition("_")
    flag = Path(os.environ["KILLS_FOLDER"], context["task"].task_id)
    if flag.exists():
        return

    def die() -> None:
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    if point == "before_the_call":
        _wrap(requests.Session, "send", TURN[kind], before=die, only=CALLS[kind])
    elif point == "after_it_was_taken":
        _wrap(http.client.HTTPConnection, "getresponse", TURN[kind], before=lambda: (time.sleep(1), die()))
    elif point == "after_the_answer":
        _wrap(requests.Session, "send", TURN[kind], after=die, only=CALLS[kind])
    elif point == "before_it_is_stored":
        _wrap(TaskStateStoreAccessor, "set", TURN[kind], before=die)
    else:
        _wrap(TaskStateStoreAccessor, "set", TURN[kind], after=die)


def _wrap(
    owner: Any,
    name: str,
    turn: int,
    *,
    before: Callable[[], Any] = lambda: None,
    after: Callable[[], Any] = lambda: None,
    only: str = "",
) -> None:
    original, turns = getattr(owner, name), [0]

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if only and not args[0].path_url.startswith(only):
            return original(self, *args, **kwargs)
        turns[0] += 1
        if turns[0] == turn:
            before()
        result = original(self, *args, **kwargs)
        if turns[0] == turn:
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
