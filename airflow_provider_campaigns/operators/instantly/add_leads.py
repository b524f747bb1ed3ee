"""Add leads to a campaign in Instantly."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_campaigns.api.instantly import AddedLeads
from airflow_provider_campaigns.exceptions import (
    ApiError,
    ConnectError,
    LeadsUnaccountedError,
    RateLimitedError,
    SendsInterruptedError,
)
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.lead_files import (
    Lead,
    Leads,
    check_leads,
    format_of,
    from_file,
    from_sequence,
)
from airflow_provider_campaigns.rules.lead_upload import UploadProgress
from airflow_provider_campaigns.rules.send_gate import MAX_STATUS_AGE, Disposition, Policy
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    duration,
    optional,
    path,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.gate import SendGateClosedError, policy_argument, push_result
from airflow_provider_campaigns.tasks.send_gate_check import SendGateCheck
from airflow_provider_campaigns.tasks.storage import open_text
from airflow_provider_campaigns.tasks.task_state import TaskState
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry

if TYPE_CHECKING:
    from airflow.sdk import Context

_PROGRESS = "leads_sent"
# A batch that was refused for coming too soon was not added.
_BATCH_RETRY = Retry(not_received=(ConnectError, RateLimitedError))


def _check_list(leads: Any, name: str = "leads") -> Sequence[Any]:
    if not isinstance(leads, Sequence) or isinstance(leads, (str, bytes)) or not leads:
        raise ValueError(
            f"{name} must be a list of at least one mapping with an 'email', got {type(leads).__name__}"
            f"{' (empty)' if leads in ([], ()) else ''}. A list that another task returned is passed as that "
            f"task's output, not as a template, which would turn it into a string."
        )
    for _ in from_sequence(leads, name):
        pass
    return leads


def _lead_path(value: Any, name: str) -> str:
    checked = path(value, name)
    format_of(checked, name)
    return checked


class InstantlyAddLeadsOperator(BaseOperator):
    """Adds leads to a campaign; its XCom counts the leads that were added and those that were not.

    Leads come from a list or from a file, which is read row by row and never held in memory as a whole. All
    leads are checked before the first is sent. They are sent in batches of 1,000.

    After a try that failed or died, the next one continues at the batch that it had reached, if the leads are
    the same (from Airflow 3.3 on; before, the next try sends all leads again). No lead is added twice:
    Instantly leaves out leads that the campaign already has, and counts them as duplicated.

    With ``check_gate=True`` the campaign's sending status is checked right before each batch, by the rules of
    :class:`InstantlySendGateOperator`. If it is no longer open, no further batch is sent:
    :class:`SendGateClosedError` where a person has to act, or
    :class:`~airflow_provider_campaigns.exceptions.SendsInterruptedError`, which Airflow's ``retries`` repeat,
    where it may open again without a person. The message and the XCom say how many leads were sent.

    The XCom holds ``campaign_id``, ``complete``, ``leads`` (how many there are) and the service's counts:
    ``total_sent``, ``leads_uploaded``, ``duplicated_leads``, ``skipped_count``, ``in_blocklist``,
    ``invalid_email_count``, ``incomplete_count``, ``duplicate_email_count``, ``remaining_in_plan``.

    https://developer.instantly.ai/api-reference/lead/add-leads-in-bulk-to-a-campaign-or-list

    :param campaign_id: the campaign (templated).
    :param leads: a list of mappings, each with an ``email`` and other fields of a lead (templated).
    :param leads_path: instead of ``leads``: a UTF-8 file, as a path or any URL that Airflow's
        ``ObjectStoragePath`` can read (templated). ``.csv`` has a header with at least ``email``; columns
        that are not fields of a lead become custom variables. ``.jsonl`` or ``.ndjson`` has one lead a line.
    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``.
    :param check_gate: check the campaign before each batch.
    :param policy: for ``check_gate``: dispositions that differ from the default, by code.
    :param max_status_age: for ``check_gate``: how old the data may be; a timedelta or seconds.
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "leads", "leads_path", "instantly_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": uuid,
        "leads": optional(_check_list),
        "leads_path": optional(_lead_path),
        "check_gate": strict_flag,
        "policy": optional(policy_argument),
        "max_status_age": duration,
        "instantly_conn_id": text,
    }
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
        max_status_age: timedelta | float = MAX_STATUS_AGE,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (leads is None) == (leads_path is None):
            raise ValueError("Set either leads or leads_path.")
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options must be a mapping, got {type(options).__name__}.")
        if own := {"campaign_id", "leads"} & set(options or {}):
            raise ValueError(
                f"options must not contain {', '.join(sorted(own))}: use the argument of that name."
            )
        if policy is not None and not check_gate:
            raise ValueError("policy is for check_gate=True.")
        self.campaign_id = campaign_id
        self.leads = leads
        self.leads_path = leads_path
        self.options = options
        self.check_gate = check_gate
        self.policy = policy
        self.max_status_age: Any = max_status_age
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Add the leads, batch by batch."""
        check_rendered(self)
        save_instantly_link(context, self.campaign_id)
        leads = check_leads(self._source(), "leads" if self.leads_path is None else self.leads_path)
        state = TaskState(context)
        progress = self._progress(state, leads)
        try:
            for batch in leads.batches(after=progress.done):
                unaccounted = progress.count(self._send(batch, progress), len(batch))
                state.set(_PROGRESS, progress.as_dict())
                self.log.info("%s.", progress)
                self._check_accounted(unaccounted, progress)
        except Exception:
            # TRY400: the error itself is logged by Airflow.
            self.log.error("%s. Leads already added are kept; a retry adds the rest.", progress)  # noqa: TRY400
            push_result(context, progress.summary())
            raise
        # Somebody who clears the task after its success sends all leads again.
        state.delete(_PROGRESS)
        return progress.summary()

    def _check_accounted(self, unaccounted: int, progress: UploadProgress) -> None:
        if unaccounted:
            left = progress.remaining_in_plan
            raise LeadsUnaccountedError(
                f"Instantly does not account for {unaccounted:,} leads of a batch. Leads left in the plan: "
                f"{'unknown' if left is None else f'{left:,}'}. Make room, then run the task again: leads "
                f"that the campaign already has are left out. {progress}."
            )

    def _send(self, batch: Sequence[Lead], progress: UploadProgress) -> AddedLeads:
        """Send a batch right after a check of the gate, again while it is certain that it was not added."""
        attempt = 0
        while True:
            attempt += 1
            self._check_gate(progress)
            try:
                return self._hook.add_leads(self.campaign_id, batch, retry=NO_RETRY, **(self.options or {}))
            except ApiError as error:
                pause = _BATCH_RETRY.after_failure(error, attempt, idempotent=False, jitter=random.random())
                if pause is None:
                    raise
                self.log.warning("A batch was not accepted, retrying in %.1f s: %s", pause, error)
                self._hook.metrics.retry()
            time.sleep(pause)

    def _source(self) -> Callable[[], Iterator[Lead]]:
        if self.leads_path is None:
            leads = _check_list(self.leads)
            return lambda: from_sequence(leads)
        path, file_format = self.leads_path, format_of(self.leads_path, "leads_path")
        return lambda: from_file(lambda: open_text(path), path, file_format)

    def _progress(self, state: TaskState, leads: Leads) -> UploadProgress:
        """Return how far an earlier try came with the same leads for the same campaign."""
        fresh = UploadProgress(self.campaign_id, leads.fingerprint, leads.count)
        stored = UploadProgress.from_dict(state.get(_PROGRESS))
        if stored is None or (stored.campaign_id, stored.fingerprint) != (
            fresh.campaign_id,
            fresh.fingerprint,
        ):
            return fresh
        self.log.info("Continuing where an earlier try stopped: %s.", stored)
        return stored

    def _check_gate(self, progress: UploadProgress) -> None:
        if not self.check_gate:
            return
        policy = Policy.of(self.policy, timedelta(seconds=self.max_status_age))
        verdict = SendGateCheck(self._hook, policy, self.campaign_id).verdict()
        if verdict.open:
            return
        may_open = verdict.disposition is Disposition.WAIT
        error_class: type[Exception] = SendsInterruptedError if may_open else SendGateClosedError
        raise error_class(f"Campaign {self.campaign_id}: {verdict} {progress}; the rest was not sent.")

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)
