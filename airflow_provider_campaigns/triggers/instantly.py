"""Triggers that wait for Instantly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from airflow_provider_campaigns import gate, metrics
from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import BackgroundJob, JobStatus, SendingCode, SendingStatus
from airflow_provider_campaigns.exceptions import ApiError, MalformedAnswerError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.polling import MAX_FAILURES
from airflow_provider_campaigns.triggers._waiting import WaitTrigger
from airflow_provider_campaigns.triggers._watching import Look, Question

CAMPAIGN_SENDING_STATUS = Question(
    "campaign sending statuses", one=api.get_sending_status, answers=(MalformedAnswerError,)
)
SUBSEQUENCE_SENDING_STATUS = Question(
    "subsequence sending statuses", one=api.get_subsequence_sending_status, answers=(MalformedAnswerError,)
)
BACKGROUND_JOB = Question(
    "background jobs", one=lambda job_id: api.get_background_job(job_id, data_fields=api.JOB_COUNTS)
)
ENDED_JOBS = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED})
WAITING_JOBS = frozenset(JobStatus) - ENDED_JOBS


class InstantlySendGateTrigger(WaitTrigger[SendingStatus]):
    """Waits until a verdict on a campaign is anything but *wait*.

    It opens nothing: the event sends the gate to look again, and the gate decides.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign, or None.
    :param subsequence_id: the subsequence, or None.
    :param instantly_conn_id: connection of type ``instantly``.
    :param policy: dispositions that differ from the default, by code.
    :param max_status_age: seconds that the data may be old.
    :param first_look: when to look for the first time, in seconds since the epoch; None for at once.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        campaign_id: str | None = None,
        subsequence_id: str | None = None,
        instantly_conn_id: str,
        policy: Mapping[str, str] | None = None,
        max_status_age: float,
        first_look: float | None = None,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.campaign_id = campaign_id
        self.subsequence_id = subsequence_id
        self.instantly_conn_id = instantly_conn_id
        self.policy = policy
        self.max_status_age = max_status_age
        self._first_look = first_look
        self._policy = gate.Policy.of(policy, timedelta(seconds=max_status_age))

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for, and what counts as an end."""
        return {
            "campaign_id": self.campaign_id,
            "subsequence_id": self.subsequence_id,
            "instantly_conn_id": self.instantly_conn_id,
            "policy": self.policy,
            "max_status_age": self.max_status_age,
            "first_look": self._first_look,
        }

    def hook(self) -> InstantlyHook:
        """Return a hook on the connection."""
        return InstantlyHook(self.instantly_conn_id)

    def question(self) -> tuple[Question[SendingStatus], str]:
        """Ask for the sending status of the campaign or subsequence."""
        if self.campaign_id is not None:
            return CAMPAIGN_SENDING_STATUS, self.campaign_id
        return SUBSEQUENCE_SENDING_STATUS, str(self.subsequence_id)

    def judge(self, answer: SendingStatus | ApiError) -> Look:
        """End the wait at any verdict but *wait*."""
        now = datetime.now(timezone.utc)
        if isinstance(answer, ApiError):
            verdict = gate.unreadable(answer, now)
        else:
            verdict = gate.judge(answer, self._policy, now)
        metrics.in_triggerer(InstantlyHook.conn_type, self.instantly_conn_id).verdict(verdict)
        return Look(
            said=verdict,
            ends=verdict.disposition is not gate.Disposition.WAIT,
            next_look=verdict.next_look.timestamp() if verdict.next_look else None,
        )

    def as_json(self, said: gate.Verdict | None) -> dict[str, Any] | None:
        """Return the last verdict, if there was one."""
        return said.as_dict() if said else None

    def first_look(self) -> float | None:
        """Look first when the gate thought it worth a look."""
        return self._first_look


class InstantlyActivationTrigger(WaitTrigger[SendingStatus]):
    """Waits until an activated campaign is no longer reported as a draft or paused; ``said`` is the code.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign.
    :param instantly_conn_id: connection of type ``instantly``.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        campaign_id: str,
        instantly_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.campaign_id = campaign_id
        self.instantly_conn_id = instantly_conn_id

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for."""
        return {"campaign_id": self.campaign_id, "instantly_conn_id": self.instantly_conn_id}

    def hook(self) -> InstantlyHook:
        """Return a hook on the connection."""
        return InstantlyHook(self.instantly_conn_id)

    def question(self) -> tuple[Question[SendingStatus], str]:
        """Ask for the campaign's sending status."""
        return CAMPAIGN_SENDING_STATUS, self.campaign_id

    def judge(self, answer: SendingStatus | ApiError) -> Look:
        """End the wait at any code but those of a campaign that has not started."""
        code = None if isinstance(answer, ApiError) else answer.status
        return Look(said=code, ends=has_started(code))


class InstantlyBackgroundJobTrigger(WaitTrigger[BackgroundJob]):
    """Waits until a background job is in a state that nothing follows; ``said`` is the state.

    https://developer.instantly.ai/api-reference/schemas/background-job

    :param job_id: the job.
    :param instantly_conn_id: connection of type ``instantly``.
    :param poke_interval: seconds between two looks.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed looks in a row end the wait.
    """

    def __init__(
        self,
        *,
        job_id: str,
        instantly_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deadline=deadline, max_failures=max_failures)
        self.job_id = job_id
        self.instantly_conn_id = instantly_conn_id

    def arguments(self) -> dict[str, Any]:
        """Return what to wait for."""
        return {"job_id": self.job_id, "instantly_conn_id": self.instantly_conn_id}

    def hook(self) -> InstantlyHook:
        """Return a hook on the connection."""
        return InstantlyHook(self.instantly_conn_id)

    def question(self) -> tuple[Question[BackgroundJob], str]:
        """Ask for the job."""
        return BACKGROUND_JOB, self.job_id

    def judge(self, answer: BackgroundJob | ApiError) -> Look:
        """End the wait at any state that does not mean: look again."""
        status = cast("BackgroundJob", answer).status
        return Look(said=status, ends=status not in {each.value for each in WAITING_JOBS})


def has_started(code: str | None) -> bool:
    """Tell whether a sending code is that of a campaign that has been started, however it fares."""
    not_yet = {SendingCode.CAMPAIGN_DRAFT.value, SendingCode.CAMPAIGN_PAUSED.value}
    return code is not None and code not in not_yet
