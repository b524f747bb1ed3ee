"""Let a run go on to its sends only while Instantly reports the campaign as fit to send."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, conf

from airflow_provider_campaigns import hooks, triggers
from airflow_provider_campaigns.api.response import subject_of, text_or_none
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError, DeadlineExceededError
from airflow_provider_campaigns.links import InstantlyCampaignLink, instantly_address, save_instantly_link
from airflow_provider_campaigns.rules import questions
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_rendered,
    choice,
    count,
    duration,
    flag,
    optional,
    restore,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.asking import ASK_ARGUMENTS, ASK_TIMEOUT, Answered, AskingGate, Closed
from airflow_provider_campaigns.tasks.deferral import deferral_errors, deferring_pause
from airflow_provider_campaigns.tasks.gate import (
    INTENTS,
    POLICY_CODES,
    SendGateClosedError,
    SendGateTimeoutError,
    gate_policy,
    on_closed_choice,
    policy_argument,
    push_to_board,
    status_age,
)
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome, verdict_result
from airflow_provider_campaigns.waits.worker import poll_until

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.metrics import Metrics


class InstantlySendGateOperator(AskingGate):
    """Lets a run go on only while Instantly reports a campaign as fit for what the downstream tasks do.

    Say that with ``intent``. Only a code that the intent or the policy accepts opens the gate, and only if it
    is fresh, or if the campaign itself confirms it.
    :data:`airflow_provider_campaigns.rules.gate_rules.RULES` gives each of the 18 codes a disposition for
    each intent:

    - *open*: the downstream tasks run.
    - *wait*: the state ends without a person. The gate polls for up to ``wait_timeout``, then fails with
      :class:`SendGateTimeoutError`. Malformed, old, contradicted and unknown data also waits.
    - *closed* needs a person, *finished* has nothing left to send: :class:`SendGateClosedError`, at once.

    The XCom is the verdict as plain JSON, whether the gate opens or not: ``open``, ``intent``,
    ``disposition``, ``code``, ``message``, ``checked_at``, ``last_updated``, ``next_poll_at``,
    ``issue_seconds``, and ``campaign_status`` where the campaign itself was read.

    The campaign may change before the next task runs: put the gate right before that task. A closed gate does
    not stop a task whose trigger rule ignores failures, such as ``all_done``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_id: the campaign (templated); either this or ``subsequence_id``.
    :param subsequence_id: the subsequence (templated).
    :param intent: what the downstream tasks do (templated): ``"send"``, mail has to go out now;
        ``"add_leads"``; ``"activate"``, start or resume the campaign; ``"edit"``, change it while no mail
        goes out.
    :param policy: dispositions that differ from the intent's, by code:
        ``{"campaign_running_subsequences": "open"}`` (templated). ``"open_anyway"`` opens although a detail,
        such as a limit of 0, shows that the state will not resolve.
    :param max_status_age: how old the data of an opening response may be; a timedelta or seconds, or None for
        the intent's own (templated).
    :param check_senders: open only if a sender of the campaign can send; needs the scope ``accounts:read``
        (templated).
    :param wait_timeout: how long to wait for codes that resolve without a person; a timedelta or seconds
        (templated).
    :param poke_interval: how often to poll during the wait; a timedelta or seconds (templated).
    :param on_closed: what a gate that does not open does to the run: ``"fail"`` it; ``"skip"`` the gate
        itself and the downstream tasks, except teardowns; or ``"ask"`` a person (Airflow 3.1 and later)
        (templated). Without a response of the service, the task fails in any case.
    :param ask_timeout: how long to ask; a timedelta or seconds.
    :param ask_timeout_action: ``"fail"`` or ``"skip"`` if no answer opens the gate until then.
    :param ask_users: who may answer, ``[{"id": "7", "name": "Jane"}]``; None for all who may edit the run.
    :param ask_notifiers: notifiers to call whenever the gate asks; ``question`` in their templates has
        ``subject``, ``body``, ``message`` and ``address``.
    :param allow_override: let a person open the closed gate, with a reason. Needs ``ask_users``.
    :param deferrable: wait in the triggerer, without a worker; ``[operators] default_deferrable`` is the
        default.
    :param max_failures: how many failed polls in a row end the wait.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_id",
        "subsequence_id",
        "intent",
        "policy",
        "max_status_age",
        "check_senders",
        "wait_timeout",
        "poke_interval",
        "on_closed",
        "instantly_conn_id",
    )
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": optional(uuid),
        "subsequence_id": optional(uuid),
        "intent": choice(*INTENTS),
        "policy": optional(policy_argument),
        "max_status_age": optional(status_age),
        "check_senders": flag,
        "wait_timeout": duration,
        "poke_interval": duration,
        "on_closed": on_closed_choice,
        **ASK_ARGUMENTS,
        "deferrable": strict_flag,
        "max_failures": count,
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {"policy": POLICY_CODES}
    operator_extra_links = (InstantlyCampaignLink(),)
    closed_error = SendGateClosedError
    outcome_errors: ClassVar[Mapping[str, type[Exception]]] = {"timed_out": SendGateTimeoutError}
    ui_color = "#ffe2b8"

    def __init__(
        self,
        *,
        campaign_id: str | None = None,
        subsequence_id: str | None = None,
        intent: Literal["send", "add_leads", "activate", "edit"] = "send",
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float | str | None = None,
        check_senders: bool = False,
        wait_timeout: timedelta | float | str = timedelta(0),
        poke_interval: timedelta | float | str = 60,
        on_closed: Literal["fail", "skip", "ask"] = "fail",
        ask_timeout: timedelta | float | str = ASK_TIMEOUT,
        ask_timeout_action: Literal["fail", "skip"] = "fail",
        ask_users: Sequence[Mapping[str, str]] | None = None,
        ask_notifiers: Sequence[Callable[[Context], Any]] = (),
        allow_override: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = MAX_FAILURES,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (campaign_id is None) == (subsequence_id is None):
            raise ValueError(
                "Set either campaign_id or subsequence_id: a send gate checks one campaign or one "
                "subsequence."
            )
        if check_senders and subsequence_id is not None:
            raise ValueError("check_senders is for campaign_id: a subsequence has no senders of its own.")
        self.campaign_id = campaign_id
        self.subsequence_id = subsequence_id
        self.intent = intent
        self.policy = policy
        self.max_status_age: Any = max_status_age
        self.check_senders = check_senders
        self.wait_timeout: Any = wait_timeout
        self.poke_interval: Any = poke_interval
        self.on_closed = on_closed
        self._init_asking(
            ask_timeout=ask_timeout,
            ask_timeout_action=ask_timeout_action,
            ask_users=ask_users,
            ask_notifiers=ask_notifiers,
            allow_override=allow_override,
        )
        self.deferrable = deferrable
        self.max_failures = max_failures
        self.instantly_conn_id = instantly_conn_id
        self._check_at_parse()

    def execute(self, context: Context) -> Any:
        """Poll, and wait where waiting may open the gate."""
        check_rendered(self)
        self.check_downstream(context)
        save_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            end = self._decide(context, time.time() + self.wait_timeout)
        return self.opened(context, *end)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> Any:
        """Poll again after the trigger's wait; the event itself never opens the gate."""
        restore(self, event["target"], rendered)
        save_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            if WaitOutcome(event["outcome"]) is WaitOutcome.FAILED:
                raise ApiError.from_dict(event["error"])
            end = self._decide(context, event["deadline"], event.get("failures", 0))
        return self.opened(context, *end)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Turn a deferral timeout into :class:`SendGateTimeoutError`."""
        with deferral_errors(
            self._subject, count_end=self._hook.metrics.gate, timeout_error=SendGateTimeoutError
        ):
            return super().resume_execution(next_method, next_kwargs, context)

    def recheck(self, context: Context, answered: Answered | None = None) -> Any:
        """Poll once after an answer, and decide by that poll."""
        save_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            try:
                verdict = self.poll()
            except ApiError as error:
                if error.final or answered is None:
                    raise
                self._ask_about_error(context, error, answered)
            self.log.info("%s: %s", self._subject, verdict)
            end = self._end_with(context, verdict, answered)
        return self.opened(context, *end)

    def opened(self, context: Context, verdict: Verdict, result: dict[str, Any]) -> Any:
        """Return what the task returns once the gate is open.

        :param result: the verdict as plain JSON values, with ``overridden_by`` and ``reason`` where a person
            opened the gate.
        """
        return result

    def gate_metrics(self) -> Metrics:
        """Return the metrics of the connection."""
        return self._hook.metrics

    def _decide(self, context: Context, deadline: float, failures: int = 0) -> tuple[Verdict, dict[str, Any]]:
        if self.wait_timeout:
            verdict = self._wait_for_verdict(context, deadline, failures)
        else:
            verdict = self.poll()
            self.log.info("%s: %s", self._subject, verdict)
        return self._end_with(context, verdict)

    def _end_with(
        self, context: Context, verdict: Verdict, answered: Answered | None = None
    ) -> tuple[Verdict, dict[str, Any]]:
        """Return the verdict of an open gate, and its XCom."""
        name = verdict.campaign_name
        if not verdict.open and self.on_closed == "ask":
            name = name or self._campaign_name()
        self._push_to_board(context, verdict, name)
        if not verdict.open:
            return verdict, self.close(context, self._closed(verdict, name, answered), answered)
        self._hook.metrics.gate("opened")
        return verdict, verdict.as_dict()

    def _push_to_board(self, context: Context, verdict: Verdict, name: str | None = None) -> None:
        kind = "subsequence" if self.campaign_id is None else "campaign"
        object_id = str(self.campaign_id or self.subsequence_id)
        push_to_board(context, [(object_id, verdict)], {object_id: name}, kind=kind)

    def _wait_for_verdict(self, context: Context, deadline: float, failures: int) -> Verdict:
        """Return the first verdict that is not *wait*, or the last one before the timeout.

        :param failures: how many polls in a row failed on a worker before.
        """
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        pause = deferring_pause(self, self._trigger, polling) if self.deferrable else None
        is_on_board = False

        def poll() -> PollResult:
            nonlocal is_on_board
            result = self._poll()
            if not result.is_final and not is_on_board:
                is_on_board = True
                self._push_to_board(context, result.status)
            return result

        try:
            verdict: Verdict = poll_until(poll, polling, self._hook.metrics, pause=pause, failures=failures)
        except DeadlineExceededError as error:
            if error.error is not None:
                # There is no present verdict, so on_closed="skip" does not apply.
                self._hook.metrics.gate("timed_out")
                raise SendGateTimeoutError(
                    f"{self._subject}: timed out without a response from Instantly: {error}"
                ) from error
            return error.status  # type: ignore[no-any-return]
        return verdict

    def poll(self, retry: Retry | None = None) -> Verdict:
        """Return the verdict of this moment."""
        return self._hook.get_verdict(
            self.campaign_id,
            subsequence_id=self.subsequence_id,
            policy=gate_policy(self.intent, self.policy, self.max_status_age),
            check_senders=self.check_senders,
            retry=retry,
        )

    def _poll(self) -> PollResult:
        verdict = self.poll(NO_RETRY)
        self.log.info("%s: %s", self._subject, verdict)
        return verdict_result(verdict)

    def _trigger(self, **polling: Any) -> triggers.instantly.InstantlySendGateTrigger:
        return triggers.instantly.InstantlySendGateTrigger(
            campaign_id=self.campaign_id,
            subsequence_id=self.subsequence_id,
            instantly_conn_id=self.instantly_conn_id,
            intent=self.intent,
            policy=self.policy,
            max_status_age=self.max_status_age,
            **polling,
        )

    def _closed(self, verdict: Verdict, name: str | None, answered: Answered | None) -> Closed:
        message, outcome = f"{self._subject_named(verdict.campaign_name)}: {verdict}", "closed"
        if verdict.disposition is Disposition.WAIT:
            outcome = "timed_out"
            waited = f"Waited for {self.wait_timeout:g} s" if self.wait_timeout else "wait_timeout is 0"
            if answered is None:
                message += f" {waited}. Clear the task later, or set a longer wait_timeout."
        return Closed(verdict.as_dict(), message, lambda: self._topic(verdict, name), outcome)

    def _topic(self, verdict: Verdict, name: str | None) -> questions.Topic:
        return questions.about_verdict(verdict, self._subject, name, instantly_address(self.campaign_id))

    def _campaign_name(self) -> str | None:
        """Return the name of the campaign, for a person; None where it cannot be read."""
        try:
            if self.campaign_id is None:
                return text_or_none(self._hook.get_subsequence(str(self.subsequence_id)).get("name"))
            return text_or_none(self._hook.get_campaign(self.campaign_id).get("name"))
        except ApiError as error:
            self.log.info("The question names no campaign: %s", error)
            return None

    def _ask_about_error(self, context: Context, error: ApiError, answered: Answered) -> NoReturn:
        """Ask again after a poll without a response; there is no verdict, so nothing is skipped."""
        if time.time() >= answered.asked.deadline:
            raise error
        if answered.answer.choice is questions.Choice.OVERRIDE:
            note = "Instantly did not respond, so 'Send anyway' was not carried out; choose again."
            answered = replace(answered, note=note)
        topic = questions.about_error("Send gate", self._subject, error)
        self.ask(context, Closed({}, f"{self._subject}: {error}", lambda: topic, "timed_out"), answered)

    @contextmanager
    def _counting_failures(self) -> Iterator[None]:
        """Count a gate that neither opened nor closed, because of an error."""
        try:
            yield
        except (CampaignsError, ValueError, AirflowTaskTimeout):
            self._hook.metrics.gate("failed")
            raise

    @property
    def _subject(self) -> str:
        return self._subject_named(None)

    def _subject_named(self, name: str | None) -> str:
        """Return the subject of messages, with a name where it is known."""
        kind = "Subsequence" if self.campaign_id is None else "Campaign"
        return subject_of(kind, self.campaign_id or self.subsequence_id, name)

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)
