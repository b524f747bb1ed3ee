"""Operators for Instantly: the gate before a send, and the sends that it guards."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, BaseOperator, conf

from airflow_provider_campaigns import gate
from airflow_provider_campaigns.api._values import check_uuid
from airflow_provider_campaigns.api.instantly import (
    AddedLeads,
    LifecycleStatus,
    SendingCode,
    SendingStatus,
    add_leads,
)
from airflow_provider_campaigns.arguments import (
    check_choice,
    check_count,
    check_if_literal,
    is_rendered_later,
    seconds,
)
from airflow_provider_campaigns.exceptions import (
    ApiError,
    CampaignsError,
    DeadlinePassedError,
    LeadsNotTakenError,
    MalformedAnswerError,
    NotActivatedError,
    NotConnectedError,
    NotPausedError,
    NotUpdatedError,
    RateLimitedError,
    SendsInterruptedError,
    ServiceUnavailableError,
    UnreachableError,
)
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.leads import Lead, Leads, Sent, checked, format_of, from_file, from_sequence
from airflow_provider_campaigns.links import InstantlyCampaignLink, keep_instantly_link
from airflow_provider_campaigns.memory import Memory
from airflow_provider_campaigns.operators._deferring import DeferringOperator
from airflow_provider_campaigns.operators._gating import GateOperator
from airflow_provider_campaigns.patience import look_patiently
from airflow_provider_campaigns.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.storage import open_text, read_text
from airflow_provider_campaigns.transport.retry import ONCE, Retry
from airflow_provider_campaigns.triggers._waiting import BACKSTOP, said_in
from airflow_provider_campaigns.triggers._watching import Ending
from airflow_provider_campaigns.triggers.instantly import (
    InstantlyActivationTrigger,
    InstantlySendGateTrigger,
    has_started,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

T = TypeVar("T")

log = logging.getLogger(__name__)


class SendGateClosedError(AirflowFailException):
    """The gate is closed until a person acts, or the campaign is finished; retrying cannot help."""


class SendGateTimeoutError(AirflowSensorTimeout):
    """The gate did not open while it was waited for; it may open by itself later."""


class InstantlySendGateOperator(GateOperator, DeferringOperator):
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
    operator_extra_links = (InstantlyCampaignLink(),)
    closed_error = SendGateClosedError
    timeout_error = SendGateTimeoutError
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
        keep_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            return self._decide(context, time.time() + self.wait_timeout)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Look again after the trigger's wait: what it saw is a reason to look, and opens nothing."""
        keep_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            if Ending(event["ending"]) is Ending.FAILED:
                raise ApiError.from_dict(event["error"])
            return self._decide(context, event["deadline"])

    def _decide(self, context: Context, deadline: float) -> dict[str, Any]:
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        while True:
            verdict = self._look(polling)
            self.log.info("%s: %s", self.subject, verdict)
            if verdict.open:
                self._hook.metrics.gate("opened")
                return verdict.as_dict()
            if verdict.disposition is not gate.Disposition.WAIT:
                return self._close(context, verdict, SendGateClosedError)
            now = time.time()
            pause = polling.after_answer(
                now,
                spread=random.random(),
                next_look=verdict.next_look.timestamp() if verdict.next_look else None,
            )
            # Without a wait, not even a clock that was put back makes one.
            if pause is None or not self.wait_timeout:
                return self._close(context, verdict, SendGateTimeoutError)
            if self.deferrable:
                self._defer(first_look=now + pause, deadline=deadline)
            time.sleep(pause)

    def _look(self, polling: Polling) -> gate.Verdict:
        """Judge once: by the patient rules of the wait, or like any single call where there is no wait."""
        if not self.wait_timeout:
            return self._judge(Retry())
        try:
            return look_patiently(lambda: self._judge(ONCE), polling, self._hook.metrics)
        except DeadlinePassedError as error:
            # Not a verdict, so nothing to skip by: nobody knows how the campaign is.
            self.count_end("timed_out")
            raise SendGateTimeoutError(
                f"{self.subject}: time is up, and Instantly could not be asked: {error}"
            ) from error

    def _judge(self, retry: Retry) -> gate.Verdict:
        try:
            status = self._ask(retry)
        except MalformedAnswerError as error:
            verdict = gate.unreadable(error, datetime.now(timezone.utc))
        else:
            policy = gate.Policy.of(self.policy, timedelta(seconds=self.max_status_age))
            verdict = gate.judge(status, policy, datetime.now(timezone.utc))
        self._hook.metrics.verdict(verdict)
        return verdict

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
        if error is SendGateTimeoutError:
            self.count_end("timed_out")
        else:
            self._hook.metrics.gate("closed")
        self.keep_result(context, verdict.as_dict())
        if self.on_closed == "fail":
            told = f"{self.subject}: {verdict}"
            if error is SendGateTimeoutError:
                told += (
                    f" Waited for {self.wait_timeout:g} s. Clear the task later, or give it a longer "
                    f"wait_timeout."
                )
            raise error(told)
        self.skip_downstream(context)
        return verdict.as_dict()

    @contextmanager
    def _counting_failures(self) -> Iterator[None]:
        """Count a gate that could not ask, or not to the end, and so did neither open nor close."""
        try:
            yield
        except BaseException as error:
            out_of_time = type(error).__name__ == "AirflowTaskTimeout"
            if isinstance(error, (CampaignsError, ValueError)) or out_of_time:
                self._hook.metrics.gate("failed")
            raise

    def count_end(self, ending: str) -> None:
        """Count a gate that neither opened nor closed."""
        self._hook.metrics.gate(ending)

    @property
    def subject(self) -> str:
        """The campaign, or the subsequence."""
        return " ".join(self._target)

    @property
    def _target(self) -> tuple[str, str]:
        if self.campaign_id is not None:
            return "Campaign", self.campaign_id
        return "Subsequence", str(self.subsequence_id)

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


_SENDING = (LifecycleStatus.ACTIVE, LifecycleStatus.RUNNING_SUBSEQUENCES)
_WAITING_TO_START = (LifecycleStatus.DRAFT, LifecycleStatus.PAUSED)


class InstantlyActivateCampaignOperator(DeferringOperator):
    """Starts or resumes a campaign, unless it is active already; its XCom is what the campaign is then.

    Instantly may accept an activation and not activate, so the campaign is read before and after, and what
    counts is its status: anything but active raises
    :class:`~airflow_provider_campaigns.exceptions.NotActivatedError`. An activation is sent once; where its
    answer is lost, a campaign that is active then has been activated. Sending starts 10 to 15 minutes after
    an activation, and until then the sending status may still call the campaign a draft, or paused; with
    ``wait_timeout`` that is waited out, which raises ``AirflowSensorTimeout`` once time is up.

    A draft or paused campaign is activated. One that is completed, or that Instantly stopped by itself
    (bounces, accounts in error or suspended), is not: that is for a person to decide.

    The XCom holds ``campaign_id``, ``status`` (a number) and, after a wait, ``sending_status``.

    https://developer.instantly.ai/api-reference/campaign/activatestart-or-resume-a-campaign

    :param campaign_id: the campaign (templated).
    :param restart_stopped: also activate a campaign that is completed, or that Instantly stopped by itself.
    :param wait_timeout: how long to wait for the sending status to leave draft and paused; a timedelta or
        seconds. Not at all by default.
    :param poke_interval: how often to look while waiting; a timedelta or seconds.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` decides by
        default.
    :param max_failures: how many failed looks in a row end the wait.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "instantly_conn_id")
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        restart_stopped: bool = False,
        wait_timeout: timedelta | float = timedelta(0),
        poke_interval: timedelta | float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = MAX_FAILURES,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_uuid, campaign_id, "campaign_id")
        self.campaign_id = campaign_id
        self.restart_stopped = restart_stopped
        self.wait_timeout = seconds(wait_timeout, "wait_timeout")
        self.poke_interval = seconds(poke_interval, "poke_interval")
        self.deferrable = deferrable
        self.max_failures = check_count(max_failures, "max_failures")
        self.instantly_conn_id = instantly_conn_id

    @property
    def subject(self) -> str:
        """The campaign."""
        return f"Campaign {self.campaign_id}"

    def execute(self, context: Context) -> dict[str, Any]:
        """Activate the campaign, and wait if asked to."""
        check_uuid(self.campaign_id, "campaign_id")
        keep_instantly_link(context, self.campaign_id)
        status = _lifecycle(self._hook, self.campaign_id)
        if status in _SENDING:
            self.log.info("Campaign %s is %s already.", self.campaign_id, LifecycleStatus.name_of(status))
        elif status not in _WAITING_TO_START and not self.restart_stopped:
            raise NotActivatedError(
                f"Campaign {self.campaign_id} is {LifecycleStatus.name_of(status)}, and was not activated: "
                f"that is for a person to decide, who has seen why it stopped. restart_stopped=True "
                f"activates it all the same."
            )
        else:
            self.log.info("Campaign %s is %s; activating.", self.campaign_id, LifecycleStatus.name_of(status))
            status = _change(
                lambda: self._hook.activate_campaign(self.campaign_id),
                lambda: _lifecycle(self._hook, self.campaign_id),
                lambda status: status in _SENDING,
            )
        if status not in _SENDING:
            raise NotActivatedError(
                f"Instantly accepted the activation of campaign {self.campaign_id}, which now is "
                f"{LifecycleStatus.name_of(status)}. A send gate tells why; activating again will not help."
            )
        if not self.wait_timeout:
            return {"campaign_id": self.campaign_id, "status": status}
        deadline = time.time() + self.wait_timeout
        if self.deferrable:
            self.defer(
                trigger=InstantlyActivationTrigger(
                    campaign_id=self.campaign_id,
                    instantly_conn_id=self.instantly_conn_id,
                    poke_interval=self.poke_interval,
                    deadline=deadline,
                    max_failures=self.max_failures,
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.wait_timeout + BACKSTOP),
            )
        with self._hook.metrics.wait():
            code = self._wait(deadline)
        return self._result(code)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Act on how the trigger's wait ended."""
        keep_instantly_link(context, self.campaign_id)
        with self._hook.metrics.wait():
            code = said_in(event, self._time_out)
        return self._result(code)

    def _wait(self, deadline: float) -> str | None:
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        code = None
        while True:
            try:
                code = look_patiently(self._code, polling, self._hook.metrics)
            except DeadlinePassedError as error:
                self._time_out(code, str(error))
            if has_started(code):
                return code
            pause = polling.after_answer(time.time(), spread=random.random())
            if pause is None:
                self._time_out(code)
            time.sleep(pause)

    def _code(self) -> str | None:
        try:
            return self._hook.get_sending_status(self.campaign_id, retry=ONCE).status
        except MalformedAnswerError as error:
            self.log.warning("%s", error)
            return None

    def _time_out(self, code: str | None, trouble: str | None = None) -> NoReturn:
        raise AirflowSensorTimeout(
            f"Campaign {self.campaign_id} is active, but its sending status did not leave draft within "
            f"{self.wait_timeout:g} s (last: {code}){f': {trouble}' if trouble else '.'} Give it more time, "
            f"or look at it in Instantly."
        )

    def _result(self, code: str | None) -> dict[str, Any]:
        """Return what the campaign is at the end of the wait, unless Instantly has stopped it meanwhile."""
        status = _lifecycle(self._hook, self.campaign_id)
        if status not in (*_SENDING, LifecycleStatus.COMPLETED):
            raise NotActivatedError(
                f"Campaign {self.campaign_id} was activated, and now is {LifecycleStatus.name_of(status)} "
                f"({code}). A send gate tells why; activating again will not help."
            )
        return {"campaign_id": self.campaign_id, "status": status, "sending_status": code}

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


class InstantlyPauseCampaignOperator(BaseOperator):
    """Pauses a campaign that is sending, and makes sure that it is; its XCom is what the campaign is then.

    A campaign that is not sending (a draft, a completed one, one that is paused already) is left alone.

    https://developer.instantly.ai/api-reference/campaign/stopor-pause-a-campaign

    :param campaign_id: the campaign (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "instantly_conn_id")
    operator_extra_links = (InstantlyCampaignLink(),)
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
        """Pause the campaign."""
        check_uuid(self.campaign_id, "campaign_id")
        keep_instantly_link(context, self.campaign_id)
        hook = InstantlyHook(self.instantly_conn_id)
        status = _lifecycle(hook, self.campaign_id)
        if status not in _SENDING:
            self.log.info("Campaign %s is %s.", self.campaign_id, LifecycleStatus.name_of(status))
        else:
            status = _change(
                lambda: hook.pause_campaign(self.campaign_id),
                lambda: _lifecycle(hook, self.campaign_id),
                lambda status: status not in _SENDING,
            )
        if status in _SENDING:
            raise NotPausedError(
                f"Instantly accepted the pause of campaign {self.campaign_id}, which still is "
                f"{LifecycleStatus.name_of(status)}. Pause it in Instantly."
            )
        return {"campaign_id": self.campaign_id, "status": status}


class InstantlyUpdateCampaignOperator(BaseOperator):
    """Changes a campaign: members as a whole, or the HTML of one step and variant of its sequence.

    Instantly replaces all copy at once. So the copy is read, one body (and subject) in it is changed, all is
    written, and read again: where the campaign then shows anything else,
    :class:`~airflow_provider_campaigns.exceptions.NotUpdatedError` tells. Other steps, variants and settings
    stay as they are. What somebody edits in Instantly in the very moment between is lost; a campaign that
    shows the wanted copy already is not written to.

    The XCom holds ``campaign_id``, ``updated`` (the members that were written) and, for copy, ``step`` and
    ``variant``.

    https://developer.instantly.ai/api-reference/campaign/patch-campaign

    :param campaign_id: the campaign (templated).
    :param html: the new body (templated); give this or ``html_path`` to change copy. A literal that holds
        merge tags such as ``{{firstName}}`` has to be passed as ``literal(html)``.
    :param html_path: a file with the new body, as ``CampaignCleanerGetCampaignOperator`` wrote it: a path or
        any URL that Airflow's ``ObjectStoragePath`` can read (templated).
    :param step: the step whose copy changes, counted from 0 as in Instantly's analytics.
    :param variant: the variant of the step, counted from 0.
    :param subject: a new subject for that variant (templated).
    :param fields: other members, each replaced as a whole, such as ``{"daily_limit": 50}`` (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_id",
        "html",
        "html_path",
        "subject",
        "fields",
        "instantly_conn_id",
    )
    template_fields_renderers = {"html": "html", "fields": "json"}  # noqa: RUF012
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        html: str | None = None,
        html_path: str | None = None,
        step: int = 0,
        variant: int = 0,
        subject: str | None = None,
        fields: Mapping[str, Any] | None = None,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_uuid, campaign_id, "campaign_id")
        if html is not None and html_path is not None:
            raise ValueError("Give html or html_path, not both.")
        if html is None and html_path is None and subject is None and not fields:
            raise ValueError("Nothing to update: give html, html_path, subject or fields.")
        if isinstance(html, str) and "{#" in html:
            raise ValueError(
                "html holds '{#', which begins a comment in a template: what follows would be lost. Pass the "
                "HTML as another task's output or as literal(html): neither is rendered."
            )
        texts = {"html": html, "html_path": html_path, "subject": subject}
        for name, text in texts.items():
            if text is not None:
                check_if_literal(_check_text, text, name)
        if fields is not None and (isinstance(fields, Mapping) or not is_rendered_later(fields)):
            _check_fields(fields)
        for name, position in (("step", step), ("variant", variant)):
            if isinstance(position, bool) or not isinstance(position, int) or position < 0:
                raise ValueError(f"{name} must be a whole number, counted from 0; got {position!r}.")
        self.campaign_id = campaign_id
        self.html = html
        self.html_path = html_path
        self.step = step
        self.variant = variant
        self.subject = subject
        self.fields = fields
        self.instantly_conn_id = instantly_conn_id
        self._given = [name for name, value in {**texts, "fields": fields}.items() if value is not None]

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, change, write, verify."""
        check_uuid(self.campaign_id, "campaign_id")
        self._check_rendered()
        keep_instantly_link(context, self.campaign_id)
        copy = self._copy()
        before = self._hook.get_campaign(self.campaign_id)
        wanted: dict[str, Any] = dict(self.fields or {})
        if copy:
            wanted["sequences"] = self._sequences_with(copy, before)
        changes = {name: value for name, value in wanted.items() if before.get(name) != value}
        if changes:
            self._write(changes)
        else:
            self.log.info("Campaign %s shows all that already.", self.campaign_id)
        told: dict[str, Any] = {"campaign_id": self.campaign_id, "updated": sorted(changes)}
        return {**told, "step": self.step, "variant": self.variant} if copy else told

    def _check_rendered(self) -> None:
        """Refuse what was given and rendered to nothing, or the update would leave it out without a word."""
        for name in self._given:
            if getattr(self, name) in (None, "None"):
                raise ValueError(
                    f"{name} was given, and has rendered to nothing. If it comes from another task, did that "
                    f"task push it?"
                )
            if name == "fields":
                _check_fields(self.fields)
            else:
                _check_text(getattr(self, name), name)

    def _copy(self) -> dict[str, str]:
        """Return the members of the variant that change."""
        html = self.html
        if self.html_path is not None:
            html = read_text(self.html_path)
            _check_text(html, f"html_path: {self.html_path!r}")
        return {name: text for name, text in (("body", html), ("subject", self.subject)) if text is not None}

    def _sequences_with(self, copy: Mapping[str, str], campaign: Mapping[str, Any]) -> list[Any]:
        """Return the campaign's sequences with one variant changed."""
        sequences: Any = deepcopy(campaign.get("sequences"))
        steps = _list_in(sequences, 0, "steps")
        variants = _list_in(steps, self.step, "variants")
        if not 0 <= self.step < len(steps):
            raise ValueError(
                f"Campaign {self.campaign_id} has no step {self.step}, counted from 0: it has {len(steps)}."
            )
        if not 0 <= self.variant < len(variants) or not isinstance(variants[self.variant], dict):
            raise ValueError(
                f"Step {self.step} of campaign {self.campaign_id} has no variant {self.variant}, counted "
                f"from 0: it has {len(variants)}."
            )
        variants[self.variant].update(copy)
        return list(sequences)

    def _write(self, changes: Mapping[str, Any]) -> None:
        """Write the changes once, and make sure that the campaign shows them."""
        after = _change(
            lambda: self._hook.update_campaign(self.campaign_id, **changes),
            lambda: self._hook.get_campaign(self.campaign_id),
            lambda campaign: not _missing(changes, campaign),
        )
        if wrong := _missing(changes, after):
            raise NotUpdatedError(
                f"Instantly accepted the update of campaign {self.campaign_id}, and now shows something else "
                f"under {', '.join(wrong)}. Look at it in Instantly before anything is sent."
            )
        self.log.info("Campaign %s shows the new %s.", self.campaign_id, ", ".join(sorted(changes)))

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


def _check_text(value: Any, name: str) -> None:
    """Refuse what is no text; only a subject may be empty, as it is in a mail that follows up another."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {type(value).__name__}.")
    if name != "subject" and not value.strip():
        raise ValueError(f"{name} is empty.")


def _check_fields(fields: Any) -> None:
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
        raise ValueError(f"fields must be a mapping of members to their values, got {type(fields).__name__}.")
    if "sequences" in fields:
        raise ValueError(
            "fields must not hold sequences, which would replace all copy: use html, step and variant."
        )


def _missing(changes: Mapping[str, Any], campaign: Mapping[str, Any]) -> list[str]:
    """Return the members of a campaign that do not show what was to be written."""
    return sorted(name for name, value in changes.items() if not _shows(campaign.get(name), value))


def _shows(found: Any, wanted: Any) -> bool:
    """Tell whether what is found holds all that is wanted; members may be added, white space may differ."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _shows(found.get(name), each) for name, each in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_shows(one, other) for one, other in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, str):
        return isinstance(found, str) and found.split() == wanted.split()
    return bool(found == wanted)


def _list_in(outer: Any, position: int, member: str) -> list[Any]:
    """Return the list that a member of an item of a list holds; an empty one where there is none."""
    item = outer[position] if isinstance(outer, list) and position < len(outer) else None
    found = item.get(member) if isinstance(item, dict) else None
    return found if isinstance(found, list) else []


# After one of these, nobody can tell whether the service carried a change out.
_UNCERTAIN = (MalformedAnswerError, ServiceUnavailableError, UnreachableError)


def _change(send: Callable[[], object], look: Callable[[], T], shows: Callable[[T], bool]) -> T:
    """Send a change once, and look at what it changed.

    :param send: sends the change.
    :param look: fetches what it changes.
    :param shows: tells whether that shows the change.
    :returns: what the look found, whether it shows the change or not.
    :raises ApiError: the change was refused; or its answer was lost, and the look does not show it.
    """
    try:
        send()
    except _UNCERTAIN as error:
        try:
            found = look()
        except ApiError as again:
            raise error from again
        if not shows(found):
            raise
        log.warning("The change was made, although its answer was lost: %s", error)
        return found
    return look()


def _lifecycle(hook: InstantlyHook, campaign_id: str) -> int:
    """Ask what a campaign is.

    :raises MalformedAnswerError: the answer does not say.
    """
    status = hook.get_campaign(campaign_id).get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        raise MalformedAnswerError(
            f"Instantly does not say what campaign {campaign_id} is (status {status!r:.80})."
        )
    return status


class InstantlyAddLeadsOperator(BaseOperator):
    """Adds leads to a campaign; its XCom is how many were added, and how many were not and why.

    Leads come from a list or from a file, which is read row by row and never held in memory as a whole. All
    of them are checked before the first is sent. They go out in batches of 1,000.

    A try that fails or dies is resumed by the next one at the batch it had reached, if the leads are still
    the same (from Airflow 3.3 on; before, the next try sends all again). Nothing is added twice by that:
    Instantly leaves out what the campaign already has, and counts it as duplicated.

    With ``check_gate=True`` the campaign's sending status is judged right before each batch, by the rules of
    :class:`InstantlySendGateOperator`. Where it is not open any more, no further batch goes out:
    :class:`SendGateClosedError` where a person has to act,
    :class:`~airflow_provider_campaigns.exceptions.SendsInterruptedError`, which Airflow's ``retries`` do
    repeat, where it heals by itself. The message and the XCom say exactly how many leads went out.

    The XCom holds ``campaign_id``, ``complete``, ``leads`` (how many there are) and the service's counts:
    ``total_sent``, ``leads_uploaded``, ``duplicated_leads``, ``skipped_count``, ``in_blocklist``,
    ``invalid_email_count``, ``incomplete_count``, ``duplicate_email_count``, ``remaining_in_plan``.

    https://developer.instantly.ai/api-reference/lead/add-leads-in-bulk-to-a-campaign-or-list

    :param campaign_id: the campaign (templated).
    :param leads: a list of mappings, each with an ``email``, as Instantly describes a lead (templated).
    :param leads_path: instead of ``leads``: a UTF-8 file, as a path or any URL that Airflow's
        ``ObjectStoragePath`` can read (templated). ``.csv`` has a header with at least ``email``; columns
        that are no members of a lead become custom variables. ``.jsonl`` or ``.ndjson`` has one lead a line.
    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``.
    :param check_gate: judge the campaign before each batch.
    :param policy: for ``check_gate``: dispositions that differ from the default, by code.
    :param max_status_age: for ``check_gate``: how old the data may be; a timedelta or seconds.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "leads", "leads_path", "instantly_conn_id")
    template_fields_renderers = {"leads": "json"}  # noqa: RUF012
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        leads: Sequence[Mapping[str, Any]] | None = None,
        leads_path: str | None = None,
        options: Mapping[str, Any] | None = None,
        check_gate: bool = False,
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float = gate.MAX_STATUS_AGE,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_if_literal(check_uuid, campaign_id, "campaign_id")
        if (leads is None) == (leads_path is None):
            raise ValueError("Give either leads or leads_path.")
        if leads is not None:
            check_if_literal(_check_leads, leads, "leads")
        else:
            check_if_literal(format_of, leads_path, "leads_path")
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options must be a mapping, got {type(options).__name__}.")
        if own := {"campaign_id", "leads"} & set(options or {}):
            raise ValueError(
                f"options must not hold {', '.join(sorted(own))}: each has an argument of its own."
            )
        if policy is not None and not check_gate:
            raise ValueError("policy is for check_gate=True.")
        gate.Policy.of(policy)
        self.campaign_id = campaign_id
        self.leads = leads
        self.leads_path = leads_path
        self.options = options
        self.check_gate = check_gate
        self.policy = policy
        self.max_status_age = seconds(max_status_age, "max_status_age")
        self.instantly_conn_id = instantly_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Add the leads, batch by batch."""
        check_uuid(self.campaign_id, "campaign_id")
        keep_instantly_link(context, self.campaign_id)
        leads = checked(self._source(), "leads" if self.leads_path is None else self.leads_path)
        memory = Memory(context)
        sent = self._sent_before(memory, leads)
        try:
            for batch in leads.batches(after=sent.done):
                unaccounted = sent.count(self._send(batch, sent), len(batch))
                memory.keep(_SENT, sent.as_dict())
                self.log.info("%s.", sent)
                self._check_taken(unaccounted, sent)
        except Exception:
            # TRY400: whoever raised it has said what happened.
            self.log.error("%s. What was added stays; running the task again adds the rest.", sent)  # noqa: TRY400
            self._keep_result(context, sent)
            raise
        # A task that somebody clears after it succeeded begins anew.
        memory.forget(_SENT)
        return sent.summary()

    def _check_taken(self, unaccounted: int, sent: Sent) -> None:
        if unaccounted:
            left = sent.remaining_in_plan
            raise LeadsNotTakenError(
                f"Instantly does not say what became of {unaccounted:,} leads of a batch. Room left in the "
                f"plan: {'unknown' if left is None else f'{left:,}'}. Make room, then run the task again: "
                f"what the campaign has already is left out. {sent}."
            )

    def _send(self, batch: Sequence[Lead], sent: Sent) -> AddedLeads:
        """Send a batch, again after what it was refused for has passed; right behind the gate each time."""
        call = add_leads(self.campaign_id, batch, **(self.options or {}))
        attempt = 0
        while True:
            attempt += 1
            self._check_gate(sent)
            try:
                return self._hook.send(call, ONCE)
            except ApiError as error:
                pause = _UNTIL_TAKEN.after_failure(call, error, attempt, spread=random.random())
                if pause is None:
                    raise
                self.log.warning("A batch was not taken, next attempt in %.1f s: %s", pause, error)
                self._hook.metrics.retry()
            time.sleep(pause)

    def _source(self) -> Callable[[], Iterator[Lead]]:
        if self.leads_path is None:
            leads = _check_leads(self.leads)
            return lambda: from_sequence(leads)
        path, file_format = self.leads_path, format_of(self.leads_path, "leads_path")
        return lambda: from_file(lambda: open_text(path), path, file_format)

    def _sent_before(self, memory: Memory, leads: Leads) -> Sent:
        """Return how far an earlier try came with the same leads for the same campaign."""
        fresh = Sent(self.campaign_id, leads.fingerprint, leads.count)
        sent = Sent.of(memory.recall(_SENT))
        if sent is None or (sent.campaign_id, sent.fingerprint) != (fresh.campaign_id, fresh.fingerprint):
            return fresh
        self.log.info("Going on where an earlier try stopped: %s.", sent)
        return sent

    def _check_gate(self, sent: Sent) -> None:
        if not self.check_gate:
            return
        try:
            status = self._hook.get_sending_status(self.campaign_id)
        except MalformedAnswerError as error:
            verdict = gate.unreadable(error, datetime.now(timezone.utc))
        else:
            policy = gate.Policy.of(self.policy, timedelta(seconds=self.max_status_age))
            verdict = gate.judge(status, policy, datetime.now(timezone.utc))
        if verdict.open:
            return
        heals = verdict.disposition is gate.Disposition.WAIT
        error_class: type[Exception] = SendsInterruptedError if heals else SendGateClosedError
        raise error_class(f"Campaign {self.campaign_id}: {verdict} {sent}; the rest was not sent.")

    def _keep_result(self, context: Context, sent: Sent) -> None:
        if "ti" in context:  # not so where somebody calls execute() by hand
            context["ti"].xcom_push(key="return_value", value=sent.summary())

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


_SENT = "leads_sent"
# A batch that was refused for coming too soon was not taken.
_UNTIL_TAKEN = Retry(not_taken=(NotConnectedError, RateLimitedError))


def _check_leads(leads: Any, name: str = "leads") -> Sequence[Any]:
    if not isinstance(leads, Sequence) or isinstance(leads, (str, bytes)) or not leads:
        raise ValueError(
            f"{name} must be a list of at least one mapping with an 'email', got {type(leads).__name__}"
            f"{' (empty)' if leads in ([], ()) else ''}. A list that another task returned is passed as that "
            f"task's output, not as a template, which would turn it into text."
        )
    for _ in from_sequence(leads, name):
        pass
    return leads


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
