"""Sensors that get their campaigns from other tasks and from templates; ``test_many_campaigns`` runs them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

IDS = ["c-2", "c-1", "c-3"]
TEMPLATE = "{{ ti.xcom_pull(task_ids='all_ids') }}"

for name, mode in {"poke": {"mode": "poke"}, "deferrable": {"end_from_trigger": True}}.items():
    for native in (False, True):
        dag_id = f"many_campaigns_{name}{'_native' if native else ''}"
        with DAG(dag_id, schedule=None, render_template_as_native_obj=native):
            wait: dict[str, Any] = {"poke_interval": 0.2, "timeout": 30, **mode}

            @task
            def all_ids() -> list[str]:
                return IDS

            @task
            def one_id(number: int) -> str:
                return IDS[number]

            ids = all_ids()
            CampaignCleanerCampaignSensor(task_id="of_a_task", campaign_id=ids, **wait)
            mapped = one_id.expand(number=[0, 1, 2])
            CampaignCleanerCampaignSensor(task_id="of_a_mapped_task", campaign_id=mapped, **wait)
            ids >> CampaignCleanerCampaignSensor(task_id="of_a_template", campaign_id=TEMPLATE, **wait)
