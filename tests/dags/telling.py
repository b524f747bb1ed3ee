"""The examples of ``docs/use/tell.md``: a skip that is reported in every way, and a question by mail."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, Asset, TriggerRule, task
from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from airflow_provider_campaigns.airflow_compat import why_no_questions
from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.support.callbacks import RECORDED, succeeded
from tests.support.responses import UUID

CAMPAIGN_ID = UUID


@task
def note() -> str:
    return "ran"


with DAG("telling", schedule=None, on_success_callback=succeeded):
    mail = SmtpNotifier(
        to="launch@example.com",
        subject="{{ dag.dag_id }}: {{ ti.task_id }} did not open",
        html_content="{{ (exception | default or ti.xcom_pull(task_ids=ti.task_id)['message']) | e }}",
    )
    may_send = InstantlySendGateOperator(
        task_id="may_send",
        campaign_id=CAMPAIGN_ID,
        on_closed="skip",
        on_skipped_callback=mail,
        on_failure_callback=mail,
    )
    may_send >> note.override(task_id="send", **RECORDED)()
    may_send >> note.override(task_id="after_all", trigger_rule=TriggerRule.ALL_DONE)()

    @task(outlets=[Asset("launch_held")])
    def tell(verdict: dict | None) -> None:
        if verdict and verdict["open"]:
            raise AirflowSkipException("The campaign is sent.")
        print(verdict)  # None after an error

    tell(may_send.output).as_teardown()

    late = CampaignCleanerCampaignSensor(
        task_id="late", campaign_id="a", timeout=0.1, poke_interval=0.1, soft_fail=True, **RECORDED
    )
    late >> note.override(task_id="of_the_sensor", trigger_rule=TriggerRule.ALL_SKIPPED)()

if why_no_questions() is None:
    with DAG("telling_questions", schedule=None):
        InstantlySendGateOperator(
            task_id="may_send",
            campaign_id=CAMPAIGN_ID,
            on_closed="ask",
            ask_notifiers=[
                SmtpNotifier(
                    to="launch@example.com",
                    subject="{{ question.subject }}",
                    html_content="{{ question.message | e }} {{ question.address }}",
                )
            ],
        )
