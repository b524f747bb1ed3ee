"""Operators for Instantly: the gate before a send, and the sends that it guards."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseOperator,
    SkipMixin,
    conf,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_campaigns import gate
from airflow_provider_campaigns.api._values import check_uuid
from airflow_provider_campaigns.api.instantly import (
    MAX_LEADS_PER_CALL,
    AddedLeads,
    LifecycleStatus,
    SendingCode,
    SendingStatus,
    check_lead,
)
from airflow_provider_campaigns.arguments import check_choice, check_count, check_if_literal, seconds
from airflow_provider_campaigns.exceptions import (
    ApiError,
    DeadlinePassedError,
    MalformedAnswerError,
    NotActivatedError,
)
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.patience import look_patiently
from airflow_provider_campaigns.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.transport.retry import ONCE, Retry
from airflow_provider_campaigns.triggers._waiting import BACKSTOP
from airflow_provider_campaigns.triggers._watching import Ending
from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class SendGateClosedError(AirflowFailException):
    """The gate is closed until a person acts, or the campaign is finished; retrying cannot help."""


class SendGateTimeoutError(AirflowSensorTimeout):
    """The gate did not open while it was waited for; it may open by itself later."""


class InstantlySendGateOperator(BaseOperator, SkipMixin):
    """Lets a run go on to its sends only while Instantly reports the campaign as fit to send.

    It fails closed: nothing opens it but a code that the policy accepts (``healthy`` alone, by default), read
    from an answer whose data is fresh. What each of the 18 codes does stands in
    :data:`airflow_provider_campaigns.gate.RULES`:

    - *open*: the tasks behind the gate run.
    - *wait*: heals by itself. The gate looks again for up to ``wait_timeout``, then counts as closed
      (:class:`SendGateTimeoutError`). Unreadable, undated, old and unknown data waits too.
    - *closed* needs a person, *finished* has nothing left to send: :class:`SendGateClosedError`, at once.

    The XCom is the verdict as plain JSON, whether the gate opens or not: ``open``, ``disposition``, ``code``,
    ``message``, ``checked_at``, ``last_updated``, ``next_look``, ``issue_seconds``.

    A campaign that is healthy now may not be so when the next task runs: put the gate right before the send.
    No gate holds back a task whose trigger rule runs it whatever happened before, such as ``all_done``
    behind a gate that fails.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign (templated); either this or ``subsequence_id``.
    :param subsequence_id: the subsequence (templated).
    :param policy: dispositions that differ from the default, by code: ``{"waiting_for_leads": "open"}``.
    :param max_status_age: how old the service's data may be to open the gate; a timedelta or seconds.
    :param wait_timeout: how long to wait for codes that heal by themselves; a timedelta or seconds.
    :param poke_interval: how often to look while waiting; a timedelta or seconds.
    :param on_closed: what a gate that does not open does to the run: ``"fail"`` it, or ``"skip"`` what stands
        behind the gate, teardowns excepted. A service that cannot be asked fails the task either way.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param max_failures: how many failed looks in a row end the wait.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "subsequence_id", "instantly_conn_id")
    inherits_from_skipmixin = True
    ui_color = "#ffe2b8"

    def __init__(
        self,
        *,
        campaign_id: str | None = None,
        subsequence_id: str | None = None,
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float = gate.MAX_STATUS_AGE,
        wait_timeout: timedelta | float = timedelta(0),
        poke_interval: timedelta | float = 60,
        on_closed: Literal["fail", "skip"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = MAX_FAILURES,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_target(campaign_id, subsequence_id, rendered=False)
        gate.Policy.of(policy)
        self.campaign_id = campaign_id
        self.subsequence_id = subsequence_id
        self.policy = policy
        self.max_status_age = seconds(max_status_age, "max_status_age")
        self.wait_timeout = seconds(wait_timeout, "wait_timeout")
        self.poke_interval = seconds(poke_interval, "poke_interval")
        self.on_closed = check_choice(on_closed, ("fail", "skip"), "on_closed")
        self.deferrable = deferrable
        self.max_failures = check_count(max_failures, "max_failures")
        self.instantly_conn_id = instantly_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, and wait where waiting heals."""
        _check_target(self.campaign_id, self.subsequence_id, rendered=True)
        return self._decide(context, time.time() + self.wait_timeout)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Look again after the trigger's wait: what it saw is a reason to look, and opens nothing."""
        if Ending(event["ending"]) is Ending.FAILED:
            raise ApiError.from_dict(event["error"])
        return self._decide(context, event["deadline"])

    def _decide(self, context: Context, deadline: float) -> dict[str, Any]:
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        while True:
            verdict = self._look(polling)
            self.log.info("%s %s: %s", *self._target, verdict)
            if verdict.open:
                return verdict.as_dict()
            if verdict.disposition is not gate.Disposition.WAIT:
                return self._close(context, verdict, SendGateClosedError)
            now = time.time()
            pause = polling.after_answer(
                now,
                spread=random.random(),
                next_look=verdict.next_look.timestamp() if verdict.next_look else None,
            )
            if pause is None:
                return self._close(context, verdict, SendGateTimeoutError)
            if self.deferrable:
                self._defer(first_look=now + pause, deadline=deadline)
            time.sleep(pause)

    def _look(self, polling: Polling) -> gate.Verdict:
        """Judge once: by the patient rules of the wait, or like any single call where there is no wait."""
        if not self.wait_timeout:
            return self._judge(Retry())
        try:
            return look_patiently(lambda: self._judge(ONCE), polling)
        except DeadlinePassedError as error:
            # Not a verdict, so nothing to skip by: nobody knows how the campaign is.
            raise SendGateTimeoutError(
                f"{' '.join(self._target)}: time is up, and Instantly could not be asked: {error}"
            ) from error

    def _judge(self, retry: Retry) -> gate.Verdict:
        try:
            status = self._ask(retry)
        except MalformedAnswerError as error:
            return gate.unreadable(error, datetime.now(timezone.utc))
        policy = gate.Policy.of(self.policy, timedelta(seconds=self.max_status_age))
        return gate.judge(status, policy, datetime.now(timezone.utc))

    def _ask(self, retry: Retry) -> SendingStatus:
        if self.campaign_id is not None:
            return self._hook.get_sending_status(self.campaign_id, retry=retry)
        return self._hook.get_subsequence_sending_status(str(self.subsequence_id), retry=retry)

    def _defer(self, *, first_look: float, deadline: float) -> NoReturn:
        self.defer(
            trigger=InstantlySendGateTrigger(
                campaign_id=self.campaign_id,
                subsequence_id=self.subsequence_id,
                instantly_conn_id=self.instantly_conn_id,
                policy=_as_text(self.policy),
                max_status_age=self.max_status_age,
                first_look=first_look,
                poke_interval=self.poke_interval,
                deadline=deadline,
                max_failures=self.max_failures,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(deadline - time.time(), 0.0) + BACKSTOP),
        )

    def _close(
        self,
        context: Context,
        verdict: gate.Verdict,
        error: type[SendGateClosedError | SendGateTimeoutError],
    ) -> dict[str, Any]:
        """Stop the run here, or skip what stands behind the gate; the verdict is kept either way."""
        if "ti" in context:  # not so where somebody calls execute() by hand
            context["ti"].xcom_push(key="return_value", value=verdict.as_dict())
        if self.on_closed == "fail":
            waited = f" Waited for {self.wait_timeout:g} s." if error is SendGateTimeoutError else ""
            raise error(f"{' '.join(self._target)}: {verdict}{waited}")
        self._skip_downstream(context)
        return verdict.as_dict()

    def _skip_downstream(self, context: Context) -> None:
        """Skip everything behind the gate but teardowns, as Airflow's short circuit does."""
        ti = context["ti"]
        tasks = [task for task in context["task"].get_flat_relatives(upstream=False) if not task.is_teardown]
        in_a_mapping = ti.map_index is not None and ti.map_index >= 0
        if leaks := [task.task_id for task in tasks if _would_run_all_the_same(task, in_a_mapping)]:
            raise SendGateClosedError(
                f"The gate is not open, and Airflow cannot skip {', '.join(sorted(leaks))}: with mapped "
                f"tasks, only the trigger rule all_success keeps a task behind a skipped one from running. "
                f"Give them that rule, or the gate on_closed='fail'."
            )
        self.log.info("Skipping %s.", ", ".join(sorted(task.task_id for task in tasks)) or "nothing")
        if AIRFLOW_V_3_0_PLUS:
            self.skip(ti=ti, tasks=tasks)
        elif tasks:
            dag_run = context["dag_run"]
            self.skip(  # type: ignore[call-arg]
                dag_run=dag_run, tasks=tasks, execution_date=dag_run.logical_date, map_index=ti.map_index
            )
        if in_a_mapping:
            # Airflow skips behind an unmapped task only: a mapped gate has to be skipped itself, or the
            # tasks behind it would run.
            raise AirflowSkipException("The gate is not open.")

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Tell a deferral that outlived its deadline as what it is: a gate that did not open in time."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except Exception as error:
            if type(error).__name__ == "TaskDeferralTimeout":
                raise SendGateTimeoutError(
                    f"{' '.join(self._target)}: the triggerer did not end the wait in time. Is one running?"
                ) from error
            raise

    @property
    def _target(self) -> tuple[str, str]:
        if self.campaign_id is not None:
            return "Campaign", self.campaign_id
        return "Subsequence", str(self.subsequence_id)

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


class InstantlyActivateCampaignOperator(BaseOperator):
    """Starts or resumes a campaign, unless it is active already; its XCom is the campaign's id and status.

    Instantly may accept an activation and not activate, so the answer's status is what counts: anything but
    active raises :class:`~airflow_provider_campaigns.exceptions.NotActivatedError`. Sending starts 10 to 15
    minutes after an activation.

    https://developer.instantly.ai/api-reference/campaign/activatestart-or-resume-a-campaign

    :param campaign_id: the campaign (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "instantly_conn_id")
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_uuid, campaign_id, "campaign_id")
        self.campaign_id = campaign_id
        self.instantly_conn_id = instantly_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Activate the campaign."""
        hook = InstantlyHook(self.instantly_conn_id)
        status = hook.get_campaign(self.campaign_id).get("status")
        if not isinstance(status, int):
            raise MalformedAnswerError(
                f"Instantly does not say what campaign {self.campaign_id} is now (status {status!r}), so "
                f"it was not activated."
            )
        if status == LifecycleStatus.ACTIVE:
            self.log.info("Campaign %s is active already.", self.campaign_id)
        else:
            self.log.info("Campaign %s is %s; activating.", self.campaign_id, LifecycleStatus.name_of(status))
            status = hook.activate_campaign(self.campaign_id).get("status")
        if status != LifecycleStatus.ACTIVE:
            raise NotActivatedError(
                f"Instantly accepted the activation of campaign {self.campaign_id}, which now is "
                f"{LifecycleStatus.name_of(status)}. A send gate tells why; activating again will not help."
            )
        return {"campaign_id": self.campaign_id, "status": int(status)}


class InstantlyAddLeadsOperator(BaseOperator):
    """Adds leads to a campaign; its XCom is how many were added, and how many were not and why.

    All leads are checked before the first is sent. They go out in batches of 1,000; Instantly leaves out
    those that the campaign already has, so running the task again adds none twice.

    https://developer.instantly.ai/api-reference/lead/add-leads-in-bulk-to-a-campaign-or-list

    :param campaign_id: the campaign (templated).
    :param leads: a list of mappings, each with an ``email``, as Instantly describes a lead (templated).
    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "leads", "instantly_conn_id")
    template_fields_renderers = {"leads": "json"}  # noqa: RUF012
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        leads: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_uuid, campaign_id, "campaign_id")
        check_if_literal(_check_leads, leads, "leads")
        if own := {"campaign_id", "leads"} & set(options or {}):
            raise ValueError(
                f"options must not hold {', '.join(sorted(own))}: each has an argument of its own."
            )
        self.campaign_id = campaign_id
        self.leads = leads
        self.options = options
        self.instantly_conn_id = instantly_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Add the leads, batch by batch."""
        leads = _check_leads(self.leads)
        hook = InstantlyHook(self.instantly_conn_id)
        done: list[AddedLeads] = []
        for batch in _batches(leads):
            try:
                done.append(hook.add_leads(self.campaign_id, batch, **(self.options or {})))
            except ApiError:
                self.log.error(  # noqa: TRY400
                    "%s, then a batch failed. What was added stays; running the task again adds the rest.",
                    _told(done, len(leads)),
                )
                raise
            self.log.info("%s.", _told(done, len(leads)))
        return _summary(self.campaign_id, done)


def _would_run_all_the_same(task: Any, behind_a_mapping: bool) -> bool:  # noqa: FBT001
    """Tell whether a task would run behind a gate that skips, by a rule that Airflow applies too late."""
    from airflow.providers.common.compat.sdk import MappedOperator

    mapped = isinstance(task, MappedOperator) or next(task.iter_mapped_task_groups(), None) is not None
    return (mapped or behind_a_mapping) and task.trigger_rule != "all_success"


_COUNTS = (
    "total_sent",
    "leads_uploaded",
    "duplicated_leads",
    "skipped_count",
    "in_blocklist",
    "invalid_email_count",
    "incomplete_count",
    "duplicate_email_count",
)


def _summary(campaign_id: str, done: Sequence[AddedLeads]) -> dict[str, Any]:
    totals = {count: sum(getattr(added, count) for added in done) for count in _COUNTS}
    remaining = done[-1].remaining_in_plan if done else None
    return {"campaign_id": campaign_id, **totals, "remaining_in_plan": remaining}


def _told(done: Sequence[AddedLeads], total: int) -> str:
    sent = sum(added.total_sent for added in done)
    uploaded = sum(added.leads_uploaded for added in done)
    return f"{sent:,} of {total:,} leads sent, {uploaded:,} of them new"


def _batches(leads: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(leads), MAX_LEADS_PER_CALL):
        yield leads[start : start + MAX_LEADS_PER_CALL]


def _check_leads(leads: Any, name: str = "leads") -> list[dict[str, Any]]:
    if not isinstance(leads, Sequence) or isinstance(leads, (str, bytes)) or not leads:
        raise ValueError(
            f"{name} must be a list of at least one mapping with an 'email', got {type(leads).__name__}"
            f"{' (empty)' if leads in ([], ()) else ''}. A list that another task returned is passed as that "
            f"task's output, not as a template, which would turn it into text."
        )
    return [check_lead(lead, position) for position, lead in enumerate(leads)]


def _check_target(campaign_id: Any, subsequence_id: Any, *, rendered: bool) -> None:
    """Check that a gate has one target, and that it can be one; literals only, unless all is rendered."""
    if (campaign_id is None) == (subsequence_id is None):
        raise ValueError(
            "Give either campaign_id or subsequence_id: a send gate watches one campaign or one subsequence."
        )
    name = "campaign_id" if campaign_id is not None else "subsequence_id"
    target = campaign_id if campaign_id is not None else subsequence_id
    if rendered:
        check_uuid(target, name)
    else:
        check_if_literal(check_uuid, target, name)


def _as_text(policy: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return a policy with its enums as the words they stand for, to be stored."""
    if policy is None:
        return None
    return {
        SendingCode(code).value: gate.Disposition(disposition).value for code, disposition in policy.items()
    }
