"""A watcher starts a Dag that adds completed campaigns to an asset; another Dag runs once for each of them.

Each file in ``KILLS_FOLDER`` makes one try of the first Dag's task kill its process, at the point that the
file's name says. The points are at borders of the process, never in a function of the provider.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import requests
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    PartitionedAssetTimetable,
    task,
)
from airflow.sdk.execution_time.comms import SucceedTask
from airflow.sdk.execution_time.context import AssetStateStoreAccessor, OutletEventAccessor

from airflow_provider_campaigns import watchers
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerEmitCompletedOperator
from airflow_provider_campaigns.watchers import campaign_cleaner_completed

# So that a kill meets a watcher at any moment between two polls.
watchers.MIN_INTERVAL = 0.5

completed = Asset("completed_campaigns", "x-test://storm")
ring = campaign_cleaner_completed("ring", poke_interval=1)
# Once at the beginning, and then never during a test.
yearly = CronTriggerTimetable("0 0 1 1 *", timezone="UTC", run_immediately=True)


def kill_at_a_point(context: Any) -> None:
    """Arrange for this process to be killed if a file says so; the first file that a try finds."""
    file = min(Path(os.environ["KILLS_FOLDER"]).iterdir(), default=None)
    if file is None:
        return
    _, point, what = file.name.split(".")

    def die() -> None:
        file.unlink()
        if what == "supervisor":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    if point == "request":
        _wrap(requests.Session, "send", before=die)
    elif point == "response":
        _wrap(requests.Session, "send", after=die)
    elif point == "store":
        _wrap(AssetStateStoreAccessor, "set", before=die)
    elif point == "stored":
        _wrap(AssetStateStoreAccessor, "set", after=die)
    elif point == "added":
        _wrap(OutletEventAccessor, "add_partitions", after=die)
    else:  # while Airflow stores the success
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        soon = Timer(random.uniform(0, 0.1), die)
        _wrap(type(SUPERVISOR_COMMS), "send", before=soon.start, only=SucceedTask)


def _wrap(
    owner: Any,
    name: str,
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
    only: Any = object,
) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        is_meant = any(isinstance(each, only) for each in (*args, *kwargs.values()))
        if is_meant:
            before()
        result = original(self, *args, **kwargs)
        if is_meant:
            after()
        return result

    setattr(owner, name, wrapped)


with DAG("emit", schedule=AssetOrTimeSchedule(timetable=yearly, assets=[ring])):
    CampaignCleanerEmitCompletedOperator(
        task_id="emit",
        asset=completed,
        retries=100,
        retry_delay=timedelta(seconds=1),
        pre_execute=kill_at_a_point,
    )


# So few runs at a time that some are queued, and Airflow 3.3 cannot show their events.
with DAG("on_completed", schedule=PartitionedAssetTimetable(assets=completed), max_active_runs=3):

    @task(retries=100, retry_delay=timedelta(seconds=1))
    def key(dag_run: Any = None) -> str:
        time.sleep(0.5)
        return dag_run.partition_key

    key()
