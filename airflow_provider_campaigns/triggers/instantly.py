"""Triggers that wait for Instantly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from airflow_provider_campaigns import hooks, metrics
from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import BackgroundJob, SendingStatus
from airflow_provider_campaigns.exceptions import ApiError, BadRequestError, MalformedResponseError
from airflow_provider_campaigns.rules.instantly_statuses import ActivationRule, BackgroundJobRule
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.rules.send_gate import REFUSED_DRAFT_INTENTS, Intent, Policy, Verdict, judge
from airflow_provider_campaigns.triggers.base import WaitTrigger
from airflow_provider_campaigns.waits.events import PollResult, verdict_result
from airflow_provider_campaigns.waits.subscription import StatusQuery

CAMPAIGN_SENDING_STATUS = StatusQuery(
    "campaign sending statuses",
    fetch_one=api.get_sending_status,
    expected_errors=(MalformedResponseError,),
)
# For the intents for which a refusal may mean a draft, which the gate then reads itself.
CAMPAIGN_OR_DRAFT_SENDING_STATUS = StatusQuery(
    "campaign sending statuses, also of drafts",
    fetch_one=api.get_sending_status,
    expected_errors=(MalformedResponseError, BadRequestError),
)
SUBSEQUENCE_SENDING_STATUS = StatusQuery(
    "subsequence sending statuses",
    fetch_one=api.get_subsequence_sending_status,
    expected_errors=(MalformedResponseError,),
)
BACKGROUND_JOB = StatusQuery(
    "background jobs", fetch_one=lambda job_id: api.get_background_job(job_id, data_fields=api.JOB_COUNTS)
)


class InstantlySendGateTrigger(WaitTrigger[SendingStatus]):
    """Waits until the verdict on a campaign or subsequence is anything but *wait*, or may open.

    The trigger does not read the campaign itself, which some codes need to open a gate: then the gate does,
    on a worker. The event never opens the gate: the gate polls again on a worker and decides there.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign, or None.
    :param subsequence_id: the subsequence, or None.
    :param instantly_conn_id: connection of type ``instantly``.
    :param intent: what the downstream tasks do.
    :param policy: dispositions that differ from the intent's, by code.
    :param max_status_age: how old the data may be, in seconds; None for the intent's own.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    """

    class_path = "airflow_provider_campaigns.triggers.instantly.InstantlySendGateTrigger"

    def __init__(
        self,
        *,
        campaign_id: str | None = None,
        subsequence_id: str | None = None,
        instantly_conn_id: str,
        intent: str = Intent.SEND.value,
        policy: Mapping[str, str] | None = None,
        max_status_age: float | None = None,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
        )
        self.campaign_id = campaign_id
        self.subsequence_id = subsequence_id
        self.instantly_conn_id = instantly_conn_id
        self.intent = intent
        self.policy = policy
        self.max_status_age = max_status_age
        age = None if max_status_age is None else timedelta(seconds=max_status_age)
        self._policy = Policy.of(policy, age, intent)

    def target(self) -> dict[str, Any]:
        """Return the campaign or subsequence, and the connection."""
        return {
            "campaign_id": self.campaign_id,
            "subsequence_id": self.subsequence_id,
            "instantly_conn_id": self.instantly_conn_id,
        }

    def settings(self) -> dict[str, Any]:
        """Return what the verdict depends on."""
        return {"intent": self.intent, "policy": self.policy, "max_status_age": self.max_status_age}

    def hook(self) -> hooks.instantly.InstantlyHook:
        """Return a hook of the connection."""
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

    def query(self) -> tuple[StatusQuery[SendingStatus], str]:
        """Return the query for the sending status."""
        if self.campaign_id is not None:
            may_be_draft = self._policy.intent in REFUSED_DRAFT_INTENTS
            query = CAMPAIGN_OR_DRAFT_SENDING_STATUS if may_be_draft else CAMPAIGN_SENDING_STATUS
            return query, self.campaign_id
        return SUBSEQUENCE_SENDING_STATUS, str(self.subsequence_id)

    def judge(self, response: SendingStatus | ApiError) -> PollResult:
        """End the wait with every verdict but *wait*, and where the campaign itself may open the gate."""
        verdict = judge(response, self._policy, datetime.now(timezone.utc))
        metrics.in_triggerer("instantly", self.instantly_conn_id).verdict(verdict)
        return verdict_result(verdict)

    def status_as_json(self, status: Verdict | None) -> dict[str, Any] | None:
        """Return the last verdict, if there was one."""
        return status.as_dict() if status else None


class InstantlyActivationTrigger(WaitTrigger[SendingStatus]):
    """Waits until an activated campaign is no longer a draft or paused; the event's ``status`` is the code.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign.
    :param instantly_conn_id: connection of type ``instantly``.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    """

    class_path = "airflow_provider_campaigns.triggers.instantly.InstantlyActivationTrigger"

    def __init__(
        self,
        *,
        campaign_id: str,
        instantly_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
        )
        self.campaign_id = campaign_id
        self.instantly_conn_id = instantly_conn_id

    def target(self) -> dict[str, Any]:
        """Return the campaign and the connection."""
        return {"campaign_id": self.campaign_id, "instantly_conn_id": self.instantly_conn_id}

    def hook(self) -> hooks.instantly.InstantlyHook:
        """Return a hook of the connection."""
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

    def query(self) -> tuple[StatusQuery[SendingStatus], str]:
        """Return the query for the campaign's sending status."""
        return CAMPAIGN_SENDING_STATUS, self.campaign_id

    def judge(self, response: SendingStatus | ApiError) -> PollResult:
        """End the wait with every code that the rule does not wait for."""
        code = None if isinstance(response, ApiError) else response.status
        return PollResult(code, is_final=not ActivationRule().keeps_waiting(code))


class InstantlyBackgroundJobTrigger(WaitTrigger[BackgroundJob]):
    """Waits until a background job has ended; the event's ``status`` is its last status.

    https://developer.instantly.ai/api-reference/schemas/background-job

    :param job_id: the job.
    :param instantly_conn_id: connection of type ``instantly``.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    :param ending: what ``WaitSensor.ending`` returned; None where a worker ends the task.
    """

    class_path = "airflow_provider_campaigns.triggers.instantly.InstantlyBackgroundJobTrigger"

    def __init__(
        self,
        *,
        job_id: str,
        instantly_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
        ending: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
            ending=ending,
        )
        self.job_id = job_id
        self.instantly_conn_id = instantly_conn_id

    def target(self) -> dict[str, Any]:
        """Return the job and the connection."""
        return {"job_id": self.job_id, "instantly_conn_id": self.instantly_conn_id}

    def hook(self) -> hooks.instantly.InstantlyHook:
        """Return a hook of the connection."""
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

    def query(self) -> tuple[StatusQuery[BackgroundJob], str]:
        """Return the query for the job."""
        return BACKGROUND_JOB, self.job_id

    def judge(self, response: BackgroundJob | ApiError) -> PollResult:
        """End the wait with every status that the rule does not wait for."""
        status = cast("BackgroundJob", response).status
        return PollResult(status, is_final=not BackgroundJobRule(self.job_id).keeps_waiting(status))

    def result(self, last: BackgroundJob) -> dict[str, Any]:
        """Return the job's counts."""
        BackgroundJobRule(self.job_id).check(last.status)
        return last.summary
