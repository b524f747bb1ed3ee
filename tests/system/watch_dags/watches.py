"""Dags that start when something happens. Each task returns the events that it got."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_campaigns import watchers
from airflow_provider_campaigns.watchers import (
    campaign_cleaner_completed,
    instantly_health_changed,
    new_events,
)

# So that a kill meets a watcher at any moment between two polls.
watchers.MIN_INTERVAL = 0.5
INTERVAL = float(os.environ.get("WATCH_INTERVAL", "1"))

completed = campaign_cleaner_completed("completed", poke_interval=INTERVAL)
ill = instantly_health_changed("ill", on="code", poke_interval=INTERVAL)


@task(retries=3)
def handle(asset: Any, **context: Any) -> list[str]:
    with new_events(context, asset) as events:
        return [event.event_id for event in events]


for dag_id, asset in (("on_completed", completed), ("on_completed_too", completed), ("on_ill", ill)):
    with DAG(dag_id, schedule=[asset], max_active_runs=1, catchup=False):
        handle.override(inlets=[asset])(asset)
