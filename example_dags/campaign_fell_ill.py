"""Pause a campaign that fell ill, and notify people: it starts when the health of any campaign changes.

A campaign is ill if it needs a person: its senders are in error, its account is suspended, and so on.

Needs Airflow 3.3 and the connection ``instantly_default``. To try it without an account, start
``python -m airflow_provider_campaigns.sandbox`` and set the connection that it prints.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow import __version__
from airflow.providers.common.compat.sdk import AirflowSkipException, BaseNotifier, dag, task
from packaging.version import Version

from airflow_provider_campaigns.operators.instantly import InstantlyPauseCampaignOperator
from airflow_provider_campaigns.watchers import instantly_health_changed, new_events

log = logging.getLogger(__name__)


class LogNotifier(BaseNotifier):
    """Writes to the log of the task. A notifier of Slack, SMTP and so on takes its place."""

    template_fields = ("message",)

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message

    def notify(self, context: Any) -> None:
        """Tell people."""
        log.warning("To everyone: %s", self.message)


def define() -> None:
    # The default interval is five minutes; this one is short, to try the Dag.
    health = instantly_health_changed("campaign_health", poke_interval=10)

    @dag(
        schedule=[health],
        max_active_runs=1,  # so that no two runs handle the same event
        tags=["campaigns"],
        doc_md=__doc__,
    )
    def campaign_fell_ill() -> None:
        @task(inlets=[health], retries=2)
        def ill_campaigns(**context: Any) -> list[dict[str, str]]:
            with new_events(context, health) as events:
                # A campaign that a person has paused is no concern of this Dag.
                ill = [event for event in events if event.needs_person and event.code != "campaign_paused"]
                if not ill:
                    raise AirflowSkipException("No campaign fell ill.")
                return [{"campaign_id": event.campaign_id, "message": event.message} for event in ill]

        ill = ill_campaigns()
        InstantlyPauseCampaignOperator.partial(task_id="pause", retries=2).expand(
            campaign_id=ill.map(lambda each: each["campaign_id"])
        )

        # Beside the pause, so that people are notified even where a pause fails.
        @task(
            on_success_callback=LogNotifier(
                "{{ ti.xcom_pull('ill_campaigns') | map(attribute='message') | join(' ') }}"
            )
        )
        def tell_people() -> None: ...

        ill >> tell_people()

    campaign_fell_ill()


# Watchers need Airflow 3.3. Before, this file has no Dag.
if Version(__version__) >= Version("3.3"):
    define()
