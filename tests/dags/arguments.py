"""Dags whose arguments render in a Dag with native objects, or are mapped; ``test_arguments`` runs them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerQualityGateOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
GIVEN = "{{ params.given }}"
CHOSEN = "{{ ti.xcom_pull(task_ids='choose') }}"
native: dict[str, Any] = {"schedule": None, "render_template_as_native_obj": True}


@task
def choose(value: Any) -> Any:
    return value


# Texts that Python reads as a number, a tuple or a flag.
with DAG("native_texts", **native, params={"given": ""}):
    CampaignCleanerDeleteCampaignOperator(task_id="delete", campaign_id=GIVEN)
    # It refuses a comma: text with one is meant as a list.
    CampaignCleanerCampaignSensor(task_id="wait", campaign_id="{{ params.given | replace(',', '-') }}")
    CampaignCleanerSubmitCampaignOperator(
        task_id="submit",
        campaign_html="<p>{{ params.given }}</p>",
        campaign_name="1.10",
        custom_info=GIVEN,
        settings={"relative_links_base_url": GIVEN, "more": {"literal": "007", "template": GIVEN}},
    )
    InstantlyAddLeadsOperator(
        task_id="add",
        campaign_id=UUID,
        leads=[
            {"email": "ada@example.com", "phone": GIVEN, "custom_variables": {"plan": GIVEN, "zip": "1_0"}}
        ],
        options={"blocklist_id": GIVEN, "skip_if_in_campaign": "{{ 1 == 1 }}"},
    )
    InstantlyUpdateCampaignOperator(task_id="update", campaign_id=UUID, fields={"name": GIVEN})

# Values of other types: another task's output, or a template that is the whole value.
with DAG("native_values", **native, params={"limit": 50, "year": 2026}):
    values = choose({"leads": [{"email": "ada@example.com"}], "senders": ["a@example.com"]})
    (
        InstantlyAddLeadsOperator(
            task_id="add",
            campaign_id=UUID,
            leads=CHOSEN.replace(" }}", "['leads'] }}"),
            options="{{ {'verify_leads_on_import': true} }}",
        )
        << values
    )
    (
        InstantlyUpdateCampaignOperator(
            task_id="update",
            campaign_id=UUID,
            fields={
                "name": "{{ params.year }}",
                "daily_limit": "{{ params.limit }}",
                "email_list": CHOSEN.replace(" }}", "['senders'] }}"),
            },
        )
        << values
    )
    CampaignCleanerSubmitCampaignOperator(
        task_id="submit",
        campaign_html="<p>Hi</p>",
        campaign_name="{{ params.year }}",
        custom_info="{{ logical_date }}",
    )
with DAG("native_invalid_ids", **native):
    number = choose(1.5)
    CampaignCleanerDeleteCampaignOperator(task_id="by_output", campaign_id=number)
    CampaignCleanerDeleteCampaignOperator(task_id="by_template", campaign_id=CHOSEN) << number
    listed = choose.override(task_id="choose_list")(["a"])
    ids = "{{ ti.xcom_pull(task_ids='choose_list') }}"
    CampaignCleanerDeleteCampaignOperator(task_id="of_a_list", campaign_id=ids) << listed

# Texts with a part that is None, because a task pushed nothing.
for name, settings in {"text": {"schedule": None}, "native": native}.items():
    with DAG(f"missing_parts_{name}", **settings):
        nope, missing = choose(None), "{{ ti.xcom_pull(task_ids='choose') }}"
        nope >> [
            InstantlyAddLeadsOperator(
                task_id="add",
                campaign_id=UUID,
                leads=[
                    {"email": "ada@example.com", "custom_variables": {"intro": f"Saw {missing} in the news"}}
                ],
            ),
            InstantlyUpdateCampaignOperator(
                task_id="update", campaign_id=UUID, fields={"email_list": [f"{missing}@acme.io"]}
            ),
            InstantlyUpdateCampaignOperator.partial(task_id="mapped", campaign_id=UUID).expand(
                html=[f"<p>Hi, {missing}</p>"]
            ),
            CampaignCleanerSubmitCampaignOperator(
                task_id="submit", campaign_html=f"<p>{missing}</p>", campaign_name="Spring"
            ),
        ]

# Mapped arguments that the Dag contains are rendered.
mapped: dict[str, Any] = {"schedule": None, "params": {"given": "Ada"}}
HTML, LEAD = "<p>Hi {{ params.given }}</p>", {"email": "ada@example.com", "first_name": GIVEN}
submit = CampaignCleanerSubmitCampaignOperator
with DAG("mapped_literals", **mapped):
    submit.partial(task_id="expand", campaign_name="x").expand(campaign_html=[HTML])
    submit.partial(task_id="expand_kwargs", campaign_name="x").expand_kwargs([{"campaign_html": HTML}])
    InstantlyAddLeadsOperator.partial(task_id="add", campaign_id=UUID).expand(leads=[[LEAD]])


@task
def outputs(name: str) -> Any:
    return {
        "arguments": [{"campaign_html": HTML}],
        "html": [HTML],
        "one": {"campaign_html": HTML, "campaign_name": "x"},
        "leads": [[LEAD]],
        "analyses": [{"analysis": {"broken_links": 0, "note": "Hi {{firstName}}"}}],
    }[name]


# Those of another task are not, also beside ones of the Dag.
with DAG("mapped_outputs", **mapped):
    submit.partial(task_id="expand_kwargs", campaign_name="x").expand_kwargs(outputs("arguments"))
    submit.partial(task_id="mixed").expand(campaign_html=outputs("html"), campaign_name=[GIVEN])
    submit.partial(task_id="list").expand_kwargs([outputs("one")])
    InstantlyAddLeadsOperator.partial(task_id="add", campaign_id=UUID).expand(leads=outputs("leads"))
    CampaignCleanerQualityGateOperator.partial(task_id="gate", max_broken_links=0).expand_kwargs(
        outputs("analyses")
    )

# Fields of a lead that render to nothing.
for name, settings in {"text": {"schedule": None}, "native": native}.items():
    with DAG(f"lead_fields_{name}", **settings, params={"none": None, "empty": "", "null": "Null"}):
        InstantlyAddLeadsOperator(
            task_id="add",
            campaign_id=UUID,
            leads=[
                {
                    "email": "ada@example.com",
                    "first_name": "{{ params.empty }}",
                    "last_name": "{{ params.null }}",
                    "job_title": "{{ params.none }}",
                    "custom_variables": {"plan": "{{ params.none }}"},
                }
            ],
        )
