"""Let a run go on to its sends only while Instantly reports the campaign as fit to send."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, SkipMixin, conf

from airflow_provider_campaigns.exceptions import ApiError, CampaignsError, DeadlineExceededError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.polling import MAX_FAILURES, Polling
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
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
from airflow_provider_campaigns.tasks.deferral import deferral_errors, deferring_pause
from airflow_provider_campaigns.tasks.gate import (
    INTENTS,
    ON_CLOSED_CHOICES,
    POLICY_CODES,
    SendGateClosedError,
    SendGateTimeoutError,
    check_downstream_waits,
    gate_policy,
    policy_argument,
    push_result,
    push_to_board,
    refuse_eager_downstream,
    skip_downstream,
    status_age,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry
from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome, verdict_result
from airflow_provider_campaigns.waits.worker import poll_until

if TYPE_CHECKING:
    from airflow.sdk import Context


class InstantlySendGateOperator(RenderedTask, SkipMixin):
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
    :param on_closed: what a gate that does not open does to the run: ``"fail"`` it, or ``"skip"`` the gate
        itself and the downstream tasks, except teardowns (templated). Without a response of the service, the
        task fails either way.
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
        "on_closed": choice(*ON_CLOSED_CHOICES),
        "deferrable": strict_flag,
        "max_failures": count,
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {"policy": POLICY_CODES}
    operator_extra_links = (InstantlyCampaignLink(),)
    inherits_from_skipmixin = True
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
        on_closed: Literal["fail", "skip"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = MAX_FAILURES,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
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
        self.deferrable = deferrable
        self.max_failures = max_failures
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def prepare_template(self) -> None:
        """Refuse downstream tasks that would not wait for this gate, while the Dag is parsed."""
        if self.on_closed == "skip":
            refuse_eager_downstream(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Poll, and wait where waiting may open the gate."""
        check_rendered(self)
        if self.on_closed == "skip":
            check_downstream_waits(context)
        save_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            return self._decide(context, time.time() + self.wait_timeout)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], rendered: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Poll again after the trigger's wait; the event itself never opens the gate."""
        restore(self, event["target"], rendered)
        save_instantly_link(context, self.campaign_id)
        with self._counting_failures():
            if WaitOutcome(event["outcome"]) is WaitOutcome.FAILED:
                raise ApiError.from_dict(event["error"])
            return self._decide(context, event["deadline"], event.get("failures", 0))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Turn a deferral timeout into :class:`SendGateTimeoutError`."""
        with deferral_errors(
            self._subject, count_end=self._hook.metrics.gate, timeout_error=SendGateTimeoutError
        ):
            return super().resume_execution(next_method, next_kwargs, context)

    def _decide(self, context: Context, deadline: float, failures: int = 0) -> dict[str, Any]:
        verdict = self._wait_for_verdict(deadline, failures) if self.wait_timeout else self._verdict()
        if not self.wait_timeout:
            self.log.info("%s: %s", self._subject, verdict)
        kind = "subsequence" if self.campaign_id is None else "campaign"
        push_to_board(context, [(str(self.campaign_id or self.subsequence_id), verdict)], kind=kind)
        if not verdict.open:
            self._close(context, verdict)
        self._hook.metrics.gate("opened")
        return verdict.as_dict()

    def _wait_for_verdict(self, deadline: float, failures: int) -> Verdict:
        """Return the first verdict that is not *wait*, or the last one before the timeout.

        :param failures: how many polls in a row failed on a worker before.
        """
        polling = Polling(self.poke_interval, deadline, self.max_failures)
        pause = deferring_pause(self, self._trigger, polling) if self.deferrable else None
        try:
            verdict: Verdict = poll_until(
                self._poll, polling, self._hook.metrics, pause=pause, failures=failures
            )
        except DeadlineExceededError as error:
            if error.error is not None:
                # There is no present verdict, so on_closed="skip" does not apply.
                self._hook.metrics.gate("timed_out")
                raise SendGateTimeoutError(
                    f"{self._subject}: timed out without a response from Instantly: {error}"
                ) from error
            return error.status  # type: ignore[no-any-return]
        return verdict

    def _verdict(self, retry: Retry | None = None) -> Verdict:
        return self._hook.get_verdict(
            self.campaign_id,
            subsequence_id=self.subsequence_id,
            policy=gate_policy(self.intent, self.policy, self.max_status_age),
            check_senders=self.check_senders,
            retry=retry,
        )

    def _poll(self) -> PollResult:
        verdict = self._verdict(NO_RETRY)
        self.log.info("%s: %s", self._subject, verdict)
        return verdict_result(verdict)

    def _trigger(self, **polling: Any) -> InstantlySendGateTrigger:
        return InstantlySendGateTrigger(
            campaign_id=self.campaign_id,
            subsequence_id=self.subsequence_id,
            instantly_conn_id=self.instantly_conn_id,
            intent=self.intent,
            policy=self.policy,
            max_status_age=self.max_status_age,
            **polling,
        )

    def _close(self, context: Context, verdict: Verdict) -> NoReturn:
        """Fail the task, or skip it with the downstream tasks; the verdict is the XCom either way."""
        has_timed_out = verdict.disposition is Disposition.WAIT
        self._hook.metrics.gate("timed_out" if has_timed_out else "closed")
        push_result(context, verdict.as_dict())
        if self.on_closed == "skip":
            skip_downstream(self, context, SendGateClosedError)
        if has_timed_out:
            waited = f"Waited for {self.wait_timeout:g} s" if self.wait_timeout else "wait_timeout is 0"
            raise SendGateTimeoutError(
                f"{self._subject}: {verdict} {waited}. Clear the task later, or set a longer wait_timeout."
            )
        raise SendGateClosedError(f"{self._subject}: {verdict}")

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
        if self.campaign_id is not None:
            return f"Campaign {self.campaign_id}"
        return f"Subsequence {self.subsequence_id}"

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)
