"""What rendering does that no whole Dag shows; ``tests/integration/test_arguments.py`` has the rest."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
    SendGateTimeoutError,
)
from tests.support.airflow_versions import AIRFLOW, DEFERRAL_TIMEOUT_MESSAGE, first_of, needs
from tests.support.responses import UUID

needs_a_choice_per_task = needs(
    "render_template_as_native_obj" in inspect.signature(BaseOperator.__init__).parameters,
    "native objects for single tasks came with Airflow 3.3",
)


def resumed_with(next_method: str = "execute_complete", *, before_3_2: bool = False, **arguments: Any) -> Any:
    """Return the context of a task that resumes with arguments, in the form in which Airflow stores them.

    :param before_3_2: in the form of Airflow 3.0 and 3.1, which a wait keeps through an upgrade.
    """
    if AIRFLOW.major < 3:
        return {"ti": SimpleNamespace(next_method=next_method, next_kwargs=arguments)}
    serialize = first_of("airflow.sdk.serde.serialize")
    if serialize is None or before_3_2:
        serialize = first_of("airflow.serialization.serialized_objects.BaseSerialization").serialize
    state = SimpleNamespace(next_method=next_method, next_kwargs=serialize(arguments))
    return {"ti": SimpleNamespace(_ti_context_from_server=state)}


@pytest.mark.parametrize("before_3_2", [False, True])
def test_resumed_task_has_the_arguments_of_its_wait(before_3_2: bool) -> None:
    deleted = "{{ var.value.deleted }}"
    task = CampaignCleanerGetCampaignOperator(
        task_id="get", campaign_id=deleted, output_path=deleted, poke_interval=deleted
    )
    rendered = {"campaign_id": "a", "output_path": "/out/a.html", "poke_interval": 2.5}
    event = {"target": {"campaign_id": "a"}}
    task.render_template_fields(resumed_with(before_3_2=before_3_2, event=event, rendered=rendered))
    assert (task.campaign_id, task.output_path, task.poke_interval) == ("a", "/out/a.html", 2.5)


def test_task_whose_wait_airflow_ended_fails_for_that() -> None:
    task = InstantlySendGateOperator(
        task_id="gate", campaign_id="{{ var.value.deleted }}", instantly_conn_id="{{ params.conn }}"
    )
    error = {"error": DEFERRAL_TIMEOUT_MESSAGE}
    task.render_template_fields({**resumed_with("__fail__", **error), "params": {"conn": "mine"}})
    assert (task.campaign_id, task.instantly_conn_id) == ("{{ var.value.deleted }}", "mine")
    with pytest.raises(SendGateTimeoutError, match="the triggerer did not end the wait"):
        task.resume_execution("__fail__", error, {})


@needs_a_choice_per_task
def test_single_task_with_native_objects_keeps_a_list() -> None:
    leads = [{"email": "ada@example.com", "last_name": "1e3"}]
    with DAG("text") as dag:
        task = InstantlyAddLeadsOperator(
            task_id="add",
            campaign_id="{{ params.id }}",
            leads="{{ params.leads }}",
            render_template_as_native_obj=True,
        )
    context: Any = {"params": {"id": UUID, "leads": leads}}
    task.render_template_fields(context, dag.get_template_env())
    assert (task.leads, task.campaign_id) == (leads, UUID)
