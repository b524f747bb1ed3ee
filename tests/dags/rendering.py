"""Dags whose arguments are templates, task outputs, mapped or native; ``test_rendering`` runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.assets import Asset
from airflow.providers.common.compat.sdk import DAG, Param, TriggerRule, literal, task

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

CURRENT = "{{ var.value.current }}"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
LEADS = [{"email": "ada@example.com"}]
# What another task may return as HTML; nothing of it may be rendered.
HTML = [
    "<p>Hi {{firstName}}, {# no comment #} {% raw %}</p>",
    "<p>{{ conn.instantly_default.password }}</p><style>@media x{#a{color:red}}</style>",
]
LITERALS = [literal(html) for html in HTML]

# A Variable that changes while the task waits.
for name, mode in {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}.items():
    with DAG(f"changed_variable_{name}", schedule=None):
        CampaignCleanerCampaignSensor(
            task_id="wait", campaign_id=CURRENT, poke_interval=0.2, timeout=30, **mode
        )

waiting: dict[str, Any] = {"deferrable": True, "poke_interval": 0.2}
with DAG("changed_variable_get", schedule=None):
    CampaignCleanerGetCampaignOperator(
        task_id="wait", campaign_id=CURRENT, wait_for_completion=True, timeout=30, **waiting
    )
with DAG("changed_variable_gate", schedule=None):
    InstantlySendGateOperator(task_id="wait", campaign_id=CURRENT, wait_timeout=30, **waiting)
with DAG("changed_variable_activate", schedule=None):
    InstantlyActivateCampaignOperator(task_id="wait", campaign_id=CURRENT, wait_timeout=30, **waiting)


# A closed gate that skips.
def note_success(context: Any) -> None:
    with Path(os.environ["SUCCESSES"]).open("a") as file:
        file.write("success\n")


with DAG("gate_with_an_asset", schedule=None):
    InstantlySendGateOperator(
        task_id="gate",
        campaign_id="{{ params.campaign_id }}",
        on_closed="skip",
        outlets=[Asset("x-gate://gate_with_an_asset")],
        on_success_callback=note_success,
        params={"campaign_id": UUID},
    )
with DAG("mapped_gate_with_an_asset", schedule=None):
    InstantlySendGateOperator.partial(
        task_id="gate",
        on_closed="skip",
        outlets=[Asset("x-gate://mapped_gate_with_an_asset")],
        on_success_callback=note_success,
    ).expand(campaign_id=[UUID])
with DAG("mapped_gate_before_an_eager_task", schedule=None):
    mapped = InstantlySendGateOperator.partial(task_id="gate", on_closed="skip").expand(campaign_id=[UUID])
    mapped >> InstantlyAddLeadsOperator(
        task_id="send", campaign_id=UUID, leads=LEADS, trigger_rule=TriggerRule.ONE_SUCCESS
    )


# Mapped HTML.
@task
def pages() -> list[str]:
    return HTML


@task
def page_arguments() -> list[dict[str, str]]:
    return [{"campaign_html": html, "campaign_name": f"page {at}"} for at, html in enumerate(HTML)]


@task
def bodies() -> list[dict[str, str]]:
    return [{"html": html, "subject": "Hi {{firstName}} {# 1 #}"} for html in HTML]


submit = CampaignCleanerSubmitCampaignOperator
with DAG("mapped_html", schedule=None):
    submit.partial(task_id="expand", campaign_name="{{ dag.dag_id }}").expand(campaign_html=pages())
    submit.partial(task_id="expand_kwargs").expand_kwargs(page_arguments())
    submit.partial(task_id="literal", campaign_name="x").expand(campaign_html=LITERALS)
    InstantlyUpdateCampaignOperator.partial(task_id="update", campaign_id=UUID).expand_kwargs(bodies())

# What the Dag contains is rendered, also beside a mapped argument.
with DAG("mapped_comment", schedule=None):
    submit.partial(task_id="html", campaign_html="<p>Hi {# offer #} you</p>").expand(campaign_name=["x"])
    submit.partial(task_id="name", campaign_name="Sale {# 1 #}").expand(campaign_html=LITERALS)
    submit.partial(task_id="expand", campaign_name="x").expand(campaign_html=["<p>{# offer #}</p>"])


# Native objects, own delimiters, task outputs.
with DAG(
    "native_objects",
    schedule=None,
    render_template_as_native_obj=True,
    params={"info": Param('{"run": 7}', type="string"), "policy": Param({"waiting_for_leads": "open"})},
):
    submit(
        task_id="submit",
        campaign_html="<p>Hi</p>",
        campaign_name="2026",
        custom_info="{{ params.info }}",
        settings={"inline_css": "{{ 1 == 2 }}", "max_font_size_allowed": "{{ 30 }}"},
    )
    InstantlySendGateOperator(
        task_id="gate", campaign_id=UUID, policy="{{ params.policy }}", wait_timeout="{{ 1 }}"
    )
with DAG(
    "own_delimiters",
    schedule=None,
    params={"name": "Spring"},
    jinja_environment_kwargs={
        "variable_start_string": "[[", "variable_end_string": "]]", "comment_start_string": "[#",
    },
):  # fmt: skip
    submit(task_id="submit", campaign_html=HTML[0].replace("{%", "{"), campaign_name="[[ params.name ]]")


@task
def no() -> bool:
    return False


@task
def one_second() -> int:
    return 1


with DAG("task_outputs", schedule=None, params={"policy": Param({"waiting_for_leads": "open"})}):
    InstantlyActivateCampaignOperator(task_id="activate", campaign_id=UUID, restart_stopped=no())
    InstantlyActivateCampaignOperator(
        task_id="activate_by_template", campaign_id=UUID, restart_stopped="{{ 1 == 2 }}"
    )
    InstantlySendGateOperator(
        task_id="gate", campaign_id=UUID, policy="{{ params.policy }}", wait_timeout=one_second()
    )

with DAG("own_macro", schedule=None, user_defined_macros={"chosen": lambda: "a"}):
    CampaignCleanerCampaignSensor(
        task_id="wait", campaign_id="{{ chosen() }}", start_from_trigger=True, poke_interval=0.2, timeout=30
    )
