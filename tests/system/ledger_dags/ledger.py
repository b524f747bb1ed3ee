"""A Dag that adds completed campaigns to an asset, and one that runs once for each of them.

If ``KILL_FILE`` exists, the worker of the first Dag is killed once, between the list and the success.
"""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task
from airflow.sdk.execution_time.context import OutletEventAccessor

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerEmitCompletedOperator

completed = Asset("completed_campaigns", "x-test://completed")


def kill_once(context: Any) -> None:
    """Arrange for this process to be killed when the events are known and not stored yet."""
    kill_file = Path(os.environ["KILL_FILE"])

    def add_and_die(self: Any, keys: list[str]) -> None:
        kill_file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    if kill_file.exists():
        OutletEventAccessor.add_partitions = add_and_die


with DAG("emit_completed", schedule=None):
    CampaignCleanerEmitCompletedOperator(
        task_id="emit", asset=completed, retries=1, retry_delay=timedelta(seconds=1), pre_execute=kill_once
    )


with DAG("on_completed", schedule=PartitionedAssetTimetable(assets=completed)):

    @task
    def key(dag_run: Any = None) -> str:
        return dag_run.partition_key

    key()
